#include "tests/check.h"

#include "apps/recon/mri/reconstruct.h"
#include "datasets/sampling.h"
#include "datasets/scanner.h"
#include "lib/memory.h"
#include "operators/fourier.h"

#include <math.h>
#include <string.h>

/* The weight that held-out samples choose follows the noise: a scan of little noise is restored
 * better than by the default, and a noisy one by a larger weight. */

enum { N = 96, C = 4 };

struct heard {
    double lambda;
};

static void listen(scry_log_kind kind, const char *text, void *ctx)
{
    struct heard *h = ctx;
    (void)kind;
    if (!strncmp(text, "lambda: ", 8)) h->lambda = strtod(text + 8, NULL);
}

static void simulate(float complex *kspace, float complex *truth, unsigned char *mask, double sigma)
{
    scry_error err = {0};
    double complex *coils = scry_alloc(C * SCRY_SCANNER_TERMS, sizeof *coils);
    float complex *images = scry_alloc(C * N * N, sizeof *images);
    const scry_sampling pattern = {.pattern = SCRY_PATTERN_POISSON, .accel = 4, .centre = 0.15};
    assert_ok(scry_scanner_coils(NULL, coils, C, N, N, 2, &err));
    assert_ok(scry_scanner_shepp_logan(kspace, coils, C, N, N, &err));
    memcpy(images, kspace, C * N * N * sizeof *images);
    assert_ok(scry_fourier_transform(images, C, N, N, SCRY_FOURIER_YX, true, &err));
    for (size_t i = 0; i < N * N; i++) {
        double sum = 0;
        for (size_t c = 0; c < C; c++)
            sum += pow((double)cabsf(images[c * N * N + i]), 2);
        truth[i] = (float)sqrt(sum);
    }
    scry_scanner_noise(kspace, C * N * N, sigma, 5, 0);
    assert_ok(scry_sampling_mask(mask, N, N, 2, &pattern, &err));
    for (size_t i = 0; i < C * N * N; i++)
        if (!mask[i % (N * N)]) kspace[i] = 0;
    scry_free(coils);
    scry_free(images);
}

static double restored(double *lambda, const char *method, double sigma, bool tune)
{
    scry_error err = {0};
    float complex *kspace = scry_alloc(C * N * N, sizeof *kspace);
    float complex *truth = scry_alloc(N * N, sizeof *truth);
    unsigned char mask[N * N];
    scry_mri_result result;
    struct heard heard = {0};
    simulate(kspace, truth, mask, sigma);
    const scry_scan scan = {.coils = C, .dims = {1, N, N}, .readout = 2, .data = kspace};
    const scry_mri_request request = {.method = method, .tune = tune, .log = {listen, &heard}};
    assert_ok(scry_reconstruct(&result, &scan, mask, &request, NULL, NULL, &err));
    double d = 0, size = 0;
    for (size_t i = 0; i < N * N; i++) {
        const double m = cabsf(result.image[i]), t = crealf(truth[i]);
        d += (m - t) * (m - t);
        size += t * t;
    }
    scry_mri_result_free(&result);
    scry_free(kspace);
    scry_free(truth);
    if (lambda) *lambda = heard.lambda;
    return sqrt(d / size);
}

static void weights_follow_the_noise(void **state)
{
    static const char *const methods[] = {"wavelet", "cg-sense"};
    (void)state;
    for (int k = 0; k < 2; k++) {
        double low, high;
        const double as_it_is = restored(NULL, methods[k], 0.004, false);
        const double quiet = restored(&low, methods[k], 0.004, true);
        const double loud = restored(&high, methods[k], 0.1, true);
        print_message("%-9s default %.4f, tuned %.4f (lambda %.3g); noisy %.4f (%.3g)\n",
                      methods[k], as_it_is, quiet, low, loud, high);
        assert_below(quiet, 1.05 * as_it_is); /* the default happens to be near the best */
        assert_true(high > 2 * low && low > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(weights_follow_the_noise)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
