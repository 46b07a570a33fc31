/* Pages: whatever a file is called, its name is text; an image comes out of a page as it went in;
 * refused memory is an error and nothing is written. */
#include "tests/check.h"

#include "lib/io/html.h"
#include "lib/io/png.h"
#include "lib/memory.h"
#include "tests/scratch.h"

#include <string.h>

static void assert_text(const char *text, const char *expected)
{
    scry_error err = {0};
    scry_html *page;
    assert_ok(scry_html_create(&page, &err));
    scry_html_text(page, text);
    assert_string_equal(scry_html_content(page), expected);
    assert_int_equal(scry_html_bytes(page), strlen(expected));
    scry_html_free(page);
}

static void text_is_escaped(void **state)
{
    (void)state;
    assert_text("", "");
    assert_text("a <b> & \"c\" 'd'.tif", "a &lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;.tif");
    assert_text("</script><!--", "&lt;/script&gt;&lt;!--");
    assert_text("\xc3\xa9\xe2\x88\x92\xf0\x9f\x94\xac", "\xc3\xa9\xe2\x88\x92\xf0\x9f\x94\xac");
    /* Latin-1, a cut character, an overlong slash, a surrogate, beyond the last plane */
    assert_text("\xe9.tif", "\xef\xbf\xbd.tif");
    assert_text("a\xe2\x88", "a\xef\xbf\xbd\xef\xbf\xbd");
    assert_text("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");
    assert_text("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    assert_text("\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    assert_text("a\x01\x1b\x7f\tb\nc", "a\tb\nc");
}

static void formats_are_text_or_markup(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_html *page, *other;
    assert_ok(scry_html_create(&page, &err));
    assert_ok(scry_html_create(&other, &err));
    scry_html_markupf(page, "<b>%d</b>", 3);
    scry_html_textf(other, "<%s>", "x&y");
    scry_html_append(page, other);
    assert_string_equal(scry_html_content(page), "<b>3</b>&lt;x&amp;y&gt;");
    scry_html_free(other);
    scry_html_free(page);
}

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* The bytes of the first image of a page; their count. */
static size_t decode_image(uint8_t *out, const char *page)
{
    const char *s = strstr(page, "base64,") + strlen("base64,");
    size_t count = 0;
    unsigned bits = 0, have = 0;
    for (; digit_of(*s) >= 0; s++) {
        bits = bits << 6 | (unsigned)digit_of(*s);
        if ((have += 6) < 8) continue;
        have -= 8;
        out[count++] = (uint8_t)(bits >> have);
    }
    return count;
}

static void images_survive(void **state)
{
    (void)state;
    static const scry_colour palette[] = {{1, 2, 3}, {250, 128, 7}, {0, 255, 0}};
    for (size_t nx = 5; nx < 9; nx++) { /* lengths of every remainder by three */
        enum { NY = 3 };
        scry_error err = {0};
        uint8_t pixels[NY * 9], bytes[4096], *png;
        size_t size;
        scry_html *page;
        scry_png_image back;
        for (size_t i = 0; i < NY * nx; i++)
            pixels[i] = (uint8_t)(i * i % 3);
        assert_ok(scry_png_encode_indexed(&png, &size, pixels, NY, nx, palette, 3, &err));
        assert_ok(scry_html_create(&page, &err));
        scry_html_png(page, png, size, NY, nx, 2 * nx, "a \"b\"");
        assert_non_null(strstr(scry_html_content(page), "alt=\"a &quot;b&quot;\""));
        assert_non_null(strstr(scry_html_content(page), "height=\"6\""));
        assert_int_equal(decode_image(bytes, scry_html_content(page)), size);
        assert_memory_equal(bytes, png, size);
        scratch_write("a.png", bytes, size);
        assert_ok(scry_png_read(&back, scratch("a.png"), &err));
        assert_int_equal(back.channels, 3);
        for (size_t i = 0; i < NY * nx; i++) {
            assert_near(back.pixels[i], palette[pixels[i]].r, 0);
            assert_near(back.pixels[2 * NY * nx + i], palette[pixels[i]].b, 0);
        }
        scry_free(back.pixels);
        scry_free(png);
        scry_html_free(page);
    }
}

static void bad_images_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_colour colour = {0};
    const uint8_t pixel[3] = {0};
    uint8_t *png;
    size_t size;
    assert_fails(scry_png_encode_indexed(&png, &size, pixel, 1, 1, &colour, 0, &err), SCRY_EINVAL);
    assert_fails(scry_png_encode_indexed(&png, &size, pixel, 1, 1, &colour, 257, &err),
                 SCRY_EINVAL);
    assert_fails(scry_png_encode_rgb(&png, &size, pixel, 0, 1, &err), SCRY_ESHAPE);
    for (size_t nth = 1; nth < 4; nth++) {
        const size_t before = scry_memory_live();
        scry_memory_fail_at(nth);
        const scry_status st = scry_png_encode_rgb(&png, &size, pixel, 1, 1, &err);
        scry_memory_fail_at(0);
        assert_true(st == SCRY_ENOMEM || nth > 2);
        err = (scry_error){0};
        if (st == SCRY_OK) scry_free(png);
        assert_int_equal(scry_memory_live(), before);
    }
}

static void files_appear_whole(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_html *page;
    char name[400], text[64] = "";
    scratch_write("a.html", "old", 3);
    snprintf(name, sizeof name, "%s", scratch("a.html"));
    assert_ok(scry_html_create(&page, &err));
    scry_memory_fail_at(1);
    scry_html_markup(page, "<p>lost");
    scry_memory_fail_at(0);
    scry_html_markup(page, "</p>");
    assert_fails(scry_html_write(page, name, &err), SCRY_ENOMEM);
    scry_html_free(page);

    assert_ok(scry_html_create(&page, &err));
    scry_html_markup(page, "<p>kept</p>");
    assert_fails(scry_html_write(page, "/no/such/folder/x.html", &err), SCRY_EIO);
    assert_ok(scry_html_write(page, name, &err));
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    assert_string_equal(text, "<p>kept</p>");
    assert_int_equal(scratch_count(), 2); /* and an image */
    scry_html_free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped),    cmocka_unit_test(formats_are_text_or_markup),
        cmocka_unit_test(images_survive),     cmocka_unit_test(bad_images_are_refused),
        cmocka_unit_test(files_appear_whole),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
