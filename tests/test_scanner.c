#include "tests/check.h"

#include "datasets/phantom.h"
#include "datasets/scanner.h"
#include "lib/memory.h"
#include "operators/fourier.h"

#include <omp.h>
#include <stdbool.h>
#include <string.h>

/* sum |a - b|^2 / sum |b|^2, root */
static double distance(const float complex *a, const float complex *b, size_t n)
{
    double off = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = cabsf(a[i] - b[i]), s = cabsf(b[i]);
        off += d * d;
        all += s * s;
    }
    return sqrt(off / all);
}

/* The middle (ny, nx) of a centred grid (my, mx), scaled. */
static void cut(float complex *out, size_t ny, size_t nx, const float complex *in, size_t my,
                size_t mx, float scale)
{
    for (size_t i = 0; i < ny; i++)
        for (size_t j = 0; j < nx; j++)
            out[i * nx + j] = scale * in[(i + my / 2 - ny / 2) * mx + j + mx / 2 - nx / 2];
}

/* Against a numerical transform of the phantom drawn on a grid FINE times as fine, through the same
 * coils there. Edges drawn in steps of pixels alias; that error goes with the grid, and is what the
 * bound allows. */
static void kspace_is_the_transform_of_the_drawn_head(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { NY = 36, NX = 45, FINE = 32, MY = NY * FINE, MX = NX * FINE, COILS = 3 };
    const size_t m = (size_t)MY * MX, n = NY * NX;
    float *drawn = scry_alloc(m, sizeof *drawn);
    float complex *big = scry_alloc(m, sizeof *big), *maps = scry_alloc(COILS * m, sizeof *maps);
    float complex *exact = scry_alloc(COILS * n, sizeof *exact);
    float complex *part = scry_alloc(n, sizeof *part);
    double complex a[COILS * SCRY_SCANNER_TERMS];
    assert_ok(scry_phantom_shepp_logan(drawn, MY, MX, &err));
    assert_ok(scry_scanner_coils(maps, a, COILS, MY, MX, 5, &err));
    assert_ok(scry_scanner_shepp_logan(exact, a, COILS, NY, NX, &err));
    for (size_t c = 0; c < COILS; c++) {
        for (size_t i = 0; i < m; i++)
            big[i] = maps[c * m + i] * drawn[i];
        assert_ok(scry_fourier_transform(big, 1, MY, MX, SCRY_FOURIER_YX, false, &err));
        /* The drawing has its pixels' centres half a pixel off the origin of the transform. */
        for (size_t i = 0; i < MY; i++)
            for (size_t j = 0; j < MX; j++) {
                const double k = ((double)i - MY / 2) / MY + ((double)j - MX / 2) / MX;
                big[i * MX + j] *= (float complex)cexp(-acos(-1) * _Complex_I * k);
            }
        cut(part, NY, NX, big, MY, MX, 1.f / FINE);
        assert_below(distance(part, exact + c * n, n), 3e-3);
    }
    scry_free(part);
    scry_free(exact);
    scry_free(maps);
    scry_free(big);
    scry_free(drawn);
}

/* Real object, one coil: X[-k] = conj X[k]; X[0] = sqrt(n) times the integral over the field of
 * view, which is that of the ellipses. */
