#ifndef SCRY_APPS_RECON_IMAGE_RESIDUAL_H
#define SCRY_APPS_RECON_IMAGE_RESIDUAL_H

#include "operators/likelihood.h"

#include <stddef.h>

/* The part of the measurement that a restoration does not explain, in units of the noise. */

/* Electrons squared: no count has a smaller variance (v0 of operators/likelihood.h). */
#define SCRY_MIN_VARIANCE 0.01

/* Variance of a pixel whose noiseless value is `mean`, both in the unit of the file:
 *   gaussian          sigma^2
 *   poisson(-gaussian) max(m + r^2, v0) / gain^2,  m = (mean - offset) gain,  v0 = max(r^2, 0.01)
 * r is the read noise (0 for poisson) and v0 the bound of operators/likelihood.h, which keeps dark
 * pixels finite. The background is part of `mean`. */
double scry_noise_variance(const scry_noise *noise, double mean);

/* out = (y - predicted) / sd, sd^2 = scry_noise_variance(predicted): white with mean 0 and variance
 * 1 when the image and the noise are right. NaN where y or predicted is not finite.
 *   out, y, predicted  n values in the unit of the file; out may alias either */
void scry_residual_map(float *out, const float *y, const float *predicted, const scry_noise *noise,
                       size_t n);

/* Mean and mean square of the finite values of a map; NaN without any. */
typedef struct scry_residual_summary {
    size_t pixels;
    double mean, mean_square;
} scry_residual_summary;
scry_residual_summary scry_residual_summarise(const float *residual, size_t n);

#endif
