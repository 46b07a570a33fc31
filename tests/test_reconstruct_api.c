#include "tests/check.h"

#include "apps/recon/mri/reconstruct.h"
#include "datasets/scanner.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/rng.h"
#include "operators/coils.h"
#include "operators/fourier.h"

#include <string.h>

/* K-space from arrays to arrays: a known image comes back, bad input is refused in words, and
 * refused memory leaves nothing behind. */

enum { C = 4, H = 48, W = 56, N = H * W };
static const double NOISE = 0.004; /* sqrt(E|n|^2) of a sample; the head is 1 at most */

/* Every third line of the phase encodes along y, and the 14 of the middle. */
static bool acquired(size_t y)
{
    return y % 3 == 0 || (y >= H / 2 - 7 && y < H / 2 + 7);
}

struct fixture {
    float complex kspace[C * N], maps[C * N]; /* maps: of root sum of squares 1 */
    unsigned char mask[N];
    float truth[N]; /* root sum of squares of the noise-free coils */
    scry_scan scan;
};

/* Shepp & Logan's head through the coils of a simulated scanner; all: nothing is left out. */
static struct fixture *make_sampled(bool all)
{
    scry_error err = {0};
    struct fixture *f = scry_alloc(1, sizeof *f);
    float complex *coils = scry_alloc(C * N, sizeof *coils);
    double complex series[C * SCRY_SCANNER_TERMS];
    assert_ok(scry_scanner_coils(f->maps, series, C, H, W, 3, &err));
    assert_ok(scry_scanner_shepp_logan(f->kspace, series, C, H, W, &err));
    memcpy(coils, f->kspace, sizeof f->kspace);
    assert_ok(scry_fourier_transform(coils, C, H, W, SCRY_FOURIER_YX, true, &err));
    scry_rss(f->truth, coils, C, N);
    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        for (size_t c = 0; c < C; c++)
            sum += pow((double)cabsf(f->maps[c * N + i]), 2);
        for (size_t c = 0; c < C; c++)
            f->maps[c * N + i] /= (float)sqrt(sum);
    }
    scry_scanner_noise(f->kspace, (size_t)C * N, NOISE, 2, 0);
    for (size_t i = 0; i < N; i++)
        f->mask[i] = all || acquired(i / W);
    for (size_t i = 0; i < (size_t)C * N; i++)
        if (!f->mask[i % N]) f->kspace[i] = 0;
    f->scan =
        (scry_scan){.name = "head", .coils = C, .dims = {1, H, W}, .readout = 2, .data = f->kspace};
    scry_free(coils);
    return f;
}

static struct fixture *make(void)
{
    return make_sampled(false);
}

/* |a| - b over b */
static double nrmse(const float complex *a, const float *b)
{
    double off = 0, all = 0;
    for (size_t i = 0; i < N; i++) {
        const double d = (double)cabsf(a[i]) - b[i];
        off += d * d;
        all += (double)b[i] * b[i];
    }
    return sqrt(off / all);
}

static void an_image_comes_back(void **state)
{
    (void)state;
    scry_error err = {0};
    struct fixture *f = make();
    scry_mri_result folded, r, given;
    assert_ok(scry_reconstruct(&folded, &f->scan, f->mask,
                               &(scry_mri_request){.method = "zero-filled"}, NULL, NULL, &err));
    assert_ok(scry_reconstruct(&r, &f->scan, f->mask, &(scry_mri_request){0}, NULL, NULL, &err));
    assert_int_equal(r.ny, H);
    assert_int_equal(r.nx, W);
    assert_int_equal(r.coils, C);
    assert_below(nrmse(r.image, f->truth), 0.1);
    assert_below(nrmse(r.image, f->truth), 0.3 * nrmse(folded.image, f->truth));
    assert_null(r.maps);
    assert_true(isnan(r.holdout));

    f->scan.maps = f->maps; /* those that the coils have */
    assert_ok(scry_reconstruct(&given, &f->scan, f->mask,
                               &(scry_mri_request){.method = "cg-sense", .tune = true}, NULL, NULL,
                               &err));
    assert_below(nrmse(given.image, f->truth), 0.15);
    scry_mri_result_free(&folded);
    scry_mri_result_free(&r);
    scry_mri_result_free(&given);
    scry_free(f);
}

