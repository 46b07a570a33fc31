#include "priors/wavelet.h"

#include "priors/prior_impl.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "lib/vector.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* One level of a line of n samples, n even:
 *   low_i  = sum_k h_k x_(2i+k)     high_i = sum_k g_k x_(2i+k),   g_k = (-1)^k h_(3-k)
 * with indices modulo n; rows of this matrix are orthonormal, so its transpose is its inverse. A
 * line of n + 1 keeps its last sample: a row of the identity, orthonormal to the others. Both axes
 * of the low-low block follow one another, then the next level.
 *
 * GSL's transforms do the same for lines of 2^k samples and square images of them, which few MR
 * images are, of real numbers in double precision: they are the reference in the test.
 *
 * A level goes through x from the image to a buffer, then through y and back, so that no pass
 * copies; the first one reads, and the last one writes, lines rotated by the shift. */

enum { MIN_BAND = 16 }; /* entries in a low band, as in BART: fewer say little about sparsity */

/* (1 + s, 3 + s, 3 - s, 1 - s) / (4 sqrt 2), s = sqrt 3 */
#define H0 0.48296291314453414337f
#define H1 0.83651630373780790557f
#define H2 0.22414386804201338103f
#define H3 (-0.12940952255126038117f)

struct wavelet {
    scry_prior base;
    size_t ny, nx, images;
    size_t per; /* floats of an entry */
    int levels_y, levels_x;
};

static int levels_of(size_t n)
{
    int levels = 0;
    for (; n / 2 >= MIN_BAND; n /= 2)
        levels++;
    return levels;
}

static int levels_max(const struct wavelet *W)
{
    return W->levels_y > W->levels_x ? W->levels_y : W->levels_x;
}

/* The input of a level: the first ny x nx entries of an image. */
struct level {
    size_t ny, nx;
    bool along_y, along_x;
    size_t dy, dx; /* shift: of the first level alone */
};

static struct level wavelet_level_of(const struct wavelet *W, int i, size_t dy, size_t dx)
{
    const int y = i < W->levels_y ? i : W->levels_y, x = i < W->levels_x ? i : W->levels_x;
    return (struct level){W->ny >> y,      W->nx >> x, i < W->levels_y,
                          i < W->levels_x, i ? 0 : dy, i ? 0 : dx};
}

struct buffers {
    float *image;             /* ny * nx entries */
    float *line, *even, *odd; /* nx; nx / 2 + 1; nx / 2 + 1 */
};

static size_t line_bytes(const struct wavelet *W)
{
    return scry_align_up((W->nx + 2) * W->per * sizeof(float));
}

static size_t wavelet_work_bytes(const struct wavelet *W)
{
    return scry_align_up(W->ny * W->nx * W->per * sizeof(float)) + 3 * line_bytes(W);
}

static struct buffers wavelet_carve(const struct wavelet *W, void *work)
{
    char *at = (char *)work + scry_align_up(W->ny * W->nx * W->per * sizeof(float));
    const size_t step = line_bytes(W);
    return (struct buffers){work, (float *)at, (float *)(at + step), (float *)(at + 2 * step)};
}

/* out_j = in_(j + d mod n), entries of `per` floats */
static void wavelet_rotate(float *restrict out, const float *restrict in, size_t n, size_t d,
                           size_t per)
{
    memcpy(out, in + d * per, (n - d) * per * sizeof *out);
    memcpy(out + (n - d) * per, in, d * per * sizeof *out);
}

/* Entries of 8 bytes move as one, which compilers turn into shuffles. */
static void wavelet_split(float *restrict even, float *restrict odd, const float *restrict line,
                          size_t half, size_t per)
{
    if (per == 2)
        for (size_t i = 0; i < half; i++) {
            memcpy(even + 2 * i, line + 4 * i, 8);
            memcpy(odd + 2 * i, line + 4 * i + 2, 8);
        }
    else
        for (size_t i = 0; i < half; i++) {
            even[i] = line[2 * i];
            odd[i] = line[2 * i + 1];
        }
}

