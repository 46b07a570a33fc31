#include "priors/callbacks.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "priors/prior_impl.h"

#include <math.h>

struct callbacks_prior {
    scry_prior base;
    struct scry_prior_ops ops;
    scry_prior_callbacks own;
};

/* The callback's own words, or some for it. */
static scry_status prior_callbacks_after(const scry_prior *P, scry_status st, const char *which,
                                         scry_error *err)
{
    if (st == SCRY_OK) return st;
    return SCRY_FAIL(err, st, "%s: %s failed: %s", P->ops->name, which, scry_status_name(st));
}

static scry_status own_denoise(const scry_prior *P, float *x0, const float *x, float sigma,
                               void *work, scry_error *err)
{
    const struct callbacks_prior *C = (const struct callbacks_prior *)P;
    (void)work;
    return prior_callbacks_after(P, C->own.denoise(C->own.ctx, x0, x, sigma, err), "denoise", err);
}

static scry_status own_vjp(const scry_prior *P, float *g, float *x0, const float *x, const float *v,
                           float sigma, void *work, scry_error *err)
{
    const struct callbacks_prior *C = (const struct callbacks_prior *)P;
    scry_status st = x0 ? own_denoise(P, x0, x, sigma, work, err) : SCRY_OK;
    if (st != SCRY_OK) return st;
    return prior_callbacks_after(P, C->own.vjp(C->own.ctx, g, x, v, sigma, err), "vjp", err);
}

static void prior_callbacks_destroy(scry_prior *P)
{
    struct callbacks_prior *C = (struct callbacks_prior *)P;
    if (!C) return;
    if (C->own.destroy) C->own.destroy(C->own.ctx);
    scry_free(C);
}

scry_status scry_prior_from_callbacks(scry_prior **out, const scry_space *space,
                                      const scry_prior_callbacks *callbacks, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, space, callbacks)) return SCRY_EINVAL;
    const double low = callbacks->sigma_low, high = callbacks->sigma_high;
    if (!callbacks->name || !callbacks->denoise)
        return SCRY_FAIL(err, SCRY_EINVAL, "a prior from callbacks: expected a name and denoise");
    if (!(low > 0 && low <= high && isfinite(high)))
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: levels from %g to %g, expected 0 < low <= high",
                         callbacks->name, low, high);
    const scry_status st = scry_space_check(space, err);
    if (st != SCRY_OK) return st;
    struct callbacks_prior *C = scry_alloc(1, sizeof *C);
    if (!C) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", callbacks->name);
    C->own = *callbacks;
    C->ops = (struct scry_prior_ops){.name = callbacks->name,
                                     .denoise = own_denoise,
                                     .vjp = callbacks->vjp ? own_vjp : NULL,
                                     .destroy = prior_callbacks_destroy};
    C->base = (scry_prior){.ops = &C->ops, .space = *space, .sigma_low = low, .sigma_high = high};
    *out = &C->base;
    return SCRY_OK;
}