static void zeros_are_a_mask(void **state)
{
    (void)state;
    scry_error err = {0};
    struct fixture *f = make();
    scry_mri_result a, b;
    const scry_mri_request request = {.method = "cg-sense", .holdout = 0.3, .seed = 3};
    assert_ok(scry_reconstruct(&a, &f->scan, f->mask, &request, NULL, NULL, &err));
    assert_ok(scry_reconstruct(&b, &f->scan, NULL, &request, NULL, NULL, &err));
    assert_memory_equal(a.image, b.image, N * sizeof *a.image);
    assert_true(a.holdout > 0 && a.holdout < 1); /* some were held out, and predicted */
    scry_mri_result_free(&a);
    scry_mri_result_free(&b);
    scry_free(f);
}

/* A field of view of half the object: its other half lies over it, seen by maps of its own. In
 * k-space a shift by half the field of view is a change of sign of every other line. */
static void maps_of_two_sets_are_both_used(void **state)
{
    (void)state;
    scry_error err = {0};
    struct fixture *f = make_sampled(true);
    float complex *two = scry_alloc(2 * C * N, sizeof *two);
    float *truth = scry_alloc(N, sizeof *truth);
    scry_mri_result r;
    for (size_t i = 0; i < (size_t)C * N; i++)
        f->kspace[i] *= i / W % H % 2 ? 0.5f : 1.5f;
    for (size_t i = 0; i < N; i++) {
        const size_t other = (i + N / 2) % N;
        truth[i] = hypotf(f->truth[i], 0.5f * f->truth[other]);
        for (size_t c = 0; c < C; c++) {
            two[2 * c * N + i] = f->maps[c * N + i];
            two[(2 * c + 1) * N + i] = f->maps[c * N + other];
        }
    }
    f->scan.maps = two;
    f->scan.sets = 2;
    const scry_mri_request request = {.method = "cg-sense"};
    assert_ok(scry_reconstruct(&r, &f->scan, NULL, &request, NULL, NULL, &err));
    const double both = nrmse(r.image, truth);
    scry_mri_result_free(&r);
    f->scan.maps = f->maps;
    f->scan.sets = 1;
    assert_ok(scry_reconstruct(&r, &f->scan, NULL, &request, NULL, NULL, &err));
    print_message("NRMSE of two sets %.4f, of one %.4f\n", both, nrmse(r.image, truth));
    assert_below(both, 0.1);
    assert_below(both, 0.5 * nrmse(r.image, truth)); /* the other half is not explained */
    scry_mri_result_free(&r);
    scry_free(two);
    scry_free(truth);
    scry_free(f);
}

/* A coil that is not plugged in, or hears only noise, is left out: the image is that of the others.
 * The truth, the root sum of squares of all, is missing that coil. */
static void silent_coils_are_left_out(void **state)
{
    static const struct {
        double noise;
        bool given; /* maps, in which the coil is not silent */
    } cases[] = {{0, false}, {0.02, false}, {1, false}, {0, true}, {1, true}};
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        scry_error err = {0};
        struct fixture *f = make();
        scry_mri_result r, without;
        float complex *noise = scry_alloc(N, sizeof *noise);
        scry_mri_request q = {.method = "cg-sense", .seed = 1};
        f->scan.maps = cases[k].given ? f->maps : NULL;
        f->scan.coils = C - 1; /* the last one is cut off */
        assert_ok(scry_reconstruct(&without, &f->scan, f->mask, &q, NULL, NULL, &err));
        f->scan.coils = C;
        scry_scanner_noise(noise, N, cases[k].noise, 12, 0);
        for (size_t i = 0; i < N; i++)
            f->kspace[(C - 1) * N + i] = f->mask[i] ? noise[i] : 0;
        assert_ok(scry_reconstruct(&r, &f->scan, f->mask, &q, NULL, NULL, &err));
        const double off = nrmse(r.image, f->truth), best = nrmse(without.image, f->truth);
        print_message("coil of noise %g: NRMSE %.4f, without it %.4f\n", cases[k].noise, off, best);
        assert_below(off, 1.02 * best);
        scry_mri_result_free(&r);
        scry_mri_result_free(&without);
        scry_free(noise);
        scry_free(f);
    }
}

