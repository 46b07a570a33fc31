/* Holes: copies of them at places where the image is known are like them, and the fill of an image
 * follows what fills the copies best. */
#include "tests/check.h"

#include "apps/recon/image/holes_impl.h"
#include "apps/recon/image/known.h"
#include "apps/recon/image/restore.h"
#include "lib/memory.h"
#include "lib/rng.h"

#include <stdlib.h>
#include <string.h>

enum { H = 60, W = 72, N = H * W };

static unsigned char known[N];

static void cut_block(size_t top, size_t left, size_t height, size_t width)
{
    for (size_t y = top; y < top + height; y++)
        memset(known + y * W + left, 0, width);
}

static void three_blocks(void)
{
    memset(known, 1, N);
    cut_block(8, 10, 14, 14);
    cut_block(36, 6, 12, 18);
    cut_block(0, 50, 16, 12);
}

static void scattered(double share)
{
    float u[N];
    scry_rng_uniform(u, 0, N, 7, 0, 0);
    for (size_t i = 0; i < N; i++)
        known[i] = (double)u[i] < share;
}

/* Mean distance of the pixels of `holes` to the nearest known pixel. */
static double depth(const unsigned char *holes, const unsigned char *seen)
{
    static size_t nearest[N];
    double sum = 0, count = 0;
    scry_known_nearest(nearest, seen, H, W);
    for (size_t i = 0; i < N; i++) {
        if (!holes[i]) continue;
        const double y = (double)(i / W) - (double)(nearest[i] / W);
        sum += hypot(y, (double)(i % W) - (double)(nearest[i] % W));
        count++;
    }
    return sum / count;
}

static void check_copies(const char *what, double wrong)
{
    scry_error err = {0};
    unsigned char hidden[N], left[N], holes[N], again[N], before[N] = {0};
    size_t count, twice, all = 0;
    for (size_t i = 0; i < N; i++) {
        holes[i] = !known[i];
        all += known[i];
    }
    for (uint32_t number = 0; number < 3; number++) {
        assert_ok(scryi_holes_copy(hidden, &count, known, H, W, 5, number, &err));
        assert_ok(scryi_holes_copy(again, &twice, known, H, W, 5, number, &err));
        assert_true(count == twice && !memcmp(hidden, again, N));
        assert_true(memcmp(hidden, before, N));
        memcpy(before, hidden, N);
        size_t sum = 0;
        for (size_t i = 0; i < N; i++) {
            assert_true(!hidden[i] || known[i]);
            left[i] = known[i] && !hidden[i];
            sum += hidden[i];
        }
        const double ratio = depth(hidden, left) / depth(holes, known);
        printf("%s: %zu of %zu pixels hidden, %.2f times as deep\n", what, sum, all, ratio);
        assert_true(sum == count && count >= 16 && 4 * count <= all);
        assert_near(log(ratio), 0, log(wrong));
    }
}

static void test_copies_are_like_the_holes(void **state)
{
    (void)state;
    three_blocks();
    check_copies("three blocks", 1.25);
    scattered(0.2);
    check_copies("80 % lost", 1.25);
    scattered(0.7);
    check_copies("30 % lost", 1.25);
    memset(known, 1, N);
    cut_block(0, 40, H, W - 40);
    check_copies("a side", 3); /* a quarter of the rest is less deep than the half that is lost */
    memset(known, 1, N);
    for (size_t y = 4; y + 3 < H; y += 8)
        cut_block(y, 0, 3, W);
    check_copies("stripes", 1.6);
}

static void test_nothing_to_copy(void **state)
{
    (void)state;
    scry_error err = {0};
    unsigned char hidden[N];
    size_t count = 1;
    memset(known, 1, N);
    assert_ok(scryi_holes_copy(hidden, &count, known, H, W, 1, 0, &err));
    assert_int_equal(count, 0);
    memset(known, 0, N);
    assert_ok(scryi_holes_copy(hidden, &count, known, H, W, 1, 0, &err));
    assert_int_equal(count, 0);
    memset(known, 0, N);
    cut_block(0, 0, 1, 1);
    known[3 * W + 9] = 1; /* one pixel is known */
    assert_ok(scryi_holes_copy(hidden, &count, known, H, W, 1, 0, &err));
    assert_int_equal(count, 0);
}

/* ---- the fill ---- */

static float truth[N];

static double hole_error(const float *mean)
{
    double sum = 0, count = 0;
    for (size_t i = 0; i < N; i++)
        if (!known[i]) {
            const double miss = (double)mean[i] - (double)truth[i];
            sum += miss * miss;
            count++;
        }
    return sqrt(sum / count);
}

