#include "tests/prior_check.h"

#include "priors/gaussian.h"

/* A covariance that is neither diagonal nor circulant, and positive definite: B B^T + diag. */
static void covariance(double *C, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            C[i * n + j] = i == j ? 0.37 + 0.05 * (double)i : 0;
            for (size_t k = 0; k < 3; k++)
                C[i * n + j] +=
                    sin(1.3 * (double)(i * (k + 1)) + 0.2) * sin(1.3 * (double)(j * (k + 1)) + 0.2);
        }
}

enum { N = 6 };

static scry_prior *dense_prior(double *C)
{
    const scry_space space = SCRY_SPACE(2, 3);
    const double mean[N] = {0.3, -0.2, 1.7, 0.05, -2.385, 0.9};
    scry_error err = {0};
    scry_prior *P;
    covariance(C, N);
    assert_ok(scry_gaussian_create_dense(&P, &space, mean, C, &err));
    return P;
}

/* The worked number: prior N(0, 1), sigma 0.7, D(x) = x / (1 + sigma^2). */
static void tweedie_of_the_unit_gaussian(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(7);
    double mean[7] = {0}, C[49] = {0};
    float x[7], x0[7];
    scry_error err = {0};
    scry_prior *P;
    for (int i = 0; i < 7; i++)
        C[8 * i] = 1, x[i] = (float)(i - 3);
    assert_ok(scry_gaussian_create_dense(&P, &space, mean, C, &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    assert_ok(scry_prior_denoise(P, x0, x, 0.7f, work, &err));
    for (int i = 0; i < 7; i++) {
        assert_near(x0[i], x[i] / 1.49, 1e-6);
        assert_near((x0[i] - x[i]) / 0.49, -x[i] / 1.49, 2e-6); /* the score of N(0, 1 + sigma^2) */
    }
    scry_free(work);
    scry_prior_free(P);
}

static void dense_functions_of_the_covariance(void **state)
{
    (void)state;
    double C[N * N];
    scry_prior *P = dense_prior(C);
    scry_error err = {0};
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    float *x = random_floats(N, 5), a[N], b[N];
    assert_true(scry_prior_is_gaussian(P));
    assert_ok(scry_gaussian_apply(P, a, x, SCRY_GAUSSIAN_COV, 0, work, &err));
    for (size_t i = 0; i < N; i++) {
        double expected = 0;
        for (size_t j = 0; j < N; j++)
            expected += C[i * N + j] * x[j];
        assert_near(a[i], expected, 1e-5);
    }
    assert_ok(scry_gaussian_apply(P, b, a, SCRY_GAUSSIAN_PRECISION, 0, work, &err));
    for (size_t i = 0; i < N; i++)
        assert_near(b[i], x[i], 1e-5);
    assert_ok(scry_gaussian_apply(P, b, x, SCRY_GAUSSIAN_SQRT, 0, work, &err));
    assert_ok(scry_gaussian_apply(P, b, b, SCRY_GAUSSIAN_SQRT, 0, work, &err)); /* in place */
    for (size_t i = 0; i < N; i++)
        assert_near(b[i], a[i], 1e-5);
    assert_ok(scry_gaussian_apply(P, b, b, SCRY_GAUSSIAN_INV_SQRT, 0, work, &err));
    assert_ok(scry_gaussian_apply(P, b, b, SCRY_GAUSSIAN_INV_SQRT, 0, work, &err));
    for (size_t i = 0; i < N; i++)
        assert_near(b[i], x[i], 1e-5);
    /* (C^-1 + I/t) shrink(x) = x */
    assert_ok(scry_gaussian_apply(P, a, x, SCRY_GAUSSIAN_SHRINK, 0.31, work, &err));
    assert_ok(scry_gaussian_apply(P, b, a, SCRY_GAUSSIAN_PRECISION, 0, work, &err));
    for (size_t i = 0; i < N; i++)
        assert_near(b[i] + a[i] / 0.31, x[i], 1e-5);
    assert_ok(scry_gaussian_apply(P, b, x, SCRY_GAUSSIAN_SHRINK_SQRT, 0.31, work, &err));
    assert_ok(scry_gaussian_apply(P, b, b, SCRY_GAUSSIAN_SHRINK_SQRT, 0.31, work, &err));
    for (size_t i = 0; i < N; i++)
        assert_near(b[i], a[i], 1e-5);
    assert_ok(scry_gaussian_apply(P, b, x, SCRY_GAUSSIAN_NOISED_SQRT, 0.31, work, &err));
    assert_ok(scry_gaussian_apply(P, b, b, SCRY_GAUSSIAN_NOISED_SQRT, 0.31, work, &err));
    assert_ok(scry_gaussian_apply(P, a, x, SCRY_GAUSSIAN_COV, 0, work, &err));
    for (size_t i = 0; i < N; i++)
        assert_near(b[i], a[i] + 0.31 * x[i], 1e-5);
    scry_free(x);
    scry_free(work);
    scry_prior_free(P);
}

/* D solves (C + s^2 I) C^-1 (D - m) = x - m, that is, x - D = s^2 C^-1 (D - m). */
static void dense_posterior_mean(void **state)
{
    (void)state;
    double C[N * N], value;
    scry_prior *P = dense_prior(C);
    scry_error err = {0};
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    float *x = random_floats(N, 6), d[N], mean[N], a[N];
    assert_ok(scry_gaussian_mean(P, mean, &err));
    assert_ok(scry_prior_denoise(P, d, x, 0.8f, work, &err));
    for (size_t i = 0; i < N; i++)
        a[i] = d[i] - mean[i];
    assert_ok(scry_gaussian_apply(P, a, a, SCRY_GAUSSIAN_PRECISION, 0, work, &err));
    for (size_t i = 0; i < N; i++)
        assert_near(x[i] - d[i], 0.64 * a[i], 1e-5);
    assert_ok(scry_prior_value(P, &value, mean, work, &err));
    assert_near(value, 0, 1e-10);
    check_vjp(P, x, 0.8f, 0.05, 1e-5);
    check_prox(P, x, 0.3, 1e-6);
    scry_free(x);
    scry_free(work);
    scry_prior_free(P);
}

static void dense_refuses(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(2), bad = SCRY_SPACE(2, 0);
    const double mean[2] = {0}, nan_mean[2] = {0, NAN};
    const double C[4] = {1, 0.5, 0.5, 1}, skew[4] = {1, 0.5, 0.4, 1}, indefinite[4] = {1, 2, 2, 1},
                 nan_cov[4] = {1, 0, 0, NAN};
    scry_error err = {0};
    scry_prior *P;
    assert_fails(scry_gaussian_create_dense(&P, &bad, mean, C, &err), SCRY_ESHAPE);
    assert_fails(scry_gaussian_create_dense(&P, &space, nan_mean, C, &err), SCRY_EINVAL);
    assert_fails(scry_gaussian_create_dense(&P, &space, mean, skew, &err), SCRY_EINVAL);
    assert_fails(scry_gaussian_create_dense(&P, &space, mean, indefinite, &err), SCRY_EINVAL);
    assert_fails(scry_gaussian_create_dense(&P, &space, mean, nan_cov, &err), SCRY_EINVAL);
    assert_null(P);
    check_refusals(P, scry_gaussian_create_dense(&P, &space, mean, C, &err));
}

static void calls_refuse(void **state)
{
    (void)state;
    double C[N * N];
    scry_prior *P = dense_prior(C);
    scry_error err = {0};
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    float x[N] = {0}, z[N];
    assert_fails(scry_prior_denoise(P, z, x, 0, work, &err), SCRY_EINVAL);
    assert_fails(scry_prior_denoise(P, z, x, -1, work, &err), SCRY_EINVAL);
    assert_fails(scry_prior_denoise(P, z, x, NAN, work, &err), SCRY_EINVAL);
    assert_fails(scry_prior_denoise(P, z, x, 1e9f, work, &err), SCRY_EINVAL);
    assert_fails(scry_prior_prox(P, z, x, 0, work, &err), SCRY_EINVAL);
    assert_fails(scry_prior_prox(P, z, x, INFINITY, work, &err), SCRY_EINVAL);
    assert_fails(scry_gaussian_apply(P, z, x, SCRY_GAUSSIAN_SHRINK, 0, work, &err), SCRY_EINVAL);
    assert_fails(scry_gaussian_apply(P, z, x, (scry_gaussian_fn)99, 1, work, &err), SCRY_EINVAL);
    x[3] = NAN;
    assert_fails(scry_prior_denoise(P, z, x, 1, work, &err), SCRY_ENUMERIC);
    assert_fails(scry_prior_vjp(P, z, NULL, x, x, 1, work, &err), SCRY_ENUMERIC);
    assert_fails(scry_prior_prox(P, z, x, 1, work, &err), SCRY_ENUMERIC);
    scry_free(work);
    scry_prior_free(P);
    scry_prior_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tweedie_of_the_unit_gaussian),
        cmocka_unit_test(dense_functions_of_the_covariance),
        cmocka_unit_test(dense_posterior_mean),
        cmocka_unit_test(dense_refuses),
        cmocka_unit_test(calls_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
