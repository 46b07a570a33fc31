#ifndef SCRY_SOLVERS_SAMPLING_SAMPLER_IMPL_H
#define SCRY_SOLVERS_SAMPLING_SAMPLER_IMPL_H

#include "solvers/solver_impl.h"

/* What every diffusion sampler has: levels of noise, a state x = x0 + sigma n that walks down them,
 * and the prior's denoiser. Methods embed it first and add what they need. */
struct scryi_sampler {
    struct scry_solver base;
    double *sigma;    /* a level for each step, high to low, each `travel` times; the lowest for all
                       * further steps of a walk; then 0 */
    size_t travel;    /* >= 1 */
    float *x;         /* state at sigma[base.step] */
    float *x0;        /* estimate of the image; what a finished run returns */
    float *z;         /* fresh noise */
    void *prior_work; /* also for the model, in an unconditional Gaussian start */
};

/* Draws of one step: numbers for scry_rng_step, so that no two uses share a stream. Step 0 of the
 * generator starts the chain, step i + 1 is step i of the sampler. */
enum scryi_draw { SCRYI_DRAW_STATE = 0, SCRYI_DRAW_IMAGE, SCRYI_DRAW_DATA, SCRYI_DRAW_SPARE };

/* Options that all of them list, at the head of their tables. */
#define SCRYI_SCHEDULE_OPTIONS(steps_)                                                             \
    {"steps", steps_, 1, 100000, "levels of the noise schedule"},                                  \
        {"sigma-max", 0, 0, 1e6, "first noise level; 0: 40, or the largest that the prior knows"}, \
        {"sigma-min", 0, 0, 1e6, "last noise level; 0: 0.03, or the least that the prior knows"},  \
    {                                                                                              \
        "rho", 7, 0.1, 1000, "exponent of the schedule (Karras et al. 2022, Eq. 5)"                \
    }

/* Those of methods that walk: from the first draw the chain goes on at its last level. The default
 * of `thin` is about two thirds of the steps that are worth one independent draw where a Gaussian
 * prior of unit size is blurred or masked (tests/exact/test_walks.c prints them): more draws would
 * cost memory and tell little. */
#define SCRYI_WALK_OPTIONS(thin_)                                                                  \
    {"draws", 1, 1, 1e6, "images that a chain gives; the first after its steps"},                  \
    {                                                                                              \
        "thin", thin_, 1, 1e6, "steps from a draw to the next"                                     \
    }

/* After those of the schedule, for methods that can start from a Gaussian (solvers/start.h). */
#define SCRYI_HANDOVER_OPTIONS                                                                     \
    {"start-sigma", 0, 0, 1e6,                                                                     \
     "noise level at which that hands over to the prior; 0: by start-departure, or 2 where the "   \
     "prior does not state its departure, and not above sigma-max"},                               \
    {                                                                                              \
        "start-departure", 0.3, 0, 1,                                                              \
            "share of the Gaussian denoiser's mean square error that the prior may do without "    \
            "above the level at which it takes over"                                               \
    }
#define SCRYI_PRIOR_START_OPTIONS                                                                  \
    {"start", SCRY_START_NOISE, 0, SCRY_START_AUTO,                                                \
     "noise; gaussian: the Gaussian model of the images in closed form, which saves the levels "   \
     "above start-sigma; auto: gaussian where there is such a model, else noise"},                 \
        SCRYI_HANDOVER_OPTIONS

/* scry_start_sigma, for settings of which fields that the method does not list are 0. */
scry_status scryi_start_sigma(double *sigma, const struct scry_method *method,
                              const scry_problem *problem, const scry_solver_opts *opts,
                              scry_error *err);

/* Allocates the members; the caller owns a zeroed S and calls scryi_sampler_clear on every path.
 * base.opts.start becomes SCRY_START_GAUSSIAN, with the levels beginning at scryi_start_sigma, or
 * SCRY_START_NOISE. */
scry_status scryi_sampler_init(struct scryi_sampler *S, const struct scry_method *method,
                               const scry_problem *problem, const scry_solver_opts *opts,
                               scry_error *err);
void scryi_sampler_clear(struct scryi_sampler *S);

/* First and last level that the options mean for this prior. EINVAL when out of order. */
scry_status scryi_sampler_levels(const scry_problem *problem, const scry_solver_opts *opts,
                                 double *low, double *high, scry_error *err);

/* x ~ N(mean of the model, or 0, sigma[0]^2), the marginal at a level where the image is lost; or,
 * with SCRY_START_GAUSSIAN, from the model in noise of that level. */
scry_status scryi_sampler_start(struct scry_solver *S, scry_error *err);

/* To call at the end of a start that left the state in S->x: sets base.limit. */
void scryi_sampler_limit(struct scryi_sampler *S);

/* out ~ N(0, I) of the space, for one draw of this step. */
void scryi_sampler_draw(const struct scryi_sampler *S, float *out, enum scryi_draw draw);

/* D(x; sigma), counted. */
scry_status scryi_sampler_denoise(struct scryi_sampler *S, float *D, const float *x, double sigma,
                                  scry_error *err);

/* Moves the state from sigma[step] to sigma[step + 1] = s' around the estimate x0,
 *   x' = x0 + s' (sqrt(1 - share) (x - x0) / s + sqrt(share) z),
 * then counts the step and reports. After the last step s' = 0, and x' = x0.
 *
 * Where a level is visited again (`travel`), the state moves to the next lower level l with this
 * share and noise takes it back up to s: in one draw, a step to s' = s whose share is
 * 1 - (1 - share) (l/s)^2. What the measurement says of one part of the image reaches the others
 * through the denoiser once a visit (Lugmayr et al. 2022, RePaint, with jumps of one level). */
void scryi_sampler_move(struct scryi_sampler *S, double share, scry_progress *p);

/* eta (1 - (s'/s)^2): DDIM's share, eta = 1 for the ancestral step of DDPM (Song et al. 2021,
 * Eq. 16, in the coordinate x = x0 + sigma n), s' the next lower level. */
double scryi_sampler_ddim_share(const struct scryi_sampler *S, double eta);

#endif