/* A noise scan gives the noise level of chi2: data of the same noise have 1. */
static void a_noise_scan_whitens(void **state)
{
    (void)state;
    enum { SAMPLES = 4000 };
    scry_error err = {0};
    struct fixture *f = make();
    float complex *noise = scry_alloc(C * SAMPLES, sizeof *noise);
    scry_mri_result right, wrong;
    scry_scanner_noise(noise, (size_t)C * SAMPLES, NOISE, 11, 0);
    f->scan.noise = noise;
    f->scan.noise_samples = SAMPLES;
    const scry_mri_request request = {.method = "wavelet", .noise = SCRY_COIL_NOISE_SCAN};
    assert_ok(scry_reconstruct(&right, &f->scan, f->mask, &request, NULL, NULL, &err));
    for (size_t i = 0; i < (size_t)C * SAMPLES; i++)
        noise[i] *= 2; /* said to be twice as strong: a quarter of chi2 */
    assert_ok(scry_reconstruct(&wrong, &f->scan, f->mask, &request, NULL, NULL, &err));
    assert_near(wrong.diagnosis.chi2 / right.diagnosis.chi2, 0.25, 0.08);
    scry_mri_result_free(&right);
    scry_mri_result_free(&wrong);
    scry_free(noise);
    scry_free(f);
}

/* The image may be smaller than the readout (oversampling) and larger than k-space. */
static void images_have_the_size_that_is_asked(void **state)
{
    (void)state;
    scry_error err = {0};
    struct fixture *f = make();
    scry_mri_result r;
    f->scan.image[1] = 60;
    f->scan.image[2] = 30;
    assert_ok(scry_reconstruct(&r, &f->scan, f->mask, &(scry_mri_request){.method = "cg-sense"},
                               NULL, NULL, &err));
    assert_int_equal(r.ny, 60);
    assert_int_equal(r.nx, 30);
    /* the same intensity at the middle of both grids */
    assert_near(cabsf(r.image[30 * 30 + 15]), f->truth[H / 2 * W + W / 2], 0.05);
    scry_mri_result_free(&r);
    scry_free(f);
}

/* ---- a posterior, by the shipped network ---- */

static void draws_are_functions_of_the_seed(void **state)
{
    (void)state;
    scry_error err = {0};
    struct fixture *f = make();
    scry_options options;
    scry_output_maps maps = {0};
    scry_mri_result a, b, c;
    scry_options_init(&options, scry_method_find("dds"));
    assert_ok(scry_options_set(&options, "steps", 2, &err));
    assert_ok(scry_output_maps_add(&maps, SCRY_OUTPUT_SD, 0, &err));
    scry_mri_request request = {
        .options = &options, .samples = 2, .seed = 7, .threads = 1, .maps = &maps};
    assert_ok(scry_reconstruct(&a, &f->scan, f->mask, &request, NULL, NULL, &err));
    assert_int_equal(a.samples, 2);
    for (size_t i = 0; i < N; i++)
        assert_true(a.maps[i] >= 0 && isfinite(a.maps[i]));
    assert_below(nrmse(a.image, f->truth), 0.4);
    request.threads = 2;
    assert_ok(scry_reconstruct(&b, &f->scan, f->mask, &request, NULL, NULL, &err));
    assert_memory_equal(a.image, b.image, N * sizeof *a.image);
    assert_memory_equal(a.maps, b.maps, N * sizeof *a.maps);
    request.seed = 8;
    assert_ok(scry_reconstruct(&c, &f->scan, f->mask, &request, NULL, NULL, &err));
    assert_true(memcmp(a.image, c.image, N * sizeof *a.image) != 0);
    scry_mri_result_free(&a);
    scry_mri_result_free(&b);
    scry_mri_result_free(&c);
    scry_free(f);
}

static bool stop(const scry_chains_progress *p, void *ctx)
{
    (void)p;
    ++*(size_t *)ctx;
    return false;
}

static void a_monitor_stops_it(void **state)
{
    (void)state;
    scry_error err = {0};
    struct fixture *f = make();
    size_t calls = 0;
    scry_mri_result r;
    assert_int_equal(
        scry_reconstruct(&r, &f->scan, f->mask, &(scry_mri_request){0}, stop, &calls, &err),
        SCRY_ESTOP);
    assert_string_equal(err.text, "head: interrupted");
    assert_int_equal(calls, 1);
    assert_null(r.image);
    scry_free(f);
}

/* ---- bad input ---- */

