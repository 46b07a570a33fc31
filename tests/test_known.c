/* Pixels that are not finite: which they are, and the values that take their place. */

#include "tests/check.h"

#include "apps/recon/image/known.h"
#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/stats/noise.h"
#include "lib/vector.h"

#include <string.h>

enum { NY = 60, NX = 72, N = NY * NX };

static char said[256];

static void listen(scry_log_kind kind, const char *text, void *ctx)
{
    (void)kind;
    (void)ctx;
    snprintf(said, sizeof said, "%s", text);
}

static const scry_log ears = {listen, NULL};

/* Outside a turned field of view, as registration leaves it. */
static bool outside(size_t i)
{
    const double y = (double)(i / NX) - NY / 2.0, x = (double)(i % NX) - NX / 2.0;
    return fabs(0.9 * y + 0.43 * x) > 26 || fabs(0.9 * x - 0.43 * y) > 30;
}

static void make(float *y)
{
    scry_rng_normal(y, 0, N, 3, 0, 0);
    for (size_t i = 0; i < N; i++)
        y[i] = outside(i) ? NAN : 100 + 2 * y[i] + 0.3f * (float)(i / NX);
    y[31 * NX + 40] = INFINITY;
}

static void finite_images_are_left_alone(void **state)
{
    (void)state;
    scry_error err = {0};
    float y[12] = {1, 2, 3}, *pixels;
    unsigned char *known;
    scry_image image = {.space = SCRY_SPACE(3, 4), .pixels = y};
    assert_ok(scry_known_repair(&image, &pixels, &known, NULL, &err));
    assert_null(pixels);
    assert_null(known);
    assert_ptr_equal(image.pixels, y);
    assert_null(image.known);
}

static void holes_take_the_mirror_image(void **state)
{
    (void)state;
    scry_error err = {0};
    float *y = scry_alloc(N, sizeof *y), *pixels;
    unsigned char *known, *mask = scry_alloc(N, 1);
    double sigma;
    size_t missing = 0;
    make(y);
    memset(mask, 1, N);
    mask[20 * NX + 30] = 0; /* finite, but said not to be measured */
    scry_image image = {.space = SCRY_SPACE(NY, NX), .pixels = y, .known = mask};
    assert_ok(scry_known_repair(&image, &pixels, &known, &ears, &err));
    assert_ptr_equal(image.pixels, pixels);
    assert_ptr_equal(image.known, known);
    assert_true(scry_finite(pixels, N));
    for (size_t i = 0; i < N; i++) {
        missing += isfinite(y[i]) ? 0 : 1;
        assert_int_equal(known[i], isfinite(y[i]) && mask[i]);
        if (known[i]) assert_near((double)pixels[i], (double)y[i], 0);
    }
    snprintf(said + 200, 50, "not measured: %zu of %d pixels", missing, (int)N);
    assert_non_null(strstr(said, said + 200));
    /* the noise of the whole is that of the part, and the slope goes on at most as a mirror's */
    assert_ok(scry_noise_sigma(&sigma, pixels, 1, NY, NX, &err));
    assert_near(sigma, 2, 0.12);
    for (size_t i = 0; i < N; i++)
        assert_true(pixels[i] > 90 && pixels[i] < 128);
    scry_free(pixels);
    scry_free(known);
    scry_free(mask);
    scry_free(y);
}

static void rows_of_nothing(void **state)
{
    (void)state;
    scry_error err = {0};
    float y[10 * 4], *pixels;
    unsigned char *known;
    scry_image image = {.space = SCRY_SPACE(10, 4), .pixels = y};
    for (size_t i = 0; i < 40; i++)
        y[i] = i < 16 ? NAN : (float)(i / 4);
    assert_ok(scry_known_repair(&image, &pixels, &known, NULL, &err));
    assert_near((double)pixels[3 * 4 + 2], 5, 0); /* row 3 about row 4: row 5 */
    assert_near((double)pixels[1 * 4 + 2], 7, 0); /* row 1 about row 4: row 7 */
    assert_near((double)pixels[0 * 4 + 3], 8, 0);
    scry_free(pixels);
    scry_free(known);
    image = (scry_image){.space = SCRY_SPACE(10, 4), .pixels = y};
    for (size_t i = 0; i < 40; i++) /* a gap of two rows is bridged, not mirrored */
        y[i] = i / 4 == 4 || i / 4 == 5 ? NAN : (float)(i / 4);
    assert_ok(scry_known_repair(&image, &pixels, &known, NULL, &err));
    assert_true(pixels[4 * 4 + 1] > 2.9f && pixels[4 * 4 + 1] < pixels[5 * 4 + 1]);
    assert_near((double)pixels[4 * 4 + 1] + (double)pixels[5 * 4 + 1], 9, 1e-5);
    scry_free(pixels);
    scry_free(known);
}

