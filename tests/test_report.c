/* The figures of a report: white noise has a flat spectrum at its variance, volumes are seen from
 * three sides, large images are shown by means, and a page holds the findings of the restoration
 * that it was given, as text. */
#include "tests/check.h"

#include "apps/recon/image/residual.h"
#include "apps/recon/report/image_page.h"
#include "apps/recon/report/page.h"
#include "apps/recon/report/picture.h"
#include "apps/recon/report/plot.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/rng.h"
#include "tests/blurred_scene.h"
#include "tests/scratch.h"

#include <string.h>

static void white_noise_is_flat(void **state)
{
    (void)state;
    enum { NY = 90, NX = 121, RINGS = 12 };
    scry_error err = {0};
    double power[RINGS];
    float *y = scry_alloc(NY * NX, sizeof *y);
    scry_rng_normal(y, 0, NY * NX, 3, 0, 0);
    for (size_t i = 0; i < NY * NX; i++)
        y[i] = 1000 + 3 * y[i];
    assert_ok(scry_plot_spectrum(power, RINGS, y, NY, NX, &err));
    for (size_t k = 1; k < RINGS; k++)
        assert_near(power[k], 9, 9 * 5 / sqrt(0.2 * SCRY_PI * 45 * 45 * (double)k / 72));
    y[7] = NAN; /* not measured: as the mean */
    assert_ok(scry_plot_spectrum(power, RINGS, y, NY, NX, &err));
    for (size_t k = 0; k < RINGS; k++)
        assert_true(isfinite(power[k]));
    scry_free(y);
}

/* A wave has its power in the ring of its frequency. */
static void a_wave_is_found(void **state)
{
    (void)state;
    enum { SIDE = 64, RINGS = 32 };
    scry_error err = {0};
    double power[RINGS];
    float y[SIDE * SIDE];
    size_t best = 1; /* the ring of the mean holds nothing */
    for (size_t i = 0; i < SIDE * SIDE; i++)
        y[i] = (float)sin(2 * SCRY_PI * 0.21 * (double)(i % SIDE));
    assert_ok(scry_plot_spectrum(power, RINGS, y, SIDE, SIDE, &err));
    for (size_t k = 1; k < RINGS; k++)
        if (power[k] > power[best]) best = k;
    assert_int_equal(best, 13); /* 0.21 x 64 */
}

static void volumes_are_seen_from_three_sides(void **state)
{
    (void)state;
    enum { Z = 3, Y = 4, X = 5 };
    scry_error err = {0};
    const scry_space space = SCRY_SPACE(Z, Y, X);
    float v[Z * Y * X], *views;
    size_t ny, nx;
    for (size_t i = 0; i < Z * Y * X; i++)
        v[i] = (float)i;
    v[(2 * Y + 1) * X + 3] = 500;
    assert_ok(scry_picture_views(&views, &ny, &nx, v, &space, 2.1, true, &err));
    assert_int_equal(ny, Y + 2 + 2 * Z);
    assert_int_equal(nx, X + 2 + 2 * Z);
    assert_near(views[1 * nx + 3], v[(1 * Y + 1) * X + 3], 0); /* the middle plane */
    assert_near(views[(Y + 2 + 4) * nx + 3], 500, 0);          /* along y, plane 2, twice */
    assert_near(views[(Y + 2 + 5) * nx + 3], 500, 0);
    assert_near(views[1 * nx + X + 2 + 5], 500, 0);       /* along x */
    assert_near(views[(Y + 2) * nx + 0], (Y - 1) * X, 0); /* the largest of plane 0 */
    assert_true(isnan(views[Y * nx]) && isnan(views[(Y + 3) * nx + X + 3]));
    scry_free(views);
    assert_ok(scry_picture_views(&views, &ny, &nx, v, &space, 1, false, &err));
    assert_near(views[(Y + 2 + 2) * nx + 3], v[(2 * Y + Y / 2) * X + 3], 0);
    scry_free(views);
}

