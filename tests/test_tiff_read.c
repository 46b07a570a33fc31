/* Reading sound files: every layout of pixels and axes that scry knows, made byte by byte. */

#include "tests/tiff_reading.h"

#include <fcntl.h>

static void plain_stacks(void **state)
{
    (void)state;
    for (int mm = 0; mm < 2; mm++) {
        scry_error err = {0};
        scry_tiff_reader *r;
        struct made f = stack(mm, 3, NULL);
        made_end(&f, at("plain.tif"));
        assert_ok(scry_tiff_open(&r, path, &err));
        expect_sizes(r, 1, 3, 1);
        assert_int_equal(scry_tiff_describe(r)->type, SCRY_TIFF_U16);
        assert_int_equal(scry_tiff_describe(r)->big_endian, mm);
        for (size_t z = 3; z-- > 0;)
            expect_plane(r, 0, z, 0, z);
        float part[6];
        assert_ok(scry_tiff_read_rect(r, 0, 1, 0, 2, 3, 2, 3, part, &err));
        for (size_t i = 0; i < 6; i++)
            assert_near((double)part[i], value(1, (2 + i / 3) * X + 3 + i % 3), 0);
        float out[N];
        assert_fails(scry_tiff_read_plane(r, 0, 3, 0, out, &err), SCRY_EINVAL);
        assert_fails(scry_tiff_read_rect(r, 0, 0, 0, 4, 0, 2, 1, out, &err), SCRY_EINVAL);
        assert_true(scry_tiff_content_of(r).max == value(2, N - 1));
        scry_tiff_close(r);
    }
}

static void imagej_orders(void **state)
{
    (void)state;
    static const struct {
        const char *order;
        size_t c, z, t; /* strides */
    } rows[] = {{"", 1, 2, 6},
                {"order=zct\n", 3, 1, 6},
                {"order=ztc\n", 6, 1, 3},
                {"order=tcz\n", 2, 4, 1}};
    for (size_t k = 0; k < 4; k++) {
        scry_error err = {0};
        scry_tiff_reader *r;
        char text[160];
        snprintf(text, sizeof text,
                 "ImageJ=1.53t\nimages=12\nchannels=2\nslices=3\nframes=2\n%s"
                 "unit=\\u00B5m\nspacing=0.75\nfinterval=2.5\nmin=1.0\nmax=9.0\n",
                 rows[k].order);
        struct made f = stack(true, 12, text);
        made_end(&f, at("ij.tif"));
        assert_ok(scry_tiff_open(&r, path, &err));
        expect_sizes(r, 2, 3, 2);
        for (size_t t = 0; t < 2; t++)
            for (size_t z = 0; z < 3; z++)
                for (size_t c = 0; c < 2; c++)
                    expect_plane(r, c, z, t, c * rows[k].c + z * rows[k].z + t * rows[k].t);
        const scry_tiff_info *info = scry_tiff_describe(r);
        assert_int_equal(info->flavour, SCRY_TIFF_IMAGEJ);
        assert_near(info->pixel_um[0], 0.75, 1e-12);
        assert_near(info->frame_s, 2.5, 1e-12);
        assert_near(info->display_max, 9, 0);
        scry_tiff_close(r);
    }
}

