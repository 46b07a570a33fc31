#include "tests/check.h"
#include "tests/op_check.h"

#include "lib/numbers.h"
#include "lib/parallel.h"
#include "operators/fourier.h"
#include "operators/identity.h"

#include <complex.h>
#include <string.h>

enum kind { FULL, ROWS, COLUMNS, SCATTERED, KINDS };

/* At least one sample, whatever the size. */
static unsigned char *make_mask(enum kind kind, size_t ny, size_t nx)
{
    unsigned char *mask = scry_alloc(ny, nx);
    assert_non_null(mask);
    for (size_t y = 0; y < ny; y++)
        for (size_t x = 0; x < nx; x++) {
            const size_t line = kind == ROWS ? y : x;
            const bool chosen = line * 7 % 5 < 2, spot = (y * 31 + x * 17 + y * x) % 7 < 2;
            mask[y * nx + x] = kind == FULL || (kind == SCATTERED ? spot : chosen) ? 3 : 0;
        }
    mask[0] = mask[0] ? mask[0] : kind == SCATTERED;
    return mask;
}

static float complex *make_complex(size_t n, uint64_t seed)
{
    return (float complex *)check_random(2 * n, seed);
}

static scry_space plane(size_t ny, size_t nx)
{
    scry_space s = SCRY_SPACE(ny, nx);
    s.cplx = true;
    return s;
}

/* F as its definition in fourier.h has it, in double; out and in (y, x). */
static void direct(double complex *out, const float complex *in, size_t ny, size_t nx,
                   unsigned axes)
{
    const double cy = (double)(ny / 2), cx = (double)(nx / 2);
    const double scale =
        (axes & SCRY_FOURIER_Y ? (double)ny : 1) * (axes & SCRY_FOURIER_X ? (double)nx : 1);
    for (size_t k = 0; k < ny * nx; k++) {
        const double ky = (double)(k / nx) - cy, kx = (double)(k % nx) - cx;
        double complex sum = 0;
        for (size_t j = 0; j < ny * nx; j++) {
            const double y = (double)(j / nx) - cy, x = (double)(j % nx) - cx;
            if (!(axes & SCRY_FOURIER_Y) && y != ky) continue;
            if (!(axes & SCRY_FOURIER_X) && x != kx) continue;
            const double turn = (axes & SCRY_FOURIER_Y ? y * ky / (double)ny : 0) +
                                (axes & SCRY_FOURIER_X ? x * kx / (double)nx : 0);
            sum += (double complex)in[j] * (cos(2 * SCRY_PI * turn) - I * sin(2 * SCRY_PI * turn));
        }
        out[k] = sum / sqrt(scale);
    }
}

static void check_close(const float complex *got, const double complex *want, size_t n)
{
    double wrong = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        wrong += creal((got[i] - want[i]) * conj(got[i] - want[i]));
        size += creal(want[i] * conj(want[i]));
    }
    assert_true(wrong <= 1e-12 * size); /* 1e-6 relative: 8 epsilon */
}

