#ifndef SCRY_OPERATORS_PLANES_LOOPS_IMPL_H
#define SCRY_OPERATORS_PLANES_LOOPS_IMPL_H

#include "lib/variants.h"
#include "operators/hermitian_impl.h"

/* The left factor of a product and how it is read: entry (r, k) is at r * row + k * col; sign -1:
 * its conjugate. k runs to `k`. */
struct scryi_left {
    const float *re, *im;
    size_t row, col, k;
    float sign;
};

struct scryi_planes_loops {
    /* Columns x .. x + SCRYI_TILE of C = A B. */
    void (*product)(scryi_planes *C, struct scryi_left A, const scryi_planes *B, size_t x);
    /* Of row x of X and row y of Y: sum conj(x) y; y -= z x; y *= factor. */
    double complex (*inner)(const scryi_planes *X, size_t x, const scryi_planes *Y, size_t y);
    void (*subtract)(scryi_planes *Y, size_t y, double complex z, const scryi_planes *X, size_t x);
    void (*scale)(scryi_planes *Y, size_t y, double factor);
};
SCRYI_VARIANTS(struct scryi_planes_loops, scryi_planes_loops);

#endif
