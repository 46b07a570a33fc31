#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "priors/gaussian.h"
#include "priors/schedule.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/guided_impl.h"

#include <math.h>
#include <string.h>

/* Decoupled annealing posterior sampling: at each level an image is drawn given state and data, and
 * the next state is that image in fresh noise, which does not depend on the state otherwise,
 *   z ~ N(z; u, V) p(y | z),   x' = z + s' n.
 * Zhang et al. 2024, Algorithm 1, in the coordinate x = x0 + s n. As published u is the end of the
 * probability-flow ODE from x, and V = s^2 I, which is more than the uncertainty of the image given
 * x: pixels that were not measured get a spread that is a third too wide. `variance matched` uses
 * the two moments of x0 | x, u = D(x; s) and V = (C^-1 + I / s^2)^-1 with C that of the Gaussian
 * model, or s^2 / (1 + s^2) where there is no model: exact where the prior is the model, with any
 * number of levels. The likelihood has the noise of the measurement (the tau of the paper is
 * sigma).
 *
 * The draw of z, `image-draw`, is exact, by perturbation and one linear solve on the local Gaussian
 * model of the data; or it is the end of a chain in a, z = u + V^(1/2) a, on the likelihood itself:
 * `langevin` as in the paper, a += h g + sqrt(2 h) n, or `hmc`, leapfrog steps with a Metropolis
 * test. Both chains start at u and use h = e^2 / 2 with e = draw-step-size / sqrt(L), L = 1 + |V|
 * |A|^2 max W; for hmc e has another factor d^(-1/4) for d unknowns (Beskos et al. 2013, Bernoulli
 * 19:1501). At high levels, where the data are much sharper than the state, 100 steps do not reach
 * equilibrium. */

enum { MAX_INNER = 1000, MAX_DRAW = 1000, STRIDE = 10 /* leapfrog steps of a trajectory */ };
static const double ODE_LOW = 0.01; /* where the ODE ends, as published */
/* The length of leapfrog steps is drawn between this share of e and e. So some trajectories are
 * accepted even where the likelihood bends more than at u, and none stays a whole turn for long. */
static const double SHORTEST = 0.2;
enum { POWER_STEPS = 30 };

/* The covariance of the image given a state, and how the image is drawn given the data. */
enum daps_variance { DAPS_VARIANCE_PAPER = 0, DAPS_VARIANCE_MATCHED };
enum daps_draw { DAPS_DRAW_EXACT = 0, DAPS_DRAW_LANGEVIN, DAPS_DRAW_HMC };
static const char *const daps_variance_names[] = {
    [DAPS_VARIANCE_PAPER] = "paper", [DAPS_VARIANCE_MATCHED] = "matched", NULL};
static const char *const daps_draw_names[] = {
    [DAPS_DRAW_EXACT] = "exact", [DAPS_DRAW_LANGEVIN] = "langevin", [DAPS_DRAW_HMC] = "hmc", NULL};

struct daps_options {
    struct scryi_sampler_options sampler;
    enum daps_variance variance;
    size_t ode_steps;
    enum daps_draw draw;
    double tolerance;
    size_t draw_steps;
    double draw_size;
};

struct daps {
    struct scryi_guided G; /* first */
    double *levels;        /* ode_steps levels of the ODE, then 0 */
    double norm2;          /* |A|^2; chains only */
    double model;          /* |C|; chains with a model only */
    /* chains only, image space */
    float *centre, *a, *g, *momentum, *kept, *kept_g;
};

static const struct daps_options *daps_options(const struct daps *M)
{
    return scry_options_block(&M->G.base.base.options);
}

static struct scryi_covariance daps_covariance(const struct daps *M, double s)
{
    const struct scry_solver *base = &M->G.base.base;
    if (daps_options(M)->variance == DAPS_VARIANCE_PAPER) return scryi_covariance_white(s * s);
    return base->problem.model ? scryi_covariance_shrink(s * s)
                               : scryi_covariance_white(s * s / (1 + s * s));
}

