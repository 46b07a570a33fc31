#ifndef SCRY_PRIORS_GAUSSIAN_H
#define SCRY_PRIORS_GAUSSIAN_H

#include "lib/api.h"
#include "priors/prior.h"

SCRY_BEGIN

/* Stationary Gaussian: x0 ~ N(mean, C), C diagonal in the Fourier basis of a periodic grid, with
 * eigenvalue S(f) at frequency f (cycles per pixel). Everything is in closed form. Rank 1, 2 or 3,
 * real; the last `rank` axes of the space, leading ones are independent copies.
 * `spectrum(f, ctx)` gives S at radial frequency f = |f|; it must be > 0 (the DC value is the
 * variance of the mean). Unit: variance per pixel, so white noise of sd s has S = s^2. */
typedef double scry_spectrum_fn(double f, void *ctx);
typedef struct scry_gaussian_params {
    int rank;
    double mean;
    scry_spectrum_fn *spectrum; /* called during creation only */
    void *ctx;
} scry_gaussian_params;

/* errors  EINVAL: rank, mean not finite, a power outside 1e-37 .. 1e37; EUNSUP: complex; ESHAPE:
 * not a space; ENOMEM */
scry_status scry_gaussian_create(scry_prior **out, const scry_space *space,
                                 const scry_gaussian_params *params, scry_error *err);

/* A radial spectrum as a table: power[i] at f = i * 0.5 * sqrt(2) / (count - 1), interpolated
 * linearly in log power. */
typedef struct scry_radial {
    size_t count;
    const double *power;
    double mean;
} scry_radial;
scry_status scry_gaussian_create_radial(scry_prior **out, const scry_space *space, int rank,
                                        const scry_radial *radial, scry_error *err);

/* The power at frequency f; beyond the table (corners in 3-D) its last entry. */
double scry_radial_power(const scry_radial *radial, double f);

/* Dense Gaussian N(mean, C), C n x n row-major symmetric positive definite: for tests. */
scry_status scry_gaussian_create_dense(scry_prior **out, const scry_space *space,
                                       const double *mean, const double *C, scry_error *err);

/* Closed forms, for Gaussian priors only (EINVAL otherwise).
 *   apply: out = f(C) in, with f one of the functions below and t its second argument; out == in
 *   allowed. */
typedef enum scry_gaussian_fn {
    SCRY_GAUSSIAN_COV,       /* C in */
    SCRY_GAUSSIAN_PRECISION, /* C^-1 in */
    SCRY_GAUSSIAN_SQRT,      /* C^(1/2) in: samples from white noise */
    SCRY_GAUSSIAN_INV_SQRT,  /* C^(-1/2) in */
    SCRY_GAUSSIAN_SHRINK,    /* (C^-1 + I/t)^-1 in: the posterior covariance at noise variance t */
    SCRY_GAUSSIAN_SHRINK_SQRT, /* the symmetric root of that */
    SCRY_GAUSSIAN_NOISED_SQRT, /* (C + t I)^(1/2): samples of images in noise of variance t */
} scry_gaussian_fn;
bool scry_prior_is_gaussian(const scry_prior *P);
scry_status scry_gaussian_apply(const scry_prior *P, float *out, const float *in,
                                scry_gaussian_fn f, double t, void *work, scry_error *err);
/* The eigenvalues of f(C) where C is diagonal in the Fourier basis of its last `rank` axes: one for
 * each bin of their real transform (lib/fft.h). rank 0: C is dense, and spectrum returns EUNSUP;
 * its other errors are those of apply. */
int scry_gaussian_rank(const scry_prior *P);
scry_status scry_gaussian_spectrum(const scry_prior *P, float *values, scry_gaussian_fn f, double t,
                                   scry_error *err);
scry_status scry_gaussian_mean(const scry_prior *P, float *mean, scry_error *err);

SCRY_END

#endif
