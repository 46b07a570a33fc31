#ifndef SCRY_OPERATORS_ESPIRIT_LOOPS_IMPL_H
#define SCRY_OPERATORS_ESPIRIT_LOOPS_IMPL_H

#include "lib/variants.h"
#include "operators/hermitian_impl.h"

/* Pixels that are solved at once, one in each lane. */
enum { SCRYI_PIXELS = SCRYI_TILE };

struct scryi_espirit_loops {
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
