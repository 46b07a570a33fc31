#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/guided_impl.h"

#include <math.h>
#include <string.h>

/* Diffusion posterior sampling: an ancestral step of the prior, then a step of length zeta against
 * the gradient of the norm of the residual (the gradient of its square, normalised: Chung et al.
 * 2023, Alg. 1 and Appendix D.1). In variance-preserving coordinates x_vp = sqrt(abar) x, so with
 * 1 / abar = 1 + s^2
 *   x' = x'_DDPM + zeta sqrt((1 + s^2)(1 + s'^2)) (dD/dx)^T A^T r / |r|,   r = b - A D.
 * The method does not use the noise level: the residual is not weighted, except that entries that
 * were not measured are left out. Nothing is clipped, where the original clips D to [-1, 1]. */

struct dps_options {
    struct scryi_sampler_options sampler;
    double step_size;
};

static scry_status dps_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct scryi_guided *G = (struct scryi_guided *)base;
    struct scryi_sampler *S = &G->base;
    const struct dps_options *o = scry_options_block(&base->options);
    const double s = S->sigma[base->step], next = S->sigma[base->step + 1];
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, s, err);
    if (st != SCRY_OK) return st;
    if ((st = scryi_guided_linearise(G, S->x0, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < G->m; i++)
        G->r[i] = G->w[i] > 0 ? G->b[i] - G->Au[i] : 0;
    const double size = scry_norm(G->r, G->m);
    if ((st = scryi_guided_adjoint(G, G->v, G->r, err)) != SCRY_OK) return st;
    base->counts.vjp++;
    st = scry_prior_vjp(base->problem.prior, G->u, NULL, S->x, G->v, (float)s, S->prior_work, err);
    if (st != SCRY_OK) return st;
    if ((st = scryi_guided_move(G, scryi_sampler_ddim_share(S, 1), p, err)) != SCRY_OK) return st;
    if (size > 0)
        scry_axpy(S->x, o->step_size * sqrt((1 + s * s) * (1 + next * next)) / size, G->u, base->n);
    if (p->reason == SCRY_DONE) memcpy(S->x0, S->x, base->n * sizeof *S->x0);
    return SCRY_OK;
}

static scry_status dps_plan(scry_solver **out, const scry_problem *problem,
                            const scry_options *options, scry_error *err)
{
    const struct dps_options *o = scry_options_block(options);
    return scryi_guided_plan(out, dps_step, problem, options, &o->sampler, false, err);
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct dps_options, 1000),
    {"step-size", "zeta", SCRY_FIELD(struct dps_options, step_size), 0.3, 0, 1e6, NULL,
     "length of the data step"},
    {0},
};

const struct scry_method scry_method_dps = {
    .name = "dps",
    .title = "diffusion posterior sampling",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_VJP,
    .exact = "approximate: ignores the noise level, over-extrapolates; mean off by 0.4 to 2.1 sd, "
             "spread 0.3 to 1.3 of the true one",
    .citation = "Chung et al. 2023, ICLR (arXiv:2209.14687), Algorithm 1",
    .options = options,
    .plan = dps_plan,
};
