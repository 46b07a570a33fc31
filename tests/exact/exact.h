#ifndef SCRY_TESTS_EXACT_H
#define SCRY_TESTS_EXACT_H

#include "tests/options.h"

#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "operators/dense.h"
#include "operators/likelihood.h"
#include "operators/mask.h"
#include "priors/gaussian.h"
#include "priors/mixture.h"
#include "solvers/chains.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_matrix.h>
#include <stdbool.h>
#include <string.h>

/* A linear-Gaussian world small enough to know everything: prior N(mean, C), y = A x0 + sd n with
 * one sd a measurement, and its posterior N(post, P). */
enum { EXACT_MAX = 96 };

struct world {
    size_t n, m;
    double mean[EXACT_MAX], C[EXACT_MAX * EXACT_MAX], A[EXACT_MAX * EXACT_MAX];
    double y[EXACT_MAX], sigma;
    double post[EXACT_MAX], P[EXACT_MAX * EXACT_MAX];
};

/* post and P from the rest: P = (C^-1 + A^T A / sigma^2)^-1, post = P (C^-1 mean + A^T y /
 * sigma^2). */
static inline void world_solve(struct world *w)
{
    const size_t n = w->n;
    gsl_matrix_view P = gsl_matrix_view_array(w->P, n, n);
    gsl_matrix_const_view C = gsl_matrix_const_view_array(w->C, n, n);
    gsl_matrix_const_view A = gsl_matrix_const_view_array(w->A, w->m, n);
    double rhs[EXACT_MAX] = {0};
    gsl_matrix_memcpy(&P.matrix, &C.matrix);
    gsl_linalg_cholesky_decomp1(&P.matrix);
    gsl_linalg_cholesky_invert(&P.matrix);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            rhs[i] += gsl_matrix_get(&P.matrix, i, j) * w->mean[j];
    const double weight = 1 / (w->sigma * w->sigma);
    gsl_blas_dgemm(CblasTrans, CblasNoTrans, weight, &A.matrix, &A.matrix, 1, &P.matrix);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < w->m; j++)
            rhs[i] += weight * w->A[j * n + i] * w->y[j];
    gsl_linalg_cholesky_decomp1(&P.matrix);
    gsl_linalg_cholesky_invert(&P.matrix);
    for (size_t i = 0; i < n; i++) {
        w->post[i] = 0;
        for (size_t j = 0; j < n; j++)
            w->post[i] += w->P[i * n + j] * rhs[j];
    }
}

/* C_ij = sd_i sd_j corr^|i - j| with unequal sd, irregular mean. */
static inline void world_prior(struct world *w, size_t n, double corr)
{
    w->n = n;
    for (size_t i = 0; i < n; i++) {
        w->mean[i] = 0.3 * sin(1.7 * (double)i + 0.4);
        for (size_t j = 0; j < n; j++)
            w->C[i * n + j] = (1 + 0.31 * cos(2.3 * (double)i)) *
                              (1 + 0.31 * cos(2.3 * (double)j)) *
                              pow(corr, fabs((double)i - (double)j));
    }
}

/* Errors of samples' mean and covariance, in units of the exact ones. */
struct verdict {
    double bias;      /* largest |mean - exact| in exact sd */
    double low, high; /* extremes of the sd ratio, over pixels */
    double whitened;  /* largest entry of |L^-1 S L^-T - I|, L L^T the exact covariance */
    double excess;    /* mean of the diagonal of that: 0 +- sqrt(2 / (K n)) */
    double se;        /* standard error of a mean in sd: 1 / sqrt(K) */
};

static inline struct verdict judge(const float *samples, size_t K, size_t n, const double *mean,
                                   const double *cov)
{
    struct verdict v = {.low = 1e300, .se = 1 / sqrt((double)K)};
    double L[EXACT_MAX * EXACT_MAX], S[EXACT_MAX * EXACT_MAX] = {0}, at[EXACT_MAX] = {0};
    double plain[EXACT_MAX] = {0};
    for (size_t i = 0; i < n * n; i++)
        L[i] = cov[i];
    gsl_matrix_view LV = gsl_matrix_view_array(L, n, n);
    gsl_linalg_cholesky_decomp1(&LV.matrix);
    for (size_t k = 0; k < K; k++)
        for (size_t i = 0; i < n; i++)
            at[i] += samples[k * n + i] / (double)K;
    for (size_t k = 0; k < K; k++) {
        double d[EXACT_MAX];
        for (size_t i = 0; i < n; i++) {
            d[i] = samples[k * n + i] - at[i];
            plain[i] += d[i] * d[i] / (double)(K - 1);
        }
        gsl_vector_view dv = gsl_vector_view_array(d, n);
        gsl_blas_dtrsv(CblasLower, CblasNoTrans, CblasNonUnit, &LV.matrix, &dv.vector);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                S[i * n + j] += d[i] * d[j] / (double)(K - 1);
    }
    for (size_t i = 0; i < n; i++) {
        const double sd = sqrt(cov[i * n + i]), ratio = sqrt(plain[i]) / sd;
        v.bias = fmax(v.bias, fabs(at[i] - mean[i]) / sd);
        v.low = fmin(v.low, ratio);
        v.high = fmax(v.high, ratio);
        v.excess += (S[i * n + i] - 1) / (double)n;
        for (size_t j = 0; j < n; j++)
            v.whitened = fmax(v.whitened, fabs(S[i * n + j] - (i == j)));
    }
    return v;
}

static inline void verdict_print(const char *name, const struct verdict *v)
{
    print_message("%-28s bias %.3f sd  sd ratio %.3f .. %.3f  whitened %.3f  (1 / sqrt K = %.3f)\n",
                  name, v->bias, v->low, v->high, v->whitened, v->se);
}

/* K samples of a method. */
static inline void draw(scry_chains *out, const scry_problem *problem, const scry_options *opts,
                        size_t K, uint64_t seed)
{
    scry_error err = {0};
    scry_chains_opts chains;
    scry_chains_opts_init(&chains);
    chains.chains = K;
    chains.seed = seed;
    chains.keep = true;
    assert_ok(scry_chains_run(out, problem, opts, &chains, NULL, NULL, &err));
    assert_int_equal(out->done, K);
}

/* Each allocation of a plan refused in turn: an error in words each time, and nothing left. */
static inline void assert_plan_survives(const char *name, const scry_problem *problem)
{
    const struct scry_method *method = scry_method_find(name);
    const size_t live = scry_memory_live();
    scry_status st = SCRY_ENOMEM;
    scry_options o;
    scry_options_init(&o, method);
    for (size_t nth = 1; st == SCRY_ENOMEM; nth++) {
        scry_error err = {0};
        scry_solver *S;
        scry_memory_fail_at(nth);
        st = scry_solver_plan(&S, problem, &o, &err);
        scry_memory_fail_at(0);
        assert_int_equal(st == SCRY_OK, S != NULL);
        assert_int_equal(st == SCRY_OK, !err.text[0]);
        scry_solver_free(S);
        assert_int_equal(scry_memory_live(), live);
        assert_true(nth < 100);
    }
    assert_int_equal(st, SCRY_OK);
}

#endif
