#ifndef SCRY_LIB_STATS_STEIN_H
#define SCRY_LIB_STATS_STEIN_H

#include "lib/status.h"

#include <stddef.h>
#include <stdint.h>

/* Kernel Stein discrepancy: whether K independent samples x_k come from a density p with known
 * score s(x) = grad log p(x), such as a posterior (grad log p(y|x) plus a denoiser's (D - x) /
 * sigma^2 at small sigma). With coordinates z = x / scale, r = z - z' and the inverse multiquadric
 * k = (1 + |r|^2 / h^2)^(-1/2), h the median distance of the samples,
 *
 *   u(x, x') = s^T s' k + s^T grad' k + s'^T grad k + tr(grad grad' k)
 *   ksd2 = mean over pairs k != l of u(x_k, x_l)       0 on average when p is right, > 0 otherwise
 *
 * and `p` is the share of `draws` multinomial bootstrap replicates of the degenerate U-statistic
 * that reach ksd2: small when the samples do not come from p. 60 samples in three dimensions reveal
 * a shift of half a standard deviation, or a spread wrong by a factor 0.6 or 2
 * (tests/test_stein.c); in many dimensions it takes more. Liu, Lee & Jordan 2016 (ICML), Eq. 14-15;
 * kernel: Gorham & Mackey 2017 (ICML); scores from denoisers: Qiu et al. 2026, arXiv:2602.04189. */
typedef struct scry_ksd {
    double ksd2;      /* may be negative */
    double bandwidth; /* h */
    double p;
} scry_ksd;

/* samples, scores  K x n;  scale  n values > 0, or NULL: 1
 * EINVAL: K < 3, n or draws 0, a scale that is not > 0, samples that are all equal; ENUMERIC: a
 * sample or score is not finite; ENOMEM */
scry_status scry_ksd_measure(scry_ksd *out, const float *samples, const float *scores, size_t K,
                             size_t n, const double *scale, size_t draws, uint64_t seed,
                             scry_error *err);

#endif
