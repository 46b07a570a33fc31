#ifndef SCRY_APPS_CLI_MRI_H
#define SCRY_APPS_CLI_MRI_H

#include "apps/cli/cli.h"
#include "apps/cli/map_options.h"
#include "apps/recon/mri/volume.h"
#include "apps/recon/report/page.h"

/* scry mri: the settings of the command line. */

typedef struct mri_settings {
    const char *method, *prior, *class_name, *maps, *mask, *trajectory, *size, *noise, *phase;
    const char *dataset, *slices, *fft;
    double guidance;
    const char *report, *preview;
    map_options output;
    int64_t samples, seed, threads, sets, acs, coils;
    double crop, holdout, gain, phase_width, imaginary;
    double oversampling;
    const char *transformed;
    bool soft, cplx, force, quiet, resume;
    cli_method_values methods;
} mri_settings;

void mri_settings_init(mri_settings *s);
enum { MRI_OPTIONS = 42 };
void mri_options(cli_option *table, mri_settings *s);
/* EINVAL: a choice or a number that is not one of those allowed. */
scry_status mri_settings_check(const mri_settings *s, scry_error *err);

/* A run of the command. */
typedef struct mri_work {
    const mri_settings *settings;
    scry_mri_request request;
    scry_options options;
    scry_output_maps maps;
    map_files files; /* of the maps */
    scry_scan_file *file;
    scry_reconstructor *rec;
    scry_page *page; /* the report is to be one; NULL: it is not */
} mri_work;

/* The request of the settings; they have passed mri_settings_check. Coil maps of a file
 * are the caller's to read. */
void mri_settings_request(scry_mri_request *out, const mri_settings *s);
/* The command line has the weight of a method: lambda, by any of its names. */
bool mri_gives_weight(const mri_settings *s);
/* The file that --noise names; NULL: it says something else. */
const char *mri_noise_file(const mri_settings *s);
/* --maps names a file. */
bool mri_maps_from_file(const mri_settings *s);

#endif
