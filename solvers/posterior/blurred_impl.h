#ifndef SCRY_SOLVERS_POSTERIOR_BLURRED_IMPL_H
#define SCRY_SOLVERS_POSTERIOR_BLURRED_IMPL_H

#include "solvers/posterior/langevin_impl.h"

/* The part of Langevin samplers that stay at one level s, where the prior they know is that of
 * noisy images, x = x0 + s n.
 *
 * As published (`coupling paper`) x is treated as the image, so its prior is blurred by s.
 * `coupling exact` (ours; the idea is that of pnpdm.c) treats the measurement as one of x, whose
 * noise is smaller by the noise that s already adds, y | x ~ N(A x, W^-1 - s^2 A A^T),   g = (I -
 * s^2 A^T W A)^-1 A^T W (b - A x) + ..., so that y | x0 has the noise of the measurement, and ends
 * with a draw of x0 given x, by ancestral steps. The stationary distribution of the chain is then
 * the posterior itself, for every s^2 < 1 / |A^T W A|. At half of that bound, the default, the
 * curvature is at most 4 |A^T W A| for any noise, so steps are as long as the data allow. The
 * inverse is a Chebyshev series with a fixed number of terms, accurate to 3e-4. */
enum { SCRYI_BLURRED_LEVELS = 8 }; /* of the draw of x0 */

/* Member `blurred` of the options of such a method. */
struct scryi_blurred_options {
    enum scryi_coupling coupling;
    double prior_weight;
};

struct scryi_blurred {
    struct scryi_langevin *L; /* borrowed */
    struct scryi_blurred_options options;
    double s;
    double sigma_low; /* lowest level of the prior */
    double share;     /* s^2 |A^T W A|, with coupling exact; else 0 */
    double curvature; /* bound: prior_weight / s^2 + |A^T W A| / (1 - share) */
    double levels[SCRYI_BLURRED_LEVELS + 1];
    float *rest, *turn, *noisy; /* of the series, n each; the x that a draw starts from */
};

/* The settings of the sampler that G is to be made with: all levels at the one where it stays.
 * EUNSUP: no coupling for this noise */
scry_status scryi_blurred_levels(struct scryi_sampler_options *levels, const scry_problem *problem,
                                 const scry_options *options, const struct scryi_sampler_options *o,
                                 const struct scryi_blurred_options *blurred, scry_error *err);
/* For the L of that G. B is zeroed; clear also after a failure. EINVAL: no coupling for this level
 * or prior */
scry_status scryi_blurred_init(struct scryi_blurred *B, struct scryi_langevin *L,
                               const struct scryi_sampler_options *o,
                               const struct scryi_blurred_options *blurred, scry_error *err);
void scryi_blurred_clear(struct scryi_blurred *B);

/* L->g = grad log p(x | y), options.prior_weight the weight of the prior */
scry_status scryi_blurred_gradient(struct scryi_blurred *B, const float *x, scry_error *err);

/* Ends a step: counts it and reports. Where it gives a draw, that is of x + extra n. */
scry_status scryi_blurred_report(struct scryi_blurred *B, double extra, scry_progress *p,
                                 scry_error *err);

#define SCRYI_BLURRED_OPTIONS(type)                                                                \
    {"sigma-min",                                                                                  \
     NULL,                                                                                         \
     SCRY_FIELD(type, sampler.schedule.sigma_min),                                                 \
     0,                                                                                            \
     0,                                                                                            \
     1e6,                                                                                          \
     NULL,                                                                                         \
     "noise level of the denoiser; 0: 0.05, with coupling exact half of the level that the noise " \
     "of the "                                                                                     \
     "data allows"},                                                                               \
        {"coupling",                                                                               \
         NULL,                                                                                     \
         SCRY_FIELD(type, blurred.coupling),                                                       \
         SCRYI_COUPLING_PAPER,                                                                     \
         0,                                                                                        \
         SCRYI_COUPLING_EXACT,                                                                     \
         scryi_coupling_names,                                                                     \
         "paper: as published, the level blurs the prior; exact: it is taken out of the noise of " \
         "the data, and draws are denoised; Gaussian noise only"},                                 \
    {                                                                                              \
        "prior-weight", "lambda", SCRY_FIELD(type, blurred.prior_weight), 1, 1e-6, 1e6, NULL,      \
            "weight of the prior; 1 is the posterior"                                              \
    }

#endif
