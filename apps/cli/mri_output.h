#ifndef SCRY_APPS_CLI_MRI_OUTPUT_H
#define SCRY_APPS_CLI_MRI_OUTPUT_H

#include "apps/cli/mri.h"
#include "lib/io/json.h"

/* Outputs of a run of scry mri: volumes, report and preview. */

/* The first rank gathers the results of all. */
void mri_output_gather(scry_mri_volume *v);
/* Failed problems; each is named on stderr, with its slice. */
size_t mri_output_failures(const scry_mri_volume *v, const char *path);

/* chi2, draws and their judgement, on stderr; `path` is the input's. */
void mri_output_log(const scry_mri_volume *v, const mri_work *work, const char *path);

/* Maps first, the mean last. */
scry_status mri_output_write(const scry_mri_volume *v, const mri_work *work, const char *out,
                             scry_error *err);
scry_status mri_output_report(const scry_mri_volume *v, const mri_work *work, const char *in,
                              const char *out, double seconds, scry_error *err);
scry_status mri_output_preview(const scry_mri_volume *v, const mri_work *work, scry_error *err);

#endif
