/* The residual of a prediction that is right is noise of mean 0 and variance 1, whatever the noise
 * model, the gain and the offset; a restoration's residual has the place and the unit of its image.
 */
#include "tests/check.h"

#include "apps/recon/image/residual.h"
#include "apps/recon/image/restore.h"
#include "lib/memory.h"
#include "lib/rng.h"
#include "tests/blurred_scene.h"

enum { PIXELS = N * N };

static float truth[PIXELS], y[PIXELS], residual[PIXELS];

/* Nuclei of 8 to 408 electrons: the noiseless image. */
static void draw_truth(void)
{
    gsl_rng *r = gsl_rng_alloc(scry_rng_gsl());
    scry_rng_gsl_seek(r, 5, 0, 0, 0);
    draw(truth, NUCLEI, r);
    for (size_t i = 0; i < PIXELS; i++)
        truth[i] = 8 + 400 * truth[i];
    gsl_rng_free(r);
}

/* y in the unit of the file, and the truth with it. */
static void measure(const scry_noise *n)
{
    gsl_rng *r = gsl_rng_alloc(scry_rng_gsl());
    draw_truth();
    scry_rng_gsl_seek(r, 6, 0, 0, 0);
    for (size_t i = 0; i < PIXELS; i++) {
        if (n->kind == SCRY_NOISE_GAUSSIAN) {
            y[i] = (float)((double)truth[i] + gsl_ran_gaussian(r, n->sigma));
            continue;
        }
        const double electrons =
            gsl_ran_poisson(r, (double)truth[i]) + gsl_ran_gaussian(r, n->read_noise);
        y[i] = (float)(electrons / n->gain + n->offset);
        truth[i] = (float)((double)truth[i] / n->gain + n->offset);
    }
    gsl_rng_free(r);
}

static void the_right_prediction_leaves_white_noise(void **state)
{
    (void)state;
    static const scry_noise laws[] = {
        {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 3.7},
        {.kind = SCRY_NOISE_POISSON, .gain = 1.9, .offset = 12},
        {.kind = SCRY_NOISE_POISSON_GAUSSIAN, .gain = 0.47, .offset = 101, .read_noise = 2.3}};
    for (size_t k = 0; k < 3; k++) {
        measure(&laws[k]);
        scry_residual_map(residual, y, truth, &laws[k], PIXELS);
        const scry_residual_summary s = scry_residual_summarise(residual, PIXELS);
        assert_int_equal(s.pixels, PIXELS);
        assert_near(s.mean, 0, 4 / sqrt(PIXELS));
        assert_near(s.mean_square, 1, 5 * sqrt(2.0 / PIXELS));
    }
}

static void what_was_not_measured_has_none(void **state)
{
    (void)state;
    const scry_noise n = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 2};
    float a[] = {3, NAN, 5, 7}, b[] = {1, 1, NAN, 8};
    scry_residual_map(a, a, b, &n, 4);
    assert_near(a[0], 1, 1e-6);
    assert_true(isnan(a[1]) && isnan(a[2]));
    assert_near(a[3], -0.5, 1e-6);
    const scry_residual_summary s = scry_residual_summarise(a, 4);
    assert_int_equal(s.pixels, 2);
    assert_near(s.mean, 0.25, 1e-6);
    assert_true(isnan(scry_residual_summarise(b, 0).mean));
}

/* A dark pixel of a camera without read noise has a finite residual. */
static void darkness_is_finite(void **state)
{
    (void)state;
    const scry_noise n = {.kind = SCRY_NOISE_POISSON, .gain = 2, .offset = 10};
    assert_near(scry_noise_variance(&n, 60), 25, 1e-12);
    assert_near(scry_noise_variance(&n, 3), 0.01 / 4, 1e-12);
}

/* With the camera known, Richardson-Lucy explains a blurred image to its noise. */
static void a_restoration_leaves_noise(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_restore_result r;
    blurred_image(y, NUCLEI, 1.5, 300, 3);
    const scry_image image = {.name = "nuclei", .space = SCRY_SPACE(N, N), .pixels = y};
    const scry_restore_request request = {.psf.model = "gaussian:sigma=1.5",
                                          .psf.width_choice = SCRY_WIDTH_KEEP,
                                          .noise = {.gain = 1, .read_noise = 1.5},
                                          .method = "richardson-lucy",
                                          .predict = true,
                                          .threads = 1};
    assert_ok(scry_restore(&r, &image, &request, NULL, NULL, &err));
    scry_residual_map(residual, y, r.predicted, &r.noise, PIXELS);
    const scry_residual_summary s = scry_residual_summarise(residual, PIXELS);
    assert_near(s.mean, 0, 0.02);
    assert_near(s.mean_square, 0.9, 0.1); /* a fit follows some of the noise */
    scry_restore_result_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_prediction_leaves_white_noise),
        cmocka_unit_test(what_was_not_measured_has_none),
        cmocka_unit_test(darkness_is_finite),
        cmocka_unit_test(a_restoration_leaves_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