static void one_coil_is_hermitian_and_its_origin_is_the_area(void **state)
{
    (void)state;
    scry_error err = {0};
    static const double area[10][3] = {
        /* value, half axes: Toft 1996 */
        {1, .69, .92},    {-.8, .6624, .874}, {-.2, .11, .31},  {-.2, .16, .41},  {.1, .21, .25},
        {.1, .046, .046}, {.1, .046, .046},   {.1, .046, .023}, {.1, .023, .023}, {.1, .023, .046}};
    double integral = 0;
    for (int i = 0; i < 10; i++)
        integral += area[i][0] * acos(-1) * area[i][1] * area[i][2] / 4;
    static const size_t sizes[][2] = {{64, 64}, {37, 50}, {41, 23}, {1, 9}};
    for (int s = 0; s < 4; s++) {
        const size_t ny = sizes[s][0], nx = sizes[s][1], cy = ny / 2, cx = nx / 2;
        float complex *x = scry_alloc(ny * nx, sizeof *x);
        assert_ok(scry_scanner_shepp_logan(x, NULL, 1, ny, nx, &err));
        const double origin = integral * sqrt((double)(ny * nx));
        assert_near(creal(x[cy * nx + cx]), origin, 1e-6 * origin);
        for (size_t i = 0; i < ny; i++)
            for (size_t j = 0; j < nx; j++) {
                if (2 * cy < i || 2 * cx < j || 2 * cy - i >= ny || 2 * cx - j >= nx) continue;
                const float complex other = x[(2 * cy - i) * nx + 2 * cx - j];
                assert_below(cabsf(x[i * nx + j] - conjf(other)), 1e-6 * origin);
            }
        scry_free(x);
    }
}

/* Values of the object come out of the inverse transform: skull 1, brain .2, ventricles 0. */
static void images_have_the_values_of_the_head(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { N = 256 };
    float complex *x = scry_alloc(N * N, sizeof *x);
    float *drawn = scry_alloc(N * N, sizeof *drawn);
    assert_ok(scry_scanner_shepp_logan(x, NULL, 1, N, N, &err));
    assert_ok(scry_phantom_shepp_logan(drawn, N, N, &err));
    assert_ok(scry_fourier_transform(x, 1, N, N, SCRY_FOURIER_YX, true, &err));
    static const struct {
        double x, y, value;
    } at[] = {{.35, -.55, .2}, {-.22, 0, 0}, {0, .35, .3}, {.5, -.5, .2}, {.9, .9, 0}};
    for (size_t k = 0; k < sizeof at / sizeof *at; k++) {
        const size_t i = (size_t)(N / 2 - at[k].y * N / 2), j = (size_t)(N / 2 + at[k].x * N / 2);
        double mean = 0; /* over 5 x 5 pixels: ringing averages out */
        for (size_t d = 0; d < 25; d++)
            mean += creal(x[(i + d / 5 - 2) * N + j + d % 5 - 2]) / 25;
        assert_near(mean, at[k].value, .01);
        assert_near(drawn[i * N + j], at[k].value, 1e-6);
    }
    scry_free(drawn);
    scry_free(x);
}

/* What the coils' polynomials do to exact k-space is a product in the image: seen on a grid four
 * times as wide in k-space, where the head's own truncation is far away. */
static void coils_multiply_the_image(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { NY = 48, NX = 51, COILS = 5, MY = 4 * NY, MX = 4 * NX };
    const size_t m = MY * MX, n = NY * NX;
    float complex *wide = scry_alloc(m, sizeof *wide), *maps = scry_alloc(COILS * m, sizeof *maps);
    float complex *all = scry_alloc(COILS * m, sizeof *all), *part = scry_alloc(n, sizeof *part);
    float complex *exact = scry_alloc(COILS * n, sizeof *exact);
    double complex a[COILS * SCRY_SCANNER_TERMS];
    assert_ok(scry_scanner_coils(maps, a, COILS, MY, MX, 11, &err));
    assert_ok(scry_scanner_shepp_logan(wide, NULL, 1, MY, MX, &err));
    assert_ok(scry_fourier_transform(wide, 1, MY, MX, SCRY_FOURIER_YX, true, &err));
    assert_ok(scry_scanner_image(all, wide, maps, COILS, MY, MX, &err));
    assert_ok(scry_scanner_shepp_logan(exact, a, COILS, NY, NX, &err));
    for (size_t c = 0; c < COILS; c++) {
        cut(part, NY, NX, all + c * m, MY, MX, .25f);
        assert_below(distance(part, exact + c * n, n), 2e-3);
    }
    scry_free(exact);
    scry_free(part);
    scry_free(all);
    scry_free(maps);
    scry_free(wide);
}

/* Smooth, different from each other, of unit size, and everywhere something to hear; the polynomial
 * is the same on every grid. */
