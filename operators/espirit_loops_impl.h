#ifndef SCRY_OPERATORS_ESPIRIT_LOOPS_IMPL_H
#define SCRY_OPERATORS_ESPIRIT_LOOPS_IMPL_H

#include "lib/variants.h"
#include "operators/hermitian_impl.h"

/* Pixels that are solved at once, one in each lane. */
enum { SCRYI_PIXELS = SCRYI_TILE };

/* A row of a coil's calibration samples, in planes. core: the samples that are in all windows at
 * any offset, and 0 elsewhere, up to whole registers; SCRYI_MARGIN floats to either side of all
 * may be read. */
enum { SCRYI_MARGIN = 16, SCRYI_MAX_KERNEL = 16 };
struct scryi_lag_row {
    const float *re, *im, *core_re, *core_im;
};

struct scryi_espirit_loops {
    /* re, im (k, k): sum over x < w of conj(a(x + i)) b(x + j), w >= k. */
    void (*lags)(float *restrict re, float *restrict im, const struct scryi_lag_row *a,
                 const struct scryi_lag_row *b, size_t w, size_t k);
    /* M v of each pixel; m (pair, part, pixel), v and out (coil, part, pixel). */
    void (*apply)(float *restrict out, const float *restrict m, const float *restrict v,
                  size_t coils);
    /* Orthonormalises w against the sets before it and returns the new set in v; the largest change
     * |w - value v|^2 among the pixels, relative to value^2. */
    float (*renew)(float *restrict v, float *restrict w, const float *sets, size_t before,
                   float *restrict value, size_t coils);
};
SCRYI_VARIANTS(struct scryi_espirit_loops, scryi_espirit_loops);

#endif
