#ifndef SCRY_PRIORS_CALLBACKS_H
#define SCRY_PRIORS_CALLBACKS_H

#include "lib/api.h"
#include "priors/prior.h"

SCRY_BEGIN

/* A prior made of the caller's functions. Arrays and levels are as in scry_prior_denoise and
 * scry_prior_vjp; a callback that fails returns a status code and may describe the failure with
 * SCRY_FAIL: the run stops with both. Callbacks run in several threads at a time. */
typedef struct scry_prior_callbacks {
    const char *name;             /* for messages; the caller keeps it as long as the prior lives */
    double sigma_low, sigma_high; /* the levels that denoise accepts, 0 < low <= high */
    scry_status (*denoise)(void *ctx, float *x0, const float *x, float sigma, scry_error *err);
    /* g = (dD/dx)^T v, or NULL: methods that need it refuse the prior */
    scry_status (*vjp)(void *ctx, float *g, const float *x, const float *v, float sigma,
                       scry_error *err);
    void (*destroy)(void *ctx); /* or NULL */
    void *ctx;                  /* belongs to the prior on success, stays the caller's on failure */
} scry_prior_callbacks;

/* errors  EINVAL: no name, no denoise, or levels out of order; ESHAPE: not a space; ENOMEM. When
 *         the prior is applied: the failures of the callbacks, and ENUMERIC for an output that is
 *         not finite */
scry_status scry_prior_from_callbacks(scry_prior **out, const scry_space *space,
                                      const scry_prior_callbacks *callbacks, scry_error *err);

SCRY_END

#endif
