/* TIFF files made by tifffile, and the real ones, read by us; and ours judged by tifffile. See
 * golden/make_tiffs.py. Skipped, with a message, where Python has no tifffile. */

#include "tests/check.h"

#include "lib/io/tiff/tiff.h"

#include <string.h>

static char dir[] = "/tmp/scry-golden-XXXXXX";

/* Debian's Python is the one with its packages. */
static int script(const char *command, const char *more)
{
    char line[4352];
    snprintf(line, sizeof line, "PATH=/usr/bin:$PATH python3 golden/make_tiffs.py %s %s '%s'",
             command, more, dir);
    const int status = system(line);
    return status < 0 ? -1 : status >> 8;
}

struct row {
    char path[1024], type[16], flavour[16];
    size_t c, z, t, y, x;
    double sum, weighted;
};

static void compare(scry_tiff_reader *r, const struct row *row, scry_tiff_writer *w)
{
    scry_error err = {0};
    const scry_tiff_info *info = scry_tiff_describe(r);
    const size_t n = info->y * info->x;
    float *v = malloc(n * sizeof *v);
    double sum = 0, weighted = 0, size = 0;
    size_t k = 0;
    for (size_t t = 0; t < info->t; t++)
        for (size_t z = 0; z < info->z; z++)
            for (size_t c = 0; c < info->c; c++) {
                assert_ok(scry_tiff_read_plane(r, c, z, t, v, &err));
                assert_ok(scry_tiff_write_plane(w, c, z, t, v, &err));
                for (size_t i = 0; i < n; i++, k++) {
                    sum += (double)v[i];
                    weighted += (double)v[i] * (double)(k % 1009);
                    size += fabs((double)v[i]);
                }
            }
    free(v);
    if (fabs(sum - row->sum) > 1e-9 * size) print_error("%s\n", row->path);
    assert_near(sum, row->sum, 1e-9 * size);
    assert_near(weighted, row->weighted, 1e-6 * size);
}

static void check_row(const struct row *row, size_t number)
{
    scry_error err = {0};
    scry_tiff_reader *r;
    scry_tiff_writer *w;
    char out[2048];
    assert_ok(scry_tiff_open(&r, row->path, &err));
    const scry_tiff_info *info = scry_tiff_describe(r);
    if (strcmp(scry_tiff_type_name(info->type), row->type) ||
        strcmp(scry_tiff_flavour_name(info->flavour), row->flavour) || info->c != row->c ||
        info->z != row->z || info->t != row->t || info->y != row->y || info->x != row->x) {
        print_error("%s: %s %s %zu %zu %zu %zu %zu, expected %s %s %zu %zu %zu %zu %zu\n",
                    row->path, scry_tiff_flavour_name(info->flavour),
                    scry_tiff_type_name(info->type), info->c, info->z, info->t, info->y, info->x,
                    row->flavour, row->type, row->c, row->z, row->t, row->y, row->x);
        fail();
    }
    snprintf(out, sizeof out, "%s/%zu.out.tif", dir, number);
    const scry_tiff_options opts = {
        .force = true, .packing = info->x % 2 ? SCRY_TIFF_UNPACKED : SCRY_TIFF_DEFLATE};
    assert_ok(scry_tiff_create(&w, out, info, &opts, &err));
    compare(r, row, w);
    assert_ok(scry_tiff_finish(w, NULL, &err));
    scry_tiff_close(r);
}

static void check_manifest(void)
{
    char name[64], line[2048];
    size_t rows = 0;
    snprintf(name, sizeof name, "%s/manifest", dir);
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        struct row row;
        assert_int_equal(sscanf(line, "%1023[^\t]\t%zu\t%zu\t%zu\t%zu\t%zu\t%15s\t%15s\t%lf\t%lf",
                                row.path, &row.c, &row.z, &row.t, &row.y, &row.x, row.type,
                                row.flavour, &row.sum, &row.weighted),
                         10);
        check_row(&row, rows++);
    }
    fclose(f);
    assert_true(rows > 0);
    assert_int_equal(script("check", ""), 0);
}

static void made_by_tifffile(void **state)
{
    (void)state;
    const int status = script("make", "");
    if (status == 77) skip();
    assert_int_equal(status, 0);
    check_manifest();
}

static void real_files(void **state)
{
    char quoted[4200];
    (void)state;
    const char *shared = shared_path("data/microscopy");
    if (!shared) skip();
    snprintf(quoted, sizeof quoted, "'%s'", shared);
    const int status = script("real", quoted);
    if (status == 77) skip();
    assert_int_equal(status, 0);
    check_manifest();
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
        cmocka_unit_test(made_by_tifffile),
        cmocka_unit_test(real_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
