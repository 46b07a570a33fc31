#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/langevin_impl.h"

#include <math.h>

/* Annealed Langevin with the curvature of the data as preconditioner: `level-steps` steps at each
 * level,
 *   x' = x + gamma P [A^T W (b - A x) + (D(x; s) - x) / s^2] + xi,   P = (I / s^2 + A^T W A)^-1,
 * one linear solve each, so that gamma is of order 1 however well the data determine a direction.
 * The drift is (1 - gamma) x + gamma m, where m is the mean of N(D, s^2 I) given the measurement.
 * The noise P (A^T W^(1/2) n1 c1 + n2 c2 / s) comes from the same solve when its right-hand side is
 * perturbed (Orieux et al. 2012).
 *
 * Langevin's noise is c1 = c2 = sqrt(2 gamma), which makes the directions that the data determine
 * too wide by the factor 1 / sqrt(1 - gamma / 2). Here c1 = sqrt(gamma (2 - gamma)): along a
 * direction whose data have the precision a and whose prior has h = 1 / (v + s^2), with p = P a,
 *   var = P (2 - gamma p) / (mu (2 - gamma mu)),   mu = p + P h,
 * which is 1 / (a + h) up to terms of order gamma h s^2: exact as s falls, for steps of any length
 * gamma <= 1. */

struct preconditioned_langevin_options {
    struct scryi_sampler_options sampler;
    double step_size;
    struct scryi_cg_options cg;
};

static scry_status preconditioned_langevin_step(struct scry_solver *base, scry_progress *p,
                                                scry_error *err)
{
    struct scryi_langevin *L = &((struct scryi_langevin_solver *)base)->L;
    struct scryi_guided *G = L->G;
    struct scryi_sampler *S = &G->base;
    const struct preconditioned_langevin_options *o = scry_options_block(&base->options);
    const double s = S->sigma[base->step], gamma = o->step_size;
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, s, err);
    if (st != SCRY_OK) return st;
    scryi_sampler_draw(S, S->z, SCRYI_DRAW_STATE);
    scry_axpy(S->x0, s * sqrt(2 / gamma), S->z, base->n);
    if (!G->gaussian) G->linearised = false; /* the noise depends on this image */
    if ((st = scryi_guided_linearise(G, S->x0, err)) != SCRY_OK) return st;
    st = scryi_guided_condition(G, S->x0, scryi_covariance_white(s * s),
                                scryi_condition_settings(&G->condition, o->cg, 50, 1e-3),
                                sqrt((2 - gamma) / gamma), err);
    if (st != SCRY_OK) return st;
    scry_axpby(S->x, 1 - gamma, S->x, gamma, S->x0, base->n);
    scryi_langevin_report(L, s, p);
    return SCRY_OK;
}

static scry_status preconditioned_langevin_plan(scry_solver **out, const scry_problem *problem,
                                                const scry_options *options, scry_error *err)
{
    const struct preconditioned_langevin_options *o = scry_options_block(options);
    return scryi_langevin_plan(out, preconditioned_langevin_step, problem, options, &o->sampler,
                               err);
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct preconditioned_langevin_options, 60),
    {"level-steps", "travel",
     SCRY_FIELD(struct preconditioned_langevin_options, sampler.schedule.visits), 4, 1, 100000,
     NULL, "Langevin steps at each level"},
    {"step-size", "gamma", SCRY_FIELD(struct preconditioned_langevin_options, step_size), 1, 1e-6,
     1, NULL, "step; 1 draws the data's half anew each time"},
    SCRYI_SOLVE_OPTIONS(struct preconditioned_langevin_options, 50, 1e-3),
    SCRYI_START_OPTIONS(struct preconditioned_langevin_options),
    SCRYI_DRAWS_OPTIONS(struct preconditioned_langevin_options, 200),
    {0},
};

const struct scry_method scry_method_preconditioned_langevin = {
    .name = "preconditioned-langevin",
    .title = "annealed Langevin dynamics, preconditioned by the data",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_GAUSSIAN,
    .exact = "exact for any prior as sigma-min falls and level-steps grows",
    .citation = "Luo et al. 2023, MRM 90:295 (arXiv:2202.01479), as in BART's sample; noise of the "
                "data's half for steps of any length: ours",
    .options = options,
    .plan = preconditioned_langevin_plan,
};
