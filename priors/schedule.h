#ifndef SCRY_PRIORS_SCHEDULE_H
#define SCRY_PRIORS_SCHEDULE_H

#include "lib/status.h"

#include <stddef.h>

/* Noise schedules: the training schedule of a variance-preserving network, and the levels at which
 * a sampler calls its prior.
 *
 * Training adds noise as x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) n with
 * abar_t = prod_{i<=t} (1 - b_i), t = 0 .. T-1. Divided by sqrt(abar_t) this is x0 + sigma(t) n
 * with sigma(t) = sqrt((1 - abar_t) / abar_t), the only noise coordinate in the rest of scry.
 * Between integers log sigma is linear in t, so sigma(t) and t(sigma) are monotone and invert each
 * other exactly. */
typedef struct scry_schedule scry_schedule;

typedef enum scry_beta {
    SCRY_BETA_LINEAR,        /* b from start to end in equal steps (Ho et al. 2020, sec. 4) */
    SCRY_BETA_SCALED_LINEAR, /* sqrt(b) in equal steps (latent diffusion) */
    SCRY_BETA_COSINE         /* squaredcos_cap_v2: Nichol & Dhariwal 2021, Eq. 17, b capped at
                              * 0.999; start and end are ignored */
} scry_beta;

/* T = steps >= 2 training steps; 0 < start <= end < 1. EINVAL otherwise. */
scry_status scry_schedule_create(scry_schedule **out, scry_beta kind, size_t steps, double start,
                                 double end, scry_error *err);

/* From the betas themselves, each in (0, 1); copied. */
scry_status scry_schedule_create_betas(scry_schedule **out, const double *betas, size_t steps,
                                       scry_error *err);

scry_status scry_schedule_copy(scry_schedule **out, const scry_schedule *s, scry_error *err);

void scry_schedule_free(scry_schedule *s); /* accepts NULL */

size_t scry_schedule_steps(const scry_schedule *s);

/* abar at integer t < T. */
double scry_schedule_alpha_bar(const scry_schedule *s, size_t t);

/* sigma at real t, clamped to [0, T-1]. */
double scry_schedule_sigma(const scry_schedule *s, double t);

/* The real t in [0, T-1] with sigma(t) = sigma, clamped to the ends. */
double scry_schedule_time(const scry_schedule *s, double sigma);

/* Levels for a sampler: sigma[0] = high > ... > sigma[n-1] = low; n = 1 gives high. The step from
 * low to 0 is left to the sampler. EINVAL: n = 0, not 0 < low <= high < infinity.
 *
 *   karras        sigma_i = (high^(1/rho) + i/(n-1) (low^(1/rho) - high^(1/rho)))^rho, rho > 0
 *                 (Karras et al. 2022, Eq. 5; their value is 7; 1 is uniform in sigma)
 *   log           sigma_i = high (low / high)^(i/(n-1)), the limit of large rho
 *   uniform_time  t in equal steps from t(high) to t(low) of the given schedule */
scry_status scry_schedule_karras(double *sigma, size_t n, double low, double high, double rho,
                                 scry_error *err);
scry_status scry_schedule_log(double *sigma, size_t n, double low, double high, scry_error *err);
scry_status scry_schedule_uniform_time(double *sigma, size_t n, double low, double high,
                                       const scry_schedule *s, scry_error *err);

#endif
