#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/particles_impl.h"

#include <math.h>
#include <string.h>

/* MCGdiff: sequential Monte Carlo over the ancestral chain of the prior in the singular basis of
 * A = U S V^H. A coefficient yb = U^H b / S of variance v = sy^2 / S^2 is the image's own
 * coefficient in noise, so it has the distribution of the state's coefficient at the level sqrt(v),
 * and is used as that. Between levels s > s' of the schedule the missing noise is added: s'^2 >= v
 * yb guides, seen through R = s'^2 - v, the noise that raises it to s' s^2 > v > s'^2       yb is
 * seen through R = v - s'^2, once v >= s^2             the prior's own moves Particles move by the
 * ancestral kernel N(m, t^2 I), m = D + (s'/s)^2 (x - D), conditioned on the coefficients that are
 * seen, which is Gaussian. A weight is multiplied by N(yb; V^H m, t^2 + R) and divided by the guide
 * of the level before, N(yb; V^H x, s^2 - v). No vector-Jacobian product. Cardoso, Janati el
 * Idrissi, Le Corff, Moulines 2024, Alg. 2, where levels are chosen so that each v is one of them:
 * with the missing noise added any schedule works; at the last step s' = 0 and R = v.
 *
 * Sums over coefficients are computed among images, |V K^(1/2) V^H e|^2, where complex pairs have
 * the right weight. */

struct mcgdiff_options {
    struct scryi_sampler_options sampler;
    size_t particles;
    double resample_below;
};

struct mcgdiff {
    struct scryi_guided G; /* first */
    struct scryi_particles P;
    scry_svd svd;
    float *y;      /* V U^H b / S: the measurement as an image, 0 where it has no information */
    float *e;      /* scratch: an image */
    float *c, *cz; /* scratch: coefficients */
    double *v;     /* variance of a coefficient; INFINITY: not measured */
    double *gain, *spread;  /* of a step: the share taken from yb; sd of the noise */
    double *weight, *spent; /* of a step: 1 / (t^2 + R), and 1 / (s^2 - v) of the guide before */
};

/* Singular values below this share of the largest are rounding. */
static const double SMALLEST = 1e-6;

/* The factors of a step from s (INFINITY: the start) to `next` by a kernel of variance t2. */
static void mcgdiff_prepare(struct mcgdiff *M, double s, double next, double t2)
{
    for (size_t i = 0; i < M->svd.count; i++) {
        const double v = M->v[i], R = fabs(next * next - v);
        const bool seen = isfinite(v) && s * s > v;
        M->gain[i] = seen && t2 > 0 ? t2 / (t2 + R) : 0;
        M->spread[i] = seen ? sqrt(M->gain[i] * R) : sqrt(t2);
        M->weight[i] = seen ? 1 / (t2 + R) : 0;
        M->spent[i] = seen && isfinite(s) ? 1 / (s * s - v) : 0;
    }
}

/* *sum = sum_i K_i |V^H (y - x)|_i^2 */
static scry_status mcgdiff_distance(struct mcgdiff *M, double *sum, const float *x, const double *K,
                                    scry_error *err)
{
    struct scryi_guided *G = &M->G;
    const size_t per = (size_t)M->svd.floats_per, n = G->base.base.n;
    scry_axpby(M->e, 1, M->y, -1, x, n);
    scry_status st = scry_op_svd_vh(G->A, M->c, M->e, G->op_work, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < M->svd.count * per; i++)
        M->c[i] *= (float)sqrt(K[i / per]);
    st = scry_op_svd_v(G->A, M->e, M->c, G->op_work, err);
    *sum = scry_dot(M->e, M->e, n);
    return st;
}

