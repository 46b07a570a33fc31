#include "operators/espirit_loops_impl.h"

#include <math.h>
#include <string.h>

enum { PIXELS = SCRYI_PIXELS };

static void espirit_apply(float *restrict out, const float *restrict m, const float *restrict v,
                          size_t coils)
{
    memset(out, 0, coils * 2 * PIXELS * sizeof *out);
    for (size_t c = 0; c < coils; c++) {
        const float *vc = v + c * 2 * PIXELS;
        float *oc = out + c * 2 * PIXELS;
        for (size_t x = 0; x < PIXELS; x++) { /* the diagonal is real */
            oc[x] += m[x] * vc[x];
            oc[PIXELS + x] += m[x] * vc[PIXELS + x];
        }
        m += 2 * PIXELS;
        for (size_t d = c + 1; d < coils; d++, m += 2 * PIXELS) {
            const float *vd = v + d * 2 * PIXELS;
            float *od = out + d * 2 * PIXELS;
            for (size_t x = 0; x < PIXELS; x++) {
                const float re = m[x], im = m[PIXELS + x];
                oc[x] += re * vd[x] - im * vd[PIXELS + x];
                oc[PIXELS + x] += re * vd[PIXELS + x] + im * vd[x];
                od[x] += re * vc[x] + im * vc[PIXELS + x];
                od[PIXELS + x] += re * vc[PIXELS + x] - im * vc[x];
            }
        }
    }
}

/* dot <- sum conj(a) b of each pixel */
static void pixel_dot(float *restrict dot, const float *a, const float *b, size_t coils)
{
    memset(dot, 0, 2 * PIXELS * sizeof *dot);
    for (size_t c = 0; c < coils; c++, a += 2 * PIXELS, b += 2 * PIXELS)
        for (size_t x = 0; x < PIXELS; x++) {
            dot[x] += a[x] * b[x] + a[PIXELS + x] * b[PIXELS + x];
            dot[PIXELS + x] += a[x] * b[PIXELS + x] - a[PIXELS + x] * b[x];
        }
}

/* b -= z a */
static void pixel_subtract(float *restrict b, const float *restrict z, const float *restrict a,
                           size_t coils)
{
    for (size_t c = 0; c < coils; c++, a += 2 * PIXELS, b += 2 * PIXELS)
        for (size_t x = 0; x < PIXELS; x++) {
            b[x] -= z[x] * a[x] - z[PIXELS + x] * a[PIXELS + x];
            b[PIXELS + x] -= z[x] * a[PIXELS + x] + z[PIXELS + x] * a[x];
        }
}

static void pixel_scale(float *restrict b, const float *restrict factor, size_t coils)
{
    for (size_t c = 0; c < 2 * coils; c++, b += PIXELS)
        for (size_t x = 0; x < PIXELS; x++)
            b[x] *= factor[x];
}

static float espirit_renew(float *restrict v, float *restrict w, const float *sets, size_t before,
                           float *restrict value, size_t coils)
{
    const size_t each = coils * 2 * PIXELS;
    float dot[2 * PIXELS], norm[2 * PIXELS], inverse[PIXELS];
    float worst = 0;
    for (size_t s = 0; s < before; s++) {
        pixel_dot(dot, sets + s * each, w, coils);
        pixel_subtract(w, dot, sets + s * each, coils);
    }
    pixel_dot(dot, v, w, coils);
    pixel_dot(norm, w, w, coils);
    for (size_t x = 0; x < PIXELS; x++) {
        const float change = norm[x] - dot[x] * dot[x];
        const float relative = change / (norm[x] + 1e-12f);
        worst = relative > worst ? relative : worst;
        value[x] = sqrtf(norm[x]);
        inverse[x] = 1 / (value[x] + 1e-18f);
    }
    pixel_scale(w, inverse, coils);
    memcpy(v, w, each * sizeof *v);
    return worst;
}

const struct scryi_espirit_loops SCRYI_VARIANT(scryi_espirit_loops) = {.apply = espirit_apply,
                                                                       .renew = espirit_renew};