static const size_t sizes[][2] = {{1, 1},  {1, 6},   {7, 1},   {2, 3},  {4, 8},  {5, 7},  {6, 10},
                                  {9, 13}, {14, 22}, {16, 17}, {31, 8}, {8, 29}, {20, 18}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void transform_is_the_centred_sum(void **state)
{
    (void)state;
    scry_error err = {0};
    for (size_t i = 0; i < SIZES; i++)
        for (unsigned axes = 1; axes <= 3; axes++) {
            const size_t ny = sizes[i][0], nx = sizes[i][1], n = ny * nx;
            float complex *x = make_complex(2 * n, i), *X = scry_copy(x, 2 * n * sizeof *x);
            double complex *want = scry_alloc(2 * n, sizeof *want);
            for (size_t k = 0; k < 2; k++)
                direct(want + k * n, x + k * n, ny, nx, axes);
            assert_ok(scry_fourier_transform(X, 2, ny, nx, axes, false, &err));
            check_close(X, want, 2 * n);
            assert_near(scry_norm((float *)X, 4 * n) / scry_norm((float *)x, 4 * n), 1, 1e-6);
            assert_ok(scry_fourier_transform(X, 2, ny, nx, axes, true, &err));
            assert_true(scry_distance((float *)X, (float *)x, 4 * n) <=
                        1e-6 * scry_norm((float *)x, 4 * n));
            scry_free(x);
            scry_free(X);
            scry_free(want);
        }
}

/* A point in the middle has a flat spectrum without phase; beside it, one turn over the axis. */
static void a_point_has_a_flat_spectrum(void **state)
{
    (void)state;
    scry_error err = {0};
    const size_t ny = 10, nx = 15;
    float complex x[150] = {0};
    x[5 * nx + 7] = 1;
    assert_ok(scry_fourier_transform(x, 1, ny, nx, SCRY_FOURIER_YX, false, &err));
    for (size_t i = 0; i < 150; i++) {
        assert_near(crealf(x[i]), 1 / sqrt(150), 1e-7);
        assert_near(cimagf(x[i]), 0, 1e-7);
    }
    memset(x, 0, sizeof x);
    x[5 * nx + 8] = 1;
    assert_ok(scry_fourier_transform(x, 1, ny, nx, SCRY_FOURIER_X, false, &err));
    for (size_t k = 0; k < nx; k++) {
        const double turn = -2 * SCRY_PI * ((double)k - 7) / 15;
        assert_near(crealf(x[5 * nx + k]), cos(turn) / sqrt(15), 1e-7);
        assert_near(cimagf(x[5 * nx + k]), sin(turn) / sqrt(15), 1e-7);
        assert_true(x[4 * nx + k] == 0);
    }
}

static void one_channel_of_every_shape(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    for (size_t i = 0; i < SIZES; i++)
        for (unsigned axes = 1; axes <= 3; axes++)
            for (int kind = 0; kind < KINDS; kind++) {
                const size_t ny = sizes[i][0], nx = sizes[i][1], n = ny * nx;
                const scry_space image = plane(ny, nx);
                unsigned char *mask = make_mask((enum kind)kind, ny, nx);
                assert_ok(scry_fourier_create(&A, &image, mask, axes, &err));
                assert_true(scry_op_has_svd(A));
                check_operator(A);
                const size_t samples = scry_space_count(scry_op_cod(A));
                float complex *x = make_complex(n, 3), *y = make_complex(samples, 4);
                double complex *X = scry_alloc(n, sizeof *X), *want = scry_alloc(n, sizeof *want);
                void *work = scry_alloc(1, scry_op_work_bytes(A));
                assert_ok(scry_op_forward(A, (float *)y, (float *)x, work, &err));
                direct(X, x, ny, nx, axes);
                size_t s = 0;
                for (size_t k = 0; k < n; k++)
                    if (mask[k]) want[s++] = X[k];
                assert_int_equal(s, samples);
                check_close(y, want, samples);
                scry_free(mask);
                scry_free(x);
                scry_free(y);
                scry_free(X);
                scry_free(want);
                scry_free(work);
                scry_op_free(A);
            }
}

/* y_c = M F sum_m S_cm x_m, from the sum in double. */
static void check_sense(size_t coils, size_t sets, size_t ny, size_t nx, unsigned axes,
                        enum kind kind)
{
    scry_error err = {0};
    scry_op *A;
    const size_t n = ny * nx;
    float complex *maps = make_complex(coils * sets * n, 11), *x = make_complex(sets * n, 12);
    float complex *seen = scry_alloc(n, sizeof *seen);
    double complex *X = scry_alloc(n, sizeof *X);
    unsigned char *mask = make_mask(kind, ny, nx);
    assert_ok(scry_sense_create(&A,
                                &(scry_sense_params){.maps = maps,
                                                     .coils = coils,
                                                     .sets = sets,
                                                     .ny = ny,
                                                     .nx = nx,
                                                     .mask = mask,
                                                     .axes = axes},
                                &err));
    assert_false(scry_op_has_svd(A));
    assert_int_equal(scry_op_dom(A)->rank, sets > 1 ? 3 : 2);
    assert_int_equal(scry_op_cod(A)->dims[0], coils);
    check_operator(A);
    const size_t samples = scry_op_cod(A)->dims[1];
    float complex *y = make_complex(coils * samples, 13);
    double complex *want = scry_alloc(coils * samples, sizeof *want);
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    assert_ok(scry_op_forward(A, (float *)y, (float *)x, work, &err));
    size_t s = 0;
    for (size_t c = 0; c < coils; c++) {
        memset(seen, 0, n * sizeof *seen);
        for (size_t m = 0; m < sets; m++)
            for (size_t i = 0; i < n; i++)
                seen[i] += maps[(c * sets + m) * n + i] * x[m * n + i];
        direct(X, seen, ny, nx, axes);
        for (size_t k = 0; k < n; k++)
            if (mask[k]) want[s++] = X[k];
    }
    check_close(y, want, coils * samples);
    scry_free(maps);
    scry_free(x);
    scry_free(seen);
    scry_free(X);
    scry_free(mask);
    scry_free(y);
    scry_free(want);
    scry_free(work);
    scry_op_free(A);
}

static void coils_and_sets_of_every_shape(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZES; i++)
        for (unsigned axes = 1; axes <= 3; axes++)
            for (int kind = 0; kind < KINDS; kind++)
                check_sense(1 + i % 6, 1 + i % 3 % 2, sizes[i][0], sizes[i][1], axes,
                            (enum kind)kind);
    for (int kind = 0; kind < KINDS; kind++) {
        check_sense(3, 2, 12, 30, SCRY_FOURIER_YX, (enum kind)kind);
        check_sense(9, 3, 11, 6, SCRY_FOURIER_YX, (enum kind)kind);
    }
}