static void imagej_calibration(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_tiff_reader *r;
    struct made f = made_begin(false);
    uint16_t v[N];
    for (size_t i = 0; i < N; i++)
        v[i] = (uint16_t)(32768 + i);
    v[3] = 32700;
    made_add(&f, &(struct made_page){.x = X,
                                     .y = Y,
                                     .bits = 16,
                                     .photometric = 1,
                                     .pixels = v,
                                     .bytes = sizeof v,
                                     .xres = {7547649, 1000000},
                                     .res_unit = 1,
                                     .description = "ImageJ=1.44p\nunit=nm\nmin=32700.0\n"
                                                    "max=32802.0\ncf=0\nc0=-32768.0\nc1=1.0\n"
                                                    "vunit=Gray Value\n"});
    made_end(&f, at("signed.tif"));
    assert_ok(scry_tiff_open(&r, path, &err));
    assert_int_equal(scry_tiff_describe(r)->type, SCRY_TIFF_I16);
    assert_near(scry_tiff_describe(r)->pixel_um[2], 1e-3 / 7.547649, 1e-9);
    float out[N];
    assert_ok(scry_tiff_read_plane(r, 0, 0, 0, out, &err));
    assert_near((double)out[3], -68, 0);
    assert_near((double)out[5], 5, 0);
    scry_tiff_close(r);

    f = made_begin(true);
    v[3] = 33000;
    made_add(&f, &(struct made_page){
                     .x = X, .y = Y, .bits = 16, .photometric = 1, .pixels = v, .bytes = sizeof v});
    made_end(&f, at("lost.tif"));
    assert_ok(scry_tiff_open(&r, path, &err));
    assert_ok(scry_tiff_read_plane(r, 0, 0, 0, out, &err));
    assert_near((double)out[3], 33000, 0);
    assert_true(warned(r, "signed data stored unsigned"));
    scry_tiff_close(r);
}

static void one_directory_for_all(void **state)
{
    (void)state;
    for (int mm = 0; mm < 2; mm++) {
        scry_error err = {0};
        scry_tiff_reader *r;
        one_ifd(mm, 6, "ImageJ=1.53t\nimages=6\nchannels=2\nslices=3\nhyperstack=true\n",
                at("one.tif"));
        assert_ok(scry_tiff_open(&r, path, &err));
        expect_sizes(r, 2, 3, 1);
        assert_true(scry_tiff_describe(r)->one_ifd);
        for (size_t p = 6; p-- > 0;)
            expect_plane(r, p % 2, p / 2, 0, p);
        scry_tiff_close(r);
        one_ifd(mm, 5, "ImageJ=1.53t\nimages=9999\nslices=9999\n", at("cut.tif"));
        expect_failure(path, SCRY_EFORMAT, "9999 planes");
        one_ifd(mm, 4, "{\"shape\": [2, 2, 5, 7]}", at("shaped.tif"));
        assert_ok(scry_tiff_open(&r, path, &err));
        expect_sizes(r, 1, 4, 1);
        expect_plane(r, 0, 3, 0, 3);
        scry_tiff_close(r);
    }
    /* a second directory behind all the data is ignored, as ImageJ does */
    scry_error err = {0};
    scry_tiff_reader *r;
    struct made f = made_begin(true);
    uint16_t v[3 * N];
    fill(v, 0, 3);
    made_add(&f, &(struct made_page){.x = X,
                                     .y = Y,
                                     .bits = 16,
                                     .photometric = 1,
                                     .stored = N * 2,
                                     .description = "ImageJ=1.53t\nimages=3\nslices=3\n",
                                     .pixels = v,
                                     .bytes = sizeof v});
    made_add(&f, &(struct made_page){
                     .x = X, .y = Y, .bits = 16, .photometric = 1, .pixels = v, .bytes = N * 2});
    made_end(&f, at("virtual.tif"));
    assert_ok(scry_tiff_open(&r, path, &err));
    expect_sizes(r, 1, 3, 1);
    expect_plane(r, 0, 2, 0, 2);
    scry_tiff_close(r);
}

/* 5 GB that take no space: the last plane starts beyond 2^32. */
static void beyond_four_gigabytes(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_tiff_reader *r;
    const uint32_t side = 16384, planes = 20;
    const uint64_t plane = (uint64_t)side * side;
    struct made f = made_begin(true);
    char text[] = "ImageJ=1.53t\nimages=20\nslices=20\n";
    made_add(&f, &(struct made_page){.x = side,
                                     .y = side,
                                     .bits = 8,
                                     .photometric = 1,
                                     .at = 4096,
                                     .stored = (uint32_t)plane,
                                     .description = text,
                                     .pixels = text});
    made_end(&f, at("huge.tif"));
    const int fd = open(path, O_WRONLY);
    if (ftruncate(fd, (off_t)(4096 + planes * plane))) {
        close(fd);
        skip(); /* no sparse files here */
    }
    const unsigned char mark[3] = {7, 8, 9};
    assert_int_equal(pwrite(fd, mark, 3, (off_t)(4096 + 19 * plane + 100 * side + 50)), 3);
    close(fd);
    assert_ok(scry_tiff_open(&r, path, &err));
    assert_int_equal(scry_tiff_describe(r)->z, planes);
    float out[3];
    assert_ok(scry_tiff_read_rect(r, 0, 19, 0, 100, 50, 1, 3, out, &err));
    assert_near((double)out[0], 7, 0);
    assert_near((double)out[2], 9, 0);
    scry_tiff_close(r);
    unlink(path);
}

