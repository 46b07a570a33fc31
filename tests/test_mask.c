#include "tests/check.h"
#include "tests/op_check.h"

#include "operators/identity.h"
#include "operators/mask.h"

static float no_work[16]; /* of those that need none */

static void identity_is_the_identity(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    scry_space s = SCRY_SPACE(3, 1, 5);
    for (int cplx = 0; cplx < 2; cplx++) {
        s.cplx = cplx;
        assert_ok(scry_identity_create(&A, &s, &err));
        const size_t n = scry_space_floats(&s);
        double *M = scry_alloc(n * n, sizeof *M);
        for (size_t i = 0; i < n; i++)
            M[i * n + i] = 1;
        check_matrix(A, M, 0);
        check_operator(A);
        scry_free(M);
        scry_op_free(A);
    }
    s.dims[1] = 0;
    assert_fails(scry_identity_create(&A, &s, &err), SCRY_ESHAPE);
    assert_null(A);
    s.dims[1] = 1;
    CHECK_ALLOCATIONS(scry_identity_create(&A, &s, &err), scry_op_free(A));
}

static void mask_gathers_the_known_pixels(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    const scry_space s = SCRY_SPACE(2, 3);
    const float known[6] = {0, 1, -2.5f, 0, 0, .25f}, x[6] = {1, 2, 3, 4, 5, 6};
    float y[3], back[6];
    assert_ok(scry_mask_create_float(&A, &s, known, &err));
    assert_int_equal(scry_op_cod(A)->rank, 1);
    assert_int_equal(scry_op_cod(A)->dims[0], 3);
    assert_ok(scry_op_forward(A, y, x, no_work, &err));
    assert_true(y[0] == 2 && y[1] == 3 && y[2] == 6);
    assert_ok(scry_op_adjoint(A, back, y, no_work, &err));
    const float expected[6] = {0, 2, 3, 0, 0, 6};
    assert_memory_equal(back, expected, sizeof back);
    check_operator(A);
    double norm2;
    assert_ok(scry_op_norm2(A, &norm2, 1e-6, &err));
    assert_near(norm2, 1, 1e-6);
    scry_op_free(A);
}

static void mask_of_every_shape(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space shapes[] = {SCRY_SPACE(1), SCRY_SPACE(7, 1), SCRY_SPACE(13, 8),
                                 SCRY_SPACE(2, 5, 9)};
    for (size_t k = 0; k < 4; k++)
        for (int cplx = 0; cplx < 2; cplx++) {
            scry_space s = shapes[k];
            s.cplx = cplx;
            unsigned char known[128];
            for (size_t i = 0; i < 128; i++)
                known[i] = i * 7 % 5 < 3 ? (unsigned char)(i + 1) : 0;
            scry_op *A;
            assert_ok(scry_mask_create(&A, &s, known, &err));
            check_operator(A);
            scry_op_free(A);
        }
}

/* An unknown pixel of the state may be anything, even a NaN. */
static void mask_does_not_spread_what_is_unknown(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    const unsigned char known[3] = {1, 0, 1};
    const float x[3] = {2, NAN, 3};
    float out[3];
    const scry_space s = SCRY_SPACE(3);
    assert_ok(scry_mask_create(&A, &s, known, &err));
    assert_ok(scry_op_normal(A, out, x, no_work, &err));
    assert_true(out[0] == 2 && out[1] == 0 && out[2] == 3);
    scry_op_free(A);
}

static void mask_refuses(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    const unsigned char none[6] = {0}, one[6] = {0, 0, 1};
    const float nan[6] = {1, 0, NAN};
    scry_space s = SCRY_SPACE(2, 3);
    assert_fails(scry_mask_create(&A, &s, none, &err), SCRY_EINVAL);
    assert_null(A);
    assert_fails(scry_mask_create_float(&A, &s, nan, &err), SCRY_EINVAL);
    CHECK_ALLOCATIONS(scry_mask_create(&A, &s, one, &err), scry_op_free(A));
    const float onef[6] = {1};
    CHECK_ALLOCATIONS(scry_mask_create_float(&A, &s, onef, &err), scry_op_free(A));
    s.rank = 0;
    assert_fails(scry_mask_create(&A, &s, one, &err), SCRY_ESHAPE);
    assert_fails(scry_mask_create_float(&A, &s, nan, &err), SCRY_ESHAPE);
}