/* x = m + V (gain V^H (y - m) + spread V^H z) of particle k */
static scry_status mcgdiff_move(struct mcgdiff *M, float *x, const float *m, size_t k, bool first,
                                scry_error *err)
{
    struct scryi_guided *G = &M->G;
    const size_t per = (size_t)M->svd.floats_per, n = G->base.base.n;
    scry_status st;
    scryi_particles_draw(&M->P, G->base.z, k, first);
    scry_axpby(M->e, 1, M->y, -1, m, n);
    if ((st = scry_op_svd_vh(G->A, M->c, M->e, G->op_work, err)) != SCRY_OK) return st;
    if ((st = scry_op_svd_vh(G->A, M->cz, G->base.z, G->op_work, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < M->svd.count * per; i++)
        M->c[i] = (float)(M->gain[i / per] * M->c[i] + M->spread[i / per] * M->cz[i]);
    if ((st = scry_op_svd_v(G->A, M->e, M->c, G->op_work, err)) != SCRY_OK) return st;
    scry_axpby(x, 1, m, 1, M->e, n);
    return SCRY_OK;
}

/* D and m of particle k at level s, and its weight. */
static scry_status mcgdiff_look(struct mcgdiff *M, size_t k, double s, double ratio,
                                scry_error *err)
{
    struct scryi_particles *P = &M->P;
    const size_t n = M->G.base.base.n;
    float *x = P->x + k * n, *D = P->D + k * n, *m = P->extra + k * n;
    double ahead, back;
    scry_status st = scryi_sampler_denoise(&M->G.base, D, x, s, err);
    if (st != SCRY_OK) return st;
    scry_axpby(m, 1 - ratio, D, ratio, x, n);
    if ((st = mcgdiff_distance(M, &ahead, m, M->weight, err)) != SCRY_OK) return st;
    if ((st = mcgdiff_distance(M, &back, x, M->spent, err)) != SCRY_OK) return st;
    P->logw[k] += 0.5 * (back - ahead);
    return SCRY_OK;
}

static scry_status mcgdiff_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct mcgdiff *M = (struct mcgdiff *)base;
    struct scryi_particles *P = &M->P;
    struct scryi_sampler *S = &M->G.base;
    const struct mcgdiff_options *o = scry_options_block(&base->options);
    const double s = S->sigma[base->step], next = S->sigma[base->step + 1];
    const double ratio = next * next / (s * s);
    scry_status st = SCRY_OK;
    mcgdiff_prepare(M, s, next, next > 0 ? scryi_particles_variance(s, next) : 0);
    for (size_t k = 0; k < P->count && st == SCRY_OK; k++)
        st = mcgdiff_look(M, k, s, ratio, err);
    if (st == SCRY_OK && next > 0) st = scryi_particles_resample(P, o->resample_below, err);
    for (size_t k = 0; k < P->count && next > 0 && st == SCRY_OK; k++)
        st = mcgdiff_move(M, P->x + k * base->n, P->extra + k * base->n, k, false, err);
    return st == SCRY_OK ? scryi_particles_move(P, p, err) : st;
}

static scry_status mcgdiff_start(struct scry_solver *base, scry_error *err)
{
    struct mcgdiff *M = (struct mcgdiff *)base;
    struct scryi_particles *P = &M->P;
    struct scryi_sampler *S = &M->G.base;
    scry_status st = scryi_particles_start(P, err);
    mcgdiff_prepare(M, INFINITY, S->sigma[0], S->sigma[0] * S->sigma[0]);
    for (size_t k = 0; k < P->count && st == SCRY_OK; k++) {
        P->logw[k] = 0;
        st = mcgdiff_move(M, P->x + k * base->n, S->x, k, true, err);
    }
    return st;
}

static void mcgdiff_destroy(struct scry_solver *base)
{
    struct mcgdiff *M = (struct mcgdiff *)base;
    if (!M) return;
    void *owned[] = {M->y, M->e, M->c, M->cz, M->v, M->gain, M->spread, M->weight, M->spent};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        scry_free(owned[i]);
    scryi_particles_clear(&M->P);
    scryi_guided_destroy(base);
}

static scry_status mcgdiff_allocate(struct mcgdiff *M, scry_error *err)
{
    const size_t n = M->G.base.base.n, count = M->svd.count;
    const size_t floats = count * (size_t)M->svd.floats_per;
    double **factors[] = {&M->v, &M->gain, &M->spread, &M->weight, &M->spent};
    bool ok = (M->y = scry_alloc(n, sizeof *M->y)) != NULL;
    ok = (M->e = scry_alloc(n, sizeof *M->e)) && ok;
    ok = (M->c = scry_alloc(floats, sizeof *M->c)) && ok;
    ok = (M->cz = scry_alloc(floats, sizeof *M->cz)) && ok;
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++)
        ok = (*factors[i] = scry_alloc(count, sizeof(double))) && ok;
    if (ok) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "mcgdiff: %zu coefficients", count);
}

