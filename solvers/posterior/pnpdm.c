#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/vector.h"
#include "priors/gaussian.h"
#include "priors/schedule.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/reverse_impl.h"

#include <math.h>
#include <string.h>

/* Split Gibbs sampling with a diffusion prior (PnP-DM, Wu et al. 2024; DPnP, Xu & Chi 2024). The
 * posterior is augmented with a copy z of the image, p(x, z) ~ p(x) p'(y | z) exp(-|x - z|^2 / (2
 * s^2)), and its halves are drawn in turn while the coupling s falls along the levels:
 *   z | x  Gaussian
 *   x | z  an image given a noisy one: ancestral sampling from x0 + s n = z down to 0, as in
 *          reverse_impl.h.
 *
 * As published p' is the likelihood, and z | x the draw from N(x, s^2 I) given the data, by
 * perturbation and one linear solve. Then x is seen in the noise of the data plus that of the
 * coupling, W^-1 + s^2 A A^H, and the chain mixes as 1 - s^2 A^H W A: an s that is small enough to
 * be harmless is too small to move the chain. `coupling exact` takes the noise of the coupling out
 * of that of the data: with p'(y | z) = N(y; A z, W^-1 - s^2 A A^H) the marginal of x is the
 * posterior for every s^2 <= 1 / |A^H W A|, and z | x needs no solve, z = x + s^2 A^H W (b - A x) +
 * s (I - s^2 A^H W A)^(1/2) n, with the root by a Chebyshev series. At s^2 = SHARE / |A^H W A| the
 * directions that the data determine best mix in one step. Half of the alternations have that s;
 * the first half approaches it, by the published draw while s is larger.
 *
 * At the defaults, on the Gaussian posteriors of tests/exact, means are within 0.04 sd and spreads
 * within 2 % beyond Monte Carlo error; as published at the same cost, 0.1 to 0.3 sd and 8 %. The
 * directions that the data do not see mix slowest: where the variance is v, a step forgets s^2 / v
 * of the past, and some of the distribution of a looser coupling remains. That is the error of the
 * mean in the calibration label; more steps reduce it, each with fewer denoiser steps. For counted
 * light the weights W are those at the mean of the samples so far and not at the latest sample:
 * otherwise a sample that is too dark would be pulled harder than one that is too bright. */

enum { MAX_INNER = 1000, MAX_STEPS = 100000, DATA_CG = 200, TERMS = 16 };
enum { STEPS_MAX = (1 << 28) / MAX_INNER - 2 }; /* each has MAX_INNER streams of random numbers */
/* s^2 |A^H W A| at the last level, and the largest value for which the series is used. */
static const double SHARE = 0.8, SHARE_MAX = 0.92;
static const double NORM_SLACK = 1.01; /* scry_op_norm2 is a lower bound */
/* The largest last level, that of the publication; the last level relative to the noise of the data
 * with the published draw; the weight of the latest sample in the running mean. */
static const double LAST = 0.3, PAPER_LAST = 0.3, LATEST = 0.1;

struct pnpdm_options {
    struct scryi_sampler_options sampler;
    enum scryi_coupling coupling;
    size_t prior_steps;
    double spread, tolerance;
};

struct pnpdm {
    struct scryi_guided G;    /* first */
    double norm2;             /* |A|^2 */
    double sigma_low;         /* lowest level of the prior */
    double low;               /* last level of a prior draw */
    double *levels;           /* prior_steps levels of a prior draw, then 0 */
    float *mean;              /* of the samples so far */
    float *past, *now, *root; /* of the series */
};

static const struct pnpdm_options *pnpdm_options(const struct pnpdm *M)
{
    return scry_options_block(&M->G.base.base.options);
}

/* |A^H W A|, or a bound above it. */
static double pnpdm_sharpness(const struct pnpdm *M)
{
    double max_weight = 0;
    for (size_t i = 0; i < M->G.m; i++)
        max_weight = fmax(max_weight, (double)M->G.w[i] * M->G.w[i]);
    return NORM_SLACK * M->norm2 * max_weight;
}