static void dense_is_its_matrix(void **state)
{
    (void)state;
    scry_error err = {0};
    const size_t shapes[][2] = {{1, 1}, {3, 5}, {7, 4}, {6, 6}, {1, 9}, {9, 1}};
    for (size_t k = 0; k < 6; k++) {
        const size_t m = shapes[k][0], n = shapes[k][1];
        float *random = check_random(m * n, 40 + k);
        double *M = scry_alloc(m * n, sizeof *M);
        for (size_t i = 0; i < m * n; i++)
            M[i] = random[i];
        const scry_space dom = SCRY_SPACE(n), cod = SCRY_SPACE(m);
        scry_op *A;
        assert_ok(scry_dense_create(&A, &dom, &cod, M, &err));
        check_matrix(A, M, 1e-6);
        check_operator(A);
        scry_svd svd;
        double norm2;
        assert_ok(scry_op_svd(A, &svd, &err));
        assert_ok(scry_op_norm2(A, &norm2, 1e-9, &err));
        assert_near(sqrt(norm2), svd.values[0], 1e-3 * svd.values[0]);
        scry_op_free(A);
        scry_free(M);
        scry_free(random);
    }
}

/* Rank 1 in 3 x 4: the rest of V spans the null space, and nothing is measured along it. */
static void dense_knows_its_null_space(void **state)
{
    (void)state;
    scry_error err = {0};
    double M[12];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++)
            M[4 * i + j] = (i + 1) * (j - 1.5);
    const scry_space dom = SCRY_SPACE(4), cod = SCRY_SPACE(3);
    scry_op *A;
    scry_svd svd;
    assert_ok(scry_dense_create(&A, &dom, &cod, M, &err));
    assert_ok(scry_op_svd(A, &svd, &err));
    assert_int_equal(svd.count, 4);
    assert_near(svd.values[0], sqrt(14 * 5), 1e-5);
    for (int i = 1; i < 4; i++)
        assert_near(svd.values[i], 0, 0);
    check_operator(A);
    scry_op_free(A);
    M[5] = INFINITY;
    assert_fails(scry_dense_create(&A, &dom, &cod, M, &err), SCRY_EINVAL);
    M[5] = 0;
    CHECK_ALLOCATIONS(scry_dense_create(&A, &dom, &cod, M, &err), scry_op_free(A));
    const scry_space bad = {.rank = 9};
    assert_fails(scry_dense_create(&A, &bad, &cod, M, &err), SCRY_ESHAPE);
    assert_fails(scry_dense_create(&A, &dom, &bad, M, &err), SCRY_ESHAPE);
}

static void dense_acts_on_pairs(void **state)
{
    (void)state;
    scry_error err = {0};
    /* multiplication by 2 + 3i of one complex number */
    const double M[4] = {2, -3, 3, 2};
    scry_space s = SCRY_SPACE(1);
    s.cplx = true;
    scry_op *A;
    assert_ok(scry_dense_create(&A, &s, &s, M, &err));
    check_operator(A);
    scry_op_free(A);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_is_the_identity),
        cmocka_unit_test(mask_gathers_the_known_pixels),
        cmocka_unit_test(mask_of_every_shape),
        cmocka_unit_test(mask_does_not_spread_what_is_unknown),
        cmocka_unit_test(mask_refuses),
        cmocka_unit_test(dense_is_its_matrix),
        cmocka_unit_test(dense_knows_its_null_space),
        cmocka_unit_test(dense_acts_on_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
