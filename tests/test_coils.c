#include "tests/check.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "operators/coils.h"

#include <complex.h>
#include <gsl/gsl_math.h>
#include <string.h>

enum { C = 5, N = 20011 };

/* n = T z with E|z|^2 = 1: a covariance T T^H that is neither diagonal nor real. */
static void mixing(double complex *T, double complex *psi)
{
    float r[2 * C * C];
    scry_rng_normal(r, 0, 2 * C * C, 11, 0, 0);
    for (int i = 0; i < C * C; i++)
        T[i] = .4 * (r[2 * i] + I * r[2 * i + 1]);
    for (int c = 0; c < C; c++)
        T[c * C + c] += 1.3 + .7 * c;
    for (int a = 0; a < C; a++)
        for (int b = 0; b < C; b++) {
            psi[a * C + b] = 0;
            for (int k = 0; k < C; k++)
                psi[a * C + b] += T[a * C + k] * conj(T[b * C + k]);
        }
}

static float complex *correlated(const double complex *T, size_t n, uint64_t seed)
{
    float complex *x = scry_alloc(C * n, sizeof *x), *z = scry_alloc(C * n, sizeof *z);
    scry_rng_normal((float *)z, 0, 2 * C * n, seed, 0, 0);
    for (size_t a = 0; a < C; a++)
        for (size_t i = 0; i < n; i++) {
            double complex s = 0;
            for (size_t k = 0; k < C; k++)
                s += T[a * C + k] * z[k * n + i];
            x[a * n + i] = (float complex)(s * M_SQRT1_2);
        }
    scry_free(z);
    return x;
}

/* Var(Psi_ab) = Psi_aa Psi_bb / n for circular noise: z-scores of all entries. */
static double worst_z(const double complex *psi, const double complex *truth, double n)
{
    double worst = 0;
    for (int a = 0; a < C; a++)
        for (int b = 0; b < C; b++) {
            const double sd = sqrt(creal(truth[a * C + a]) * creal(truth[b * C + b]) / n);
            worst = fmax(worst, cabs(psi[a * C + b] - truth[a * C + b]) / sd);
        }
    return worst;
}

/* Three samples: 1, -1, 0 have 2 / (3 - 1) = 1. */
static void covariance_of_few_samples(void **state)
{
    (void)state;
    scry_error err = {0};
    const float complex x[3] = {1, -1, 0};
    double complex psi;
    assert_ok(scry_noise_covariance(&psi, x, 1, 3, 1, &err));
    assert_near(creal(psi), 1, 1e-12);
    assert_near(cimag(psi), 0, 1e-12);
}

static void covariance_is_that_of_the_noise(void **state)
{
    (void)state;
    scry_error err = {0};
    double complex T[C * C], truth[C * C], psi[C * C];
    mixing(T, truth);
    float complex *x = correlated(T, N, 3);
    assert_ok(scry_noise_covariance(psi, x, C, N, 1, &err));
    assert_below(worst_z(psi, truth, N), 4);
    assert_ok(scry_noise_covariance(psi, x, C, N, 2.385, &err));
    for (int i = 0; i < C * C; i++)
        psi[i] /= 2.385;
    assert_below(worst_z(psi, truth, N), 4);
    assert_fails(scry_noise_covariance(psi, x, C, C, 1, &err), SCRY_EINVAL);
    assert_fails(scry_noise_covariance(psi, x, C, N, 0, &err), SCRY_EINVAL);
    assert_fails(scry_noise_covariance(psi, x, C, N, NAN, &err), SCRY_EINVAL);
    x[7] = NAN;
    assert_fails(scry_noise_covariance(psi, x, C, N, 1, &err), SCRY_ENUMERIC);
    scry_free(x);
}