static void reduced_pages(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_tiff_reader *r;
    uint16_t v[2 * N];
    fill(v, 0, 2);
    struct made_page p = {.x = X,
                          .y = Y,
                          .bits = 16,
                          .photometric = 1,
                          .pixels = v,
                          .bytes = N * 2},
                     small = p;
    small.x = 3;
    small.y = 2;
    small.bytes = 12;
    small.subfile = 1;
    struct made f = made_begin(false);
    made_add(&f, &p);
    made_add(&f, &small);
    p.pixels = v + N;
    made_add(&f, &p);
    made_add(&f, &small);
    made_end(&f, at("pyramid.tif"));
    assert_ok(scry_tiff_open(&r, path, &err));
    expect_sizes(r, 1, 2, 1);
    assert_int_equal(scry_tiff_describe(r)->levels, 2);
    expect_plane(r, 0, 0, 0, 0);
    expect_plane(r, 0, 1, 0, 1);
    scry_tiff_close(r);
}

/* Levels of a pyramid: hung on the full image, or behind it with no flag but their size. */
static void pyramids(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_tiff_reader *r;
    unsigned char v[24 * 16] = {0};
    float out[24 * 16];
    for (size_t i = 0; i < sizeof v; i++)
        v[i] = (unsigned char)(i % 251);
    struct made_page p = {.x = 24, .y = 16, .bits = 8, .photometric = 1, .pixels = v, .bytes = 384},
                     half = p, quarter = p;
    half.x = 12, half.y = 8, half.bytes = 96;
    quarter.x = 6, quarter.y = 4, quarter.bytes = 24;
    for (int way = 0; way < 2; way++) {
        struct made f = made_begin(way);
        struct made_page full = p;
        if (way == 0) full.sub = made_aside(&f, &half);
        made_add(&f, &full);
        if (way == 1) made_add(&f, &half);
        if (way == 1) made_add(&f, &quarter);
        made_end(&f, at("levels.tif"));
        assert_ok(scry_tiff_open(&r, path, &err));
        const scry_tiff_info *info = scry_tiff_describe(r);
        assert_int_equal(info->x, 24);
        assert_int_equal(info->z, 1);
        assert_int_equal(info->levels, 1 + way);
        assert_true(warned(r, "full resolution is read, and files written from it are flat"));
        assert_ok(scry_tiff_read_plane(r, 0, 0, 0, out, &err));
        assert_near((double)out[300], 300 - 251, 0);
        scry_tiff_close(r);
    }
    struct made f = made_begin(false); /* another form: no level of it */
    half.x = 11, half.y = 5, half.bytes = 55;
    made_add(&f, &p);
    made_add(&f, &half);
    made_end(&f, at("other.tif"));
    expect_failure(path, SCRY_EFORMAT, "page 2 is 11 x 5");
    assert_fails(scry_tiff_open_series(&r, at("levels.tif"), 1, &err), SCRY_EINVAL);
}