static void wavelet_join(float *restrict line, const float *restrict even,
                         const float *restrict odd, size_t half, size_t per)
{
    if (per == 2)
        for (size_t i = 0; i < half; i++) {
            memcpy(line + 4 * i, even + 2 * i, 8);
            memcpy(line + 4 * i + 2, odd + 2 * i, 8);
        }
    else
        for (size_t i = 0; i < half; i++) {
            line[2 * i] = even[i];
            line[2 * i + 1] = odd[i];
        }
}

/* low and high from the samples 2i, 2i + 1, 2i + 2, 2i + 3, n floats of each */
static void wavelet_filter(float *restrict low, float *restrict high, const float *restrict a,
                           const float *restrict b, const float *restrict c,
                           const float *restrict d, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        low[i] = H0 * a[i] + H1 * b[i] + H2 * c[i] + H3 * d[i];
        high[i] = H3 * a[i] - H2 * b[i] + H1 * c[i] - H0 * d[i];
    }
}

/* Its transpose: the samples 2i and 2i + 1 from the bands at i and at i - 1 */
static void wavelet_unfilter(float *restrict even, float *restrict odd, const float *restrict low,
                             const float *restrict high, const float *restrict low1,
                             const float *restrict high1, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        even[i] = H0 * low[i] + H3 * high[i] + H2 * low1[i] + H1 * high1[i];
        odd[i] = H1 * low[i] - H2 * high[i] + H3 * low1[i] - H0 * high1[i];
    }
}

static void row_analyse(const struct wavelet *W, const struct level *l, float *out, const float *in,
                        const struct buffers *b)
{
    const size_t per = W->per, half = l->nx / 2, m = half * per;
    if (!l->along_x) {
        memcpy(out, in, l->nx * per * sizeof *out);
        return;
    }
    wavelet_rotate(b->line, in, l->nx, l->dx, per);
    wavelet_split(b->even, b->odd, b->line, half, per);
    memcpy(b->even + m, b->even, per * sizeof *out);
    memcpy(b->odd + m, b->odd, per * sizeof *out);
    wavelet_filter(out, out + m, b->even, b->odd, b->even + per, b->odd + per, m);
    if (l->nx % 2) memcpy(out + 2 * m, b->line + 2 * m, per * sizeof *out);
}

static void row_synthesise(const struct wavelet *W, const struct level *l, float *out,
                           const float *in, const struct buffers *b)
{
    const size_t per = W->per, half = l->nx / 2, m = half * per, last = m - per;
    if (!l->along_x) {
        memcpy(out, in, l->nx * per * sizeof *out);
        return;
    }
    wavelet_unfilter(b->even + per, b->odd + per, in + per, in + m + per, in, in + m, last);
    wavelet_unfilter(b->even, b->odd, in, in + m, in + last, in + m + last, per);
    wavelet_join(b->line, b->even, b->odd, half, per);
    if (l->nx % 2) memcpy(b->line + 2 * m, in + 2 * m, per * sizeof *out);
    wavelet_rotate(out, b->line, l->nx, l->dx ? l->nx - l->dx : 0, per);
}

/* c = W u for one image; c == u allowed */
static void wavelet_analyse(const struct wavelet *W, float *c, const float *u, size_t dy, size_t dx,
                            const struct buffers *b)
{
    const size_t stride = W->nx * W->per;
    float *t = b->image;
    for (int i = 0; i < levels_max(W); i++, u = c) {
        const struct level l = wavelet_level_of(W, i, dy, dx);
        const size_t half = l.ny / 2, m = l.nx * W->per;
        for (size_t y = 0; y < l.ny; y++)
            row_analyse(W, &l, t + y * stride, u + (y + l.dy) % l.ny * stride, b);
        for (size_t y = 0; l.along_y && y < half; y++) {
            const float *rows = t + 2 * y * stride, *next = y + 1 < half ? rows + 2 * stride : t;
            wavelet_filter(c + y * stride, c + (half + y) * stride, rows, rows + stride, next,
                           next + stride, m);
        }
        for (size_t y = l.along_y ? 2 * half : 0; y < l.ny; y++)
            memcpy(c + y * stride, t + y * stride, m * sizeof *c);
    }
}