/* out = A^H W in */
static scry_status pnpdm_pull(struct scryi_guided *G, float *out, const float *in, scry_error *err)
{
    for (size_t i = 0; i < G->m; i++)
        G->t[i] = G->w[i] * G->w[i] * in[i];
    return scryi_guided_adjoint(G, out, G->t, err);
}

/* root = (I - s^2 A^H W A)^(1/2) n, n = S->z, which is overwritten; the eigenvalues of s^2 A^H W A
 * are at most `largest` < 1. */
static scry_status draw_root(struct pnpdm *M, double s, double largest, scry_error *err)
{
    struct scryi_guided *G = &M->G;
    const size_t n = G->base.base.n;
    double c[TERMS] = {0};
    for (int k = 0; k < TERMS; k++)
        for (int j = 0; j < TERMS; j++) {
            const double t = SCRY_PI * (j + 0.5) / TERMS;
            c[k] += (k ? 2 : 1) * sqrt(1 - largest * (1 + cos(t)) / 2) * cos(k * t) / TERMS;
        }
    memset(M->past, 0, n * sizeof *M->past);
    memcpy(M->now, G->base.z, n * sizeof *M->now);
    scry_axpby(M->root, c[0], M->now, 0, M->now, n);
    for (int k = 1; k < TERMS; k++) { /* T_k = 2 t T_k-1 - T_k-2, t = 2 s^2 A^H W A / largest - 1 */
        scry_status st = scryi_guided_forward(G, G->r, M->now, err);
        if (st == SCRY_OK) st = pnpdm_pull(G, G->v, G->r, err);
        if (st != SCRY_OK) return st;
        const double twice = k > 1 ? 2 : 1;
        scry_axpby(G->v, twice * 2 * s * s / largest, G->v, -twice, M->now, n);
        scry_axpy(G->v, -1, M->past, n);
        memcpy(M->past, M->now, n * sizeof *M->past);
        memcpy(M->now, G->v, n * sizeof *M->now);
        scry_axpy(M->root, c[k], M->now, n);
    }
    return SCRY_OK;
}

/* The coupling of this step: that of its level; in the second half less where the current weights
 * of the data allow only less. */
static double pnpdm_coupling(const struct pnpdm *M)
{
    const struct scry_solver *base = &M->G.base.base;
    const double s = M->G.base.sigma[base->step], sharp = pnpdm_sharpness(M);
    if (pnpdm_options(M)->coupling == SCRYI_COUPLING_PAPER || 2 * base->step < base->first)
        return s;
    return sharp > 0 ? fmin(s, fmax(M->sigma_low, sqrt(SHARE / sharp))) : s;
}

