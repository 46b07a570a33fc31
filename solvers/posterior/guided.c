#include "solvers/posterior/guided_impl.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "priors/gaussian.h"

#include <math.h>
#include <string.h>

/* Scoring steps and CG limits of a Gaussian start. Scoring only looks for the noise variance, which
 * a residual of a hundredth moves by far less than the noise does; a draw is then blurred by the
 * level it hands over at, about 1 and some hundred times the error of its own residual; where that
 * level is higher, as many iterations less will do. */
enum { START_SCORING = 3, START_CG = 200, DRAW_CG = 30 };
static const double DRAW_TOL = 0.01;
static const double SCORING_TOL = 1e-2, START_TOL = 1e-3;
/* Of the last step, whose estimate is the result. The weights of the level before are those of an
 * image that strays from the data by that level, which takes dark pixels beside bright ones for
 * noisier than they are: they are scored again until chi2 changes by less than the part SETTLED.
 * And with a right prior chi2 of the mean falls short of 1 by what draws scatter around it. Where
 * it exceeds that by EXPLAINED of its spreads, the variance of the prior at that level is too small
 * for the data, and is made WIDER. */
enum { LAST_SOLVES = 20 };
static const double SETTLED = 0.01, EXPLAINED = 3, WIDER = 4;

/* The least noise of the data that a solve on the way down needs to respect, in units of the level
 * that comes, for V of a model and for white V. Less is lost in that level, while weights that
 * spread less converge in fewer iterations: 1.9 for 6.2 s of a peak of 50 000 electrons. A white V
 * is wider than the uncertainty that a denoiser leaves, and a lower weight of the data makes up
 * for some of it: tests/bench/light_levels.py at 5000 electrons, 0.01, 0.03 and 0.1: diffpir 34.3,
 * 34.5, 35.1 dB, jfps 34.3, 34.4, 33.9. */
static const double FINEST_MODEL = 0.03, FINEST_WHITE = 0.1;

scry_status scryi_guided_init(struct scryi_guided *G, const scry_problem *problem,
                              const scry_options *options, const struct scryi_sampler_options *o,
                              scry_error *err)
{
    scry_status st = scryi_sampler_init(&G->base, problem, options, o, err);
    if (st != SCRY_OK) return st;
    const size_t n = G->base.base.n;
    G->A = scry_likelihood_op(problem->L);
    G->gaussian = scry_likelihood_is_gaussian(problem->L);
    G->m = scry_space_floats(scry_op_cod(G->A));
    float **cod[] = {&G->w, &G->b, &G->r, &G->Au, &G->t, &G->noise, &G->w_now, &G->w_start};
    float **dom[] = {&G->u, &G->v};
    bool ok = true;
    for (size_t i = 0; i < sizeof cod / sizeof *cod; i++)
        ok = (*cod[i] = scry_alloc(G->m, sizeof(float))) && ok;
    for (size_t i = 0; i < sizeof dom / sizeof *dom; i++)
        ok = (*dom[i] = scry_alloc(n, sizeof(float))) && ok;
    ok = (G->op_work = scry_alloc(1, scry_op_work_bytes(G->A))) && ok;
    ok = (G->likelihood_work = scry_alloc(1, scry_likelihood_work_bytes(problem->L))) && ok;
    if (!ok)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: images of %zu and measurements of %zu values",
                         options->method->name, n, G->m);
    return scryi_condition_init(&G->condition, G->A, problem->model, G->gaussian,
                                &G->base.base.counts, err);
}

void scryi_guided_clear(struct scryi_guided *G)
{
    void *owned[] = {G->w,     G->b,       G->r, G->Au, G->t,       G->noise,
                     G->w_now, G->w_start, G->u, G->v,  G->op_work, G->likelihood_work,
                     G->sample};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        scry_free(owned[i]);
    scryi_condition_clear(&G->condition);
    scryi_sampler_clear(&G->base);
}

void scryi_guided_destroy(struct scry_solver *S)
{
    if (!S) return;
    scryi_guided_clear((struct scryi_guided *)S);
    scry_free(S);
}

scry_status scryi_guided_scatter(struct scryi_guided *G, scry_error *err)
{
    if (!G->condition.model || G->base.base.first) return SCRY_OK;
    G->sample = scry_alloc(G->base.base.n, sizeof *G->sample);
    if (!G->sample)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: draws of %zu values", G->base.base.method->name,
                         G->base.base.n);
    G->base.base.scatters = true;
    return SCRY_OK;
}

