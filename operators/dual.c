#include "operators/dual.h"

#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/vector.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Symbols: m entries of the measurement; the domain is `copies` images of n entries, `bins` each
 * after a transform; lambda = t |C|^2 S / n, the 1/n of the pair of transforms included. */

/* Weights of the preconditioner's filters. A third filter saves no iterations worth its transforms:
 * camera image, weights over a factor of 13, |C|^2 t from 1000 down; 1, 2, 3 and 4 filters took 27,
 * 17, 24 and 33 ms to 1e-2 at 256 x 256. */
enum { NODES = 2 };

struct scry_dual {
    const scry_op *A;
    int rank;      /* of C and V together; 0: A V A^T is a multiple of I */
    int op_rank;   /* of C */
    scry_fft *fft; /* of `rank` axes; NULL for none */
    size_t m, n, bins, copies;
    bool wide;    /* most of the domain is sampled */
    float *power; /* |C|^2: bins, or one where op_rank is 0 */
};

/* One solve; arrays in the caller's work block. */
struct solve {
    const struct scry_dual *D;
    const float *w;
    int nodes;
    float *lambda, *filter[NODES], *share[NODES];
    float *X, *x, *one, *y; /* bins pairs; domain; one image; m */
    void *fft, *op, *cg;
};

static void *dual_carve(char *block, size_t *at, size_t bytes)
{
    char *p = block ? block + *at : NULL;
    *at += scry_align_up(bytes);
    return p;
}

/* Returns the size of the block, which may be NULL. */
static size_t dual_parts(const struct scry_dual *D, struct solve *s, char *block)
{
    size_t at = 0;
    s->lambda = dual_carve(block, &at, D->bins * sizeof(float));
    for (int k = 0; k < NODES; k++) {
        s->filter[k] = dual_carve(block, &at, D->bins * sizeof(float));
        s->share[k] = dual_carve(block, &at, D->m * sizeof(float));
    }
    s->X = dual_carve(block, &at, 2 * D->bins * sizeof(float));
    s->x = dual_carve(block, &at, D->copies * D->n * sizeof(float));
    s->one = dual_carve(block, &at, D->n * sizeof(float));
    s->y = dual_carve(block, &at, D->m * sizeof(float));
    s->cg = dual_carve(block, &at, scry_cg_work_bytes(D->m));
    s->op = dual_carve(block, &at, scry_op_work_bytes(D->A));
    s->fft = dual_carve(block, &at, D->fft ? scry_fft_work_bytes(D->fft) : 0);
    return at;
}

size_t scry_dual_bins(const scry_dual *D)
{
    return D->bins;
}

size_t scry_dual_work_bytes(const scry_dual *D)
{
    struct solve s;
    return dual_parts(D, &s, NULL);
}

/* x = F^-1 diag(filter) F x over every image of the domain. Images after the first need not be
 * aligned as transforms want. */
static void filter_domain(const struct solve *s, const float *filter)
{
    const struct scry_dual *D = s->D;
    float complex *X = (float complex *)(void *)s->X;
    for (size_t c = 0; c < D->copies; c++) {
        float *image = s->x + c * D->n;
        const bool aligned = (uintptr_t)image % SCRY_ALIGN == 0;
        float *at = aligned ? image : memcpy(s->one, image, D->n * sizeof *image);
        scry_fft_forward_real(D->fft, X, at, s->fft);
        for (size_t i = 0; i < D->bins; i++) {
            s->X[2 * i] *= filter[i];
            s->X[2 * i + 1] *= filter[i];
        }
        scry_fft_backward_real(D->fft, at, X, s->fft);
        if (!aligned) memcpy(image, at, D->n * sizeof *image);
    }
}

/* y = R F^-1 diag(filter) F R^T y */
static scry_status filter_sampled(const struct solve *s, const float *filter, float *y,
                                  scry_error *err)
{
    scry_status st = scry_op_scatter(s->D->A, s->x, y, s->op, err);
    if (st != SCRY_OK) return st;
    filter_domain(s, filter);
    return scry_op_sample(s->D->A, y, s->x, s->op, err);
}

/* out = G in, G = w A V A^T w */
static scry_status gram(const struct solve *s, float *out, const float *in, scry_error *err)
{
    const size_t m = s->D->m;
    for (size_t i = 0; i < m; i++)
        out[i] = s->w[i] * in[i];
    scry_status st = filter_sampled(s, s->lambda, out, err);
    for (size_t i = 0; i < m; i++)
        out[i] *= s->w[i];
    return st;
}

