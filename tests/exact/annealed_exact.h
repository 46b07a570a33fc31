#ifndef SCRY_TESTS_EXACT_ANNEALED_LAW_H
#define SCRY_TESTS_EXACT_ANNEALED_LAW_H

#include "tests/exact/exact.h"

/* Annealed Langevin chains on a Gaussian posterior: every step is linear, so the mean and
 * covariance of the last state follow from those of the first, step by step. The samples are tested
 * against that distribution, within Monte Carlo error, and the distribution against the posterior,
 * without any. */
struct annealed {
    const char *method;
    size_t steps, travel;
    double zeta, gamma;     /* of langevin, of preconditioned-langevin */
    double last;            /* level */
    double bias, low, high; /* of the distribution, in exact sd */
};

static const double ANNEALED_FIRST = 5;

static inline void annealed_opts(scry_options *o, const struct annealed *a)
{
    scry_options_init(o, scry_method_find(a->method));
    option_set(o, "steps", a->steps);
    option_set(o, "travel", a->travel);
    option_set(o, "zeta", a->zeta);
    option_set(o, "gamma", a->gamma);
    option_set(o, "tol", 1e-5);
    option_set(o, "sigma-max", ANNEALED_FIRST);
    option_set(o, "sigma-min", a->last);
    option_word(o, "start", "noise");
}

struct annealed_exact {
    size_t n;
    double mean[EXACT_MAX], cov[EXACT_MAX * EXACT_MAX];
    double data[EXACT_MAX * EXACT_MAX], pull[EXACT_MAX]; /* A^T A / sigma^2, A^T y / sigma^2 */
};

static inline void invert(double *a, size_t n)
{
    gsl_matrix_view v = gsl_matrix_view_array(a, n, n);
    gsl_linalg_cholesky_decomp1(&v.matrix);
    gsl_linalg_cholesky_invert(&v.matrix);
}

/* out = a b, or a b^T */
static inline void multiply(double *out, const double *a, const double *b, bool turn, size_t n)
{
    gsl_matrix_view o = gsl_matrix_view_array(out, n, n);
    gsl_matrix_const_view x = gsl_matrix_const_view_array(a, n, n);
    gsl_matrix_const_view y = gsl_matrix_const_view_array(b, n, n);
    gsl_blas_dgemm(CblasNoTrans, turn ? CblasTrans : CblasNoTrans, 1, &x.matrix, &y.matrix, 0,
                   &o.matrix);
}