static void packed_bits(void **state)
{
    (void)state;
    static const uint16_t sizes[] = {1, 2, 4, 10, 12, 14};
    for (size_t k = 0; k < 6; k++) {
        scry_error err = {0};
        scry_tiff_reader *r;
        const unsigned bits = sizes[k];
        unsigned char row[2 * X] = {0}, data[Y * 2 * X];
        const size_t bytes = (X * bits + 7) / 8;
        float out[N];
        for (size_t x = 0; x < X; x++)
            for (unsigned b = 0; b < bits; b++) {
                const size_t bit = x * bits + b;
                const unsigned v = (unsigned)(11 + 613 * x) & ((1u << bits) - 1);
                if (v >> (bits - 1 - b) & 1) row[bit / 8] |= (unsigned char)(0x80 >> bit % 8);
            }
        for (size_t y = 0; y < Y; y++)
            memcpy(data + y * bytes, row, bytes);
        struct made f = made_begin(k % 2);
        made_add(&f, &(struct made_page){.x = X,
                                         .y = Y,
                                         .bits = (uint16_t)bits,
                                         .photometric = 1,
                                         .pixels = data,
                                         .bytes = Y * bytes});
        made_end(&f, at("packed.tif"));
        assert_ok(scry_tiff_open(&r, path, &err));
        assert_int_equal(scry_tiff_describe(r)->type, bits > 8 ? SCRY_TIFF_U16 : SCRY_TIFF_U8);
        assert_ok(scry_tiff_read_plane(r, 0, 0, 0, out, &err));
        for (size_t i = 0; i < N; i++)
            assert_near((double)out[i], (unsigned)(11 + 613 * (i % X)) & ((1u << bits) - 1), 0);
        scry_tiff_close(r);
    }
}

static void colours(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_tiff_reader *r;
    unsigned char v[3 * N];
    float out[N];
    for (size_t i = 0; i < 3 * N; i++)
        v[i] = (unsigned char)(2 * i + 1);
    struct made f = made_begin(false);
    struct made_page p = {
        .x = X, .y = Y, .bits = 8, .samples = 3, .photometric = 2, .pixels = v, .bytes = 3 * N};
    made_add(&f, &p);
    made_end(&f, at("rgb.tif"));
    assert_ok(scry_tiff_open(&r, path, &err));
    expect_sizes(r, 3, 1, 1);
    assert_true(scry_tiff_describe(r)->rgb);
    assert_ok(scry_tiff_read_plane(r, 1, 0, 0, out, &err));
    for (size_t i = 0; i < N; i++)
        assert_near((double)out[i], v[3 * i + 1], 0);
    scry_tiff_close(r);
    p.planar = 2;
    f = made_begin(true);
    made_add(&f, &p);
    made_end(&f, at("planar.tif"));
    assert_ok(scry_tiff_open(&r, path, &err));
    assert_ok(scry_tiff_read_plane(r, 2, 0, 0, out, &err));
    for (size_t i = 0; i < N; i++)
        assert_near((double)out[i], v[2 * N + i], 0);
    scry_tiff_close(r);
    f = made_begin(false);
    made_add(&f, &(struct made_page){.x = X, .y = Y, .bits = 8, .pixels = v, .bytes = N});
    made_end(&f, at("white.tif"));
    assert_ok(scry_tiff_open(&r, path, &err));
    assert_ok(scry_tiff_read_plane(r, 0, 0, 0, out, &err));
    assert_near((double)out[4], 255 - v[4], 0);
    assert_true(warned(r, "WhiteIsZero"));
    scry_tiff_close(r);
}

/* How a viewer turns and blends the pixels is kept; their values and places are those of the file.
 */
static void presentation(void **state)
{
    (void)state;
    static const struct {
        uint16_t samples, extra, orientation;
        bool alpha;
        uint16_t read;
    } rows[] = {{4, 2, 6, true, 6},  {4, 1, 8, true, 8},  {2, 2, 3, true, 3},
                {4, 0, 0, false, 1}, {2, 0, 9, false, 1}, {1, 0, 5, false, 5}};
    unsigned char v[4 * N];
    float out[N];
    for (size_t i = 0; i < 4 * N; i++)
        v[i] = (unsigned char)(i + 1);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        scry_error err = {0};
        scry_tiff_reader *r;
        struct made f = made_begin(k % 2);
        made_add(&f, &(struct made_page){.x = X,
                                         .y = Y,
                                         .bits = 8,
                                         .samples = rows[k].samples,
                                         .photometric = rows[k].samples == 4 ? 2 : 1,
                                         .orientation = rows[k].orientation,
                                         .extra = rows[k].extra,
                                         .pixels = v,
                                         .bytes = rows[k].samples * (size_t)N});
        made_end(&f, at("shown.tif"));
        assert_ok(scry_tiff_open(&r, path, &err));
        const scry_tiff_info *info = scry_tiff_describe(r);
        assert_int_equal(info->orientation, rows[k].read);
        assert_int_equal(info->extra[0], rows[k].extra);
        for (size_t c = 0; c < info->c; c++)
            assert_int_equal(scry_tiff_is_alpha(info, c), rows[k].alpha && c + 1 == info->c);
        assert_ok(scry_tiff_read_plane(r, 0, 0, 0, out, &err));
        assert_near((double)out[X], v[X * rows[k].samples], 0);
        scry_tiff_close(r);
    }
}

