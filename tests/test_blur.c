#include "tests/check.h"
#include "tests/op_check.h"

#include "operators/blur.h"

#include <string.h>

/* Index of a multi-index, and the reverse, over `rank` axes. */
static void unravel(size_t i, const size_t *dims, int rank, ptrdiff_t *k)
{
    for (int a = rank - 1; a >= 0; a--) {
        k[a] = (ptrdiff_t)(i % dims[a]);
        i /= dims[a];
    }
}

/* The matrix of blur.h's sum, written down entry by entry in double precision: row i of the image,
 * column j of the domain. Batch axes must agree; the others give the psf entry k = i + c - j, j
 * counted from the image's corner. */
static double *blur_matrix(const scry_window *w, const float *psf, const scry_space *ps, bool wrap)
{
    const size_t m = scry_space_count(&w->inner), n = scry_space_count(&w->outer);
    const int rank = w->inner.rank, first = rank - ps->rank;
    double *M = scry_alloc(m * n, sizeof *M);
    assert_non_null(M);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            ptrdiff_t ki[SCRY_MAX_RANK], kj[SCRY_MAX_RANK];
            size_t at = 0;
            bool inside = true;
            unravel(i, w->inner.dims, rank, ki);
            unravel(j, w->outer.dims, rank, kj);
            for (int a = 0; a < rank; a++) {
                if (a < first) {
                    inside = inside && ki[a] == kj[a];
                    continue;
                }
                const ptrdiff_t p = (ptrdiff_t)ps->dims[a - first];
                const ptrdiff_t d = (ptrdiff_t)w->outer.dims[a];
                ptrdiff_t k = ki[a] + (ptrdiff_t)w->offset[a] + p / 2 - kj[a];
                if (wrap) k = (k % d + d) % d;
                inside = inside && k >= 0 && k < p;
                at = at * (size_t)p + (size_t)k;
            }
            if (inside) M[i * n + j] = psf[at];
        }
    return M;
}

struct blur_case {
    scry_space image, psf;
    size_t multiple;
};

static float *case_psf(const struct blur_case *k, size_t seed)
{
    const size_t n = scry_space_count(&k->psf);
    float *h = check_random(n, seed);
    for (size_t i = 0; i < n; i++)
        h[i] += .7f; /* nothing symmetric, nothing normalised */
    return h;
}

