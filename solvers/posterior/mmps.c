#include "lib/memory.h"
#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/guided_impl.h"

#include <math.h>
#include <string.h>

/* Moment matching posterior sampling: x0 | x ~ N(D, V) with the prior's own covariance
 * V = s^2 dD/dx, and then
 *   x0 = D + V A^T w q,   K q = r,   K = w A V A^T w + I,   r = w (b - A D),
 * and a step around x0. Rozet et al. 2024, Eq. 18-20. Every product with V is one vector-Jacobian
 * product. The Jacobian of a trained network is not quite symmetric, and not always positive, so
 * the system is solved by generalised conjugate residuals (Eisenstat, Elman, Schultz 1983) and not
 * by conjugate gradients: they give the smallest residual over the directions so far, for any
 * directions. V A^T w of each direction is kept, which saves the product that would map q back to
 * the image. The first direction is q of the level before: along a trajectory q, the residual of
 * the posterior mean, changes little.
 *
 * With V positive and q exact, the whole correction d = V A^T w q does not overshoot the data:
 * <w A d, r> >= |w A d|^2. A q after few iterations, or of a Jacobian with negative parts, can
 * overshoot them or point away, and the next level starts from the result. So d is multiplied by
 * the share of it that fits the data best, which is 0 where every share makes the fit worse.
 *
 * The step is DDIM's (`order` 1), as published: the mean x0 is held over it, and the spread of x0
 * is left out, (1 - (s'/s)^2)^2 of it in an ancestral step. With `order` 2 x0 is extrapolated along
 * the trajectory, DPM-Solver++(2M) or with fresh noise its stochastic form (Lu et al. 2022,
 * arXiv:2211.01095, Alg. 2; the other, SDE-DPM-Solver++(2M), in its appendix), at the same cost. */

enum { MAX_INNER = 64, WHITE_ITERATIONS = 100 };
static const double FAR = 3, WHITE_TOLERANCE = 1e-3; /* sd of the noise; of a solve */
static const double FITS = 3;             /* chi2 above 1 that V may leave, in its own spreads */
static const double IMAGE_VARIANCE = 0.1; /* in the variable of networks */

struct mmps_options {
    struct scryi_sampler_options sampler;
    double fresh_noise;
    size_t order;
    size_t iterations; /* of the solve of a step */
    double tolerance;
};

struct mmps {
    struct scryi_guided G; /* first */
    size_t inner;
    float *p, *Kp; /* inner directions in measurement space, K of them, which are orthonormal */
    float *image;  /* V A^T w of these */
    float *q;      /* the latest solution */
    bool warm;     /* it is there */
    float *last;   /* order 2: x0 of the level before; else NULL */
};