static void whitened_noise_has_unit_variance(void **state)
{
    (void)state;
    scry_error err = {0};
    double complex T[C * C], truth[C * C], psi[C * C], one[C * C] = {0};
    mixing(T, truth);
    float complex *x = correlated(T, N, 4);
    assert_ok(scry_whiten(x, truth, C, N, &err));
    assert_ok(scry_noise_covariance(psi, x, C, N, 1, &err));
    for (int c = 0; c < C; c++)
        one[c * C + c] = 1;
    assert_below(worst_z(psi, one, N), 4); /* E|n|^2 = 1, nothing between coils */
    for (int c = 0; c < C; c++) {
        double re = 0, im = 0;
        for (int i = 0; i < N; i++) {
            re += pow(crealf(x[c * N + i]), 2);
            im += pow(cimagf(x[c * N + i]), 2);
        }
        assert_near(sqrt(re / N), M_SQRT1_2, 4 * M_SQRT1_2 / sqrt(2. * N));
        assert_near(sqrt(im / N), M_SQRT1_2, 4 * M_SQRT1_2 / sqrt(2. * N));
    }
    scry_free(x);
}

static void a_dead_coil_is_named(void **state)
{
    (void)state;
    scry_error err = {0};
    double complex T[C * C], psi[C * C];
    mixing(T, psi);
    float complex *x = correlated(T, 64, 4);
    for (int c = 0; c < C; c++)
        psi[3 * C + c] = psi[c * C + 3] = 0;
    scry_status st = scry_whiten(x, psi, C, 64, &err);
    assert_int_equal(st, SCRY_ENUMERIC);
    assert_non_null(strstr(err.text, "coil 3 (the first is 0) is dead"));
    err = (scry_error){0};
    mixing(T, psi);
    for (int c = 0; c < C; c++)
        psi[4 * C + c] = psi[1 * C + c]; /* the same signal twice */
    for (int c = 0; c < C; c++)
        psi[c * C + 4] = psi[c * C + 1];
    assert_int_equal(scry_whiten(x, psi, C, 64, &err), SCRY_ENUMERIC);
    assert_non_null(strstr(err.text, "coil 4 (the first is 0) is a combination"));
    err = (scry_error){0};
    psi[0] = NAN;
    assert_fails(scry_whiten(x, psi, C, 64, &err), SCRY_ENUMERIC);
    scry_free(x);
}

/* Noise and an object: magnitudes that fall off from the centre as 1/r^3 (an edge, away from its
 * normal) with streaks along two directions where they fall as 1/r only. */
static float complex *with_signal(const double complex *T, size_t ny, size_t nx, double strength)
{
    float complex *x = correlated(T, ny * nx, 9);
    for (size_t y = 0; y < ny; y++)
        for (size_t k = 0; k < nx; k++) {
            const double v = (double)y - (double)(ny / 2), u = (double)k - (double)(nx / 2);
            const double r = hypot(u, v) + 1;
            const int streak = fabs(v - .83 * u) < 1.5;
            for (size_t c = 0; c < C; c++)
                x[c * ny * nx + y * nx + k] +=
                    (float complex)(strength * (streak ? 1 / r : 1 / (r * r * r)) *
                                    cexp(I * (double)(c + 1) * (u * .37 + v * .21)));
        }
    return x;
}

