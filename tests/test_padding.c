#include "tests/check.h"

#include "apps/recon/image/known.h"
#include "apps/recon/image/padding.h"
#include "lib/lib.h"

#include <string.h>

enum { NY = 90, NX = 110, PIXELS = NY * NX };

static const scry_space space = {.rank = 2, .dims = {NY, NX}};

/* A bright disk on a background, whole numbers with noise of sd 3. */
static void scene(float *y, double background)
{
    scry_rng_normal(y, 0, PIXELS, 4, 0, 0);
    for (size_t i = 0; i < PIXELS; i++) {
        const double r = hypot((double)(i / NX) - 40, (double)(i % NX) - 60);
        y[i] = rintf((float)(background + 200 / (1 + exp((r - 20) / 2))) + 3 * y[i]);
    }
}

struct found {
    unsigned char outside[PIXELS], near[PIXELS];
    size_t count;
};

static struct found find(const float *y)
{
    scry_error err = {0};
    struct found f;
    assert_ok(scry_padding_find(f.outside, f.near, &f.count, y, &space, &err));
    return f;
}

static void borders_and_corners_are_padding(void **state)
{
    (void)state;
    float y[PIXELS];
    scene(y, 100);
    assert_int_equal(find(y).count, 0);
    size_t slanted = 0;
    for (size_t i = 0; i < PIXELS; i++) /* a corner, and a column at the other side */
        if (12 * (i / NX) + i % NX < 90 || i % NX >= NX - 3) {
            y[i] = 0;
            slanted++;
        }
    y[40 * NX + 60] = 0; /* inside: a dead pixel, not padding */
    const struct found f = find(y);
    assert_int_equal(f.count, slanted);
    for (size_t i = 0; i < PIXELS; i++)
        assert_int_equal(f.outside[i], y[i] == 0 && i != 40 * NX + 60);
    assert_true(f.near[50 * NX + NX - 4] && f.near[50 * NX + NX - 5]);
    assert_false(f.near[50 * NX + NX - 6]);
}

/* Structure makes neighbours differ by more than the step; the noise beside the padding does not.
 */
static void structure_elsewhere_hides_none(void **state)
{
    (void)state;
    float y[PIXELS];
    size_t corner = 0;
    scene(y, 100);
    for (size_t i = 0; i < PIXELS; i++) {
        const bool padding = 12 * (i / NX) + i % NX < 90;
        if (i / NX > 20) y[i] += i % 2 ? 40 : 0;
        if (padding) y[i] = 0;
        corner += padding;
    }
    assert_int_equal(find(y).count, corner);
}

/* A bright disk that the border cuts and the detector saturates. */
static void cut_peaks_are_not(void **state)
{
    (void)state;
    float y[PIXELS];
    scene(y, 100);
    for (size_t i = 0; i < PIXELS; i++)
        y[i] = fminf(y[i], 180);
    memmove(y, y + 35 * NX, (size_t)(NY - 35) * NX * sizeof *y);
    assert_int_equal(find(y).count, 0);
}

/* A background that is 0 because it was clipped is dark, not absent. */
static void clipped_backgrounds_are_not(void **state)
{
    (void)state;
    float y[PIXELS];
    scene(y, -8);
    for (size_t i = 0; i < PIXELS; i++)
        y[i] = fmaxf(y[i], 0);
    assert_int_equal(find(y).count, 0);
    scene(y, -40); /* everywhere but around the disk */
    for (size_t i = 0; i < PIXELS; i++)
        y[i] = fmaxf(y[i], 0);
    assert_int_equal(find(y).count, 0);
    for (size_t i = 0; i < PIXELS; i++)
        y[i] = 7; /* nor is a blank plane */
    assert_int_equal(find(y).count, 0);
}

static void hot_pixels_need_a_wide_psf(void **state)
{
    (void)state;
    scry_error err = {0};
    float y[PIXELS], psf[49];
    unsigned char known[PIXELS], outside[PIXELS];
    size_t excluded;
    const scry_space ps = {.rank = 2, .dims = {7, 7}};
    const scry_image image = {.space = space, .pixels = y, .saturation = 65535};
    scene(y, 100);
    for (size_t i = 0; i < NX; i++)
        y[i] = 0;
    y[70 * NX + 20] = 900;
    for (int wide = 0; wide < 2; wide++) {
        for (int i = 0; i < 49; i++) {
            const double r2 = pow(i / 7 - 3, 2) + pow(i % 7 - 3, 2);
            psf[i] = (float)exp(-r2 / (wide ? 2 * 1.3 * 1.3 : 2 * .6 * .6));
        }
        assert_ok(scry_known_find(known, outside, &excluded, &image, SCRY_DEFECTS_AUTO, psf, &ps,
                                  NULL, &err));
        assert_int_equal(excluded, NX + (size_t)wide);
        assert_int_equal(known[70 * NX + 20], !wide);
        assert_true(outside[0] && !known[2 * NX + 5] && known[3 * NX + 5]);
    }
    assert_ok(scry_known_find(known, outside, &excluded, &image, SCRY_DEFECTS_AUTO, NULL, NULL,
                              NULL, &err)); /* no blur */
    assert_int_equal(excluded, 0);
    memset(known, 0, sizeof known);
    const scry_image hidden = {.space = space, .pixels = y, .known = known};
    unsigned char out[PIXELS];
    assert_fails(scry_known_find(out, outside, &excluded, &hidden, SCRY_DEFECTS_KEEP, NULL, NULL,
                                 NULL, &err),
                 SCRY_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(borders_and_corners_are_padding),
        cmocka_unit_test(structure_elsewhere_hides_none),
        cmocka_unit_test(cut_peaks_are_not),
        cmocka_unit_test(clipped_backgrounds_are_not),
        cmocka_unit_test(hot_pixels_need_a_wide_psf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
