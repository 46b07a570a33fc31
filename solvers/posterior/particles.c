#include "solvers/posterior/particles_impl.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "priors/gaussian.h"

#include <math.h>
#include <string.h>

scry_status scryi_particles_init(struct scryi_particles *P, struct scryi_guided *G, size_t count,
                                 scry_error *err)
{
    const size_t n = G->base.base.n;
    P->G = G;
    P->count = count;
    P->x = scry_alloc(count, n * sizeof *P->x);
    P->D = scry_alloc(count, n * sizeof *P->D);
    P->extra = scry_alloc(count, n * sizeof *P->extra);
    P->logw = scry_alloc(count, sizeof *P->logw);
    P->score = scry_alloc(count, sizeof *P->score);
    P->children = scry_alloc(count, sizeof *P->children);
    if (P->x && P->D && P->extra && P->logw && P->score && P->children) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu particles of %zu values", G->base.base.method->name,
                     count, n);
}

void scryi_particles_clear(struct scryi_particles *P)
{
    void *owned[] = {P->x, P->D, P->extra, P->logw, P->score, P->children};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        scry_free(owned[i]);
}

scry_status scryi_particles_start(struct scryi_particles *P, scry_error *err)
{
    struct scryi_sampler *S = &P->G->base;
    struct scry_solver *base = &S->base;
    scry_status st = scryi_guided_start(base, err);
    if (st != SCRY_OK) return st;
    base->log_evidence = 0;
    if (base->problem.model) return scry_gaussian_mean(base->problem.model, S->x, err);
    memset(S->x, 0, base->n * sizeof *S->x);
    return SCRY_OK;
}

double scryi_particles_variance(double s, double next)
{
    const double fall = 1 - next * next / (s * s);
    return next * next * fall + fall * fall * s * s / (1 + s * s);
}

void scryi_particles_draw(const struct scryi_particles *P, float *z, size_t k, bool start)
{
    const struct scry_solver *S = &P->G->base.base;
    scry_rng_normal(z, k * S->n, S->n, S->seed, S->chain,
                    scry_rng_step(start ? 0 : S->step + 1, SCRYI_DRAW_SPARE));
}

/* The largest log weight; ENUMERIC when one is infinite or not a number, or all weights are 0. */
static scry_status particles_largest(const struct scryi_particles *P, size_t *at, scry_error *err)
{
    *at = 0;
    for (size_t k = 0; k < P->count; k++) {
        if (isnan(P->logw[k]) || P->logw[k] == INFINITY)
            return SCRY_FAIL(err, SCRY_ENUMERIC, "log weight %g of particle %zu", P->logw[k], k);
        if (P->logw[k] > P->logw[*at]) *at = k;
    }
    if (P->logw[*at] > -INFINITY) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENUMERIC, "all %zu particles have weight 0", P->count);
}

/* A uniform random number of this step, from a stream of its own. */
static double particles_uniform(const struct scryi_particles *P)
{
    const struct scry_solver *S = &P->G->base.base;
    float u;
    scry_rng_uniform(&u, 0, 1, S->seed, S->chain, scry_rng_step(S->step + 1, SCRYI_DRAW_IMAGE));
    return u;
}

/* Particles without children are replaced by copies of those with several. */
static void particles_replace(struct scryi_particles *P)
{
    const size_t n = P->G->base.base.n;
    for (size_t k = 0, from = 0; k < P->count; k++) {
        if (P->children[k] > 0) continue;
        while (P->children[from] < 2)
            from++;
        memcpy(P->x + k * n, P->x + from * n, n * sizeof *P->x);
        memcpy(P->D + k * n, P->D + from * n, n * sizeof *P->D);
        memcpy(P->extra + k * n, P->extra + from * n, n * sizeof *P->extra);
        P->score[k] = P->score[from];
        P->children[from]--;
    }
}

scry_status scryi_particles_resample(struct scryi_particles *P, double share, scry_error *err)
{
    size_t top;
    double sum = 0, square = 0, reached = 0;
    scry_status st = particles_largest(P, &top, err);
    if (st != SCRY_OK) return st;
    const double max = P->logw[top], K = (double)P->count;
    for (size_t k = 0; k < P->count; k++) {
        const double w = exp(P->logw[k] - max);
        sum += w;
        square += w * w;
    }
    if (sum * sum >= share * K * square) return SCRY_OK;
    P->G->base.base.log_evidence += max + log(sum / K);
    const double offset = particles_uniform(P);
    size_t drawn = 0;
    for (size_t k = 0; k < P->count; k++) { /* the points (i + offset) / K that fall to k */
        reached += exp(P->logw[k] - max) / sum;
        P->children[k] = 0;
        while (drawn < P->count && ((double)drawn + offset) / K < reached) {
            P->children[k]++;
            drawn++;
        }
    }
    P->children[top] += P->count - drawn; /* points lost to rounding */
    particles_replace(P);
    memset(P->logw, 0, P->count * sizeof *P->logw);
    return SCRY_OK;
}

/* One by weight, at the end of a run. */
static size_t particles_pick(struct scryi_particles *P, size_t top)
{
    double sum = 0, reached = 0;
    for (size_t k = 0; k < P->count; k++)
        sum += exp(P->logw[k] - P->logw[top]);
    P->G->base.base.log_evidence += P->logw[top] + log(sum / (double)P->count);
    const double point = particles_uniform(P) * sum;
    for (size_t k = 0; k < P->count; k++) {
        reached += exp(P->logw[k] - P->logw[top]);
        if (point < reached) return k;
    }
    return top;
}

scry_status scryi_particles_move(struct scryi_particles *P, scry_progress *p, scry_error *err)
{
    struct scryi_guided *G = P->G;
    struct scry_solver *base = &G->base.base;
    size_t k;
    scry_status st = particles_largest(P, &k, err);
    if (st != SCRY_OK) return st;
    if (base->step + 1 == base->steps) k = particles_pick(P, k);
    memcpy(G->base.x0, P->D + k * base->n, base->n * sizeof *P->D);
    if ((st = scryi_guided_linearise(G, G->base.x0, err)) != SCRY_OK) return st;
    return scryi_guided_move(G, 0, p, err);
}
