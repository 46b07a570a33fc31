#include "lib/memory.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/guided_impl.h"

#include <string.h>

/* DiffPIR: half-quadratic splitting inside a diffusion. At noise level s
 *   x0 = argmin_u  -log p(y | u) + lambda |u - D(x; s)|^2 / (2 s^2)
 *   x' = x0 + s' (sqrt(1 - zeta) (x - x0) / s + sqrt(zeta) z).
 * The proximal step is that of the likelihood itself, with its noise level: rho = lambda sigma_n^2
 * / s^2 of the paper's Eq. 13 is the case of white noise. For counted light the noise variance is
 * taken from the estimate of the level before (Fisher scoring). That is one linear solve a level: a
 * proximal step that is solved to the end takes several and is no better, since the next level
 * scores again. The paper leaves out the data step at the last level; here it is kept, since it
 * changes the image least there. */

struct diffpir_options {
    struct scryi_sampler_options sampler;
    double prior_weight, fresh_noise;
    struct scryi_cg_options cg;
};

static scry_status diffpir_data_step(struct scryi_guided *G, double t, scry_error *err)
{
    const struct diffpir_options *o = scry_options_block(&G->base.base.options);
    struct scryi_sampler *S = &G->base;
    const struct scry_solver *base = &S->base;
    if (G->gaussian && scry_op_has_svd(G->A)) { /* in closed form */
        memcpy(G->u, S->x0, base->n * sizeof *G->u);
        return scry_likelihood_prox(base->problem.L, S->x0, G->u, t, 0, 0, G->likelihood_work, NULL,
                                    err);
    }
    return scryi_guided_condition(G, S->x0, scryi_covariance_white(t),
                                  scryi_condition_settings(&G->condition, o->cg, 10, 1e-2), 0, err);
}

static scry_status diffpir_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct scryi_guided *G = (struct scryi_guided *)base;
    struct scryi_sampler *S = &G->base;
    const struct diffpir_options *o = scry_options_block(&base->options);
    const double s = S->sigma[base->step];
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, s, err);
    if (st != SCRY_OK) return st;
    if ((st = scryi_guided_linearise(G, S->x0, err)) != SCRY_OK) return st;
    if ((st = diffpir_data_step(G, s * s / o->prior_weight, err)) != SCRY_OK) return st;
    return scryi_guided_move(G, o->fresh_noise, p, err);
}

static scry_status diffpir_plan(scry_solver **out, const scry_problem *problem,
                                const scry_options *options, scry_error *err)
{
    const struct diffpir_options *o = scry_options_block(options);
    return scryi_guided_plan(out, diffpir_step, problem, options, &o->sampler, true, err);
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct diffpir_options, 16),
    SCRYI_VISITS_OPTION(struct diffpir_options),
    SCRYI_COHERENCE_OPTION(struct diffpir_options, 12),
    {"prior-weight", "lambda", SCRY_FIELD(struct diffpir_options, prior_weight), 1, 1e-6, 1e6, NULL,
     "weight of the prior in the data step"},
    {"fresh-noise", "zeta", SCRY_FIELD(struct diffpir_options, fresh_noise), 0.8, 0, 1, NULL,
     "share of fresh noise in a step"},
    SCRYI_SOLVE_OPTIONS(struct diffpir_options, 10, 1e-2),
    SCRYI_START_OPTIONS(struct diffpir_options),
    {0},
};

const struct scry_method scry_method_diffpir = {
    .name = "diffpir",
    .title = "DiffPIR",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "approximate: too little is extrapolated into pixels that were not measured",
    .contends = true,
    .citation = "Zhu et al. 2023, CVPR Workshops (arXiv:2305.08995), Algorithm 1",
    .options = options,
    .plan = diffpir_plan,
};