static void coils_surround_the_field_of_view(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { N = 48 };
    static const size_t counts[] = {1, 4, 8, 16, 64};
    for (size_t k = 0; k < 5; k++) {
        const size_t coils = counts[k];
        float complex *s = scry_alloc(coils * N * N, sizeof *s);
        float complex *fine = scry_alloc(coils * 4 * N * N, sizeof *fine);
        assert_ok(scry_scanner_coils(s, NULL, coils, N, N, 3, &err));
        assert_ok(scry_scanner_coils(fine, NULL, coils, 2 * N, 2 * N, 3, &err));
        double low = 2, high = 0, step = 0;
        for (size_t i = 0; i < N * N; i++) {
            double sum = 0;
            for (size_t c = 0; c < coils; c++) {
                const float complex v = s[c * N * N + i];
                sum += pow(cabsf(v), 2);
                if ((i + 1) % N) step = fmax(step, cabsf(s[c * N * N + i + 1] - v));
                const float complex same = fine[(c * 2 * N + i / N * 2) * 2 * N + i % N * 2];
                assert_below(cabsf(same - v), 1e-5);
            }
            low = fmin(low, sum);
            high = fmax(high, sum);
        }
        assert_near(high, .925, .076); /* pixels end before the edge */
        assert_true(low > (coils == 1 ? 1e-4 : .01));
        assert_below(step, .15);
        for (size_t c = 1; c < coils; c++) { /* angle between maps as vectors */
            double complex inner = 0;
            double n0 = 0, n1 = 0;
            for (size_t i = 0; i < N * N; i++) {
                inner += conj(s[i]) * s[c * N * N + i];
                n0 += pow(cabsf(s[i]), 2);
                n1 += pow(cabsf(s[c * N * N + i]), 2);
            }
            assert_below(cabs(inner) / sqrt(n0 * n1), coils > 16 ? .999 : .97);
        }
        scry_free(fine);
        scry_free(s);
    }
}

static void phase_is_smooth_and_as_large_as_said(void **state)
{
    (void)state;
    enum { NY = 60, NX = 70 };
    float complex x[NY * NX], y[NY * NX];
    for (size_t i = 0; i < NY * NX; i++)
        x[i] = y[i] = 2.385f;
    scry_scanner_phase(x, NY, NX, 1.7, 4);
    scry_scanner_phase(y, NY, NX, 1.7, 5);
    assert_memory_not_equal(x, y, sizeof x);
    double top = 0, step = 0;
    for (size_t i = 0; i < NY * NX; i++) {
        assert_near(cabsf(x[i]), 2.385, 1e-6);
        top = fmax(top, fabsf(cargf(x[i])));
        if ((i + 1) % NX) step = fmax(step, fabsf(cargf(x[i + 1] / x[i])));
    }
    assert_near(top, 1.7, 1e-5);
    assert_below(step, 1.7 * 2 * acos(-1) / NX * 3);
}

/* Mean 0, E|n|^2 = sigma^2 in equal halves that do not know of each other or of their neighbours,
 * in standard errors. */
static void noise_has_the_variance_said(void **state)
{
    (void)state;
    enum { N = 200000 };
    const double sigma = .731;
    for (uint64_t seed = 0; seed < 4; seed++) {
        float complex *x = scry_alloc(N, sizeof *x);
        double mean[2] = {0}, var[2] = {0}, cross = 0, next = 0;
        scry_scanner_noise(x, N, sigma, seed, 0);
        for (size_t i = 0; i < N; i++) {
            const double part[2] = {creal(x[i]) / sigma, cimag(x[i]) / sigma};
            for (int k = 0; k < 2; k++) {
                mean[k] += part[k] / N;
                var[k] += part[k] * part[k] / N;
            }
            cross += part[0] * part[1] / N;
            next += i ? part[0] * creal(x[i - 1]) / sigma / N : 0;
        }
        for (int k = 0; k < 2; k++) {
            assert_near(mean[k] / sqrt(.5 / N), 0, 4);
            assert_near((var[k] - .5) / (.5 * sqrt(2. / N)), 0, 4);
        }
        assert_near(cross / (.5 / sqrt(N)), 0, 4);
        assert_near(next / (.5 / sqrt(N)), 0, 4);
        scry_free(x);
    }
}

