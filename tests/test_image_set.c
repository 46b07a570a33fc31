#include "tests/check.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "priors/train/image_set.h"

#include <string.h>

/* Discs with sharp edges: detail at the scale of a pixel, and no noise. The wave sets images apart.
 */
static float *discs(size_t ny, size_t nx, double period)
{
    float *x = scry_alloc(ny * nx, sizeof *x);
    for (size_t i = 0; i < ny * nx; i++) {
        const double u = fmod((double)(i / nx), period) - period / 2,
                     v = fmod((double)(i % nx), period) - period / 2;
        x[i] = u * u + v * v < period * period / 9 ? 200 : 20;
    }
    return x;
}

static scry_image_set *new_set(bool clean)
{
    scry_error err = {0};
    scry_image_set *s;
    scry_image_set_opts o;
    scry_image_set_opts_init(&o);
    o.clean = clean;
    o.seed = 3;
    assert_ok(scry_image_set_create(&s, &o, &err));
    return s;
}

static scry_image_report put(scry_image_set *s, float *x, size_t ny, size_t nx, const char *class,
                             bool held_out)
{
    scry_error err = {0};
    scry_image_report r;
    assert_ok(scry_image_set_add(s, &r, x, ny, nx, class, held_out, &err));
    scry_free(x);
    return r;
}

/* A ramp stays a ramp when it is averaged down, steeper by the reduction; its direction identifies
 * the turn and mirror, and all eight of them come. */
static void crops_are_squares_of_images(void **state)
{
    (void)state;
    scry_error err = {0};
    bool borrowed, seen[8] = {false};
    float x[64 * 64];
    double steepest = 0, flattest = 9;
    scry_image_set *s = new_set(false);
    float *ramp = scry_alloc(500 * 400, sizeof *ramp);
    for (size_t i = 0; i < 500 * 400; i++)
        ramp[i] = (float)(i / 400) + .25f * (float)(i % 400);
    put(s, ramp, 500, 400, "ramp", false);
    assert_ok(scry_image_set_seal(s, &borrowed, &err));
    assert_true(borrowed);
    for (size_t k = 0; k < 200; k++) {
        assert_ok(scry_image_set_crop(s, x, 1, k, &err));
        const double dy = ((double)x[40 * 64 + 30] - (double)x[20 * 64 + 30]) / 20;
        const double dx = ((double)x[30 * 64 + 40] - (double)x[30 * 64 + 20]) / 20;
        const double large = fmax(fabs(dy), fabs(dx)), small = fmin(fabs(dy), fabs(dx));
        assert_near(small / large, .25, 1e-2);
        seen[(dy > 0) + 2 * (dx > 0) + 4 * (fabs(dy) > fabs(dx))] = true;
        for (size_t i = 10; i < 50; i += 7) /* straight */
            assert_near((double)x[i * 64 + i],
                        (double)x[10 * 64 + 10] + (dy + dx) * (double)(i - 10), 2e-3);
        steepest = fmax(steepest, large);
        flattest = fmin(flattest, large);
        for (size_t i = 0; i < 64 * 64; i++)
            assert_true(x[i] >= -1 && x[i] <= 1);
    }
    for (size_t k = 0; k < 8; k++)
        assert_true(seen[k]);
    /* slope of one pixel, 2 / range: gain .5 to 1, and reductions of 1 to 1 / .45 */
    const double range = (.999 - .005) * (500 + 100 - 1);
    assert_true(flattest > .9 / range && flattest < 1.4 / range);
    assert_true(steepest < 4.7 / range && steepest > 3.3 / range);
    scry_image_set_free(s);
}

