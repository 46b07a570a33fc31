#include "apps/cli/restore.h"

#include "lib/stats/noise.h"

#include <math.h>
#include <string.h>

static double or_zero(double value)
{
    return isnan(value) ? 0 : value;
}

/* The camera that the user described, as far as it goes. */
static scry_noise given_camera(const restore_settings *s)
{
    return (scry_noise){.kind = SCRY_NOISE_POISSON_GAUSSIAN,
                        .gain = s->gain,
                        .offset = or_zero(s->offset),
                        .read_noise = or_zero(s->read_noise),
                        .background = or_zero(s->background)};
}

/* Known pixels are exact: a standard deviation of a thousandth of their range, far below what
 * shows, keeps the arithmetic in single precision. */
static scry_noise exact_pixels(const float *y, size_t n)
{
    float low = y[0], high = y[0];
    for (size_t i = 1; i < n; i++) {
        low = fminf(low, y[i]);
        high = fmaxf(high, y[i]);
    }
    return (scry_noise){.kind = SCRY_NOISE_GAUSSIAN, .sigma = 1e-3 * ((double)high - low)};
}

static scry_status estimated(scry_noise *out, const restore_settings *s, const float *y,
                             const scry_space *space, FILE *log, scry_error *err)
{
    const size_t ny = space->dims[space->rank - 2], nx = space->dims[space->rank - 1];
    const size_t planes = scry_space_count(space) / (ny * nx);
    const scry_camera_known known = {s->gain, s->offset, s->read_noise};
    scry_camera_estimate camera = {0};
    scry_status st;
    if (ny >= 16 && nx >= 16) {
        st = scry_noise_camera(&camera, y, planes, ny, nx, &known, err);
        if (st != SCRY_OK) return st;
        if (log) fprintf(log, "noise: %s\n", camera.note);
    }
    if (camera.gain_found) {
        *out = (scry_noise){.kind = SCRY_NOISE_POISSON_GAUSSIAN,
                            .gain = camera.gain,
                            .offset = camera.offset,
                            .read_noise = camera.read_noise,
                            .background = or_zero(s->background)};
        if (log)
            fprintf(log, "noise: estimated gain %.3g e-/ADU, offset %.4g ADU, read noise %.3g e-\n",
                    out->gain, out->offset, out->read_noise);
        return SCRY_OK;
    }
    double sigma;
    if (ny < 3 || nx < 3)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%zu x %zu pixels are too few to estimate the noise from, "
                         "expected 3 x 3 or more: give --sigma or --gain",
                         ny, nx);
    st = scry_noise_sigma(&sigma, y, planes, ny, nx, err);
    if (st == SCRY_EINVAL && err) /* the library does not know what the options are called */
        strncat(err->text, ": give --sigma or --gain", sizeof err->text - strlen(err->text) - 1);
    if (st != SCRY_OK) return st;
    *out = (scry_noise){
        .kind = SCRY_NOISE_GAUSSIAN, .sigma = sigma, .background = or_zero(s->background)};
    if (log) fprintf(log, "noise: estimated sigma %.4g, in the unit of the file\n", sigma);
    return SCRY_OK;
}

/* A given noise model against the image: noise that is larger than everything in it, a dark level
 * or a background above its brightest pixel are slips of a unit or a sign. */
static scry_status plausible(const scry_noise *n, const float *y, size_t count, scry_error *err)
{
    double sum = 0, low = y[0], high = y[0];
    for (size_t i = 0; i < count; i++) {
        sum += y[i];
        low = fmin(low, y[i]);
        high = fmax(high, y[i]);
    }
    const bool camera = n->kind != SCRY_NOISE_GAUSSIAN;
    const double mean = sum / (double)count;
    if (camera && n->offset > high)
        return SCRY_FAIL(err, SCRY_EINVAL, "--offset %g ADU is above the brightest pixel, %g",
                         n->offset, high);
    if (restore_to_physical(n, high) < 0)
        return SCRY_FAIL(err, SCRY_EINVAL, "--background %g is above the brightest pixel, %g%s",
                         n->background, restore_to_physical(n, high) + n->background,
                         camera ? " e-" : "");
    const double electrons = camera ? fmax((mean - n->offset) * n->gain, 0) : 0;
    const double sd = camera ? sqrt(electrons + n->read_noise * n->read_noise) / n->gain : n->sigma;
    if (count >= 16 && sd > high - low)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: noise of sd %g, expected less than the range of all pixels, %g to %g",
                         camera ? "--gain and --read-noise" : "--sigma", sd, low, high);
    return SCRY_OK;
}

scry_status restore_noise(scry_noise *out, const restore_settings *s, bool deblur, const float *y,
                          const scry_space *space, FILE *log, scry_error *err)
{
    const bool automatic = s->noise && s->noise[0] == 'a';
    const size_t n = scry_space_count(space);
    if (!isnan(s->sigma)) {
        *out = (scry_noise){
            .kind = SCRY_NOISE_GAUSSIAN, .sigma = s->sigma, .background = or_zero(s->background)};
        return plausible(out, y, n, err);
    }
    if (!isnan(s->gain) && !automatic) {
        *out = given_camera(s);
        return plausible(out, y, n, err);
    }
    if (automatic || (deblur && !s->noise)) {
        const scry_status st = estimated(out, s, y, space, log, err);
        return st == SCRY_OK ? plausible(out, y, n, err) : st;
    }
    *out = exact_pixels(y, n);
    if (log)
        fprintf(log, "noise: known pixels are taken as exact; --noise auto estimates instead\n");
    return SCRY_OK;
}