static void noise_depends_on_seed_and_place_alone(void **state)
{
    (void)state;
    enum { N = 10007, PART = 4999 };
    float complex *x = scry_alloc(N, sizeof *x), *y = scry_alloc(N, sizeof *y);
    omp_set_num_threads(1);
    scry_scanner_noise(x, N, 1, 9, 0);
    omp_set_num_threads(4);
    scry_scanner_noise(y, PART, 1, 9, 0);
    scry_scanner_noise(y + PART, N - PART, 1, 9, PART);
    assert_memory_equal(x, y, N * sizeof *x);
    memset(y, 0, N * sizeof *y);
    scry_scanner_noise(y, N, 1, 10, 0);
    assert_memory_not_equal(x, y, N * sizeof *x);
    scry_free(y);
    scry_free(x);
}

static void the_head_does_not_depend_on_threads(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { NY = 30, NX = 33, COILS = 4, N = NY * NX * COILS };
    float complex x[2][N];
    for (int k = 0; k < 2; k++) {
        double complex a[COILS * SCRY_SCANNER_TERMS];
        omp_set_num_threads(k ? 4 : 1);
        assert_ok(scry_scanner_coils(NULL, a, COILS, NY, NX, 2, &err));
        assert_ok(scry_scanner_shepp_logan(x[k], a, COILS, NY, NX, &err));
    }
    assert_memory_equal(x[0], x[1], sizeof x[0]);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    float complex x[16] = {0}, k[16];
    assert_fails(scry_scanner_coils(x, NULL, 0, 4, 4, 1, &err), SCRY_EINVAL);
    assert_fails(scry_scanner_coils(x, NULL, 65, 4, 4, 1, &err), SCRY_EINVAL);
    assert_fails(scry_scanner_coils(x, NULL, 1, 0, 4, 1, &err), SCRY_ESHAPE);
    assert_fails(scry_scanner_shepp_logan(x, NULL, 2, 4, 4, &err), SCRY_EINVAL);
    assert_fails(scry_scanner_shepp_logan(x, NULL, 1, 4, 0, &err), SCRY_ESHAPE);
    assert_fails(scry_scanner_image(k, x, NULL, 2, 2, 2, &err), SCRY_EINVAL);
    assert_fails(scry_scanner_image(k, x, x, 0, 2, 2, &err), SCRY_EINVAL);
}

static void refused_memory_is_told(void **state)
{
    (void)state;
    float complex x[2 * 64], k[2 * 64];
    double complex a[2 * SCRY_SCANNER_TERMS];
    const size_t live = scry_memory_live();
    for (size_t nth = 1; nth < 6; nth++)
        for (int which = 0; which < 3; which++) {
            scry_error err = {0};
            memset(a, 0, sizeof a);
            memset(x, 0, sizeof x);
            scry_memory_fail_at(nth);
            const scry_status st = which == 0   ? scry_scanner_coils(x, a, 2, 8, 8, 1, &err)
                                   : which == 1 ? scry_scanner_shepp_logan(k, a, 2, 8, 8, &err)
                                                : scry_scanner_image(k, x, x, 2, 8, 8, &err);
            scry_memory_fail_at(0);
            assert_true(st == SCRY_OK || (st == SCRY_ENOMEM && err.text[0]));
            assert_int_equal(scry_memory_live(), live);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kspace_is_the_transform_of_the_drawn_head),
        cmocka_unit_test(one_coil_is_hermitian_and_its_origin_is_the_area),
        cmocka_unit_test(images_have_the_values_of_the_head),
        cmocka_unit_test(coils_multiply_the_image),
        cmocka_unit_test(coils_surround_the_field_of_view),
        cmocka_unit_test(phase_is_smooth_and_as_large_as_said),
        cmocka_unit_test(noise_has_the_variance_said),
        cmocka_unit_test(noise_depends_on_seed_and_place_alone),
        cmocka_unit_test(the_head_does_not_depend_on_threads),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(refused_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
