#include "priors/prior_impl.h"

#include "lib/cancel.h"
#include "lib/given.h"
#include "lib/vector.h"

#include <math.h>

void scry_prior_free(scry_prior *P)
{
    if (P) P->ops->destroy(P);
}

const char *scry_prior_name(const scry_prior *P)
{
    return P->ops->name;
}

const scry_space *scry_prior_space(const scry_prior *P)
{
    return &P->space;
}

size_t scry_prior_work_bytes(const scry_prior *P)
{
    return P->work_bytes;
}

size_t scry_prior_batch(const scry_prior *P)
{
    return P->batch > 1 ? P->batch : 1;
}

void scry_prior_sigma_range(const scry_prior *P, double *low, double *high)
{
    *low = P->sigma_low;
    *high = P->sigma_high;
}

bool scry_prior_has_denoise(const scry_prior *P)
{
    return P->ops->denoise != NULL;
}

bool scry_prior_has_vjp(const scry_prior *P)
{
    return P->ops->vjp != NULL;
}

bool scry_prior_has_prox(const scry_prior *P)
{
    return P->ops->prox != NULL;
}

bool scry_prior_has_value(const scry_prior *P)
{
    return P->ops->value != NULL;
}

/* The comparison is written so that a NaN fails it. */
static scry_status check_sigma(const scry_prior *P, float sigma, scry_error *err)
{
    if (sigma > 0 && sigma >= P->sigma_low * (1 - 1e-6) && sigma <= P->sigma_high * (1 + 1e-6))
        return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "%s: sigma %g outside the prior's range %g to %g",
                     P->ops->name, (double)sigma, P->sigma_low, P->sigma_high);
}

static scry_status prior_check_output(const scry_prior *P, const float *x, float sigma,
                                      scry_error *err)
{
    if (!x || scry_finite(x, scry_space_floats(&P->space))) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENUMERIC, "%s: output not finite at sigma %g", P->ops->name,
                     (double)sigma);
}

scry_status scry_prior_denoise(const scry_prior *P, float *x0, const float *x, float sigma,
                               void *work, scry_error *err)
{
    if (SCRY_MISSING(err, P, x0, x, work)) return SCRY_EINVAL;
    scry_status st;
    if (!P->ops->denoise) return SCRY_FAIL(err, SCRY_EUNSUP, "%s cannot denoise", P->ops->name);
    if ((st = check_sigma(P, sigma, err)) != SCRY_OK) return st;
    if ((st = scry_cancel_check(err)) != SCRY_OK) return st;
    if ((st = P->ops->denoise(P, x0, x, sigma, work, err)) != SCRY_OK) return st;
    return prior_check_output(P, x0, sigma, err);
}

scry_status scry_prior_vjp(const scry_prior *P, float *g, float *x0, const float *x, const float *v,
                           float sigma, void *work, scry_error *err)
{
    if (SCRY_MISSING(err, P, g, x, v, work)) return SCRY_EINVAL;
    scry_status st;
    if (!P->ops->vjp)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s has no vector-Jacobian product", P->ops->name);
    if ((st = check_sigma(P, sigma, err)) != SCRY_OK) return st;
    if ((st = scry_cancel_check(err)) != SCRY_OK) return st;
    if ((st = P->ops->vjp(P, g, x0, x, v, sigma, work, err)) != SCRY_OK) return st;
    if ((st = prior_check_output(P, x0, sigma, err)) != SCRY_OK) return st;
    return prior_check_output(P, g, sigma, err);
}

scry_status scry_prior_prox(const scry_prior *P, float *z, const float *v, double t, void *work,
                            scry_error *err)
{
    if (SCRY_MISSING(err, P, z, v, work)) return SCRY_EINVAL;
    scry_status st;
    if (!P->ops->prox) return SCRY_FAIL(err, SCRY_EUNSUP, "%s has no prox", P->ops->name);
    if (!(t > 0 && isfinite(t)))
        return SCRY_FAIL(err, SCRY_EINVAL, "prox step %g, expected > 0 and finite", t);
    if ((st = scry_cancel_check(err)) != SCRY_OK) return st;
    if ((st = P->ops->prox(P, z, v, t, work, err)) != SCRY_OK) return st;
    if (scry_finite(z, scry_space_floats(&P->space))) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENUMERIC, "%s: prox not finite at step %g", P->ops->name, t);
}

scry_status scry_prior_value(const scry_prior *P, double *value, const float *u, void *work,
                             scry_error *err)
{
    if (SCRY_MISSING(err, P, value, u, work)) return SCRY_EINVAL;
    if (!P->ops->value)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s has no density to evaluate", P->ops->name);
    return P->ops->value(P, value, u, work, err);
}
