#ifndef SCRY_PRIORS_LEVY_H
#define SCRY_PRIORS_LEVY_H

#include "lib/increments.h"
#include "priors/prior.h"

#include <stdint.h>

/* A discrete Levy process x_i = u_1 + ... + u_i, i = 1 .. n, with independent increments of a given
 * distribution (lib/increments.h), as a prior whose denoiser can be computed to any precision
 * without a network: the benchmark of Zach, Haouchat & Unser (ICLR 2026, arXiv:2509.12821).
 *
 * D(x; s) = E[x0 | x0 + s n = x] and, for the vector-Jacobian product, Cov[x0 | x] / s^2 by Gibbs
 * sampling: latent variances given increments, increments given latent variances. Given the latent
 * variances, x0 is a Gaussian Markov chain and a sweep is one pass of Kalman messages in each
 * direction: O(n). The averages are not over x0 itself but over its mean and covariance given the
 * latent variables (Rao-Blackwell). Jumps of Bernoulli-Laplace distributions are switched on and
 * off one by one with the whole signal integrated out.
 *
 * D is a function of (x, sigma, seed): its random numbers are keyed by a hash of them. So results
 * repeat to the bit, while the Monte Carlo errors of any two different calls are independent and
 * average out along a trajectory and over chains. With the default 20 + 100 sweeps their root mean
 * square is 2 to 5 % of the posterior's standard deviation for Laplace and Student distributions
 * and up to 10 % for Bernoulli-Laplace distributions, at worst where the noise is half the scale of
 * an increment (tests/test_levy.c, where D and the product are compared with quadrature); it falls
 * as 1 / sqrt(sweeps). Gaussian distributions are in closed form and exact. */
typedef struct scry_levy_opts {
    size_t burn_in, sweeps; /* discarded, and averaged (>= 2) */
    uint64_t seed;
} scry_levy_opts;

void scry_levy_opts_init(scry_levy_opts *opts); /* 20 + 100, seed 0 */

/* EINVAL: n 0, sweeps < 2, the distribution's numbers; ENOMEM */
scry_status scry_levy_create(scry_prior **out, size_t n, const scry_increments *increments,
                             const scry_levy_opts *opts, scry_error *err);

#endif
