#ifndef SCRY_APPS_RECON_IMAGE_PSF_FIT_H
#define SCRY_APPS_RECON_IMAGE_PSF_FIT_H

#include "apps/recon/image/psf_source.h"
#include "lib/stats/noise_identify.h"
#include "operators/likelihood.h"
#include "operators/psf_depth.h"
#include "operators/psf_width.h"

/* The estimate of the PSF's width from the image, and the width that is used. */

/* For each channel of a file: its planes and frames share it. */
typedef struct scry_psf_widths {
    struct scry_psf_fit {
        bool estimated;
        scry_psf_width found; /* relative to the psf as it was given */
        double used;          /* the factor to use, on the width that was given */
        double depth;         /* the one along z beside it; 0: not asked */
    } * channels;
    size_t count;
} scry_psf_widths;
void scry_psf_widths_free(scry_psf_widths *w); /* accepts a zeroed one */

/* The estimate for this channel; NULL while there is none. */
const struct scry_psf_fit *scry_psf_fit_of(const scry_psf_widths *w, size_t channel);

/* The factor by which an image was enlarged, by linear or cubic interpolation; 1: it was not.
 * Copies of its spectrum begin at half a cycle of the pixels before. */
double scryi_image_enlarged(const scry_noise_model *model);

/* Estimates the width from one image, for all images of its channel, and logs it. SCRY_WIDTH_FIND
 * uses the width that the image prefers where it is determined, or at most the width that the image
 * allows; where it is not determined, the width that was given; for sigma=auto three quarters of
 * the best guess, since a PSF that is too narrow does less harm than one that is too wide, or 0.5
 * px without any guess. SCRY_WIDTH_CHECK warns of a width that the image contradicts, and narrows
 * the PSF as far as the preference of the image outweighs the word of the user.
 *
 *   image   finite pixels; where `known` is 0, scry_known_mirror replaces them for the estimate
 *   noise   of the image
 *   model   as scry_noise_identify found it, for its spectrum and its pixels; NULL, or one whose
 *           noise is not correlated: white
 * errors  those of scry_psf_source_make and scry_psf_width_estimate */
scry_status scry_psf_fit_find(scry_psf_widths *widths, const scry_psf_source *s,
                              const scry_image *image, const unsigned char *known,
                              const scry_noise *noise, const scry_noise_model *model,
                              scry_boundary boundary, const scry_log *log, scry_error *err);

/* The factor along z, beside that on all axes, by which the PSF is shortened to be no longer than
 * the planes of a stack allow (operators/psf_depth.h); 1 where the image is none, or the PSF a
 * plane. Found in the first
 * image of a channel, with the width that is used, and logged. errors  those of
 * scry_psf_source_make and scry_psf_depth_estimate */
scry_status scry_psf_fit_depth(double *factor, scry_psf_widths *widths, const scry_psf_source *s,
                               const scry_image *image, const unsigned char *known,
                               const scry_noise *noise, const scry_noise_model *model,
                               scry_boundary boundary, const scry_log *log, scry_error *err);

#endif
