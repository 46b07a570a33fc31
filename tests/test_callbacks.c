#include "tests/check.h"

#include "lib/memory.h"
#include "operators/callbacks.h"

#include <string.h>

/* Running differences, y_i = x_i - x_(i-1), and what goes wrong with callbacks. */
enum { N = 41 };
enum fault { NONE, WRONG, WORDED, SILENT, NOT_A_NUMBER };

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

static scry_status make(scry_op **A, enum fault *fault, scry_error *err)
{
    const scry_space space = SCRY_SPACE(N);
    const scry_op_callbacks own = {
        .name = "differences", .forward = forward, .adjoint = adjoint, .ctx = fault};
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
    assert_int_equal(scry_op_forward(A, y, x, NULL, &err), SCRY_EUNSUP);
    assert_string_equal(err.text, "shutter closed");
    err = (scry_error){0};
    fault = SILENT;
    assert_fails(scry_op_forward(A, y, x, NULL, &err), SCRY_EIO);
    fault = NOT_A_NUMBER;
    assert_fails(scry_op_forward(A, y, x, NULL, &err), SCRY_ENUMERIC);
    scry_op_free(A);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_operator_is_checked),
        cmocka_unit_test(own_failures_reach_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