/* x0 = u, the mean of the image given the state. */
static scry_status daps_estimate(struct daps *M, double s, scry_error *err)
{
    struct scryi_sampler *S = &M->G.base;
    const struct daps_options *o = daps_options(M);
    double low, high;
    if (o->variance != DAPS_VARIANCE_PAPER) return scryi_sampler_denoise(S, S->x0, S->x, s, err);
    scry_prior_sigma_range(S->base.problem.prior, &low, &high);
    scry_status st = scry_schedule_karras(M->levels, o->ode_steps, fmin(fmax(low, ODE_LOW), s), s,
                                          o->sampler.schedule.power, err);
    for (size_t k = 0; k < o->ode_steps && st == SCRY_OK; k++) {
        const double keep = M->levels[k + 1] / M->levels[k];
        st = scryi_sampler_denoise(S, S->x0, S->x, M->levels[k], err);
        scry_axpby(S->x, 1 - keep, S->x0, keep, S->x, S->base.n);
    }
    return st;
}

/* out = V^(1/2) in; out != in */
static scry_status daps_root(struct daps *M, float *out, const float *in,
                             const struct scryi_covariance *V, scry_error *err)
{
    const struct scry_solver *base = &M->G.base.base;
    if (V->model)
        return scry_gaussian_apply(base->problem.model, out, in, SCRY_GAUSSIAN_SHRINK_SQRT,
                                   V->noise, M->G.condition.model_work, err);
    scry_axpby(out, sqrt(V->t), in, 0, in, base->n);
    return SCRY_OK;
}

static scry_status draw_exact(struct daps *M, const struct scryi_covariance *V, scry_error *err)
{
    struct scryi_guided *G = &M->G;
    struct scryi_sampler *S = &G->base;
    const struct daps_options *o = daps_options(M);
    scryi_sampler_draw(S, S->z, SCRYI_DRAW_IMAGE);
    scry_status st = daps_root(M, G->u, S->z, V, err);
    if (st != SCRY_OK) return st;
    scry_axpy(S->x0, 1, G->u, S->base.n);
    if ((st = scryi_guided_linearise(G, S->x0, err)) != SCRY_OK) return st;
    const struct scryi_cg_options asked = {.tolerance = o->tolerance};
    return scryi_guided_condition(
        G, S->x0, *V, scryi_condition_settings(&G->condition, asked, MAX_DRAW, 1e-3), 1, err);
}

/* x0 = u + V^(1/2) a, and g = -a + V^(1/2) grad log p(y | x0). */
static scry_status daps_gradient(struct daps *M, const struct scryi_covariance *V, scry_error *err)
{
    struct scryi_guided *G = &M->G;
    struct scryi_sampler *S = &G->base;
    const size_t n = S->base.n;
    scry_status st = daps_root(M, G->u, M->a, V, err);
    if (st != SCRY_OK) return st;
    scry_axpby(S->x0, 1, M->centre, 1, G->u, n);
    S->base.counts.forward++;
    S->base.counts.adjoint++;
    st = scry_likelihood_score(S->base.problem.L, G->u, S->x0, G->likelihood_work, err);
    if (st == SCRY_OK) st = daps_root(M, M->g, G->u, V, err);
    if (st == SCRY_OK) scry_axpy(M->g, -1, M->a, n);
    return st;
}

/* -log p of a, and of the momentum. */
static scry_status daps_energy(struct daps *M, double *value, scry_error *err)
{
    struct scryi_guided *G = &M->G;
    const struct scry_solver *base = &G->base.base;
    G->base.base.counts.forward++;
    scry_status st =
        scry_likelihood_value(base->problem.L, value, G->base.x0, G->likelihood_work, err);
    *value += scry_dot(M->a, M->a, base->n) / 2 + scry_dot(M->momentum, M->momentum, base->n) / 2;
    return st;
}

static void daps_noise(const struct daps *M, float *out, size_t k)
{
    const struct scry_solver *base = &M->G.base.base;
    scry_rng_normal(out, 0, base->n, base->seed, base->chain,
                    scry_rng_step((base->step + 1) * MAX_DRAW + k, SCRYI_DRAW_SPARE));
}

static scry_status draw_langevin(struct daps *M, const struct scryi_covariance *V, double e,
                                 scry_error *err)
{
    const struct scry_solver *base = &M->G.base.base;
    for (size_t k = 0; k < daps_options(M)->draw_steps; k++) {
        scry_status st = daps_gradient(M, V, err);
        if (st != SCRY_OK) return st;
        daps_noise(M, M->momentum, k);
        scry_axpy(M->a, e * e / 2, M->g, base->n);
        scry_axpy(M->a, e, M->momentum, base->n);
    }
    return daps_gradient(M, V, err); /* x0 of the last a */
}

