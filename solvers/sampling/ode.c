#include "solvers/sampling/sampler_impl.h"

#include "lib/memory.h"
#include "solvers/methods_impl.h"

/* Probability-flow ODE (Song et al. 2021; Karras et al. 2022, Eq. 1):
 *   dx/dsigma = d(x, sigma) = (x - D(x; sigma)) / sigma,
 * from noise at the first level to the last, and from there to 0 by one Euler step, which gives D.
 *   Euler  x' = x + (s' - s) d(x, s)
 *   Heun   x' = x + (s' - s) (d(x, s) + d(x_euler, s')) / 2         Karras et al. 2022, Alg. 1
 * Heun calls the denoiser twice a step, 2 steps - 1 times in all, and its error is proportional to
 * the square of the step. */

struct ode_options {
    struct scryi_sampler_options sampler;
};

struct heun {
    struct scryi_sampler base;
    float *d, *next; /* slope at the start of the step; x after the Euler step */
};

static scry_status euler_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct scryi_sampler *S = (struct scryi_sampler *)base;
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, S->sigma[base->step], err);
    if (st == SCRY_OK) scryi_sampler_move(S, 0, p);
    return st;
}

static scry_status heun_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct heun *h = (struct heun *)base;
    struct scryi_sampler *S = &h->base;
    const size_t n = base->n;
    const double s = S->sigma[base->step], next = S->sigma[base->step + 1];
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, s, err);
    if (st != SCRY_OK) return st;
    if (!(next > 0)) {
        scryi_sampler_move(S, 0, p);
        return SCRY_OK;
    }
    for (size_t i = 0; i < n; i++) {
        h->d[i] = (S->x[i] - S->x0[i]) / (float)s;
        h->next[i] = S->x[i] + (float)(next - s) * h->d[i];
    }
    if ((st = scryi_sampler_denoise(S, S->x0, h->next, next, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < n; i++) {
        const float slope = (h->next[i] - S->x0[i]) / (float)next;
        S->x[i] += (float)(next - s) * 0.5f * (h->d[i] + slope);
    }
    base->step++;
    p->sigma = s;
    p->x = S->x;
    p->x0 = S->x0;
    p->reason = SCRY_RUNNING;
    return SCRY_OK;
}

static void ode_destroy(struct scry_solver *base)
{
    struct heun *h = (struct heun *)base;
    if (!h) return;
    scryi_sampler_clear(&h->base);
    scry_free(h->d);
    scry_free(h->next);
    scry_free(h);
}

static scry_status ode_plan(scry_solver **out, bool second_order, const scry_problem *problem,
                            const scry_options *options, scry_error *err)
{
    const struct ode_options *o = scry_options_block(options);
    scry_status st;
    struct heun *h = scry_alloc(1, sizeof *h);
    if (!h) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", options->method->name);
    h->base.base.start_fn = scryi_sampler_start;
    h->base.base.step_fn = second_order ? heun_step : euler_step;
    h->base.base.destroy = ode_destroy;
    if ((st = scryi_sampler_init(&h->base, problem, options, &o->sampler, err)) != SCRY_OK)
        goto done;
    if (second_order) {
        h->d = scry_alloc(h->base.base.n, sizeof *h->d);
        h->next = scry_alloc(h->base.base.n, sizeof *h->next);
        if (!h->d || !h->next)
            st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: two more states", options->method->name);
    }
    if (st != SCRY_OK) goto done;
    *out = &h->base.base;
    h = NULL;
done:
    if (h) ode_destroy(&h->base.base);
    return st;
}

static scry_status plan_euler(scry_solver **out, const scry_problem *problem,
                              const scry_options *options, scry_error *err)
{
    return ode_plan(out, false, problem, options, err);
}

static scry_status plan_heun(scry_solver **out, const scry_problem *problem,
                             const scry_options *options, scry_error *err)
{
    return ode_plan(out, true, problem, options, err);
}

static const scry_option euler_options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct ode_options, 50),
    SCRYI_PRIOR_START_OPTIONS(struct ode_options),
    {0},
};

const struct scry_method scry_method_euler = {
    .name = "euler",
    .title = "probability-flow ODE, Euler",
    .kind = SCRY_UNCONDITIONAL,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "exact as steps grow, error of first order",
    .citation = "Song et al. 2021, ICLR (arXiv:2011.13456)",
    .options = euler_options,
    .plan = plan_euler,
};

static const scry_option heun_options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct ode_options, 30),
    SCRYI_PRIOR_START_OPTIONS(struct ode_options),
    {0},
};

const struct scry_method scry_method_heun = {
    .name = "heun",
    .title = "probability-flow ODE, Heun",
    .kind = SCRY_UNCONDITIONAL,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "exact as steps grow, error of second order",
    .citation = "Karras et al. 2022, NeurIPS (arXiv:2206.00364), Algorithm 1",
    .options = heun_options,
    .plan = plan_heun,
};
