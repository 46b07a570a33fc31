#include "lib/memory.h"
#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/sampling/sampler_impl.h"

#include <math.h>
#include <string.h>

/* DPM-Solver++(2M): the probability-flow ODE in the variable lambda = -log sigma, where it is
 *   d(x / sigma) / d lambda = e^lambda D(x; sigma),
 * with the linear part solved exactly and D extrapolated from the last two levels. In the
 * coordinate x = x0 + sigma n, with h = log(s / s') and h0 that of the step before (Lu et al. 2022,
 * Alg. 2), x' = (s' / s) x + (1 - s' / s) [(1 + h / (2 h0)) D - h / (2 h0) D0]. One call a step and
 * an error of second order; the first step and the last one, to 0, are of first order; the
 * last one returns D. */

struct dpm_options {
    struct scryi_sampler_options sampler;
};

struct dpm {
    struct scryi_sampler base;
    float *last; /* D at the level before */
};

static scry_status dpm_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct dpm *M = (struct dpm *)base;
    struct scryi_sampler *S = &M->base;
    const size_t i = base->step;
    const double s = S->sigma[i], next = S->sigma[i + 1];
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, s, err);
    if (st != SCRY_OK) return st;
    const bool second = i > 0 && next > 0 && S->sigma[i - 1] > s;
    const double back = second ? log(s / next) / (2 * log(S->sigma[i - 1] / s)) : 0;
    const double ratio = next / s;
    scry_axpby(M->last, -back, M->last, 1 + back, S->x0, base->n);
    scry_axpby(S->x, ratio, S->x, 1 - ratio, M->last, base->n);
    memcpy(M->last, S->x0, base->n * sizeof *M->last);
    base->step++;
    p->sigma = s;
    p->x = S->x;
    p->x0 = S->x0;
    p->reason = base->step == base->steps ? SCRY_DONE : SCRY_RUNNING;
    return SCRY_OK;
}

/* The D of an earlier run may not be finite, and then 0 times it is not 0. */
static scry_status dpm_start(struct scry_solver *base, scry_error *err)
{
    struct dpm *M = (struct dpm *)base;
    memset(M->last, 0, base->n * sizeof *M->last);
    return scryi_sampler_start(base, err);
}

static void dpm_destroy(struct scry_solver *base)
{
    struct dpm *M = (struct dpm *)base;
    if (!M) return;
    scryi_sampler_clear(&M->base);
    scry_free(M->last);
    scry_free(M);
}

static scry_status dpm_plan(scry_solver **out, const scry_problem *problem,
                            const scry_options *options, scry_error *err)
{
    const struct dpm_options *o = scry_options_block(options);
    struct dpm *M = scry_alloc(1, sizeof *M);
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", scry_method_dpm.name);
    struct scry_solver *S = &M->base.base;
    S->start_fn = dpm_start;
    S->step_fn = dpm_step;
    S->destroy = dpm_destroy;
    scry_status st = scryi_sampler_init(&M->base, problem, options, &o->sampler, err);
    if (st == SCRY_OK) {
        M->last = scry_alloc(S->n, sizeof *M->last);
        if (!M->last) st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: one more state", S->method->name);
    }
    if (st != SCRY_OK) {
        dpm_destroy(S);
        return st;
    }
    *out = S;
    return SCRY_OK;
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct dpm_options, 30),
    SCRYI_PRIOR_START_OPTIONS(struct dpm_options),
    {0},
};

const struct scry_method scry_method_dpm = {
    .name = "dpm++",
    .title = "probability-flow ODE, DPM-Solver++(2M)",
    .kind = SCRY_UNCONDITIONAL,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "exact as steps grow, error of second order at one call a step",
    .citation = "Lu et al. 2022 (arXiv:2211.01095), Algorithm 2",
    .options = options,
    .plan = dpm_plan,
};
