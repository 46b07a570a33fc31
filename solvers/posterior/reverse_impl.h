#ifndef SCRY_SOLVERS_POSTERIOR_REVERSE_IMPL_H
#define SCRY_SOLVERS_POSTERIOR_REVERSE_IMPL_H

#include "solvers/posterior/guided_impl.h"

/* A draw of what the prior makes of a noisy image, p(x0 | x0 + s n = x), by ancestral steps on
 * Karras's levels from s down. A step draws the spread that x0 is left with, as in jfps.c: V =
 * (C^-1 + I / s^2)^-1 of the Gaussian model of the images, or of images of unit variance where
 * there is none. Without it each of the draws would lose some, and many of them a third of the
 * spread. */
struct scryi_reverse {
    double *levels; /* count + 1, scratch */
    size_t count;
    double low; /* last level, or s where that is less */
    double rho, spread;
    enum scryi_draw left, fresh; /* streams of random numbers, at the steps `at` + k */
    size_t at;
};

/* x0 becomes the draw; x is lost. Scratch: S->z, G->u, which are neither x0 nor x. */
scry_status scryi_reverse_draw(struct scryi_guided *G, float *x0, float *x, double s,
                               const struct scryi_reverse *R, scry_error *err);

#endif
