#include "solvers/posterior/blurred_impl.h"

#include "lib/memory.h"
#include "lib/vector.h"
#include "solvers/posterior/reverse_impl.h"

#include <math.h>
#include <string.h>

/* The published level, and the highest one of a coupling, from which ancestral steps start. */
static const double PAPER_LEVEL = 0.05, HIGHEST = 0.3;
/* s^2 |A^T W A| by default, and its maximum: the series converges more slowly towards 1. */
static const double SHARE = 0.5, SHARE_MAX = 0.6;
/* Last level of a draw of x0, relative to s, unless the prior starts higher. */
static const double LAST = 0.1;
enum { TERMS = 6, STEPS_MAX = (1 << 28) / SCRYI_BLURRED_LEVELS - 2 };

/* The level s of an exact coupling: as asked, or chosen where that is 0. */
static scry_status blurred_couple(struct scryi_blurred *B, double asked, scry_error *err)
{
    struct scryi_sampler *S = &B->L->G->base;
    const double data = B->L->data;
    B->s = asked > 0 ? asked : fmax(B->sigma_low, fmin(HIGHEST, sqrt(SHARE / data)));
    B->share = B->s * B->s * data;
    if (B->share > SHARE_MAX)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "coupling exact: a level of %g, expected at most %g for this noise; the "
                         "prior knows %g and more",
                         B->s, sqrt(SHARE_MAX / data), B->sigma_low);
    if (S->base.steps > STEPS_MAX)
        return SCRY_FAIL(err, SCRY_EINVAL, "coupling exact: %zu steps in all, expected at most %d",
                         S->base.steps, STEPS_MAX);
    for (size_t i = 0; i < S->base.steps; i++)
        S->sigma[i] = B->s;
    return SCRY_OK;
}

scry_status scryi_blurred_levels(struct scryi_sampler_options *levels, const scry_problem *problem,
                                 const scry_options *options, const struct scryi_sampler_options *o,
                                 const struct scryi_blurred_options *blurred, scry_error *err)
{
    double low, high;
    if (blurred->coupling == SCRYI_COUPLING_EXACT && !scry_likelihood_is_gaussian(problem->L))
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: coupling exact needs Gaussian noise of one level; coupling paper "
                         "takes counted light",
                         options->method->name);
    scry_prior_sigma_range(problem->prior, &low, &high);
    *levels = *o;
    if (!(o->schedule.sigma_min > 0)) levels->schedule.sigma_min = fmax(PAPER_LEVEL, low);
    scryi_langevin_flatten(levels);
    return SCRY_OK;
}

scry_status scryi_blurred_init(struct scryi_blurred *B, struct scryi_langevin *L,
                               const struct scryi_sampler_options *o,
                               const struct scryi_blurred_options *blurred, scry_error *err)
{
    const struct scryi_sampler *S = &L->G->base;
    const size_t n = S->base.n;
    double high;
    scry_status st = SCRY_OK;
    B->L = L;
    B->options = *blurred;
    scry_prior_sigma_range(S->base.problem.prior, &B->sigma_low, &high);
    B->rest = scry_alloc(n, sizeof *B->rest);
    B->turn = scry_alloc(n, sizeof *B->turn);
    B->noisy = scry_alloc(n, sizeof *B->noisy);
    if (!B->rest || !B->turn || !B->noisy)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: three images of %zu values", S->base.method->name,
                         n);
    B->s = o->schedule.sigma_min > 0 ? o->schedule.sigma_min : fmax(PAPER_LEVEL, B->sigma_low);
    if (blurred->coupling == SCRYI_COUPLING_EXACT)
        st = blurred_couple(B, o->schedule.sigma_min, err);
    if (st != SCRY_OK) return st;
    B->curvature = blurred->prior_weight / (B->s * B->s) + L->data / (1 - B->share);
    return SCRY_OK;
}

void scryi_blurred_clear(struct scryi_blurred *B)
{
    scry_free(B->rest);
    scry_free(B->turn);
    scry_free(B->noisy);
}

/* g = (I - s^2 A^T W A)^-1 g, eigenvalues in [1 - share, 1] (Saad 2003, Iterative Methods for
 * Sparse Linear Systems, Alg. 12.1). Linear in g, as conjugate gradients would not be. */
static scry_status blurred_uncouple(struct scryi_blurred *B, scry_error *err)
{
    struct scryi_guided *G = B->L->G;
    const size_t n = G->base.base.n;
    const double centre = 1 - B->share / 2, half = B->share / 2;
    double ratio = half / centre;
    scry_status st;
    memcpy(B->rest, B->L->g, n * sizeof *B->rest);
    scry_axpby(B->turn, 1 / centre, B->rest, 0, B->rest, n);
    memcpy(B->L->g, B->turn, n * sizeof *B->turn);
    for (int k = 1; k < TERMS; k++) {
        if ((st = scryi_guided_forward(G, G->t, B->turn, err)) != SCRY_OK) return st;
        for (size_t i = 0; i < G->m; i++)
            G->t[i] *= G->w[i] * G->w[i];
        if ((st = scryi_guided_adjoint(G, G->u, G->t, err)) != SCRY_OK) return st;
        scry_axpy(B->rest, -1, B->turn, n);
        scry_axpy(B->rest, B->s * B->s, G->u, n);
        const double next = 1 / (2 * centre / half - ratio);
        scry_axpby(B->turn, next * ratio, B->turn, 2 * next / half, B->rest, n);
        scry_axpy(B->L->g, 1, B->turn, n);
        ratio = next;
    }
    return SCRY_OK;
}

scry_status scryi_blurred_gradient(struct scryi_blurred *B, const float *x, scry_error *err)
{
    struct scryi_langevin *L = B->L;
    scry_status st = scryi_langevin_pull(L, x, err);
    if (st == SCRY_OK && B->share > 0) st = blurred_uncouple(B, err);
    if (st != SCRY_OK) return st;
    return scryi_langevin_push(L, x, B->s, 1, B->options.prior_weight, err);
}

/* S->x0 = x0 given S->x + extra n */
static scry_status blurred_draw(struct scryi_blurred *B, double extra, scry_error *err)
{
    struct scryi_guided *G = B->L->G;
    struct scryi_sampler *S = &G->base;
    const struct scryi_reverse reverse = {
        .levels = B->levels,
        .count = SCRYI_BLURRED_LEVELS,
        .low = fmax(LAST * B->s, B->sigma_low),
        .rho = 7,
        .spread = 1,
        .left = SCRYI_DRAW_DATA,
        .fresh = SCRYI_DRAW_SPARE,
        .at = (S->base.step + 1) * SCRYI_BLURRED_LEVELS,
    };
    const bool exact = B->options.coupling == SCRYI_COUPLING_EXACT;
    float *x = exact ? B->noisy : S->x0;
    memcpy(x, S->x, S->base.n * sizeof *x);
    if (extra > 0) {
        scryi_sampler_draw(S, S->z, SCRYI_DRAW_IMAGE);
        scry_axpy(x, extra, S->z, S->base.n);
    }
    return exact ? scryi_reverse_draw(G, S->x0, x, B->s, &reverse, err) : SCRY_OK;
}

scry_status scryi_blurred_report(struct scryi_blurred *B, double extra, scry_progress *p,
                                 scry_error *err)
{
    struct scryi_sampler *S = &B->L->G->base;
    scryi_langevin_report(B->L, B->s, p);
    if (!scryi_solver_drew(&S->base)) return SCRY_OK;
    p->x0 = S->x0;
    return blurred_draw(B, extra, err);
}
