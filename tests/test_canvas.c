/* Rectangles, letters and colours land where they should, and nowhere else. */
#include "tests/check.h"

#include "lib/canvas.h"
#include "lib/memory.h"

#include <math.h>
#include <stdbool.h>

static const scry_colour white = {255, 255, 255}, black = {0, 0, 0};

static bool dark(const scry_canvas *c, size_t y, size_t x)
{
    return c->rgb[3 * (y * c->nx + x)] == 0;
}

static size_t count_dark(const scry_canvas *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->ny * c->nx; i++)
        count += c->rgb[3 * i] == 0;
    return count;
}

static void rectangles_are_clipped(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_canvas c;
    assert_ok(scry_canvas_create(&c, 5, 7, white, &err));
    assert_int_equal(count_dark(&c), 0);
    scry_canvas_fill(&c, 1, 2, 2, 3, black);
    assert_int_equal(count_dark(&c), 6);
    assert_true(dark(&c, 1, 2) && dark(&c, 2, 4) && !dark(&c, 3, 2) && !dark(&c, 1, 5));
    scry_canvas_fill(&c, 4, 6, 100, 100, black);
    assert_int_equal(count_dark(&c), 7);
    scry_canvas_fill(&c, 5, 0, 1, 1, black);
    scry_canvas_fill(&c, 0, 7, 1, 1, black);
    assert_int_equal(count_dark(&c), 7);
    scry_canvas_free(&c);
    assert_int_equal(scry_memory_live(), 0);
}

/* L: the left column and the lowest row, 7 dots. */
static void letters_run_right_and_up(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_canvas c;
    assert_ok(scry_canvas_create(&c, 20, 20, white, &err));
    scry_canvas_text(&c, 3, 2, 0, 1, SCRY_TEXT_RIGHT, black, "l");
    assert_int_equal(count_dark(&c), 7);
    for (size_t i = 0; i < 5; i++)
        assert_true(dark(&c, 3 + i, 2));
    assert_true(dark(&c, 7, 3) && dark(&c, 7, 4));
    scry_canvas_fill(&c, 0, 0, 20, 20, white);
    scry_canvas_text(&c, 15, 4, 0, 2, SCRY_TEXT_UP, black, "L"); /* begins in row 15, going up */
    assert_int_equal(count_dark(&c), 4 * 7);
    assert_true(dark(&c, 15, 4) && dark(&c, 14, 13));  /* the stem lies along the bottom */
    assert_true(dark(&c, 10, 13) && !dark(&c, 10, 4)); /* the foot points up, at the right */
    scry_canvas_free(&c);
}

static void text_keeps_to_its_length(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_canvas c;
    assert_int_equal(scry_canvas_text_length("", 2), 0);
    assert_int_equal(scry_canvas_text_length("AB", 2), 14);
    assert_ok(scry_canvas_create(&c, 8, 40, white, &err));
    scry_canvas_text(&c, 0, 0, 7, 1, SCRY_TEXT_RIGHT, black, "LLLL"); /* room for two */
    assert_int_equal(count_dark(&c), 14);
    scry_canvas_text(&c, 0, 38, 0, 1, SCRY_TEXT_RIGHT, black, "LLLL"); /* over the edge */
    assert_int_equal(count_dark(&c), 14 + 6);
    scry_canvas_text(&c, 1, 20, 0, 1, SCRY_TEXT_UP, black, "LLLL");
    assert_true(dark(&c, 1, 20) && !dark(&c, 2, 20));
    scry_canvas_free(&c);
    assert_fails(scry_canvas_create(&c, 0, 4, white, &err), SCRY_ESHAPE);
    err = (scry_error){0};
    assert_fails(scry_canvas_create(&c, SIZE_MAX / 2, 4, white, &err), SCRY_ENOMEM);
    assert_int_equal(scry_memory_live(), 0);
}

static void maps_begin_and_end_as_stated(void **state)
{
    (void)state;
    const scry_colour low = scry_colour_map_at(SCRY_MAP_DIVERGING, -1);
    const scry_colour middle = scry_colour_map_at(SCRY_MAP_DIVERGING, 0.5);
    const scry_colour high = scry_colour_map_at(SCRY_MAP_DIVERGING, 2);
    const scry_colour none = scry_colour_map_at(SCRY_MAP_GREY, NAN);
    assert_true(low.b > low.r && high.r > high.b && middle.r == middle.b && middle.r > 240);
    assert_true(none.r == 255 && none.g == 0 && none.b == 255);
    assert_int_equal(scry_colour_map_at(SCRY_MAP_GREY, 1).g, 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rectangles_are_clipped),
        cmocka_unit_test(letters_run_right_and_up),
        cmocka_unit_test(text_keeps_to_its_length),
        cmocka_unit_test(maps_begin_and_end_as_stated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
