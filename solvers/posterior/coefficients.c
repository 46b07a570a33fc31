#include "solvers/posterior/coefficients_impl.h"

#include "lib/memory.h"
#include "lib/rng.h"

#include <math.h>
#include <string.h>

struct coefficients {
    struct scryi_guided G; /* first */
    scryi_coefficient_fn *update;
    scry_svd svd;
    size_t floats;   /* of a vector of coefficients */
    bool selective;  /* every coefficient reads one entry of the measurement */
    bool ready;      /* variance and y are up to date for good: Gaussian noise */
    float *variance; /* of U^H b, one a coefficient; < 0: not measured */
    float *y, *c, *cx, *cz;
    float *estimate;
};

/* Whether U^H picks entries: then |U^H e| does not depend on the signs of the entries of e. */
static scry_status coefficients_probe(struct coefficients *M, scry_error *err)
{
    struct scryi_guided *G = &M->G;
    scry_status st;
    M->selective = M->svd.floats_per == 1;
    if (!M->selective) return SCRY_OK;
    for (size_t i = 0; i < G->m; i++)
        G->t[i] = 1 + (float)(i % 7) / 8;
    if ((st = scry_op_svd_uh(G->A, M->y, G->t, G->op_work, err)) != SCRY_OK) return st;
    scry_rng_uniform(G->r, 0, G->m, 0, 0, 0);
    for (size_t i = 0; i < G->m; i++)
        G->t[i] = G->r[i] < 0.5f ? -G->t[i] : G->t[i];
    if ((st = scry_op_svd_uh(G->A, M->c, G->t, G->op_work, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < M->svd.count && M->selective; i++)
        if (M->svd.values[i] > 0)
            M->selective = fabsf(fabsf(M->y[i]) - fabsf(M->c[i])) <= 1e-5f * fabsf(M->y[i]);
    return SCRY_OK;
}

static scry_status coefficients_variances(struct coefficients *M, scry_error *err)
{
    struct scryi_guided *G = &M->G;
    const size_t count = M->svd.count;
    if (M->selective) {
        for (size_t i = 0; i < G->m; i++)
            G->t[i] = G->w[i];
        scry_status st = scry_op_svd_uh(G->A, M->variance, G->t, G->op_work, err);
        for (size_t i = 0; i < count; i++) {
            const float w = fabsf(M->variance[i]);
            M->variance[i] = w > 0 ? 1 / (w * w) : -1;
        }
        return st;
    }
    if (G->known < G->m)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: %zu of %zu entries of the measurement carry no information, which "
                         "the decomposition of %s cannot leave out",
                         G->base.base.method->name, G->m - G->known, G->m, scry_op_name(G->A));
    double sum = 0;
    for (size_t i = 0; i < G->m; i++)
        sum += 1 / ((double)G->w[i] * G->w[i]);
    for (size_t i = 0; i < count; i++)
        M->variance[i] = (float)(sum / (double)G->m);
    return SCRY_OK;
}

double scryi_coefficient_free(const struct scryi_coefficient *c, double eta, double *state)
{
    *state = c->D + c->next * (eta * c->z + sqrt(1 - eta * eta) * (c->x - c->D) / c->s);
    return c->D;
}

/* c becomes the coefficients of the next state, cx those of the estimate of the image. */
static void coefficients_update(struct coefficients *M, double s, double next)
{
    const size_t per = (size_t)M->svd.floats_per;
    const void *options = scry_options_block(&M->G.base.base.options);
    for (size_t i = 0; i < M->floats; i++) {
        const double S = M->svd.values[i / per], v = M->variance[i / per];
        struct scryi_coefficient c = {.S = S, .s = s, .next = next};
        double state;
        c.D = M->c[i];
        c.x = M->cx[i];
        c.z = M->cz[i];
        c.measured = S > 0 && v >= 0;
        if (c.measured) {
            c.y = M->y[i] / S;
            c.v = v / (S * S);
        }
        M->cx[i] = (float)M->update(&c, options, &state);
        M->c[i] = (float)state;
    }
}

static scry_status coefficients_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct coefficients *M = (struct coefficients *)base;
    struct scryi_guided *G = &M->G;
    struct scryi_sampler *S = &G->base;
    void *work = G->op_work;
    const double s = S->sigma[base->step], next = S->sigma[base->step + 1];
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, s, err);
    if (st != SCRY_OK) return st;
    if ((st = scryi_guided_linearise(G, S->x0, err)) != SCRY_OK) return st;
    if (!M->ready) {
        if ((st = coefficients_variances(M, err)) != SCRY_OK) return st;
        if ((st = scry_op_svd_uh(G->A, M->y, G->b, work, err)) != SCRY_OK) return st;
        M->ready = G->gaussian;
    }
    scryi_sampler_draw(S, S->z, SCRYI_DRAW_STATE);
    if ((st = scry_op_svd_vh(G->A, M->c, S->x0, work, err)) != SCRY_OK) return st;
    if ((st = scry_op_svd_vh(G->A, M->cx, S->x, work, err)) != SCRY_OK) return st;
    if ((st = scry_op_svd_vh(G->A, M->cz, S->z, work, err)) != SCRY_OK) return st;
    coefficients_update(M, s, next);
    if ((st = scry_op_svd_v(G->A, M->estimate, M->cx, work, err)) != SCRY_OK) return st;
    if ((st = scry_op_svd_v(G->A, G->u, M->c, work, err)) != SCRY_OK) return st;
    memcpy(S->x0, M->estimate, base->n * sizeof *S->x0);
    if ((st = scryi_guided_move(G, 0, p, err)) != SCRY_OK) return st;
    memcpy(S->x, G->u, base->n * sizeof *S->x);
    return SCRY_OK;
}

