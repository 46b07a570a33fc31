#ifndef SCRY_APPS_CLI_COMPARE_VOLUME_H
#define SCRY_APPS_CLI_COMPARE_VOLUME_H

#include "lib/stats/metrics.h"

#include <stdbool.h>

/* Scores of reconstructed MR volumes by the definitions of fastMRI. */
typedef struct volume_scores {
    scry_fidelity fidelity;
    double ssim;         /* NaN where the slices are smaller than its window */
    size_t planes, y, x; /* compared */
    bool cropped;        /* to the smaller of the two sizes */
} volume_scores;

/* Does the name end as those of lib/io/recon_file.h do? */
bool volume_named(const char *path);

/* est and truth are read whole, as magnitudes; est becomes scale * est + shift, and both the centre
 * of the smaller size. range 0: the maximum of the truth. Datasets NULL: those of
 * lib/io/recon_file.h. ESHAPE: numbers of slices differ; ENUMERIC: a slice holds NaN, as those that
 * failed do. */
scry_status volume_compare(volume_scores *out, const char *const *paths,
                           const char *const *datasets, double scale, double shift, double range,
                           scry_error *err);

#endif
