#include "operators/update.h"

#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/op_sampled.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* A = R C with C = F^-1 diag(C) F; F unitary. With d = F^-1 L y, L = (t S / P)^(1/2), the system is
 *
 *   (L C^* F R^T w^2 R F^-1 C L + 1/P) y = L C^* F R^T w r,     P = 1 + c t |C|^2 S,
 *
 * the identity where w^2 = c everywhere in dom: that P preconditions it costs nothing, since y
 * lives among frequencies. c lies in the middle of the weights, and where in the middle hardly
 * matters. Of a camera image with structures of 5000 electrons on a background of 2, where the
 * weights spread over 2000, preconditioners that follow the weights from place to place (a filter
 * for each of several weights, blended; diagonal scaling to several powers) took from 0.6 times to
 * three times the iterations, each of six transforms for two.
 *
 * The same mean is to be had in measurement space, u0 + V A^T w q. There, rounding is that of
 * w A V A^T w q, whose entries reach the square of the image in units of the noise:
 * 0.3 of the noise already in that image, and ten times as much at ten times the light. Here it is
 * that of w A d, in that image 10^-3 of the noise.
 *
 * The half of a real transform stands for both halves: entries off its first and its middle column
 * count twice in an inner product. y holds them times sqrt(2), so that its own is that of images.
 */

struct scry_update {
    const scry_op *A;
    int rank;      /* of C and V together; 0: A^T A and V are multiples of I, but for R */
    int op_rank;   /* of C */
    scry_fft *fft; /* of `rank` axes; NULL for none */
    size_t m, n, bins, columns, copies; /* dom: `copies` images of n entries, `bins` each */
    bool wide;                          /* most of dom is sampled */
    float *C;                           /* pairs: bins of them, or one where op_rank is 0 */
    float *root;                        /* 1 or sqrt(2), a column */
};

/* One solve; arrays in the caller's work block. */
struct solve {
    const struct scry_update *U;
    float *B, *L, *P;    /* C L / sqrt(n), pairs; L / sqrt(n); 1/P: bins of each */
    float *y, *rhs, *X;  /* pairs: all bins of dom, twice; bins of an image */
    float *x, *weights;  /* an image; R^T w^2 */
    float *domain, *cod; /* R^T w r; w r */
    void *fft, *op, *cg;
};

static void *update_carve(char *block, size_t *at, size_t bytes)
{
    char *p = block ? block + *at : NULL;
    *at += scry_align_up(bytes);
    return p;
}

/* Returns the size of the block, which may be NULL. */
static size_t update_parts(const struct scry_update *U, struct solve *s, char *block)
{
    const size_t pairs = 2 * U->bins * U->copies;
    size_t at = 0;
    s->B = update_carve(block, &at, 2 * U->bins * sizeof(float));
    s->L = update_carve(block, &at, U->bins * sizeof(float));
    s->P = update_carve(block, &at, U->bins * sizeof(float));
    s->y = update_carve(block, &at, pairs * sizeof(float));
    s->rhs = update_carve(block, &at, pairs * sizeof(float));
    s->X = update_carve(block, &at, 2 * U->bins * sizeof(float));
    s->x = update_carve(block, &at, U->n * sizeof(float));
    s->weights = update_carve(block, &at, U->copies * U->n * sizeof(float));
    s->domain = update_carve(block, &at, U->copies * U->n * sizeof(float));
    s->cod = update_carve(block, &at, U->m * sizeof(float));
    s->cg = update_carve(block, &at, scry_cg_work_bytes(pairs));
    s->op = update_carve(block, &at, scry_op_work_bytes(U->A));
    s->fft = update_carve(block, &at, U->fft ? scry_fft_work_bytes(U->fft) : 0);
    return at;
}

size_t scry_update_bins(const scry_update *U)
{
    return U->bins;
}

size_t scry_update_work_bytes(const scry_update *U)
{
    struct solve s;
    return update_parts(U, &s, NULL);
}

/* x = F^-1 C L y of one image. Complex products by hand, as in blur.c. */
static void update_synthesise(const struct solve *s, const float *y)
{
    const struct scry_update *U = s->U;
    for (size_t row = 0; row < U->bins; row += U->columns) {
        const float *in = y + 2 * row, *B = s->B + 2 * row;
        float *X = s->X + 2 * row;
        for (size_t k = 0; k < U->columns; k++) {
            const float g = 1 / U->root[k];
            X[2 * k] = g * (B[2 * k] * in[2 * k] - B[2 * k + 1] * in[2 * k + 1]);
            X[2 * k + 1] = g * (B[2 * k] * in[2 * k + 1] + B[2 * k + 1] * in[2 * k]);
        }
    }
    scry_fft_backward_real(U->fft, s->x, (float complex *)(void *)s->X, s->fft);
}