static void planes_of_nothing(void **state)
{
    (void)state;
    scry_error err = {0};
    float y[4 * 9], *pixels;
    unsigned char *known;
    for (size_t i = 0; i < 36; i++)
        y[i] = i / 9 == 0 || i / 9 == 2 ? NAN : (float)i;
    scry_image image = {.space = SCRY_SPACE(4, 3, 3), .pixels = y};
    assert_ok(scry_known_repair(&image, &pixels, &known, NULL, &err));
    assert_near((double)pixels[4], 13, 0);
    assert_near((double)pixels[22], 13, 0);
    assert_int_equal(known[4] + known[22], 0);
    assert_int_equal(known[13] + known[31], 2);
    scry_free(pixels);
    scry_free(known);
}

static void nothing_at_all(void **state)
{
    (void)state;
    scry_error err = {0};
    float y[9], *pixels;
    unsigned char *known, mask[9] = {1, 1, 1, 1, 1, 1, 1, 1, 0};
    for (size_t i = 0; i < 9; i++)
        y[i] = i < 8 ? NAN : 3;
    scry_image image = {.space = SCRY_SPACE(3, 3), .pixels = y, .known = mask};
    assert_int_equal(scry_known_repair(&image, &pixels, &known, NULL, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "8 are NaN or infinite"));
    scry_free(pixels);
    scry_free(known);
    for (size_t nth = 1; nth < 5; nth++) {
        err = (scry_error){0};
        image.known = NULL;
        scry_memory_fail_at(nth);
        assert_fails(scry_known_repair(&image, &pixels, &known, NULL, &err), SCRY_ENOMEM);
        scry_memory_fail_at(0);
        scry_free(pixels);
        scry_free(known);
        image = (scry_image){.space = SCRY_SPACE(3, 3), .pixels = y};
    }
    assert_int_equal(scry_memory_live(), 0);
}

/* Hot in every plane at one place: the camera. A few spikes: left out as well. Many: the noise of
 * few photons, which counts. */
static void spikes_of_a_volume(void **state)
{
    (void)state;
    enum { PLANES = 5, SIDE = 80, PLANE = SIDE * SIDE, VOXELS = PLANES * PLANE, TAPS = 9 };
    float psf[TAPS * TAPS];
    float *y = scry_alloc(VOXELS, sizeof *y);
    unsigned char *known = scry_alloc(VOXELS, 1), *none = scry_alloc(VOXELS, 1);
    for (int i = 0; i < TAPS * TAPS; i++)
        psf[i] = (float)exp(-(pow(i / TAPS - 4, 2) + pow(i % TAPS - 4, 2)) / 5.12);
    const scry_space ps = SCRY_SPACE(1, TAPS, TAPS);
    for (size_t spikes = 12; spikes <= 600; spikes += 588) {
        scry_error err = {0};
        size_t excluded, left = 0;
        scry_rng_normal(y, 0, VOXELS, 4, 0, 0);
        for (size_t i = 0; i < VOXELS; i++)
            y[i] = 100 + 2 * y[i];
        for (size_t k = 0; k < spikes; k++)
            y[(k * 7919 + 331) % VOXELS] += 90;
        for (size_t z = 0; z < PLANES; z++)
            y[z * PLANE + 33 * SIDE + 57] = 400;
        const scry_image image = {.space = SCRY_SPACE(PLANES, SIDE, SIDE), .pixels = y};
        assert_ok(scry_known_find(known, none, &excluded, &image, SCRY_DEFECTS_AUTO, psf, &ps, NULL,
                                  &err));
        for (size_t i = 0; i < VOXELS; i++)
            left += !known[i];
        for (size_t z = 0; z < PLANES; z++)
            assert_false(known[z * PLANE + 33 * SIDE + 57]);
        assert_int_equal(left, excluded);
        assert_int_equal(left, PLANES + (spikes == 12 ? spikes : 0));
    }
    scry_free(y);
    scry_free(known);
    scry_free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finite_images_are_left_alone),
        cmocka_unit_test(holes_take_the_mirror_image),
        cmocka_unit_test(rows_of_nothing),
        cmocka_unit_test(planes_of_nothing),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(spikes_of_a_volume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
