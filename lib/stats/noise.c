#include "lib/stats/noise_impl.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "lib/vector.h"

#include <math.h>
#include <stdio.h>

enum { BLOCK = 8, FIT_ROUNDS = 20 };

static scry_status noise_check(const float *image, size_t planes, size_t ny, size_t nx,
                               size_t least, scry_error *err)
{
    if (!planes || ny < least || nx < least)
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "%zu planes of %zu x %zu pixels, expected at least "
                         "1 of %zu x %zu",
                         planes, ny, nx, least, least);
    if (!scry_finite(image, planes * ny * nx))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "a pixel is NaN or infinite");
    return SCRY_OK;
}

/* The residual at p, which is not on the border. 6 = sqrt(sum of squared weights). */
static double noise_residual(const float *p, size_t nx)
{
    const float *u = p - nx, *d = p + nx;
    return ((double)u[-1] + u[1] + d[-1] + d[1] - 2 * ((double)u[0] + d[0] + p[-1] + p[1]) +
            4 * (double)p[0]) /
           6;
}

scry_status scry_noise_sigma(double *sigma, const float *image, size_t planes, size_t ny, size_t nx,
                             scry_error *err)
{
    if (SCRY_MISSING(err, sigma, image)) return SCRY_EINVAL;
    *sigma = 0;
    scry_status st = noise_check(image, planes, ny, nx, 3, err);
    if (st != SCRY_OK) return st;
    float *r = scry_alloc(planes * ny * nx, sizeof *r);
    if (!r) return SCRY_FAIL(err, SCRY_ENOMEM, "residual of %zu pixels", planes * ny * nx);
    size_t n = 0;
    for (size_t p = 0; p < planes; p++)
        for (size_t y = 1; y + 1 < ny; y++)
            for (size_t x = 1; x + 1 < nx; x++)
                r[n++] = (float)fabs(noise_residual(image + (p * ny + y) * nx + x, nx));
    *sigma = scry_quantile(r, n, .5, r) / .6744897501960817; /* 3/4 quantile of N(0, 1) */
    scry_free(r);
    if (*sigma <= 0)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "half of the pixels equal their surroundings exactly: "
                         "no noise to estimate");
    return SCRY_OK;
}

/* Values that occur on more than one pixel in a thousand at the very top are clipped ones. */
static float clip_level(const float *image, size_t n)
{
    float top = image[0];
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        if (image[i] > top) top = image[i];
    for (size_t i = 0; i < n; i++)
        at += image[i] == top;
    return at * 1000 > n ? top : INFINITY;
}

static void noise_gather(struct scryi_noise_blocks *b, const float *image, size_t planes, size_t ny,
                         size_t nx)
{
    const float clipped = clip_level(image, planes * ny * nx);
    for (size_t p = 0; p < planes; p++)
        for (size_t y0 = 1; y0 + BLOCK < ny; y0 += BLOCK)
            for (size_t x0 = 1; x0 + BLOCK < nx; x0 += BLOCK) {
                double m = 0, v = 0;
                bool good = true;
                for (size_t i = 0; i < BLOCK * BLOCK; i++) {
                    const float *at = image + (p * ny + y0 + i / BLOCK) * nx + x0 + i % BLOCK;
                    const double r = noise_residual(at, nx);
                    good = good && *at < clipped;
                    m += *at;
                    v += r * r;
                }
                if (!good) continue;
                b->mean[b->count] = (float)(m / (BLOCK * BLOCK));
                b->var[b->count++] = (float)(v / (BLOCK * BLOCK));
            }
}

/* Residuals overlap: the mean of 64 squares scatters like that of 64 / (sum of the squared
 * autocorrelation of the residual) = 64 / (35/18)^2 independent ones. */
static const double block_scatter = .344; /* sqrt(2 * (35/18)^2 / 64) */

/* Iteratively reweighted line through (mean, var): weights 1/fit^2, since the scatter of a variance
 * is proportional to it, times Huber's, on the upper side only where structure adds variance. A
 * finite `slope` is kept and only the intercept fitted. */
void scryi_noise_line(scry_camera_estimate *e, const struct scryi_noise_blocks *b, double slope)
{
    double s = 0, c = 0, mean_var = 0;
    for (size_t i = 0; i < b->count; i++)
        mean_var += b->var[i] / (double)b->count;
    c = mean_var;
    for (int round = 0; round < FIT_ROUNDS; round++) {
        double w0 = 0, w1 = 0, w2 = 0, v0 = 0, v1 = 0;
        for (size_t i = 0; i < b->count; i++) {
            const double m = b->mean[i], f = fmax(s * m + c, .02 * mean_var);
            const double z = (b->var[i] / f - 1) / b->scatter;
            const double w = 1 / (f * f) * (z > 2.5 ? 2.5 / z : 1);
            w0 += w;
            w1 += w * m;
            w2 += w * m * m;
            v0 += w * b->var[i];
            v1 += w * m * b->var[i];
        }
        if (isfinite(slope)) {
            s = slope;
            c = (v0 - s * w1) / w0;
            continue;
        }
        const double det = w0 * w2 - w1 * w1;
        if (!(det > 1e-12 * w0 * w2)) { /* one brightness: no line */
            s = 0;
            c = v0 / w0;
            e->slope_error = INFINITY;
            break;
        }
        s = (w0 * v1 - w1 * v0) / det;
        c = (w2 * v0 - w1 * v1) / det;
        e->slope_error = b->scatter * sqrt(w0 / det);
    }
    e->slope = s;
    e->intercept = c;
}

