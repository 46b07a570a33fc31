#include "tests/check.h"
#include "tests/op_check.h"

#include "lib/numbers.h"
#include "operators/fourier.h"
#include "operators/nufft.h"

#include <complex.h>
#include <string.h>

/* Interpolation and float rounding together; nufft.h promises a few 1e-6. */
#define ERROR 1e-5

static const size_t sizes[][2] = {{1, 1}, {1, 6}, {7, 1}, {2, 3}, {5, 8}, {16, 17}, {31, 24}};
enum { SIZES = sizeof sizes / sizeof *sizes, SAMPLES = 61 };

/* Anywhere in k-space, beyond its edges too. */
static float *scattered(size_t n, uint64_t seed)
{
    float *k = check_random(2 * n, seed);
    for (size_t i = 0; i < 2 * n; i++)
        k[i] *= .4F;
    return k;
}

/* The definition in nufft.h, in double. */
static void direct(double complex *y, const float complex *x, const float *k, size_t samples,
                   size_t ny, size_t nx)
{
    for (size_t s = 0; s < samples; s++) {
        y[s] = 0;
        for (size_t j = 0; j < ny * nx; j++) {
            const double py = (double)(j / nx) - (double)(ny / 2);
            const double px = (double)(j % nx) - (double)(nx / 2);
            const double turn = (double)k[2 * s] * py + (double)k[2 * s + 1] * px;
            y[s] += x[j] * cexp(-2 * SCRY_PI * I * turn);
        }
        y[s] /= sqrt((double)(ny * nx));
    }
}

static double relative(const float complex *got, const double complex *want, size_t n)
{
    double wrong = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        wrong += pow(cabs(got[i] - want[i]), 2);
        size += pow(cabs(want[i]), 2);
    }
    return sqrt(wrong / size);
}

static void *work_of(const scry_op *A)
{
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    assert_non_null(work);
    return work;
}

static void one_channel_is_the_sum(void **state)
{
    (void)state;
    scry_error err = {0};
    for (size_t i = 0; i < SIZES; i++) {
        const size_t ny = sizes[i][0], nx = sizes[i][1];
        float *k = scattered(SAMPLES, 40 + i);
        float complex *x = (float complex *)check_random(2 * ny * nx, 3);
        float complex y[SAMPLES];
        double complex want[SAMPLES];
        scry_op *A = NULL;
        assert_ok(scry_nufft_create(
            &A, &(scry_nufft_params){.ny = ny, .nx = nx, .trajectory = k, .samples = SAMPLES},
            &err));
        void *work = work_of(A);
        assert_ok(scry_op_forward(A, (float *)y, (const float *)x, work, &err));
        direct(want, x, k, SAMPLES, ny, nx);
        assert_below(relative(y, want, SAMPLES), ERROR);
        scry_free(work);
        scry_free(x);
        scry_free(k);
        scry_op_free(A);
    }
}

/* |A^H A x - adjoint of forward| relative to it. */
static double normal_error(const scry_op *A)
{
    scry_error err = {0};
    const size_t n = scry_space_floats(scry_op_dom(A)), m = scry_space_floats(scry_op_cod(A));
    float *x = check_random(n, 5), *y = check_random(m, 6), *a = check_random(n, 7);
    float *b = check_random(n, 8);
    void *work = work_of(A);
    assert_ok(scry_op_forward(A, y, x, work, &err));
    assert_ok(scry_op_adjoint(A, a, y, work, &err));
    assert_ok(scry_op_normal(A, b, x, work, &err));
    const double error = scry_distance(a, b, n) / scry_norm(a, n);
    scry_free(x);
    scry_free(y);
    scry_free(a);
    scry_free(b);
    scry_free(work);
    return error;
}

static void adjoint_and_normal(void **state)
{
    (void)state;
    scry_error err = {0};
    for (size_t i = 0; i < SIZES; i++)
        for (size_t sets = 1; sets <= 2; sets++) {
            const size_t ny = sizes[i][0], nx = sizes[i][1], coils = 5;
            float *k = scattered(SAMPLES, 60 + i);
            float *maps = check_random(2 * coils * sets * ny * nx, 4);
            scry_nufft_params p = {.maps = (float complex *)maps,
                                   .coils = coils,
                                   .sets = sets,
                                   .ny = ny,
                                   .nx = nx,
                                   .trajectory = k,
                                   .samples = SAMPLES};
            scry_op *A = NULL;
            assert_ok(scry_nufft_create(&A, &p, &err));
            check_adjoint(A);
            assert_below(normal_error(A), ERROR);
            assert_ok(scry_op_check(A, 3, 2, NULL, &err));
            scry_op_free(A);
            scry_free(maps);
            scry_free(k);
        }
}

