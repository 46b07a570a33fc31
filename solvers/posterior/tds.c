#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/langevin_impl.h"
#include "solvers/posterior/particles_impl.h"

#include <math.h>
#include <string.h>

/* Twisted diffusion sampler: sequential Monte Carlo over the ancestral chain of the prior, whose
 * moves are bent towards the measurement and whose weights correct for that. With the twist
 *   psi_s(x) = p(y | D(x; s))^c(s),
 *   c(s) = 1 / (1 + r^2 |A|^2 W),   r^2 = (s^2 - s_min^2) / (1 + s^2 / v),   W the mean weight of
 * the data (for white noise: sy^2 grows to sy^2 + r^2 |A|^2, PiGDM's) and v the largest variance of
 * the images in any direction, at least 1 (with less, bends overshoot there), each of K particles
 * draws x' from q = N(m + (s^2 - s'^2) grad log psi_s(x), t^2 I), has its weight multiplied by
 * N(x'; m, t^2 I) psi_s'(x') / (q(x') psi_s(x)), m = D + (s'/s)^2 (x - D) and t^2 as in
 * particles_impl.h. Wu, Trippe, Naesseth, Blei, Cunningham 2023, Alg. 1. At the last level c = 1
 * and the estimate D is the sample, so that the weights are those of the true likelihood, Gaussian
 * or counted, for any twist: the twist only decides how many particles are needed. One
 * vector-Jacobian product a particle and level.
 *
 * `twist model` (ours) takes the covariance of the image given a state from the Gaussian model,
 * V_s = (C^-1 + I / s^2)^-1, as jfps.c does, and needs no derivative. With S_s = W^-1 + A V_s A^T,
 *   psi_s(x) = N(b; A D(x; s), S_s)
 *   x0* ~ N(D, V_s) given the data,   x' = x0* + (s'/s)^2 (x - x0*) + s' (1 - (s'/s)^2)^(1/2) n
 * so that before the data x' ~ N(m, T), T = s'^2 f I + f^2 V_s, f = 1 - (s'/s)^2. This proposal is
 * N(x'; m, T) N(b; A D*, S_s') / psi_s(x), with D* the mean of the image given both x and x' under
 * the model (V_s f (f^2 V_s + s'^2 f I)^-1 = V_s' / s'^2, C and I being diagonal together):
 *   D* = D + V_s' (x' - m) / s'^2.
 * The weight is then psi_s'(x') / N(b; A D*, S_s'): it compares D at x' with its expectation.
 * Particles start so from s = infinity, where D is the mean of the model and V its C, and end with
 * s' = 0, where the weight is 1. For a prior that is the model all weights are equal, and the run
 * is an exact draw with any number of particles and levels. */

/* The guide of moves and weights of particles: the published twist or the Gaussian model. */
enum tds_twist { TDS_TWIST_PAPER = 0, TDS_TWIST_MODEL };
static const char *const tds_twist_names[] = {
    [TDS_TWIST_PAPER] = "paper", [TDS_TWIST_MODEL] = "model", NULL};

struct tds_options {
    struct scryi_sampler_options sampler;
    size_t particles;
    double resample_below;
    enum tds_twist twist;
    double tolerance;
};

/* The solves of the model's twist, from zero: iterations at most. */
enum { TWIST_CG = 200 };
static const double TWIST_TOL = 1e-3;

struct tds {
    struct scryi_guided G; /* first */
    struct scryi_langevin L;
    struct scryi_particles P;
    double variance; /* of the images */
};

static const struct tds_options *tds_options(const struct scryi_particles *P)
{
    return scry_options_block(&P->G->base.base.options);
}

