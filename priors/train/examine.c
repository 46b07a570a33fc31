#include "priors/train/image_set_impl.h"

#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/sort.h"
#include "lib/stats/noise.h"

#include <math.h>
#include <string.h>

/* Properties of an image before it is trained on. A network that sees noise learns noise, and from
 * an image without detail at the scale of a pixel it learns that there is none. */

#define SIDE_MIN 32
#define SIDE_KEPT 128
#define NOISE_FINE .012 /* of the range: 3 of 255 grey values */
#define NOISE_BORNE .03
#define DETAIL_FINE .006
#define FACTOR_MAX 4
#define BLOCK 32

scry_status scryi_picture_scale(float *pixels, size_t n, scry_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(pixels[i]))
            return SCRY_FAIL(err, SCRY_ENUMERIC, "pixel %zu is not finite", i);
    float *sorted = scry_copy(pixels, n * sizeof *sorted);
    if (!sorted) return SCRY_FAIL(err, SCRY_ENOMEM, "image of %zu pixels", n);
    scry_sort_float(sorted, n);
    const float lo = sorted[(size_t)(.005 * (double)(n - 1) + .5)];
    const float hi = sorted[(size_t)(.999 * (double)(n - 1) + .5)];
    scry_free(sorted);
    if (!(hi > lo))
        return SCRY_FAIL(err, SCRY_EINVAL, "constant: percentiles .5 and 99.9 are both %g",
                         (double)lo);
    for (size_t i = 0; i < n; i++)
        pixels[i] = fminf(1, fmaxf(0, (pixels[i] - lo) / (hi - lo)));
    return SCRY_OK;
}

static void average_down(float *to, const float *from, size_t ny, size_t nx, size_t f)
{
    const size_t h = ny / f, w = nx / f;
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++) {
            float sum = 0;
            for (size_t i = 0; i < f * f; i++)
                sum += from[(y * f + i / f) * nx + x * f + i % f];
            to[y * w + x] = sum / (float)(f * f);
        }
}

/* 0 where rounding leaves nothing to estimate from. */
static double noise_of(const float *x, size_t ny, size_t nx)
{
    double sigma = 0;
    return scry_noise_sigma(&sigma, x, 1, ny, nx, NULL) == SCRY_OK ? sigma : 0;
}

/* The rms difference of pixels from the mean of their 2 x 2, in the busiest tenth of the blocks of
 * 32 x 32, less the part that noise adds. sums: memory for one a block. */
static double detail_of(float *sums, const float *x, size_t ny, size_t nx, double noise)
{
    const size_t h = ny / BLOCK, w = nx / BLOCK, count = h * w, busy = (count + 9) / 10;
    double total = 0;
    for (size_t b = 0; b < count; b++) {
        const float *at = x + b / w * BLOCK * nx + b % w * BLOCK;
        sums[b] = 0;
        for (size_t i = 0; i < BLOCK * BLOCK / 4; i++) {
            const float *q = at + i / (BLOCK / 2) * 2 * nx + i % (BLOCK / 2) * 2;
            const float mean = (q[0] + q[1] + q[nx] + q[nx + 1]) / 4;
            const float d[4] = {q[0] - mean, q[1] - mean, q[nx] - mean, q[nx + 1] - mean};
            sums[b] += d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + d[3] * d[3];
        }
    }
    scry_sort_float(sums, count);
    for (size_t b = count - busy; b < count; b++)
        total += (double)sums[b] / (BLOCK * BLOCK) / (double)busy;
    return sqrt(fmax(0, total - .75 * noise * noise));
}

/* The least factor at which noise is fine, having fallen as that of independent pixels does;
 * 1 where there is none, since a spectrum that does not fall is fine structure. */
static size_t factor_of_noise(float *work, const float *x, size_t ny, size_t nx, double noise)
{
    for (size_t f = 2; f <= FACTOR_MAX && ny / f >= SIDE_KEPT && nx / f >= SIDE_KEPT; f++) {
        average_down(work, x, ny, nx, f);
        const double left = noise_of(work, ny / f, nx / f);
        if (left > 1.25 * noise / (double)f) return 1;
        if (left <= NOISE_FINE) return f;
    }
    return 1;
}

scry_status scryi_picture_examine(scry_image_report *report, float *pixels, size_t *ny, size_t *nx,
                                  bool clean, scry_error *err)
{
    *report = (scry_image_report){.factor = 1, .weight = 1};
    if (*ny < SIDE_MIN || *nx < SIDE_MIN)
        return SCRY_FAIL(err, SCRY_ESHAPE, "%zu x %zu pixels, expected at least %d x %d", *ny, *nx,
                         SIDE_MIN, SIDE_MIN);
    scry_status st = scryi_picture_scale(pixels, *ny * *nx, err);
    if (st != SCRY_OK) return st;
    float *work = scry_alloc(*ny * *nx, sizeof *work);
    if (!work) return SCRY_FAIL(err, SCRY_ENOMEM, "image of %zu x %zu pixels", *ny, *nx);
    while ((st = scry_cancel_check(err)) == SCRY_OK) {
        report->noise = noise_of(pixels, *ny, *nx);
        report->detail = detail_of(work, pixels, *ny, *nx, report->noise);
        size_t f = 1;
        if (clean && report->noise > NOISE_FINE)
            f = factor_of_noise(work, pixels, *ny, *nx, report->noise);
        else if (clean && report->detail < DETAIL_FINE && *ny / 2 >= SIDE_KEPT &&
                 *nx / 2 >= SIDE_KEPT)
            f = 2;
        if (f == 1 || report->factor * f > 4 * FACTOR_MAX) break;
        average_down(work, pixels, *ny, *nx, f);
        *ny /= f;
        *nx /= f;
        memcpy(pixels, work, *ny * *nx * sizeof *pixels);
        report->factor *= f;
    }
    scry_free(work);
    if (st != SCRY_OK) return st;
    if (report->noise > NOISE_BORNE && clean) report->weight = NOISE_BORNE / report->noise;
    return report->factor > 1 ? scryi_picture_scale(pixels, *ny * *nx, err) : SCRY_OK;
}