static void precision(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_tiff_reader *r;
    uint32_t v[N] = {16777217, 5, 4294967295u};
    double d[N] = {0.1, 0.5, 1e300};
    float out[N];
    struct made f = made_begin(true);
    made_add(&f, &(struct made_page){
                     .x = X, .y = Y, .bits = 32, .photometric = 1, .pixels = v, .bytes = sizeof v});
    made_end(&f, at("u32.tif"));
    assert_ok(scry_tiff_open(&r, path, &err));
    assert_true(warned(r, "rounded"));
    assert_ok(scry_tiff_read_plane(r, 0, 0, 0, out, &err));
    assert_int_equal(scry_tiff_content_of(r).rounded, 2);
    scry_tiff_close(r);
    f = made_begin(true);
    made_add(&f, &(struct made_page){.x = X,
                                     .y = Y,
                                     .bits = 64,
                                     .format = 3,
                                     .photometric = 1,
                                     .pixels = d,
                                     .bytes = sizeof d});
    made_end(&f, at("f64.tif"));
    assert_ok(scry_tiff_open(&r, path, &err));
    assert_fails(scry_tiff_read_plane(r, 0, 0, 0, out, &err), SCRY_ENUMERIC);
    assert_ok(scry_tiff_read_rect(r, 0, 0, 0, 0, 0, 1, 2, out, &err));
    assert_near((double)out[1], 0.5, 0);
    scry_tiff_close(r);
    float s[N] = {NAN, INFINITY, 3};
    f = made_begin(false);
    made_add(&f, &(struct made_page){.x = X,
                                     .y = Y,
                                     .bits = 32,
                                     .format = 3,
                                     .photometric = 1,
                                     .pixels = s,
                                     .bytes = sizeof s});
    made_end(&f, at("nan.tif"));
    assert_ok(scry_tiff_open(&r, path, &err));
    assert_ok(scry_tiff_read_plane(r, 0, 0, 0, out, &err));
    assert_int_equal(scry_tiff_content_of(r).nonfinite, 2);
    assert_near(scry_tiff_content_of(r).max, 3, 0);
    scry_tiff_close(r);
}

/* 20 000 pages: quadratic walking takes minutes, so this test would be seen to hang. */
static void many_pages(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_tiff_reader *r;
    struct made f = made_begin(false);
    const unsigned char v = 3;
    for (size_t p = 0; p < 20000; p++)
        made_add(&f, &(struct made_page){
                         .x = 1, .y = 1, .bits = 8, .photometric = 1, .pixels = &v, .bytes = 1});
    made_end(&f, at("many.tif"));
    assert_ok(scry_tiff_open(&r, path, &err));
    assert_int_equal(scry_tiff_describe(r)->z, 20000);
    float out;
    for (size_t k = 0; k < 20000; k++)
        assert_ok(scry_tiff_read_plane(r, 0, k * 7919 % 20000, 0, &out, &err));
    scry_tiff_close(r);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_stacks),
        cmocka_unit_test(imagej_orders),
        cmocka_unit_test(imagej_calibration),
        cmocka_unit_test(one_directory_for_all),
        cmocka_unit_test(beyond_four_gigabytes),
        cmocka_unit_test(reduced_pages),
        cmocka_unit_test(pyramids),
        cmocka_unit_test(packed_bits),
        cmocka_unit_test(colours),
        cmocka_unit_test(presentation),
        cmocka_unit_test(precision),
        cmocka_unit_test(many_pages),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
