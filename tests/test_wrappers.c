#include "tests/prior_check.h"
#include "lib/memory_watch.h"

#include "priors/affine.h"
#include "priors/gaussian.h"
#include "priors/mixture.h"
#include "priors/padded.h"
#include "priors/perplane.h"
#include "priors/slices.h"
#include "priors/tiled.h"
#include "priors/tv.h"

#include <omp.h>

static float no_work[16]; /* of those that need none */

/* A small nonlinear prior without any symmetry, so that a transposed or shifted index shows. */
static scry_prior *irregular(scry_space space)
{
    const size_t n = scry_space_floats(&space);
    double *numbers = scry_alloc(4 * n, sizeof *numbers);
    scry_error err = {0};
    scry_prior *P;
    for (size_t i = 0; i < n; i++) {
        numbers[i] = 0.7 + sin(1.1 * (double)i);
        numbers[n + i] = -0.6 + cos(0.83 * (double)i);
        numbers[2 * n + i] = 0.3 + 0.2 * sin(0.77 * (double)i);
        numbers[3 * n + i] = 0.5 + 0.3 * cos(1.9 * (double)i);
    }
    const scry_mixture_component c[2] = {
        {.weight = 1, .mean = numbers, .diagonal = numbers + 2 * n},
        {.weight = 1.3, .mean = numbers + n, .diagonal = numbers + 3 * n},
    };
    assert_ok(scry_mixture_create(&P, &space, c, 2, &err));
    scry_free(numbers);
    return P;
}

/* White Gaussian of mean 0.4, variance 0.25: acts on each pixel alone. */
static scry_prior *white(scry_space space)
{
    const size_t n = scry_space_floats(&space);
    double *mean = scry_alloc(n, sizeof *mean);
    scry_error err = {0};
    scry_prior *P;
    for (size_t i = 0; i < n; i++)
        mean[i] = 0.4;
    const scry_mixture_component one = {.weight = 1, .mean = mean, .variance = 0.25};
    assert_ok(scry_mixture_create(&P, &space, &one, 1, &err));
    scry_free(mean);
    return P;
}

