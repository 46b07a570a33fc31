#ifndef SCRY_APPS_CLI_MRI_OUTPUT_H
#define SCRY_APPS_CLI_MRI_OUTPUT_H

#include "apps/cli/mri.h"
#include "lib/io/json.h"

/* What a run of scry mri leaves: volumes, report and preview. */

/* One 2-D problem in the report; plain, so that ranks can merge it. */
typedef struct mri_entry {
    size_t done, failed_chains, samples, coils;
    double holdout, holdout_chi2, scale, seconds;
    scry_diagnosis diagnosis;
    scry_counts counts;
    scry_start_point start;
    char failure[256]; /* "" when it went well */
} mri_entry;

typedef struct mri_volume {
    size_t frames, slices, dims[3], count; /* count: voxels of all */
    size_t first;                          /* number in the file of the first of the slices */
    int across;                            /* axis (z, y, x) that problems are counted along */
    bool cplx;
    const scry_output_maps *asked; /* the run's */
    float *mean, *maps;            /* (frames, slices, z, y, x), mean in pairs where cplx; maps one
                                      after another */
    size_t problems;               /* of a slice */
    mri_entry *entries;            /* frames x slices x problems */
    float *zero_filled;            /* the middle slice's, for the preview; NULL without */
} mri_volume;

/* For slices first to last of the file, which keep their numbers in all calls. */
scry_status mri_volume_create(mri_volume *v, const mri_work *work, size_t first, size_t last,
                              size_t problems, int across, scry_error *err);
void mri_volume_free(mri_volume *v); /* accepts a zeroed one */

/* Problem `index` of (frame, slice): the image goes to its place and direction, and *r to its size
 * there. */
scry_status mri_volume_put(mri_volume *v, size_t frame, size_t slice, size_t index,
                           scry_mri_result *r, scry_error *err);
/* The same of the zero-filled image, for the preview. */
scry_status mri_volume_put_zero_filled(mri_volume *v, size_t index, scry_mri_result *r,
                                       scry_error *err);
/* NaN where it would have been, and why. */
void mri_volume_fail(mri_volume *v, size_t frame, size_t slice, size_t index, const char *why);
/* The first rank has what all did. */
void mri_volume_gather(mri_volume *v);
/* Failed problems; each is named on stderr, with its slice. */
size_t mri_volume_failures(const mri_volume *v, const char *path);

/* chi2, draws and what to think of them, on stderr; `path` is the input's. */
void mri_volume_log(const mri_volume *v, const mri_work *work, const char *path);

/* Maps first, the mean last. */
scry_status mri_volume_write(const mri_volume *v, const mri_work *work, const char *out,
                             scry_error *err);
scry_status mri_report(const mri_volume *v, const mri_work *work, const char *in, const char *out,
                       double seconds, scry_error *err);
scry_status mri_preview(const mri_volume *v, const mri_work *work, scry_error *err);

#endif
