#ifndef SCRY_DATASETS_GAUSSIAN_MIXTURE_H
#define SCRY_DATASETS_GAUSSIAN_MIXTURE_H

#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A Gaussian mixture of R^n in dense form,  x ~ sum_k weight_k N(mean_k, cov_k),  and its closed
 * forms: the ground truth for tests of posterior samplers. Dense, double, row-major, n up to some
 * hundreds. Shares no code with the priors and operators that it judges. Immutable; threads share
 * it. */
typedef struct scry_gaussian_mixture {
    size_t n, count;
    double *weight; /* count, sum 1 */
    double *mean;   /* count x n */
    double *cov;    /* count x n x n */
    double *root;   /* count x n x n: lower Cholesky factors of cov */
} scry_gaussian_mixture;

/* Arrays as above; weight NULL: equal weights, others are divided by their sum. */
typedef struct scry_gaussian_mixture_params {
    size_t n, count;
    const double *weight, *mean, *cov;
} scry_gaussian_mixture_params;

/* Copies. EINVAL: n or count 0, a weight that is not > 0 and finite, a covariance that is not
 * positive definite (lower triangles are read); ENOMEM */
scry_status scry_gaussian_mixture_create(scry_gaussian_mixture **out,
                                         const scry_gaussian_mixture_params *params,
                                         scry_error *err);
void scry_gaussian_mixture_free(scry_gaussian_mixture *mixture); /* accepts NULL */

/* y = A x + e, e ~ N(0, sigma^2 I). */
typedef struct scry_linear_data {
    const double *A; /* m x n row-major */
    size_t m;
    const double *y; /* m */
    double sigma;
} scry_linear_data;

/* p(x | y): a mixture again. Component by component,
 *   S = A C A^T + sigma^2 I,  G = C A^T S^-1,  mean' = mean + G (y - A mean),  C' = C - G A C,
 *   weight' ~ weight N(y; A mean, S).
 * EINVAL: sigma <= 0 or not finite; ENUMERIC: a C' that is not positive definite in double (sigma
 * too small); ENOMEM */
scry_status scry_gaussian_mixture_condition(scry_gaussian_mixture **out,
                                            const scry_gaussian_mixture *prior,
                                            const scry_linear_data *data, scry_error *err);

/* Mean (n) and covariance (n x n) of the whole mixture; either may be NULL. */
void scry_gaussian_mixture_moments(const scry_gaussian_mixture *mixture, double *mean, double *cov);

/* x (n) ~ mixture, a function of (seed, number) alone: steps 0 and 1 of chain `number` (lib/rng.h).
 */
void scry_gaussian_mixture_draw(const scry_gaussian_mixture *mixture, double *x, uint64_t seed,
                                uint32_t number);

/* P(x_i <= t) */
double scry_gaussian_mixture_cdf(const scry_gaussian_mixture *mixture, size_t i, double t);

/* log p(x). share (count, may be NULL): p(component | x). work: n doubles. */
double scry_gaussian_mixture_log_density(const scry_gaussian_mixture *mixture, const double *x,
                                         double *share, double *work);

#endif
