#include "solvers/methods_impl.h"
#include "solvers/posterior/langevin_impl.h"

#include <math.h>

/* Annealed Langevin dynamics: `level-steps` unadjusted Langevin steps at each level s of the
 * schedule, from the highest down, each level starting where the last one ended,
 *   x' = x + d g(x) + sqrt(2 d) n,      d = zeta / (1 / s^2 + c(s) |A^T W A|)
 *   g(x) = c(s) A^T W (b - A x) + (D(x; s) - x) / s^2
 * Jalal et al. 2021 (their annealing; Song & Ermon 2019 without a measurement). The likelihood of a
 * noisy x is wider than that of the image: A x differs from A x0 by up to s |A|, so with white
 * noise sy^2 grows to sy^2 + (s^2 - s_min^2) |A|^2, which is c(s) = 1 / (1 + (s^2 - s_min^2) |A^T W
 * A|). At the last level it is the likelihood itself, where the original follows the direction of
 * its gradient alone. The distribution tends to the posterior whose prior is blurred by the last
 * level. */

struct langevin_options {
    struct scryi_sampler_options sampler;
    double step_size;
};

static scry_status langevin_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct scryi_langevin *L = &((struct scryi_langevin_solver *)base)->L;
    struct scryi_sampler *S = &L->G->base;
    const struct langevin_options *o = scry_options_block(&base->options);
    const double s = S->sigma[base->step], last = S->sigma[base->steps - 1];
    const double c = 1 / (1 + (s * s - last * last) * L->data);
    const double d = o->step_size / (1 / (s * s) + c * L->data);
    scry_status st = scryi_langevin_gradient(L, S->x, s, c, 1, err);
    if (st != SCRY_OK) return st;
    scryi_sampler_draw(S, S->z, SCRYI_DRAW_STATE);
    const float drift = (float)d, noise = (float)sqrt(2 * d);
    for (size_t i = 0; i < base->n; i++)
        S->x[i] += drift * L->g[i] + noise * S->z[i];
    scryi_langevin_report(L, s, p);
    return SCRY_OK;
}

static scry_status langevin_plan(scry_solver **out, const scry_problem *problem,
                                 const scry_options *options, scry_error *err)
{
    const struct langevin_options *o = scry_options_block(options);
    return scryi_langevin_plan(out, langevin_step, problem, options, &o->sampler, err);
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct langevin_options, 100),
    {"level-steps", "travel", SCRY_FIELD(struct langevin_options, sampler.schedule.visits), 10, 1,
     100000, NULL, "Langevin steps at each level"},
    {"step-size", "zeta", SCRY_FIELD(struct langevin_options, step_size), 0.5, 1e-6, 2, NULL,
     "step, in units of the largest curvature; above 1 it may diverge"},
    SCRYI_START_OPTIONS(struct langevin_options),
    SCRYI_DRAWS_OPTIONS(struct langevin_options, 400),
    {0},
};

const struct scry_method scry_method_langevin = {
    .name = "langevin",
    .title = "annealed Langevin dynamics",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "exact for any prior as step-size and sigma-min fall and level-steps grows; with few "
             "steps a "
             "level keeps some spread of those above",
    .citation = "Jalal et al. 2021, NeurIPS (arXiv:2108.01368); Song, Ermon 2019, NeurIPS "
                "(arXiv:1907.05600)",
    .options = options,
    .plan = langevin_plan,
};
