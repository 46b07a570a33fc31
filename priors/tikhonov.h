#ifndef SCRY_PRIORS_TIKHONOV_H
#define SCRY_PRIORS_TIKHONOV_H

#include "priors/prior.h"

typedef struct scry_tikhonov_params {
    int rank;
    double lambda, ridge, mean;
    const double *weights; /* of the axes used, slowest first; NULL: all 1 */
} scry_tikhonov_params;

/* Gradient energy on a periodic grid,
 *
 *   -log p(u) = 1/2 lambda |D u|^2 + 1/2 ridge |u - mean|^2,
 *
 * D the forward differences along the last `rank` axes (1 to 3), each multiplied by its weight;
 * leading axes are independent copies. A stationary Gaussian whose precision at frequency f is
 * lambda sum_a (2 w_a sin(pi f_a))^2 + ridge, so denoise, vjp, prox and value are in closed form
 * and scry_gaussian_apply works on it. With ridge 0 constants have no penalty: the density cannot
 * be normalised, scry_prior_is_gaussian returns false, and COV and SQRT do not exist (EINVAL);
 * everything else does.
 *
 * EINVAL: lambda, or a weight not > 0 or too large (beyond 1e18, 1e6), ridge neither 0 nor within
 * the same bounds, rank outside 1..min(3, space rank), mean not finite;
 * EUNSUP: a complex space; ESHAPE: a bad space; ENOMEM. Tikhonov 1963. */
scry_status scry_tikhonov_create(scry_prior **out, const scry_space *space,
                                 const scry_tikhonov_params *params, scry_error *err);

#endif
