#include "lib/memory.h"
#include "lib/rng.h"
#include "solvers/methods_impl.h"
#include "solvers/sampling/sampler_impl.h"

#include <math.h>

/* Reverse-time SDE (Song et al. 2021). A forward process x_t = a(t) (x0 + sigma(t) n) has
 *   dx = (a' / a) x dt + a sqrt(d sigma^2 / dt) dw,
 * with sigma growing; the three of the paper differ in a:
 *   VE      a = 1
 *   VP      a = 1 / sqrt(1 + sigma^2)             so that a^2 + (a sigma)^2 = 1
 *   sub-VP  a = (sqrt(sigma^2 + 4) - sigma) / 2   so that a sigma = 1 - a^2
 * The reverse follows their reverse-diffusion rule (Appendix E): with f_i and G_i the drift
 * and noise of the step s' -> s of the forward chain, x' = x - f_i + G_i^2 score + G_i z. In the
 * coordinate x / a of this library and with r = a(s) / a(s'),
 *   x' = r [(2 - r) x + (1 - s'^2 / s^2) (D(x; s) - x) + sqrt(s^2 - s'^2) z].
 * In this coordinate all three are the same SDE, and the same sampler in the limit of many
 * steps; with few steps they have different errors. The step to 0 gives D, without noise.
 *
 * Predictor-corrector: after each VE step, `corrector-steps` Langevin steps at the new level,
 *   x = x + e score + sqrt(2 e) z,    e = 2 (gamma s')^2:
 * theirs is 2 (gamma |z| / |score|)^2 with norms of a batch. Here the norms are those of pure
 * noise, so that a step depends neither on the state nor on other chains. */

enum sde { VE, VP, SUB_VP };
enum { MAX_INNER = 1000 };

struct sde_options {
    struct scryi_sampler_options sampler;
    size_t corrector_steps; /* 0 of methods without a corrector */
    double corrector_size;
};

struct reverse {
    struct scryi_sampler base;
    enum sde kind;
};

static double sde_scale(enum sde kind, double s)
{
    if (kind == VP) return 1 / sqrt(1 + s * s);
    return kind == SUB_VP ? 2 / (sqrt(s * s + 4) + s) : 1; /* without cancellation */
}

/* The corrector at level s. */
static scry_status sde_correct(struct scryi_sampler *S, double s, scry_error *err)
{
    const struct scry_solver *base = &S->base;
    const struct sde_options *o = scry_options_block(&base->options);
    const double gamma = o->corrector_size;
    const float drift = (float)(2 * gamma * gamma), noise = (float)(2 * gamma * s);
    for (size_t k = 0; k < o->corrector_steps; k++) {
        scry_status st = scryi_sampler_denoise(S, S->x0, S->x, s, err);
        if (st != SCRY_OK) return st;
        scry_rng_normal(S->z, 0, base->n, base->seed, base->chain,
                        scry_rng_step((base->step + 1) * MAX_INNER + k, SCRYI_DRAW_SPARE));
        for (size_t i = 0; i < base->n; i++)
            S->x[i] += drift * (S->x0[i] - S->x[i]) + noise * S->z[i];
    }
    return SCRY_OK;
}

static scry_status sde_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct reverse *R = (struct reverse *)base;
    struct scryi_sampler *S = &R->base;
    const double s = S->sigma[base->step], next = S->sigma[base->step + 1];
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, s, err);
    if (st != SCRY_OK) return st;
    if (!(next > 0)) {
        scryi_sampler_move(S, 0, p);
        return SCRY_OK;
    }
    const double r = sde_scale(R->kind, s) / sde_scale(R->kind, next), ratio = next / s;
    const float keep = (float)(r * (2 - r)), drift = (float)(r * (1 - ratio * ratio));
    const float noise = (float)(r * s * sqrt(1 - ratio * ratio));
    scryi_sampler_draw(S, S->z, SCRYI_DRAW_STATE);
    for (size_t i = 0; i < base->n; i++)
        S->x[i] = keep * S->x[i] + drift * (S->x0[i] - S->x[i]) + noise * S->z[i];
    if ((st = sde_correct(S, next, err)) != SCRY_OK) return st;
    base->step++;
    p->sigma = s;
    p->x = S->x;
    p->x0 = S->x0;
    p->reason = SCRY_RUNNING;
    return SCRY_OK;
}

