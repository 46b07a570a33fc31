#include "solvers/posterior/reverse_impl.h"

#include "lib/rng.h"
#include "lib/vector.h"
#include "priors/gaussian.h"
#include "priors/schedule.h"

#include <math.h>

static void reverse_noise(struct scryi_sampler *S, const struct scryi_reverse *R, size_t k,
                          enum scryi_draw draw)
{
    scry_rng_normal(S->z, 0, S->base.n, S->base.seed, S->base.chain,
                    scry_rng_step(R->at + k, draw));
}

/* x0, the denoised state at s, plus a draw of its error, spread V^(1/2) n. */
static scry_status reverse_scatter(struct scryi_guided *G, float *x0, size_t k, double s,
                                   const struct scryi_reverse *R, scry_error *err)
{
    struct scryi_sampler *S = &G->base;
    const struct scry_solver *base = &S->base;
    if (!(R->spread > 0)) return SCRY_OK;
    reverse_noise(S, R, k, R->left);
    if (!base->problem.model) {
        scry_axpy(x0, R->spread * s / sqrt(1 + s * s), S->z, base->n);
        return SCRY_OK;
    }
    scry_status st = scry_gaussian_apply(base->problem.model, G->u, S->z, SCRY_GAUSSIAN_SHRINK_SQRT,
                                         s * s, G->condition.model_work, err);
    scry_axpy(x0, R->spread, G->u, base->n);
    return st;
}

scry_status scryi_reverse_draw(struct scryi_guided *G, float *x0, float *x, double s,
                               const struct scryi_reverse *R, scry_error *err)
{
    struct scryi_sampler *S = &G->base;
    const size_t n = S->base.n;
    scry_status st = scry_schedule_karras(R->levels, R->count, fmin(R->low, s), s, R->rho, err);
    for (size_t k = 0; k < R->count && st == SCRY_OK; k++) {
        const double now = R->levels[k], next = R->levels[k + 1];
        /* where all levels are the lowest of the prior, rounding makes some of them rise */
        const double keep = fmin(next * next / (now * now), 1);
        if ((st = scryi_sampler_denoise(S, x0, x, now, err)) != SCRY_OK) return st;
        if ((st = reverse_scatter(G, x0, k, now, R, err)) != SCRY_OK) return st;
        reverse_noise(S, R, k, R->fresh);
        scry_axpby(x, 1 - keep, x0, keep, x, n);
        scry_axpy(x, next * sqrt(1 - keep), S->z, n);
    }
    return st;
}
