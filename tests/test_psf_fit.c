/* The PSF that an image gets: from beads, and as wide as the image says. */

#include "tests/check.h"
#include "tests/blurred_scene.h"

#include "apps/recon/image/psf_fit.h"
#include "apps/recon/image/restore.h"
#include "lib/space.h"
#include "lib/vector.h"
#include "solvers/registry.h"

static char said[4096];
static size_t warnings;

static void listen(scry_log_kind kind, const char *text, void *ctx)
{
    (void)ctx;
    warnings += kind == SCRY_LOG_WARNING;
    const size_t at = strlen(said);
    snprintf(said + at, sizeof said - at, "%s\n", text);
}

static const scry_log ears = {listen, NULL};

static void forget(void)
{
    said[0] = '\0';
    warnings = 0;
}

static double cut; /* share of the pixels that a detector saturates */

/* FWHM along x of the PSF that `request` gives for a simulated image; used: its factor. */
static double width_for(const scry_psf_request *request, enum content what, double sigma,
                        double peak, double *used)
{
    scry_error err = {0};
    scry_psf_source s;
    scry_psf_widths widths = {0};
    scry_psf_stats stats;
    float *y = scry_alloc(N * N, sizeof *y), *psf;
    unsigned char *known = scry_alloc(N * N, 1);
    scry_space ps;
    scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN};
    memset(known, 1, N * N);
    noise.sigma = sqrt(blurred_image(y, what, sigma, peak, 5));
    const scry_image image = {.space = SCRY_SPACE(N, N), .pixels = y};
    float *sorted = scry_alloc(N * N, sizeof *sorted);
    const float top = (float)scry_quantile(y, N * N, 1 - cut, sorted);
    for (size_t i = 0; i < N * N; i++)
        y[i] = fminf(y[i], top);
    scry_free(sorted);
    forget();
    assert_ok(scry_psf_source_init(&s, request, &ears, &err));
    assert_null(scry_psf_fit_of(&widths, 0));
    assert_ok(scry_psf_fit_find(&widths, &s, &image, known, &noise, NULL, SCRY_OPEN, &ears, &err));
    const double factor = scry_psf_fit_of(&widths, 0)->used;
    s.request.width = factor * (s.request.width > 0 ? s.request.width : 1);
    assert_ok(scry_psf_source_make(
        &psf, &ps, &s, &(scry_psf_setting){.image = &image, .boundary = SCRY_OPEN, .log = &ears},
        &err));
    assert_ok(scry_psf_measure(&stats, psf, &ps, &err));
    assert_near(stats.sum, 1, 1e-5);
    if (used) *used = factor;
    scry_free(psf);
    scry_free(known);
    scry_free(y);
    scry_psf_widths_free(&widths);
    scry_psf_source_free(&s);
    return stats.fwhm[1];
}

static const double fwhm = 2.3548;

static void a_width_is_found(void **state)
{
    (void)state;
    double used;
    const scry_psf_request gaussian = {.model = "gaussian:sigma=auto"};
    assert_near(width_for(&gaussian, LINES, 2.4, 3000, &used), fwhm * 2.4, 0.2 * fwhm * 2.4);
    assert_non_null(strstr(said, "PSF width 2."));
    assert_int_equal(warnings, 0);
    const scry_psf_request airy = {.model = "airy:na=1.4,wavelength=520,pixel=65",
                                   .width_choice = SCRY_WIDTH_FIND};
    assert_near(width_for(&airy, POINTS, 2.4, 3000, &used), fwhm * 2.4, 0.25 * fwhm * 2.4);
    assert_true(used > 1.3 && used < 2.3);
    /* the user's factor, and none */
    const scry_psf_request half = {.model = "gaussian:sigma=4", .width = 0.5};
    assert_near(width_for(&half, LINES, 2.4, 3000, &used), fwhm * 2, 0.15);
    assert_near(used, 1, 0);
    assert_int_equal(warnings, 0);
}

