/* Images that deconvolution cannot improve are separated from the others, and come back as they
 * are: noise, and images that are sharper than their PSF. Few points count as much as texture. */
#include "tests/check.h"

#include "apps/recon/image/improvable.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/rng.h"
#include "tests/blurred_scene.h"

enum { PIXELS = N * N };

static float y[PIXELS];

static scry_restore_request request_of(const char *psf)
{
    return (scry_restore_request){.psf.model = psf,
                                  .noise = {.gain = 1, .read_noise = 1.5},
                                  .defects = SCRY_DEFECTS_KEEP,
                                  .threads = 1};
}

static scry_improvement ask(const char *psf)
{
    scry_error err = {0};
    scry_improvement out;
    scry_options options;
    const scry_restore_request q = request_of(psf);
    const scry_image image = {.name = "scene", .space = SCRY_SPACE(N, N), .pixels = y};
    scry_options_init(&options, scry_method_find("richardson-lucy"));
    assert_ok(scry_improvement_find(&out, &q, &image, &options, 3, &err));
    return out;
}

/* Counts of `mean` electrons and read noise, nothing else. */
static void draw_noise(double mean, uint64_t seed)
{
    gsl_rng *r = gsl_rng_alloc(scry_rng_gsl());
    scry_rng_gsl_seek(r, seed, 0, 0, 0);
    for (size_t i = 0; i < PIXELS; i++)
        y[i] = (float)(gsl_ran_poisson(r, mean) + gsl_ran_gaussian(r, 1.5));
    gsl_rng_free(r);
}

static void noise_is_told(void **state)
{
    (void)state;
    static const double means[] = {0.3, 8, 900};
    for (uint64_t k = 0; k < 12; k++) {
        draw_noise(means[k % 3], k);
        const scry_improvement i = ask("gaussian:sigma=1.5");
        assert_int_equal(i.verdict, SCRY_ONLY_NOISE);
        assert_below(fabs(i.detail), 4);
        assert_true(i.line[0]);
    }
}

/* One point in ten thousand pixels of noise. */
static void a_point_is_no_noise(void **state)
{
    (void)state;
    draw_noise(8, 1);
    for (size_t i = 0; i < PIXELS; i++) {
        const double dy = (double)(i / N) - 40.3, dx = (double)(i % N) - 51.8;
        y[i] += (float)(60 * exp(-(dy * dy + dx * dx) / (2 * 1.5 * 1.5)));
    }
    assert_int_equal(ask("gaussian:sigma=1.5").verdict, SCRY_IMPROVABLE);
}

static void right_and_wrong_psfs_are_told(void **state)
{
    (void)state;
    static const double peaks[] = {30, 3000};
    static const enum content contents[] = {LINES, POINTS};
    for (size_t k = 0; k < 2; k++) {
        blurred_image(y, contents[k], 1.5, peaks[k], 3);
        const scry_improvement right = ask("gaussian:sigma=1.5"), wide = ask("gaussian:sigma=4.5");
        assert_int_equal(right.verdict, SCRY_IMPROVABLE);
        assert_int_equal(ask("gaussian:sigma=1.65").verdict, SCRY_IMPROVABLE);
        assert_int_equal(wide.verdict, SCRY_SHARPER_THAN_PSF);
        assert_true(wide.line[0] && !right.line[0]);
    }
}

/* Noise that is stronger than thought is no structure that the psf cannot explain. */
static void stronger_noise_is_no_contradiction(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_improvement out;
    scry_options options;
    scry_restore_request q = request_of("gaussian:sigma=1.5");
    const scry_image image = {.space = SCRY_SPACE(N, N), .pixels = y};
    const double variance = blurred_image(y, LINES, 1.5, 300, 3);
    q.noise = (scry_noise_request){.sigma = sqrt(variance / 2)};
    scry_options_init(&options, scry_method_find("richardson-lucy"));
    assert_ok(scry_improvement_find(&out, &q, &image, &options, 3, &err));
    assert_int_equal(out.verdict, SCRY_IMPROVABLE);
}