/* On the grid it is the Fourier operator of several coils. */
static void on_the_grid_it_is_sense(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { NY = 18, NX = 21, COILS = 3, N = NY * NX };
    float *maps = check_random(2 * COILS * N, 4), *x = check_random(2 * N, 5);
    float k[2 * N];
    unsigned char mask[N];
    for (size_t j = 0; j < N; j++) {
        mask[j] = 1;
        k[2 * j] = ((float)(j / NX) - NY / 2) / NY;
        k[2 * j + 1] = ((float)(j % NX) - NX / 2) / NX;
    }
    scry_op *A = NULL, *B = NULL;
    assert_ok(scry_nufft_create(&A,
                                &(scry_nufft_params){.maps = (float complex *)maps,
                                                     .coils = COILS,
                                                     .sets = 1,
                                                     .ny = NY,
                                                     .nx = NX,
                                                     .trajectory = k,
                                                     .samples = N},
                                &err));
    assert_ok(scry_sense_create(&B,
                                &(scry_sense_params){.maps = (float complex *)maps,
                                                     .coils = COILS,
                                                     .sets = 1,
                                                     .ny = NY,
                                                     .nx = NX,
                                                     .mask = mask,
                                                     .axes = SCRY_FOURIER_YX},
                                &err));
    assert_true(scry_space_equal(scry_op_cod(A), scry_op_cod(B)));
    void *a = work_of(A), *b = work_of(B);
    float *ya = check_random(2 * COILS * N, 6), *yb = check_random(2 * COILS * N, 7);
    assert_ok(scry_op_forward(A, ya, x, a, &err));
    assert_ok(scry_op_forward(B, yb, x, b, &err));
    assert_below(scry_distance(ya, yb, 2 * COILS * N), ERROR * scry_norm(yb, 2 * COILS * N));
    float density[N];
    assert_ok(scry_nufft_density(
        density, &(scry_nufft_params){.ny = NY, .nx = NX, .trajectory = k, .samples = N}, 15,
        &err));
    for (size_t j = 0; j < N; j++)
        assert_near(density[j], 1, 1e-4);
    scry_free(maps);
    scry_free(x);
    scry_free(ya);
    scry_free(yb);
    scry_free(a);
    scry_free(b);
    scry_op_free(A);
    scry_op_free(B);
}

/* Radial lines through the centre: the area that a sample stands for is |k| times the angle. */
static void density_of_spokes(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { SIDE = 32, SPOKES = 80, READ = 64, N = SPOKES * READ };
    float *k = scry_alloc(2 * N, sizeof *k), *w = scry_alloc(N, sizeof *w);
    for (size_t s = 0; s < SPOKES; s++)
        for (size_t r = 0; r < READ; r++) {
            const double radius = ((double)r + .5) / READ - .5,
                         angle = SCRY_PI * (double)s / SPOKES;
            k[2 * (s * READ + r)] = (float)(radius * sin(angle));
            k[2 * (s * READ + r) + 1] = (float)(radius * cos(angle));
        }
    assert_ok(scry_nufft_density(
        w, &(scry_nufft_params){.ny = SIDE, .nx = SIDE, .trajectory = k, .samples = N}, 15, &err));
    for (size_t r = 0; r < READ; r++) {
        const double radius = fabs(((double)r + .5) / READ - .5) * SIDE;
        if (radius < 3 || radius > 11.5)
            continue; /* within a kernel of the centre or of the edge */
        const double area = radius * SCRY_PI / SPOKES * SIDE / READ;
        assert_near(w[7 * READ + r] / area, 1, .02);
    }
    scry_free(k);
    scry_free(w);
}

/* Reduced modulo 1, and the same bytes for any number of threads. */
static void wrapped_samples_are_the_same(void **state)
{
    (void)state;
    scry_error err = {0};
    const float k[] = {.25F, -.5F, 1.25F, .5F, -2.75F, 3.5F};
    float complex x[35], y[3];
    for (size_t j = 0; j < 35; j++)
        x[j] = (float)j - 3 * I;
    scry_op *A = NULL;
    assert_ok(scry_nufft_create(
        &A, &(scry_nufft_params){.ny = 5, .nx = 7, .trajectory = k, .samples = 3}, &err));
    void *work = work_of(A);
    assert_ok(scry_op_forward(A, (float *)y, (const float *)x, work, &err));
    assert_memory_equal(&y[0], &y[1], sizeof *y);
    assert_memory_equal(&y[0], &y[2], sizeof *y);
    scry_free(work);
    scry_op_free(A);
}

static void bad_input_is_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    float k[] = {0, 0, .1F, NAN};
    float w[2];
    float complex maps[4] = {0};
    scry_op *A = NULL;
    scry_nufft_params p = {.ny = 2, .nx = 2, .trajectory = k, .samples = 2};
    assert_int_equal(scry_nufft_create(&A, &p, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "kx of sample 1 of the trajectory is nan"));
    err = (scry_error){0};
    assert_fails(scry_nufft_density(w, &p, 3, &err), SCRY_EINVAL);
    k[3] = 0;
    assert_fails(scry_nufft_density(w, &p, 0, &err), SCRY_EINVAL);
    p.maps = maps;
    assert_fails(scry_nufft_create(&A, &p, &err), SCRY_ESHAPE);
    p.coils = p.sets = 1;
    assert_fails(scry_nufft_create(&A, &p, &err), SCRY_EINVAL);
    maps[2] = INFINITY;
    assert_fails(scry_nufft_create(&A, &p, &err), SCRY_EINVAL);
    maps[2] = 1;
    p.samples = 0;
    assert_fails(scry_nufft_create(&A, &p, &err), SCRY_ESHAPE);
    p.samples = 2;
    p.ny = 0;
    assert_fails(scry_nufft_create(&A, &p, &err), SCRY_ESHAPE);
    p.ny = 2;
    CHECK_ALLOCATIONS(scry_nufft_create(&A, &p, &err), scry_op_free(A));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_channel_is_the_sum),       cmocka_unit_test(adjoint_and_normal),
        cmocka_unit_test(on_the_grid_it_is_sense),      cmocka_unit_test(density_of_spokes),
        cmocka_unit_test(wrapped_samples_are_the_same), cmocka_unit_test(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
