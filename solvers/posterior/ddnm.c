#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/guided_impl.h"

#include <math.h>
#include <string.h>

/* DDNM+: the part of the image that A sees is replaced by the measurement, as far as its noise
 * allows, coefficient by coefficient of A = U S V^T. Wang et al. 2023, Eq. 17-19 and Appendix I, in
 * the coordinate x = x0 + s n. With c = V^T D, y = U^T b / S of variance v / S^2, next level s': S
 * > 0, s' >= sqrt(v) / S   c' = y + sqrt(s'^2 - v / S^2) z          (the noise of y is part of s')
 *   S > 0, else                c' = c + l (y - c) + eta s' z,   l = S s' sqrt((1 - eta^2) / v)
 *   S = 0                      c' = c + s' (eta z + sqrt(1 - eta^2) (V^T x - c) / s)
 * The variance of a coefficient is its own where each coefficient reads one measurement (masks), so
 * that photon noise enters pixel by pixel; otherwise it is the mean variance of the measurement. */

struct ddnm {
    struct scryi_guided base;
    scry_svd svd;
    size_t floats;   /* of a vector of coefficients */
    bool selective;  /* every coefficient reads one entry of the measurement */
    bool ready;      /* variance and y are up to date for good: Gaussian noise */
    float *variance; /* of U^T b, one a coefficient; < 0: not measured */
    float *y, *c, *cx, *cz;
    float *estimate;
};

/* Whether U^T picks entries: then |U^T e| does not change with the signs of e, whatever they are.
 */
static scry_status probe(struct ddnm *M, scry_error *err)
{
    struct scryi_guided *G = &M->base;
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

static scry_status variances(struct ddnm *M, scry_error *err)
{
    struct scryi_guided *G = &M->base;
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
    double sum = 0;
    for (size_t i = 0; i < G->m; i++)
        sum += 1 / ((double)G->w[i] * G->w[i]);
    if (G->known < G->m)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "ddnm: %zu of %zu entries of the measurement carry no information, which "
                         "the decomposition of %s cannot leave out",
                         G->m - G->known, G->m, scry_op_name(G->A));
    for (size_t i = 0; i < count; i++)
        M->variance[i] = (float)(sum / (double)G->m);
    return SCRY_OK;
}

/* c becomes the coefficients of the next state, cx those of the estimate of the image. */
static void update(struct ddnm *M, double s, double next)
{
    const double eta = M->base.base.base.opts.eta, calm = sqrt(1 - eta * eta);
    const int per = M->svd.floats_per;
    for (size_t i = 0; i < M->floats; i++) {
        const double S = M->svd.values[i / (size_t)per], v = M->variance[i / (size_t)per];
        const double c = M->c[i], z = M->cz[i];
        if (!(S > 0) || v < 0) {
            M->c[i] = (float)(c + next * (eta * z + calm * (M->cx[i] - c) / s));
            M->cx[i] = (float)c;
            continue;
        }
        const double y = M->y[i] / S, floor = v / (S * S);
        if (next * next >= floor) {
            M->c[i] = (float)(y + sqrt(next * next - floor) * z);
            M->cx[i] = (float)y;
        } else {
            const double x0 = c + next * calm / sqrt(floor) * (y - c);
            M->c[i] = (float)(x0 + eta * next * z);
            M->cx[i] = (float)x0;
        }
    }
}

static scry_status step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct ddnm *M = (struct ddnm *)base;
    struct scryi_guided *G = &M->base;
    struct scryi_sampler *S = &G->base;
    void *work = G->op_work;
    const double s = S->sigma[base->step], next = S->sigma[base->step + 1];
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, s, err);
    if (st != SCRY_OK) return st;
    if ((st = scryi_guided_linearise(G, S->x0, err)) != SCRY_OK) return st;
    if (!M->ready) {
        if ((st = variances(M, err)) != SCRY_OK) return st;
        if ((st = scry_op_svd_uh(G->A, M->y, G->b, work, err)) != SCRY_OK) return st;
        M->ready = G->gaussian;
    }
    scryi_sampler_draw(S, S->z, SCRYI_DRAW_STATE);
    if ((st = scry_op_svd_vh(G->A, M->c, S->x0, work, err)) != SCRY_OK) return st;
    if ((st = scry_op_svd_vh(G->A, M->cx, S->x, work, err)) != SCRY_OK) return st;
    if ((st = scry_op_svd_vh(G->A, M->cz, S->z, work, err)) != SCRY_OK) return st;
    update(M, s, next);
    if ((st = scry_op_svd_v(G->A, M->estimate, M->cx, work, err)) != SCRY_OK) return st;
    if ((st = scry_op_svd_v(G->A, G->u, M->c, work, err)) != SCRY_OK) return st;
    memcpy(S->x0, M->estimate, base->n * sizeof *S->x0);
    if ((st = scryi_guided_move(G, 0, p, err)) != SCRY_OK) return st;
    memcpy(S->x, G->u, base->n * sizeof *S->x);
    return SCRY_OK;
}

static scry_status start(struct scry_solver *base, scry_error *err)
{
    ((struct ddnm *)base)->ready = false;
    return scryi_guided_start(base, err);
}

static void destroy(struct scry_solver *base)
{
    struct ddnm *M = (struct ddnm *)base;
    if (!M) return;
    float *owned[] = { M->variance, M->y, M->c, M->cx, M->cz, M->estimate };
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        scry_free(owned[i]);
    scryi_guided_destroy(base);
}

static scry_status allocate(struct ddnm *M, scry_error *err)
{
    float **coefficients[] = { &M->y, &M->c, &M->cx, &M->cz };
    bool ok = (M->variance = scry_alloc(M->svd.count, sizeof(float))) != NULL;
    ok = (M->estimate = scry_alloc(M->base.base.base.n, sizeof(float))) && ok;
    for (size_t i = 0; i < sizeof coefficients / sizeof *coefficients; i++)
        ok = (*coefficients[i] = scry_alloc(M->floats, sizeof(float))) && ok;
    return ok ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "ddnm: %zu coefficients", M->svd.count);
}

static scry_status plan(scry_solver **out, const scry_problem *problem,
                        const scry_solver_opts *opts, scry_error *err)
{
    struct ddnm *M = scry_alloc(1, sizeof *M);
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", scry_method_ddnm.name);
    struct scry_solver *S = &M->base.base.base;
    S->start_fn = start;
    S->step_fn = step;
    S->destroy = destroy;
    scry_status st = scryi_guided_init(&M->base, &scry_method_ddnm, problem, opts, err);
    if (st == SCRY_OK) st = scry_op_svd(M->base.A, &M->svd, err);
    M->floats = M->svd.count * (size_t)M->svd.floats_per;
    if (st == SCRY_OK) st = allocate(M, err);
    if (st == SCRY_OK) st = probe(M, err);
    if (st == SCRY_OK)
        *out = S;
    else
        destroy(S);
    return st;
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(50),
    { "travel", 1, 1, 100, "visits of each level, with noise added between them" },
    { "eta", 0.85, 0, 1, "share of fresh noise in what the measurement does not see" },
    SCRYI_START_OPTIONS,
    { 0 },
};

const struct scry_method scry_method_ddnm = {
    .name = "ddnm",
    .title = "DDNM+",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_SVD | SCRY_NEEDS_GAUSSIAN,
    .exact = "approximate: exact data where they are noise-free; its spread is too small",
    .citation = "Wang, Yu, Zhang 2023, ICLR (arXiv:2212.00490), DDNM+",
    .options = options,
    .plan = plan,
};
