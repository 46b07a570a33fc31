#include "solvers/sampling/sampler_impl.h"

#include "lib/memory.h"
#include "solvers/methods_impl.h"

/* Ancestral sampling: each step denoises, then returns to the next level of noise with a share of
 * fresh noise. In the coordinate x = x0 + sigma n, with D = D(x; s):
 *   DDPM  x' = D + (s'/s)^2 (x - D) + s' sqrt(1 - (s'/s)^2) z       Ho et al. 2020, Eq. 6-7
 *   DDIM  x' = D + s' (sqrt(1 - tau) (x - D)/s + sqrt(tau) z),  tau = eta (1 - (s'/s)^2)
 *                                                                   Song et al. 2021, Eq. 12, 16
 * DDPM is DDIM at eta = 1. Both leave out the variance of x0 given x inside a step, so with few
 * steps a sample is too smooth; the error goes as the step. */

static scry_status ancestral_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct scryi_sampler *S = (struct scryi_sampler *)base;
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, S->sigma[base->step], err);
    if (st == SCRY_OK) scryi_sampler_move(S, scryi_sampler_ddim_share(S, base->opts.eta), p);
    return st;
}

static void ancestral_destroy(struct scry_solver *base)
{
    if (!base) return;
    scryi_sampler_clear((struct scryi_sampler *)base);
    scry_free(base);
}

static scry_status ancestral_plan(scry_solver **out, const struct scry_method *method,
                                  const scry_problem *problem, const scry_solver_opts *opts,
                                  scry_error *err)
{
    struct scryi_sampler *S = scry_alloc(1, sizeof *S);
    if (!S) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", method->name);
    S->base.start_fn = scryi_sampler_start;
    S->base.step_fn = ancestral_step;
    S->base.destroy = ancestral_destroy;
    scry_status st = scryi_sampler_init(S, method, problem, opts, err);
    if (st != SCRY_OK) {
        ancestral_destroy(&S->base);
        return st;
    }
    *out = &S->base;
    return SCRY_OK;
}

static scry_status plan_ddpm(scry_solver **out, const scry_problem *problem,
                             const scry_solver_opts *opts, scry_error *err)
{
    scry_solver_opts ancestral = *opts;
    ancestral.eta = 1;
    return ancestral_plan(out, &scry_method_ddpm, problem, &ancestral, err);
}

static scry_status plan_ddim(scry_solver **out, const scry_problem *problem,
                             const scry_solver_opts *opts, scry_error *err)
{
    return ancestral_plan(out, &scry_method_ddim, problem, opts, err);
}

static const scry_option ddpm_options[] = {
    SCRYI_SCHEDULE_OPTIONS(200),
    SCRYI_PRIOR_START_OPTIONS,
    {0},
};

const struct scry_method scry_method_ddpm = {
    .name = "ddpm",
    .title = "ancestral DDPM",
    .kind = SCRY_UNCONDITIONAL,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "exact as steps grow; with few steps too smooth",
    .citation = "Ho, Jain, Abbeel 2020, NeurIPS (arXiv:2006.11239)",
    .options = ddpm_options,
    .plan = plan_ddpm,
};

static const scry_option ddim_options[] = {
    SCRYI_SCHEDULE_OPTIONS(50),
    {"eta", 0, 0, 1, "share of fresh noise: 0 deterministic, 1 ancestral (DDPM)"},
    SCRYI_PRIOR_START_OPTIONS,
    {0},
};

const struct scry_method scry_method_ddim = {
    .name = "ddim",
    .title = "DDIM",
    .kind = SCRY_UNCONDITIONAL,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "exact as steps grow; at eta 0 it is the Euler method",
    .citation = "Song, Meng, Ermon 2021, ICLR (arXiv:2010.02502)",
    .options = ddim_options,
    .plan = plan_ddim,
};