/* out = L C^* F x + y / P of one image; y NULL: 0 */
static void update_analyse(const struct solve *s, float *out, const float *y)
{
    const struct scry_update *U = s->U;
    scry_fft_forward_real(U->fft, (float complex *)(void *)s->X, s->x, s->fft);
    for (size_t row = 0; row < U->bins; row += U->columns) {
        const float *X = s->X + 2 * row, *B = s->B + 2 * row;
        float *to = out + 2 * row;
        for (size_t k = 0; k < U->columns; k++) {
            to[2 * k] = U->root[k] * (B[2 * k] * X[2 * k] + B[2 * k + 1] * X[2 * k + 1]);
            to[2 * k + 1] = U->root[k] * (B[2 * k] * X[2 * k + 1] - B[2 * k + 1] * X[2 * k]);
        }
    }
    for (size_t i = 0; y && i < U->bins; i++) {
        out[2 * i] += s->P[i] * y[2 * i];
        out[2 * i + 1] += s->P[i] * y[2 * i + 1];
    }
}

static scry_status update_apply(void *ctx, float *out, const float *in, scry_error *err)
{
    (void)err;
    const struct solve *s = ctx;
    const struct scry_update *U = s->U;
    for (size_t c = 0; c < U->copies; c++) {
        const float *weights = s->weights + c * U->n, *y = in + 2 * c * U->bins;
        update_synthesise(s, y);
        for (size_t i = 0; i < U->n; i++)
            s->x[i] *= weights[i];
        update_analyse(s, out + 2 * c * U->bins, y);
    }
    return SCRY_OK;
}

/* Between the arithmetic and the harmonic mean of the weights. */
static double update_middle(const float *w, size_t m)
{
    double sum = 0, inverse = 0;
    for (size_t i = 0; i < m; i++) {
        const double W = (double)w[i] * w[i];
        sum += W;
        if (W > 0) inverse += 1 / W;
    }
    return inverse > 0 ? sqrt(sum / inverse) : 0;
}

/* Where R takes less than half of dom, a filter says little of the system, and none is used. */
static void fill_filters(struct solve *s, const float *w, const float *S, double t)
{
    const struct scry_update *U = s->U;
    const double c = U->wide ? update_middle(w, U->m) : 0, scale = 1 / sqrt((double)U->n);
    for (size_t i = 0; i < U->bins; i++) {
        const float *C = U->C + (U->op_rank ? 2 * i : 0);
        const double variance = t * (S ? S[i] : 1), re = C[0], im = C[1];
        const double P = 1 + c * variance * (re * re + im * im), L = scale * sqrt(variance / P);
        s->P[i] = (float)(1 / P);
        s->L[i] = (float)L;
        s->B[2 * i] = (float)(L * re);
        s->B[2 * i + 1] = (float)(L * im);
    }
}

/* weights = R^T w^2, rhs */
static scry_status update_fill_data(struct solve *s, const float *r, const float *w,
                                    scry_error *err)
{
    const struct scry_update *U = s->U;
    for (size_t i = 0; i < U->m; i++)
        s->cod[i] = w[i] * w[i];
    scry_status st = scry_op_scatter(U->A, s->weights, s->cod, s->op, err);
    for (size_t i = 0; i < U->m; i++)
        s->cod[i] = w[i] * r[i];
    if (st == SCRY_OK) st = scry_op_scatter(U->A, s->domain, s->cod, s->op, err);
    for (size_t c = 0; c < U->copies && st == SCRY_OK; c++) {
        memcpy(s->x, s->domain + c * U->n, U->n * sizeof *s->x);
        update_analyse(s, s->rhs + 2 * c * U->bins, NULL);
    }
    return st;
}

/* d = F^-1 L y */
static void update_image(const struct solve *s, float *d)
{
    const struct scry_update *U = s->U;
    for (size_t c = 0; c < U->copies; c++) {
        const float *y = s->y + 2 * c * U->bins;
        for (size_t i = 0; i < U->bins; i++) {
            const float g = s->L[i] / U->root[i % U->columns];
            s->X[2 * i] = g * y[2 * i];
            s->X[2 * i + 1] = g * y[2 * i + 1];
        }
        scry_fft_backward_real(U->fft, s->x, (float complex *)(void *)s->X, s->fft);
        memcpy(d + c * U->n, s->x, U->n * sizeof *d);
    }
}

/* y with update_image(y) = d */
static void update_coefficients(const struct solve *s, const float *d)
{
    const struct scry_update *U = s->U;
    for (size_t c = 0; c < U->copies; c++) {
        float *y = s->y + 2 * c * U->bins;
        memcpy(s->x, d + c * U->n, U->n * sizeof *d);
        scry_fft_forward_real(U->fft, (float complex *)(void *)s->X, s->x, s->fft);
        for (size_t i = 0; i < U->bins; i++) {
            const float g = U->root[i % U->columns] / (s->L[i] * (float)U->n);
            y[2 * i] = g * s->X[2 * i];
            y[2 * i + 1] = g * s->X[2 * i + 1];
        }
    }
}

