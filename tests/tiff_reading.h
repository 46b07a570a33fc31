#ifndef SCRY_TESTS_TIFF_READING_H
#define SCRY_TESTS_TIFF_READING_H

/* Shared by the tests of the TIFF reader: small files of 7 x 5 pixels in a folder of their own,
 * whose values identify the plane, and the same files as a reader sees them. */

#include "tests/check.h"
#include "tests/tiff_make.h"

#include "lib/io/tiff/tiff.h"

static char dir[] = "/tmp/scry-tiff-XXXXXX";
static char path[128];

static inline const char *at(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

enum { X = 7, Y = 5, N = X * Y };

/* Values that identify the plane, and are no permutation of each other's rows. */
static inline uint16_t value(size_t plane, size_t i)
{
    return (uint16_t)(1000 * plane + 3 * i + 1);
}

static inline void fill(uint16_t *v, size_t first, size_t planes)
{
    for (size_t p = 0; p < planes; p++)
        for (size_t i = 0; i < N; i++)
            v[p * N + i] = value(first + p, i);
}

static inline void expect_plane(scry_tiff_reader *r, size_t c, size_t z, size_t t, size_t plane)
{
    scry_error err = {0};
    float out[N];
    assert_ok(scry_tiff_read_plane(r, c, z, t, out, &err));
    for (size_t i = 0; i < N; i++)
        assert_near((double)out[i], value(plane, i), 0);
}

static inline void expect_sizes(const scry_tiff_reader *r, size_t c, size_t z, size_t t)
{
    const scry_tiff_info *info = scry_tiff_describe(r);
    assert_int_equal(info->c, c);
    assert_int_equal(info->z, z);
    assert_int_equal(info->t, t);
    assert_int_equal(info->y, Y);
    assert_int_equal(info->x, X);
}

static inline void expect_failure(const char *file, scry_status code, const char *words)
{
    scry_error err = {0};
    scry_tiff_reader *r = NULL;
    const scry_status st = scry_tiff_open(&r, file, &err);
    if (st != code || r || !strstr(err.text, words)) {
        print_error("%s: %s \"%s\", expected %s with \"%s\"\n", file, scry_status_name(st),
                    err.text, scry_status_name(code), words);
        fail();
    }
    assert_non_null(strstr(err.text, file));
}

static inline bool warned(const scry_tiff_reader *r, const char *words)
{
    for (size_t i = 0; i < scry_tiff_warnings(r); i++)
        if (strstr(scry_tiff_warning(r, i), words)) return true;
    return false;
}

/* A stack of u16 pages, numbered from `first`, the first with this description. */
static inline struct made stack_from(bool mm, size_t first, size_t pages, const char *description)
{
    struct made f = made_begin(mm);
    uint16_t v[N];
    for (size_t p = 0; p < pages; p++) {
        fill(v, first + p, 1);
        made_add(&f, &(struct made_page){.x = X,
                                         .y = Y,
                                         .bits = 16,
                                         .photometric = 1,
                                         .description = p ? NULL : description,
                                         .pixels = v,
                                         .bytes = sizeof v});
    }
    return f;
}

static inline struct made stack(bool mm, size_t pages, const char *description)
{
    return stack_from(mm, 0, pages, description);
}

/* One directory, `held` planes one after another. */
static inline void one_ifd(bool mm, size_t held, const char *description, const char *file)
{
    struct made f = made_begin(mm);
    uint16_t *v = malloc(held * N * sizeof *v);
    fill(v, 0, held);
    made_pixels(&f, v, held * N * sizeof *v, 16);
    const uint32_t start = (uint32_t)f.strip;
    made_add(&f, &(struct made_page){.x = X,
                                     .y = Y,
                                     .bits = 16,
                                     .photometric = 1,
                                     .at = start,
                                     .stored = N * 2,
                                     .description = description,
                                     .pixels = v});
    made_end(&f, file);
    free(v);
}

static inline int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static inline int tear_down(void **state)
{
    char command[160];
    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    return system(command);
}

#endif