static void sense_is_its_matrix(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    const size_t ny = 3, nx = 4, n = 12, coils = 2, sets = 2;
    float complex *maps = make_complex(coils * sets * n, 21), e[12];
    double complex X[12];
    unsigned char *mask = make_mask(SCATTERED, ny, nx);
    assert_ok(scry_sense_create(&A,
                                &(scry_sense_params){.maps = maps,
                                                     .coils = coils,
                                                     .sets = sets,
                                                     .ny = ny,
                                                     .nx = nx,
                                                     .mask = mask,
                                                     .axes = SCRY_FOURIER_YX},
                                &err));
    const size_t samples = scry_op_cod(A)->dims[1], width = 2 * sets * n;
    double *M = scry_alloc(2 * coils * samples * width, sizeof *M);
    for (size_t j = 0; j < sets * n; j++)
        for (size_t c = 0, row = 0; c < coils; c++) {
            memset(e, 0, sizeof e);
            e[j % n] = maps[(c * sets + j / n) * n + j % n];
            direct(X, e, ny, nx, SCRY_FOURIER_YX);
            for (size_t k = 0; k < n; k++) {
                if (!mask[k]) continue;
                M[2 * row * width + 2 * j] = M[(2 * row + 1) * width + 2 * j + 1] = creal(X[k]);
                M[(2 * row + 1) * width + 2 * j] = cimag(X[k]);
                M[2 * row * width + 2 * j + 1] = -cimag(X[k]);
                row++;
            }
        }
    check_matrix(A, M, 1e-6);
    scry_free(M);
    scry_free(maps);
    scry_free(mask);
    scry_op_free(A);
}