static scry_status dual_apply(void *ctx, float *out, const float *in, scry_error *err)
{
    const struct solve *s = ctx;
    scry_status st = gram(s, out, in, err);
    scry_axpy(out, 1, in, s->D->m);
    return st;
}

/* Without a preconditioner, conjugate gradients in the inner product a^T G b (Gratton & Tshimanga
 * 2009, QJRMS 135:1573). Same Krylov space, same cost; but where the usual ones minimise the error
 * of q, these minimise -log p of the image u0 + V A^T w q, so that a solve that ends at its limit
 * has the best image of its space: with 20 % of pixels known and all but exact, 300 iterations
 * leave 30.8 dB of a microscope image and not 19.9. One product with G an iteration: that of p by
 * recurrence. */
static scry_status solve_plain(struct solve *s, float *q, const float *r, double tol,
                               size_t iterations, scry_cg_result *result, scry_error *err)
{
    const size_t m = s->D->m, stride = scry_align_up(m * sizeof(float)) / sizeof(float);
    float *left = s->cg, *p = left + stride, *g = p + stride, *Gp = g + stride;
    const double size = scry_norm(r, m), goal = fmax(tol, 1e-8) * size;
    scry_cg_result end = {0};
    double energy, before, norm;
    scry_status st = dual_apply(s, left, q, err);
    scry_axpby(left, 1, r, -1, left, m);
    norm = scry_norm(left, m);
    if (st == SCRY_OK) st = gram(s, g, left, err);
    energy = scry_dot(left, g, m);
    memcpy(p, left, m * sizeof *p);
    memcpy(Gp, g, m * sizeof *p);
    while (st == SCRY_OK && norm > goal && end.iterations < iterations && energy > 0) {
        const double a = energy / (scry_dot(p, Gp, m) + scry_dot(Gp, Gp, m));
        scry_axpy(q, a, p, m);
        scry_axpy(left, -a, p, m);
        scry_axpy(left, -a, Gp, m);
        norm = scry_norm(left, m);
        end.iterations++;
        if ((st = gram(s, g, left, err)) != SCRY_OK) break;
        before = energy;
        energy = scry_dot(left, g, m);
        scry_axpby(p, 1, left, energy / before, p, m);
        scry_axpby(Gp, 1, g, energy / before, Gp, m);
    }
    if (st == SCRY_OK && (!isfinite(norm) || !isfinite(energy)))
        st = SCRY_FAIL(err, SCRY_ENUMERIC, "residual is not finite");
    end.residual = size > 0 ? norm / size : 0;
    if (result) *result = end;
    return st;
}

static scry_status precondition(void *ctx, float *out, const float *in, scry_error *err)
{
    const struct solve *s = ctx;
    const size_t m = s->D->m;
    scry_status st = SCRY_OK;
    if (s->nodes == 1) {
        memcpy(out, in, m * sizeof *out);
        return filter_sampled(s, s->filter[0], out, err);
    }
    memset(out, 0, m * sizeof *out);
    for (int k = 0; k < s->nodes && st == SCRY_OK; k++) {
        const float *share = s->share[k];
        for (size_t i = 0; i < m; i++)
            s->y[i] = share[i] * in[i];
        st = filter_sampled(s, s->filter[k], s->y, err);
        for (size_t i = 0; i < m; i++)
            out[i] += share[i] * s->y[i];
    }
    return st;
}

static void fill_filter(struct solve *s, int k, double W)
{
    const double n = (double)s->D->n;
    for (size_t i = 0; i < s->D->bins; i++)
        s->filter[k][i] = (float)(1 / (n * (1 + W * n * s->lambda[i])));
}

/* Filters for the least and the greatest weight, and for each entry of the measurement the square
 * roots of its shares in the two, by log W. Weights within a factor of 2: one filter will do. */
static void plan_preconditioner(struct solve *s)
{
    const struct scry_dual *D = s->D;
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < D->m; i++) {
        const double W = (double)s->w[i] * s->w[i];
        if (W > 0) low = fmin(low, W);
        high = fmax(high, W);
    }
    low = fmin(low, high);
    s->nodes = high <= 2 * low ? 1 : NODES;
    if (s->nodes == 1) {
        fill_filter(s, 0, sqrt(low * high));
        return;
    }
    fill_filter(s, 0, low);
    fill_filter(s, 1, high);
    const double span = log(high / low);
    for (size_t i = 0; i < D->m; i++) {
        const double W = (double)s->w[i] * s->w[i];
        const double at = fmin(log(fmax(W, low) / low) / span, 1);
        s->share[0][i] = (float)sqrt(1 - at);
        s->share[1][i] = (float)sqrt(at);
    }
}

