#ifndef SCRY_TESTS_OP_CHECK_H
#define SCRY_TESTS_OP_CHECK_H

/* Tests that every operator must pass. Include after tests/check.h. */

#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "operators/dense.h"
#include "operators/op.h"

static inline float *check_random(size_t n, uint64_t seed)
{
    float *x = scry_alloc(n, sizeof *x);
    assert_non_null(x);
    scry_rng_normal(x, 0, n, seed, 9, 0);
    return x;
}

/* Tens of float epsilon, see STYLE: the error of the dot test is relative to |Ax| |y| / sqrt(N). */
#define CHECK_DOT_TOL (60 * 1.2e-7)

static inline void check_adjoint(const scry_op *A)
{
    scry_error err = {0};
    const uint64_t seeds[] = {1, 17, 2385};
    for (size_t i = 0; i < 3; i++) {
        double e = NAN;
        assert_ok(scry_op_dot_test(A, seeds[i], &e, &err));
        assert_below(e, CHECK_DOT_TOL);
    }
}

static inline void check_normal(const scry_op *A)
{
    scry_error err = {0};
    const size_t n = scry_space_floats(scry_op_dom(A)), m = scry_space_floats(scry_op_cod(A));
    float *x = check_random(n, 5), *y = check_random(m, 6), *a = check_random(n, 7);
    float *b = check_random(n, 8);
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    assert_non_null(work);
    assert_ok(scry_op_forward(A, y, x, work, &err));
    assert_ok(scry_op_adjoint(A, a, y, work, &err));
    assert_ok(scry_op_normal(A, b, x, work, &err));
    assert_true(scry_distance(a, b, n) <= 2e-6 * (scry_norm(a, n) + 1e-20));
    scry_free(x);
    scry_free(y);
    scry_free(a);
    scry_free(b);
    scry_free(work);
}

/* V V^H = I, |V^H x| = |x|, and U^H A x = S V^H x; with U an isometry on the range, that is A. */
static inline void check_svd(const scry_op *A)
{
    scry_error err = {0};
    scry_svd svd;
    assert_ok(scry_op_svd(A, &svd, &err));
    const size_t n = scry_space_floats(scry_op_dom(A)), m = scry_space_floats(scry_op_cod(A));
    const size_t per = (size_t)svd.floats_per, c = svd.count * per;
    float *x = check_random(n, 15), *back = check_random(n, 16), *y = check_random(m, 17);
    float *cx = check_random(c, 18), *cy = check_random(c, 19);
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    assert_ok(scry_op_svd_vh(A, cx, x, work, &err));
    assert_near(scry_norm(cx, c) / scry_norm(x, n), 1, 2e-6);
    assert_ok(scry_op_svd_v(A, back, cx, work, &err));
    assert_true(scry_distance(back, x, n) <= 2e-6 * scry_norm(x, n));
    assert_ok(scry_op_forward(A, y, x, work, &err));
    assert_ok(scry_op_svd_uh(A, cy, y, work, &err));
    double size = 0, norm = 0;
    for (size_t i = 0; i < svd.count; i++) {
        assert_true(svd.values[i] >= 0);
        size = fmax(size, svd.values[i]);
    }
    for (size_t i = 0; i < svd.count; i++)
        for (size_t j = i * per; j < (i + 1) * per; j++) {
            norm += (double)cy[j] * cy[j];
            assert_near(cy[j], svd.values[i] * cx[j], 3e-6 * size * (1 + fabs((double)cx[j])));
        }
    assert_near(sqrt(norm), scry_norm(y, m), 3e-6 * size * scry_norm(x, n));
    scry_free(x);
    scry_free(back);
    scry_free(y);
    scry_free(cx);
    scry_free(cy);
    scry_free(work);
}

/* A equals M (floats(cod) x floats(dom)), entry by entry. */
static inline void check_matrix(const scry_op *A, const double *M, double tol)
{
    scry_error err = {0};
    const size_t n = scry_space_floats(scry_op_dom(A)), m = scry_space_floats(scry_op_cod(A));
    double *got = scry_alloc(m * n, sizeof *got);
    assert_non_null(got);
    assert_ok(scry_dense_of(A, got, &err));
    for (size_t i = 0; i < m * n; i++)
        assert_near(got[i], M[i], tol);
    scry_free(got);
}

static inline void check_operator(const scry_op *A)
{
    check_adjoint(A);
    check_normal(A);
    if (scry_op_has_svd(A)) check_svd(A);
}

/* Each allocation of `create` is refused in turn until it succeeds; nothing may stay behind. The
 * object is kept. Needs `scry_error err` in scope. */
#define CHECK_REFUSALS(create)                                                                     \
    do {                                                                                           \
        const size_t live_ = scry_memory_live();                                                   \
        scry_status st_ = SCRY_ENOMEM;                                                             \
        for (size_t nth_ = 1; st_ != SCRY_OK; nth_++) {                                            \
            err = (scry_error){0};                                                                 \
            assert_true(nth_ < 200);                                                               \
            scry_memory_fail_at(nth_);                                                             \
            st_ = (create);                                                                        \
            scry_memory_fail_at(0);                                                                \
            if (st_ == SCRY_OK) break;                                                             \
            assert_int_equal(st_, SCRY_ENOMEM);                                                    \
            assert_true(err.text[0]);                                                              \
            assert_int_equal(scry_memory_live(), live_);                                           \
        }                                                                                          \
    } while (0)

/* The same, and the object is released without a trace. */
#define CHECK_ALLOCATIONS(create, release)                                                         \
    do {                                                                                           \
        const size_t before_ = scry_memory_live();                                                 \
        CHECK_REFUSALS(create);                                                                    \
        release;                                                                                   \
        assert_int_equal(scry_memory_live(), before_);                                             \
    } while (0)

#endif