static void a_wrong_width_is_told(void **state)
{
    (void)state;
    double used;
    const scry_psf_request wide = {.model = "gaussian:sigma=4"};
    assert_true(width_for(&wide, LINES, 1.6, 3000, &used) < fwhm * 3.1);
    assert_true(used < 0.76); /* as far as the image's word goes against the user's */
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(said, "prefers 1."));
    assert_true(width_for(&wide, NUCLEI, 0.8, 3000, &used) < fwhm * 3.1);
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(said, "px at most"));
}

/* A quarter too wide: the width used is nearer to the truth; as it is: hardly anything changes. */
static void a_wide_psf_is_narrowed(void **state)
{
    (void)state;
    double used;
    const scry_psf_request wide = {.model = "gaussian:sigma=2"},
                           right = {.model = "gaussian:sigma=1.6"};
    width_for(&wide, LINES, 1.6, 3000, &used);
    assert_true(used > 0.7 && used < 0.9);
    width_for(&right, LINES, 1.6, 3000, &used);
    assert_true(used > 0.88 && used <= 1);
    width_for(&right, NUCLEI, 1.6, 3000, &used);
    assert_true(used > 0.95 && used <= 1);
}

/* Plateaus have edges that no PSF leaves: peaks are given a top before the spectrum is taken. */
static void cut_peaks_are_no_sharp_image(void **state)
{
    (void)state;
    double used;
    const scry_psf_request right = {.model = "gaussian:sigma=1.6"},
                           wide = {.model = "gaussian:sigma=3.2"};
    cut = 0.01;
    width_for(&right, LINES, 1.6, 3000, &used);
    assert_true(used > 0.79 && used <= 1); /* 0.89 of whole peaks */
    width_for(&right, NUCLEI, 1.6, 3000, &used);
    assert_true(used > 0.88 && used <= 1);
    width_for(&wide, LINES, 1.6, 3000, &used);
    assert_true(used < 0.76);
    cut = 0;
}

static void an_image_without_structure(void **state)
{
    (void)state;
    double used;
    const scry_psf_request automatic = {.model = "gaussian:sigma=auto"},
                           given = {.model = "gaussian:sigma=1.6", .width_choice = SCRY_WIDTH_FIND};
    width_for(&automatic, NUCLEI, 1.6, 3000, NULL);
    assert_non_null(strstr(said, "cannot be determined"));
    assert_near(width_for(&given, NUCLEI, 1.6, 3000, &used), fwhm * 1.63, 0.1);
    assert_near(used, 1, 0); /* as it was given */
    assert_near(width_for(&automatic, POINTS, 1.6, 0.01, NULL), fwhm * 0.5, 0.3);
    assert_non_null(strstr(said, "too little stands above its noise"));
}

/* Channels have widths of their own, and holes do not matter. */
static void channels_have_their_own(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_psf_request request = {.model = "gaussian:sigma=auto"};
    scry_psf_source s;
    scry_psf_widths widths = {0};
    float *y = scry_alloc(N * N, sizeof *y);
    unsigned char *known = scry_alloc(N * N, 1);
    scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN};
    static const double sigma[2] = {1.6, 3.2};
    memset(known, 1, N * N);
    for (size_t i = 0; i < N; i++)
        known[i * N + 40] = 0; /* a dead column */
    assert_ok(scry_psf_source_init(&s, &request, NULL, &err));
    for (size_t k = 0; k < 2; k++) {
        noise.sigma = sqrt(blurred_image(y, LINES, sigma[k], 3000, 5));
        for (size_t i = 0; i < N; i++)
            y[i * N + 40] = 60000;
        const scry_image image = {.space = SCRY_SPACE(N, N), .pixels = y, .channel = 3 * k};
        assert_ok(
            scry_psf_fit_find(&widths, &s, &image, known, &noise, NULL, SCRY_OPEN, NULL, &err));
    }
    assert_null(scry_psf_fit_of(&widths, 1));
    assert_null(scry_psf_fit_of(&widths, 4));
    assert_true(scry_psf_fit_of(&widths, 3)->used > 1.5 * scry_psf_fit_of(&widths, 0)->used);
    scry_free(known);
    scry_free(y);
    scry_psf_widths_free(&widths);
    scry_psf_source_free(&s);
}

