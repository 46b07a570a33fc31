#ifndef SCRY_SOLVERS_CLASSICAL_DIFFERENCE_IMPL_H
#define SCRY_SOLVERS_CLASSICAL_DIFFERENCE_IMPL_H

#include "lib/space.h"

/* Forward differences G along the last (at most three) axes of a space, 0 across the border
 * (Neumann), in units of one pixel. Complex entries are differenced part by part, along the last
 * two axes: an axis before them counts the images of several map sets. Axes of length 1 are left
 * out. No function allocates; out and in do not overlap. */
typedef struct scryi_difference {
    int axes;         /* number of directions */
    size_t n;         /* floats in an image */
    int parts;        /* floats in an entry: 1, or 2 for pairs */
    size_t length[3]; /* of each axis */
    size_t stride[3]; /* floats between neighbours */
} scryi_difference;

void scryi_difference_init(scryi_difference *G, const scry_space *space);

/* p = G u, or p += alpha G u: one image of n floats per axis, one after the other.
 * |G|^2 <= 4 axes. */
void scryi_gradient(const scryi_difference *G, float *p, const float *u);
void scryi_gradient_add(const scryi_difference *G, float *p, double alpha, const float *u);
/* out = G^T p */
void scryi_gradient_adjoint(const scryi_difference *G, float *out, const float *p);
/* out = G^T G u: minus the Laplacian with reflecting borders */
void scryi_laplacian(const scryi_difference *G, float *out, const float *u);

/* Every vector of p (over axes, and over both parts of a pair) onto the unit ball. */
void scryi_project_ball(const scryi_difference *G, float *p);
/* Every vector of p divided by hypot(its length, eps). */
void scryi_normalise(const scryi_difference *G, float *p, double eps);
/* Isotropic total variation: the sum of the lengths of the vectors of p = G u. */
double scryi_length_sum(const scryi_difference *G, const float *p);

#endif
