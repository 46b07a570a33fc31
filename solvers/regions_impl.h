#ifndef SCRY_SOLVERS_REGIONS_IMPL_H
#define SCRY_SOLVERS_REGIONS_IMPL_H

#include "lib/space.h"
#include "lib/status.h"

#include <stdint.h>

/* Blocks of side x side pixels of the last two axes of an image, smaller at its edges; planes, and
 * real and imaginary parts, have separate regions. Two numbers of each region are recorded: the
 * mean and the mean square of its values. */
struct scryi_regions {
    size_t n, count;
    uint32_t *of;     /* n: the region of each float */
    uint32_t *pixels; /* count: floats in each */
};

/* *r must be zeroed; clear also after a failure. side >= 1. ENOMEM; EINVAL: 2^32 regions or more */
scry_status scryi_regions_init(struct scryi_regions *r, const scry_space *space, size_t side,
                               scry_error *err);
void scryi_regions_clear(struct scryi_regions *r);
size_t scryi_regions_count(const scry_space *space, size_t side);

/* row: 2 x count, the means and then the mean squares of the image x. */
void scryi_regions_follow(const struct scryi_regions *r, double *row, const float *x);

/* From the rows of chains, chains x draws x (2 x count): split R-hat and the effective number of
 * draws of each region, the worse of those of its two numbers, written to all its pixels (n floats
 * each), and the extremes over regions. ENOMEM */
scry_status scryi_regions_mixing(const struct scryi_regions *r, const double *rows, size_t chains,
                                 size_t draws, float *rhat, float *ess, double *worst_rhat,
                                 double *min_ess, scry_error *err);

#endif