/* Planes of a channel share the width of the first one, and methods that are judged keep it. */
static void planes_share_a_width(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_options options;
    scry_options_init(&options, scry_method_find("richardson-lucy"));
    assert_ok(scry_options_parse(&options, "--iterations 2", &err));
    const scry_restore_request request = {.psf = {.model = "gaussian:sigma=auto"},
                                          .options = &options,
                                          .noise.sigma = 30,
                                          .log = ears};
    scry_restorer *r;
    scry_restore_result result;
    float *y = scry_alloc(N * N, sizeof *y);
    double used[3];
    assert_ok(scry_restorer_create(&r, &request, &err));
    for (size_t k = 0; k < 3; k++) {
        forget();
        blurred_image(y, LINES, k ? 3.2 : 1.6, 3000, 5);
        const scry_image image = {.space = SCRY_SPACE(N, N), .pixels = y, .number = k % 2};
        assert_ok(scry_restorer_run(&result, r, &image, 0, NULL, NULL, &err));
        used[k] = result.psf_factor;
        assert_int_equal(strstr(said, "PSF width") != NULL, k != 1);
        scry_restore_result_free(&result);
    }
    assert_near(used[1], used[0], 0);     /* number 1 of the same file */
    assert_true(used[2] > 1.5 * used[0]); /* number 0 of another one */
    scry_restorer_free(r);
    scry_free(y);
}

/* Planes of which each is another image cannot have a PSF along z: it is taken away, said, and in
 * use; as given where the user insists. A stack that repeats one plane contradicts nothing. */
static void a_stack_bounds_the_length_of_the_psf(void **state)
{
    (void)state;
    enum { PLANES = 4 };
    scry_error err = {0};
    scry_options options;
    scry_options_init(&options, scry_method_find("richardson-lucy"));
    assert_ok(scry_options_parse(&options, "--iterations 2 --stop steps", &err));
    float *y = scry_alloc(PLANES * N * N, sizeof *y);
    for (int k = 0; k < 3; k++) { /* unlike, kept, alike */
        scry_restore_request request = {
            .psf = {.model = "gaussian:sigma=1.6,sigma_z=1.5",
                    .width_choice = k == 1 ? SCRY_WIDTH_KEEP : SCRY_WIDTH_CHECK},
            .options = &options,
            .noise.sigma = 30,
            .log = ears};
        scry_restore_result result;
        scry_psf_stats stats;
        forget();
        for (size_t z = 0; z < PLANES; z++)
            blurred_image(y + z * N * N, POINTS, 1.6, 3000, k == 2 ? 5 : 5 + z);
        const scry_image image = {.space = SCRY_SPACE(PLANES, N, N), .pixels = y};
        assert_ok(scry_restore(&result, &image, &request, NULL, NULL, &err));
        assert_ok(scry_psf_measure(&stats, result.psf, &result.psf_space, &err));
        const bool shorter = k == 0;
        assert_int_equal(strstr(said, "along z it is") != NULL, shorter);
        assert_true(shorter ? result.psf_depth < 0.35 : fmod(result.psf_depth, 1) == 0);
        assert_true(shorter ? stats.fwhm[0] < 1.4 : stats.fwhm[0] > 2.8);
        const bool other = fabs(result.flux_out / result.flux_in - 1) > 0.01;
        assert_int_equal(strstr(said, "times the light of the image") != NULL, other);
        assert_true(other || k != 1);
        scry_restore_result_free(&result);
    }
    scry_free(y);
}

