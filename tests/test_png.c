#include "tests/check.h"

#include "lib/memory.h"
#include "lib/io/png.h"

#include <png.h>
#include <string.h>

static char dir[] = "/tmp/scry-png-XXXXXX";
static char path[128];

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir)) return -1;
    snprintf(path, sizeof path, "%s/a.png", dir);
    return 0;
}

static int drop_dir(void **state)
{
    (void)state;
    remove(path);
    return rmdir(dir); /* fails if a temporary file was left behind */
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    scry_error err = {0};
    uint8_t px[5 * 7 * 3];
    scry_png_image m;
    for (size_t i = 0; i < sizeof px; i++)
        px[i] = (uint8_t)(i * 37);
    for (size_t channels = 1; channels <= 3; channels += 2) {
        if (channels == 1)
            assert_ok(scry_png_write_grey(path, px, 5, 7, &err));
        else
            assert_ok(scry_png_write_rgb(path, px, 5, 7, &err));
        assert_ok(scry_png_read(&m, path, &err));
        assert_true(m.channels == channels && m.ny == 5 && m.nx == 7 && m.bits == 8);
        for (size_t i = 0; i < 35; i++)
            for (size_t c = 0; c < channels; c++)
                assert_near(m.pixels[c * 35 + i], px[i * channels + c], 0);
        scry_free(m.pixels);
    }
}

/* By libpng's own writer: 16 bits with alpha. */
static void sixteen_bits_are_read(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_png_image m;
    const uint8_t row[] = {0x12, 0x34, 0xff, 0xff, 0xfe, 0xdc, 0x80, 0x00};
    FILE *f = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, f);
    png_set_IHDR(png, info, 2, 1, 16, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    png_write_row(png, row);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    fclose(f);
    assert_ok(scry_png_read(&m, path, &err));
    assert_true(m.channels == 1 && m.bits == 16 && m.nx == 2 && m.ny == 1);
    assert_near(m.pixels[0], 0x1234, 0);
    assert_near(m.pixels[1], 0xfedc, 0);
    scry_free(m.pixels);
}

static void panels_lie_side_by_side(void **state)
{
    (void)state;
    scry_error err = {0};
    float a[6] = {0, .25f, .5f, .75f, 1, NAN};
    const scry_panel p[2] = {{a, 2, 3, 0, 1, SCRY_MAP_GREY, "Input 20 e-"},
                             {a, 2, 3, 0, 0, SCRY_MAP_DIVERGING, NULL}};
    scry_png_image m;
    assert_ok(scry_png_panels(path, p, 2, 0, &err));
    assert_ok(scry_png_read(&m, path, &err));
    const size_t n = m.ny * m.nx, first = 10 * m.nx + 10; /* inside the first, enlarged, pixel */
    assert_int_equal(m.channels, 3);
    assert_int_equal(m.nx, 2 * (3 * 86 + 6) + 6); /* 86 = ceil(256 / 3) times */
    assert_near(m.pixels[first], 0, 0);
    assert_near(m.pixels[first + 86], 64, 0);
    const size_t nan = (10 + 86) * m.nx + 10 + 2 * 86;
    assert_true(m.pixels[nan] == 255 && m.pixels[n + nan] == 0 && m.pixels[2 * n + nan] == 255);
    size_t bright = 0; /* the label */
    for (size_t i = (6 + 2 * 86) * m.nx; i < n; i++)
        bright += m.pixels[i] == 235;
    assert_true(bright > 100);
    scry_free(m.pixels);
}

static void damage_is_told(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_png_image m;
    uint8_t px[64] = {1, 2, 3};
    const size_t live = scry_memory_live();
    assert_fails(scry_png_write_grey("/nowhere/a.png", px, 8, 8, &err), SCRY_EIO);
    assert_fails(scry_png_write_grey(path, px, 0, 8, &err), SCRY_ESHAPE);
    assert_fails(scry_png_panels(path, NULL, 0, 0, &err), SCRY_EINVAL);
    const float one = 1;
    const scry_panel flat = {.values = &one, .ny = 0, .nx = 1};
    const scry_panel bare = {.ny = 1, .nx = 1};
    assert_fails(scry_png_panels(path, &flat, 1, 0, &err), SCRY_ESHAPE);
    assert_fails(scry_png_panels(path, &bare, 1, 0, &err), SCRY_EINVAL);
    assert_fails(scry_png_read(&m, "/nowhere/a.png", &err), SCRY_EIO);
    assert_ok(scry_png_write_grey(path, px, 8, 8, &err));
    for (off_t keep = 60; keep >= 0; keep -= 12) {
        assert_int_equal(truncate(path, keep), 0);
        assert_fails(scry_png_read(&m, path, &err), SCRY_EFORMAT);
        assert_null(m.pixels);
    }
    assert_int_equal(scry_memory_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(sixteen_bits_are_read),
        cmocka_unit_test(panels_lie_side_by_side),
        cmocka_unit_test(damage_is_told),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
