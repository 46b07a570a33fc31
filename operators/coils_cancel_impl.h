#ifndef SCRY_OPERATORS_COILS_CANCEL_IMPL_H
#define SCRY_OPERATORS_COILS_CANCEL_IMPL_H

#include "lib/status.h"

#include <complex.h>
#include <stddef.h>

/* Combinations of the samples of windows of k-space in which signal cancels (coils_cancel.c), for
 * those who choose the windows (coils_windows.c). */

struct window_shape {
    size_t h, w, sy, sx; /* samples along y and x, and their spacing */
};

struct window_gram {
    double *re, *im; /* p p, row-major */
    size_t windows;
};

struct windows {
    const float complex *x; /* (coils, ny, nx), whitened */
    const unsigned char *mask;
    size_t coils, ny, nx, p;
    double reach_y, reach_x; /* of the samples, from the middle */
    struct window_shape s;
    struct window_gram middle, near, far;
    double complex *G, *V, *N; /* p p */
    double *values;            /* p */
    double *power;             /* p: of each combination on the outer windows, the best first */
};

/* What the windows of a shape say. */
struct window_result {
    double power, bound; /* bound: with its uncertainty */
    double complex *psi; /* coils x coils, of whitened coils */
    double variance;     /* mean of its diagonal, before small eigenvalues were raised */
    double reach; /* power nearer to the middle over power farther out; NaN: too few windows */
    struct window_shape shape;
};

/* Distance of sample i from the middle, as a share of how far the samples reach. */
double scryi_off_middle(size_t i, size_t n, double reach);

/* Where a window lies: within half of how far samples reach, and of what is beyond it farther in
 * and farther out. */
enum window_place { PLACE_NONE, PLACE_MIDDLE, PLACE_NEAR, PLACE_FAR };
/* counts[place] of the windows of shape w->s. */
void scryi_windows_count(size_t counts[4], const struct windows *w);

/* The noise that the windows of shape w.s tell, from those that counts found; out->psi is the
 * caller's. They say nothing, and out->bound is as it was, where there are too few. */
scry_status scryi_windows_tell(struct window_result *out, struct windows w, const size_t counts[4],
                               scry_error *err);

#endif