/* y becomes the mean of 3 x 3 pixels of z, which a border keeps. */
static void smooth_image(float *y, const float *z)
{
    for (size_t i = 0; i < N * N; i++) {
        const size_t a = i / N, b = i % N;
        double sum = 0;
        for (size_t k = 0; k < 9 && a && b && a + 1 < N && b + 1 < N; k++)
            sum += (double)z[(a + k / 3 - 1) * N + b + k % 3 - 1] / 9;
        y[i] = a && b && a + 1 < N && b + 1 < N ? (float)sum : z[i];
    }
}

/* The treatment of a channel is found in it, not in the first one of the file. */
static void channels_have_their_own_treatment(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_options options;
    scry_options_init(&options, scry_method_find("richardson-lucy"));
    assert_ok(scry_options_parse(&options, "--iterations 2", &err));
    const scry_restore_request request = {.psf = {.model = "gaussian:sigma=1.6"},
                                          .options = &options,
                                          .noise.sigma = 30,
                                          .log = ears};
    scry_restorer *r;
    scry_restore_result result;
    float *z = scry_alloc(2 * N * N, sizeof *z), *y = z + N * N;
    blurred_image(z, LINES, 1.6, 3000, 5);
    smooth_image(y, z);
    assert_ok(scry_restorer_create(&r, &request, &err));
    for (size_t channel = 0; channel < 3; channel++) {
        forget();
        const scry_image image = {.space = SCRY_SPACE(N, N),
                                  .pixels = channel == 1 ? y : z,
                                  .channel = channel,
                                  .number = channel};
        assert_ok(scry_restorer_run(&result, r, &image, 0, NULL, NULL, &err));
        assert_int_equal(strstr(said, "the treatment of the image") != NULL, channel == 1);
        scry_restore_result_free(&result);
    }
    scry_restorer_free(r);
    scry_free(z);
}

static void beads_become_a_psf(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { SIDE = 120 };
    float *field = scry_alloc(SIDE * SIDE, sizeof *field);
    scry_psf_source s;
    for (size_t i = 0; i < SIDE * SIDE; i++)
        for (size_t k = 0; k < 9; k++) {
            const double y = (double)(i / SIDE) - 20.3 - 38.2 * (double)(k / 3);
            const double x = (double)(i % SIDE) - 21.6 - 37.1 * (double)(k % 3);
            field[i] += (float)(500 * exp(-(y * y + x * x) / (2 * 1.6 * 1.6)));
        }
    scry_psf_request request = {.pixels = field, .space = SCRY_SPACE(SIDE, SIDE), .name = "b.tif"};
    for (int asked = 0; asked < 2; asked++) {
        request.beads = asked;
        assert_near(width_for(&request, LINES, 1.6, 3000, NULL), fwhm * 1.6, 0.03);
        assert_non_null(strstr(said, "b.tif: 9 beads found, 9 used; 0 are too close"));
        assert_int_equal(strstr(said, "an image of beads, since") != NULL, !asked);
    }
    for (size_t i = 0; i < SIDE * SIDE; i++)
        field[i] = (float)(i % 7);
    assert_int_equal(scry_psf_source_init(&s, &request, &ears, &err), SCRY_EFORMAT);
    assert_non_null(strstr(err.text, "b.tif: no bead"));
    scry_psf_source_free(&s);
    scry_free(field);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_width_is_found),
        cmocka_unit_test(a_wrong_width_is_told),
        cmocka_unit_test(a_wide_psf_is_narrowed),
        cmocka_unit_test(cut_peaks_are_no_sharp_image),
        cmocka_unit_test(an_image_without_structure),
        cmocka_unit_test(channels_have_their_own),
        cmocka_unit_test(planes_share_a_width),
        cmocka_unit_test(a_stack_bounds_the_length_of_the_psf),
        cmocka_unit_test(channels_have_their_own_treatment),
        cmocka_unit_test(beads_become_a_psf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