static void figures_say_how_they_are_shown(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_html *page;
    float v[30 * 70];
    for (size_t i = 0; i < 30 * 70; i++)
        v[i] = i == 99 ? NAN : (float)(i % 70);
    scry_picture p = {.values = v, .ny = 30, .nx = 70, .title = "a < b", .unit = "e-", .side = 32};
    assert_int_equal(scry_picture_binning(70, 32), 3);
    assert_int_equal(scry_picture_binning(32, 32), 1);
    assert_ok(scry_html_create(&page, &err));
    assert_ok(scry_picture_write(page, &p, &err));
    assert_non_null(strstr(scry_html_content(page), "a &lt; b"));
    assert_non_null(strstr(scry_html_content(page), "the means of 3 &times; 3"));
    assert_non_null(strstr(scry_html_content(page), "width=\"24\" height=\"10\""));
    assert_null(strstr(scry_html_content(page), "class=\"scale\""));
    p.pixel_um = 0.1; /* 7 um: a bar of 1 */
    assert_ok(scry_picture_write(page, &p, &err));
    assert_non_null(strstr(scry_html_content(page), "1&thinsp;&micro;m"));
    p.values = NULL;
    assert_fails(scry_picture_write(page, &p, &err), SCRY_EINVAL);
    scry_html_free(page);
}

/* ---- the page of a restoration ---- */

static void assert_holds(scry_html *page, const char *words)
{
    if (strstr(scry_html_content(page), words)) return;
    print_error("the page does not hold '%s'\n", words);
    fail();
}

static void a_restoration_is_shown(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_restore_result r;
    static float y[N * N], residual[N * N];
    scry_html *page;
    blurred_image(y, LINES, 1.5, 300, 3);
    const scry_image image = {
        .name = "lines", .space = SCRY_SPACE(N, N), .pixels = y, .voxel_um = {0.3, 0.1, 0.1}};
    const scry_restore_request request = {
        .psf.model = "gaussian:sigma=1.5", .noise = {.gain = 1, .read_noise = 1.5}, .threads = 1};
    assert_ok(scry_restore(&r, &image, &request, NULL, NULL, &err));
    scry_residual_map(residual, y, r.predicted, &r.noise, N * N);
    const scry_image_page what = {
        .heading = "channel <1>", .image = &image, .result = &r, .residual = residual, .side = 64};
    assert_ok(scry_html_create(&page, &err));
    assert_ok(scry_image_page_write(page, &what, &err));
    assert_holds(page, "channel &lt;1&gt;");
    assert_holds(page, "Residual");
    assert_holds(page, "richardson-lucy");
    assert_holds(page, "of the light was held back");
    assert_holds(page, "gain 1 e-/ADU");
    assert_holds(page, "FWHM x");
    assert_holds(page, "nm"); /* the pixel is known */
    assert_holds(page, "Width found in the image");
    assert_holds(page, "Power spectra");
    scry_html_free(page);
    scry_restore_result_free(&r);
}

static void the_page_is_whole(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_page *page;
    scry_json *settings;
    char text[20000] = "";
    assert_ok(scry_page_create(&page, &err));
    assert_ok(scry_json_create(&settings, &err));
    const scry_log log = scry_page_log(page, (scry_log){0});
    scry_log_note(&log, "a note <%d>", 1);
    scry_log_warn(&log, "a warning & more");
    scry_json_put_number(settings, scry_json_root(settings), "read_noise", 1.5);
    scry_json_put_bool(settings, scry_json_root(settings), "told", true);
    scry_json_node *list = scry_json_put_array(settings, scry_json_root(settings), "images");
    for (int i = 0; i < 20; i++)
        scry_json_put_integer(settings, scry_json_put_object(settings, list, NULL), "slice", i);
    assert_ok(
        scry_page_write(page, "a.tif", "scry", scry_json_root(settings), scratch("p.html"), &err));
    FILE *f = fopen(scratch("p.html"), "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    assert_non_null(strstr(text, "<!DOCTYPE html>"));
    assert_non_null(strstr(text, "1 warning<"));
    assert_non_null(strstr(text, "a warning &amp; more"));
    assert_non_null(strstr(text, "a note &lt;1&gt;"));
    assert_non_null(strstr(text, "read noise</th><td>1.5</td>"));
    assert_non_null(strstr(text, "told</th><td>yes</td>"));
    assert_non_null(strstr(text, "slice</th><td>11</td>"));
    assert_non_null(strstr(text, "and 8 more"));
    assert_non_null(strstr(text, "</html>"));
    assert_null(strstr(text, "<script"));
    scry_json_free(settings);
    scry_page_free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(white_noise_is_flat),
        cmocka_unit_test(a_wave_is_found),
        cmocka_unit_test(volumes_are_seen_from_three_sides),
        cmocka_unit_test(figures_say_how_they_are_shown),
        cmocka_unit_test(a_restoration_is_shown),
        cmocka_unit_test(the_page_is_whole),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
