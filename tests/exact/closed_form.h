#ifndef SCRY_TESTS_CLOSED_FORM_H
#define SCRY_TESTS_CLOSED_FORM_H

/* Posteriors in closed form, for tests of samplers: x ~ sum_k w_k N(m_k, C_k), y = A x + n with
 * n ~ N(0, diag(noise)). The posterior is a mixture again, component by component:
 *
 *   S_k = A C_k A^T + diag(noise),  G_k = C_k A^T S_k^-1
 *   m_k' = m_k + G_k (y - A m_k),   C_k' = C_k - G_k A C_k,   w_k' ~ w_k N(y; A m_k, S_k)
 *
 * All dense, double, row-major; a Gaussian is a mixture of one. Written with GSL's Cholesky factors
 * and not with anything of scry's, so that it can judge scry. */

#include "lib/memory.h"
#include "operators/op.h"
#include "priors/mixture.h"
#include "tests/check.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_linalg.h>
#include <string.h>

typedef struct closed_form {
    size_t n, count;
    double *weight; /* count, sum 1 */
    double *mean;   /* count x n */
    double *cov;    /* count x n x n */
} closed_form;

static inline void closed_form_free(closed_form *f)
{
    free(f->weight);
    free(f->mean);
    free(f->cov);
    *f = (closed_form){0};
}

static inline closed_form closed_form_alloc(size_t n, size_t count)
{
    closed_form f = {.n = n, .count = count};
    f.weight = calloc(count, sizeof(double));
    f.mean = calloc(count * n, sizeof(double));
    f.cov = calloc(count * n * n, sizeof(double));
    assert_true(f.weight && f.mean && f.cov);
    return f;
}

/* The prior itself as dense arrays, from the components that made it. */
static inline closed_form closed_form_prior(const scry_mixture_component *c, size_t count, size_t n)
{
    closed_form f = closed_form_alloc(n, count);
    double total = 0;
    for (size_t k = 0; k < count; k++)
        total += c[k].weight;
    for (size_t k = 0; k < count; k++) {
        double *cov = f.cov + k * n * n;
        f.weight[k] = c[k].weight / total;
        memcpy(f.mean + k * n, c[k].mean, n * sizeof(double));
        if (c[k].cov)
            memcpy(cov, c[k].cov, n * n * sizeof(double));
        else
            for (size_t i = 0; i < n; i++)
                cov[i * n + i] = c[k].diagonal ? c[k].diagonal[i] : c[k].variance;
    }
    return f;
}

static inline closed_form closed_form_gaussian(const double *mean, const double *cov, size_t n)
{
    const scry_mixture_component one = {.weight = 1, .mean = mean, .cov = cov};
    return closed_form_prior(&one, 1, n);
}

/* One component: its mean and cov become those of the posterior; returns log N(y; A m, S). */
static inline double closed_form_update(double *mean, double *cov, size_t n, const double *A,
                                        const double *y, const double *noise, size_t m)
{
    gsl_matrix_view C = gsl_matrix_view_array(cov, n, n);
    gsl_matrix_const_view Av = gsl_matrix_const_view_array(A, m, n);
    gsl_vector_view mu = gsl_vector_view_array(mean, n);
    gsl_matrix *AC = gsl_matrix_alloc(m, n), *S = gsl_matrix_alloc(m, m);
    gsl_vector *r = gsl_vector_alloc(m), *q = gsl_vector_alloc(m);
    double log_p = 0, along;

    gsl_blas_dgemm(CblasNoTrans, CblasNoTrans, 1, &Av.matrix, &C.matrix, 0, AC);
    gsl_blas_dgemm(CblasNoTrans, CblasTrans, 1, AC, &Av.matrix, 0, S);
    for (size_t i = 0; i < m; i++) {
        gsl_matrix_set(S, i, i, gsl_matrix_get(S, i, i) + noise[i]);
        gsl_vector_set(r, i, y[i]);
    }
    gsl_blas_dgemv(CblasNoTrans, -1, &Av.matrix, &mu.vector, 1, r);
    gsl_linalg_cholesky_decomp1(S);
    gsl_vector_memcpy(q, r);
    gsl_linalg_cholesky_svx(S, q); /* S^-1 (y - A m) */
    gsl_blas_dgemv(CblasTrans, 1, AC, q, 1, &mu.vector);
    gsl_blas_ddot(r, q, &along);
    for (size_t i = 0; i < m; i++)
        log_p -= log(gsl_matrix_get(S, i, i));
    log_p -= 0.5 * along + 0.5 * (double)m * log(2 * M_PI);
    /* C - (L^-1 A C)^T (L^-1 A C) is symmetric by construction */
    gsl_blas_dtrsm(CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, 1, S, AC);
    gsl_blas_dgemm(CblasTrans, CblasNoTrans, -1, AC, AC, 1, &C.matrix);

    gsl_matrix_free(AC);
    gsl_matrix_free(S);
    gsl_vector_free(r);
    gsl_vector_free(q);
    return log_p;
}

