#include "lib/stats/fission.h"

#include "lib/rng.h"

#include <math.h>

scry_status scry_fission_split(float *seen, float *held, const float *y, const float *draw,
                               size_t n, double share, scry_error *err)
{
    if (!(share > 0) || !(share < 1))
        return SCRY_FAIL(err, SCRY_EINVAL, "held-out share %g, expected a number between 0 and 1",
                         share);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(draw[i]))
            return SCRY_FAIL(err, SCRY_EINVAL, "noise %g of pixel %zu, expected a number",
                             (double)draw[i], i);
    const double t = sqrt(share / (1 - share));
    for (size_t i = 0; i < n; i++) {
        const double noise = draw[i], value = y[i];
        seen[i] = (float)(value + t * noise);
        held[i] = (float)(value - noise / t);
    }
    return SCRY_OK;
}

scry_status scry_fission_draw(float *draw, const scry_noise_model *model, const float *passband,
                              const float *mean, size_t planes, size_t ny, size_t nx, uint64_t seed,
                              uint32_t fold, scry_error *err)
{
    const size_t n = planes * ny * nx;
    const unsigned findings = model && mean ? model->findings : 0;
    if ((findings & SCRY_NOISE_CORRELATED) && !(findings & SCRY_NOISE_NONLINEAR)) {
        for (size_t i = 0; i < n; i++)
            draw[i] = (float)scry_noise_model_variance(model, mean[i]);
        return scry_noise_spectrum_draw(draw, &model->spectrum, draw, planes, ny, nx, seed, fold, 0,
                                        err);
    }
    scry_rng_normal(draw, 0, n, seed, fold, 0);
    for (size_t i = 0; i < n; i++) {
        if (!(passband[i] >= 0) || !isfinite(passband[i]))
            return SCRY_FAIL(err, SCRY_EINVAL, "variance %g of pixel %zu, expected a number >= 0",
                             (double)passband[i], i);
        draw[i] *= sqrtf(passband[i]);
    }
    return SCRY_OK;
}

scry_margin scry_margin_of(const double *a, const double *b, size_t count)
{
    scry_margin m = {0, NAN};
    double squares = 0;
    for (size_t i = 0; i < count; i++)
        m.mean += (a[i] - b[i]) / (double)count;
    for (size_t i = 0; i < count; i++) {
        const double d = a[i] - b[i] - m.mean;
        squares += d * d;
    }
    if (count > 1) m.error = sqrt(squares / (double)(count - 1) / (double)count);
    return m;
}
