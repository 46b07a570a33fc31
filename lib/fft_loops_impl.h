#ifndef SCRY_LIB_FFT_LOOPS_IMPL_H
#define SCRY_LIB_FFT_LOOPS_IMPL_H

#include "lib/variants.h"

#include <stddef.h>

/* Rows that are worked on together: their entries lie side by side. */
enum { SCRYI_FFT_ROWS = 16 };

/* A real transform of n = 2 h entries from a complex one of h. z is x with even entries as real and
 * odd ones as imaginary parts, Z its transform, X that of x, w = exp(-2 pi i k / n):
 *
 *   split  X[k] = (Z[k] + conj Z[h-k]) / 2 - i w (Z[k] - conj Z[h-k]) / 2,  k = 0 .. h
 *   join   Z[k] = X[k] + conj X[h-k] + i conj(w) (X[k] - conj X[h-k]),      k = 0 .. h - 1
 *
 * (Z[h] = Z[0]; join gives twice Z, so that an unscaled transform back has the factor n.) Complex
 * numbers are pairs. z: SCRYI_FFT_ROWS numbers for each k. X: `apart` numbers from one k to the
 * next; split writes `count` of each. w: h + 1 numbers. */
struct scryi_fft_loops {
    void (*split)(float *restrict X, size_t apart, size_t count, const float *z, const float *w,
                  size_t h);
    void (*join)(float *restrict z, const float *X, size_t apart, const float *w, size_t h);
};
SCRYI_VARIANTS(struct scryi_fft_loops, scryi_fft_loops);

#endif