/* out = w A V A^T w in + in;  image = V A^T w in */
static scry_status mmps_apply(struct mmps *M, float *out, float *image, const float *in,
                              scry_error *err)
{
    scry_status st;
    struct scryi_guided *G = &M->G;
    struct scryi_sampler *S = &G->base;
    const double s = S->sigma[S->base.step];
    for (size_t i = 0; i < G->m; i++)
        G->t[i] = G->w_now[i] * in[i];
    if ((st = scryi_guided_adjoint(G, G->v, G->t, err)) != SCRY_OK) return st;
    S->base.counts.vjp++;
    st = scry_prior_vjp(S->base.problem.prior, image, NULL, S->x, G->v, (float)s, S->prior_work,
                        err);
    if (st != SCRY_OK) return st;
    scry_scale(image, s * s, S->base.n);
    if ((st = scryi_guided_forward(G, G->t, image, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < G->m; i++)
        out[i] = G->w_now[i] * G->t[i] + in[i];
    return SCRY_OK;
}

/* Direction k of the solve becomes orthogonal to those before it, with |K p| = 1. false: it depends
 * on those before it. */
static bool mmps_orthogonalise(struct mmps *M, size_t k)
{
    const size_t m = M->G.m, n = M->G.base.base.n;
    float *p = M->p + k * m, *Kp = M->Kp + k * m, *image = M->image + k * n;
    const double whole = scry_norm(Kp, m);
    for (size_t i = 0; i < k; i++) { /* modified Gram-Schmidt */
        const double along = scry_dot(Kp, M->Kp + i * m, m);
        scry_axpy(Kp, -along, M->Kp + i * m, m);
        scry_axpy(p, -along, M->p + i * m, m);
        scry_axpy(image, -along, M->image + i * n, n);
    }
    const double size = scry_norm(Kp, m);
    if (!(size > 1e-6 * whole)) return false;
    scry_scale(Kp, 1 / size, m);
    scry_scale(p, 1 / size, m);
    scry_scale(image, 1 / size, n);
    return true;
}

/* The share of the correction d that fits the data best, from w A d = K q - q. left: r - K q. */
static double mmps_share(const struct mmps *M, const float *r, const float *left)
{
    double along = 0, square = 0;
    for (size_t i = 0; i < M->G.m; i++) {
        const double moved = (double)r[i] - left[i] - M->q[i];
        along += moved * r[i];
        square += moved * moved;
    }
    return square > 0 ? fmin(1, fmax(0, along / square)) : 0;
}

/* p = the solution for the residual `left` were V white, in place of `left` itself: the next
 * direction. Where the data are far from x0 the system spans many orders of magnitude, and the few
 * directions that a step affords would reach the largest of them alone. */
static scry_status mmps_precondition(struct mmps *M, float *p, const float *left, scry_error *err)
{
    struct scryi_guided *G = &M->G;
    const double s = G->base.sigma[G->base.base.step];
    const struct scryi_covariance V = scryi_covariance_white(s * s / (1 + s * s / IMAGE_VARIANCE));
    const struct scryi_cg_options cg = scryi_condition_settings(
        &G->condition, (struct scryi_cg_options){0}, WHITE_ITERATIONS, WHITE_TOLERANCE);
    scryi_condition_forget(&G->condition);
    scry_status st = scryi_condition_solve(&G->condition, left, G->w_now, &V, cg, err);
    if (st == SCRY_OK) st = scryi_condition_image(&G->condition, G->v, G->w_now, &V, err);
    if (st == SCRY_OK) st = scryi_guided_forward(G, G->t, G->v, err);
    for (size_t i = 0; i < G->m && st == SCRY_OK; i++)
        p[i] = left[i] - G->w_now[i] * G->t[i];
    return st;
}

/* What V, which may vanish where the network is sure of itself, leaves unexplained far above the
 * noise, a white covariance explains. In the last step counted noise is that of the result. */
static scry_status mmps_finish(struct mmps *M, float *x0, scry_error *err)
{
    struct scryi_guided *G = &M->G;
    const double s = G->base.sigma[G->base.base.step];
    const double known = (double)G->known;
    double sum = 0;
    bool explained;
    scry_status st = scryi_guided_forward(G, G->Au, x0, err);
    if (st == SCRY_OK && scryi_guided_is_last(G)) {
        if (!G->gaussian) st = scryi_guided_relinearise(G, G->Au, err);
        if (st == SCRY_OK) st = scryi_guided_explains(G, G->Au, &explained, err);
    } else {
        for (size_t i = 0; i < G->m; i++)
            sum += pow((double)G->w_now[i] * (G->b[i] - G->Au[i]), 2);
        explained = sum <= known + FITS * sqrt(2 * known);
    }
    if (st != SCRY_OK || explained) return st;
    scryi_condition_forget(&G->condition);
    const struct scryi_cg_options cg = scryi_condition_settings(
        &G->condition, (struct scryi_cg_options){0}, WHITE_ITERATIONS, WHITE_TOLERANCE);
    return scryi_guided_condition(G, x0, scryi_covariance_white(s * s), cg, 0, err);
}

/* x0 += V A^T w q */
static scry_status mmps_correct(struct mmps *M, float *x0, scry_error *err)
{
    struct scryi_guided *G = &M->G;
    const struct mmps_options *o = scry_options_block(&G->base.base.options);
    const size_t m = G->m, n = G->base.base.n;
    float *r = G->r, *left = G->noise, *d = G->u;
    const struct scryi_covariance white = scryi_covariance_white(1);
    const float max = G->gaussian ? INFINITY : (float)scryi_guided_largest_weight(G, &white);
    for (size_t i = 0; i < m; i++) {
        G->w_now[i] = fminf(G->w[i], max);
        left[i] = r[i] = G->w_now[i] * (G->b[i] - G->Au[i]);
    }
    const double enough = o->tolerance * scry_norm(r, m);
    const bool far = G->condition.update && scry_norm(r, m) > FAR * sqrt((double)G->known);
    if (far) M->warm = false;
    if (M->warm) memcpy(M->p, M->q, m * sizeof *M->q);
    memset(M->q, 0, m * sizeof *M->q);
    memset(d, 0, n * sizeof *d);
    for (size_t k = 0; k < M->inner && scry_norm(left, m) > enough; k++) {
        float *p = M->p + k * m, *Kp = M->Kp + k * m, *image = M->image + k * n;
        scry_status st = SCRY_OK;
        if (far)
            st = mmps_precondition(M, p, left, err);
        else if (k || !M->warm)
            memcpy(p, left, m * sizeof *p);
        if (st == SCRY_OK) st = mmps_apply(M, Kp, image, p, err);
        if (st != SCRY_OK) return st;
        if (!mmps_orthogonalise(M, k)) break;
        const double step = scry_dot(Kp, left, m);
        scry_axpy(left, -step, Kp, m);
        scry_axpy(M->q, step, p, m);
        scry_axpy(d, step, image, n);
    }
    /* one iteration alone must not go where the last one went */
    M->warm = M->inner > 1 && scry_norm(M->q, m) > 0;
    scry_axpy(x0, mmps_share(M, r, left), d, n);
    return G->condition.update ? mmps_finish(M, x0, err) : SCRY_OK;
}

/* Adds the extrapolation to a step around x0: the state then moved around
 * x0 + h / (2 h0) (x0 - last), h = log(s / s') and h0 that of the step before. */
static void mmps_extrapolate(struct mmps *M, size_t i, double fresh)
{
    struct scryi_sampler *S = &M->G.base;
    const size_t n = S->base.n;
    const double s = S->sigma[i], next = S->sigma[i + 1];
    if (i > 0 && next > 0 && next < s && s < S->sigma[i - 1]) {
        const double back = log(s / next) / (2 * log(S->sigma[i - 1] / s));
        const double moved = (1 - next * sqrt(1 - fresh) / s) * back;
        scry_axpy(S->x, moved, S->x0, n);
        scry_axpy(S->x, -moved, M->last, n);
    }
    memcpy(M->last, S->x0, n * sizeof *M->last);
}

static scry_status mmps_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct mmps *M = (struct mmps *)base;
    struct scryi_sampler *S = &M->G.base;
    const struct mmps_options *o = scry_options_block(&base->options);
    const size_t i = base->step;
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, S->sigma[i], err);
    if (st != SCRY_OK) return st;
    if ((st = scryi_guided_linearise(&M->G, S->x0, err)) != SCRY_OK) return st;
    if ((st = mmps_correct(M, S->x0, err)) != SCRY_OK) return st;
    const double fresh = scryi_sampler_ddim_share(S, o->fresh_noise);
    st = scryi_guided_move(&M->G, fresh, p, err);
    if (st == SCRY_OK && M->last) mmps_extrapolate(M, i, fresh);
    return st;
}