/* D, the gradient of log psi (in P->extra) and log psi (in P->score) of particle k at level s. */
static scry_status tds_evaluate(struct tds *M, size_t k, double s, scry_error *err)
{
    struct scryi_particles *P = &M->P;
    struct scryi_guided *G = &M->G;
    struct scry_solver *base = &G->base.base;
    const scry_likelihood *L = base->problem.L;
    const double last = G->base.sigma[base->steps - 1];
    const double r2 = (s * s - last * last) / (1 + s * s / M->variance);
    const double c = 1 / (1 + r2 * M->L.typical);
    float *x = P->x + k * base->n, *D = P->D + k * base->n, *g = P->extra + k * base->n;
    double nll;
    scry_status st = scryi_sampler_denoise(&G->base, D, x, s, err);
    if (st != SCRY_OK) return st;
    base->counts.forward += 2;
    base->counts.adjoint++;
    base->counts.vjp++;
    if ((st = scry_likelihood_value(L, &nll, D, G->likelihood_work, err)) != SCRY_OK) return st;
    if ((st = scry_likelihood_score(L, G->v, D, G->likelihood_work, err)) != SCRY_OK) return st;
    st = scry_prior_vjp(base->problem.prior, g, NULL, x, G->v, (float)s, G->base.prior_work, err);
    scry_scale(g, c, base->n);
    P->score[k] = -c * nll;
    return st;
}

/* The largest variance in any direction, for smooth images that of their mean: the largest sum of a
 * row of C; at least 1, the variance of white images. */
static scry_status largest_variance(struct tds *M, scry_error *err)
{
    struct scryi_guided *G = &M->G;
    struct scry_solver *base = &G->base.base;
    const struct scryi_covariance C = scryi_covariance_model(1);
    M->variance = 1;
    if (!base->problem.model) return SCRY_OK;
    for (size_t i = 0; i < base->n; i++)
        G->u[i] = 1;
    scry_status st = scryi_condition_covariance(&G->condition, G->v, G->u, &C, err);
    for (size_t i = 0; i < base->n; i++)
        M->variance = fmax(M->variance, G->v[i]);
    return st;
}

static scry_status start_paper(struct scry_solver *base, scry_error *err)
{
    struct tds *M = (struct tds *)base;
    struct scryi_particles *P = &M->P;
    struct scryi_sampler *S = &M->G.base;
    scry_status st = scryi_particles_start(P, err);
    if (st == SCRY_OK) st = largest_variance(M, err);
    for (size_t k = 0; k < P->count && st == SCRY_OK; k++) {
        scryi_particles_draw(P, S->z, k, true);
        scry_axpby(P->x + k * base->n, 1, S->x, S->sigma[0], S->z, base->n);
        st = tds_evaluate(M, k, S->sigma[0], err);
        P->logw[k] = P->score[k];
    }
    return st;
}

/* Particle k from s to s' > 0. */
static scry_status tds_propose(struct tds *M, size_t k, double s, double next, scry_error *err)
{
    struct scryi_particles *P = &M->P;
    struct scryi_sampler *S = &M->G.base;
    const size_t n = S->base.n;
    float *x = P->x + k * n;
    const float *D = P->D + k * n, *g = P->extra + k * n;
    const double ratio = next * next / (s * s), t = sqrt(scryi_particles_variance(s, next));
    const double bend = s * s - next * next, before = P->score[k];
    double balance = 0; /* log N(x'; m, t^2 I) - log q(x'), with x' - m = bend g + t z */
    scryi_particles_draw(P, S->z, k, false);
    for (size_t i = 0; i < n; i++) {
        const double turn = bend * g[i], z = S->z[i];
        balance -= turn * (turn + 2 * t * z) / (2 * t * t);
        x[i] = (float)(D[i] + ratio * ((double)x[i] - D[i]) + turn + t * z);
    }
    scry_status st = tds_evaluate(M, k, next, err);
    P->logw[k] += balance + P->score[k] - before;
    return st;
}

/* Numbers of particle k in one step of the model's twist. */
static void tds_noise(const struct scryi_particles *P, float *out, size_t k, size_t count, double s,
                      enum scryi_draw draw)
{
    const struct scry_solver *S = &P->G->base.base;
    scry_rng_normal(out, k * count, count, S->seed, S->chain,
                    scry_rng_step(isinf(s) ? 0 : S->step + 1, draw));
}

/* V_s; without a model that of white images of unit variance. */
static struct scryi_covariance left_at(const struct scryi_particles *P, double s)
{
    if (P->G->base.base.problem.model)
        return isinf(s) ? scryi_covariance_model(1) : scryi_covariance_shrink(s * s);
    return scryi_covariance_white(isinf(s) ? 1 : s * s / (1 + s * s));
}

static struct scryi_cg_options twist_cg(const struct scryi_particles *P)
{
    const struct scryi_cg_options asked = {.tolerance = tds_options(P)->tolerance};
    return scryi_condition_settings(&P->G->condition, asked, TWIST_CG, TWIST_TOL);
}