static double noise_clamp(double v, double low, double high)
{
    return fmin(fmax(v, low), high);
}

/* offset = read_noise^2 / gain - gain * intercept, from the line's value at mean 0. */
static void noise_separate(scry_camera_estimate *e, double darkest, const scry_camera_known *known)
{
    const double g = e->gain, zero = -g * e->intercept;
    e->offset_low = zero;
    e->offset_high = fmax(darkest, zero);
    if (isfinite(known->offset)) {
        e->offset = e->offset_low = e->offset_high = known->offset;
        e->read_noise = sqrt(fmax(g * (known->offset - zero), 0));
    } else if (isfinite(known->read_noise)) {
        e->read_noise = known->read_noise;
        e->offset = e->offset_low = e->offset_high =
            zero + known->read_noise * known->read_noise / g;
    } else {
        const double usual = 1.5; /* e-; sCMOS data sheets give 1 to 2.5 */
        e->offset_assumed = true;
        e->offset = noise_clamp(zero + usual * usual / g, e->offset_low, e->offset_high);
        e->read_noise = sqrt(fmax(g * (e->offset - zero), 0));
    }
}

void scryi_noise_conclude(scry_camera_estimate *e, const struct scryi_noise_blocks *b,
                          const scry_camera_known *known)
{
    const double s = e->slope, se = e->slope_error;
    if (isfinite(known->gain)) {
        e->gain = e->gain_low = e->gain_high = known->gain;
    } else if (!(s > 3 * se)) {
        snprintf(
            e->note, sizeof e->note,
            "the noise does not grow with brightness (slope %.3g +- %.2g ADU): gain and offset "
            "cannot be determined from this image, give them, or use Gaussian noise",
            s, isfinite(se) ? se : 0.);
        return;
    } else {
        e->gain = 1 / s;
        e->gain_low = 1 / (s + 2 * se);
        e->gain_high = 1 / (s - 2 * se);
    }
    e->gain_found = true;
    noise_separate(e, scry_quantile(b->mean, b->count, .01, b->spare), known);
    if (e->offset_assumed)
        snprintf(
            e->note, sizeof e->note,
            "gain %.3g e-/ADU (%.3g to %.3g); offset %.4g ADU if the read noise is %.2g e-: one "
            "image allows %.4g to %.4g",
            e->gain, e->gain_low, e->gain_high, e->offset, e->read_noise, e->offset_low,
            e->offset_high);
    else
        snprintf(e->note, sizeof e->note,
                 "gain %.3g e-/ADU (%.3g to %.3g), offset %.4g ADU, read noise %.2g e-", e->gain,
                 e->gain_low, e->gain_high, e->offset, e->read_noise);
}

scry_status scry_noise_camera(scry_camera_estimate *out, const float *image, size_t planes,
                              size_t ny, size_t nx, const scry_camera_known *known, scry_error *err)
{
    if (SCRY_MISSING(err, out, image)) return SCRY_EINVAL;
    static const scry_camera_known nothing = {NAN, NAN, NAN};
    *out = (scry_camera_estimate){0};
    scry_status st = noise_check(image, planes, ny, nx, 16, err);
    if (st != SCRY_OK) return st;
    if (!known) known = &nothing;
    if (known->gain <= 0 || known->read_noise < 0)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "gain %g e-/ADU and read noise %g e-, expected > 0 and "
                         ">= 0, or NAN for unknown",
                         known->gain, known->read_noise);
    const size_t most = planes * (ny / BLOCK) * (nx / BLOCK);
    struct scryi_noise_blocks b = {.mean = scry_alloc(most, 3 * sizeof(float)),
                                   .scatter = block_scatter};
    if (!b.mean) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu blocks", most);
    b.var = b.mean + most;
    b.spare = b.var + most;
    noise_gather(&b, image, planes, ny, nx);
    if (b.count < 4) {
        snprintf(out->note, sizeof out->note,
                 "only %zu of %zu blocks of %d x %d pixels are free of "
                 "clipped pixels: too few to estimate the camera",
                 b.count, most, BLOCK, BLOCK);
    } else {
        scryi_noise_line(out, &b, 1 / known->gain);
        scryi_noise_conclude(out, &b, known);
    }
    scry_free(b.mean);
    return SCRY_OK;
}
