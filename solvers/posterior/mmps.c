#include "lib/memory.h"
#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/guided_impl.h"

#include <math.h>
#include <string.h>

/* Moment matching posterior sampling: x0 | x ~ N(D, V) with the prior's own covariance
 * V = s^2 dD/dx, and then
 *   x0 = D + V A^T w q,   (w A V A^T w + I) q = w (b - A D),
 * and a DDIM step. Rozet et al. 2024, Eq. 18-20. Every product with V is one vector-Jacobian
 * product. The Jacobian of a trained network is not quite symmetric, nor always positive, so the
 * system is solved by GMRES (Saad & Schultz 1986) and not by conjugate gradients; V A^T w of each
 * basis vector is kept, which spares the product that would map q back to the image.
 *
 * With V positive and q exact, the whole correction d = V A^T w q is still short of the data:
 * <w A d, r> >= |w A d|^2, r = w (b - A D). A q after few iterations, or of a Jacobian with
 * negative parts, can overshoot them or go the other way, and the next level starts from what it
 * did. So d is cut to the share of it that fits the data best, and left out where every share makes
 * it worse. */

enum { MAX_INNER = 64 };

struct mmps {
    struct scryi_guided base;
    size_t inner;
    float *basis; /* inner + 1 orthonormal vectors, measurement space */
    float *image; /* V A^T w of the first `inner` of them, image space */
};

/* out = w A V A^T w in + in;  image = V A^T w in */
static scry_status apply(struct mmps *M, float *out, float *image, const float *in, scry_error *err)
{
    scry_status st;
    struct scryi_guided *G = &M->base;
    struct scryi_sampler *S = &G->base;
    const double s = S->sigma[S->base.step];
    for (size_t i = 0; i < G->m; i++)
        G->t[i] = G->w[i] * in[i];
    if ((st = scryi_guided_adjoint(G, G->v, G->t, err)) != SCRY_OK) return st;
    S->base.counts.vjp++;
    st = scry_prior_vjp(S->base.problem.prior, image, NULL, S->x, G->v, (float)s, S->prior_work,
                        err);
    if (st != SCRY_OK) return st;
    scry_scale(image, s * s, S->base.n);
    if ((st = scryi_guided_forward(G, G->t, image, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < G->m; i++)
        out[i] = G->w[i] * G->t[i] + in[i];
    return SCRY_OK;
}

/* The small least-squares problem min |beta e1 - H c| by Givens rotations, column by column. */
struct hessenberg {
    double h[MAX_INNER + 1][MAX_INNER], cosine[MAX_INNER], sine[MAX_INNER], g[MAX_INNER + 1];
    double plain[MAX_INNER + 1][MAX_INNER]; /* H itself, before the rotations */
};

/* Brings column j to upper triangular form and updates the right-hand side; |g[j + 1]| is then the
 * residual norm. */
static void rotate(struct hessenberg *H, size_t j)
{
    for (size_t i = 0; i < j; i++) {
        const double a = H->h[i][j], b = H->h[i + 1][j];
        H->h[i][j] = H->cosine[i] * a + H->sine[i] * b;
        H->h[i + 1][j] = H->cosine[i] * b - H->sine[i] * a;
    }
    const double a = H->h[j][j], b = H->h[j + 1][j], r = hypot(a, b);
    H->cosine[j] = r > 0 ? a / r : 1;
    H->sine[j] = r > 0 ? b / r : 0;
    H->h[j][j] = r;
    H->g[j + 1] = -H->sine[j] * H->g[j];
    H->g[j] = H->cosine[j] * H->g[j];
}

static void back_substitute(struct hessenberg *H, double *c, size_t k)
{
    for (size_t i = k; i-- > 0;) {
        double sum = H->g[i];
        for (size_t j = i + 1; j < k; j++)
            sum -= H->h[i][j] * c[j];
        c[i] = H->h[i][i] != 0 ? sum / H->h[i][i] : 0;
    }
}

/* The share of the correction that is taken. In the basis of the Krylov space w A d has the entries
 * H c - (c, 0), and r the only entry beta. */
static double share(const struct hessenberg *H, const double *c, size_t k, double beta)
{
    double first = 0, square = 0;
    for (size_t i = 0; i <= k; i++) {
        double sum = i < k ? -c[i] : 0;
        for (size_t j = i > 0 ? i - 1 : 0; j < k; j++)
            sum += H->plain[i][j] * c[j];
        if (i == 0) first = sum;
        square += sum * sum;
    }
    return square > 0 ? fmin(1, fmax(0, beta * first / square)) : 0;
}

/* x0 += V A^T w q with q the minimiser of the residual over the first Krylov vectors. */
static scry_status correct(struct mmps *M, float *x0, scry_error *err)
{
    struct scryi_guided *G = &M->base;
    struct hessenberg H;
    const size_t m = G->m, n = G->base.base.n;
    double c[MAX_INNER];
    size_t k = 0;
    for (size_t i = 0; i < m; i++)
        M->basis[i] = G->w[i] * (G->b[i] - G->Au[i]);
    const double beta = scry_norm(M->basis, m);
    if (!(beta > 0)) return SCRY_OK;
    scry_scale(M->basis, 1 / beta, m);
    H.g[0] = beta;
    while (k < M->inner && fabs(H.g[k]) > G->base.base.opts.tol * beta) {
        float *next = M->basis + (k + 1) * m;
        scry_status st = apply(M, next, M->image + k * n, M->basis + k * m, err);
        if (st != SCRY_OK) return st;
        for (size_t i = 0; i <= k; i++) { /* modified Gram-Schmidt */
            H.plain[i][k] = H.h[i][k] = scry_dot(next, M->basis + i * m, m);
            scry_axpy(next, -H.h[i][k], M->basis + i * m, m);
        }
        const double size = scry_norm(next, m);
        H.plain[k + 1][k] = H.h[k + 1][k] = size;
        rotate(&H, k++);
        if (!(size > 1e-6 * fabs(H.h[k - 1][k - 1]))) break; /* the space is exhausted */
        scry_scale(next, 1 / size, m);
    }
    back_substitute(&H, c, k);
    const double part = share(&H, c, k, beta);
    for (size_t i = 0; i < k; i++)
        scry_axpy(x0, part * c[i], M->image + i * n, n);
    return SCRY_OK;
}

static scry_status step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct mmps *M = (struct mmps *)base;
    struct scryi_sampler *S = &M->base.base;
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, S->sigma[base->step], err);
    if (st != SCRY_OK) return st;
    if ((st = scryi_guided_linearise(&M->base, S->x0, err)) != SCRY_OK) return st;
    if ((st = correct(M, S->x0, err)) != SCRY_OK) return st;
    return scryi_guided_move(&M->base, scryi_sampler_ddim_share(S, base->opts.eta), p, err);
}