static void gather_and_scatter_keep_the_order(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    const size_t ny = 5, nx = 9, n = 45, coils = 3;
    float complex *maps = make_complex(coils * n, 31), *grid = make_complex(coils * n, 32);
    float complex *back = make_complex(coils * n, 33);
    unsigned char *mask = make_mask(SCATTERED, ny, nx);
    assert_ok(scry_sense_create(&A,
                                &(scry_sense_params){.maps = maps,
                                                     .coils = coils,
                                                     .sets = 1,
                                                     .ny = ny,
                                                     .nx = nx,
                                                     .mask = mask,
                                                     .axes = SCRY_FOURIER_YX},
                                &err));
    const size_t samples = scry_op_cod(A)->dims[1];
    float complex *y = scry_alloc(coils * samples, sizeof *y);
    assert_ok(scry_fourier_gather(A, y, grid, &err));
    assert_ok(scry_fourier_scatter(A, back, y, &err));
    size_t s = 0;
    for (size_t i = 0; i < coils * n; i++) {
        assert_true(back[i] == (mask[i % n] ? grid[i] : 0));
        if (mask[i % n]) assert_true(y[s++] == grid[i]);
    }
    scry_op_free(A);
    scry_free(maps);
    scry_free(grid);
    scry_free(back);
    scry_free(mask);
    scry_free(y);
}

/* Large enough for a team, in each of the ways that the normal takes. */
static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    scry_error err = {0};
    const size_t ny = 192, nx = 200, n = ny * nx, coils = 9;
    float complex *maps = make_complex(coils * n, 41), *x = make_complex(n, 42);
    for (int kind = ROWS; kind < KINDS; kind++) {
        unsigned char *mask = make_mask((enum kind)kind, ny, nx);
        float *got[2][3];
        for (int t = 0; t < 2; t++) {
            scry_op *A;
            scry_threads_set(1 + 2 * t);
            assert_ok(scry_sense_create(&A,
                                        &(scry_sense_params){.maps = maps,
                                                             .coils = coils,
                                                             .sets = 1,
                                                             .ny = ny,
                                                             .nx = nx,
                                                             .mask = mask,
                                                             .axes = SCRY_FOURIER_YX},
                                        &err));
            void *work = scry_alloc(1, scry_op_work_bytes(A));
            const size_t m = scry_space_floats(scry_op_cod(A));
            const size_t count[3] = {m, 2 * n, 2 * n};
            for (int k = 0; k < 3; k++)
                got[t][k] = scry_alloc(count[k], sizeof(float));
            assert_ok(scry_op_forward(A, got[t][0], (float *)x, work, &err));
            assert_ok(scry_op_adjoint(A, got[t][1], got[t][0], work, &err));
            assert_ok(scry_op_normal(A, got[t][2], (float *)x, work, &err));
            for (int k = 0; t && k < 3; k++)
                assert_memory_equal(got[0][k], got[1][k], count[k] * sizeof(float));
            scry_free(work);
            scry_op_free(A);
        }
        for (int k = 0; k < 6; k++)
            scry_free(got[k / 3][k % 3]);
        scry_free(mask);
    }
    scry_threads_set(0);
    scry_free(maps);
    scry_free(x);
}

static void refuses_masks_it_cannot_use(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    unsigned char mask[12] = {0};
    float complex maps[24] = {0}, y[12];
    scry_space image = plane(3, 4);
    assert_fails(scry_fourier_create(&A, &image, mask, SCRY_FOURIER_YX, &err), SCRY_EINVAL);
    assert_null(A);
    mask[5] = 1;
    assert_fails(scry_fourier_create(&A, &image, mask, 0, &err), SCRY_EINVAL);
    assert_fails(scry_fourier_create(&A, &image, mask, 4, &err), SCRY_EINVAL);
    image.cplx = false;
    assert_fails(scry_fourier_create(&A, &image, mask, SCRY_FOURIER_X, &err), SCRY_ESHAPE);
    image = SCRY_SPACE(3, 2, 2);
    image.cplx = true;
    assert_fails(scry_fourier_create(&A, &image, mask, SCRY_FOURIER_X, &err), SCRY_ESHAPE);
    image = plane(3, 0);
    assert_fails(scry_fourier_create(&A, &image, mask, SCRY_FOURIER_X, &err), SCRY_ESHAPE);
    image = plane((size_t)1 << 20, (size_t)1 << 20);
    assert_fails(scry_fourier_create(&A, &image, mask, SCRY_FOURIER_X, &err), SCRY_ESHAPE);
    assert_fails(scry_fourier_transform(maps, 1, 3, 4, 8, false, &err), SCRY_EINVAL);
    assert_fails(scry_fourier_transform(maps, 1, 3, 0, SCRY_FOURIER_YX, false, &err), SCRY_ESHAPE);
    image = plane(3, 4);
    assert_ok(scry_identity_create(&A, &image, &err));
    assert_fails(scry_fourier_gather(A, y, maps, &err), SCRY_EINVAL);
    assert_fails(scry_fourier_scatter(A, maps, y, &err), SCRY_EINVAL);
    scry_op_free(A);
}

