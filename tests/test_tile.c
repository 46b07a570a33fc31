/* A volume beyond the memory is refused before the start, with tiles that fit. */
#include "tests/check.h"

#include "apps/recon/tile.h"

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
    assert_ok(scry_tile_check(&volume, 32e9, &err));
    assert_ok(scry_tile_check(&volume, 0, &err)); /* not known */
    assert_int_equal(scry_tile_check(&volume, 4e9, &err), SCRY_ENOMEM);
    assert_non_null(strstr(err.text, "30 x 2048 x 2048"));
    assert_non_null(strstr(err.text, "the memory is 4 GB: tiles of 30 x 800 x 800 would fit"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_fit),
        cmocka_unit_test(they_are_named),
        cmocka_unit_test(what_cannot_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