/* A trajectory from a and its gradient g, which hold the outcome afterwards, as does x0. */
static scry_status daps_trajectory(struct daps *M, const struct scryi_covariance *V, double e,
                                   size_t k, scry_error *err)
{
    const struct scry_solver *base = &M->G.base.base;
    const size_t n = base->n, bytes = n * sizeof *M->a;
    double before, after;
    float uniform[2];
    daps_noise(M, M->momentum, k);
    scry_rng_uniform(uniform, 0, 2, base->seed, base->chain,
                     scry_rng_step((base->step + 1) * MAX_DRAW + k, SCRYI_DRAW_DATA));
    e *= SHORTEST + (1 - SHORTEST) * uniform[1];
    scry_status st = daps_energy(M, &before, err);
    memcpy(M->kept, M->a, bytes);
    memcpy(M->kept_g, M->g, bytes);
    for (size_t i = 0; i < STRIDE && st == SCRY_OK; i++) {
        scry_axpy(M->momentum, e / 2, M->g, n);
        scry_axpy(M->a, e, M->momentum, n);
        st = daps_gradient(M, V, err);
        scry_axpy(M->momentum, e / 2, M->g, n);
    }
    if (st == SCRY_OK) st = daps_energy(M, &after, err);
    if (st != SCRY_OK) return st;
    if (log(uniform[0]) < before - after) return SCRY_OK;
    memcpy(M->a, M->kept, bytes);
    memcpy(M->g, M->kept_g, bytes);
    if ((st = daps_root(M, M->G.u, M->a, V, err)) != SCRY_OK) return st;
    scry_axpby(M->G.base.x0, 1, M->centre, 1, M->G.u, n);
    return SCRY_OK;
}

static scry_status draw_chain(struct daps *M, const struct scryi_covariance *V, scry_error *err)
{
    struct scryi_guided *G = &M->G;
    const struct scry_solver *base = &G->base.base;
    const struct daps_options *o = daps_options(M);
    const size_t bytes = base->n * sizeof *M->a;
    memcpy(M->centre, G->base.x0, bytes);
    memset(M->a, 0, bytes);
    scry_status st = scryi_guided_linearise(G, G->base.x0, err);
    if (st != SCRY_OK) return st;
    double max_weight = 0;
    for (size_t i = 0; i < G->m; i++)
        max_weight = fmax(max_weight, (double)G->w[i] * G->w[i]);
    const double size = V->model ? 1 / (1 / M->model + 1 / V->noise) : V->t;
    const double e = o->draw_size / sqrt(1 + size * M->norm2 * max_weight);
    if (o->draw == DAPS_DRAW_LANGEVIN) return draw_langevin(M, V, e, err);
    st = daps_gradient(M, V, err);
    for (size_t k = 0; k < o->draw_steps && st == SCRY_OK; k += STRIDE)
        st = daps_trajectory(M, V, e / pow((double)base->n, 0.25), k, err);
    return st;
}

static scry_status daps_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct daps *M = (struct daps *)base;
    const double s = M->G.base.sigma[base->step];
    const struct scryi_covariance V = daps_covariance(M, s);
    scry_status st = daps_estimate(M, s, err);
    if (st == SCRY_OK)
        st = daps_options(M)->draw == DAPS_DRAW_EXACT ? draw_exact(M, &V, err)
                                                      : draw_chain(M, &V, err);
    return st == SCRY_OK ? scryi_guided_move(&M->G, 1, p, err) : st;
}

static void daps_destroy(struct scry_solver *base)
{
    struct daps *M = (struct daps *)base;
    if (!M) return;
    float *owned[] = {M->centre, M->a, M->g, M->momentum, M->kept, M->kept_g};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        scry_free(owned[i]);
    scry_free(M->levels);
    scryi_guided_destroy(base);
}

