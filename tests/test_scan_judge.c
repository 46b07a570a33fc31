#include "tests/check.h"

#include "apps/recon/mri/mri_impl.h"
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
    bool whitened;
};

static void listen(scry_log_kind kind, const char *text, void *ctx)
{
    struct heard *h = ctx;
    (void)kind;
    if (!strncmp(text, "lambda: ", 8)) h->lambda = strtod(text + 8, NULL);
    if (strstr(text, "what their maps leave unexplained")) h->whitened = true;
}

/* Of the coils, without noise. */
static void whole_images(float complex *images)
{
    scry_error err = {0};
    double complex *coils = scry_alloc(C * SCRY_SCANNER_TERMS, sizeof *coils);
    assert_ok(scry_scanner_coils(NULL, coils, C, N, N, 2, &err));
    assert_ok(scry_scanner_shepp_logan(images, coils, C, N, N, &err));
    assert_ok(scry_fourier_transform(images, C, N, N, SCRY_FOURIER_YX, true, &err));
    scry_free(coils);
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

/* | |image| - truth | / |truth| */
static double error_of(const scry_mri_result *result, const float complex *truth)
{
    double d = 0, size = 0;
    for (size_t i = 0; i < N * N; i++) {
        const double m = cabsf(result->image[i]), t = crealf(truth[i]);
        d += (m - t) * (m - t);
        size += t * t;
    }
    return sqrt(d / size);
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
    const double error = error_of(&result, truth);
    scry_mri_result_free(&result);
    scry_free(kspace);
    scry_free(truth);
    if (lambda) *lambda = heard.lambda;
    return error;
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

/* Sensitivities where the object is, 0 or one half elsewhere; without the rows above `top`. */
static void cut_maps(float complex *maps, const float complex *images, size_t top, bool outside)
{
    for (size_t i = 0; i < N * N; i++) {
        double sum = 0;
        for (size_t c = 0; c < C; c++)
            sum += pow((double)cabsf(images[c * N * N + i]), 2);
        const bool inside = sum > 1e-4;
        for (size_t c = 0; c < C; c++)
            maps[c * N * N + i] = i / N < top ? 0
                                  : inside    ? images[c * N * N + i] / (float)sqrt(sum)
                                  : outside   ? 0.5F
                                              : 0;
    }
}

/* A support that cuts a part of the object predicts samples worse, and one that reaches beyond it
 * too. */
static void the_support_is_judged(void **state)
{
    (void)state;
    scry_error err = {0};
    float complex *kspace = scry_alloc(C * N * N, sizeof *kspace);
    float complex *images = scry_alloc(C * N * N, sizeof *images);
    float complex *maps = scry_alloc(C * N * N, sizeof *maps);
    float complex *truth = scry_alloc(N * N, sizeof *truth);
    unsigned char *mask = scry_alloc(N * N, 1);
    struct scryi_plane planes[3] = {0}; /* cut, the object, and beyond it */
    scry_reconstructor *r;
    scry_mri_slice slice;
    simulate(kspace, truth, mask, 0.004);
    const scry_scan scan = {.coils = C, .dims = {1, N, N}, .readout = 2, .data = kspace};
    const scry_mri_request request = {.method = "wavelet"};
    assert_ok(scry_reconstructor_create(&r, &request, &scan, &err));
    assert_ok(scry_mri_slice_take(
        &slice, &scan,
        &(scry_mri_samples){.data = scry_copy(kspace, C * N * N * sizeof *kspace),
                            .mask = scry_copy(mask, N * N)},
        &err));
    whole_images(images);
    cut_maps(maps, images, 0, false);
    assert_ok(scry_reconstructor_calibrate(r, &slice, maps, 1, 1, NULL, &err));
    for (int k = 0; k < 3; k++) {
        cut_maps(maps, images, k ? 0 : N / 4, k == 2);
        assert_ok(scryi_plane_make(&planes[k], r, &slice, 0, maps, &err));
    }
    for (int k = 0; k < 2; k++) {
        bool wider;
        assert_ok(scryi_mri_prefers(&wider, r, &planes[k], &planes[k + 1], 1, &err));
        assert_int_equal(wider, k == 0);
    }
    for (int k = 0; k < 3; k++)
        scryi_plane_free(&planes[k]);
    scry_mri_slice_free(&slice);
    scry_reconstructor_free(r);
    scry_free(kspace);
    scry_free(images);
    scry_free(maps);
    scry_free(truth);
    scry_free(mask);
}

/* A scan whose last coil has a map that is wrong by one half, or right; |image - truth| of the
 * whole, and whether coils were whitened by what the maps leave. */
static double by_maps(bool *whitened, bool wrong, bool judge)
{
    scry_error err = {0};
    float complex *kspace = scry_alloc(C * N * N, sizeof *kspace);
    float complex *images = scry_alloc(C * N * N, sizeof *images);
    float complex *maps = scry_alloc(C * N * N, sizeof *maps);
    float complex *truth = scry_alloc(N * N, sizeof *truth);
    unsigned char *mask = scry_alloc(N * N, 1);
    scry_mri_result result;
    struct heard heard = {0};
    simulate(kspace, truth, mask, 0.004);
    whole_images(images);
    cut_maps(maps, images, 0, false);
    for (size_t i = 0; wrong && i < N * N; i++)
        maps[(C - 1) * N * N + i] *= i % N < N / 2 ? 0.5F : 1.5F;
    const scry_scan scan = {
        .coils = C, .dims = {1, N, N}, .readout = 2, .data = kspace, .maps = maps};
    const scry_mri_request request = {
        .method = "wavelet", .tune = true, .judge_noise = judge, .log = {listen, &heard}};
    assert_ok(scry_reconstruct(&result, &scan, mask, &request, NULL, NULL, &err));
    const double error = error_of(&result, truth);
    *whitened = heard.whitened;
    scry_mri_result_free(&result);
    scry_free(kspace);
    scry_free(images);
    scry_free(maps);
    scry_free(truth);
    scry_free(mask);
    return error;
}

/* A coil whose map is wrong counts for less, and where maps are right nothing is lost. */
static void what_wrong_maps_leave_counts_as_noise(void **state)
{
    (void)state;
    bool whitened[4];
    const double wrong = by_maps(&whitened[0], true, false);
    const double wrong_judged = by_maps(&whitened[1], true, true);
    const double right = by_maps(&whitened[2], false, false);
    const double right_judged = by_maps(&whitened[3], false, true);
    print_message("wrong maps: error %.4f by the noise, %.4f by what they leave; right ones: %.4f, "
                  "%.4f\n",
                  wrong, wrong_judged, right, right_judged);
    assert_false(whitened[0] || whitened[2]);
    assert_true(whitened[1]);
    assert_below(wrong_judged, 0.95 * wrong);
    assert_below(right_judged, 1.02 * right);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(weights_follow_the_noise),
                                       cmocka_unit_test(the_support_is_judged),
                                       cmocka_unit_test(what_wrong_maps_leave_counts_as_noise)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
