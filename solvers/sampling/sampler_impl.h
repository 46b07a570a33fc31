#ifndef SCRY_SOLVERS_SAMPLING_SAMPLER_IMPL_H
#define SCRY_SOLVERS_SAMPLING_SAMPLER_IMPL_H

#include "solvers/option_groups_impl.h"
#include "solvers/solver_impl.h"

/* The part of every diffusion sampler: levels of noise, a state x = x0 + sigma n that goes down
 * them, and the prior's denoiser. Methods embed it first. */
struct scryi_sampler {
    struct scry_solver base;
    double *sigma; /* a level for each step, high to low, each `visits` times; the lowest for all
                    * further draws; then 0 */
    size_t visits; /* >= 1 */
    size_t coherence;
    bool gaussian_start;
    float *x;         /* state at sigma[base.step] */
    float *x0;        /* estimate of the image; the result of a finished run */
    float *z;         /* fresh noise */
    void *prior_work; /* also for the model, in an unconditional Gaussian start */
};

/* Draws of one step: numbers for scry_rng_step, so that no two uses share a stream. Step 0 of the
 * generator starts the chain, step i + 1 is step i of the sampler. */
enum scryi_draw { SCRYI_DRAW_STATE = 0, SCRYI_DRAW_IMAGE, SCRYI_DRAW_DATA, SCRYI_DRAW_SPARE };

/* As scry_start_sigma; fields of `o` that the method does not list are 0. */
scry_status scryi_start_sigma(double *sigma, const char *method, const scry_problem *problem,
                              const struct scryi_sampler_options *o, scry_error *err);

/* Allocates the members for the settings `o`, which are those of the method's struct or made from
 * them; the caller owns a zeroed S and calls scryi_sampler_clear on every path. With a Gaussian
 * start the levels begin at scryi_start_sigma. */
scry_status scryi_sampler_init(struct scryi_sampler *S, const scry_problem *problem,
                               const scry_options *options, const struct scryi_sampler_options *o,
                               scry_error *err);
void scryi_sampler_clear(struct scryi_sampler *S);

/* First and last level of a schedule with this prior. EINVAL when out of order. */
scry_status scryi_sampler_levels(const scry_problem *problem, const struct scryi_schedule *schedule,
                                 double *low, double *high, scry_error *err);

/* x ~ N(mean of the model, or 0, sigma[0]^2), the marginal at a level where the image cannot be
 * seen; or, with a Gaussian start, from the model in noise of that level. */
scry_status scryi_sampler_start(struct scry_solver *S, scry_error *err);

/* Sets base.limit; for the end of a start that wrote the state to S->x. */
void scryi_sampler_limit(struct scryi_sampler *S);

/* Noise of a volume (z, y, x) whose planes are alike when they are near: of every `coherence`
 * planes one is kept, and those between are on the great circle from it to the next, n_k = cos(a)
 * n_i + sin(a) n_j, 0 < a < pi/2. Each plane stays N(0, I), as a prior of planes expects, but draws
 * of neighbours follow one another (Du et al. 2026, arXiv:2602.04162). */
void scryi_sampler_cohere(const struct scryi_sampler *S, float *z);

/* out ~ N(0, I) of each plane of the space, for one draw of this step; with coherence as above. */
void scryi_sampler_draw(const struct scryi_sampler *S, float *out, enum scryi_draw draw);

/* D(x; sigma), counted. */
scry_status scryi_sampler_denoise(struct scryi_sampler *S, float *D, const float *x, double sigma,
                                  scry_error *err);

/* Moves the state from sigma[step] to sigma[step + 1] = s' around the estimate x0,
 *   x' = x0 + s' (sqrt(1 - share) (x - x0) / s + sqrt(share) z),
 * then counts the step and reports. After the last step s' = 0, and x' = x0.
 *
 * Where a level has several visits, the state moves to the next lower level l with this share and
 * noise takes it back up to s: in one draw, a step to s' = s whose share is
 * 1 - (1 - share) (l/s)^2. In each visit the denoiser carries information of the measurement from
 * one part of the image to the others (Lugmayr et al. 2022, RePaint, with jumps of one level). */
void scryi_sampler_move(struct scryi_sampler *S, double share, scry_progress *p);

/* eta (1 - (s'/s)^2): DDIM's share, eta = 1 for the ancestral step of DDPM (Song et al. 2021,
 * Eq. 16, in the coordinate x = x0 + sigma n), s' the next lower level. */
double scryi_sampler_ddim_share(const struct scryi_sampler *S, double eta);

#endif