static void refuses_coils_it_cannot_use(void **state)
{
    (void)state;
    const unsigned yx = SCRY_FOURIER_YX;
    unsigned char mask[12] = {[5] = 1};
    float complex maps[24] = {0};
    scry_error err = {0};
    scry_op *A;
    assert_fails(
        scry_sense_create(
            &A,
            &(scry_sense_params){
                .maps = maps, .coils = 0, .sets = 1, .ny = 3, .nx = 4, .mask = mask, .axes = yx},
            &err),
        SCRY_ESHAPE);
    assert_fails(
        scry_sense_create(
            &A,
            &(scry_sense_params){
                .maps = maps, .coils = 2, .sets = 0, .ny = 3, .nx = 4, .mask = mask, .axes = yx},
            &err),
        SCRY_ESHAPE);
    assert_fails(
        scry_sense_create(
            &A,
            &(scry_sense_params){
                .maps = maps, .coils = 2, .sets = 1, .ny = 0, .nx = 4, .mask = mask, .axes = yx},
            &err),
        SCRY_ESHAPE);
    assert_fails(scry_sense_create(&A,
                                   &(scry_sense_params){.maps = maps,
                                                        .coils = SIZE_MAX / 8,
                                                        .sets = 1,
                                                        .ny = 3,
                                                        .nx = 4,
                                                        .mask = mask,
                                                        .axes = yx},
                                   &err),
                 SCRY_ESHAPE);
    assert_fails(
        scry_sense_create(
            &A,
            &(scry_sense_params){
                .maps = maps, .coils = 2, .sets = 1, .ny = 3, .nx = 4, .mask = mask, .axes = yx},
            &err),
        SCRY_EINVAL);
    maps[17] = NAN;
    assert_int_equal(
        scry_sense_create(
            &A,
            &(scry_sense_params){
                .maps = maps, .coils = 2, .sets = 1, .ny = 3, .nx = 4, .mask = mask, .axes = yx},
            &err),
        SCRY_EINVAL);
    assert_non_null(strstr(err.text, "coil 1, set 0"));
    assert_non_null(strstr(err.text, "(1, 1)"));
}

static void refused_memory_is_reported(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    const scry_space image = plane(6, 5);
    unsigned char *mask = make_mask(SCATTERED, 6, 5);
    float complex *maps = make_complex(60, 51);
    const unsigned yx = SCRY_FOURIER_YX;
    CHECK_ALLOCATIONS(scry_fourier_create(&A, &image, mask, yx, &err), scry_op_free(A));
    CHECK_ALLOCATIONS(
        scry_sense_create(
            &A,
            &(scry_sense_params){
                .maps = maps, .coils = 2, .sets = 1, .ny = 6, .nx = 5, .mask = mask, .axes = yx},
            &err),
        scry_op_free(A));
    CHECK_ALLOCATIONS(scry_fourier_transform(maps, 2, 6, 5, yx, true, &err), (void)0);
    scry_free(mask);
    scry_free(maps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transform_is_the_centred_sum),
        cmocka_unit_test(a_point_has_a_flat_spectrum),
        cmocka_unit_test(one_channel_of_every_shape),
        cmocka_unit_test(coils_and_sets_of_every_shape),
        cmocka_unit_test(sense_is_its_matrix),
        cmocka_unit_test(gather_and_scatter_keep_the_order),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(refuses_masks_it_cannot_use),
        cmocka_unit_test(refuses_coils_it_cannot_use),
        cmocka_unit_test(refused_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