static void padded_reflects_and_crops(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(37, 53);
    scry_space large, tiny = SCRY_SPACE(1, 3);
    scry_error err = {0};
    scry_prior *P;
    assert_ok(scry_padded_space(&large, &space, 2, 32, &err));
    assert_int_equal(large.dims[0], 64);
    assert_int_equal(large.dims[1], 64);
    assert_ok(scry_padded_create(&P, &space, irregular(large), &err));
    float *x = random_floats(37 * 53, 1);
    check_vjp(P, x, 0.9f, 3e-4, 1e-4);
    scry_prior_free(P);
    /* a pixelwise prior does not see the padding */
    assert_ok(scry_padded_create(&P, &space, white(large), &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    assert_ok(scry_prior_denoise(P, x, x, 0.5f, work, &err));
    float *again = random_floats(37 * 53, 1);
    for (size_t i = 0; i < 37 * 53; i++)
        assert_near(x[i], 0.5 * (again[i] + 0.4), 1e-6);
    scry_free(work);
    scry_prior_free(P);
    /* an axis of one, and padding longer than the image, in a complex space */
    large = SCRY_SPACE(4, 11);
    tiny.cplx = large.cplx = true;
    assert_ok(scry_padded_create(&P, &tiny, irregular(large), &err));
    check_vjp(P, x, 0.9f, 3e-4, 1e-4);
    scry_prior_free(P);
    scry_free(x);
    scry_free(again);
}

/* The input of the inner prior: with a prior of variance far above sigma^2, D is E x there, which a
 * dense Gaussian whose covariance couples one padded pixel to the middle makes visible. */
static void padded_shows_the_reflection(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(3), large = SCRY_SPACE(9);
    const size_t shown[9] = {1, 2, 1, 0, 1, 2, 1, 0, 1}; /* b c b | a b c | b a b */
    const float x[3] = {0.5f, -1.25f, 2.385f};
    const double mean[9] = {0};
    scry_error err = {0};
    for (size_t j = 0; j < 9; j++) {
        double C[81] = {0};
        float x0[3];
        scry_prior *inner, *P;
        for (size_t i = 0; i < 9; i++)
            C[10 * i] = 1;
        if (j != 4) C[9 * j + 4] = C[9 * 4 + j] = 0.5;
        assert_ok(scry_gaussian_create_dense(&inner, &large, mean, C, &err));
        assert_ok(scry_padded_create(&P, &space, inner, &err));
        void *work = scry_alloc(1, scry_prior_work_bytes(P));
        assert_ok(scry_prior_denoise(P, x0, x, 1, work, &err));
        /* [[1, c], [c, 1]] with unit noise: gain ((2 - c^2) own + c other) / (4 - c^2) */
        const double c = j == 4 ? 0 : 0.5;
        assert_near(x0[1], ((2 - c * c) * x[1] + c * x[shown[j]]) / (4 - c * c), 1e-6);
        scry_free(work);
        scry_prior_free(P);
    }
}

static void padded_refuses(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(5, 9), line = SCRY_SPACE(5),
                     huge = SCRY_SPACE(SIZE_MAX / 8);
    scry_space out, cplx = SCRY_SPACE(5, 7);
    scry_error err = {0};
    const size_t live = scry_memory_live();
    scry_prior *P, *inner = white(SCRY_SPACE(8, 8));
    cplx.cplx = true;
    assert_fails(scry_padded_space(&out, &space, 0, 8, &err), SCRY_EINVAL);
    assert_fails(scry_padded_space(&out, &space, 3, 8, &err), SCRY_EINVAL);
    assert_fails(scry_padded_space(&out, &space, 2, 0, &err), SCRY_EINVAL);
    assert_fails(scry_padded_space(&out, &huge, 1, SIZE_MAX / 9, &err), SCRY_ESHAPE);
    assert_fails(scry_padded_create(&P, &space, inner, &err), SCRY_ESHAPE);
    assert_fails(scry_padded_create(&P, &line, inner, &err), SCRY_ESHAPE);
    assert_fails(scry_padded_create(&P, &cplx, inner, &err), SCRY_ESHAPE);
    assert_null(P);
    scry_prior_free(inner);
    /* refused allocations leave the inner prior with the caller */
    const scry_space small = SCRY_SPACE(5, 7);
    inner = white(SCRY_SPACE(8, 8));
    check_refusals_owning(live, P, scry_padded_create(&P, &small, inner, &err));
}

static void tiled_is_a_partition(void **state)
{
    (void)state;
    const scry_space spaces[] = {SCRY_SPACE(50, 37), SCRY_SPACE(16, 64), SCRY_SPACE(16, 16),
                                 SCRY_SPACE(17, 31)};
    const size_t overlaps[] = {0, 1, 5, 8, 13, 15};
    scry_error err = {0};
    for (size_t s = 0; s < 4; s++)
        for (size_t o = 0; o < 6; o++) {
            scry_prior *P;
            const size_t n = scry_space_floats(&spaces[s]);
            assert_ok(
                scry_tiled_create(&P, &spaces[s], white(SCRY_SPACE(16, 16)), overlaps[o], 3, &err));
            void *work = scry_alloc(1, scry_prior_work_bytes(P));
            float *x = random_floats(n, 1), *x0 = random_floats(n, 2);
            assert_ok(scry_prior_denoise(P, x0, x, 0.5f, work, &err));
            for (size_t i = 0; i < n; i++)
                assert_near(x0[i], 0.5 * (x[i] + 0.4), 1e-6);
            assert_ok(scry_prior_denoise(P, x, x, 0.5f, work, &err));
            assert_memory_equal(x, x0, n * sizeof *x);
            scry_free(work);
            scry_free(x);
            scry_free(x0);
            scry_prior_free(P);
        }
}

/* Power of a short correlation, about 2 px. */
static double smooth(double f, void *ctx)
{
    (void)ctx;
    return 0.02 + 4 * exp(-60 * f * f);
}

/* No seam: with a prior that reaches a few pixels, windows differ from the whole by far less than
 * the noise that is left in the result, everywhere but at the border of the image (which wraps). */
static void tiled_equals_the_whole(void **state)
{
    (void)state;
    enum { H = 150, W = 117, EDGE = 8 };
    const scry_space space = SCRY_SPACE(H, W), window = SCRY_SPACE(48, 48);
    scry_error err = {0};
    scry_prior *whole, *inner, *P;
    double square = 0, largest = 0;
    assert_ok(scry_gaussian_create(
        &whole, &space, &(scry_gaussian_params){.rank = 2, .mean = 0.3, .spectrum = smooth}, &err));
    assert_ok(scry_gaussian_create(
        &inner, &window, &(scry_gaussian_params){.rank = 2, .mean = 0.3, .spectrum = smooth},
        &err));
    assert_ok(scry_tiled_create(&P, &space, inner, 24, 2, &err));
    assert_int_equal(scry_tiled_count(P), 6 * 4);
    void *work = scry_alloc(1, scry_prior_work_bytes(P) + scry_prior_work_bytes(whole));
    float *x = random_floats(H * W, 21), *a = random_floats(H * W, 22),
          *b = random_floats(H * W, 23);
    assert_ok(scry_gaussian_apply(whole, x, x, SCRY_GAUSSIAN_SQRT, 0, work, &err));
    scry_axpy(x, 0.5, b, H * W);
    assert_ok(scry_prior_denoise(whole, a, x, 0.5f, work, &err));
    assert_ok(scry_prior_denoise(P, b, x, 0.5f, work, &err));
    for (size_t y = EDGE; y < H - EDGE; y++)
        for (size_t c = EDGE; c < W - EDGE; c++) {
            const double d = (double)a[y * W + c] - b[y * W + c];
            square += d * d;
            largest = fmax(largest, fabs(d));
        }
    assert_below(sqrt(square / ((H - 2 * EDGE) * (W - 2 * EDGE))), 0.002);
    assert_below(largest, 0.05);
    scry_free(work);
    scry_free(x);
    scry_free(a);
    scry_free(b);
    scry_prior_free(P);
    scry_prior_free(whole);
}

static void tiled_jacobian(void **state)
{
    (void)state;
    scry_space spaces[] = {SCRY_SPACE(3, 19, 25), SCRY_SPACE(1, 8, 29), SCRY_SPACE(2, 11, 13)};
    scry_error err = {0};
    for (size_t s = 0; s < 3; s++) {
        scry_space window = SCRY_SPACE(1, 8, 11);
        scry_prior *P;
        spaces[s].cplx = window.cplx = s == 2;
        assert_ok(scry_tiled_create(&P, &spaces[s], irregular(window), 4, 2, &err));
        float *x = random_floats(scry_space_floats(&spaces[s]), 4);
        check_vjp(P, x, 0.8f, 1e-3, 1e-4);
        scry_free(x);
        scry_prior_free(P);
    }
}

static void perplane_planes(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(2, 3, 4, 5), plane = SCRY_SPACE(1, 4, 5);
    scry_error err = {0};
    scry_prior *P, *inner = irregular(plane);
    assert_ok(scry_perplane_create(&P, &space, irregular(plane), 4, &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(P) + scry_prior_work_bytes(inner));
    float *x = random_floats(120, 5), *x0 = random_floats(120, 6), expected[20];
    double sum = 0, value;
    assert_ok(scry_prior_denoise(P, x0, x, 0.7f, work, &err));
    for (size_t k = 0; k < 6; k++) {
        assert_ok(scry_prior_denoise(inner, expected, x + 20 * k, 0.7f, work, &err));
        assert_memory_equal(x0 + 20 * k, expected, sizeof expected);
        assert_ok(scry_prior_value(inner, &value, x + 20 * k, work, &err));
        sum += value;
    }
    assert_ok(scry_prior_value(P, &value, x, work, &err));
    assert_near(value, sum, 1e-9);
    check_vjp(P, x, 0.7f, 1e-3, 1e-4);
    assert_false(scry_prior_has_prox(P));
    /* the first plane that fails is the one reported */
    x[47] = NAN;
    assert_fails(scry_prior_denoise(P, x0, x, 0.7f, work, &err), SCRY_ENUMERIC);
    scry_free(work);
    scry_free(x);
    scry_free(x0);
    scry_prior_free(inner);
    scry_prior_free(P);
}

enum { VOLUME_Z = 3, VOLUME_Y = 4, VOLUME_X = 5, VOLUME = VOLUME_Z * VOLUME_Y * VOLUME_X };

/* Entry i of (z, y, x) in the order of a direction. */
static size_t turned(size_t i, int direction)
{
    const size_t x = i % VOLUME_X, y = i / VOLUME_X % VOLUME_Y, z = i / VOLUME_X / VOLUME_Y;
    if (direction == 1) return (y * VOLUME_Z + z) * VOLUME_X + x;
    return direction == 2 ? (x * VOLUME_Z + z) * VOLUME_Y + y : i;
}

static void slices_in_a_direction(void **state)
{
    (void)state;
    const scry_space spaces[3] = {SCRY_SPACE(VOLUME_Z, VOLUME_Y, VOLUME_X),
                                  SCRY_SPACE(VOLUME_Y, VOLUME_Z, VOLUME_X),
                                  SCRY_SPACE(VOLUME_X, VOLUME_Z, VOLUME_Y)};
    scry_error err = {0};
    scry_prior *P, *inner[3], *same[3];
    for (int d = 0; d < 3; d++) {
        inner[d] = irregular(spaces[d]);
        same[d] = irregular(spaces[d]);
    }
    assert_fails(scry_slices_create(&P, &spaces[1], inner, &err), SCRY_ESHAPE);
    assert_ok(scry_slices_create(&P, &spaces[0], inner, &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(P) + scry_prior_work_bytes(same[0]));
    float *x = random_floats(VOLUME, 5), *x0 = random_floats(VOLUME, 6), in[VOLUME], out[VOLUME];
    int drawn[3] = {0};
    for (int k = 0; k < 300; k++) {
        const float sigma = 0.03f * powf(1.02f, (float)k);
        const int d = scry_slices_direction(sigma);
        if (drawn[d]++) continue;
        for (size_t i = 0; i < VOLUME; i++)
            in[turned(i, d)] = x[i];
        assert_ok(scry_prior_denoise(P, x0, x, sigma, work, &err));
        assert_ok(scry_prior_denoise(same[d], out, in, sigma, work, &err));
        for (size_t i = 0; i < VOLUME; i++)
            assert_near(x0[i], out[turned(i, d)], 0);
        check_vjp(P, x, sigma, 1e-3 * sigma, 3e-3);
    }
    for (int d = 0; d < 3; d++) {
        assert_true(drawn[d] > 75 && drawn[d] < 125);
        scry_prior_free(same[d]);
    }
    scry_free(work);
    scry_free(x);
    scry_free(x0);
    scry_prior_free(P);
}

/* D01(x, s) = (D(2x - 1, 2s) + 1) / 2 */
static void affine_shifts_the_range(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(3, 4);
    const double mean[12] = {0.1, -0.3};
    double C[144] = {0}, low, high;
    float *x = random_floats(12, 7), x0[12], u[12], expected[12];
    scry_error err = {0};
    scry_prior *inner, *P;
    for (size_t i = 0; i < 12; i++)
        C[13 * i] = 0.3 + 0.05 * (double)i;
    C[1] = C[12] = 0.2;
    assert_ok(scry_gaussian_create_dense(&inner, &space, mean, C, &err));
    assert_ok(scry_affine_prior_create(&P, inner, 2, -1, &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    for (size_t i = 0; i < 12; i++)
        u[i] = 2 * x[i] - 1;
    assert_ok(scry_prior_denoise(inner, expected, u, 0.6f, work, &err));
    assert_ok(scry_prior_denoise(P, x0, x, 0.3f, work, &err));
    for (size_t i = 0; i < 12; i++)
        assert_near(x0[i], (expected[i] + 1) / 2, 1e-6);
    check_vjp(P, x, 0.3f, 1e-2, 1e-5);
    check_prox(P, x, 0.2, 1e-6);
    scry_prior_sigma_range(P, &low, &high);
    assert_near(low, 0.5e-6, 1e-12);
    assert_fails(scry_prior_denoise(P, x0, x, (float)high * 1.5f, work, &err), SCRY_EINVAL);
    scry_free(work);
    scry_free(x);
    scry_prior_free(P);
}

static void wrappers_refuse(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(3, 20, 20), narrow = SCRY_SPACE(3, 7, 20),
                     flat = SCRY_SPACE(20, 20);
    const scry_space window = SCRY_SPACE(1, 8, 8), plane = SCRY_SPACE(20, 20);
    scry_error err = {0};
    const size_t live = scry_memory_live();
    scry_prior *P, *inner = white(window);
    assert_fails(scry_tiled_create(&P, &narrow, inner, 2, 1, &err), SCRY_ESHAPE);
    assert_fails(scry_tiled_create(&P, &flat, inner, 2, 1, &err), SCRY_ESHAPE);
    assert_fails(scry_tiled_create(&P, &space, inner, 8, 1, &err), SCRY_EINVAL);
    assert_fails(scry_tiled_create(&P, &space, inner, 2, 0, &err), SCRY_EINVAL);
    assert_fails(scry_tiled_create(&P, &space, inner, 2, 1000, &err), SCRY_EINVAL);
    assert_fails(scry_perplane_create(&P, &space, inner, 1, &err), SCRY_ESHAPE);
    assert_fails(scry_affine_prior_create(&P, inner, 0, 0, &err), SCRY_EINVAL);
    assert_fails(scry_affine_prior_create(&P, inner, NAN, 0, &err), SCRY_EINVAL);
    assert_fails(scry_affine_prior_create(&P, inner, 1, INFINITY, &err), SCRY_EINVAL);
    assert_null(P);
    check_refusals_owning(live, P, scry_tiled_create(&P, &space, inner, 2, 2, &err));
    inner = white(plane);
    assert_fails(scry_perplane_create(&P, &space, inner, 0, &err), SCRY_EINVAL);
    check_refusals_owning(live, P, scry_perplane_create(&P, &space, inner, 2, &err));
    inner = white(plane);
    check_refusals_owning(live, P, scry_affine_prior_create(&P, inner, 2, -1, &err));
}

/* Bytes do not depend on workers, nor on threads, nor on being called inside a parallel region. */
static void same_bytes(void **state)
{
    (void)state;
    enum { FLOATS = 2 * 45 * 38 };
    const scry_space space = SCRY_SPACE(2, 45, 38), window = SCRY_SPACE(1, 16, 16);
    const size_t workers[] = {1, 3, 4};
    float *x = random_floats(FLOATS, 8), *v = random_floats(FLOATS, 9),
          *first = random_floats(FLOATS, 1), *g = random_floats(FLOATS, 2);
    scry_error err = {0};
    const int before = omp_get_max_threads();
    for (size_t w = 0; w < 3; w++)
        for (int threads = 1; threads <= 4; threads += 3) {
            scry_prior *P;
            omp_set_num_threads(threads);
            assert_ok(scry_tiled_create(&P, &space, irregular(window), 6, workers[w], &err));
            void *work = scry_alloc(1, scry_prior_work_bytes(P));
            scry_status st = SCRY_OK;
#pragma omp parallel if (w == 1)
#pragma omp single
            st = scry_prior_vjp(P, w || threads > 1 ? g : first, NULL, x, v, 0.7f, work, &err);
            assert_ok(st);
            if (w || threads > 1) assert_memory_equal(g, first, FLOATS * sizeof *g);
            scry_free(work);
            scry_prior_free(P);
        }
    omp_set_num_threads(before);
    scry_free(x);
    scry_free(v);
    scry_free(g);
    scry_free(first);
}

/* Total variation has a prox and no posterior mean: nothing to wrap, and nothing to call. */
static void what_is_missing_is_named(void **state)
{
    (void)state;
    const scry_space window = SCRY_SPACE(8, 12), larger = SCRY_SPACE(9, 13);
    scry_error err = {0};
    scry_prior *tv, *P;
    double value;
    float x[8 * 12] = {0};
    assert_ok(scry_tv_create(&tv, &window, 2, 1.7, NULL, &err));
    assert_fails(scry_padded_create(&P, &SCRY_SPACE(7, 11), tv, &err), SCRY_EUNSUP);
    assert_null(P);
    assert_fails(scry_tiled_create(&P, &larger, tv, 2, 1, &err), SCRY_EUNSUP);
    assert_null(P);
    assert_fails(scry_prior_denoise(tv, x, x, 0.5f, no_work, &err), SCRY_EUNSUP);
    scry_prior *inner = white(window);
    assert_ok(scry_tiled_create(&P, &larger, inner, 2, 1, &err));
    assert_fails(scry_prior_value(P, &value, x, no_work, &err), SCRY_EUNSUP);
    scry_prior_free(P);
    scry_prior_free(tv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(padded_reflects_and_crops),
        cmocka_unit_test(padded_shows_the_reflection),
        cmocka_unit_test(padded_refuses),
        cmocka_unit_test(tiled_is_a_partition),
        cmocka_unit_test(tiled_equals_the_whole),
        cmocka_unit_test(tiled_jacobian),
        cmocka_unit_test(perplane_planes),
        cmocka_unit_test(slices_in_a_direction),
        cmocka_unit_test(affine_shifts_the_range),
        cmocka_unit_test(wrappers_refuse),
        cmocka_unit_test(same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
