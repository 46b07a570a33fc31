#include "tests/check.h"
#include "tests/golden/metrics.h"

#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/stats/metrics.h"
#include "lib/rng.h"

#include <string.h>

enum { NY = 23, NX = 31, N = NY * NX };
static const double span = 11.7;

/* The images of golden/make_metrics.py. */
static void golden_image(float *out, unsigned long v)
{
    for (size_t i = 0; i < N; i++) {
        v = (v * 1103515245 + 12345) % 2147483648ul;
        out[i] =
            (float)((double)((v >> 16) % 1000) / 250 + (double)(i % NX) / 8 + (double)(i / NX % 7));
    }
}

static void agrees_with_scikit_image(void **state)
{
    (void)state;
    scry_error err = {0};
    static float e[N], r[N];
    scry_fidelity f;
    double s;
    golden_image(e, 1);
    golden_image(r, 2);
    assert_ok(scry_fidelity_measure(&f, e, r, NULL, N, span, &err));
    assert_near(f.psnr, GOLDEN_PSNR, 1e-9);
    assert_near(f.ri_psnr, GOLDEN_RI_PSNR, 1e-9);
    assert_near(f.a, GOLDEN_FIT_A, 1e-9);
    assert_near(f.b, GOLDEN_FIT_B, 1e-9);
    assert_near(f.nrmse, GOLDEN_NRMSE, 1e-9);
    assert_near(f.nmse, GOLDEN_NRMSE * GOLDEN_NRMSE, 1e-9);
    assert_near(f.mae, GOLDEN_MAE, 1e-9);
    assert_ok(scry_ssim(&s, e, r, NULL, &SCRY_SPACE(NY, NX), span, SCRY_SSIM_GAUSSIAN, &err));
    assert_near(s, GOLDEN_SSIM_GAUSSIAN, 1e-9);
    assert_ok(scry_ssim(&s, e, r, NULL, &SCRY_SPACE(NY, NX), span, SCRY_SSIM_UNIFORM, &err));
    assert_near(s, GOLDEN_SSIM_UNIFORM, 1e-9);
}

static void volumes_as_fastmri(void **state)
{
    (void)state;
    scry_error err = {0};
    static float e[3 * N], r[3 * N];
    scry_fidelity f;
    double s;
    for (unsigned long k = 0; k < 3; k++) {
        golden_image(e + k * N, 2 * k + 1);
        golden_image(r + k * N, 2 * k + 2);
        for (size_t i = k * N; i < (k + 1) * N; i++) {
            e[i] *= (float)(k + 1);
            r[i] *= (float)(k + 1);
        }
    }
    const scry_space volume = SCRY_SPACE(3, NY, NX), thin = SCRY_SPACE(3 * N / 6, 2, 3);
    assert_ok(scry_volume_measure(&f, &s, e, r, &volume, 0, &err));
    assert_near(f.psnr, GOLDEN_VOLUME_PSNR, 1e-6);
    assert_near(f.nmse, GOLDEN_VOLUME_NMSE, 1e-8);
    assert_near(s, GOLDEN_VOLUME_SSIM, 1e-7);
    assert_ok(scry_volume_measure(&f, &s, e, r, &thin, 5, &err));
    assert_near(f.range, 5, 0);
    assert_true(isnan(s));
    assert_fails(scry_volume_measure(&f, &s, e, r, &SCRY_SPACE(NY, NX), 0, &err), SCRY_ESHAPE);
    memset(r, 0, sizeof r);
    assert_fails(scry_volume_measure(&f, &s, e, r, &volume, 0, &err), SCRY_EINVAL);
    e[7] = NAN;
    assert_fails(scry_volume_measure(&f, &s, e, r, &volume, 1, &err), SCRY_ENUMERIC);
}

static void the_mask_hides_what_it_hides(void **state)
{
    (void)state;
    scry_error err = {0};
    static float e[N], r[N], mask[N];
    scry_fidelity f;
    double s;
    golden_image(r, 2);
    memcpy(e, r, sizeof e);
    for (size_t i = 0; i < N; i++)
        mask[i] = i % 3 == 0;
    for (size_t i = 0; i < N; i += 3)
        e[i] += 2;
    e[1] = NAN; /* hidden */
    assert_ok(scry_fidelity_measure(&f, e, r, mask, N, 8, &err));
    assert_int_equal(f.count, (N + 2) / 3);
    assert_near(f.psnr, 20 * log10(8 / 2.), 1e-6);
    assert_near(f.mae, 2, 1e-6);
    assert_near(f.b, -2, 1e-5);
    e[1] = r[1];
    memset(mask, 0, sizeof mask);
    mask[11 * NX + 16] = 1;
    memcpy(e, r, sizeof e);
    e[0] += 100; /* outside the window of the one pixel that counts */
    assert_ok(scry_ssim(&s, e, r, mask, &SCRY_SPACE(NY, NX), span, SCRY_SSIM_UNIFORM, &err));
    assert_near(s, 1, 1e-12);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    static float e[N], r[N], mask[N];
    scry_fidelity f;
    scry_frc frc;
    double s;
    assert_fails(scry_fidelity_measure(&f, e, r, NULL, N, 0, &err), SCRY_EINVAL); /* constant */
    assert_fails(scry_fidelity_measure(&f, e, r, NULL, N, -1, &err), SCRY_EINVAL);
    assert_fails(scry_fidelity_measure(&f, e, r, mask, N, 1, &err), SCRY_EINVAL); /* empty mask */
    assert_fails(scry_fidelity_measure(&f, e, r, NULL, 0, 1, &err), SCRY_ESHAPE);
    assert_fails(scry_ssim(&s, e, r, NULL, &SCRY_SPACE(10, 20), 1, SCRY_SSIM_GAUSSIAN, &err),
                 SCRY_ESHAPE);
    assert_fails(scry_ssim(&s, e, r, NULL, &SCRY_SPACE(N), 1, SCRY_SSIM_GAUSSIAN, &err),
                 SCRY_ESHAPE);
    mask[0] = 1;
    assert_fails(scry_ssim(&s, e, r, mask, &SCRY_SPACE(NY, NX), 1, SCRY_SSIM_UNIFORM, &err),
                 SCRY_EINVAL);
    assert_fails(scry_frc_two(&frc, e, r, 4, 100, &err), SCRY_ESHAPE);
    assert_fails(scry_frc_two(&frc, e, r, NY, NX, &err), SCRY_EINVAL);
    e[3] = INFINITY;
    assert_fails(scry_fidelity_measure(&f, e, r, NULL, N, 1, &err), SCRY_ENUMERIC);
    assert_fails(scry_frc_one(&frc, e, NY, NX, &err), SCRY_ENUMERIC);
}