scry_status scryi_guided_plan(scry_solver **out,
                              scry_status (*step)(struct scry_solver *, scry_progress *,
                                                  scry_error *),
                              const scry_problem *problem, const scry_options *options,
                              const struct scryi_sampler_options *o, bool scatters, scry_error *err)
{
    struct scryi_guided *G = scry_alloc(1, sizeof *G);
    if (!G) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", options->method->name);
    struct scry_solver *S = &G->base.base;
    S->start_fn = scryi_guided_start;
    S->step_fn = step;
    S->destroy = scryi_guided_destroy;
    scry_status st = scryi_guided_init(G, problem, options, o, err);
    if (st == SCRY_OK && scatters) st = scryi_guided_scatter(G, err);
    if (st == SCRY_OK)
        *out = S;
    else
        scryi_guided_destroy(S);
    return st;
}

scry_status scryi_guided_forward(struct scryi_guided *G, float *y, const float *u, scry_error *err)
{
    G->base.base.counts.forward++;
    return scry_op_forward(G->A, y, u, G->op_work, err);
}

scry_status scryi_guided_adjoint(struct scryi_guided *G, float *u, const float *y, scry_error *err)
{
    G->base.base.counts.adjoint++;
    return scry_op_adjoint(G->A, u, y, G->op_work, err);
}

scry_status scryi_guided_relinearise(struct scryi_guided *G, const float *Au, scry_error *err)
{
    scry_status st = scry_likelihood_linearise(G->base.base.problem.L, G->w, G->b, Au, err);
    if (st != SCRY_OK) return st;
    G->known = 0;
    for (size_t i = 0; i < G->m; i++) {
        G->known += G->w[i] > 0;
        G->w[i] = sqrtf(G->w[i]);
    }
    G->linearised = true;
    G->drawn = false;
    return SCRY_OK;
}

scry_status scryi_guided_linearise(struct scryi_guided *G, const float *u, scry_error *err)
{
    scry_status st = scryi_guided_forward(G, G->Au, u, err);
    return st != SCRY_OK || G->linearised ? st : scryi_guided_relinearise(G, G->Au, err);
}

bool scryi_guided_is_last(const struct scryi_guided *G)
{
    const struct scry_solver *base = &G->base.base;
    return base->step + 1 >= (base->first ? base->first : base->steps);
}

double scryi_guided_largest_weight(const struct scryi_guided *G, const struct scryi_covariance *V)
{
    const double s = G->base.sigma[G->base.base.step + 1];
    if (!G->condition.update || G->all_noise || scryi_guided_is_last(G) || !(s > 0))
        return INFINITY;
    return 1 / (s * (V->model ? FINEST_MODEL : FINEST_WHITE));
}

/* The posterior mean of an image known as N(u, V), given the data; linearise(G, u) was before. */
static scry_status guided_solve(struct scryi_guided *G, const struct scryi_covariance *V,
                                struct scryi_cg_options cg, double perturb, scry_error *err)
{
    const struct scry_solver *base = &G->base.base;
    const float max = (float)scryi_guided_largest_weight(G, V);
    for (size_t i = 0; i < G->m; i++) {
        G->w_now[i] = fminf(G->w[i], max);
        G->r[i] = G->w_now[i] * (G->b[i] - G->Au[i]);
    }
    if (perturb > 0) {
        scry_rng_normal(G->noise, 0, G->m, base->seed, base->chain,
                        scry_rng_step(base->step + 1, SCRYI_DRAW_DATA));
        scry_axpy(G->r, -perturb, G->noise, G->m);
    }
    return scryi_condition_solve(&G->condition, G->r, G->w_now, V, cg, err);
}

/* sum (w (A x - b))^2 for Ax */
static double guided_misfit(const struct scryi_guided *G, const float *Ax)
{
    double sum = 0;
    for (size_t i = 0; i < G->m; i++) {
        const double r = (double)G->w[i] * ((double)Ax[i] - G->b[i]);
        sum += r * r;
    }
    return sum;
}