static void noise_is_told_from_kspace(void **state)
{
    (void)state;
    enum { NY = 150, NX = 131 };
    scry_error err = {0};
    double complex T[C * C], truth[C * C], psi[C * C];
    mixing(T, truth);
    /* Nothing but noise: unbiased, from a tenth of the samples. The trimmed estimate is a little
     * less efficient than the covariance of all. */
    float complex *x = with_signal(T, NY, NX, 0);
    assert_ok(scry_noise_from_kspace(psi, x, NULL, C, NY, NX, &err));
    assert_below(worst_z(psi, truth, NY * NX / 10), 4.5);
    scry_free(x);
    /* A strong object: its streaks pass through the corners at 10 times the noise. */
    x = with_signal(T, NY, NX, 3000);
    assert_ok(scry_noise_from_kspace(psi, x, NULL, C, NY, NX, &err));
    for (int c = 0; c < C; c++)
        assert_near(creal(psi[c * C + c]) / creal(truth[c * C + c]), 1, .08);
    /* Half of the lines: zeros elsewhere do not count. */
    unsigned char *mask = scry_alloc(NY * NX, 1);
    for (size_t i = 0; i < NY * NX; i++) {
        mask[i] = i / NX % 2 == 0;
        for (size_t c = 0; c < C && !mask[i]; c++)
            x[c * NY * NX + i] = 0;
    }
    assert_ok(scry_noise_from_kspace(psi, x, mask, C, NY, NX, &err));
    for (int c = 0; c < C; c++)
        assert_near(creal(psi[c * C + c]) / creal(truth[c * C + c]), 1, .12);
    for (size_t i = 0; i < NY * NX; i++)
        mask[i] = i < 300;
    assert_fails(scry_noise_from_kspace(psi, x, mask, C, NY, NX, &err), SCRY_EINVAL);
    for (size_t i = 0; i < NY * NX; i++)
        x[2 * NY * NX + i] = 0;
    assert_int_equal(scry_noise_from_kspace(psi, x, NULL, C, NY, NX, &err), SCRY_ENUMERIC);
    assert_non_null(strstr(err.text, "coil 2 (the first is 0) is dead"));
    err = (scry_error){0};
    x[0] = NAN;
    assert_fails(scry_noise_from_kspace(psi, x, NULL, C, NY, NX, &err), SCRY_ENUMERIC);
    scry_free(mask);
    scry_free(x);
}

static void compression_keeps_energy_and_noise(void **state)
{
    (void)state;
    enum { K = 3 };
    scry_error err = {0};
    double complex T[C * C], psi[C * C];
    double energy[C];
    float complex matrix[K * C];
    mixing(T, psi);
    float complex *x = correlated(T, N, 5), *y = scry_alloc(K * N, sizeof *y);
    assert_ok(scry_compression(matrix, energy, K, x, C, N, &err));
    for (int a = 0; a < K; a++)
        for (int b = 0; b < K; b++) {
            double complex s = 0;
            for (int c = 0; c < C; c++)
                s += (double complex)matrix[a * C + c] * conj((double complex)matrix[b * C + c]);
            assert_near(cabs(s - (a == b)), 0, 1e-6);
        }
    scry_compress(y, matrix, K, x, C, N);
    double all = 0, kept = 0, cross = 0;
    for (int i = 0; i < C * N; i++)
        all += pow(cabs((double complex)x[i]), 2);
    for (int i = 0; i < K * N; i++)
        kept += pow(cabs((double complex)y[i]), 2);
    assert_near(kept / all, energy[K - 1], 1e-6);
    assert_near(energy[C - 1], 1, 1e-12);
    for (int k = 1; k < C; k++)
        assert_true(energy[k] > energy[k - 1]);
    double complex s = 0; /* virtual coils of the calibration data are uncorrelated */
    for (int i = 0; i < N; i++)
        s += (double complex)y[i] * conj((double complex)y[N + i]);
    cross = cabs(s);
    assert_below(cross, 1e-5 * all);
    assert_fails(scry_compression(matrix, NULL, 0, x, C, N, &err), SCRY_EINVAL);
    assert_fails(scry_compression(matrix, NULL, C + 1, x, C, N, &err), SCRY_EINVAL);
    memset(x, 0, C * N * sizeof *x);
    assert_fails(scry_compression(matrix, NULL, K, x, C, N, &err), SCRY_ENUMERIC);
    x[1] = INFINITY;
    assert_fails(scry_compression(matrix, NULL, K, x, C, N, &err), SCRY_ENUMERIC);
    scry_free(x);
    scry_free(y);
}

/* Unit noise in C - 1 directions and a louder one, mixed by a reflection I - 2 v v^H: the residual
 * is white after W but for the one direction, which has the power of the others. */
