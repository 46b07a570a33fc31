#include "tests/check.h"

#include "lib/numbers.h"
#include "lib/sort.h"
#include "tests/op_check.h"

#include "operators/fourier.h"
#include "operators/scale.h"

#include <string.h>

static float complex *random_kspace(size_t n)
{
    return (float complex *)check_random(2 * n, 77);
}

/* A single sample at the origin is a flat image of value v / sqrt(N) in every coil. */
static void a_flat_image_is_its_own_scale(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { C = 2, NY = 48, NX = 65 };
    static float complex k[C * NY * NX];
    double scale = 0;
    memset(k, 0, sizeof k); /* a block of one sample is too small: the middle with its zeros */
    k[NY / 2 * NX + NX / 2] = 3e-6f;
    k[NY * NX + NY / 2 * NX + NX / 2] = -4e-6f * I;
    assert_ok(scry_kspace_scale(&scale, k, C, NY, NX, SCRY_FOURIER_YX, &err));
    assert_near(scale, 5e-6 / sqrt(NY * NX), 1e-12);
}

/* The rule by the definition: the transform as a sum, of whole k-space when it is small. */
static double by_hand(const float complex *k, size_t coils, size_t ny, size_t nx)
{
    static double r[40 * 40];
    const double n = (double)(ny * nx);
    for (size_t p = 0; p < ny * nx; p++) {
        r[p] = 0;
        for (size_t c = 0; c < coils; c++) {
            double complex sum = 0;
            for (size_t q = 0; q < ny * nx; q++) {
                const double y = ((double)(p / nx) - (double)(ny / 2)) *
                                 ((double)(q / nx) - (double)(ny / 2)) / (double)ny;
                const double x = ((double)(p % nx) - (double)(nx / 2)) *
                                 ((double)(q % nx) - (double)(nx / 2)) / (double)nx;
                sum += (double complex)k[c * ny * nx + q] * cexp(2 * SCRY_PI * (y + x) * I);
            }
            r[p] += creal(sum * conj(sum)) / n;
        }
    }
    scry_sort_double(r, ny * nx);
    const double median = sqrt(r[ny * nx / 2]), p90 = sqrt(r[ny * nx * 9 / 10]);
    const double max = sqrt(r[ny * nx - 1]);
    return max - p90 < 2 * (p90 - median) ? p90 : max;
}

static void it_follows_the_rule(void **state)
{
    (void)state;
    scry_error err = {0};
    const size_t sizes[][2] = {{12, 17}, {9, 20}, {1, 31}};
    for (size_t s = 0; s < 3; s++) {
        const size_t ny = sizes[s][0], nx = sizes[s][1];
        float complex *k = random_kspace(3 * ny * nx);
        double scale = 0;
        assert_ok(scry_kspace_scale(&scale, k, 3, ny, nx, SCRY_FOURIER_YX, &err));
        assert_near(scale / by_hand(k, 3, ny, nx), 1, 1e-5);
        /* a strong sample away from the origin: a wave of constant size, so p90 is not max */
        k[nx + 2] = 100;
        assert_ok(scry_kspace_scale(&scale, k, 3, ny, nx, SCRY_FOURIER_YX, &err));
        assert_near(scale / by_hand(k, 3, ny, nx), 1, 1e-5);
        scry_free(k);
    }
}

/* Only the middle counts, as bright as if all of k-space were there: low-resolution images keep
 * their values when zeros are put around their k-space, up to the factor of a unitary transform. */
static void the_middle_alone_counts(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { C = 2, N = 32, NY = 70, NX = 131 };
    float complex *small = random_kspace(C * N * N);
    float complex *large = random_kspace(C * NY * NX);
    double a = 0, b = 0;
    for (size_t c = 0; c < C; c++)
        for (size_t y = 0; y < N; y++)
            for (size_t x = 0; x < N; x++)
                large[(c * NY + NY / 2 - N / 2 + y) * NX + NX / 2 - N / 2 + x] =
                    small[(c * N + y) * N + x];
    assert_ok(scry_kspace_scale(&a, small, C, N, N, SCRY_FOURIER_YX, &err));
    assert_ok(scry_kspace_scale(&b, large, C, NY, NX, SCRY_FOURIER_YX, &err));
    assert_near(b * sqrt((double)(NY * NX) / (N * N)) / a, 1, 1e-6);
    scry_free(small);
    scry_free(large);
}

/* The centred unitary transform of lines of n entries `step` apart, as a sum. */
static void to_image(float complex *line, size_t n, size_t step)
{
    float complex out[32];
    for (size_t j = 0; j < n; j++) {
        double complex sum = 0;
        for (size_t k = 0; k < n; k++) {
            const double turn = ((double)j - (double)(n / 2)) * ((double)k - (double)(n / 2));
            sum += (double complex)line[k * step] * cexp(2 * SCRY_PI * turn / (double)n * I);
        }
        out[j] = (float complex)(sum / sqrt((double)n));
    }
    for (size_t j = 0; j < n; j++)
        line[j * step] = out[j];
}

