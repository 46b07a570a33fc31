#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/guided_impl.h"

/* Pseudo-inverse guidance for noisy linear measurements: x0 | x ~ N(D, r^2 I) with the variance
 * r^2 = s^2 / (1 + s^2) of a unit-variance image, and the gradient of that likelihood by the chain
 * rule, x0 = D + s^2 (dD/dx)^T A^T (r^2 A A^T + W^-1)^-1 (b - A D), then a DDIM step. Song et al.
 * 2023, Eq. 7-8, in the coordinate x = x0 + s n. */

struct pigdm_options {
    struct scryi_sampler_options sampler;
    double fresh_noise;
    struct scryi_cg_options cg;
};

static scry_status pigdm_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct scryi_guided *G = (struct scryi_guided *)base;
    struct scryi_sampler *S = &G->base;
    const struct pigdm_options *o = scry_options_block(&base->options);
    const double s = S->sigma[base->step];
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, s, err);
    if (st != SCRY_OK) return st;
    if ((st = scryi_guided_linearise(G, S->x0, err)) != SCRY_OK) return st;
    st = scryi_guided_dual(G, s * s / (1 + s * s),
                           scryi_condition_settings(&G->condition, o->cg, 40, 1e-3), err);
    if (st != SCRY_OK) return st;
    base->counts.vjp++;
    st = scry_prior_vjp(base->problem.prior, G->u, NULL, S->x, G->v, (float)s, S->prior_work, err);
    if (st != SCRY_OK) return st;
    scry_axpy(S->x0, s * s, G->u, base->n);
    return scryi_guided_move(G, scryi_sampler_ddim_share(S, o->fresh_noise), p, err);
}

static scry_status pigdm_plan(scry_solver **out, const scry_problem *problem,
                              const scry_options *options, scry_error *err)
{
    const struct pigdm_options *o = scry_options_block(options);
    return scryi_guided_plan(out, pigdm_step, problem, options, &o->sampler, true, err);
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct pigdm_options, 30),
    {"fresh-noise", "eta", SCRY_FIELD(struct pigdm_options, fresh_noise), 1, 0, 1, NULL,
     "share of fresh noise: 0 deterministic, 1 ancestral"},
    SCRYI_SOLVE_OPTIONS(struct pigdm_options, 40, 1e-3),
    SCRYI_START_OPTIONS(struct pigdm_options),
    {0},
};

const struct scry_method scry_method_pigdm = {
    .name = "pigdm",
    .title = "PiGDM",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_VJP | SCRY_NEEDS_GAUSSIAN,
    .exact = "exact for a white Gaussian prior of unit variance, as steps grow; else approximate",
    .citation = "Song, Vahdat, Mardani, Kautz 2023, ICLR (Pseudoinverse-guided diffusion models)",
    .options = options,
    .plan = pigdm_plan,
};