/* u = W^H c, in place */
static void wavelet_synthesise(const struct wavelet *W, float *u, size_t dy, size_t dx,
                               const struct buffers *b)
{
    const size_t stride = W->nx * W->per;
    float *t = b->image;
    for (int i = levels_max(W) - 1; i >= 0; i--) {
        const struct level l = wavelet_level_of(W, i, dy, dx);
        const size_t half = l.ny / 2, m = l.nx * W->per;
        for (size_t y = 0; l.along_y && y < half; y++) {
            const float *low = u + y * stride, *high = low + half * stride;
            const ptrdiff_t back = (ptrdiff_t)stride * (y ? -1 : (ptrdiff_t)half - 1);
            wavelet_unfilter(t + 2 * y * stride, t + (2 * y + 1) * stride, low, high, low + back,
                             high + back, m);
        }
        for (size_t y = l.along_y ? 2 * half : 0; y < l.ny; y++)
            memcpy(t + y * stride, u + y * stride, m * sizeof *u);
        for (size_t y = 0; y < l.ny; y++)
            row_synthesise(W, &l, u + (y + l.dy) % l.ny * stride, t + y * stride, b);
    }
}

/* c max(1 - t/|c|, 0); t = 0 leaves c as it is, and c = 0 is 0 / FLT_MIN */
static void wavelet_soft(float *c, float t, size_t entries, size_t per)
{
    if (per == 2) {
        for (size_t i = 0; i < entries; i++) {
            const float re = c[2 * i], im = c[2 * i + 1], size = sqrtf(re * re + im * im);
            const float over = size - t, divide = size > FLT_MIN ? size : FLT_MIN;
            const float k = (over > 0 ? over : 0) / divide;
            c[2 * i] = k * re;
            c[2 * i + 1] = k * im;
        }
        return;
    }
    for (size_t i = 0; i < entries; i++) {
        const float over = fabsf(c[i]) - t;
        c[i] = copysignf(over > 0 ? over : 0, c[i]);
    }
}

static const struct scry_prior_ops wavelet_ops;

static bool is_wavelet(const scry_prior *P)
{
    return P->ops == &wavelet_ops;
}

static scry_status wavelet_check(const scry_prior *P, scry_error *err)
{
    if (is_wavelet(P)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "%s is not a wavelet prior", P->ops->name);
}

scry_status scry_wavelet_analyse(const scry_prior *P, float *c, const float *u, void *work,
                                 scry_error *err)
{
    if (SCRY_MISSING(err, P, c, u, work)) return SCRY_EINVAL;
    const struct wavelet *W = (const struct wavelet *)P;
    scry_status st = wavelet_check(P, err);
    if (st != SCRY_OK) return st;
    const struct buffers b = wavelet_carve(W, work);
    const size_t n = W->ny * W->nx * W->per;
    if (levels_max(W) == 0) memmove(c, u, W->images * n * sizeof *c);
    for (size_t i = 0; i < W->images; i++)
        wavelet_analyse(W, c + i * n, u + i * n, 0, 0, &b);
    return SCRY_OK;
}

scry_status scry_wavelet_synthesise(const scry_prior *P, float *u, const float *c, void *work,
                                    scry_error *err)
{
    if (SCRY_MISSING(err, P, u, c, work)) return SCRY_EINVAL;
    const struct wavelet *W = (const struct wavelet *)P;
    scry_status st = wavelet_check(P, err);
    if (st != SCRY_OK) return st;
    const struct buffers b = wavelet_carve(W, work);
    const size_t n = W->ny * W->nx * W->per;
    memmove(u, c, W->images * n * sizeof *u);
    for (size_t i = 0; i < W->images; i++)
        wavelet_synthesise(W, u + i * n, 0, 0, &b);
    return SCRY_OK;
}

