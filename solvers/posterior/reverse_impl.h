#ifndef SCRY_SOLVERS_POSTERIOR_REVERSE_IMPL_H
#define SCRY_SOLVERS_POSTERIOR_REVERSE_IMPL_H

#include "solvers/posterior/guided_impl.h"

/* A draw from p(x0 | x0 + s n = x), an image given a noisy one, by ancestral steps on Karras's
 * levels from s down. A step also draws the spread of x0 given the state, as in jfps.c: V = (C^-1 +
 * I / s^2)^-1 of the Gaussian model of the images, or of images of unit variance where there is
 * none. Without it each draw would lose some of the spread, and a chain of many draws a third of
 * it. */
struct scryi_reverse {
    double *levels; /* count + 1, scratch */
    size_t count;
    double low; /* last level, or s where that is lower */
    double rho, spread;
    enum scryi_draw left, fresh; /* streams of random numbers, at the steps `at` + k */
    size_t at;
};

/* x0 becomes the draw; x is overwritten. Scratch: S->z, G->u, which are neither x0 nor x. */
scry_status scryi_reverse_draw(struct scryi_guided *G, float *x0, float *x, double s,
                               const struct scryi_reverse *R, scry_error *err);

#endif
