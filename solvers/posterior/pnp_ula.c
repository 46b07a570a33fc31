#include "solvers/methods_impl.h"
#include "solvers/posterior/langevin_impl.h"

#include <math.h>

/* Plug-and-play unadjusted Langevin: with g = grad log p(y | x) + lambda (D(x; s) - x) / s^2,
 *   x' = x + d g(x) + sqrt(2 d) n,      d = zeta / (lambda / s^2 + |A^T W A|)
 * (Laumont et al. 2022, whose alpha and epsilon are lambda and s^2). As d -> 0 its law tends to the
 * posterior whose prior is blurred by s. A direction of precision h comes out with the spread
 * 1 / sqrt(h (1 - d h / 2)), at most about zeta / 4 too wide. The paper's projection onto a box is
 * left out, images having no fixed range here; a chain that runs away is stopped instead. */

static scry_status step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct scryi_langevin *L = (struct scryi_langevin *)base;
    struct scryi_sampler *S = &L->base.base;
    const double s = S->sigma[base->step], weight = base->opts.lambda;
    const double d = base->opts.zeta / (weight / (s * s) + L->data);
    scry_status st = scryi_langevin_gradient(L, S->x, s, 1, weight, err);
    if (st != SCRY_OK) return st;
    scryi_sampler_draw(S, S->z, SCRYI_DRAW_STATE);
    const float drift = (float)d, noise = (float)sqrt(2 * d);
    for (size_t i = 0; i < base->n; i++)
        S->x[i] += drift * L->g[i] + noise * S->z[i];
    scryi_langevin_report(L, s, p);
    return SCRY_OK;
}

static scry_status plan(scry_solver **out, const scry_problem *problem,
                        const scry_solver_opts *opts, scry_error *err)
{
    scry_solver_opts flat = *opts;
    scryi_langevin_flatten(&flat);
    return scryi_langevin_plan(out, &scry_method_pnp_ula, step, problem, &flat, err);
}

static const scry_option options[] = {
    {"steps", 8000, 1, 10000000, "steps of the chain to its first draw"},
    {"sigma-min", 0.05, 1e-6, 1e6, "noise level of the denoiser, by which the prior is blurred"},
    {"lambda", 1, 1e-6, 1e6, "weight of the prior; 1 is the posterior"},
    {"zeta", 0.15, 1e-6, 2, "step, in units of the largest curvature; above 1 it may diverge"},
    SCRYI_LANGEVIN_START,
    SCRYI_WALK_OPTIONS(500),
    {0},
};

const struct scry_method scry_method_pnp_ula = {
    .name = "pnp-ula",
    .title = "PnP-ULA, unadjusted Langevin",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_GAUSSIAN,
    .exact = "exact for any prior as zeta and sigma-min fall and steps grow; sd at most zeta / 4 "
             "too wide, and sigma-min blurs the prior",
    .citation = "Laumont et al. 2022, SIAM J. Imaging Sci. 15:701 (arXiv:2103.04715)",
    .options = options,
    .plan = plan,
};
