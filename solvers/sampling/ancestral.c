#include "solvers/sampling/sampler_impl.h"

#include "lib/memory.h"
#include "solvers/methods_impl.h"

/* Ancestral sampling: each step denoises, then returns to the next level of noise with a share of
 * fresh noise. In the coordinate x = x0 + sigma n, with D = D(x; s):
 *   DDPM  x' = D + (s'/s)^2 (x - D) + s' sqrt(1 - (s'/s)^2) z       Ho et al. 2020, Eq. 6-7
 *   DDIM  x' = D + s' (sqrt(1 - tau) (x - D)/s + sqrt(tau) z),  tau = eta (1 - (s'/s)^2)
 *                                                                   Song et al. 2021, Eq. 12, 16
 * DDPM is DDIM at eta = 1. Both leave out the variance of x0 given x inside a step, so with few
 * steps a sample is too smooth; the error is proportional to the step. */

struct ancestral_options {
    struct scryi_sampler_options sampler;
    double fresh_noise;
};

static scry_status ancestral_step(struct scry_solver *base, double eta, scry_progress *p,
                                  scry_error *err)
{
    struct scryi_sampler *S = (struct scryi_sampler *)base;
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, S->sigma[base->step], err);
    if (st == SCRY_OK) scryi_sampler_move(S, scryi_sampler_ddim_share(S, eta), p);
    return st;
}

static scry_status ddpm_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    return ancestral_step(base, 1, p, err);
}

static scry_status ddim_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    const struct ancestral_options *o = scry_options_block(&base->options);
    return ancestral_step(base, o->fresh_noise, p, err);
}

static void ancestral_destroy(struct scry_solver *base)
{
    if (!base) return;
    scryi_sampler_clear((struct scryi_sampler *)base);
    scry_free(base);
}

static scry_status
ancestral_plan(scry_solver **out,
               scry_status (*step)(struct scry_solver *, scry_progress *, scry_error *),
               const scry_problem *problem, const scry_options *options, scry_error *err)
{
    const struct ancestral_options *o = scry_options_block(options);
    struct scryi_sampler *S = scry_alloc(1, sizeof *S);
    if (!S) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", options->method->name);
    S->base.start_fn = scryi_sampler_start;
    S->base.step_fn = step;
    S->base.destroy = ancestral_destroy;
    scry_status st = scryi_sampler_init(S, problem, options, &o->sampler, err);
    if (st != SCRY_OK) {
        ancestral_destroy(&S->base);
        return st;
    }
    *out = &S->base;
    return SCRY_OK;
}

static scry_status plan_ddpm(scry_solver **out, const scry_problem *problem,
                             const scry_options *options, scry_error *err)
{
    return ancestral_plan(out, ddpm_step, problem, options, err);
}

static scry_status plan_ddim(scry_solver **out, const scry_problem *problem,
                             const scry_options *options, scry_error *err)
{
    return ancestral_plan(out, ddim_step, problem, options, err);
}

static const scry_option ddpm_options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct ancestral_options, 200),
    SCRYI_PRIOR_START_OPTIONS(struct ancestral_options),
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
    SCRYI_SCHEDULE_OPTIONS(struct ancestral_options, 50),
    {"fresh-noise", "eta", SCRY_FIELD(struct ancestral_options, fresh_noise), 0, 0, 1, NULL,
     "share of fresh noise: 0 deterministic, 1 ancestral (DDPM)"},
    SCRYI_PRIOR_START_OPTIONS(struct ancestral_options),
    {0},
};

const struct scry_method scry_method_ddim = {
    .name = "ddim",
    .title = "DDIM",
    .kind = SCRY_UNCONDITIONAL,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "exact as steps grow; at fresh-noise 0 it is the Euler method",
    .citation = "Song, Meng, Ermon 2021, ICLR (arXiv:2010.02502)",
    .options = ddim_options,
    .plan = plan_ddim,
};