static void sde_destroy(struct scry_solver *base)
{
    struct reverse *R = (struct reverse *)base;
    if (!R) return;
    scryi_sampler_clear(&R->base);
    scry_free(R);
}

static scry_status sde_plan(scry_solver **out, enum sde kind, const scry_problem *problem,
                            const scry_options *options, scry_error *err)
{
    const struct sde_options *o = scry_options_block(options);
    struct reverse *R = scry_alloc(1, sizeof *R);
    if (!R) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", options->method->name);
    R->kind = kind;
    R->base.base.start_fn = scryi_sampler_start;
    R->base.base.step_fn = sde_step;
    R->base.base.destroy = sde_destroy;
    scry_status st = scryi_sampler_init(&R->base, problem, options, &o->sampler, err);
    if (st == SCRY_OK)
        *out = &R->base.base;
    else
        sde_destroy(&R->base.base);
    return st;
}

static scry_status plan_ve(scry_solver **out, const scry_problem *problem,
                           const scry_options *options, scry_error *err)
{
    return sde_plan(out, VE, problem, options, err);
}

static scry_status plan_vp(scry_solver **out, const scry_problem *problem,
                           const scry_options *options, scry_error *err)
{
    return sde_plan(out, VP, problem, options, err);
}

static scry_status plan_subvp(scry_solver **out, const scry_problem *problem,
                              const scry_options *options, scry_error *err)
{
    return sde_plan(out, SUB_VP, problem, options, err);
}

static scry_status plan_pc(scry_solver **out, const scry_problem *problem,
                           const scry_options *options, scry_error *err)
{
    return sde_plan(out, VE, problem, options, err);
}

static const scry_option sde_options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct sde_options, 200),
    SCRYI_PRIOR_START_OPTIONS(struct sde_options),
    {0},
};

static const scry_option pc_options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct sde_options, 100),
    {"corrector-steps", "inner", SCRY_FIELD(struct sde_options, corrector_steps), 1, 1,
     MAX_INNER - 1, NULL, "corrector steps at each level"},
    {"corrector-snr", "gamma", SCRY_FIELD(struct sde_options, corrector_size), 0.16, 1e-6, 1, NULL,
     "signal-to-noise ratio of a corrector step, r of Alg. 4"},
    SCRYI_PRIOR_START_OPTIONS(struct sde_options),
    {0},
};

#define CITATION "Song et al. 2021, ICLR (arXiv:2011.13456)"

const struct scry_method scry_method_sde_ve = {
    .name = "sde-ve",
    .title = "reverse SDE, variance exploding",
    .kind = SCRY_UNCONDITIONAL,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "exact as steps grow, error of first order: too wide",
    .citation = CITATION,
    .options = sde_options,
    .plan = plan_ve,
};

const struct scry_method scry_method_sde_vp = {
    .name = "sde-vp",
    .title = "reverse SDE, variance preserving",
    .kind = SCRY_UNCONDITIONAL,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "exact as steps grow, error of first order",
    .citation = CITATION,
    .options = sde_options,
    .plan = plan_vp,
};

const struct scry_method scry_method_sde_subvp = {
    .name = "sde-subvp",
    .title = "reverse SDE, sub-variance preserving",
    .kind = SCRY_UNCONDITIONAL,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "exact as steps grow, error of first order",
    .citation = CITATION,
    .options = sde_options,
    .plan = plan_subvp,
};

const struct scry_method scry_method_pc = {
    .name = "pc",
    .title = "predictor-corrector, reverse SDE and Langevin",
    .kind = SCRY_UNCONDITIONAL,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "exact as steps grow",
    .citation = CITATION,
    .options = pc_options,
    .plan = plan_pc,
};