static scry_status mmps_start(struct scry_solver *base, scry_error *err)
{
    ((struct mmps *)base)->warm = false;
    return scryi_guided_start(base, err);
}

static void mmps_destroy(struct scry_solver *base)
{
    struct mmps *M = (struct mmps *)base;
    if (!M) return;
    float *owned[] = {M->p, M->Kp, M->image, M->q, M->last};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        scry_free(owned[i]);
    scryi_guided_destroy(base);
}

static scry_status mmps_plan(scry_solver **out, const scry_problem *problem,
                             const scry_options *options, scry_error *err)
{
    const struct mmps_options *o = scry_options_block(options);
    struct mmps *M = scry_alloc(1, sizeof *M);
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", scry_method_mmps.name);
    struct scry_solver *S = &M->G.base.base;
    S->start_fn = mmps_start;
    S->step_fn = mmps_step;
    S->destroy = mmps_destroy;
    scry_status st = scryi_guided_init(&M->G, problem, options, &o->sampler, err);
    if (st == SCRY_OK) st = scryi_guided_scatter(&M->G, err);
    if (st == SCRY_OK) {
        const size_t m = M->G.m, inner = o->iterations;
        M->inner = inner;
        bool ok = (M->p = scry_alloc(inner * m, sizeof *M->p)) != NULL;
        ok = (M->Kp = scry_alloc(inner * m, sizeof *M->Kp)) && ok;
        ok = (M->image = scry_alloc(inner * S->n, sizeof *M->image)) && ok;
        ok = (M->q = scry_alloc(m, sizeof *M->q)) && ok;
        if (o->order > 1) ok = (M->last = scry_alloc(S->n, sizeof *M->last)) && ok;
        if (!ok)
            st = SCRY_FAIL(err, SCRY_ENOMEM, "mmps: %zu directions of %zu values", inner,
                           2 * m + S->n);
    }
    if (st == SCRY_OK)
        *out = S;
    else
        mmps_destroy(S);
    return st;
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct mmps_options, 15),
    SCRYI_VISITS_OPTION(struct mmps_options),
    {"fresh-noise", "eta", SCRY_FIELD(struct mmps_options, fresh_noise), 1, 0, 1, NULL,
     "share of fresh noise: 0 deterministic, 1 ancestral"},
    {"order", NULL, SCRY_FIELD(struct mmps_options, order), 2, 1, 2, NULL,
     "1: DDIM's step, as published; 2: DPM-Solver++(2M), of second order without fresh noise"},
    {"solve-iterations", "inner", SCRY_FIELD(struct mmps_options, iterations), 3, 1, MAX_INNER,
     NULL, "iterations of the linear solve of a step, at most: one vector-Jacobian product each"},
    {"solve-tolerance", "tol", SCRY_FIELD(struct mmps_options, tolerance), 1e-3, 0, 1, NULL,
     "relative residual at which they stop"},
    SCRYI_START_OPTIONS(struct mmps_options),
    {0},
};

const struct scry_method scry_method_mmps = {
    .name = "mmps",
    .title = "moment matching posterior sampling",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_VJP | SCRY_NEEDS_GAUSSIAN,
    .exact = "exact for Gaussian priors, as steps and solve-iterations grow; else approximate",
    .citation = "Rozet, Andry, Lanusse, Louppe 2024, NeurIPS (arXiv:2405.13712); steps: Lu et al. "
                "2022 (arXiv:2211.01095)",
    .options = options,
    .plan = mmps_plan,
};