static void fill(scry_restore_result *result, const char *method, const scry_output_maps *maps)
{
    scry_error err = {0};
    const scry_image image = {.space = SCRY_SPACE(H, W), .pixels = truth, .known = known};
    assert_ok(scry_restore(result, &image,
                           &(scry_restore_request){.method = method,
                                                   .noise.choice = SCRY_NOISE_EXACT,
                                                   .samples = 2,
                                                   .maps = maps,
                                                   .seed = 3},
                           NULL, NULL, &err));
}

/* A gentle slope, of which a prior of cells makes cells and a spline makes a slope. */
static void test_the_fill_that_is_right_is_taken(void **state)
{
    (void)state;
    const scry_output_maps maps = {.list = {{.kind = SCRY_OUTPUT_SD}}, .count = 1};
    scry_restore_result draws, chosen;
    three_blocks();
    for (size_t i = 0; i < N; i++)
        truth[i] = (float)(40 + 0.3 * (double)(i / W) + 12 * sin((double)(i % W) / 30));
    fill(&draws, "jfps", &maps);
    fill(&chosen, NULL, &maps);
    const scry_filling *f = &chosen.filling;
    const double error = hole_error(chosen.mean), drawn = hole_error(draws.mean);
    printf("rms error %.3g, draws %.3g; weight %.2f; copies %zu, errors %.3g %.3g %.3g\n", error,
           drawn, f->weight, f->pixels, f->draws_error, f->smooth_error, f->error);
    assert_true(error < 0.5 * drawn);
    assert_true(f->weight < 0.3 && f->copies == 3 && f->pixels > 100);
    assert_below(f->error, 0.6 * f->draws_error);
    for (size_t i = 0; i < N; i++) {
        if (known[i]) assert_near((double)chosen.mean[i], (double)draws.mean[i], 1e-4);
        assert_true(chosen.maps[i] >= 0);
        if (!known[i])
            assert_near((double)chosen.maps[i], f->spread * (double)draws.maps[i],
                        1e-3 * (double)chosen.maps[i] + 1e-5);
    }
    scry_restore_result_free(&draws);
    scry_restore_result_free(&chosen);
}

static size_t draws_made(double sigma)
{
    scry_error err = {0};
    scry_restore_result result;
    const scry_image image = {.space = SCRY_SPACE(H, W), .pixels = truth, .known = known};
    three_blocks();
    for (size_t i = 0; i < N; i++)
        truth[i] = (float)(40 + 0.3 * (double)(i / W) + 12 * sin((double)(i % W) / 30));
    assert_ok(scry_restore(&result, &image,
                           &(scry_restore_request){.noise.sigma = sigma, .samples = 2, .seed = 3},
                           NULL, NULL, &err));
    assert_near(result.filling.weight, 0, 0);
    const size_t made = result.samples;
    scry_restore_result_free(&result);
    return made;
}

/* Draws of no weight are not made, but where known pixels have noise, which the smoothest image
 * would keep. */
static void test_noise_needs_draws(void **state)
{
    (void)state;
    assert_int_equal(draws_made(0), 1);
    assert_int_equal(draws_made(0.02), 2);
}

/* An image of a series whose holes have no copies says nothing of the next one. */
static void test_the_first_with_copies_decides(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_restorer *r;
    scry_restore_result result;
    const scry_restore_request request = {.noise.choice = SCRY_NOISE_EXACT, .samples = 1};
    scry_image image = {.space = SCRY_SPACE(H, W), .pixels = truth, .known = known};
    assert_ok(scry_restorer_create(&r, &request, &err));
    for (int k = 0; k < 2; k++) {
        memset(known, 1, N);
        known[0] = 0;
        if (k) three_blocks();
        image.number = (size_t)k;
        assert_ok(scry_restorer_run(&result, r, &image, 1, NULL, NULL, &err));
        assert_int_equal(result.filling.copies, 3 * k);
        scry_restore_result_free(&result);
    }
    scry_restorer_free(r);
}

int main(void)
{
    setenv("SCRY_PRIORS", "../priors/pretrained", 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_are_like_the_holes),
        cmocka_unit_test(test_nothing_to_copy),
        cmocka_unit_test(test_the_fill_that_is_right_is_taken),
        cmocka_unit_test(test_noise_needs_draws),
        cmocka_unit_test(test_the_first_with_copies_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
