/* Files that are broken, cut short, of another kind, or legal but not read: each is refused in
 * words that name the error. */

#include "tests/tiff_reading.h"

#include <sys/stat.h>

static void broken_chains(void **state)
{
    (void)state;
    struct made f = stack(false, 5, "ImageJ=1.53t\nimages=5\nslices=5\n");
    f.size -= 300; /* within the last pages: their directories are gone */
    made_end(&f, at("cut.tif"));
    expect_failure(path, SCRY_EFORMAT, "truncated");
    f = stack(false, 2, NULL);
    made_patch(&f, f.link, 99999);
    made_end(&f, at("beyond.tif"));
    expect_failure(path, SCRY_EFORMAT, "after page 2");
    f = stack(false, 1, NULL);
    uint32_t first = (uint32_t)f.bytes[4] | (uint32_t)f.bytes[5] << 8;
    made_patch(&f, f.link, first);
    made_end(&f, at("loop.tif"));
    expect_failure(path, SCRY_EFORMAT, "loops after page 1");
    f = stack(false, 3, NULL);
    made_patch(&f, f.link, first);
    made_end(&f, at("loop3.tif"));
    expect_failure(path, SCRY_EFORMAT, "loops after page 3");
    f = stack(false, 3, "ImageJ=1.53t\nimages=4\nslices=4\n");
    made_end(&f, at("short.tif"));
    expect_failure(path, SCRY_EFORMAT, "promises 4 planes");
    f = stack(false, 4, "ImageJ=1.53t\nimages=2\nslices=2\n");
    made_end(&f, at("long.tif"));
    scry_error err = {0};
    scry_tiff_reader *r;
    assert_ok(scry_tiff_open(&r, path, &err));
    expect_sizes(r, 1, 4, 1);
    assert_true(warned(r, "4 pages"));
    scry_tiff_close(r);
}

static void wrong_pages(void **state)
{
    (void)state;
    uint16_t v[4 * N];
    fill(v, 0, 4);
    struct made_page p = {.x = X,
                          .y = Y,
                          .bits = 16,
                          .photometric = 1,
                          .pixels = v,
                          .bytes = N * 2},
                     q = p;
    struct made f = made_begin(false);
    q.x = 2 * X;
    q.y = 2 * Y;
    q.bytes = 4 * N * 2;
    made_add(&f, &p);
    made_add(&f, &q);
    made_end(&f, at("larger.tif"));
    expect_failure(path, SCRY_EFORMAT, "page 2 is 14 x 10");
    f = made_begin(false);
    q = p;
    q.bits = 8;
    made_add(&f, &p);
    made_add(&f, &q);
    made_end(&f, at("other.tif"));
    expect_failure(path, SCRY_EFORMAT, "page 2 is 7 x 5 x 1 of 8-bit");
    f = made_begin(false);
    q = p;
    q.at = 100000;
    made_add(&f, &p);
    made_add(&f, &q);
    made_end(&f, at("past.tif"));
    expect_failure(path, SCRY_EFORMAT, "page 2, strip 0 ends at byte 100070");
    f = made_begin(false);
    q = p;
    q.x = q.y = 0x7fffffff;
    q.rows = 1;
    made_add(&f, &q);
    made_end(&f, at("giant.tif"));
    expect_failure(path, SCRY_EFORMAT, "");
    q.rows = 0;
    q.compression = 8;
    f = made_begin(false);
    made_add(&f, &q);
    made_end(&f, at("bomb.tif"));
    expect_failure(path, SCRY_EFORMAT, "2147483647 x 2147483647");
    f = made_begin(false);
    q = p;
    q.y = 0;
    made_add(&f, &q);
    made_end(&f, at("flat.tif"));
    expect_failure(path, SCRY_EFORMAT, "");
}

static void unsupported(void **state)
{
    (void)state;
    uint16_t v[4 * N] = {0};
    const struct made_page p = {
        .x = X, .y = Y, .bits = 16, .photometric = 1, .pixels = v, .bytes = N * 2};
    struct {
        struct made_page page;
        const char *expected;
    } rows[6] = {{p, "16-bit float"},  {p, "JPEG 2000"}, {p, "photometric interpretation 8"},
                 {p, "complex float"}, {p, "24-bit"},    {p, "old-style JPEG"}};
    rows[0].page.format = 3;
    rows[1].page.compression = 34712;
    rows[2].page.photometric = 8;
    rows[3].page.format = 6;
    rows[3].page.bits = 64;
    rows[3].page.bytes = N * 8;
    rows[4].page.bits = 24;
    rows[4].page.bytes = N * 3;
    rows[5].page.compression = 6;
    for (size_t i = 0; i < 6; i++) {
        struct made f = made_begin(false);
        made_add(&f, &rows[i].page);
        made_end(&f, at("odd.tif"));
        expect_failure(path, SCRY_EUNSUP, rows[i].expected);
    }
}

static void not_tiffs(void **state)
{
    (void)state;
    expect_failure(at("absent.tif"), SCRY_EIO, "No such file");
    expect_failure(dir, SCRY_EIO, "regular file");
    FILE *f = fopen(at("empty.tif"), "wb");
    fclose(f);
    expect_failure(path, SCRY_EFORMAT, "not a TIFF");
    f = fopen(at("text.tif"), "wb");
    fputs("this is no image at all", f);
    fclose(f);
    expect_failure(path, SCRY_EFORMAT, "not a TIFF");
    mkfifo(at("fifo.tif"), 0600);
    expect_failure(path, SCRY_EIO, "regular file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_chains),
        cmocka_unit_test(wrong_pages),
        cmocka_unit_test(unsupported),
        cmocka_unit_test(not_tiffs),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
