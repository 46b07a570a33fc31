#include "operators/dense.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "operators/op_impl.h"

#include <float.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <string.h>

struct dense {
    scry_op base;
    size_t m, n;   /* rows, columns */
    double *M;     /* m x n */
    double *U, *V; /* U: max(m, n) x n (rows past m are 0), V: n x n; columns are vectors */
    float *values; /* n */
};

/* out = T in or T^T in, T rows x columns. */
static void dense_multiply(float *out, const double *T, size_t rows, size_t columns,
                           const float *in)
{
    for (size_t i = 0; i < rows; i++) {
        double s = 0;
        for (size_t j = 0; j < columns; j++)
            s += T[i * columns + j] * in[j];
        out[i] = (float)s;
    }
}

static void multiply_transposed(float *out, const double *T, size_t rows, size_t columns,
                                const float *in)
{
    for (size_t j = 0; j < columns; j++) {
        double s = 0;
        for (size_t i = 0; i < rows; i++)
            s += T[i * columns + j] * in[i];
        out[j] = (float)s;
    }
}

static scry_status dense_forward(const scry_op *A, float *y, const float *x, void *work,
                                 scry_error *err)
{
    (void)work;
    (void)err;
    const struct dense *D = (const struct dense *)A;
    dense_multiply(y, D->M, D->m, D->n, x);
    return SCRY_OK;
}

static scry_status dense_adjoint(const scry_op *A, float *x, const float *y, void *work,
                                 scry_error *err)
{
    (void)work;
    (void)err;
    const struct dense *D = (const struct dense *)A;
    multiply_transposed(x, D->M, D->m, D->n, y);
    return SCRY_OK;
}

static scry_status apply_v(const scry_op *A, float *x, const float *c, void *work, scry_error *err)
{
    (void)work;
    (void)err;
    const struct dense *D = (const struct dense *)A;
    dense_multiply(x, D->V, D->n, D->n, c);
    return SCRY_OK;
}

static scry_status apply_vh(const scry_op *A, float *c, const float *x, void *work, scry_error *err)
{
    (void)work;
    (void)err;
    const struct dense *D = (const struct dense *)A;
    multiply_transposed(c, D->V, D->n, D->n, x);
    return SCRY_OK;
}

static scry_status apply_uh(const scry_op *A, float *c, const float *y, void *work, scry_error *err)
{
    (void)work;
    (void)err;
    const struct dense *D = (const struct dense *)A;
    multiply_transposed(c, D->U, D->m, D->n, y);
    return SCRY_OK;
}

static void dense_describe(const scry_op *A, scry_svd *out)
{
    const struct dense *D = (const struct dense *)A;
    *out = (scry_svd){.count = D->n, .floats_per = 1, .values = D->values};
}

static void dense_op_destroy(scry_op *A)
{
    struct dense *D = (struct dense *)A;
    if (!D) return;
    scry_free(D->M);
    scry_free(D->U);
    scry_free(D->V);
    scry_free(D->values);
    scry_free(D);
}

static const struct scry_svd_ops dense_svd = {
    .v = apply_v, .vh = apply_vh, .uh = apply_uh, .describe = dense_describe};
static const struct scry_op_ops dense_ops = {
    .name = "dense",
    .forward = dense_forward,
    .adjoint = dense_adjoint,
    .svd = &dense_svd,
    .destroy = dense_op_destroy,
};

/* GSL wants at least as many rows as columns. Rows of zeros do not change M^T M, and make V square:
 * it then holds the null space that op.h asks for. */
static scry_status dense_decompose(struct dense *D, scry_error *err)
{
    const size_t n = D->n, rows = D->m > n ? D->m : n;
    double *s = scry_alloc(n, sizeof *s);
    D->U = scry_alloc(rows, n * sizeof *D->U);
    D->V = scry_alloc(n, n * sizeof *D->V);
    D->values = scry_alloc(n, sizeof *D->values);
    if (!s || !D->U || !D->V || !D->values) {
        scry_free(s);
        return SCRY_FAIL(err, SCRY_ENOMEM, "decomposition of %zu x %zu", D->m, n);
    }
    memcpy(D->U, D->M, D->m * n * sizeof *D->U);
    gsl_matrix_view U = gsl_matrix_view_array(D->U, rows, n);
    gsl_matrix_view V = gsl_matrix_view_array(D->V, n, n);
    gsl_vector_view S = gsl_vector_view_array(s, n);
    const int code = gsl_linalg_SV_decomp_jacobi(&U.matrix, &V.matrix, &S.vector);
    const double low = s[0] * (double)rows * FLT_EPSILON;
    for (size_t j = 0; j < n; j++) {
        D->values[j] = s[j] > low ? (float)s[j] : 0;
        if (D->values[j] == 0) /* no such direction in cod: nothing is measured along it */
            for (size_t i = 0; i < rows; i++)
                D->U[i * n + j] = 0;
    }
    scry_free(s);
    if (code) return SCRY_FAIL(err, SCRY_ENUMERIC, "decomposition of %zu x %zu failed", D->m, n);
    return SCRY_OK;
}

scry_status scry_dense_create(scry_op **out, const scry_space *dom, const scry_space *cod,
                              const double *M, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, dom, cod, M)) return SCRY_EINVAL;
    scry_status st;
    size_t total;
    struct dense *D = NULL;
    if ((st = scry_space_check(dom, err)) != SCRY_OK) goto done;
    if ((st = scry_space_check(cod, err)) != SCRY_OK) goto done;
    const size_t m = scry_space_floats(cod), n = scry_space_floats(dom);
    if (!scry_mul(&total, m, n)) {
        st = SCRY_FAIL(err, SCRY_ESHAPE, "a matrix of %zu x %zu overflows", m, n);
        goto done;
    }
    for (size_t i = 0; i < total; i++)
        if (!isfinite(M[i])) {
            st = SCRY_FAIL(err, SCRY_EINVAL, "row %zu, column %zu: %g, expected a finite number",
                           i / n, i % n, M[i]);
            goto done;
        }
    D = scry_alloc(1, sizeof *D);
    double *copy = scry_alloc(total, sizeof *copy);
    if (D) D->M = copy;
    if (!D || !copy) {
        if (!D) scry_free(copy);
        st = SCRY_FAIL(err, SCRY_ENOMEM, "matrix of %zu x %zu", m, n);
        goto done;
    }
    memcpy(copy, M, total * sizeof *copy);
    D->base = (scry_op){.ops = &dense_ops, .dom = *dom, .cod = *cod};
    D->m = m;
    D->n = n;
    if ((st = dense_decompose(D, err)) != SCRY_OK) goto done;
    *out = &D->base;
    D = NULL;
done:
    dense_op_destroy((scry_op *)D);
    return st;
}

scry_status scry_dense_of(const scry_op *A, double *M, scry_error *err)
{
    if (SCRY_MISSING(err, A, M)) return SCRY_EINVAL;
    scry_status st = SCRY_OK;
    const size_t m = scry_space_floats(&A->cod), n = scry_space_floats(&A->dom);
    float *x = scry_alloc(n, sizeof *x), *y = scry_alloc(m, sizeof *y);
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    if (!x || !y || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "matrix of %s", A->ops->name);
        goto done;
    }
    for (size_t j = 0; j < n; j++) {
        x[j] = 1;
        if ((st = A->ops->forward(A, y, x, work, err)) != SCRY_OK) goto done;
        x[j] = 0;
        for (size_t i = 0; i < m; i++)
            M[i * n + j] = y[i];
    }
done:
    scry_free(x);
    scry_free(y);
    scry_free(work);
    return st;
}
