#include "apps/recon/image/residual.h"

#include <math.h>

double scry_noise_variance(const scry_noise *noise, double mean)
{
    if (noise->kind == SCRY_NOISE_GAUSSIAN) return noise->sigma * noise->sigma;
    const double read =
        noise->kind == SCRY_NOISE_POISSON ? 0 : noise->read_noise * noise->read_noise;
    const double electrons = (mean - noise->offset) * noise->gain + read;
    return fmax(electrons, fmax(read, SCRY_MIN_VARIANCE)) / (noise->gain * noise->gain);
}

void scry_residual_map(float *out, const float *y, const float *predicted, const scry_noise *noise,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double miss = (double)y[i] - predicted[i];
        out[i] = isfinite(miss)
                     ? (float)(miss / sqrt(scry_noise_variance(noise, (double)predicted[i])))
                     : NAN;
    }
}

scry_residual_summary scry_residual_summarise(const float *residual, size_t n)
{
    scry_residual_summary s = {0};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(residual[i])) continue;
        s.pixels++;
        sum += residual[i];
        squares += (double)residual[i] * residual[i];
    }
    s.mean = s.pixels ? sum / (double)s.pixels : NAN;
    s.mean_square = s.pixels ? squares / (double)s.pixels : NAN;
    return s;
}
