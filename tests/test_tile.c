/* Volumes beyond the memory are restored in tiles, and beyond that refused before the start, with
 * parts that fit; a run that would take too long takes fewer draws. */
#include "tests/check.h"

#include "apps/recon/image/pace_impl.h"
#include "apps/recon/image/tiles_impl.h"
#include "apps/recon/tile.h"
#include "lib/memory.h"

#include <string.h>

static void tiles_fit(void **state)
{
    (void)state;
    const scry_space volume = SCRY_SPACE(30, 2048, 1500);
    const double bytes = 16e9;
    for (double total = 1e8; total < 16e9; total *= 1.7) {
        const size_t side = scry_tile_side(&volume, bytes, total);
        assert_int_equal(side % 32, 0);
        assert_true(side >= 64 && side <= 2048);
        const double part = bytes * (double)(side * side) / (2048.0 * 1500.0);
        assert_below(part, total);
        if (side < 2048) assert_below(0.8 * total, part * pow(1 + 32.0 / (double)side, 2) * 1.001);
    }
    assert_int_equal(scry_tile_side(&volume, bytes, 1e6), 0);
}

static void they_are_named(void **state)
{
    (void)state;
    const scry_space volume = SCRY_SPACE(30, 2048, 2048), plane = SCRY_SPACE(4096, 4096);
    char buf[96];
    assert_string_equal(scry_tile_print(buf, sizeof buf, &volume, 16e9, 4e9),
                        "tiles of 30 x 896 x 896 would fit");
    assert_string_equal(scry_tile_print(buf, sizeof buf, &plane, 2e9, 1e9),
                        "tiles of 2560 x 2560 would fit");
    assert_string_equal(scry_tile_print(buf, sizeof buf, &plane, 1e9, 2e9), "");
    assert_string_equal(scry_tile_print(buf, sizeof buf, &plane, 1e9, 1e3), "");
}

static void what_cannot_fit_is_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space volume = SCRY_SPACE(30, 2048, 2048);
    assert_ok(scry_tile_check(&volume, 4e9, &err));
    assert_ok(scry_tile_check(&volume, 0, &err)); /* not known */
    assert_int_equal(scry_tile_check(&volume, 1.5e9, &err), SCRY_ENOMEM);
    assert_non_null(strstr(err.text, "30 x 2048 x 2048"));
    assert_non_null(strstr(err.text, "the memory is 1.5 GB: tiles of 30 x 1280 x 1280 would fit"));
}

static const struct scryi_tile_cost cost = {16, 60};

static void plans_stay_within_the_memory(void **state)
{
    (void)state;
    scry_error err = {0};
    struct scryi_tiles t;
    const scry_space volume = SCRY_SPACE(30, 700, 900), psf = SCRY_SPACE(59, 41, 41);
    const double whole = 1e9 + 16.0 * 30 * 700 * 900;
    assert_ok(scryi_tiles_plan(&t, &volume, &psf, &cost, 0, &err)); /* not known */
    assert_int_equal(scryi_tiles_count(&t), 1);
    size_t before = 1;
    for (double bytes = 10 * whole; bytes > 5e8; bytes *= 0.8) {
        assert_ok(scryi_tiles_plan(&t, &volume, &psf, &cost, bytes, &err));
        assert_true(scryi_tiles_bytes(&t, &volume, &psf, &cost) <= bytes);
        assert_true(scryi_tiles_count(&t) >= before);
        before = scryi_tiles_count(&t);
        if (before > 1) assert_int_equal(t.y.overlap, 41);
    }
    assert_true(before > 4);
    assert_int_equal(scryi_tiles_plan(&t, &volume, &psf, &cost, 3.2e8, &err), SCRY_ENOMEM);
    assert_non_null(strstr(err.text, "30 x 700 x 900 pixels take "));
    assert_non_null(strstr(err.text, "the memory is 0.32 GB: parts of the image of "));
}