/* An axis that is an image already: the same image, whichever axes its k-space is in. Sizes within
 * the middle, so that nothing is cropped. */
static void transformed_axes_are_left_alone(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { C = 2, NY = 18, NX = 27 };
    for (int along_x = 0; along_x < 2; along_x++) {
        float complex *k = random_kspace(C * NY * NX);
        double whole = 0, part = 0;
        assert_ok(scry_kspace_scale(&whole, k, C, NY, NX, SCRY_FOURIER_YX, &err));
        for (size_t c = 0; c < C; c++)
            for (size_t i = 0; i < (along_x ? NY : NX); i++)
                to_image(k + c * NY * NX + i * (along_x ? NX : 1), along_x ? NX : NY,
                         along_x ? 1 : NX);
        assert_ok(scry_kspace_scale(&part, k, C, NY, NX, along_x ? SCRY_FOURIER_Y : SCRY_FOURIER_X,
                                    &err));
        assert_near(part / whole, 1, 1e-5);
        scry_free(k);
    }
}

/* Beside the fully sampled block nothing counts; where it is narrow, the middle does as it is. */
static void what_is_not_full_does_not_count(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { NY = 50, NX = 64, CY = 12, CX = 17 };
    const size_t narrow[] = {CX, 7};
    for (int i = 0; i < 2; i++) {
        float complex *k = random_kspace(NY * NX), *block = random_kspace(32 * 32);
        const size_t cx = narrow[i], sy = i ? 32 : CY, sx = i ? 32 : cx;
        double part = 0, whole = 0;
        for (size_t y = 0; y < NY; y++)
            for (size_t x = 0; x < NX; x++) {
                const bool in = y - (NY / 2 - CY / 2) < CY && x - (NX / 2 - cx / 2) < cx;
                if (!in && (y + x) % 3) k[y * NX + x] = 0;
            }
        for (size_t y = 0; y < sy; y++)
            for (size_t x = 0; x < sx; x++)
                block[y * sx + x] = k[(NY / 2 - sy / 2 + y) * NX + NX / 2 - sx / 2 + x];
        assert_ok(scry_kspace_scale(&part, k, 1, NY, NX, SCRY_FOURIER_YX, &err));
        whole = by_hand(block, 1, sy, sx) * sqrt((double)(sy * sx) / (NY * NX));
        assert_near(part / whole, 1, 1e-5);
        scry_free(k);
        scry_free(block);
    }
}

static void it_follows_the_data(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { C = 3, NY = 44, NX = 50 };
    float complex *k = random_kspace(C * NY * NX);
    double before = 0, after = 0;
    assert_ok(scry_kspace_scale(&before, k, C, NY, NX, SCRY_FOURIER_YX, &err));
    scry_scale((float *)k, 1e-6, 2 * C * NY * NX);
    assert_ok(scry_kspace_scale(&after, k, C, NY, NX, SCRY_FOURIER_YX, &err));
    assert_near(after / before, 1e-6, 1e-12);
    scry_free(k);
}

static void what_has_no_scale_is_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { N = 40 };
    float complex *k = random_kspace(N * N);
    double scale;
    assert_fails(scry_kspace_scale(&scale, k, 0, N, N, SCRY_FOURIER_YX, &err), SCRY_EINVAL);
    assert_fails(scry_kspace_scale(&scale, k, 1, N, 0, SCRY_FOURIER_YX, &err), SCRY_EINVAL);
    assert_fails(scry_kspace_scale(&scale, k, 1, N, N, 0, &err), SCRY_EINVAL);
    assert_fails(scry_kspace_scale(&scale, k, 1, N, N, 4, &err), SCRY_EINVAL);
    CHECK_ALLOCATIONS(scry_kspace_scale(&scale, k, 1, N, N, SCRY_FOURIER_YX, &err), (void)0);
    k[N / 2 * N + 20] = NAN;
    assert_fails(scry_kspace_scale(&scale, k, 1, N, N, SCRY_FOURIER_YX, &err), SCRY_ENUMERIC);
    memset(k, 0, N * N * sizeof *k);
    k[0] = 1; /* a corner */
    assert_fails(scry_kspace_scale(&scale, k, 1, N, N, SCRY_FOURIER_YX, &err), SCRY_ENUMERIC);
    scry_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flat_image_is_its_own_scale),
        cmocka_unit_test(it_follows_the_rule),
        cmocka_unit_test(the_middle_alone_counts),
        cmocka_unit_test(transformed_axes_are_left_alone),
        cmocka_unit_test(what_is_not_full_does_not_count),
        cmocka_unit_test(it_follows_the_data),
        cmocka_unit_test(what_has_no_scale_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