/* x' = x + B (c (pull - data x) + Q (mean - x)) + N(0, noise), `times` times. */
static inline void annealed_level(struct annealed_exact *L, const struct world *w, const double *B,
                                  const double *Q, const double *noise, double c, size_t times)
{
    static double H[EXACT_MAX * EXACT_MAX], M[EXACT_MAX * EXACT_MAX], T[EXACT_MAX * EXACT_MAX];
    const size_t n = L->n;
    for (size_t i = 0; i < n * n; i++)
        H[i] = c * L->data[i] + Q[i];
    multiply(M, B, H, false, n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            M[i * n + j] = (i == j) - M[i * n + j];
    while (times--) {
        double g[EXACT_MAX];
        for (size_t i = 0; i < n; i++) {
            g[i] = c * L->pull[i];
            for (size_t j = 0; j < n; j++)
                g[i] += Q[i * n + j] * w->mean[j] - H[i * n + j] * L->mean[j];
        }
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                L->mean[i] += B[i * n + j] * g[j];
        multiply(T, M, L->cov, false, n);
        multiply(L->cov, T, M, true, n);
        for (size_t i = 0; i < n * n; i++)
            L->cov[i] += noise[i];
    }
}

/* Step matrix and noise of one level s. `most`: the bound on the eigenvalues of `data`. */
static inline void annealed_step(double *B, double *noise, double *c,
                                 const struct annealed_exact *L, const struct annealed *a, double s,
                                 double max)
{
    static double T[EXACT_MAX * EXACT_MAX];
    const size_t n = L->n;
    if (strcmp(a->method, "langevin") == 0) {
        *c = 1 / (1 + (s * s - a->last * a->last) * max);
        const double d = a->zeta / (1 / (s * s) + *c * max);
        for (size_t i = 0; i < n * n; i++) {
            B[i] = i % (n + 1) ? 0 : d;
            noise[i] = 2 * B[i];
        }
        return;
    }
    *c = 1;
    for (size_t i = 0; i < n * n; i++)
        B[i] = L->data[i] + (i % (n + 1) ? 0 : 1 / (s * s));
    invert(B, n);
    for (size_t i = 0; i < n * n; i++)
        T[i] = a->gamma * (2 - a->gamma) * L->data[i] + (i % (n + 1) ? 0 : 2 * a->gamma / (s * s));
    static double BT[EXACT_MAX * EXACT_MAX];
    multiply(BT, B, T, false, n);
    multiply(noise, BT, B, false, n);
    for (size_t i = 0; i < n * n; i++)
        B[i] *= a->gamma;
}

static inline void annealed_run(struct annealed_exact *L, const struct world *w, const scry_op *A,
                                const struct annealed *a)
{
    static double B[EXACT_MAX * EXACT_MAX], Q[EXACT_MAX * EXACT_MAX];
    static double noise[EXACT_MAX * EXACT_MAX];
    scry_error err = {0};
    double norm2, c;
    const size_t n = L->n = w->n;
    const double weight = 1 / (w->sigma * w->sigma);
    assert_ok(scry_op_norm2(A, &norm2, 1e-3, &err));
    memset(L->data, 0, sizeof L->data);
    memset(L->pull, 0, sizeof L->pull);
    for (size_t k = 0; k < w->m; k++)
        for (size_t i = 0; i < n; i++) {
            L->pull[i] += weight * w->A[k * n + i] * w->y[k];
            for (size_t j = 0; j < n; j++)
                L->data[i * n + j] += weight * w->A[k * n + i] * w->A[k * n + j];
        }
    for (size_t i = 0; i < n * n; i++)
        L->cov[i] = i % (n + 1) ? 0 : ANNEALED_FIRST * ANNEALED_FIRST;
    memcpy(L->mean, w->mean, sizeof L->mean);
    for (size_t k = 0; k < a->steps; k++) {
        const double high = pow(ANNEALED_FIRST, 1 / 7.0), low = pow(a->last, 1 / 7.0);
        const double s = pow(high + (double)k / (double)(a->steps - 1) * (low - high), 7);
        for (size_t i = 0; i < n * n; i++)
            Q[i] = w->C[i] + (i % (n + 1) ? 0 : s * s);
        invert(Q, n);
        annealed_step(B, noise, &c, L, a, s, norm2 * 1.002 * weight);
        annealed_level(L, w, B, Q, noise, c, a->travel);
    }
}

/* `K` chains against the distribution, the distribution against the posterior. Returns the excess
 * of variance. */
static inline double check_annealed(const struct annealed *a, const scry_problem *problem,
                                    const scry_op *A, const struct world *w, size_t K)
{
    static struct annealed_exact L;
    scry_options o;
    scry_chains c;
    struct verdict truth = {.low = 1e300};
    annealed_run(&L, w, A, a);
    for (size_t i = 0; i < w->n; i++) {
        const double sd = sqrt(w->P[i * w->n + i]), ratio = sqrt(L.cov[i * w->n + i]) / sd;
        truth.bias = fmax(truth.bias, fabs(L.mean[i] - w->post[i]) / sd);
        truth.low = fmin(truth.low, ratio);
        truth.high = fmax(truth.high, ratio);
    }
    annealed_opts(&o, a);
    draw(&c, problem, &o, K, 7);
    const struct verdict v = judge(c.samples, c.done, w->n, L.mean, L.cov);
    if (truth.bias > a->bias || truth.low < a->low || truth.high > a->high || v.bias > 4.5 * v.se ||
        v.whitened > 5 * sqrt(2.0 / (double)K)) {
        verdict_print(a->method, &truth);
        verdict_print("samples against that", &v);
        fail();
    }
    scry_chains_free(&c);
    return v.excess;
}

#endif
