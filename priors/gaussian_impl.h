#ifndef SCRY_PRIORS_GAUSSIAN_IMPL_H
#define SCRY_PRIORS_GAUSSIAN_IMPL_H

#include "priors/gaussian.h"
#include "priors/prior_impl.h"

#include <math.h>

/* Every Gaussian prior here is diagonal in an orthonormal basis it can reach quickly (eigenvectors,
 * Fourier), so one filter does all: coefficients in, multiplied by a function of the precision q of
 * that coefficient, and back. Precisions and not variances are kept, because a gradient energy has
 * q = 0 for constants. */
enum scryi_gaussian_gain {
    SCRYI_GAIN_COV = SCRY_GAUSSIAN_COV,
    SCRYI_GAIN_PRECISION = SCRY_GAUSSIAN_PRECISION,
    SCRYI_GAIN_SQRT = SCRY_GAUSSIAN_SQRT,
    SCRYI_GAIN_INV_SQRT = SCRY_GAUSSIAN_INV_SQRT,
    SCRYI_GAIN_SHRINK = SCRY_GAUSSIAN_SHRINK,
    SCRYI_GAIN_SHRINK_SQRT = SCRY_GAUSSIAN_SHRINK_SQRT,
    SCRYI_GAIN_NOISED_SQRT = SCRY_GAUSSIAN_NOISED_SQRT,
    SCRYI_GAIN_WIENER /* (I + t C^-1)^-1: the posterior mean at noise variance t, and the prox */
};

static inline double scryi_gaussian_gain(enum scryi_gaussian_gain kind, double q, double t)
{
    switch (kind) {
    case SCRYI_GAIN_COV:
        return 1 / q;
    case SCRYI_GAIN_PRECISION:
        return q;
    case SCRYI_GAIN_SQRT:
        return 1 / sqrt(q);
    case SCRYI_GAIN_INV_SQRT:
        return sqrt(q);
    case SCRYI_GAIN_SHRINK:
        return t / (1 + t * q);
    case SCRYI_GAIN_SHRINK_SQRT:
        return sqrt(t / (1 + t * q));
    case SCRYI_GAIN_NOISED_SQRT:
        return sqrt(1 / q + t);
    case SCRYI_GAIN_WIENER:
        break;
    }
    return 1 / (1 + t * q);
}

struct scryi_gaussian {
    scry_prior base;
    bool proper; /* no coefficient of zero precision */
    /* out = f(C) in, or m + f(C) (in - m) when about_mean; out == in allowed */
    void (*filter)(const struct scryi_gaussian *G, float *out, const float *in,
                   enum scryi_gaussian_gain kind, double t, bool about_mean, void *work);
    /* (u - m)^T C^-1 (u - m) */
    double (*energy)(const struct scryi_gaussian *G, const float *u, void *work);
    void (*mean)(const struct scryi_gaussian *G, float *mean);
    int rank; /* of the Fourier basis; 0: another basis, and no spectrum */
    void (*spectrum)(const struct scryi_gaussian *G, float *values, enum scryi_gaussian_gain kind,
                     double t);
};

/* The hooks that all of them share. */
scry_status scryi_gaussian_denoise(const scry_prior *P, float *x0, const float *x, float sigma,
                                   void *work, scry_error *err);
scry_status scryi_gaussian_vjp(const scry_prior *P, float *g, float *x0, const float *x,
                               const float *v, float sigma, void *work, scry_error *err);
scry_status scryi_gaussian_prox(const scry_prior *P, float *z, const float *v, double t, void *work,
                                scry_error *err);
scry_status scryi_gaussian_value(const scry_prior *P, double *value, const float *u, void *work,
                                 scry_error *err);

/* A prior that is diagonal in the Fourier basis, for gaussian_stationary.c and tikhonov.c, whose
 * hooks are the above and scryi_stationary_destroy. The callback gives 1 / S >= 0 at frequency f
 * (cycles per pixel along each of the `rank` last axes, slowest first) or words the error; it
 * is called during creation only. EINVAL: rank, mean; EUNSUP: complex; ESHAPE; ENOMEM. */
typedef scry_status scryi_precision_fn(double *q, const double f[3], void *ctx, scry_error *err);
struct scryi_stationary_params {
    int rank;
    double mean;
    scryi_precision_fn *precision;
    void *ctx;
};
scry_status scryi_stationary_create(scry_prior **out, const struct scry_prior_ops *ops,
                                    const scry_space *space,
                                    const struct scryi_stationary_params *params, scry_error *err);
void scryi_stationary_destroy(scry_prior *P);

#endif