static void crops_depend_on_step_and_index_alone(void **state)
{
    (void)state;
    scry_error err = {0};
    bool borrowed;
    float a[64 * 64], b[64 * 64];
    scry_image_set *s = new_set(false);
    put(s, discs(200, 300, 37), 200, 300, "all", false);
    assert_ok(scry_image_set_seal(s, &borrowed, &err));
    assert_ok(scry_image_set_crop(s, a, 5, 2, &err));
    assert_ok(scry_image_set_crop(s, b, 5, 3, &err));
    assert_true(memcmp(a, b, sizeof a) != 0);
    assert_ok(scry_image_set_crop(s, b, 6, 2, &err));
    assert_true(memcmp(a, b, sizeof a) != 0);
    assert_ok(scry_image_set_crop(s, b, 5, 2, &err));
    assert_memory_equal(a, b, sizeof a);
    scry_image_set_free(s);
}

/* One class has nine times the area of the other: it is drawn three times as often. Flat images
 * with one bright corner show by their grey which one a crop is of. */
static void classes_are_drawn_by_the_root_of_their_area(void **state)
{
    (void)state;
    scry_error err = {0};
    bool borrowed;
    float x[64 * 64];
    scry_image_set *s = new_set(false);
    const size_t sides[] = {600, 200};
    for (size_t k = 0; k < 2; k++) {
        const size_t n = sides[k];
        float *image = scry_alloc(n * n, sizeof *image);
        for (size_t i = 0; i < n * n; i++)
            image[i] = i % n / 8 % 2 ? 1 : k ? .9f : 0; /* dark columns are lighter in one class */
        memset(image, 0, 8 * n * sizeof *image);
        put(s, image, n, n, k ? "small" : "large", false);
    }
    assert_ok(scry_image_set_seal(s, &borrowed, &err));
    assert_string_equal(scry_image_set_class(s, 0), "large");
    assert_int_equal(scry_image_set_class_pixels(s, 1, false), 40000);
    double large = 0, sum = 0, count = 0;
    for (size_t k = 0; k < 800; k++) {
        assert_ok(scry_image_set_crop(s, x, 1, k, &err));
        double lowest = 1, highest = -1;
        for (size_t i = 20 * 64; i < 40 * 64; i++) {
            lowest = fmin(lowest, (double)x[i]);
            highest = fmax(highest, (double)x[i]);
            sum += (double)x[i];
            count++;
        }
        large += (lowest + 1) / (highest + 1) < .5 ? 1 : 0;
    }
    assert_near(large / 800, .75, .06); /* four standard errors */
    double mean, std;
    scry_image_set_moments(s, &mean, &std);
    assert_near(sum / count, mean, .05);
    scry_image_set_free(s);
}

static void noise_is_averaged_down(void **state)
{
    (void)state;
    float *image = discs(512, 640, 90), *noise = scry_alloc(512 * 640, sizeof *noise);
    scry_image_set *s = new_set(true);
    scry_rng_normal(noise, 0, 512 * 640, 1, 0, 0);
    for (size_t i = 0; i < 512 * 640; i++)
        image[i] += .03f * 180 * noise[i];
    float *rough = scry_copy(image, 512 * 640 * sizeof *rough);
    for (size_t i = 0; i < 512 * 640; i++)
        rough[i] += .3f * 180 * noise[i];
    scry_image_report r = put(s, image, 512, 640, "a", false);
    assert_int_equal(r.factor, 3);
    assert_true(r.noise < .013 && r.noise > .006 && r.weight == 1);
    assert_int_equal(scry_image_set_pixels(s, false), 170 * 213);
    r = put(s, rough, 512, 640, "a", false); /* too much for a factor of 4 */
    assert_true(r.factor == 1 && r.weight < .3);
    r = put(s, discs(256, 300, 21), 256, 300, "a", false);
    assert_true(r.factor == 1 && r.noise < .01 && r.detail > .05);
    scry_free(noise);
    scry_image_set_free(s);
}