static void refused(const scry_scan *scan, const unsigned char *mask,
                    const scry_mri_request *request, scry_status st, const char *words)
{
    scry_error err = {0};
    scry_mri_result r;
    const size_t before = scry_memory_live();
    assert_int_equal(scry_reconstruct(&r, scan, mask, request, NULL, NULL, &err), st);
    if (!strstr(err.text, words)) {
        print_error("said '%s', expected '%s' in it\n", err.text, words);
        fail();
    }
    assert_null(r.image);
    assert_int_equal(scry_memory_live(), before);
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    struct fixture *f = make();
    scry_output_maps maps = {0};
    scry_error err = {0};
    const scry_scan *scan = &f->scan;
    refused(scan, NULL, &(scry_mri_request){.method = "magic"}, SCRY_EINVAL, "no method 'magic'");
    refused(scan, NULL, &(scry_mri_request){.method = "heun"}, SCRY_EINVAL,
            "heun is not a method that reconstructs");
    refused(scan, NULL, &(scry_mri_request){.holdout = 0.7}, SCRY_EINVAL, "holdout 0.7");
    refused(scan, NULL, &(scry_mri_request){.gain = NAN}, SCRY_EINVAL, "gain nan");
    refused(scan, NULL, &(scry_mri_request){.coil_maps = SCRY_COILS_NONE}, SCRY_EINVAL,
            "which wavelet cannot");
    refused(scan, NULL, &(scry_mri_request){.noise = SCRY_COIL_NOISE_SCAN}, SCRY_EINVAL,
            "head holds no noise scan");
    refused(scan, NULL, &(scry_mri_request){.method = "dds", .noise = SCRY_COIL_NOISE_NONE},
            SCRY_EINVAL, "without a noise level");
    refused(scan, NULL, &(scry_mri_request){.method = "dds", .prior = "tea-leaves"}, SCRY_EINVAL,
            "tea-leaves");
    assert_ok(scry_output_maps_add(&maps, SCRY_OUTPUT_ABOVE, -1, &err));
    refused(scan, NULL, &(scry_mri_request){.method = "dds", .maps = &maps}, SCRY_EINVAL,
            "-1, expected 0 or more");
    scry_free(f);
}

static void bad_scans_are_refused(void **state)
{
    (void)state;
    struct fixture *f = make();
    const scry_mri_request q = {.method = "cg-sense"};
    const unsigned char none[N] = {0};
    scry_scan scan = f->scan;
    scan.data = NULL;
    refused(&scan, NULL, &q, SCRY_EINVAL, "head: a scan without samples");
    scan = f->scan;
    scan.dims[2] = 0;
    refused(&scan, NULL, &q, SCRY_ESHAPE, "1 x 48 x 0");
    scan = f->scan;
    scan.readout = 0;
    refused(&scan, NULL, &q, SCRY_EINVAL, "axis 0");
    scan = f->scan;
    scan.dims[0] = 2;
    refused(&scan, NULL, &q, SCRY_EUNSUP, "encoded along z");
    refused(&f->scan, none, &q, SCRY_EINVAL, "none of 2688 places is sampled");
    f->kspace[N + 30] = NAN;
    refused(&f->scan, NULL, &q, SCRY_ENUMERIC, "sample 30 of coil 1");
    scry_free(f);
}

static void refused_memory_leaves_nothing(void **state)
{
    (void)state;
    struct fixture *f = make();
    const scry_mri_request q = {.method = "cg-sense",
                                .holdout = 0.3,
                                .seed = 3,
                                .coils = 3,
                                .noise = SCRY_COIL_NOISE_GIVEN,
                                .noise_sd = 0.01};
    scry_status st = SCRY_ENOMEM;
    size_t nth = 1;
    f->scan.maps = f->maps; /* memory of ESPIRiT and of the noise is refused in tests of theirs */
    for (; st != SCRY_OK && nth < 3000; nth++) {
        scry_error err = {0};
        scry_mri_result r;
        const size_t before = scry_memory_live();
        scry_memory_fail_at(nth);
        st = scry_reconstruct(&r, &f->scan, f->mask, &q, NULL, NULL, &err);
        scry_memory_fail_at(0);
        if (st != SCRY_OK) {
            if (st != SCRY_ENOMEM) print_error("allocation %zu: %s\n", nth, err.text);
            assert_int_equal(st, SCRY_ENOMEM);
            assert_true(err.text[0] != '\0');
            assert_null(r.image);
        }
        scry_mri_result_free(&r);
        assert_int_equal(scry_memory_live(), before);
    }
    assert_true(nth > 40 && nth < 3000);
    scry_free(f);
}

int main(void)
{
    setenv("SCRY_PRIORS", "../priors/pretrained", 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_comes_back),
        cmocka_unit_test(zeros_are_a_mask),
        cmocka_unit_test(maps_of_two_sets_are_both_used),
        cmocka_unit_test(silent_coils_are_left_out),
        cmocka_unit_test(a_noise_scan_whitens),
        cmocka_unit_test(images_have_the_size_that_is_asked),
        cmocka_unit_test(draws_are_functions_of_the_seed),
        cmocka_unit_test(a_monitor_stops_it),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(bad_scans_are_refused),
        cmocka_unit_test(refused_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