static void destroy(struct scry_solver *base)
{
    struct mmps *M = (struct mmps *)base;
    if (!M) return;
    scry_free(M->basis);
    scry_free(M->image);
    scryi_guided_destroy(base);
}

static scry_status plan(scry_solver **out, const scry_problem *problem,
                        const scry_solver_opts *opts, scry_error *err)
{
    struct mmps *M = scry_alloc(1, sizeof *M);
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", scry_method_mmps.name);
    struct scry_solver *S = &M->base.base.base;
    S->start_fn = scryi_guided_start;
    S->step_fn = step;
    S->destroy = destroy;
    scry_status st = scryi_guided_init(&M->base, &scry_method_mmps, problem, opts, err);
    if (st == SCRY_OK) {
        M->inner = opts->inner;
        M->basis = scry_alloc((M->inner + 1) * M->base.m, sizeof *M->basis);
        M->image = scry_alloc(M->inner * S->n, sizeof *M->image);
        if (!M->basis || !M->image)
            st = SCRY_FAIL(err, SCRY_ENOMEM, "mmps: %zu Krylov vectors of %zu values", M->inner,
                           M->base.m + S->n);
    }
    if (st == SCRY_OK)
        *out = S;
    else
        destroy(S);
    return st;
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(20),
    { "travel", 1, 1, 100, "visits of each level, with noise added between them" },
    { "eta", 1, 0, 1, "share of fresh noise: 0 deterministic, 1 ancestral" },
    { "inner", 2, 1, MAX_INNER,
      "GMRES iterations a step, at most: one vector-Jacobian product each" },
    { "tol", 1e-3, 0, 1, "relative residual at which they stop" },
    SCRYI_START_OPTIONS,
    { 0 },
};

const struct scry_method scry_method_mmps = {
    .name = "mmps",
    .title = "moment matching posterior sampling",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_VJP | SCRY_NEEDS_GAUSSIAN,
    .exact = "exact for Gaussian priors, as steps and inner grow; else approximate",
    .citation = "Rozet, Andry, Lanusse, Louppe 2024, NeurIPS (arXiv:2405.13712)",
    .options = options,
    .plan = plan,
};