/* The posterior given y (m entries), A (m x n) and the noise variance of each entry. */
static inline closed_form closed_form_posterior(const closed_form *prior, const double *A,
                                                const double *y, const double *noise, size_t m)
{
    const size_t n = prior->n;
    closed_form f = closed_form_alloc(n, prior->count);
    double largest = -INFINITY, total = 0;
    memcpy(f.mean, prior->mean, f.count * n * sizeof(double));
    memcpy(f.cov, prior->cov, f.count * n * n * sizeof(double));
    for (size_t k = 0; k < f.count; k++) {
        f.weight[k] = log(prior->weight[k]) +
                      closed_form_update(f.mean + k * n, f.cov + k * n * n, n, A, y, noise, m);
        largest = fmax(largest, f.weight[k]);
    }
    for (size_t k = 0; k < f.count; k++)
        total += f.weight[k] = exp(f.weight[k] - largest);
    for (size_t k = 0; k < f.count; k++)
        f.weight[k] /= total;
    return f;
}

/* Mean (n) and covariance (n x n) of the whole mixture; either may be NULL. */
static inline void closed_form_moments(const closed_form *f, double *mean, double *cov)
{
    const size_t n = f->n;
    double *mu = calloc(n, sizeof *mu);
    assert_non_null(mu);
    for (size_t k = 0; k < f->count; k++)
        for (size_t i = 0; i < n; i++)
            mu[i] += f->weight[k] * f->mean[k * n + i];
    if (mean) memcpy(mean, mu, n * sizeof *mu);
    if (cov) memset(cov, 0, n * n * sizeof *cov);
    for (size_t k = 0; cov && k < f->count; k++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                cov[i * n + j] +=
                    f->weight[k] * (f->cov[(k * n + i) * n + j] +
                                    (f->mean[k * n + i] - mu[i]) * (f->mean[k * n + j] - mu[j]));
    free(mu);
}

/* A as a dense m x n matrix (floats of cod x floats of dom), a column for each unit vector; the
 * caller frees it with free. */
static inline double *closed_form_matrix(const scry_op *A)
{
    const size_t n = scry_space_floats(scry_op_dom(A)), m = scry_space_floats(scry_op_cod(A));
    scry_error err = {0};
    float *x = scry_alloc(n, sizeof *x), *y = scry_alloc(m, sizeof *y);
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    double *dense = calloc(m * n, sizeof *dense);
    assert_true(x && y && work && dense);
    for (size_t j = 0; j < n; j++) {
        x[j] = 1;
        assert_ok(scry_op_forward(A, y, x, work, &err));
        for (size_t i = 0; i < m; i++)
            dense[i * n + j] = y[i];
        x[j] = 0;
    }
    scry_free(x);
    scry_free(y);
    scry_free(work);
    return dense;
}

/* Mean (n) and covariance (n x n, divided by draws - 1) of `draws` samples of n floats each. */
static inline void sample_moments(const float *samples, size_t draws, size_t n, double *mean,
                                  double *cov)
{
    memset(mean, 0, n * sizeof *mean);
    memset(cov, 0, n * n * sizeof *cov);
    for (size_t s = 0; s < draws; s++)
        for (size_t i = 0; i < n; i++)
            mean[i] += samples[s * n + i] / (double)draws;
    for (size_t s = 0; s < draws; s++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                cov[i * n + j] += (samples[s * n + i] - mean[i]) * (samples[s * n + j] - mean[j]) /
                                  (double)(draws - 1);
}

#endif