/* y and v, of Gaussian noise: the same for every chain. */
static scry_status mcgdiff_observe(struct mcgdiff *M, scry_error *err)
{
    struct scryi_guided *G = &M->G;
    const size_t per = (size_t)M->svd.floats_per;
    double largest = 0;
    scry_status st = scry_likelihood_linearise(G->base.base.problem.L, G->w, G->b, NULL, err);
    if (st != SCRY_OK) return st;
    if ((st = scry_op_svd_uh(G->A, M->c, G->b, G->op_work, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < M->svd.count; i++)
        largest = fmax(largest, M->svd.values[i]);
    for (size_t i = 0; i < M->svd.count; i++) {
        const double S = M->svd.values[i];
        const bool measured = S > SMALLEST * largest;
        M->v[i] = measured ? 1 / (G->w[0] * S * S) : INFINITY;
        for (size_t j = i * per; j < (i + 1) * per; j++)
            M->c[j] = measured ? (float)(M->c[j] / S) : 0;
    }
    return scry_op_svd_v(G->A, M->y, M->c, G->op_work, err);
}

static scry_status mcgdiff_plan(scry_solver **out, const scry_problem *problem,
                                const scry_options *options, scry_error *err)
{
    if (!scry_likelihood_is_gaussian(problem->L))
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "mcgdiff needs Gaussian noise of one level; tds takes counted light");
    const struct mcgdiff_options *o = scry_options_block(options);
    struct mcgdiff *M = scry_alloc(1, sizeof *M);
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", scry_method_mcgdiff.name);
    struct scry_solver *S = &M->G.base.base;
    S->start_fn = mcgdiff_start;
    S->step_fn = mcgdiff_step;
    S->destroy = mcgdiff_destroy;
    scry_status st = scryi_guided_init(&M->G, problem, options, &o->sampler, err);
    if (st == SCRY_OK) st = scryi_particles_init(&M->P, &M->G, o->particles, err);
    if (st == SCRY_OK) st = scry_op_svd(scry_likelihood_op(problem->L), &M->svd, err);
    if (st == SCRY_OK) st = mcgdiff_allocate(M, err);
    if (st == SCRY_OK) st = mcgdiff_observe(M, err);
    if (st == SCRY_OK)
        *out = S;
    else
        mcgdiff_destroy(S);
    return st;
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct mcgdiff_options, 100),
    {"particles", NULL, SCRY_FIELD(struct mcgdiff_options, particles), 32, 1, 100000, NULL,
     "states of a run, of which one is drawn at the end"},
    {"resample-below", "zeta", SCRY_FIELD(struct mcgdiff_options, resample_below), 0.5, 0, 1, NULL,
     "effective share of the particles below which they are resampled"},
    {0},
};

const struct scry_method scry_method_mcgdiff = {
    .name = "mcgdiff",
    .title = "Monte Carlo guided diffusion",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_SVD | SCRY_NEEDS_GAUSSIAN,
    .exact = "exact for any prior as particles and steps grow; how many particles that takes grows "
             "with the measurement",
    .citation = "Cardoso, Janati el Idrissi, Le Corff, Moulines 2024, ICLR (arXiv:2308.07983)",
    .options = options,
    .plan = mcgdiff_plan,
};