/* C = c I and V = t I: each entry alone, (1 + t c^2 w^2) d = t c w r. */
static scry_status solve_diagonal(struct solve *s, float *d, const float *r, const float *w,
                                  double t, scry_cg_result *result, scry_error *err)
{
    const struct scry_update *U = s->U;
    const double c = U->C[0];
    for (size_t i = 0; i < U->m; i++) {
        s->cod[i] = (float)(t * c * w[i] * r[i] / (1 + t * c * c * w[i] * w[i]));
        if (!isfinite(s->cod[i]))
            return SCRY_FAIL(err, SCRY_ENUMERIC, "entry %zu: r = %g, w = %g, expected finite", i,
                             (double)r[i], (double)w[i]);
    }
    *result = (scry_cg_result){.converged = true};
    return scry_op_scatter(U->A, d, s->cod, s->op, err);
}

static scry_status update_solve(const scry_update *U, float *d, bool resumed, const float *r,
                                const float *w, const float *S, double t, const scry_cg_stop *stop,
                                void *work, scry_cg_result *result, scry_error *err)
{
    struct solve s = {.U = U};
    scry_cg_result end;
    scry_status st;
    if (!result) result = &end;
    if (!(t > 0) || !isfinite(t))
        return SCRY_FAIL(err, SCRY_EINVAL, "variance %g, expected a number > 0", t);
    update_parts(U, &s, work);
    if (U->rank == 0 || (U->op_rank == 0 && !S))
        return solve_diagonal(&s, d, r, w, S ? t * S[0] : t, result, err);
    fill_filters(&s, w, S, t);
    if ((st = update_fill_data(&s, r, w, err)) != SCRY_OK) return st;
    const size_t pairs = 2 * U->bins * U->copies;
    if (resumed)
        update_coefficients(&s, d);
    else
        memset(s.y, 0, pairs * sizeof *s.y);
    st = scry_cg_until(update_apply, NULL, &s, s.y, s.rhs, pairs, stop, s.cg, result, err);
    if (st == SCRY_OK) update_image(&s, d);
    return st;
}

scry_status scry_update_solve(const scry_update *U, float *d, const float *r, const float *w,
                              const float *S, double t, const scry_cg_stop *stop, void *work,
                              scry_cg_result *result, scry_error *err)
{
    return update_solve(U, d, false, r, w, S, t, stop, work, result, err);
}

scry_status scry_update_resume(const scry_update *U, float *d, const float *r, const float *w,
                               const float *S, double t, const scry_cg_stop *stop, void *work,
                               scry_cg_result *result, scry_error *err)
{
    return update_solve(U, d, true, r, w, S, t, stop, work, result, err);
}

void scry_update_free(scry_update *U)
{
    if (!U) return;
    scry_fft_free(U->fft);
    scry_free(U->C);
    scry_free(U->root);
    scry_free(U);
}

static scry_status update_fill(scry_update *U, scry_error *err)
{
    const scry_space *dom = scry_op_dom(U->A);
    scry_status st = SCRY_OK;
    U->m = scry_space_floats(scry_op_cod(U->A));
    U->n = U->bins = U->columns = 1;
    U->wide = 2 * U->m >= scry_space_count(dom);
    if (U->rank) {
        const size_t *dims = dom->dims + dom->rank - U->rank, last = dims[U->rank - 1];
        if ((st = scry_fft_create_real(&U->fft, U->rank, dims, err)) != SCRY_OK) return st;
        U->n = scry_fft_count(U->fft);
        U->bins = scry_fft_bins(U->fft);
        U->columns = last / 2 + 1;
        U->root = scry_alloc(U->columns, sizeof *U->root);
        for (size_t k = 0; U->root && k < U->columns; k++)
            U->root[k] = k == 0 || 2 * k == last ? 1 : sqrtf(2);
    }
    U->copies = scry_space_count(dom) / U->n;
    U->C = scry_alloc(U->op_rank ? 2 * U->bins : 2, sizeof *U->C);
    if (!U->C || (U->rank && !U->root))
        return SCRY_FAIL(err, SCRY_ENOMEM, "transfer function of %zu frequencies", U->bins);
    return scry_op_sampled_transfer(U->A, U->C, err);
}

scry_status scry_update_create(scry_update **out, const scry_op *A, int rank, scry_error *err)
{
    const scry_space *dom = scry_op_dom(A);
    const int op_rank = scry_op_sampled_rank(A);
    *out = NULL;
    if (op_rank < 0)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s is not known to be a sampled convolution",
                         scry_op_name(A));
    if (rank < 0 || rank > 3 || rank > dom->rank || (rank && op_rank && rank != op_rank))
        return SCRY_FAIL(err, SCRY_EUNSUP, "a covariance along %d axes for %s along %d", rank,
                         scry_op_name(A), op_rank);
    scry_update *U = scry_alloc(1, sizeof *U);
    if (!U) return SCRY_FAIL(err, SCRY_ENOMEM, "update");
    U->A = A;
    U->op_rank = op_rank;
    U->rank = rank ? rank : op_rank;
    const scry_status st = update_fill(U, err);
    if (st == SCRY_OK)
        *out = U;
    else
        scry_update_free(U);
    return st;
}
