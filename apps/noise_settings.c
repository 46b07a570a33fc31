#include "apps/restore.h"

#include "lib/noise.h"

#include <math.h>

static double or_zero(double value)
{
    return isnan(value) ? 0 : value;
}

/* The camera that the user described, as far as it goes. */
static scry_noise given_camera(const restore_settings *s)
{
    return (scry_noise){ .kind = SCRY_NOISE_POISSON_GAUSSIAN,
                         .gain = s->gain,
                         .offset = or_zero(s->offset),
                         .read_noise = or_zero(s->read_noise),
                         .background = or_zero(s->background) };
}

/* Known pixels are exact: a standard deviation of a thousandth of their range, far below what shows,
 * keeps the arithmetic in single precision. */
static scry_noise exact_pixels(const float *y, size_t n)
{
    float low = y[0], high = y[0];
    for (size_t i = 1; i < n; i++) {
        low = fminf(low, y[i]);
        high = fmaxf(high, y[i]);
    }
    return (scry_noise){ .kind = SCRY_NOISE_GAUSSIAN, .sigma = 1e-3 * ((double)high - low) };
}

static scry_status estimated(scry_noise *out, const restore_settings *s, const float *y,
                             const scry_space *space, FILE *log, scry_error *err)
{
    const size_t ny = space->dims[space->rank - 2], nx = space->dims[space->rank - 1];
    const size_t planes = scry_space_count(space) / (ny * nx);
    const scry_camera_known known = { s->gain, s->offset, s->read_noise };
    scry_camera_estimate camera = { 0 };
    scry_status st;
    if (ny >= 16 && nx >= 16) {
        st = scry_noise_camera(&camera, y, planes, ny, nx, &known, err);
        if (st != SCRY_OK) return st;
        if (log) fprintf(log, "noise: %s\n", camera.note);
    }
    if (camera.gain_found) {
        *out = (scry_noise){ .kind = SCRY_NOISE_POISSON_GAUSSIAN,
                             .gain = camera.gain,
                             .offset = camera.offset,
                             .read_noise = camera.read_noise,
                             .background = or_zero(s->background) };
        if (log)
            fprintf(log, "noise: estimated gain %.3g e-/ADU, offset %.4g ADU, read noise %.3g e-\n",
                    out->gain, out->offset, out->read_noise);
        return SCRY_OK;
    }
    double sigma;
    st = scry_noise_sigma(&sigma, y, planes, ny, nx, err);
    if (st != SCRY_OK) return st;
    *out = (scry_noise){ .kind = SCRY_NOISE_GAUSSIAN,
                         .sigma = sigma,
                         .background = or_zero(s->background) };
    if (log) fprintf(log, "noise: estimated sigma %.4g, in the unit of the file\n", sigma);
    return SCRY_OK;
}

scry_status restore_noise(scry_noise *out, const restore_settings *s, bool deblur, const float *y,
                          const scry_space *space, FILE *log, scry_error *err)
{
    const bool automatic = s->noise && s->noise[0] == 'a';
    if (!isnan(s->sigma)) {
        *out = (scry_noise){ .kind = SCRY_NOISE_GAUSSIAN,
                             .sigma = s->sigma,
                             .background = or_zero(s->background) };
        return SCRY_OK;
    }
    if (!isnan(s->gain) && !automatic) {
        *out = given_camera(s);
        return SCRY_OK;
    }
    if (automatic || (deblur && !s->noise)) return estimated(out, s, y, space, log, err);
    *out = exact_pixels(y, scry_space_count(space));
    if (log)
        fprintf(log, "noise: known pixels are taken as exact; --noise auto estimates instead\n");
    return SCRY_OK;
}
