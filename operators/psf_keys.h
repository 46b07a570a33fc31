#ifndef SCRY_OPERATORS_PSF_KEYS_H
#define SCRY_OPERATORS_PSF_KEYS_H

#include "operators/psf.h"

/* Names, single keys and help texts for programs with a user interface. */

const char *scry_psf_model_name(scry_psf_model model);
const char *scry_psf_key_name(scry_psf_key key);
const char *scry_psf_key_unit(scry_psf_key key); /* "" when it has none */
bool scry_psf_model_uses(scry_psf_model model, scry_psf_key key);

/* True when the text names a model ("airy", "airy:na=1.4") rather than a file. */
bool scry_psf_is_model(const char *spec);

/* One value, marked GIVEN. EINVAL as scry_psf_parse. */
scry_status scry_psf_set(scry_psf_params *p, scry_psf_key key, double value, scry_error *err);

/* A file's description of its microscope; 0: not stated. */
typedef struct scry_psf_metadata {
    double na, ni, wavelength_nm, excitation_nm, pixel_um, spacing_um;
} scry_psf_metadata;

/* Fills in the values that the user has not given. A value outside its range is ignored: files are
 * often wrong. */
void scry_psf_merge(scry_psf_params *p, const scry_psf_metadata *m);

/* The models and their keys, for --help. As snprintf. */
size_t scry_psf_help(char *text, size_t size);

/* The text of one warning bit. */
const char *scry_psf_warning(unsigned bit);

#endif