/* The local model around u + G->u; *settled when the misfit there hardly depends on which. */
static scry_status guided_rescore(struct scryi_guided *G, bool *settled, scry_error *err)
{
    scry_status st = scryi_guided_forward(G, G->t, G->u, err);
    if (st != SCRY_OK) return st;
    scry_axpy(G->t, 1, G->Au, G->m);
    *settled = true;
    if (G->gaussian) return SCRY_OK;
    const double before = guided_misfit(G, G->t);
    if ((st = scryi_guided_relinearise(G, G->t, err)) != SCRY_OK) return st;
    *settled = fabs(guided_misfit(G, G->t) - before) <= SETTLED * before;
    return SCRY_OK;
}

/* e = e0 + V A^T w q with e0 ~ N(0, V): Matheron's rule for data that are noise alone. */
static scry_status guided_draw(struct scryi_guided *G, scry_error *err)
{
    struct scryi_sampler *S = &G->base;
    const double s = S->sigma[S->base.step];
    const struct scryi_covariance V = scryi_covariance_shrink(s * s);
    const struct scryi_cg_options cg =
        scryi_condition_settings(&G->condition, (struct scryi_cg_options){0}, DRAW_CG, DRAW_TOL);
    scryi_sampler_draw(S, S->z, SCRYI_DRAW_IMAGE);
    scry_status st = scryi_condition_root(&G->condition, G->sample, S->z, &V, err);
    if (st == SCRY_OK) st = scryi_guided_forward(G, G->t, G->sample, err);
    if (st != SCRY_OK) return st;
    scry_rng_normal(G->noise, 0, G->m, S->base.seed, S->base.chain,
                    scry_rng_step(S->base.step + 1, SCRYI_DRAW_DATA));
    for (size_t i = 0; i < G->m; i++)
        G->r[i] = -G->w[i] * G->t[i] - G->noise[i];
    st = scryi_condition_solve(&G->condition, G->r, G->w, &V, cg, err);
    if (st == SCRY_OK) st = scryi_condition_image(&G->condition, S->z, G->w, &V, err);
    if (st != SCRY_OK) return st;
    scry_axpy(G->sample, 1, S->z, S->base.n);
    if ((st = scryi_guided_forward(G, G->t, G->sample, err)) != SCRY_OK) return st;
    G->fitted = 0;
    for (size_t i = 0; i < G->m; i++)
        G->fitted += pow((double)G->w[i] * G->t[i], 2);
    G->drawn = true;
    return SCRY_OK;
}

scry_status scryi_guided_explains(struct scryi_guided *G, const float *Ax, bool *yes,
                                  scry_error *err)
{
    const double known = (double)G->known, misfit = guided_misfit(G, Ax);
    if (G->sample && !(G->fitted > 0)) {
        scry_status st = guided_draw(G, err);
        if (st != SCRY_OK) return st;
    }
    *yes = misfit <= known - G->fitted + EXPLAINED * sqrt(2 * known);
    return SCRY_OK;
}

scry_status scryi_guided_condition(struct scryi_guided *G, float *u, struct scryi_covariance V,
                                   struct scryi_cg_options cg, double perturb, scry_error *err)
{
    const bool last = G->condition.update && perturb == 0 && scryi_guided_is_last(G);
    bool done = false;
    for (int k = 0; !done && k < LAST_SOLVES; k++) {
        scry_status st = guided_solve(G, &V, cg, perturb, err);
        if (st == SCRY_OK) st = scryi_condition_image(&G->condition, G->u, G->w_now, &V, err);
        done = true;
        if (st == SCRY_OK && last) st = guided_rescore(G, &done, err);
        if (st != SCRY_OK) return st;
        if (!last || !done) continue;
        if ((st = scryi_guided_explains(G, G->t, &done, err)) != SCRY_OK) return st;
        if (!done) V.t *= WIDER;
    }
    scry_axpy(u, 1, G->u, G->base.base.n);
    return SCRY_OK;
}

scry_status scryi_guided_dual(struct scryi_guided *G, double t, struct scryi_cg_options cg,
                              scry_error *err)
{
    const struct scryi_covariance V = scryi_covariance_white(t);
    scry_status st = guided_solve(G, &V, cg, 0, err);
    return st != SCRY_OK ? st : scryi_condition_dual(&G->condition, G->v, G->w_now, &V, err);
}

static struct scryi_cg_options start_cg(const struct scryi_guided *G, double tol)
{
    const size_t limit = (size_t)(START_CG / fmax(1, G->base.sigma[0]));
    return scryi_condition_settings(&G->condition, (struct scryi_cg_options){0}, limit, tol);
}

