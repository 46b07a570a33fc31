/* Functions that all Gaussian priors share: posterior mean, its Jacobian and the prox are one
 * filter, D(x; s) = m + (I + s^2 C^-1)^-1 (x - m),   dD/dx = (I + s^2 C^-1)^-1,   prox_t = D(.;
 * sqrt t).
 */
#include "priors/gaussian_impl.h"

#include "lib/given.h"

static const struct scryi_gaussian *gaussian_gaussian(const scry_prior *P)
{
    return (const struct scryi_gaussian *)P;
}

scry_status scryi_gaussian_denoise(const scry_prior *P, float *x0, const float *x, float sigma,
                                   void *work, scry_error *err)
{
    (void)err;
    gaussian_gaussian(P)->filter(gaussian_gaussian(P), x0, x, SCRYI_GAIN_WIENER,
                                 (double)sigma * sigma, true, work);
    return SCRY_OK;
}

scry_status scryi_gaussian_vjp(const scry_prior *P, float *g, float *x0, const float *x,
                               const float *v, float sigma, void *work, scry_error *err)
{
    (void)err;
    const double t = (double)sigma * sigma;
    gaussian_gaussian(P)->filter(gaussian_gaussian(P), g, v, SCRYI_GAIN_WIENER, t, false, work);
    if (x0)
        gaussian_gaussian(P)->filter(gaussian_gaussian(P), x0, x, SCRYI_GAIN_WIENER, t, true, work);
    return SCRY_OK;
}

scry_status scryi_gaussian_prox(const scry_prior *P, float *z, const float *v, double t, void *work,
                                scry_error *err)
{
    (void)err;
    gaussian_gaussian(P)->filter(gaussian_gaussian(P), z, v, SCRYI_GAIN_WIENER, t, true, work);
    return SCRY_OK;
}

scry_status scryi_gaussian_value(const scry_prior *P, double *value, const float *u, void *work,
                                 scry_error *err)
{
    (void)err;
    *value = 0.5 * gaussian_gaussian(P)->energy(gaussian_gaussian(P), u, work);
    return SCRY_OK;
}

static bool gaussian_has_hooks(const scry_prior *P)
{
    return P->ops->denoise == scryi_gaussian_denoise;
}

bool scry_prior_is_gaussian(const scry_prior *P)
{
    return gaussian_has_hooks(P) && gaussian_gaussian(P)->proper;
}

static scry_status check_function(const scry_prior *P, scry_gaussian_fn f, double t,
                                  scry_error *err)
{
    if (!gaussian_has_hooks(P))
        return SCRY_FAIL(err, SCRY_EINVAL, "%s is not a Gaussian prior", P->ops->name);
    if ((int)f < SCRY_GAUSSIAN_COV || f > SCRY_GAUSSIAN_NOISED_SQRT)
        return SCRY_FAIL(err, SCRY_EINVAL, "function %d of the covariance, expected %d to %d",
                         (int)f, SCRY_GAUSSIAN_COV, SCRY_GAUSSIAN_NOISED_SQRT);
    if (f >= SCRY_GAUSSIAN_SHRINK && !(t > 0 && isfinite(t)))
        return SCRY_FAIL(err, SCRY_EINVAL, "noise variance %g, expected > 0 and finite", t);
    if (!gaussian_gaussian(P)->proper &&
        (f == SCRY_GAUSSIAN_COV || f == SCRY_GAUSSIAN_SQRT || f == SCRY_GAUSSIAN_NOISED_SQRT))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s leaves constants free: it has a precision but no covariance",
                         P->ops->name);
    return SCRY_OK;
}

scry_status scry_gaussian_apply(const scry_prior *P, float *out, const float *in,
                                scry_gaussian_fn f, double t, void *work, scry_error *err)
{
    if (SCRY_MISSING(err, P, out, in, work)) return SCRY_EINVAL;
    scry_status st = check_function(P, f, t, err);
    if (st != SCRY_OK) return st;
    gaussian_gaussian(P)->filter(gaussian_gaussian(P), out, in, (enum scryi_gaussian_gain)f, t,
                                 false, work);
    return SCRY_OK;
}

int scry_gaussian_rank(const scry_prior *P)
{
    return gaussian_has_hooks(P) ? gaussian_gaussian(P)->rank : 0;
}

scry_status scry_gaussian_spectrum(const scry_prior *P, float *values, scry_gaussian_fn f, double t,
                                   scry_error *err)
{
    if (SCRY_MISSING(err, P, values)) return SCRY_EINVAL;
    scry_status st = check_function(P, f, t, err);
    if (st != SCRY_OK) return st;
    if (!gaussian_gaussian(P)->rank)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s: not diagonal in the Fourier basis", P->ops->name);
    gaussian_gaussian(P)->spectrum(gaussian_gaussian(P), values, (enum scryi_gaussian_gain)f, t);
    return SCRY_OK;
}

scry_status scry_gaussian_mean(const scry_prior *P, float *mean, scry_error *err)
{
    if (SCRY_MISSING(err, P, mean)) return SCRY_EINVAL;
    if (!gaussian_has_hooks(P))
        return SCRY_FAIL(err, SCRY_EINVAL, "%s is not a Gaussian prior", P->ops->name);
    gaussian_gaussian(P)->mean(gaussian_gaussian(P), mean);
    return SCRY_OK;
}
