#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "priors/gaussian.h"
#include "priors/schedule.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/guided_impl.h"

#include <math.h>
#include <string.h>

/* Split Gibbs sampling with a diffusion prior (PnP-DM, Wu et al. 2024; DPnP, Xu & Chi 2024). The
 * posterior is augmented with a copy z of the image, p(x, z) ~ p(x) p(y | z) exp(-|x - z|^2 / (2
 * s^2)), and its halves are drawn in turn while the coupling s falls along the levels: z | x
 * Gaussian, exactly, by perturbation and one linear solve, with V = s^2 I x | z  what the prior
 * makes of a noisy image: ancestral sampling from x0 + s n = z down to 0 At the last level the
 * chain's x is a draw from the posterior of a problem whose measurement is blurred by the coupling;
 * the error vanishes as it falls below the spread of the posterior. */

struct pnpdm {
    struct scryi_guided base;
    double low;     /* last level of a prior draw */
    double *levels; /* opts.inner levels of a prior draw, then 0 */
};

enum { MAX_INNER = 1000, MAX_STEPS = 100000, DATA_CG = 200 };

/* S->x becomes z ~ p(z | x, y): a draw from N(x, s^2 I), conditioned on the measurement. */
static scry_status draw_data(struct scryi_guided *G, scry_error *err)
{
    struct scryi_sampler *S = &G->base;
    const struct scry_solver *base = &S->base;
    const double s = S->sigma[base->step];
    scry_status st = scryi_guided_linearise(G, S->x0, err);
    if (st != SCRY_OK) return st;
    scryi_sampler_draw(S, S->z, SCRYI_DRAW_IMAGE);
    scry_axpby(S->x, 1, S->x0, s, S->z, base->n);
    if ((st = scryi_guided_forward(G, G->Au, S->x, err)) != SCRY_OK) return st;
    return scryi_guided_condition(G, S->x, scryi_covariance_white(s * s), DATA_CG, base->opts.tol,
                                  1, err);
}

/* S->x0 becomes a draw from p(x0 | x0 + s n = S->x), by ancestral steps. */
static scry_status draw_prior(struct pnpdm *M, double s, scry_error *err)
{
    struct scryi_sampler *S = &M->base.base;
    struct scry_solver *base = &S->base;
    const size_t count = base->opts.inner;
    scry_status st =
        scry_schedule_karras(M->levels, count, fmin(M->low, s), s, base->opts.rho, err);
    if (st != SCRY_OK) return st;
    for (size_t k = 0; k < count; k++) {
        const double now = M->levels[k], next = M->levels[k + 1], ratio = next / now;
        const float keep = (float)(ratio * ratio), fresh = (float)(next * sqrt(1 - ratio * ratio));
        if ((st = scryi_sampler_denoise(S, S->x0, S->x, now, err)) != SCRY_OK) return st;
        if (k + 1 == count) break;
        scry_rng_normal(S->z, 0, base->n, base->seed, base->chain,
                        scry_rng_step((base->step + 1) * MAX_INNER + k, SCRYI_DRAW_SPARE));
        for (size_t i = 0; i < base->n; i++)
            S->x[i] = S->x0[i] + keep * (S->x[i] - S->x0[i]) + fresh * S->z[i];
    }
    return SCRY_OK;
}

static scry_status step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct pnpdm *M = (struct pnpdm *)base;
    struct scryi_guided *G = &M->base;
    const double s = G->base.sigma[base->step];
    scry_status st = draw_data(G, err);
    if (st == SCRY_OK) st = draw_prior(M, s, err);
    /* the estimate is a sample already: moving around it leaves it, and counts the step */
    return st == SCRY_OK ? scryi_guided_move(G, 0, p, err) : st;
}

/* The first image is the mean of the model: at the first level the coupling is loose and any will
 * do. */
static scry_status start(struct scry_solver *base, scry_error *err)
{
    struct scryi_guided *G = (struct scryi_guided *)base;
    scry_status st = scryi_guided_start(base, err);
    if (st != SCRY_OK || base->opts.start == SCRY_START_GAUSSIAN) return st;
    if (base->problem.model) return scry_gaussian_mean(base->problem.model, G->base.x0, err);
    memset(G->base.x0, 0, base->n * sizeof *G->base.x0);
    return SCRY_OK;
}

static void destroy(struct scry_solver *base)
{
    struct pnpdm *M = (struct pnpdm *)base;
    if (!M) return;
    scry_free(M->levels);
    scryi_guided_destroy(base);
}

static scry_status plan(scry_solver **out, const scry_problem *problem,
                        const scry_solver_opts *opts, scry_error *err)
{
    double low, high;
    struct pnpdm *M = scry_alloc(1, sizeof *M);
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", scry_method_pnpdm.name);
    struct scry_solver *S = &M->base.base.base;
    S->start_fn = start;
    S->step_fn = step;
    S->destroy = destroy;
    scry_status st = scryi_guided_init(&M->base, &scry_method_pnpdm, problem, opts, err);
    if (st == SCRY_OK) {
        scry_prior_sigma_range(problem->prior, &low, &high);
        M->low = fmax(low, 0.1 * M->base.base.sigma[opts->steps - 1]);
        M->levels = scry_alloc(opts->inner + 1, sizeof *M->levels);
        if (!M->levels) st = SCRY_FAIL(err, SCRY_ENOMEM, "pnpdm: %zu levels", opts->inner);
    }
    if (st == SCRY_OK)
        *out = S;
    else
        destroy(S);
    return st;
}

static const scry_option options[] = {
    { "steps", 15, 1, MAX_STEPS, "alternations; the coupling follows the noise schedule" },
    { "sigma-max", 10, 0, 1e6, "first coupling" },
    { "sigma-min", 0.1, 0, 1e6, "last coupling: well below the spread of the posterior" },
    { "rho", 7, 0.1, 1000, "exponent of the schedule (Karras et al. 2022, Eq. 5)" },
    { "inner", 5, 1, MAX_INNER - 1, "denoiser steps of a draw from the prior" },
    { "tol", 1e-3, 0, 1, "relative residual of the draw from the data's half" },
    SCRYI_START_OPTIONS,
    { 0 },
};

const struct scry_method scry_method_pnpdm = {
    .name = "pnpdm",
    .title = "PnP-DM, split Gibbs",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_GAUSSIAN,
    .exact = "exact for any prior as sigma-min falls and steps and inner grow",
    .citation = "Wu et al. 2024, NeurIPS (arXiv:2405.18782); Xu, Chi 2024 (arXiv:2403.17042)",
    .options = options,
    .plan = plan,
};
