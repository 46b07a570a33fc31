#include "tests/check.h"

#include "lib/lib.h"
#include "lib/rng_gsl.h"

#include <gsl/gsl_randist.h>
#include <string.h>

enum { N = 160 };

/* A smooth scene of electrons between 2 and 2 + peak. */
static double electrons(size_t y, size_t x, double peak)
{
    return 2 + peak * pow(sin((double)y / 23) * cos((double)x / 31), 2);
}

static void camera_image(float *out, double peak, double gain, double offset, double read,
                         uint64_t seed)
{
    gsl_rng *r = gsl_rng_alloc(scry_rng_gsl());
    for (size_t i = 0; i < N * N; i++) {
        scry_rng_gsl_seek(r, seed, 0, 0, (uint32_t)i);
        const double m = electrons(i / N, i % N, peak);
        const double e = gsl_ran_poisson(r, m) + gsl_ran_gaussian(r, read);
        out[i] = (float)rint(e / gain + offset);
    }
    gsl_rng_free(r);
}

static void sigma_is_found(void **state)
{
    (void)state;
    scry_error err = {0};
    float *x = scry_alloc(N * N, sizeof *x);
    double sigma;
    scry_rng_normal(x, 0, N * N, 5, 0, 0);
    for (size_t i = 0; i < N * N; i++)
        x[i] = 2.385f * x[i] + (float)electrons(i / N, i % N, 100);
    assert_ok(scry_noise_sigma(&sigma, x, 1, N, N, &err));
    /* the median of n half-normal values scatters by 1.167/sqrt(n); residuals overlap: twice
     * that */
    assert_near(sigma, 2.385, 2.385 * 4.5 * 2 * 1.167 / N);
    scry_free(x);
}

static void gain_and_offset_are_found(void **state)
{
    (void)state;
    scry_error err = {0};
    const double gain = .46, offset = 103, read = 1.7;
    float *x = scry_alloc(N * N, sizeof *x);
    scry_camera_estimate e;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        camera_image(x, 200, gain, offset, read, seed);
        assert_ok(scry_noise_camera(&e, x, 1, N, N, NULL, &err));
        assert_true(e.gain_found && e.offset_assumed);
        assert_near(1 / e.gain, 1 / gain, 4 * e.slope_error);
        assert_near(e.gain, gain, .12 * gain);
        assert_true(e.offset_low < offset && offset < e.offset_high);
        assert_ok(scry_noise_camera(&e, x, 1, N, N, &(scry_camera_known){NAN, NAN, read}, &err));
        assert_near(e.offset, offset, 6);
        assert_false(e.offset_assumed);
        assert_ok(scry_noise_camera(&e, x, 1, N, N, &(scry_camera_known){gain, NAN, read}, &err));
        assert_near(e.gain, gain, 0);
        assert_near(e.offset, offset, 8);
    }
    scry_free(x);
}

static void an_image_that_cannot_tell_says_so(void **state)
{
    (void)state;
    scry_error err = {0};
    float *x = scry_alloc(N * N, sizeof *x);
    scry_camera_estimate e;
    double sigma;
    scry_rng_normal(x, 0, N * N, 5, 0, 0);
    assert_ok(scry_noise_camera(&e, x, 1, N, N, NULL, &err)); /* flat */
    assert_false(e.gain_found);
    for (size_t i = 0; i < N * N; i++)
        x[i] += (float)electrons(i / N, i % N, 100);
    assert_ok(scry_noise_camera(&e, x, 1, N, N, NULL, &err)); /* noise of one strength */
    assert_false(e.gain_found);
    assert_non_null(strstr(e.note, "does not grow"));
    memset(x, 0, N * N * sizeof *x);
    assert_ok(scry_noise_camera(&e, x, 1, N, N, NULL, &err)); /* every pixel at the maximum */
    assert_false(e.gain_found);
    assert_non_null(strstr(e.note, "clipped"));
    assert_fails(scry_noise_sigma(&sigma, x, 1, N, N, &err), SCRY_EINVAL);
    assert_fails(scry_noise_sigma(&sigma, x, 1, 2, N, &err), SCRY_ESHAPE);
    assert_fails(scry_noise_camera(&e, x, 1, 15, N, NULL, &err), SCRY_ESHAPE);
    assert_fails(scry_noise_camera(&e, x, 1, N, N, &(scry_camera_known){-1, NAN, NAN}, &err),
                 SCRY_EINVAL);
    x[7] = NAN;
    assert_fails(scry_noise_sigma(&sigma, x, 1, N, N, &err), SCRY_ENUMERIC);
    scry_free(x);
}

static void progress_in_a_file_is_plain_lines(void **state)
{
    (void)state;
    char *text = NULL;
    FILE *f = tmpfile();
    scry_meter m;
    size_t lines = 0;
    scry_meter_start(&m, f, "restoring");
    for (size_t i = 0; i <= 200; i++)
        scry_meter_update(&m, i, 200, "sigma 0.3");
    scry_meter_end(&m, "done");
    rewind(f);
    text = calloc(1, 4096);
    assert_true(fread(text, 1, 4095, f) > 0);
    for (const char *c = text; *c; c++) {
        lines += *c == '\n';
        assert_true(*c != '\r');
    }
    assert_int_equal(lines, 11);
    assert_non_null(strstr(text, "100 % (200/200)"));
    free(text);
    fclose(f);
    scry_meter_start(&m, NULL, "silent");
    scry_meter_update(&m, 1, 2, NULL);
    scry_meter_end(&m, "done");
}

static void threads_are_set_and_given_back(void **state)
{
    (void)state;
    const int before = scry_threads();
    scry_threads_set(3);
    assert_int_equal(scry_threads(), 3);
    scry_threads_set(0);
    assert_int_equal(scry_threads(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sigma_is_found),
        cmocka_unit_test(gain_and_offset_are_found),
        cmocka_unit_test(an_image_that_cannot_tell_says_so),
        cmocka_unit_test(progress_in_a_file_is_plain_lines),
        cmocka_unit_test(threads_are_set_and_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