static void whitening_of_a_residual(void **state)
{
    (void)state;
    scry_error err = {0};
    double complex T[C * C], psi[C * C];
    float complex W[C * C];
    double largest;
    for (int a = 0; a < C; a++)
        for (int b = 0; b < C; b++)
            T[a * C + b] = (a == b) - 2. / C * cexp(I * (double)(a * a - b * b));
    for (int a = 0; a < C; a++)
        T[a * C] *= 3;
    float complex *x = correlated(T, N, 7), *y = scry_alloc(C * N, sizeof *y);
    assert_ok(scry_whitening_of_residual(W, &largest, x, C, N, &err));
    assert_near(largest, 3, 0.1);
    scry_compress(y, W, C, x, C, N);
    assert_ok(scry_noise_covariance(psi, y, C, N, 1, &err));
    double complex one[C * C] = {0};
    for (int c = 0; c < C; c++)
        one[c * C + c] = 1;
    assert_below(worst_z(psi, one, N), 5);
    for (int a = 0; a < C; a++) /* Hermitian: coils that are quiet stay themselves */
        for (int b = 0; b < C; b++)
            assert_near(cabsf(W[a * C + b] - conjf(W[b * C + a])), 0, 1e-6);
    for (int i = 0; i < C * N; i++)
        x[i] *= 0.1F; /* less than the noise in all: a fit, nothing is shrunk */
    assert_ok(scry_whitening_of_residual(W, &largest, x, C, N, &err));
    for (int c = 0; c < C * C; c++)
        assert_near(cabsf(W[c] - (c % (C + 1) == 0)), 0, 1e-6);
    memset(x, 0, N * sizeof *x); /* a coil that is 0 */
    assert_ok(scry_whitening_of_residual(W, &largest, x, C, N, &err));
    assert_fails(scry_whitening_of_residual(W, &largest, x, C, C, &err), SCRY_EINVAL);
    x[1] = NAN;
    assert_fails(scry_whitening_of_residual(W, &largest, x, C, N, &err), SCRY_ENUMERIC);
    scry_free(x);
    scry_free(y);
}

static void root_of_sum_of_squares(void **state)
{
    (void)state;
    const float complex x[6] = {3, 4 * I, 0, 4 * I, 3 - 12 * I, 2.5f};
    float r[3];
    scry_rss(r, x, 2, 3);
    assert_near(r[0], 5, 1e-6);
    assert_near(r[1], 13, 1e-6);
    assert_near(r[2], 2.5, 1e-6);
}

static void refusals_leak_nothing(void **state)
{
    (void)state;
    enum { NY = 60, NX = 60 };
    double complex T[C * C], psi[C * C];
    float complex matrix[C * C];
    mixing(T, psi);
    float complex *x = correlated(T, NY * NX, 6);
    const size_t live = scry_memory_live();
    int refused = 0;
    double largest;
    for (int call = 0; call < 4; call++)
        for (size_t nth = 1;; nth++) {
            scry_error err = {0};
            scry_memory_fail_at(nth);
            scry_status st =
                call == 0   ? scry_noise_from_kspace(psi, x, NULL, C, NY, NX, &err)
                : call == 1 ? scry_whiten(x, psi, C, NY * NX, &err)
                : call == 2 ? scry_compression(matrix, NULL, 2, x, C, NY * NX, &err)
                            : scry_whitening_of_residual(matrix, &largest, x, C, NY * NX, &err);
            scry_memory_fail_at(0);
            assert_int_equal(scry_memory_live(), live);
            if (st == SCRY_OK) break;
            assert_int_equal(st, SCRY_ENOMEM);
            assert_true(err.text[0]);
            refused++;
        }
    assert_true(refused >= 10);
    scry_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(covariance_of_few_samples),
        cmocka_unit_test(covariance_is_that_of_the_noise),
        cmocka_unit_test(whitened_noise_has_unit_variance),
        cmocka_unit_test(a_dead_coil_is_named),
        cmocka_unit_test(noise_is_told_from_kspace),
        cmocka_unit_test(compression_keeps_energy_and_noise),
        cmocka_unit_test(whitening_of_a_residual),
        cmocka_unit_test(root_of_sum_of_squares),
        cmocka_unit_test(refusals_leak_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