/* Every tile has the pixels and a map of twice them; a number tells where it was. */
static scry_status copy_tile(void *ctx, scry_restore_result *out, const scry_image *tile,
                             size_t number, scry_error *err)
{
    (void)number;
    (void)err;
    const size_t n = scry_space_count(&tile->space);
    out->mean = scry_copy(tile->pixels, n * sizeof(float));
    out->maps = scry_copy(tile->pixels, n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        out->maps[i] *= 2;
    out->diagnosis.measured = n;
    out->diagnosis.chi2 = ++*(int *)ctx % 2 ? 1 : 3;
    out->noise.gain = 1;
    return SCRY_OK;
}

static void tiles_add_up(void **state)
{
    (void)state;
    enum { NZ = 2, NY = 210, NX = 333, N = NZ * NY * NX };
    scry_error err = {0};
    struct scryi_tiles t;
    float *pixels = scry_alloc(N, sizeof *pixels);
    int calls = 0;
    for (size_t i = 0; i < N; i++)
        pixels[i] = (float)(i % 251) + 0.5f;
    const scry_image image = {.space = SCRY_SPACE(NZ, NY, NX), .pixels = pixels};
    const scry_space psf = SCRY_SPACE(1, 25, 9);
    scry_restore_result all;
    assert_ok(scryi_tiles_plan(&t, &image.space, &psf, &cost, 16.0 * N + 2e6, &err));
    assert_true(t.y.count > 1 && t.x.count > 2);
    assert_ok(scryi_tiles_run(&all, &t, &image, 1, copy_tile, &calls, &err));
    assert_int_equal((size_t)calls, scryi_tiles_count(&t));
    for (size_t i = 0; i < N; i++) {
        assert_near(all.mean[i], pixels[i], 1e-4);
        assert_near(all.maps[i], 2 * pixels[i], 2e-4);
    }
    assert_true(all.diagnosis.chi2 > 1.5 && all.diagnosis.chi2 < 2.5);
    assert_near(all.flux_out, all.flux_in, 1e-6 * all.flux_in);
    scry_restore_result_free(&all);
    scry_free(pixels);
}

static void draws_keep_to_the_time(void **state)
{
    (void)state;
    const struct scry_method draws = {.name = "draws", .kind = SCRY_POSTERIOR};
    const struct scry_method fits = {.name = "fits", .kind = SCRY_CLASSICAL};
    scry_judgement judged = {
        .count = 2,
        .of = {{.method = &fits, .seconds = 2}, {.method = &draws, .seconds = 40}},
        .splits = 2,
        .pixels = 1000};
    const scry_log silent = {0};
    double share[SCRY_JUDGE_MAX] = {0.5, 0.5};
    scry_options options[SCRY_JUDGE_MAX] = {0};
    struct scryi_pace p = {.judgement = &judged,
                           .share = share,
                           .options = options,
                           .draws = {10, 1},
                           .fits = {10, 1},
                           .planes = 100,
                           .samples = 16,
                           .threads = 2};
    assert_near(scryi_pace_seconds(&p), 10 + 16 * 100, 1e-9);
    scryi_pace_keep(&p, false, &silent); /* no limit */
    assert_int_equal(p.samples, 16);
    p.limit = 500;
    scryi_pace_keep(&p, false, &silent);
    assert_int_equal(p.samples, 4);
    p.limit = 100;
    scryi_pace_keep(&p, true, &silent); /* maps are of draws */
    assert_int_equal(p.samples, 2);
    assert_near(share[1], 0.5, 0);
    scryi_pace_keep(&p, false, &silent);
    assert_near(share[0], 1, 0);
    assert_near(share[1], 0, 0);
}

/* Forty iterations, found in a hundred steps that took a second, on six tiles of a hundred times
 * the pixels: the first one searches as well. */
static void iterations_keep_to_the_time(void **state)
{
    (void)state;
    const struct scry_method *method = scry_method_find("richardson-lucy");
    scry_judgement judged = {
        .count = 1,
        .of = {{.method = method, .weight = 1, .seconds = 2, .iterations = 40, .steps = 100}},
        .splits = 2,
        .pixels = 1000};
    const scry_log silent = {0};
    double share[SCRY_JUDGE_MAX] = {1}, value;
    scry_options options[SCRY_JUDGE_MAX];
    scry_error err = {0};
    scry_options_init(&options[0], method);
    struct scryi_pace p = {.judgement = &judged,
                           .share = share,
                           .options = options,
                           .fits = {600, 6},
                           .samples = 16,
                           .limit = 320};
    assert_near(scryi_pace_seconds(&p), 100 + 5 * 40, 1e-9);
    scryi_pace_keep(&p, false, &silent);
    assert_string_equal(judged.kept, "");
    assert_near(judged.forecast, 300, 1e-9);
    p.spent = 60; /* of the 320 */
    scryi_pace_keep(&p, false, &silent);
    assert_string_equal(judged.kept, "richardson-lucy would take about 5 min, --time allows 5 min: "
                                     "as many iterations as a part took are used, 40");
    assert_near(judged.forecast, 240, 1e-9);
    p.limit = 95;
    p.spent = 5;
    scryi_pace_keep(&p, false, &silent);
    assert_non_null(strstr(judged.kept, "15 of 40 iterations are used"));
    assert_near(judged.forecast, 90, 1e-9);
    assert_ok(scry_options_get(&options[0], "iterations", &value, &err));
    assert_near(value, 15, 0);
    assert_ok(scry_options_get(&options[0], "stop", &value, &err));
    assert_near(value, 0, 0); /* steps */
    p.limit = 1e-3;
    scryi_pace_keep(&p, false, &silent);
    assert_near(judged.forecast, 18, 1e-9); /* the least: three */
    judged.study = 1e-3;
    p.pixels = 20000; /* their noise and defects take 20 s */
    assert_near(scryi_pace_seconds(&p), 38, 1e-9);
    p.bound[0] = 0;
    p.limit = 115;
    p.spent = 5;
    scryi_pace_keep(&p, false, &silent);
    assert_non_null(strstr(judged.kept, "15 of 40 iterations are used"));
    assert_near(judged.forecast, 110, 1e-9);
}

static void a_search_is_seen(void **state)
{
    (void)state;
    struct scryi_steps s = {0};
    scryi_steps_see(&s, &(scry_progress){.step = 1, .steps = 500});
    assert_int_equal(s.last, 500);
    scryi_steps_see(&s, &(scry_progress){.step = 30, .steps = 51});
    scryi_steps_see(&s, &(scry_progress){.step = 51, .steps = 51});
    assert_int_equal(s.last, 21);
    assert_int_equal(s.done, 51);
    assert_int_equal(s.all, 51);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_fit),
        cmocka_unit_test(they_are_named),
        cmocka_unit_test(what_cannot_fit_is_refused),
        cmocka_unit_test(plans_stay_within_the_memory),
        cmocka_unit_test(tiles_add_up),
        cmocka_unit_test(draws_keep_to_the_time),
        cmocka_unit_test(iterations_keep_to_the_time),
        cmocka_unit_test(a_search_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
