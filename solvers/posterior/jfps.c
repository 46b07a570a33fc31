#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/guided_impl.h"

#include <string.h>

/* Jacobian-free posterior sampling. Moment matching, E[x0 | x, y] with x0 | x ~ N(D, V), where V is
 * not the network's own covariance s^2 dD/dx but that of a Gaussian model of the images,
 *   V = (C^-1 + I / s^2)^-1,   x0 = D + V A^T (W^-1 + A V A^T)^-1 (b - A D),
 * then a DDIM step around x0. It needs no derivative of the network and is exact when the prior is
 * the model. In a long step the spread of x0 around that mean matters too: a DDIM step leaves out
 * (1 - (s'/s)^2)^2 of its variance. With `spread` 1 the step goes around a draw from
 * N(x0, (V^-1 + A^T W A)^-1) instead, and is exact for such a prior with steps of any length. */

struct jfps_options {
    struct scryi_sampler_options sampler;
    double fresh_noise, spread;
    struct scryi_cg_options cg;
};

/* u += spread e with e ~ N(0, V): a draw from the model minus the estimate of it from itself in
 * noise s, which is the error of that estimate. */
static scry_status jfps_scatter(struct scryi_guided *G, float *u, double s, double spread,
                                scry_error *err)
{
    struct scryi_sampler *S = &G->base;
    const scry_prior *model = S->base.problem.model;
    void *work = G->condition.model_work;
    scryi_sampler_draw(S, S->z, SCRYI_DRAW_IMAGE);
    scry_status st = scry_gaussian_apply(model, G->u, S->z, SCRY_GAUSSIAN_SQRT, 0, work, err);
    if (st != SCRY_OK) return st;
    scryi_sampler_draw(S, S->z, SCRYI_DRAW_SPARE);
    scry_axpby(G->v, 1, G->u, s, S->z, S->base.n);
    st = scry_gaussian_apply(model, S->z, G->v, SCRY_GAUSSIAN_SHRINK, s * s, work, err);
    if (st != SCRY_OK) return st;
    scry_axpy(G->u, -1 / (s * s), S->z, S->base.n);
    scry_axpy(u, spread, G->u, S->base.n);
    return SCRY_OK;
}

static scry_status jfps_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct scryi_guided *G = (struct scryi_guided *)base;
    struct scryi_sampler *S = &G->base;
    const struct jfps_options *o = scry_options_block(&base->options);
    const double s = S->sigma[base->step];
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, s, err);
    if (st != SCRY_OK) return st;
    const double spread = base->step + 1 < base->steps ? o->spread : 0;
    if (spread > 0 && (st = jfps_scatter(G, S->x0, s, spread, err)) != SCRY_OK) return st;
    if ((st = scryi_guided_linearise(G, S->x0, err)) != SCRY_OK) return st;
    st = scryi_guided_condition(G, S->x0, scryi_covariance_shrink(s * s),
                                scryi_condition_settings(&G->condition, o->cg, 40, 1e-3), spread,
                                err);
    if (st != SCRY_OK) return st;
    return scryi_guided_move(G, scryi_sampler_ddim_share(S, o->fresh_noise), p, err);
}

static scry_status jfps_plan(scry_solver **out, const scry_problem *problem,
                             const scry_options *options, scry_error *err)
{
    const struct jfps_options *o = scry_options_block(options);
    return scryi_guided_plan(out, jfps_step, problem, options, &o->sampler, true, err);
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct jfps_options, 40),
    SCRYI_VISITS_OPTION(struct jfps_options),
    {"fresh-noise", "eta", SCRY_FIELD(struct jfps_options, fresh_noise), 1, 0, 1, NULL,
     "share of fresh noise: 0 deterministic, 1 ancestral"},
    {"spread", NULL, SCRY_FIELD(struct jfps_options, spread), 0, 0, 1, NULL,
     "share of the spread of x0 given x and y that a step draws"},
    SCRYI_SOLVE_OPTIONS(struct jfps_options, 40, 1e-3),
    SCRYI_START_OPTIONS(struct jfps_options),
    {0},
};

const struct scry_method scry_method_jfps = {
    .name = "jfps",
    .title = "Jacobian-free posterior sampling",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_MODEL | SCRY_NEEDS_GAUSSIAN,
    .exact = "exact for a Gaussian prior that equals the model, as steps grow; else approximate",
    .citation =
        "Rozet et al. 2024, NeurIPS (arXiv:2405.13712), with a fixed covariance: azula, jfps",
    .options = options,
    .plan = jfps_plan,
};