/* |C| of the model by power iteration from white noise. */
static scry_status model_norm(struct daps *M, scry_error *err)
{
    const struct scry_solver *base = &M->G.base.base;
    scry_status st = SCRY_OK;
    scry_rng_normal(M->a, 0, base->n, 0, 0, 0);
    for (size_t k = 0; k < POWER_STEPS && st == SCRY_OK; k++) {
        scry_scale(M->a, 1 / scry_norm(M->a, base->n), base->n);
        st = scry_gaussian_apply(base->problem.model, M->a, M->a, SCRY_GAUSSIAN_COV, 0,
                                 M->G.condition.model_work, err);
        M->model = scry_norm(M->a, base->n);
    }
    return st;
}

static scry_status daps_allocate(struct daps *M, scry_error *err)
{
    const struct scry_solver *base = &M->G.base.base;
    float **image[] = {&M->centre, &M->a, &M->g, &M->momentum, &M->kept, &M->kept_g};
    bool ok = (M->levels = scry_alloc(daps_options(M)->ode_steps + 1, sizeof *M->levels)) != NULL;
    const bool chain = daps_options(M)->draw != DAPS_DRAW_EXACT;
    const bool model = base->problem.model && daps_options(M)->variance == DAPS_VARIANCE_MATCHED;
    for (size_t i = 0; chain && i < sizeof image / sizeof *image; i++)
        ok = (*image[i] = scry_alloc(base->n, sizeof(float))) && ok;
    if (!ok)
        return SCRY_FAIL(err, SCRY_ENOMEM, "daps: %zu levels, images of %zu values",
                         daps_options(M)->ode_steps, base->n);
    if (!chain) return SCRY_OK;
    scry_status st = scry_op_norm2(M->G.A, &M->norm2, 1e-3, err);
    return st == SCRY_OK && model ? model_norm(M, err) : st;
}

static scry_status daps_plan(scry_solver **out, const scry_problem *problem,
                             const scry_options *options, scry_error *err)
{
    const struct daps_options *o = scry_options_block(options);
    struct daps *M = scry_alloc(1, sizeof *M);
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", scry_method_daps.name);
    struct scry_solver *S = &M->G.base.base;
    S->start_fn = scryi_guided_start;
    S->step_fn = daps_step;
    S->destroy = daps_destroy;
    scry_status st = scryi_guided_init(&M->G, problem, options, &o->sampler, err);
    if (st == SCRY_OK) st = daps_allocate(M, err);
    if (st == SCRY_OK)
        *out = S;
    else
        daps_destroy(S);
    return st;
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct daps_options, 200),
    {"variance", NULL, SCRY_FIELD(struct daps_options, variance), DAPS_VARIANCE_PAPER, 0,
     DAPS_VARIANCE_MATCHED, daps_variance_names,
     "covariance of the image given a state; paper: s^2 around the end of the ODE, as "
     "published; matched: the covariance of the Gaussian model around the denoised state"},
    {"ode-steps", "inner", SCRY_FIELD(struct daps_options, ode_steps), 5, 1, MAX_INNER, NULL,
     "denoiser steps of the ODE (variance paper)"},
    {"image-draw", "inner-draw", SCRY_FIELD(struct daps_options, draw), DAPS_DRAW_EXACT, 0,
     DAPS_DRAW_HMC, daps_draw_names,
     "how an image is drawn given the data: exact: one linear solve, local Gaussian noise; "
     "langevin, hmc: a chain"},
    SCRYI_SOLVE_TOLERANCE_OPTION(struct daps_options, tolerance, 1e-3),
    {"draw-steps", NULL, SCRY_FIELD(struct daps_options, draw_steps), 100, 1, MAX_DRAW - 1, NULL,
     "gradients of such a chain"},
    {"draw-step-size", "draw-size", SCRY_FIELD(struct daps_options, draw_size), 0.7, 1e-6, 2, NULL,
     "length of its steps, relative to the stable one"},
    SCRYI_START_OPTIONS(struct daps_options),
    {0},
};

const struct scry_method scry_method_daps = {
    .name = "daps",
    .title = "decoupled annealing posterior sampling",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_GAUSSIAN,
    .exact = "approximate: mean off by 0.2 to 0.9 sd, spread up to 1.4 times too wide; with "
             "variance matched, exact for a Gaussian prior that equals the model",
    .citation = "Zhang et al. 2024 (arXiv:2407.01521), Algorithm 1",
    .options = options,
    .plan = daps_plan,
};
