#ifndef SCRY_PRIORS_CALLBACKS_H
#define SCRY_PRIORS_CALLBACKS_H

#include "lib/api.h"
#include "priors/prior.h"

SCRY_BEGIN

/* A prior of the caller's. Arrays and levels are those of scry_prior_denoise and scry_prior_vjp; a
 * callback that fails returns its code and may word it with SCRY_FAIL: the run ends with both.
 * Callbacks run in several threads at a time. */
typedef struct scry_prior_callbacks {
    const char *name;             /* for messages; kept by the caller as long as the prior */
    double sigma_low, sigma_high; /* the levels that denoise takes, 0 < low <= high */
    scry_status (*denoise)(void *ctx, float *x0, const float *x, float sigma, scry_error *err);
    /* g = (dD/dx)^T v, or NULL: methods that need it refuse the prior */
    scry_status (*vjp)(void *ctx, float *g, const float *x, const float *v, float sigma,
                       scry_error *err);
    void (*destroy)(void *ctx); /* or NULL */
    void *ctx;                  /* the prior's from success on; on failure still the caller's */
} scry_prior_callbacks;

/* errors  EINVAL: no name, no denoise, or levels out of order; ESHAPE: not a space; ENOMEM. When it
 *         is applied: what callbacks say, and ENUMERIC for an output that is not finite */
scry_status scry_prior_from_callbacks(scry_prior **out, const scry_space *space,
                                      const scry_prior_callbacks *callbacks, scry_error *err);

SCRY_END

#endif