static void blur_is_averaged_down(void **state)
{
    (void)state;
    scry_image_set *s = new_set(true), *t = new_set(false);
    for (size_t k = 0; k < 2; k++) {
        float *image = scry_alloc(600 * 600, sizeof *image);
        for (size_t i = 0; i < 600 * 600; i++)
            image[i] = (float)(sin((double)(i / 600) / 100) * cos((double)(i % 600) / 90));
        const scry_image_report r = put(k ? t : s, image, 600, 600, "waves", false);
        assert_int_equal(r.factor, k ? 1 : 4);
    }
    scry_image_set_free(s);
    scry_image_set_free(t);
}

static void some_are_held_out(void **state)
{
    (void)state;
    scry_error err = {0};
    bool borrowed;
    scry_held_out h;
    scry_image_set *s = new_set(false), *t = new_set(false);
    for (size_t k = 0; k < 24; k++)
        put(s, discs(150, 171, 20 + (double)k), 150, 171, k % 8 ? "many" : "few", false);
    assert_ok(scry_image_set_seal(s, &borrowed, &err));
    assert_false(borrowed);
    assert_int_equal(scry_image_set_class_count(s, 0, true), 0); /* of three */
    assert_int_equal(scry_image_set_class_count(s, 1, true), 2); /* of twenty-one */
    assert_int_equal(scry_image_set_count(s, false), 22);
    assert_ok(scry_image_set_held_out(&h, s, 8, 128, &err));
    assert_true(h.count == 2 && h.side == 128 && h.class_of[0] == 1);
    scry_held_out_clear(&h);
    /* images held out by name stay so, and give the side */
    put(t, discs(150, 171, 20), 150, 171, "b", false);
    put(t, discs(90, 171, 21), 90, 171, "b", true);
    put(t, discs(200, 171, 21), 200, 171, "a", true);
    assert_ok(scry_image_set_seal(t, &borrowed, &err));
    assert_ok(scry_image_set_held_out(&h, t, 8, 128, &err));
    assert_true(h.count == 2 && h.side == 88 && h.class_of[0] == 0 && h.class_of[1] == 1);
    const double psnr[] = {30, 20};
    assert_near(scry_held_out_mean(&h, psnr), 25, 1e-12);
    scry_held_out_clear(&h);
    scry_image_set_free(s);
    scry_image_set_free(t);
}

static void wrong_images_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    bool borrowed;
    scry_image_report r;
    scry_image_set *s = new_set(true);
    float *x = discs(64, 64, 20);
    assert_fails(scry_image_set_add(s, &r, x, 31, 64, "a", false, &err), SCRY_ESHAPE);
    x[70] = NAN;
    assert_fails(scry_image_set_add(s, &r, x, 64, 64, "a", false, &err), SCRY_ENUMERIC);
    for (size_t i = 0; i < 64 * 64; i++)
        x[i] = 7;
    assert_fails(scry_image_set_add(s, &r, x, 64, 64, "a", false, &err), SCRY_EINVAL);
    assert_int_equal(scry_image_set_count(s, false), 0);
    assert_fails(scry_image_set_seal(s, &borrowed, &err), SCRY_EINVAL);
    put(s, discs(40, 64, 20), 40, 64, "a", false); /* smaller than a crop */
    assert_fails(scry_image_set_seal(s, &borrowed, &err), SCRY_EINVAL);
    scry_free(x);
    scry_image_set_free(s);
    scry_image_set_opts o;
    scry_image_set_opts_init(&o);
    o.zoom_low = .01;
    assert_fails(scry_image_set_create(&s, &o, &err), SCRY_EINVAL);
    o.zoom_low = .5;
    o.gain_high = 2;
    assert_fails(scry_image_set_create(&s, &o, &err), SCRY_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crops_are_squares_of_images),
        cmocka_unit_test(crops_depend_on_step_and_index_alone),
        cmocka_unit_test(classes_are_drawn_by_the_root_of_their_area),
        cmocka_unit_test(noise_is_averaged_down),
        cmocka_unit_test(blur_is_averaged_down),
        cmocka_unit_test(some_are_held_out),
        cmocka_unit_test(wrong_images_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
