#include "operators/espirit_loops_impl.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum { PIXELS = SCRYI_PIXELS, LANES = SCRYI_MARGIN };

/* Loaded from anywhere. */
typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4)));

static float lanes_sum(lanes v)
{
    float sum = 0;
    for (int i = 0; i < LANES; i++)
        sum += v[i];
    return sum;
}

/* The sum of conj(a) b at this lag over what all windows hold. */
static void lag_core(float core[2], const struct scryi_lag_row *a, const float *b_re,
                     const float *b_im, size_t w)
{
    lanes rr = {0}, ii = {0}, ri = {0}, ir = {0};
    for (size_t x = 0; x < w; x += LANES) {
        const lanes ar = *(const lanes *)(a->core_re + x), ai = *(const lanes *)(a->core_im + x);
        const lanes br = *(const lanes *)(b_re + x), bi = *(const lanes *)(b_im + x);
        rr += ar * br;
        ii += ai * bi;
        ri += ar * bi;
        ir += ai * br;
    }
    core[0] = lanes_sum(rr + ii);
    core[1] = lanes_sum(ri - ir);
}

/* conj(a) b of the samples from `at` on. */
static void lag_border(float *restrict re, float *restrict im, const struct scryi_lag_row *a,
                       const float *b_re, const float *b_im, size_t at)
{
    for (size_t q = 0; q < SCRYI_MAX_KERNEL; q++) {
        const float ar = a->re[at + q], ai = a->im[at + q], br = b_re[at + q], bi = b_im[at + q];
        re[q] = ar * br + ai * bi;
        im[q] = ar * bi - ai * br;
    }
}

/* The window at offset i holds the samples i .. i + w - 1: of those before the core all but the
 * first i, of those behind it the first i. */
static void espirit_lags(float *restrict re, float *restrict im, const struct scryi_lag_row *a,
                         const struct scryi_lag_row *b, size_t w, size_t k)
{
    for (ptrdiff_t e = 1 - (ptrdiff_t)k; e < (ptrdiff_t)k; e++) {
        const float *b_re = b->re + e, *b_im = b->im + e;
        const size_t from = e < 0 ? (size_t)-e : 0, to = e < 0 ? k : k - (size_t)e;
        float core[2], left[2][SCRYI_MAX_KERNEL], right[2][SCRYI_MAX_KERNEL];
        lag_core(core, a, b_re, b_im, w);
        lag_border(left[0], left[1], a, b_re, b_im, 0);
        lag_border(right[0], right[1], a, b_re, b_im, w);
        for (size_t q = 0; q + 1 < k; q++)
            for (int part = 0; part < 2; part++)
                core[part] += q < from ? right[part][q] : left[part][q];
        for (size_t i = from; i < to; i++) {
            const size_t at = i * k + (size_t)((ptrdiff_t)i + e);
            re[at] = core[0];
            im[at] = core[1];
            for (int part = 0; part < 2; part++)
                core[part] += right[part][i] - left[part][i];
        }
    }
}

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

const struct scryi_espirit_loops SCRYI_VARIANT(scryi_espirit_loops) = {
    .lags = espirit_lags, .apply = espirit_apply, .renew = espirit_renew};
