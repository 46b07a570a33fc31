/* Writing: values, metadata and failures. tests/test_tiff_golden.c has the files judged by
 * tifffile. */

#include "tests/check.h"

#include "lib/memory.h"
#include "lib/io/tiff/tiff.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char dir[] = "/tmp/scry-tiff-XXXXXX";
static char path[128];

static const char *at(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

enum { X = 13, Y = 11, N = X * Y, C = 2, Z = 3, T = 2 };

static float value(size_t c, size_t z, size_t t, size_t i)
{
    return (float)(i % 57 + 20 * c + 7 * z + 3 * t);
}

static void fill(float *v, size_t c, size_t z, size_t t)
{
    for (size_t i = 0; i < N; i++)
        v[i] = value(c, z, t, i);
}

/* Nothing but `expected` entries in the directory: no temporary file is left. */
static void expect_entries(int expected)
{
    int n = 0;
    DIR *d = opendir(dir);
    for (const struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    closedir(d);
    assert_int_equal(n, expected);
}

static void expect_values(const char *file, const scry_tiff_info *like)
{
    scry_error err = {0};
    scry_tiff_reader *r;
    float out[N];
    assert_ok(scry_tiff_open(&r, file, &err));
    const scry_tiff_info *info = scry_tiff_describe(r);
    const bool plain = like->flavour == SCRY_TIFF_PLAIN && like->samples == 1;
    if (!plain) {
        assert_int_equal(info->c, like->c);
        assert_int_equal(info->z, like->z);
        assert_int_equal(info->t, like->t);
    }
    for (size_t t = 0; t < like->t; t++)
        for (size_t z = 0; z < like->z; z++)
            for (size_t c = 0; c < like->c; c++) {
                const size_t page = c + like->c * (z + like->z * t);
                assert_ok(plain ? scry_tiff_read_plane(r, 0, page, 0, out, &err)
                                : scry_tiff_read_plane(r, c, z, t, out, &err));
                for (size_t i = 0; i < N; i++)
                    assert_near((double)out[i], (double)value(c, z, t, i), 0);
            }
    scry_tiff_close(r);
}

/* Planes in the order t, c, z: not that of any file. */
static void write_all(const char *file, const scry_tiff_info *like, const scry_tiff_options *opts)
{
    scry_error err = {0};
    scry_tiff_writer *w;
    scry_tiff_written result;
    float v[N];
    assert_ok(scry_tiff_create(&w, file, like, opts, &err));
    for (size_t t = like->t; t-- > 0;)
        for (size_t c = 0; c < like->c; c++)
            for (size_t z = 0; z < like->z; z++) {
                fill(v, c, z, t);
                assert_ok(scry_tiff_write_plane(w, c, z, t, v, &err));
            }
    assert_ok(scry_tiff_finish(w, &result, &err));
    assert_int_equal(result.pixels, like->c * like->z * like->t * N);
    assert_int_equal(result.clipped + result.rounded + result.nonfinite, 0);
}

static void every_type_and_flavour(void **state)
{
    (void)state;
    for (int flavour = 0; flavour < 3; flavour++)
        for (int type = SCRY_TIFF_U8; type <= SCRY_TIFF_F64; type++)
            for (int packing = 0; packing < 3; packing++)
                for (int samples = 1; samples < 4; samples += 2) {
                    scry_tiff_info like;
                    scry_tiff_options opts = {.packing = (scry_tiff_packing)packing,
                                              .force = true,
                                              .size = (scry_tiff_size)(type % 2)};
                    scry_tiff_info_init(&like, (scry_tiff_flavour)flavour, (scry_tiff_type)type,
                                        &(scry_tiff_axes){.c = samples == 3 ? 3 : C,
                                                          .z = Z,
                                                          .t = flavour ? T : 1,
                                                          .y = Y,
                                                          .x = X});
                    like.samples = (size_t)samples;
                    like.rgb = samples == 3;
                    write_all(at("all.tif"), &like, &opts);
                    if (flavour || samples == 1) expect_values(path, &like);
                }
    expect_entries(1);
}

static void presentation_is_kept(void **state)
{
    (void)state;
    for (int flavour = 0; flavour < 3; flavour += 2)
        for (int packing = 0; packing < 3; packing++) {
            scry_error err = {0};
            scry_tiff_reader *r;
            scry_tiff_info like;
            const scry_tiff_options opts = {.packing = (scry_tiff_packing)packing, .force = true};
            scry_tiff_info_init(&like, (scry_tiff_flavour)flavour, SCRY_TIFF_U8,
                                &(scry_tiff_axes){.c = 4, .y = Y, .x = X});
            like.samples = 4;
            like.rgb = true;
            like.orientation = 6;
            like.extra[0] = 2;
            write_all(at("shown.tif"), &like, &opts);
            assert_ok(scry_tiff_open(&r, path, &err));
            assert_int_equal(scry_tiff_describe(r)->orientation, 6);
            assert_int_equal(scry_tiff_describe(r)->extra[0], 2);
            assert_true(scry_tiff_is_alpha(scry_tiff_describe(r), 3));
            scry_tiff_close(r);
            unlink(path);
        }
}

static void rectangles(void **state)
{
    (void)state;
    for (int packing = 0; packing < 2; packing++) {
        scry_error err = {0};
        scry_tiff_info like;
        scry_tiff_writer *w;
        float v[N], part[N];
        scry_tiff_options opts = {.packing = (scry_tiff_packing)packing, .force = true};
        scry_tiff_info_init(&like, SCRY_TIFF_OME, SCRY_TIFF_U16,
                            &(scry_tiff_axes){.c = 3, .y = Y, .x = X});
        like.samples = 3;
        like.rgb = true;
        assert_ok(scry_tiff_create(&w, at("rect.tif"), &like, &opts, &err));
        for (size_t c = 0; c < 3; c++) {
            fill(v, c, 0, 0);
            for (size_t y = 0; y < Y; y += 4)
                for (size_t x = 0; x < X; x += 5) {
                    const size_t h = Y - y < 4 ? Y - y : 4, n = X - x < 5 ? X - x : 5;
                    for (size_t i = 0; i < h * n; i++)
                        part[i] = v[(y + i / n) * X + x + i % n];
                    assert_ok(scry_tiff_write_rect(w, c, 0, 0, y, x, h, n, part, &err));
                }
        }
        assert_fails(scry_tiff_write_rect(w, 0, 0, 0, 0, 0, 1, 1, part, &err), SCRY_EINVAL);
        assert_ok(scry_tiff_finish(w, NULL, &err));
        expect_values(path, &like);
    }
}

static void counted_conversions(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_tiff_info like;
    scry_tiff_writer *w;
    scry_tiff_reader *r;
    scry_tiff_written result;
    float v[N] = {0};
    const scry_tiff_options opts = {.force = true};
    v[0] = -3;    /* clipped */
    v[1] = 70000; /* clipped */
    v[2] = 2.5f;  /* rounded, to even */
    v[3] = 3.5f;
    v[4] = 65535.4f;
    scry_tiff_info_init(&like, SCRY_TIFF_IMAGEJ, SCRY_TIFF_U16, &(scry_tiff_axes){.y = Y, .x = X});
    assert_ok(scry_tiff_create(&w, at("count.tif"), &like, &opts, &err));
    assert_ok(scry_tiff_write_plane(w, 0, 0, 0, v, &err));
    assert_ok(scry_tiff_finish(w, &result, &err));
    assert_int_equal(result.clipped, 2);
    assert_int_equal(result.rounded, 3);
    assert_near(result.max, 65535, 0);
    assert_ok(scry_tiff_open(&r, path, &err));
    assert_ok(scry_tiff_read_plane(r, 0, 0, 0, v, &err));
    assert_near((double)v[0], 0, 0);
    assert_near((double)v[1], 65535, 0);
    assert_near((double)v[2], 2, 0);
    assert_near((double)v[3], 4, 0);
    assert_near(scry_tiff_describe(r)->display_max, 65535, 0);
    scry_tiff_close(r);

    v[7] = NAN;
    assert_ok(scry_tiff_create(&w, path, &like, &opts, &err));
    assert_fails(scry_tiff_write_plane(w, 0, 0, 0, v, &err), SCRY_ENUMERIC);
    assert_fails(scry_tiff_finish(w, NULL, &err), SCRY_ENUMERIC);
    like.type = SCRY_TIFF_F32;
    assert_ok(scry_tiff_create(&w, path, &like, &opts, &err));
    assert_ok(scry_tiff_write_plane(w, 0, 0, 0, v, &err));
    assert_ok(scry_tiff_finish(w, &result, &err));
    assert_int_equal(result.nonfinite, 1);
}

static void metadata(void **state)
{
    (void)state;
    for (int flavour = SCRY_TIFF_IMAGEJ; flavour <= SCRY_TIFF_OME; flavour++) {
        scry_error err = {0};
        scry_tiff_info like;
        scry_tiff_reader *r;
        const scry_tiff_channel channels[2] = {{"nuclei", 461, 358, 0}, {"actin", 520, 0, 40}};
        const scry_tiff_options opts = {.force = true, .provenance = "deblur a b --seed 1"};
        scry_tiff_info_init(&like, (scry_tiff_flavour)flavour, SCRY_TIFF_I16,
                            &(scry_tiff_axes){.c = C, .z = Z, .t = T, .y = Y, .x = X});
        memcpy(like.pixel_um, (double[3]){0.25, 0.065, 0.0651}, sizeof like.pixel_um);
        like.frame_s = 1.5;
        like.na = 1.4;
        like.refractive_index = 1.518;
        like.magnification = 63;
        strcpy(like.immersion, "Oil");
        like.channels = channels;
        like.channel_count = 2;
        if (flavour == SCRY_TIFF_OME) strcpy(like.order, "zct");
        for (int pass = 0; pass < 2; pass++) { /* the second is modelled on the first */
            write_all(at("meta.tif"), &like, &opts);
            if (pass) scry_tiff_close(r);
            assert_ok(scry_tiff_open(&r, path, &err));
            like = *scry_tiff_describe(r);
            assert_int_equal(like.type, SCRY_TIFF_I16);
            assert_int_equal(scry_tiff_warnings(r), 0);
            assert_near(like.pixel_um[0], 0.25, 1e-9);
            assert_near(like.pixel_um[1], 0.065, 1e-8);
            assert_near(like.pixel_um[2], 0.0651, 1e-8);
            assert_near(like.frame_s, 1.5, 1e-9);
            if (flavour != SCRY_TIFF_OME) continue;
            assert_string_equal(like.order, "zct");
            assert_near(like.na, 1.4, 0);
            assert_near(like.refractive_index, 1.518, 0);
            assert_string_equal(like.immersion, "Oil");
            assert_int_equal(like.channel_count, 2);
            assert_string_equal(like.channels[1].name, "actin");
            assert_near(like.channels[0].emission_nm, 461, 0);
            assert_near(like.channels[1].pinhole_um, 40, 0);
            assert_non_null(strstr(like.description, "urn:uuid:"));
        }
        /* fewer slices and another type: the description may not keep the old ones */
        like.z = 1;
        like.c = 1;
        like.type = SCRY_TIFF_F32;
        write_all(at("less.tif"), &like, &opts);
        expect_values(path, &like);
        scry_tiff_close(r);
    }
}

static void equal_runs_equal_bytes(void **state)
{
    (void)state;
    char *text[2];
    for (int k = 0; k < 2; k++) {
        scry_tiff_info like;
        const scry_tiff_options opts = {.force = true};
        scry_tiff_info_init(&like, SCRY_TIFF_OME, SCRY_TIFF_F32,
                            &(scry_tiff_axes){.c = C, .z = Z, .t = T, .y = Y, .x = X});
        write_all(at("same.tif"), &like, &opts);
        struct stat info;
        stat(path, &info);
        text[k] = calloc(1, (size_t)info.st_size + 1);
        FILE *f = fopen(path, "rb");
        assert_int_equal(fread(text[k], 1, (size_t)info.st_size, f), info.st_size);
        fclose(f);
        if (k) assert_memory_equal(text[0], text[1], (size_t)info.st_size);
    }
    free(text[0]);
    free(text[1]);
}

static void refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_tiff_info like;
    scry_tiff_writer *w = NULL;
    float v[N] = {0};
    scry_tiff_info_init(&like, SCRY_TIFF_OME, SCRY_TIFF_U8,
                        &(scry_tiff_axes){.z = 2, .y = Y, .x = X});
    FILE *f = fopen(at("precious.tif"), "w");
    fputs("precious", f);
    fclose(f);
    assert_fails(scry_tiff_create(&w, path, &like, NULL, &err), SCRY_EINVAL);
    assert_null(w);
    assert_fails(scry_tiff_create(&w, at("no/such/dir.tif"), &like, NULL, &err), SCRY_EIO);
    assert_fails(scry_tiff_create(&w, dir, &like, &(scry_tiff_options){.force = true}, &err),
                 SCRY_EINVAL);
    scry_tiff_info bad = like;
    bad.z = 0;
    assert_fails(scry_tiff_create(&w, at("x.tif"), &bad, NULL, &err), SCRY_EINVAL);
    bad = like;
    bad.samples = 3;
    assert_fails(scry_tiff_create(&w, path, &bad, NULL, &err), SCRY_EINVAL);
    bad = like;
    bad.rgb = true; /* with one sample a pixel */
    assert_fails(scry_tiff_create(&w, path, &bad, NULL, &err), SCRY_EINVAL);
    bad = like;
    bad.type = (scry_tiff_type)77;
    assert_fails(scry_tiff_create(&w, path, &bad, NULL, &err), SCRY_EINVAL);

    /* a plane forgotten, one given twice, one outside; the target stays */
    assert_ok(
        scry_tiff_create(&w, at("precious.tif"), &like, &(scry_tiff_options){.force = true}, &err));
    assert_ok(scry_tiff_write_plane(w, 0, 1, 0, v, &err));
    assert_fails(scry_tiff_write_plane(w, 0, 1, 0, v, &err), SCRY_EINVAL);
    assert_fails(scry_tiff_write_plane(w, 0, 2, 0, v, &err), SCRY_EINVAL);
    assert_fails(scry_tiff_finish(w, NULL, &err), SCRY_EINVAL);
    struct stat info;
    stat(path, &info);
    assert_int_equal(info.st_size, 8);

    /* a file that appears while ours is being written */
    assert_ok(scry_tiff_create(&w, at("race.tif"), &like, NULL, &err));
    assert_ok(scry_tiff_write_plane(w, 0, 0, 0, v, &err));
    assert_ok(scry_tiff_write_plane(w, 0, 1, 0, v, &err));
    f = fopen(path, "w");
    fputs("x", f);
    fclose(f);
    assert_fails(scry_tiff_finish(w, NULL, &err), SCRY_EINVAL);
    stat(path, &info);
    assert_int_equal(info.st_size, 1);
    unlink(path);
    assert_ok(scry_tiff_create(&w, path, &like, NULL, &err));
    scry_tiff_abort(w);
    unlink(at("precious.tif"));
}

/* A limit on the size of files stands in for a full disk. */
static void full_disk(void **state)
{
    (void)state;
    struct rlimit before, tight;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    for (int packing = 0; packing < 2; packing++)
        for (rlim_t limit = 64; limit < 4000; limit += 600) {
            scry_error err = {0};
            scry_tiff_info like;
            scry_tiff_writer *w = NULL;
            float v[N];
            const scry_tiff_options opts = {.packing = (scry_tiff_packing)packing};
            for (size_t i = 0; i < N; i++)
                v[i] = (float)sin((double)(i * i));
            scry_tiff_info_init(&like, SCRY_TIFF_IMAGEJ, SCRY_TIFF_F32,
                                &(scry_tiff_axes){.z = 8, .y = Y, .x = X});
            tight = before;
            tight.rlim_cur = limit;
            setrlimit(RLIMIT_FSIZE, &tight);
            scry_status st = scry_tiff_create(&w, at("full.tif"), &like, &opts, &err);
            for (size_t z = 0; z < 8 && st == SCRY_OK; z++)
                st = scry_tiff_write_plane(w, 0, 7 - z, 0, v, &err);
            if (w) {
                scry_error later = {0};
                const scry_status end = scry_tiff_finish(w, NULL, st == SCRY_OK ? &err : &later);
                if (st == SCRY_OK) st = end;
            }
            setrlimit(RLIMIT_FSIZE, &before);
            assert_int_equal(st, SCRY_EIO);
            assert_non_null(strstr(err.text, "File too large"));
            assert_true(access(path, F_OK) != 0);
        }
}

static void failed_allocations(void **state)
{
    (void)state;
    for (int packing = 0; packing < 2; packing++) {
        bool failed = true;
        for (size_t n = 1; failed; n++) {
            scry_error err = {0};
            scry_tiff_info like;
            scry_tiff_writer *w = NULL;
            float v[N] = {0};
            const scry_tiff_options opts = {
                .packing = (scry_tiff_packing)packing, .force = true, .provenance = "p"};
            scry_tiff_info_init(&like, SCRY_TIFF_IMAGEJ, SCRY_TIFF_U8,
                                &(scry_tiff_axes){.c = 2, .y = Y, .x = X});
            like.description = "ImageJ=1.53t\n";
            scry_memory_fail_at(n);
            scry_status st = scry_tiff_create(&w, at("alloc.tif"), &like, &opts, &err);
            for (size_t c = 2; c-- > 0 && st == SCRY_OK;)
                st = scry_tiff_write_plane(w, c, 0, 0, v, &err);
            if (st == SCRY_OK)
                st = scry_tiff_finish(w, NULL, &err);
            else
                scry_tiff_abort(w);
            scry_memory_fail_at(0);
            failed = st != SCRY_OK;
            if (failed) assert_int_equal(st, SCRY_ENOMEM);
            assert_int_equal(scry_memory_live(), 0);
        }
    }
}

static void nothing_left_behind(void **state)
{
    (void)state;
    const char *const made[] = {"all.tif",  "rect.tif", "count.tif", "meta.tif",
                                "less.tif", "same.tif", "alloc.tif"};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        unlink(at(made[i]));
    expect_entries(0);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[160];
    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_and_flavour),
        cmocka_unit_test(presentation_is_kept),
        cmocka_unit_test(rectangles),
        cmocka_unit_test(counted_conversions),
        cmocka_unit_test(metadata),
        cmocka_unit_test(equal_runs_equal_bytes),
        cmocka_unit_test(refused),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(failed_allocations),
        cmocka_unit_test(nothing_left_behind),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