/* The local model at the mean of p(u | y) under the Gaussian model, where the noise depends on the
 * signal: a few scoring steps from the mean of the model. A function of the problem alone, so that
 * only the first chain of a solver pays for it. */
static scry_status score_start(struct scryi_guided *G, scry_error *err)
{
    float *at = G->base.x0;
    for (int i = 0; i < START_SCORING; i++) {
        /* the solve starts from the prior mean each time, in the local model of the latest point */
        scry_status st = scry_gaussian_mean(G->base.base.problem.model, at, err);
        if (st == SCRY_OK) st = scryi_guided_linearise(G, at, err);
        if (st == SCRY_OK)
            st = scryi_guided_condition(G, at, scryi_covariance_model(1), start_cg(G, SCORING_TOL),
                                        0, err);
        if (st == SCRY_OK) st = scryi_guided_forward(G, G->Au, at, err);
        if (st == SCRY_OK) st = scryi_guided_relinearise(G, G->Au, err);
        if (st != SCRY_OK) return st;
    }
    memcpy(G->w_start, G->w, G->m * sizeof *G->w);
    G->scored = true;
    return SCRY_OK;
}

/* x0 = an exact draw from p(u | y) under the Gaussian model and the local model of the likelihood.
 */
static scry_status draw_gaussian(struct scryi_guided *G, scry_error *err)
{
    scry_status st;
    struct scryi_sampler *S = &G->base;
    const scry_prior *model = S->base.problem.model;
    float *at = S->x0;
    if (!G->gaussian && !G->scored && (st = score_start(G, err)) != SCRY_OK) return st;
    scry_rng_normal(S->z, 0, S->base.n, S->base.seed, S->base.chain,
                    scry_rng_step(0, SCRYI_DRAW_IMAGE));
    st = scry_gaussian_apply(model, at, S->z, SCRY_GAUSSIAN_SQRT, 0, G->condition.model_work, err);
    if (st != SCRY_OK) return st;
    if ((st = scry_gaussian_mean(model, S->z, err)) != SCRY_OK) return st;
    scry_axpy(at, 1, S->z, S->base.n);
    if ((st = scryi_guided_linearise(G, at, err)) != SCRY_OK) return st;
    if (G->scored) memcpy(G->w, G->w_start, G->m * sizeof *G->w); /* b is the same everywhere */
    scryi_condition_forget(&G->condition);
    return scryi_guided_condition(G, at, scryi_covariance_model(1), start_cg(G, START_TOL), 1, err);
}

scry_status scryi_guided_start(struct scry_solver *base, scry_error *err)
{
    struct scryi_guided *G = (struct scryi_guided *)base;
    struct scryi_sampler *S = &G->base;
    scry_status st;
    scryi_condition_forget(&G->condition);
    G->linearised = G->drawn = false;
    G->fitted = 0;
    if (!S->gaussian_start) return scryi_sampler_start(base, err);
    if ((st = draw_gaussian(G, err)) != SCRY_OK) return st;
    scryi_condition_forget(&G->condition);
    scry_rng_normal(S->z, 0, base->n, base->seed, base->chain, scry_rng_step(0, SCRYI_DRAW_STATE));
    scryi_sampler_cohere(S, S->z);
    scry_axpby(S->x, 1, S->x0, S->sigma[0], S->z, base->n);
    scryi_sampler_limit(S);
    return SCRY_OK;
}

scry_status scryi_guided_move(struct scryi_guided *G, double share, scry_progress *p,
                              scry_error *err)
{
    scry_status st = scryi_guided_forward(G, G->t, G->base.x0, err);
    if (st != SCRY_OK) return st;
    if (!G->gaussian && (st = scryi_guided_relinearise(G, G->t, err)) != SCRY_OK) return st;
    if (G->sample && scryi_guided_is_last(G)) {
        if (!G->drawn && (st = guided_draw(G, err)) != SCRY_OK) return st;
        scry_axpy(G->sample, 1, G->base.x0, G->base.base.n);
        if ((st = scryi_guided_forward(G, G->t, G->sample, err)) != SCRY_OK) return st;
        p->sample = G->sample;
    }
    p->residual = G->known ? sqrt(guided_misfit(G, G->t) / (double)G->known) : 0;
    scryi_sampler_move(&G->base, share, p);
    return SCRY_OK;
}