/* What comes out of the default is the image, whatever was asked for beside it. */
static void the_image_comes_back(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_restore_result r;
    scry_restore_request q = request_of("gaussian:sigma=1.5");
    const scry_image image = {.name = "noise", .space = SCRY_SPACE(N, N), .pixels = y};
    draw_noise(900, 4);
    q.predict = true;
    assert_ok(scry_restore(&r, &image, &q, NULL, NULL, &err));
    assert_int_equal(r.improvement.verdict, SCRY_ONLY_NOISE);
    assert_memory_equal(r.mean, y, sizeof y);
    assert_null(r.options.method);
    assert_near(r.flux_in, r.flux_out, 0);
    double sum = 0, squares = 0; /* the prediction is the image, blurred */
    for (size_t i = 0; i < PIXELS; i++) {
        sum += r.predicted[i] / PIXELS;
        squares += (double)r.predicted[i] * r.predicted[i] / PIXELS;
    }
    assert_near(sum, 900, 2);
    assert_near(squares - sum * sum, 900 / (4 * SCRY_PI * 1.5 * 1.5), 12);
    scry_restore_result_free(&r);

    /* a method that is named is used */
    q.method = "richardson-lucy";
    assert_ok(scry_restore(&r, &image, &q, NULL, NULL, &err));
    assert_int_equal(r.improvement.verdict, SCRY_IMPROVABLE);
    assert_memory_not_equal(r.mean, y, sizeof y);
    scry_restore_result_free(&r);
}

static void maps_tell_the_noise(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_restore_result r = {0};
    scry_output_maps maps = {0};
    const float pixels[] = {104, 100};
    const scry_image image = {.space = SCRY_SPACE(1, 2), .pixels = pixels};
    const scry_noise noise = {
        .kind = SCRY_NOISE_POISSON_GAUSSIAN, .gain = 2, .offset = 100, .read_noise = 1};
    assert_ok(scry_output_maps_add(&maps, SCRY_OUTPUT_SD, 0, &err));
    assert_ok(scry_output_maps_add(&maps, SCRY_OUTPUT_QUANTILE, 0.975, &err));
    assert_ok(scry_output_maps_add(&maps, SCRY_OUTPUT_ABOVE, 104, &err));
    assert_ok(scry_improvement_keep(&r, &image, &noise, &maps, &err));
    assert_near(r.maps[0], 1.5, 1e-6); /* sqrt(8 e + 1 e^2) / 2 */
    assert_near(r.maps[1], 0.5, 1e-6);
    assert_near(r.maps[2], 104 + 1.959964 * 1.5, 1e-4);
    assert_near(r.maps[4], 0.5, 1e-6);
    assert_below(r.maps[5], 1e-6);
    assert_true(isnan(r.diagnosis.chi2));
    scry_restore_result_free(&r);
}

static void refused_memory_leaves_nothing(void **state)
{
    (void)state;
    blurred_image(y, LINES, 1.5, 300, 3);
    for (size_t nth = 1; nth < 40; nth += 3) {
        scry_error err = {0};
        scry_improvement out;
        const scry_restore_request q = request_of("gaussian:sigma=1.5");
        const scry_image image = {.space = SCRY_SPACE(N, N), .pixels = y};
        const size_t before = scry_memory_live();
        scry_memory_fail_at(nth);
        const scry_status st = scry_improvement_find(&out, &q, &image, NULL, 3, &err);
        scry_memory_fail_at(0);
        assert_true(st == SCRY_ENOMEM || st == SCRY_OK);
        assert_int_equal(scry_memory_live(), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_is_told),
        cmocka_unit_test(a_point_is_no_noise),
        cmocka_unit_test(right_and_wrong_psfs_are_told),
        cmocka_unit_test(stronger_noise_is_no_contradiction),
        cmocka_unit_test(the_image_comes_back),
        cmocka_unit_test(maps_tell_the_noise),
        cmocka_unit_test(refused_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