static void blur_equals_its_matrix(void **state)
{
    (void)state;
    scry_error err = {0};
    const struct blur_case cases[] = {
        {SCRY_SPACE(6, 8), SCRY_SPACE(3, 3), 1},       /* even, odd psf */
        {SCRY_SPACE(7, 5), SCRY_SPACE(2, 4), 4},       /* odd and prime, even psf */
        {SCRY_SPACE(1, 11), SCRY_SPACE(1, 5), 1},      /* length-1 axes */
        {SCRY_SPACE(5, 1), SCRY_SPACE(5, 1), 2},       /* as large as the image */
        {SCRY_SPACE(2, 3, 7), SCRY_SPACE(2, 3), 1},    /* a batch, images not aligned */
        {SCRY_SPACE(3, 4, 5), SCRY_SPACE(3, 2, 3), 4}, /* 3-D */
        {SCRY_SPACE(2, 1, 3, 4), SCRY_SPACE(1, 3, 2), 1},
        {SCRY_SPACE(13), SCRY_SPACE(6), 3}, /* 1-D */
        {SCRY_SPACE(1, 1), SCRY_SPACE(1, 1), 1},
        {SCRY_SPACE(3, 5), SCRY_SPACE(5, 9), 1}, /* longer than the image: as far as one pixel */
        {SCRY_SPACE(4, 2), SCRY_SPACE(6, 3), 4}, /* sees another; even */
        {SCRY_SPACE(3, 4, 5), SCRY_SPACE(5, 7, 3), 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (scry_boundary b = SCRY_PERIODIC; b <= SCRY_JOINED; b++) {
            const struct blur_case *k = &cases[i];
            if (b == SCRY_PERIODIC && i > 8) continue; /* too long for it */
            float *h = case_psf(k, 30 + i);
            scry_window w;
            scry_op *A;
            assert_ok(scry_blur_domain(&w, &k->image, &k->psf, b, k->multiple, &err));
            assert_ok(scry_blur_create(
                &A, &k->image,
                &(scry_blur_params){
                    .psf = h, .psf_space = k->psf, .boundary = b, .multiple = k->multiple},
                &err));
            assert_true(scry_space_equal(scry_op_dom(A), &w.outer));
            assert_true(scry_space_equal(scry_op_cod(A), &w.inner));
            double *M = blur_matrix(&w, h, &k->psf, b != SCRY_OPEN);
            check_matrix(A, M, 4e-6);
            check_operator(A);
            assert_true(scry_op_has_svd(A) == (b == SCRY_PERIODIC));
            scry_op_free(A);
            scry_free(M);
            scry_free(h);
        }
}

static void blur_of_real_sizes_is_adjoint(void **state)
{
    (void)state;
    scry_error err = {0};
    const struct blur_case cases[] = {
        {SCRY_SPACE(64, 96), SCRY_SPACE(13, 17), 8},
        {SCRY_SPACE(37, 53), SCRY_SPACE(13, 8), 16},
        {SCRY_SPACE(2, 31, 45), SCRY_SPACE(11, 11), 8},
        {SCRY_SPACE(12, 23, 32), SCRY_SPACE(5, 7, 7), 1},
    };
    for (size_t i = 0; i < 4; i++)
        for (int open = 0; open < 2; open++) {
            const struct blur_case *k = &cases[i];
            float *h = case_psf(k, 60 + i);
            scry_op *A;
            assert_ok(
                scry_blur_create(&A, &k->image,
                                 &(scry_blur_params){.psf = h,
                                                     .psf_space = k->psf,
                                                     .boundary = open ? SCRY_OPEN : SCRY_PERIODIC,
                                                     .multiple = k->multiple},
                                 &err));
            check_operator(A);
            scry_op_free(A);
            scry_free(h);
        }
}

/* An impulse shows the psf, centre on the impulse; a constant shows its sum, up to the edge. */
static void impulse_and_constant(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(9, 12), ps = SCRY_SPACE(4, 5);
    const struct blur_case k = {s, ps, 1};
    float *h = case_psf(&k, 3);
    scry_window w;
    scry_op *A;
    assert_ok(scry_blur_domain(&w, &s, &ps, SCRY_OPEN, 1, &err));
    assert_ok(scry_blur_create(
        &A, &s, &(scry_blur_params){.psf = h, .psf_space = ps, .boundary = SCRY_OPEN}, &err));
    const size_t n = scry_space_count(&w.outer), m = scry_space_count(&s);
    float *x = scry_alloc(n, sizeof *x), *y = scry_alloc(m, sizeof *y);
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    x[(3 + w.offset[0]) * w.outer.dims[1] + 5 + w.offset[1]] = 1;
    assert_ok(scry_op_forward(A, y, x, work, &err));
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 5; j++)
            assert_near(y[(3 + i - 2) * 12 + 5 + j - 2], h[i * 5 + j], 2e-6);
    for (size_t i = 0; i < n; i++)
        x[i] = 1;
    assert_ok(scry_op_forward(A, y, x, work, &err));
    const double sum = scry_sum(h, 20);
    for (size_t i = 0; i < m; i++)
        assert_near(y[i], sum, 1e-5);
    scry_op_free(A);
    scry_free(h);
    scry_free(x);
    scry_free(y);
    scry_free(work);
}

static void norm_is_the_largest_singular_value(void **state)
{
    (void)state;
    scry_error err = {0};
    const struct blur_case k = {SCRY_SPACE(15, 16), SCRY_SPACE(5, 4), 1};
    float *h = case_psf(&k, 8);
    scry_op *A;
    scry_svd svd;
    double norm2, largest = 0;
    assert_ok(
        scry_blur_create(&A, &k.image, &(scry_blur_params){.psf = h, .psf_space = k.psf}, &err));
    assert_ok(scry_op_svd(A, &svd, &err));
    for (size_t i = 0; i < svd.count; i++)
        largest = fmax(largest, svd.values[i]);
    assert_ok(scry_op_norm2(A, &norm2, 1e-7, &err));
    assert_near(sqrt(norm2), largest, 1e-3 * largest);
    scry_op_free(A);
    scry_free(h);
}

static void domain_covers_what_is_seen(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_window w;
    const scry_space image = SCRY_SPACE(7, 37, 53), psf = SCRY_SPACE(3, 9, 12);
    assert_ok(scry_blur_domain(&w, &image, &psf, SCRY_OPEN, 16, &err));
    assert_int_equal(w.outer.dims[0], 9); /* 7 + 3 - 1, and no multiple across slices */
    assert_int_equal(w.outer.dims[1], 48);
    assert_int_equal(w.outer.dims[2], 64);
    for (int a = 0; a < 3; a++) {
        const size_t k = psf.dims[a];
        assert_true(w.offset[a] >= k - 1 - k / 2);
        assert_true(w.offset[a] + image.dims[a] + k / 2 <= w.outer.dims[a]);
    }
    assert_ok(scry_blur_domain(&w, &image, &psf, SCRY_PERIODIC, 16, &err));
    assert_true(scry_space_equal(&w.outer, &image) && scry_space_equal(&w.inner, &image));
    assert_ok(scry_blur_domain(&w, &image, &psf, SCRY_JOINED, 1, &err));
    assert_int_equal(w.outer.dims[0], 8);
    assert_int_equal(w.outer.dims[1], 48); /* 37 + 4, where transforms are quick */
    assert_int_equal(w.outer.dims[2], 64); /* 53 + 6 */
    const scry_space longest = SCRY_SPACE(13, 73, 105), larger = SCRY_SPACE(7, 74, 12);
    const scry_space wide = SCRY_SPACE(7, 38, 12), deep = SCRY_SPACE(1, 1, 1, 3);
    assert_ok(scry_blur_domain(&w, &image, &longest, SCRY_OPEN, 1, &err));
    assert_fails(scry_blur_domain(&w, &image, &larger, SCRY_OPEN, 1, &err), SCRY_ESHAPE);
    assert_fails(scry_blur_domain(&w, &image, &larger, SCRY_JOINED, 1, &err), SCRY_ESHAPE);
    assert_fails(scry_blur_domain(&w, &image, &wide, SCRY_PERIODIC, 1, &err), SCRY_ESHAPE);
    assert_fails(scry_blur_domain(&w, &image, &deep, SCRY_OPEN, 1, &err), SCRY_ESHAPE);
    assert_fails(scry_blur_domain(&w, &image, &psf, SCRY_OPEN, 0, &err), SCRY_EINVAL);
    assert_fails(scry_blur_domain(&w, &image, &psf, SCRY_OPEN, 22, &err), SCRY_EINVAL);
}

/* Opposite edges share the margin and nothing else: between pixels of the image a joined
 * margin makes no difference, and an even field stays even. */
static void joined_margin_stays_outside(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space image = SCRY_SPACE(4, 7), ps = SCRY_SPACE(7, 12);
    const struct blur_case k = {image, ps, 1};
    float *h = case_psf(&k, 5), *x[2], y[2][28];
    scry_op *A[2];
    scry_window w[2];
    for (int i = 0; i < 2; i++) {
        const scry_boundary b = i ? SCRY_JOINED : SCRY_OPEN;
        assert_ok(scry_blur_domain(&w[i], &image, &ps, b, 1, &err));
        assert_ok(scry_blur_create(
            &A[i], &image, &(scry_blur_params){.psf = h, .psf_space = ps, .boundary = b}, &err));
        x[i] = scry_alloc(scry_space_count(&w[i].outer), sizeof(float));
    }
    assert_true(scry_space_count(&w[1].outer) < scry_space_count(&w[0].outer));
    float *inside = check_random(28, 9);
    for (int i = 0; i < 2; i++) {
        void *work = scry_alloc(1, scry_op_work_bytes(A[i]));
        scry_window_pad(&w[i], x[i], inside);
        assert_ok(scry_op_forward(A[i], y[i], x[i], work, &err));
        for (size_t j = 0; j < scry_space_count(&w[i].outer); j++)
            x[i][j] = 1;
        if (i) assert_ok(scry_op_forward(A[i], inside, x[i], work, &err));
        scry_free(work);
    }
    double sum = 0;
    for (size_t j = 0; j < 84; j++)
        sum += h[j];
    for (size_t j = 0; j < 28; j++) {
        assert_near(y[1][j], y[0][j], 1e-5 * sum);
        assert_near(inside[j], sum, 1e-5 * sum);
    }
    for (int i = 0; i < 2; i++) {
        scry_op_free(A[i]);
        scry_free(x[i]);
    }
    scry_free(inside);
    scry_free(h);
}

static void blur_refuses(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    float h[9] = {0};
    scry_space s = SCRY_SPACE(8, 8), ps = SCRY_SPACE(3, 3), wide = SCRY_SPACE(1, 16);
    for (int open = 0; open < 2; open++) {
        const scry_boundary b = open ? SCRY_OPEN : SCRY_PERIODIC;
        h[4] = 0;
        const scry_blur_params params = {.psf = h, .psf_space = ps, .boundary = b};
        assert_fails(scry_blur_create(&A, &s, &params, &err), SCRY_EINVAL);
        assert_null(A);
        h[4] = NAN;
        assert_fails(scry_blur_create(&A, &s, &params, &err), SCRY_EINVAL);
        h[4] = 1;
        scry_error expected = {0};
        assert_int_equal(
            scry_blur_create(
                &A, &s, &(scry_blur_params){.psf = h, .psf_space = wide, .boundary = b}, &expected),
            SCRY_ESHAPE);
        assert_string_equal(expected.text,
                            open ? "axis 1: a psf of 16 for an image of 8, expected at most 15"
                                 : "axis 1: a psf of 16 for an image of 8, expected at most 8");
        s.cplx = true;
        assert_fails(scry_blur_create(&A, &s, &params, &err), SCRY_EUNSUP);
        s.cplx = false;
        s.dims[0] = 0;
        assert_fails(scry_blur_create(&A, &s, &params, &err), SCRY_ESHAPE);
        s.dims[0] = 8;
        const scry_space line = SCRY_SPACE(8);
        assert_fails(scry_blur_create(&A, &line, &params, &err), SCRY_ESHAPE);
        CHECK_ALLOCATIONS(scry_blur_create(&A, &s, &params, &err), scry_op_free(A));
    }
}

static void window_moves_pixels(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_window w = {.outer = SCRY_SPACE(4, 5), .inner = SCRY_SPACE(2, 3), .offset = {1, 2}};
    const float inner[6] = {1, 2, 3, 4, 5, 6};
    const float extended[20] = {1, 1, 1, 2, 3, 1, 1, 1, 2, 3, 4, 4, 4, 5, 6, 4, 4, 4, 5, 6};
    const float padded[20] = {[7] = 1, [8] = 2, [9] = 3, [12] = 4, [13] = 5, [14] = 6};
    float outer[20], back[6];
    scry_window_extend(&w, outer, inner);
    assert_memory_equal(outer, extended, sizeof outer);
    scry_window_crop(&w, back, outer);
    assert_memory_equal(back, inner, sizeof back);
    scry_window_clear_margin(&w, outer);
    assert_memory_equal(outer, padded, sizeof outer);
    memset(outer, 255, sizeof outer);
    scry_window_pad(&w, outer, inner);
    assert_memory_equal(outer, padded, sizeof outer);
    for (int cplx = 0; cplx < 2; cplx++) {
        scry_window c = w;
        scry_op *A;
        c.inner.cplx = c.outer.cplx = cplx;
        assert_ok(scry_crop_create(&A, &c, &err));
        check_operator(A);
        scry_op_free(A);
    }
}

static void window_refuses(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_window good = {
        .outer = SCRY_SPACE(4, 5), .inner = SCRY_SPACE(2, 3), .offset = {1, 2}};
    scry_op *A;
    scry_window bad = good;
    bad.offset[1] = 3;
    assert_fails(scry_crop_create(&A, &bad, &err), SCRY_ESHAPE);
    bad = good;
    bad.inner.dims[0] = 5;
    assert_fails(scry_crop_create(&A, &bad, &err), SCRY_ESHAPE);
    bad = good;
    bad.inner.cplx = true;
    assert_fails(scry_crop_create(&A, &bad, &err), SCRY_ESHAPE);
    bad = good;
    bad.inner.dims[0] = 0;
    assert_fails(scry_crop_create(&A, &bad, &err), SCRY_ESHAPE);
    bad = good;
    bad.outer.rank = 0;
    assert_fails(scry_crop_create(&A, &bad, &err), SCRY_ESHAPE);
    CHECK_ALLOCATIONS(scry_crop_create(&A, &good, &err), scry_op_free(A));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blur_equals_its_matrix),
        cmocka_unit_test(blur_of_real_sizes_is_adjoint),
        cmocka_unit_test(impulse_and_constant),
        cmocka_unit_test(norm_is_the_largest_singular_value),
        cmocka_unit_test(domain_covers_what_is_seen),
        cmocka_unit_test(joined_margin_stays_outside),
        cmocka_unit_test(blur_refuses),
        cmocka_unit_test(window_moves_pixels),
        cmocka_unit_test(window_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