/* White noise, kept below a circle of radius `cut` cycles per pixel: a scene of known content. */
static float *scene(size_t n, double cut)
{
    scry_error err = {0};
    scry_fft *fft;
    assert_ok(scry_fft_create_real(&fft, 2, (size_t[]){n, n}, &err));
    float *x = scry_alloc(n * n, sizeof *x);
    float complex *X = scry_alloc(scry_fft_bins(fft), sizeof *X);
    void *work = scry_alloc(1, scry_fft_work_bytes(fft));
    scry_rng_normal(x, 0, n * n, 31, 0, 0);
    scry_fft_forward_real(fft, X, x, work);
    for (size_t y = 0; y < n; y++)
        for (size_t i = 0; i <= n / 2; i++) {
            const double fy = (double)(y < n - y ? y : n - y) / (double)n;
            if (hypot(fy, (double)i / (double)n) > cut) X[y * (n / 2 + 1) + i] = 0;
        }
    scry_fft_backward_real(fft, x, X, work);
    for (size_t i = 0; i < n * n; i++)
        x[i] /= (float)(n * n);
    scry_free(work);
    scry_free(X);
    scry_fft_free(fft);
    return x;
}

static void fourier_rings_find_the_cutoff(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { M = 192 };
    const double cut = .15, level = .08;
    float *x = scene(M, cut), *a = scry_alloc(M * M, sizeof *a), *b = scry_alloc(M * M, sizeof *b);
    float *noise = scry_alloc(M * M, sizeof *noise);
    scry_frc two, one;
    for (uint32_t k = 0; k < 2; k++) {
        scry_rng_normal(noise, 0, M * M, 77, k, 0);
        for (size_t i = 0; i < M * M; i++)
            (k ? b : a)[i] = x[i] + (float)level * noise[i];
    }
    assert_ok(scry_frc_two(&two, a, b, M, M, &err));
    assert_true(two.crossed);
    /* a Hann window spreads the edge of the circle over two rings, the smoothing over one */
    assert_near(two.cutoff, cut, 3.2 / M);
    assert_near(two.resolution * two.cutoff, 1, 1e-12);
    /* signal and noise are white inside the circle: frc = S/(S + level^2), S = 1 */
    const size_t mid = (size_t)(.1 * M);
    assert_near(two.correlation[mid], 1 / (1 + level * level), .01);
    assert_near(two.frequency[mid], .1, .005);
    assert_ok(scry_frc_one(&one, a, M, M, &err));
    assert_true(one.crossed);
    assert_near(one.cutoff, cut, 3.2 / M);
    /* the phase of the diagonal shift is undone: without that the curve would follow its cosine */
    assert_true(one.correlation[mid / 2 * 2] > .9);
    scry_frc_clear(&one);
    assert_ok(scry_frc_two(&one, a, a, M, M, &err)); /* equal: no crossing */
    assert_false(one.crossed);
    assert_near(one.cutoff, .5, 1e-2);
    scry_frc_clear(&one);
    scry_frc_clear(&two);
    scry_free(noise);
    scry_free(b);
    scry_free(a);
    scry_free(x);
}

static void memory_may_be_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    static float e[N], r[N];
    scry_frc frc;
    double s;
    golden_image(e, 1);
    golden_image(r, 2);
    const size_t live = scry_memory_live();
    for (size_t nth = 1; nth <= 9; nth++) { /* curve, plan and its scratch, spectra, work, halves */
        scry_memory_fail_at(nth);
        assert_fails(scry_frc_one(&frc, e, NY, NX, &err), SCRY_ENOMEM);
        assert_int_equal(scry_memory_live(), live);
    }
    scry_memory_fail_at(1);
    assert_fails(scry_ssim(&s, e, r, NULL, &SCRY_SPACE(NY, NX), 1, SCRY_SSIM_UNIFORM, &err),
                 SCRY_ENOMEM);
    scry_memory_fail_at(0);
    assert_int_equal(scry_memory_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_scikit_image),      cmocka_unit_test(volumes_as_fastmri),
        cmocka_unit_test(the_mask_hides_what_it_hides),  cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(fourier_rings_find_the_cutoff), cmocka_unit_test(memory_may_be_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
