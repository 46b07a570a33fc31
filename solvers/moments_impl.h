#ifndef SCRY_SOLVERS_MOMENTS_IMPL_H
#define SCRY_SOLVERS_MOMENTS_IMPL_H

#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Running moments of images, pixel by pixel: those of a chain, or of all chains. The size does not
 * depend on the number of images. */
struct scryi_moments {
    size_t n, draws; /* floats of an image; how many were added */
    size_t thresholds;
    const double *threshold; /* borrowed */
    double *mean;            /* n */
    double *spread;  /* n: sum of squares about the mean; NULL where there is only one draw, which
                      * does not scatter about its estimate */
    double share;    /* of the square of that scatter, in spread */
    uint32_t *above; /* thresholds x n: draws with u > threshold; fewer than 2^32 */
};

/* *t must be zeroed; clear also after a failure. `one`: at most one draw will be added, and it is
 * its own estimate. ENOMEM */
scry_status scryi_moments_init(struct scryi_moments *t, size_t n, bool one, size_t thresholds,
                               const double *threshold, scry_error *err);
void scryi_moments_clear(struct scryi_moments *t);
size_t scryi_moments_bytes(size_t n, bool one, size_t thresholds); /* that init asks for */

void scryi_moments_forget(struct scryi_moments *t); /* no draws */
/* x0, an estimate, and x, a draw around it (NULL: itself). The mean is that of the estimates, which
 * scatters less than that of the draws and has the same expectation (Gelfand & Smith 1990, JASA
 * 85:398, Rao-Blackwell); the spread is that of the estimates and `share` of the draws' own. */
void scryi_moments_add(struct scryi_moments *t, const float *x0, const float *x);
/* Adds the draws of `from`; `into` was not made for one. For one draw the result has the same bits
 * as that of scryi_moments_add. Chan, Golub & LeVeque 1983, Am. Stat. 37:242. */
void scryi_moments_merge(struct scryi_moments *into, const struct scryi_moments *from);

#endif
