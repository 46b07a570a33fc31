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

#include "lib/status.h"

#include <stddef.h>
#include <stdint.h>

/* Splits one measurement into two that are independent given the scene, so that an estimate from
 * the first can be judged by the second, on the user's own file.
 *
 * Gaussian fission: with z ~ N(0, I) and t^2 = share / (1 - share),
 *   seen = y + t s z,   held = y - s z / t,   s^2 = variance of y
 *   var(seen) = variance / (1 - share),   var(held) = variance / share,   cov(seen, held) = 0.
 * The mean of both is that of y. Independence is exact for Gaussian noise of that variance; where
 * the variance is wrong by a factor 1 + e, the two halves have the covariance e * variance.
 * Leiner, Duan, Wasserman & Ramdas 2023, JASA 120:135; Oliveira, Lei & Tibshirani 2021,
 * arXiv:2111.09447 (estimates a risk in this way).
 *
 *   seen, held  n values each, in the unit of y; seen may alias y, held may not
 *   variance    n values >= 0, unit of y squared; a 0 leaves the pixel as it is in both
 *   share       of the data that is held out, in (0, 1)
 * The split is a function of (seed, fold, pixel).
 * errors  EINVAL: share outside (0, 1), a variance that is negative or not finite; ENOMEM */
scry_status scry_fission_split(float *seen, float *held, const float *y, const float *variance,
                               size_t n, double share, uint64_t seed, uint32_t fold,
                               scry_error *err);

/* The margin of a over b.
 *   a, b   scores of the windows, `count` each: means of -(held - prediction)^2 / (2 var(held)) */
scry_margin scry_margin_of(const double *a, const double *b, size_t count);

#endif
