#include "tests/check.h"

#include "lib/memory.h"
#include "operators/callbacks.h"
#include "priors/callbacks.h"

#include <string.h>

static float no_work[16]; /* of those that need none */

/* Running differences, y_i = x_i - x_(i-1), and errors of callbacks. */
enum { N = 41 };
enum fault { NONE, WRONG, WRONG_NORMAL, WORDED, SILENT, NOT_A_NUMBER };

static scry_status forward(void *ctx, float *y, const float *x, scry_error *err)
{
    const enum fault fault = *(const enum fault *)ctx;
    for (int i = 0; i < N; i++)
        y[i] = x[i] - (i ? x[i - 1] : 0);
    if (fault == NOT_A_NUMBER) y[5] = NAN;
    if (fault == SILENT) return SCRY_EIO;
    return fault == WORDED ? SCRY_FAIL(err, SCRY_EUNSUP, "shutter closed") : SCRY_OK;
}

static scry_status adjoint(void *ctx, float *x, const float *y, scry_error *err)
{
    (void)err;
    const float sign = *(const enum fault *)ctx == WRONG ? 1 : -1;
    for (int i = 0; i < N; i++)
        x[i] = y[i] + sign * (i + 1 < N ? y[i + 1] : 0);
    return SCRY_OK;
}

static scry_status normal(void *ctx, float *out, const float *x, scry_error *err)
{
    float y[N];
    enum fault fault = NONE;
    scry_status st = forward(&fault, y, x, err);
    if (st == SCRY_OK) st = adjoint(&fault, out, y, err);
    if (*(const enum fault *)ctx == WRONG_NORMAL) out[N - 1] *= 2;
    return st;
}

static scry_status make(scry_op **A, enum fault *fault, scry_error *err)
{
    const scry_space space = SCRY_SPACE(N);
    const scry_op_callbacks own = {.name = "differences",
                                   .forward = forward,
                                   .adjoint = adjoint,
                                   .normal = normal,
                                   .ctx = fault};
    return scry_op_from_callbacks(A, &space, &space, &own, err);
}

static void own_operator_is_checked(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    enum fault fault = NONE;
    double worst = 1;
    assert_ok(make(&A, &fault, &err));
    assert_ok(scry_op_check(A, 7, 4, &worst, &err));
    assert_below(worst, 1e-5);
    fault = WRONG;
    assert_fails(scry_op_check(A, 7, 4, &worst, &err), SCRY_EINVAL);
    assert_true(worst > .1);
    scry_op_free(A);
    assert_fails(make(&A, &fault, &err), SCRY_EINVAL);
    assert_null(A);
    fault = WRONG_NORMAL;
    assert_int_equal(make(&A, &fault, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "differences: normal differs from adjoint after forward"));
    assert_null(A);
    assert_int_equal(scry_memory_live(), 0);
}

static void own_failures_reach_the_caller(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    enum fault fault = NONE;
    float x[N] = {0}, y[N];
    assert_ok(make(&A, &fault, &err));
    fault = WORDED;
    assert_int_equal(scry_op_forward(A, y, x, no_work, &err), SCRY_EUNSUP);
    assert_string_equal(err.text, "shutter closed");
    err = (scry_error){0};
    fault = SILENT;
    assert_fails(scry_op_forward(A, y, x, no_work, &err), SCRY_EIO);
    fault = NOT_A_NUMBER;
    assert_fails(scry_op_forward(A, y, x, no_work, &err), SCRY_ENUMERIC);
    scry_op_free(A);
}

/* D of N(0, I): x / (1 + s^2). */
static scry_status own_shrink(void *ctx, float *x0, const float *x, float sigma, scry_error *err)
{
    const enum fault fault = *(const enum fault *)ctx;
    for (int i = 0; i < N; i++)
        x0[i] = x[i] / (1 + sigma * sigma);
    if (fault == NOT_A_NUMBER) x0[7] = NAN;
    return fault == WORDED ? SCRY_FAIL(err, SCRY_EIO, "no weights") : SCRY_OK;
}

static scry_status own_vjp(void *ctx, float *g, const float *x, const float *v, float sigma,
                           scry_error *err)
{
    (void)x;
    return own_shrink(ctx, g, v, sigma, err);
}

static void own_prior_denoises(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_prior *P;
    enum fault fault = NONE;
    float x[N], y[N], g[N];
    const scry_space space = SCRY_SPACE(N);
    scry_prior_callbacks own = {.name = "shrinkage",
                                .sigma_low = 1,
                                .sigma_high = .5,
                                .denoise = own_shrink,
                                .vjp = own_vjp,
                                .ctx = &fault};
    assert_fails(scry_prior_from_callbacks(&P, &space, &own, &err), SCRY_EINVAL);
    own.sigma_low = .1;
    assert_ok(scry_prior_from_callbacks(&P, &space, &own, &err));
    for (int i = 0; i < N; i++)
        x[i] = (float)i + 2.5f;
    assert_ok(scry_prior_vjp(P, g, y, x, x, .5f, no_work, &err));
    assert_near(y[3], 5.5 / 1.25, 1e-5);
    assert_near(g[3], 5.5 / 1.25, 1e-5);
    fault = NOT_A_NUMBER;
    assert_fails(scry_prior_denoise(P, y, x, .5f, no_work, &err), SCRY_ENUMERIC);
    fault = WORDED;
    assert_int_equal(scry_prior_denoise(P, y, x, .5f, no_work, &err), SCRY_EIO);
    assert_string_equal(err.text, "no weights");
    scry_prior_free(P);
    assert_int_equal(scry_memory_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_operator_is_checked),
        cmocka_unit_test(own_failures_reach_the_caller),
        cmocka_unit_test(own_prior_denoises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