static void wavelet_shrink(const struct wavelet *W, float *z, const float *v, double t, size_t dy,
                           size_t dx, void *work)
{
    const struct buffers b = wavelet_carve(W, work);
    const size_t entries = W->ny * W->nx, n = entries * W->per;
    if (levels_max(W) == 0) memmove(z, v, W->images * n * sizeof *z);
    for (size_t i = 0; i < W->images; i++) {
        wavelet_analyse(W, z + i * n, v + i * n, dy % W->ny, dx % W->nx, &b);
        wavelet_soft(z + i * n, (float)t, entries, W->per);
        wavelet_synthesise(W, z + i * n, dy % W->ny, dx % W->nx, &b);
    }
}

scry_status scry_wavelet_shrink(const scry_prior *P, float *z, const float *v, double t, size_t dy,
                                size_t dx, void *work, scry_error *err)
{
    const struct wavelet *W = (const struct wavelet *)P;
    scry_status st = wavelet_check(P, err);
    if (st != SCRY_OK) return st;
    if (!(t >= 0 && isfinite(t)))
        return SCRY_FAIL(err, SCRY_EINVAL, "threshold %g, expected a number >= 0", t);
    wavelet_shrink(W, z, v, t, dy, dx, work);
    if (scry_finite(z, W->images * W->ny * W->nx * W->per)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENUMERIC, "wavelet: not finite at the threshold %g", t);
}

size_t scry_wavelet_period(const scry_prior *P)
{
    return is_wavelet(P) ? (size_t)1 << levels_max((const struct wavelet *)P) : 1;
}

static scry_status wavelet_prox(const scry_prior *P, float *z, const float *v, double t, void *work,
                                scry_error *err)
{
    (void)err;
    wavelet_shrink((const struct wavelet *)P, z, v, t, 0, 0, work);
    return SCRY_OK;
}

static scry_status wavelet_value(const scry_prior *P, double *value, const float *u, void *work,
                                 scry_error *err)
{
    const struct wavelet *W = (const struct wavelet *)P;
    const size_t n = scry_space_floats(&P->space);
    float *c = (float *)((char *)work + scry_align_up(wavelet_work_bytes(W)));
    scry_status st = scry_wavelet_analyse(P, c, u, work, err);
    *value = 0;
    for (size_t i = 0; st == SCRY_OK && i < n; i += W->per)
        *value += W->per == 2 ? hypot((double)c[i], (double)c[i + 1]) : fabs((double)c[i]);
    return st;
}

static void wavelet_prior_destroy(scry_prior *P)
{
    scry_free(P);
}

static const struct scry_prior_ops wavelet_ops = {
    .name = "wavelet",
    .prox = wavelet_prox,
    .value = wavelet_value,
    .destroy = wavelet_prior_destroy,
};

scry_status scry_wavelet_create(scry_prior **out, const scry_space *space, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, space)) return SCRY_EINVAL;
    scry_status st = scry_space_check(space, err);
    if (st != SCRY_OK) return st;
    struct wavelet *W = scry_alloc(1, sizeof *W);
    if (!W) return SCRY_FAIL(err, SCRY_ENOMEM, "wavelet prior");
    W->base = (scry_prior){.ops = &wavelet_ops, .space = *space};
    W->nx = space->dims[space->rank - 1];
    W->ny = space->rank > 1 ? space->dims[space->rank - 2] : 1;
    W->per = space->cplx ? 2 : 1;
    W->images = scry_space_count(space) / (W->ny * W->nx);
    W->levels_y = levels_of(W->ny);
    W->levels_x = levels_of(W->nx);
    /* one image to work in, and the coefficients of all for `value` */
    W->base.work_bytes = scry_align_up(wavelet_work_bytes(W)) +
                         scry_align_up(scry_space_floats(space) * sizeof(float));
    *out = &W->base;
    return SCRY_OK;
}