/* S->x becomes z given x = S->x0. The local model is at the mean so far. */
static scry_status draw_data(struct pnpdm *M, double s, scry_error *err)
{
    struct scryi_guided *G = &M->G;
    struct scryi_sampler *S = &G->base;
    const struct scry_solver *base = &S->base;
    const double largest = s * s * pnpdm_sharpness(M);
    scry_status st;
    scryi_sampler_draw(S, S->z, SCRYI_DRAW_IMAGE);
    if (pnpdm_options(M)->coupling == SCRYI_COUPLING_PAPER || !(largest <= SHARE_MAX)) {
        scry_axpby(S->x, 1, S->x0, s, S->z, base->n);
        if ((st = scryi_guided_forward(G, G->Au, S->x, err)) != SCRY_OK) return st;
        const struct scryi_cg_options asked = {.tolerance = pnpdm_options(M)->tolerance};
        return scryi_guided_condition(G, S->x, scryi_covariance_white(s * s),
                                      scryi_condition_settings(&G->condition, asked, DATA_CG, 1e-3),
                                      1, err);
    }
    if ((st = scryi_guided_forward(G, G->Au, S->x0, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < G->m; i++)
        G->r[i] = G->b[i] - G->Au[i];
    if ((st = pnpdm_pull(G, G->u, G->r, err)) != SCRY_OK) return st;
    if ((st = draw_root(M, s, largest, err)) != SCRY_OK) return st;
    scry_axpby(S->x, 1, S->x0, s * s, G->u, base->n);
    scry_axpy(S->x, s, M->root, base->n);
    return SCRY_OK;
}

/* S->x0 becomes a draw from p(x0 | x0 + s n = S->x), by ancestral steps. */
static scry_status draw_prior(struct pnpdm *M, double s, scry_error *err)
{
    struct scryi_sampler *S = &M->G.base;
    const struct pnpdm_options *o = pnpdm_options(M);
    const struct scryi_reverse reverse = {
        .levels = M->levels,
        .count = o->prior_steps,
        .low = M->low,
        .rho = o->sampler.schedule.power,
        .spread = o->spread,
        .left = SCRYI_DRAW_STATE,
        .fresh = SCRYI_DRAW_SPARE,
        .at = (S->base.step + 1) * MAX_INNER,
    };
    return scryi_reverse_draw(&M->G, S->x0, S->x, s, &reverse, err);
}

static scry_status pnpdm_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct pnpdm *M = (struct pnpdm *)base;
    struct scryi_guided *G = &M->G;
    if (!G->gaussian) G->linearised = false;
    scry_status st = scryi_guided_linearise(G, M->mean, err);
    if (st != SCRY_OK) return st;
    const double s = pnpdm_coupling(M);
    if ((st = draw_data(M, s, err)) == SCRY_OK) st = draw_prior(M, s, err);
    if (st != SCRY_OK) return st;
    const double latest = fmax(LATEST, 1 / ((double)base->step + 1));
    scry_axpby(M->mean, 1 - latest, M->mean, latest, G->base.x0, base->n);
    /* the estimate is already a sample, which the move does not change */
    return scryi_guided_move(G, 0, p, err);
}

/* The first image is the mean of the model: the first coupling is loose, so any image would do. */
static scry_status pnpdm_start(struct scry_solver *base, scry_error *err)
{
    struct pnpdm *M = (struct pnpdm *)base;
    float *x0 = M->G.base.x0;
    const size_t bytes = base->n * sizeof *x0;
    scry_status st = scryi_guided_start(base, err);
    if (st != SCRY_OK) return st;
    if (!M->G.base.gaussian_start) {
        memset(x0, 0, bytes);
        if (base->problem.model) st = scry_gaussian_mean(base->problem.model, x0, err);
    }
    memcpy(M->mean, x0, bytes);
    return st;
}

static void pnpdm_destroy(struct scry_solver *base)
{
    struct pnpdm *M = (struct pnpdm *)base;
    if (!M) return;
    float *owned[] = {M->mean, M->past, M->now, M->root};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        scry_free(owned[i]);
    scry_free(M->levels);
    scryi_guided_destroy(base);
}

/* The couplings: down to the one that the noise of the data allows, in the local model at the mean
 * of the images; with `coupling exact` half of the alternations have that one. */
static scry_status pnpdm_couplings(struct pnpdm *M, scry_error *err)
{
    double high;
    struct scryi_guided *G = &M->G;
    const struct scry_solver *base = &G->base.base;
    const struct pnpdm_options *o = pnpdm_options(M);
    const bool paper = o->coupling == SCRYI_COUPLING_PAPER;
    double *s = G->base.sigma;
    scry_status st = scry_op_norm2(G->A, &M->norm2, 1e-3, err);
    memset(M->mean, 0, base->n * sizeof *M->mean);
    if (st == SCRY_OK && base->problem.model)
        st = scry_gaussian_mean(base->problem.model, M->mean, err);
    if (st == SCRY_OK) st = scryi_guided_linearise(G, M->mean, err);
    if (st != SCRY_OK) return st;
    scry_prior_sigma_range(base->problem.prior, &M->sigma_low, &high);
    double last = o->sampler.schedule.sigma_min;
    if (!(last > 0)) {
        const double sharp = pnpdm_sharpness(M), fine = paper ? PAPER_LAST : sqrt(SHARE);
        last = sharp > 0 ? fmin(LAST, fine / sqrt(sharp)) : LAST;
        last = fmin(fmax(last, M->sigma_low), s[0]);
    }
    M->low = fmax(M->sigma_low, 0.1 * last);
    const size_t fall = paper ? base->first : (base->first + 1) / 2;
    if ((st = scry_schedule_karras(s, fall, last, s[0], o->sampler.schedule.power, err)) != SCRY_OK)
        return st;
    for (size_t i = fall; i < base->steps; i++)
        s[i] = last;
    s[base->steps] = 0;
    return SCRY_OK;
}

static scry_status pnpdm_plan(scry_solver **out, const scry_problem *problem,
                              const scry_options *options, scry_error *err)
{
    const struct pnpdm_options *o = scry_options_block(options);
    struct pnpdm *M = scry_alloc(1, sizeof *M);
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", scry_method_pnpdm.name);
    struct scry_solver *S = &M->G.base.base;
    S->start_fn = pnpdm_start;
    S->step_fn = pnpdm_step;
    S->destroy = pnpdm_destroy;
    scry_status st = scryi_guided_init(&M->G, problem, options, &o->sampler, err);
    if (st == SCRY_OK && S->steps > STEPS_MAX)
        st = SCRY_FAIL(err, SCRY_EINVAL, "pnpdm: %zu steps in all, expected at most %d", S->steps,
                       STEPS_MAX);
    if (st == SCRY_OK) {
        float **image[] = {&M->mean, &M->past, &M->now, &M->root};
        bool ok = (M->levels = scry_alloc(o->prior_steps + 1, sizeof *M->levels)) != NULL;
        for (size_t i = 0; i < sizeof image / sizeof *image; i++)
            ok = (*image[i] = scry_alloc(S->n, sizeof(float))) && ok;
        st = ok ? pnpdm_couplings(M, err)
                : SCRY_FAIL(err, SCRY_ENOMEM, "pnpdm: %zu levels, images of %zu values",
                            o->prior_steps, S->n);
    }
    if (st == SCRY_OK)
        *out = S;
    else
        pnpdm_destroy(S);
    return st;
}

static const scry_option options[] = {
    SCRYI_STEPS_OPTION(struct pnpdm_options, 40, MAX_STEPS,
                       "alternations; the coupling follows the noise schedule"),
    {"sigma-max", NULL, SCRY_FIELD(struct pnpdm_options, sampler.schedule.sigma_max), 5, 0, 1e6,
     NULL, "first coupling"},
    {"sigma-min", NULL, SCRY_FIELD(struct pnpdm_options, sampler.schedule.sigma_min), 0, 0, 1e6,
     NULL, "last coupling; 0: from the noise of the data, 0.3 at most; paper: 0.3 of that noise"},
    SCRYI_POWER_OPTION(struct pnpdm_options),
    {"coupling", NULL, SCRY_FIELD(struct pnpdm_options, coupling), SCRYI_COUPLING_EXACT, 0,
     SCRYI_COUPLING_EXACT, scryi_coupling_names,
     "paper: as published, it blurs the data; exact: its noise is taken out of theirs"},
    {"prior-steps", "inner", SCRY_FIELD(struct pnpdm_options, prior_steps), 5, 1, MAX_INNER - 1,
     NULL, "denoiser steps of a draw from the prior"},
    {"spread", NULL, SCRY_FIELD(struct pnpdm_options, spread), 1, 0, 1, NULL,
     "share of the spread of x0 that those steps draw, from the Gaussian model"},
    SCRYI_SOLVE_TOLERANCE_OPTION(struct pnpdm_options, tolerance, 1e-3),
    SCRYI_START_OPTIONS(struct pnpdm_options),
    SCRYI_DRAWS_OPTIONS(struct pnpdm_options, 3),
    {0},
};

const struct scry_method scry_method_pnpdm = {
    .name = "pnpdm",
    .title = "PnP-DM, split Gibbs",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_GAUSSIAN,
    .exact =
        "exact for any prior as steps and prior-steps grow; a few counts a pixel shift its mean by "
        "up to 0.35 sd",
    .citation = "Wu et al. 2024, NeurIPS (arXiv:2405.18782); Xu, Chi 2024 (arXiv:2403.17042)",
    .options = options,
    .plan = pnpdm_plan,
};