/* u = a draw from N(D, V_s) given the data */
static scry_status tds_draw_image(struct scryi_particles *P, float *u, size_t k, double s,
                                  scry_error *err)
{
    struct scryi_guided *G = P->G;
    struct scryi_condition *c = &G->condition;
    const struct scry_solver *base = &G->base.base;
    const struct scryi_covariance V = left_at(P, s);
    scry_status st;
    tds_noise(P, G->u, k, base->n, s, SCRYI_DRAW_STATE);
    if ((st = scryi_condition_root(c, u, G->u, &V, err)) != SCRY_OK) return st;
    scry_axpy(u, 1, P->D + k * base->n, base->n);
    if ((st = scryi_guided_forward(G, G->Au, u, err)) != SCRY_OK) return st;
    tds_noise(P, G->noise, k, G->m, s, SCRYI_DRAW_DATA);
    for (size_t i = 0; i < G->m; i++)
        G->r[i] = G->w[i] * (G->b[i] - G->Au[i]) - G->noise[i];
    scryi_condition_forget(c);
    st = scryi_condition_solve(c, G->r, G->w, &V, twist_cg(P), err);
    if (st == SCRY_OK) st = scryi_condition_image(c, G->u, G->w, &V, err);
    scry_axpy(u, 1, G->u, base->n);
    return st;
}

/* logw += log N(b; A D, S_s) - log N(b; A D*, S_s), D* in P->extra; with r = w (b - A D) and
 * e = w A (D - D*) that is e^T (w A V A^T w + I)^-1 (r + e / 2). */
