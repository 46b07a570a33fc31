#ifndef SCRY_PRIORS_PRIOR_H
#define SCRY_PRIORS_PRIOR_H

#include "lib/api.h"
#include "lib/space.h"
#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>

SCRY_BEGIN

/* A distribution of images before any measurement. Immutable once built: threads share it, and each
 * brings scratch memory `work` of scry_prior_work_bytes(P) bytes from scry_alloc (not NULL,
 * also for 0 bytes). */
typedef struct scry_prior scry_prior;

void scry_prior_free(scry_prior *P); /* accepts NULL */
const char *scry_prior_name(const scry_prior *P);
const scry_space *scry_prior_space(const scry_prior *P);
size_t scry_prior_work_bytes(const scry_prior *P);
/* The batch size (lib/call_batcher.h) beyond which a larger batch is not faster: 1 for priors that
 * do not evaluate calls in batches. */
size_t scry_prior_batch(const scry_prior *P);
void scry_prior_sigma_range(const scry_prior *P, double *low, double *high);
bool scry_prior_has_denoise(const scry_prior *P);
bool scry_prior_has_vjp(const scry_prior *P);
bool scry_prior_has_prox(const scry_prior *P);
bool scry_prior_has_value(const scry_prior *P);

/* Posterior mean under Gaussian noise, D(x; sigma) = E[x0 | x0 + sigma n = x], n ~ N(0, I);
 *   score = (D - x) / sigma^2.
 * x0, x   scry_prior_space(P), in the prior's intensity unit; x0 == x allowed
 * sigma   std per real component, same unit; work: scry_prior_work_bytes(P) bytes
 * errors  EINVAL: sigma <= 0 or outside the prior's range; ENUMERIC: non-finite output
 * Efron 2011, JASA 106:1602 (Tweedie); score form: Karras et al. 2022, Eq. 3. */
scry_status scry_prior_denoise(const scry_prior *P, float *x0, const float *x, float sigma,
                               void *work, scry_error *err);

/* g = (dD/dx)^T v, and x0 = D(x; sigma) from the same pass when x0 is not NULL; EUNSUP if the prior
 * has no such hook. g, x0 and v distinct; x0 == x not allowed. */
scry_status scry_prior_vjp(const scry_prior *P, float *g, float *x0, const float *x, const float *v,
                           float sigma, void *work, scry_error *err);

/* z = argmin_u  -log p(u) + |u - v|^2 / (2 t); EUNSUP without the hook; z == v allowed. EINVAL:
 * t <= 0 or infinite; ENUMERIC: non-finite output. */
scry_status scry_prior_prox(const scry_prior *P, float *z, const float *v, double t, void *work,
                            scry_error *err);

/* *value = -log p(u), up to a constant that does not depend on u; EUNSUP without the hook. */
scry_status scry_prior_value(const scry_prior *P, double *value, const float *u, void *work,
                             scry_error *err);

SCRY_END

#endif
