#include "tests/check.h"
#include "tests/op_check.h"

#include "operators/blur.h"
#include "operators/compose.h"
#include "operators/identity.h"
#include "operators/likelihood.h"
#include "operators/mask.h"

#include <string.h>

static scry_op *random_dense(size_t m, const scry_space *dom, uint64_t seed)
{
    scry_error err = {0};
    const size_t n = scry_space_floats(dom);
    float *r = check_random(m * n, seed);
    double *M = scry_alloc(m * n, sizeof *M);
    const scry_space cod = SCRY_SPACE(m);
    scry_op *A;
    for (size_t i = 0; i < m * n; i++)
        M[i] = r[i];
    assert_ok(scry_dense_create(&A, dom, &cod, M, &err));
    scry_free(r);
    scry_free(M);
    return A;
}

static void chain_is_the_product(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(2, 3), middle = SCRY_SPACE(5);
    scry_op *first = random_dense(5, &s, 1), *second = random_dense(4, &middle, 2), *A;
    double F[30], S[20], M[24] = {0};
    assert_ok(scry_dense_of(first, F, &err));
    assert_ok(scry_dense_of(second, S, &err));
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 6; j++)
            for (int k = 0; k < 5; k++)
                M[i * 6 + j] += S[i * 5 + k] * F[k * 6 + j];
    CHECK_REFUSALS(scry_chain_create(&A, second, first, &err));
    check_matrix(A, M, 1e-5);
    check_operator(A);
    assert_false(scry_op_has_svd(A));
    scry_op *other = random_dense(4, &s, 3), *never;
    assert_fails(scry_chain_create(&never, A, other, &err), SCRY_ESHAPE);
    assert_null(never);
    scry_op_free(other);
    scry_op_free(A);
}

/* Deconvolution with saturated pixels as one operator, and its likelihood as one problem. */
static void mask_after_blur(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(9, 11), ps = SCRY_SPACE(3, 4);
    unsigned char known[99];
    size_t count = 0;
    for (size_t i = 0; i < 99; i++)
        count += known[i] = i * 5 % 7 != 0;
    for (int open = 0; open < 2; open++) {
        float *h = check_random(12, 4);
        scry_op *blur, *mask, *A;
        assert_ok(scry_blur_create(
            &blur, &s,
            &(scry_blur_params){
                .psf = h, .psf_space = ps, .boundary = open ? SCRY_OPEN : SCRY_PERIODIC},
            &err));
        assert_ok(scry_mask_create(&mask, scry_op_cod(blur), known, &err));
        const size_t n = scry_space_count(scry_op_dom(blur));
        double *B = scry_alloc(99 * n, sizeof *B), *M = scry_alloc(count * n, sizeof *M);
        assert_ok(scry_dense_of(blur, B, &err));
        for (size_t i = 0, row = 0; i < 99; i++)
            if (known[i]) memcpy(M + n * row++, B + n * i, n * sizeof *M);
        assert_ok(scry_chain_create(&A, mask, blur, &err));
        assert_int_equal(scry_space_count(scry_op_cod(A)), count);
        check_matrix(A, M, 1e-6);
        check_operator(A);
        scry_op_free(A);
        scry_free(h);
        scry_free(B);
        scry_free(M);
    }
}

static void scaled_scales(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(6), ps = SCRY_SPACE(3);
    const double factors[] = {2.385, -.75, 0};
    for (int i = 0; i < 3; i++)
        for (int open = 0; open < 2; open++) {
            const float h[3] = {.2f, .5f, .4f};
            scry_op *B, *A;
            assert_ok(scry_blur_create(
                &B, &s,
                &(scry_blur_params){
                    .psf = h, .psf_space = ps, .boundary = open ? SCRY_OPEN : SCRY_PERIODIC},
                &err));
            const size_t n = scry_space_count(scry_op_dom(B));
            double *M = scry_alloc(6 * n, sizeof *M);
            assert_ok(scry_dense_of(B, M, &err));
            for (size_t k = 0; k < 6 * n; k++)
                M[k] *= factors[i];
            CHECK_REFUSALS(scry_scaled_create(&A, B, factors[i], &err));
            check_matrix(A, M, 1e-6);
            check_operator(A);
            assert_true(scry_op_has_svd(A) == !open);
            scry_op *never;
            assert_fails(scry_scaled_create(&never, A, NAN, &err), SCRY_EINVAL);
            scry_op_free(A);
            scry_free(M);
        }
}

static void stack_measures_twice(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(5, 3);
    scry_op *parts[3] = {random_dense(7, &s, 1), NULL, random_dense(2, &s, 3)}, *A;
    double M[(7 + 15 + 2) * 15];
    assert_ok(scry_identity_create(&parts[1], &s, &err));
    for (size_t i = 0, row = 0; i < 3; i++) {
        assert_ok(scry_dense_of(parts[i], M + 15 * row, &err));
        row += scry_space_count(scry_op_cod(parts[i]));
    }
    assert_fails(scry_stack_create(&A, parts, 0, &err), SCRY_EINVAL);
    const scry_space other = SCRY_SPACE(15);
    scry_op *mixed[2] = {parts[0], random_dense(3, &other, 9)};
    assert_fails(scry_stack_create(&A, mixed, 2, &err), SCRY_ESHAPE);
    scry_op_free(mixed[1]);
    CHECK_REFUSALS(scry_stack_create(&A, parts, 3, &err));
    check_matrix(A, M, 1e-6);
    check_operator(A);
    scry_op_free(A);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_is_the_product),
        cmocka_unit_test(mask_after_blur),
        cmocka_unit_test(scaled_scales),
        cmocka_unit_test(stack_measures_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
