#ifndef SCRY_PRIORS_MIXTURE_H
#define SCRY_PRIORS_MIXTURE_H

#include "lib/api.h"
#include "priors/prior.h"

SCRY_BEGIN

/* Gaussian mixture, x0 ~ sum_k weight_k N(mean_k, C_k), with every function that a diffusion
 * sampler needs in closed form, although the posterior has several modes: the reference for testing
 * samplers. With W_k = C_k (C_k + s^2 I)^-1, r_k the posterior weights of the components given x =
 * x0 + s n, and d_k = mean_k + W_k (x - mean_k):
 *
 *   D(x; s) = sum_k r_k d_k
 *   dD/dx   = sum_k r_k W_k + s^-2 sum_k r_k (d_k - D)(d_k - D)^T  =  Cov[x0 | x] / s^2
 *
 * The value is -log p(u); there is no prox, as -log p is not convex. n = scry_space_floats; The
 * cost is n^2 for each component, or n where its covariance is diagonal. */
typedef struct scry_mixture_component {
    double weight;          /* > 0; weights are divided by their sum */
    const double *mean;     /* n */
    const double *cov;      /* n x n row-major, symmetric positive definite; or NULL: diagonal, */
    const double *diagonal; /* n variances > 0; or NULL: isotropic, */
    double variance;        /* > 0 */
} scry_mixture_component;

/* Copies the components. EINVAL: count 0, a weight, variance or eigenvalue that is not > 0 and
 * finite, a covariance that is not symmetric; ESHAPE: a bad space; ENOMEM. */
scry_status scry_mixture_create(scry_prior **out, const scry_space *space,
                                const scry_mixture_component *components, size_t count,
                                scry_error *err);

SCRY_END

#endif
