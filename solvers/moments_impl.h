#ifndef SCRY_SOLVERS_MOMENTS_IMPL_H
#define SCRY_SOLVERS_MOMENTS_IMPL_H

#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What images add up to, one pixel at a time: those of a chain, or of all chains. Its size does not
 * depend on their count. */
struct scryi_moments {
    size_t n, draws; /* floats of an image; how many were added */
    size_t thresholds;
    const double *threshold; /* borrowed */
    double *mean;            /* n */
    double *spread;          /* n: sum of squares about the mean; NULL where only one draw comes */
    uint32_t *above;         /* thresholds x n: draws with u > threshold; fewer than 2^32 */
};

/* *t must be zeroed; clear also after a failure. `one`: it will never hold more than one draw.
 * ENOMEM */
scry_status scryi_moments_init(struct scryi_moments *t, size_t n, bool one, size_t thresholds,
                               const double *threshold, scry_error *err);
void scryi_moments_clear(struct scryi_moments *t);
size_t scryi_moments_bytes(size_t n, bool one, size_t thresholds); /* that init asks for */

void scryi_moments_forget(struct scryi_moments *t); /* no draws */
void scryi_moments_add(struct scryi_moments *t, const float *x);
/* The draws of `from` too; `into` was not made for one. For one draw the same as adding it, to the
 * last bit. Chan, Golub & LeVeque 1983, Am. Stat. 37:242. */
void scryi_moments_merge(struct scryi_moments *into, const struct scryi_moments *from);

#endif
