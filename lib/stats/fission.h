#ifndef SCRY_LIB_STATS_FISSION_H
#define SCRY_LIB_STATS_FISSION_H

#include "lib/api.h"

SCRY_BEGIN

/* How much better one prediction of held-out data is than another: the mean over windows of their
 * difference in log likelihood per pixel, and its standard error, NaN for fewer than two windows.
 */
typedef struct scry_margin {
    double mean, error;
} scry_margin;

SCRY_END

#include "lib/stats/noise_identify.h"
#include "lib/status.h"

#include <stddef.h>
#include <stdint.h>

/* Splits one measurement into two that are independent given the scene, so that an estimate from
 * the first can be judged by the second, on the user's own file.
 *
 * Gaussian fission: with a draw e ~ N(0, S) of the noise of y, which has the covariance S, and
 * t^2 = share / (1 - share),
 *   seen = y + t e,   held = y - e / t
 *   cov(seen) = S / (1 - share),   cov(held) = S / share,   cov(seen, held) = 0.
 * The mean of both is that of y. Independence is exact for Gaussian noise of that covariance; where
 * the true one is (1 + k) S, the two halves have the covariance k S.
 * Leiner, Duan, Wasserman & Ramdas 2023, JASA 120:135; Oliveira, Lei & Tibshirani 2021,
 * arXiv:2111.09447 (estimates a risk in this way).
 *
 *   seen, held  n values each, in the unit of y; seen may alias y, held may not
 *   draw        n values: of scry_rng_normal times the sd of each pixel for white noise, of
 *               scry_noise_spectrum_draw for correlated noise; held may alias it
 *   share       of the data that is held out, in (0, 1)
 * errors  EINVAL: share outside (0, 1), a draw that is not finite */
scry_status scry_fission_split(float *seen, float *held, const float *y, const float *draw,
                               size_t n, double share, scry_error *err);

/* A draw of the noise of a model, for a split: white, of the variance `passband` that
 * each pixel has in the passband (planes x ny x nx values, unit of y squared); or, where the model
 * finds noise of one spectrum everywhere, of that spectrum and of the variance that pixels have
 * themselves, at the brightness `mean`. Noise after a median filter has not: it is white on slopes.
 *   model, mean  NULL: white
 * The draw is a function of (seed, fold, pixel).
 * errors  EINVAL: a variance that is negative or not finite; ENOMEM */
scry_status scry_fission_draw(float *draw, const scry_noise_model *model, const float *passband,
                              const float *mean, size_t planes, size_t ny, size_t nx, uint64_t seed,
                              uint32_t fold, scry_error *err);

/* The margin of a over b.
 *   a, b   scores of the windows, `count` each: means of -(held - prediction)^2 / (2 var(held)) */
scry_margin scry_margin_of(const double *a, const double *b, size_t count);

#endif