static scry_status tds_weigh(struct scryi_particles *P, size_t k, double s, scry_error *err)
{
    struct scryi_guided *G = P->G;
    struct scryi_condition *c = &G->condition;
    const size_t n = G->base.base.n;
    const float *D = P->D + k * n;
    const struct scryi_covariance V = left_at(P, s);
    double sum = 0;
    scry_status st;
    scry_axpby(G->u, 1, D, -1, P->extra + k * n, n);
    if ((st = scryi_guided_forward(G, G->r, G->u, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < G->m; i++)
        G->r[i] *= G->w[i];
    scryi_condition_forget(c);
    st = scryi_condition_solve(c, G->r, G->w, &V, twist_cg(P), err);
    if (st == SCRY_OK) st = scryi_condition_image(c, G->u, G->w, &V, err);
    if (st == SCRY_OK) st = scryi_guided_forward(G, G->t, G->u, err);
    if (st == SCRY_OK) st = scryi_guided_forward(G, G->Au, D, err);
    for (size_t i = 0; i < G->m && st == SCRY_OK; i++) {
        const double e = G->r[i], q = e - (double)G->w[i] * G->t[i];
        sum += q * (G->w[i] * ((double)G->b[i] - G->Au[i]) + e / 2);
    }
    P->logw[k] += sum;
    return st;
}

/* Particle k from s, INFINITY at first, to s', 0 at last. */
static scry_status draw_next(struct scryi_particles *P, size_t k, double s, double next,
                             scry_error *err)
{
    struct scryi_sampler *S = &P->G->base;
    const size_t n = S->base.n;
    const double keep = next * next / (s * s);
    const struct scryi_covariance V = left_at(P, next);
    float *x = P->x + k * n, *D = P->D + k * n, *expected = P->extra + k * n, *image = S->x0;
    scry_status st = tds_draw_image(P, image, k, s, err);
    if (st != SCRY_OK) return st;
    if (!(next > 0)) {
        memcpy(D, image, n * sizeof *D);
        return SCRY_OK;
    }
    tds_noise(P, S->z, k, n, s, SCRYI_DRAW_SPARE);
    for (size_t i = 0; i < n; i++) {
        const double from = keep * x[i], to = from + (1 - keep) * image[i];
        x[i] = (float)(to + next * sqrt(1 - keep) * S->z[i]);
        image[i] = (float)(x[i] - from - (1 - keep) * D[i]); /* x' - m */
    }
    st = scryi_condition_covariance(&P->G->condition, expected, image, &V, err);
    if (st != SCRY_OK) return st;
    scry_axpby(expected, 1, D, 1 / (next * next), expected, n);
    if ((st = scryi_sampler_denoise(S, D, x, next, err)) != SCRY_OK) return st;
    return tds_weigh(P, k, next, err);
}

static scry_status tds_start(struct scry_solver *base, scry_error *err)
{
    struct scryi_particles *P = &((struct tds *)base)->P;
    struct scryi_guided *G = P->G;
    if (tds_options(P)->twist == TDS_TWIST_PAPER) return start_paper(base, err);
    scry_status st = scryi_particles_start(P, err);
    if (st == SCRY_OK) st = scryi_guided_linearise(G, G->base.x, err);
    for (size_t k = 0; k < P->count && st == SCRY_OK; k++) {
        P->logw[k] = 0;
        memset(P->x + k * base->n, 0, base->n * sizeof *P->x);
        memcpy(P->D + k * base->n, G->base.x, base->n * sizeof *P->D);
        st = draw_next(P, k, INFINITY, G->base.sigma[0], err);
    }
    return st;
}

static scry_status tds_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct tds *M = (struct tds *)base;
    struct scryi_particles *P = &M->P;
    struct scryi_sampler *S = &M->G.base;
    const bool paper = tds_options(P)->twist == TDS_TWIST_PAPER;
    const double s = S->sigma[base->step], next = S->sigma[base->step + 1];
    scry_status st =
        next > 0 ? scryi_particles_resample(P, tds_options(P)->resample_below, err) : SCRY_OK;
    for (size_t k = 0; k < P->count && (next > 0 || !paper) && st == SCRY_OK; k++)
        st = paper ? tds_propose(M, k, s, next, err) : draw_next(P, k, s, next, err);
    return st == SCRY_OK ? scryi_particles_move(P, p, err) : st;
}

static void tds_destroy(struct scry_solver *base)
{
    struct tds *M = (struct tds *)base;
    if (!M) return;
    scryi_particles_clear(&M->P);
    scryi_langevin_clear(&M->L);
    scryi_guided_destroy(base);
}

static scry_status tds_plan(scry_solver **out, const scry_problem *problem,
                            const scry_options *options, scry_error *err)
{
    const struct tds_options *o = scry_options_block(options);
    if (o->twist == TDS_TWIST_MODEL && !scry_likelihood_is_gaussian(problem->L))
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "tds: twist model needs Gaussian noise of one level; twist paper takes "
                         "counted light");
    struct tds *M = scry_alloc(1, sizeof *M);
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", scry_method_tds.name);
    struct scry_solver *S = &M->G.base.base;
    S->start_fn = tds_start;
    S->step_fn = tds_step;
    S->destroy = tds_destroy;
    scry_status st = scryi_guided_init(&M->G, problem, options, &o->sampler, err);
    if (st == SCRY_OK) st = scryi_langevin_init(&M->L, &M->G, err);
    if (st == SCRY_OK) st = scryi_particles_init(&M->P, &M->G, o->particles, err);
    if (st == SCRY_OK)
        *out = S;
    else
        tds_destroy(S);
    return st;
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct tds_options, 100),
    {"particles", NULL, SCRY_FIELD(struct tds_options, particles), 16, 1, 100000, NULL,
     "states of a run, of which one is drawn at the end"},
    {"resample-below", "zeta", SCRY_FIELD(struct tds_options, resample_below), 0.5, 0, 1, NULL,
     "effective share of the particles below which they are resampled"},
    {"twist", NULL, SCRY_FIELD(struct tds_options, twist), TDS_TWIST_PAPER, 0, TDS_TWIST_MODEL,
     tds_twist_names,
     "paper: as published, by derivatives; model: moves and weights by the Gaussian model of the "
     "images, exact for it, Gaussian noise only"},
    SCRYI_SOLVE_TOLERANCE_OPTION(struct tds_options, tolerance, 1e-3),
    {0},
};

const struct scry_method scry_method_tds = {
    .name = "tds",
    .title = "twisted diffusion sampler",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_VJP,
    .exact = "exact for any prior as particles and steps grow; how many particles that takes grows "
             "with the measurement. With twist model a Gaussian prior that equals the "
             "model is exact at once",
    .citation = "Wu, Trippe, Naesseth, Blei, Cunningham 2023, NeurIPS (arXiv:2306.17775)",
    .options = options,
    .plan = tds_plan,
};
