#ifndef SCRY_OPERATORS_NUFFT_LOOPS_IMPL_H
#define SCRY_OPERATORS_NUFFT_LOOPS_IMPL_H

#include "lib/variants.h"

#include <stddef.h>

/* A kernel of 8 x 8 cells at `cells` (pairs of floats, `pitch` pairs from line to line):
 * kernel[0..7] across the lines, kernel[8..15] along them. */
struct scryi_nufft_loops {
    /* value (a pair) = sum of kernel times cells */
    void (*gather)(float *value, const float *cells, size_t pitch, const float *kernel);
    /* cells += kernel times value */
    void (*spread)(float *cells, size_t pitch, const float *kernel, const float *value);
    /* n pairs times real weights that stand twice */
    void (*weigh)(float *pairs, const float *weights, size_t n);
};
SCRYI_VARIANTS(struct scryi_nufft_loops, scryi_nufft_loops);

#endif