static scry_status coefficients_start(struct scry_solver *base, scry_error *err)
{
    ((struct coefficients *)base)->ready = false;
    return scryi_guided_start(base, err);
}

static void coefficients_destroy(struct scry_solver *base)
{
    struct coefficients *M = (struct coefficients *)base;
    if (!M) return;
    float *owned[] = {M->variance, M->y, M->c, M->cx, M->cz, M->estimate};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        scry_free(owned[i]);
    scryi_guided_destroy(base);
}

static scry_status coefficients_allocate(struct coefficients *M, scry_error *err)
{
    float **coefficients[] = {&M->y, &M->c, &M->cx, &M->cz};
    bool ok = (M->variance = scry_alloc(M->svd.count, sizeof(float))) != NULL;
    ok = (M->estimate = scry_alloc(M->G.base.base.n, sizeof(float))) && ok;
    for (size_t i = 0; i < sizeof coefficients / sizeof *coefficients; i++)
        ok = (*coefficients[i] = scry_alloc(M->floats, sizeof(float))) && ok;
    if (ok) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu coefficients", M->G.base.base.method->name,
                     M->svd.count);
}

scry_status scryi_coefficients_plan(scry_solver **out, scryi_coefficient_fn *fn,
                                    const scry_problem *problem, const scry_options *options,
                                    const struct scryi_sampler_options *o, scry_error *err)
{
    struct coefficients *M = scry_alloc(1, sizeof *M);
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", options->method->name);
    struct scry_solver *S = &M->G.base.base;
    M->update = fn;
    S->start_fn = coefficients_start;
    S->step_fn = coefficients_step;
    S->destroy = coefficients_destroy;
    scry_status st = scryi_guided_init(&M->G, problem, options, o, err);
    if (st == SCRY_OK) st = scry_op_svd(M->G.A, &M->svd, err);
    M->floats = M->svd.count * (size_t)M->svd.floats_per;
    if (st == SCRY_OK) st = coefficients_allocate(M, err);
    if (st == SCRY_OK) st = coefficients_probe(M, err);
    if (st == SCRY_OK)
        *out = S;
    else
        coefficients_destroy(S);
    return st;
}
