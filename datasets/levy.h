#ifndef SCRY_DATASETS_LEVY_H
#define SCRY_DATASETS_LEVY_H

#include "lib/increments.h"
#include "operators/op.h"

#include <stdint.h>

/* The benchmark of Zach, Haouchat & Unser (ICLR 2026, arXiv:2509.12821): discrete Levy processes
 * x_i = u_1 + ... + u_i measured as y = A x + sigma n, whose posteriors are known by Gibbs
 * sampling.
 *
 *   denoise     A = I
 *   deconvolve  circular convolution with a Gaussian of sd 2 cut to 13 taps of sum 1 (fewer on
 *               signals shorter than that)
 *   impute      a random 40 % of the entries, at least 1
 *   fourier     rows of the orthonormal real Fourier transform: cosine and sine of the 5 lowest
 *               frequencies (0 with them) and of a random 40 % of the others
 *
 * sigma is set by the signal-to-noise ratio: 10 log10 of the median, over signals, of
 * mean_j (A x)_j^2, over sigma^2. The shares of entries and of frequencies are our choice; the
 * published problems are fixed draws. */
typedef enum scry_levy_kind {
    SCRY_LEVY_DENOISE = 0,
    SCRY_LEVY_DECONVOLVE,
    SCRY_LEVY_IMPUTE,
    SCRY_LEVY_FOURIER
} scry_levy_kind;

const char *const *scry_levy_kinds(void); /* "denoise", ..., in that order; NULL ends them */

typedef struct scry_levy {
    size_t n, m;
    scry_increments increments;
    double *A;   /* m x n row-major */
    scry_op *op; /* the same, with its singular value decomposition */
    double sigma;
} scry_levy;

typedef struct scry_levy_params {
    size_t n;
    scry_increments increments;
    scry_levy_kind kind;
    double snr;    /* decibels, 25 in the paper */
    uint64_t seed; /* chooses the entries or frequencies */
} scry_levy_params;

/* Filled and owned by the caller on success only. EINVAL: n 0 or above 4096, the distribution, snr
 * not finite; ENOMEM */
scry_status scry_levy_problem(scry_levy *out, const scry_levy_params *params, scry_error *err);
void scry_levy_clear(scry_levy *problem); /* frees its members */

/* Root of the median, over signals, of mean_i x_i^2: the divisor that gives a range near [-1, 1].
 */
scry_status scry_levy_amplitude(double *amplitude, size_t n, const scry_increments *increments,
                                scry_error *err);

/* Signal number k of a seed, and y (m) for a signal x (n). */
scry_status scry_levy_signal(float *x, size_t n, const scry_increments *increments, uint64_t seed,
                             uint32_t k, scry_error *err);
scry_status scry_levy_measure(float *y, const scry_levy *problem, const float *x, uint64_t seed,
                              uint32_t k, scry_error *err);

/* The posterior of x given y by Gibbs sampling in the increments u: latent variances given u, jumps
 * of Bernoulli-Laplace distributions one by one with u integrated out (rank-one updates of the
 * information of y about u), and an exact draw of u given both by Cholesky factors of (A C)^T (A C)
 * / sigma^2 + diag(1 / w),   x = C u. Cost of a sweep n^3 / 3. */
typedef struct scry_levy_gibbs {
    size_t burn_in, sweeps; /* discarded; used, a multiple of 20 */
    size_t keep;            /* samples kept, evenly spaced; at most sweeps */
    uint64_t seed;
} scry_levy_gibbs;

typedef struct scry_levy_posterior {
    size_t n, kept;
    double *mean;    /* n; average of E[x | latent variables, y] */
    double *error;   /* n; Monte Carlo standard error of mean, from 20 batches */
    double *sd;      /* n; of the sweeps' samples */
    double *samples; /* kept x n */
} scry_levy_posterior;

/* errors  EINVAL: sweeps, keep; ENUMERIC: a factorisation broke down; ENOMEM. *out is filled on
 * success only. */
scry_status scry_levy_condition(scry_levy_posterior *out, const scry_levy *problem, const float *y,
                                const scry_levy_gibbs *gibbs, scry_error *err);
void scry_levy_posterior_clear(scry_levy_posterior *p); /* frees its members */

#endif