/* C and V are multiples of I: (1 + t c^2 w^2) q = r. */
static scry_status solve_diagonal(const scry_dual *D, float *q, const float *r, const float *w,
                                  double t, scry_cg_result *result, scry_error *err)
{
    for (size_t i = 0; i < D->m; i++) {
        q[i] = (float)(r[i] / (1 + t * D->power[0] * w[i] * w[i]));
        if (!isfinite(q[i]))
            return SCRY_FAIL(err, SCRY_ENUMERIC, "entry %zu: r = %g, w = %g, expected finite", i,
                             (double)r[i], (double)w[i]);
    }
    if (result) *result = (scry_cg_result){0};
    return SCRY_OK;
}

static bool is_diagonal(const scry_dual *D, const float *S)
{
    return D->rank == 0 || (D->op_rank == 0 && !S);
}

static scry_status check_variance(double t, scry_error *err)
{
    if (t > 0 && isfinite(t)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "variance %g, expected a number > 0", t);
}

static void plan_solve(struct solve *s, const float *S, double t)
{
    const scry_dual *D = s->D;
    for (size_t i = 0; i < D->bins; i++)
        s->lambda[i] =
            (float)(t * (D->op_rank ? D->power[i] : D->power[0]) * (S ? S[i] : 1) / (double)D->n);
    if (D->wide) plan_preconditioner(s);
}

scry_status scry_dual_solve(const scry_dual *D, float *q, const float *r, const float *w,
                            const float *S, double t, double tol, size_t iterations, void *work,
                            scry_cg_result *result, scry_error *err)
{
    struct solve s = {.D = D, .w = w};
    scry_status st = check_variance(t, err);
    if (st != SCRY_OK) return st;
    if (is_diagonal(D, S)) return solve_diagonal(D, q, r, w, S ? t * S[0] : t, result, err);
    dual_parts(D, &s, work);
    plan_solve(&s, S, t);
    if (!D->wide) return solve_plain(&s, q, r, tol, iterations, result, err);
    return scry_cg_preconditioned(dual_apply, precondition, &s, q, r, D->m, tol, iterations, s.cg,
                                  result, err);
}

scry_status scry_dual_precondition(const scry_dual *D, float *out, const float *in, const float *w,
                                   const float *S, double t, void *work, scry_error *err)
{
    struct solve s = {.D = D, .w = w};
    scry_status st = check_variance(t, err);
    if (st != SCRY_OK) return st;
    if (is_diagonal(D, S)) return solve_diagonal(D, out, in, w, S ? t * S[0] : t, NULL, err);
    dual_parts(D, &s, work);
    plan_solve(&s, S, t);
    if (D->wide) return precondition(&s, out, in, err);
    memcpy(out, in, D->m * sizeof *out);
    return SCRY_OK;
}

void scry_dual_free(scry_dual *D)
{
    if (!D) return;
    scry_fft_free(D->fft);
    scry_free(D->power);
    scry_free(D);
}

scry_status scry_dual_create(scry_dual **out, const scry_op *A, int rank, scry_error *err)
{
    scry_status st = SCRY_OK;
    scry_dual *D = NULL;
    const scry_space *dom = scry_op_dom(A);
    const int op_rank = scry_op_sampled_rank(A);
    *out = NULL;
    if (op_rank < 0)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s is not known to be a sampled convolution",
                         scry_op_name(A));
    if (rank < 0 || rank > 3 || rank > dom->rank || (rank && op_rank && rank != op_rank))
        return SCRY_FAIL(err, SCRY_EUNSUP, "a covariance along %d axes for %s along %d", rank,
                         scry_op_name(A), op_rank);
    D = scry_alloc(1, sizeof *D);
    if (!D) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "dual system");
        goto done;
    }
    D->A = A;
    D->op_rank = op_rank;
    D->rank = rank ? rank : op_rank;
    D->m = scry_space_floats(scry_op_cod(A));
    D->n = D->bins = 1;
    D->wide = 2 * D->m >= scry_space_count(dom);
    if (D->rank) {
        st = scry_fft_create_real(&D->fft, D->rank, dom->dims + dom->rank - D->rank, err);
        if (st != SCRY_OK) goto done;
        D->n = scry_fft_count(D->fft);
        D->bins = scry_fft_bins(D->fft);
    }
    D->copies = scry_space_count(dom) / D->n;
    D->power = scry_alloc(op_rank ? D->bins : 1, sizeof *D->power);
    if (!D->power) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "spectrum of %zu frequencies", D->bins);
        goto done;
    }
    if ((st = scry_op_sampled_power(A, D->power, err)) != SCRY_OK) goto done;
    *out = D;
    D = NULL;
done:
    scry_dual_free(D);
    return st;
}
