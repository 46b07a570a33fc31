#include "tests/check.h"
#include "tests/scratch.h"

#include "lib/io/cfl.h"
#include "lib/memory.h"

/* A header of this text beside `values` zero bytes. */
static void make(const char *text, size_t values)
{
    static const char zeros[4096];
    scratch_write("t.hdr", text, strlen(text));
    scratch_write("t.cfl", zeros, values);
}

static void refuse(const char *text, size_t values, scry_status code, const char *expected)
{
    scry_error err = {0};
    scry_cfl *f;
    make(text, values);
    assert_int_equal(scry_cfl_open(&f, scratch("t"), &err), code);
    assert_null(f);
    if (!strstr(err.text, expected)) {
        print_error("\"%s\" does not say \"%s\"\n", err.text, expected);
        fail();
    }
}

static void bart_file_is_read(void **state)
{
    (void)state;
    scry_error err = {0};
    const char *names[] = {"golden/cfl/counted", "golden/cfl/counted.cfl",
                           "golden/cfl/counted.hdr"};
    for (int k = 0; k < 3; k++) {
        scry_cfl *f;
        float complex x[2][4][3];
        assert_true(scry_cfl_recognise(names[k]));
        assert_ok(scry_cfl_open(&f, names[k], &err));
        const size_t *dims = scry_cfl_dims(f);
        assert_true(dims[0] == 3 && dims[1] == 4 && dims[2] == 1 && dims[3] == 2 && dims[15] == 1);
        assert_ok(scry_cfl_read(f, NULL, NULL, &x[0][0][0], &err));
        for (size_t c = 0; c < 2; c++)
            for (size_t j = 0; j < 4; j++)
                for (size_t i = 0; i < 3; i++)
                    assert_true(x[c][j][i] == (float)(i + 10 * j + 100 * c));
        scry_cfl_close(f);
    }
    assert_false(scry_cfl_recognise("golden/cfl/make.sh"));
    assert_false(scry_cfl_recognise("golden/cfl/nothing"));
}

static void boxes_are_cut_out(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_cfl *f;
    float complex x[8];
    size_t start[SCRY_CFL_RANK] = {1, 2}, count[SCRY_CFL_RANK];
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        count[d] = 1;
    count[0] = count[1] = count[3] = 2;
    assert_ok(scry_cfl_open(&f, "golden/cfl/counted", &err));
    assert_ok(scry_cfl_read(f, start, count, x, &err));
    const float expected[] = {21, 22, 31, 32, 121, 122, 131, 132};
    for (int i = 0; i < 8; i++)
        assert_true(x[i] == expected[i]);
    start[1] = 3; /* 3 + 2 > 4 */
    assert_fails(scry_cfl_read(f, start, count, x, &err), SCRY_ESHAPE);
    start[1] = SIZE_MAX;
    assert_fails(scry_cfl_read(f, start, count, x, &err), SCRY_ESHAPE);
    start[1] = 0;
    count[3] = 0;
    assert_fails(scry_cfl_read(f, start, count, x, &err), SCRY_ESHAPE);
    scry_cfl_close(f);
}

static void headers_are_understood(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_cfl_header h;
    const struct {
        const char *text;
        size_t d0, d1, d15;
    } good[] = {
        {"# Dimensions\n5 7", 5, 7, 1},
        {"#Dimensions\r\n 5\t7 \r\n", 5, 7, 1},
        {"# Unknown\nany\nthing\n\n# Dimensions\n5 7 1 1 1 1 1 1 1 1 1 1 1 1 1 3 1 1\n# Command\n"
         "x # y\n",
         5, 7, 3},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_ok(scry_cfl_parse(&h, good[i].text, strlen(good[i].text), "h", &err));
        assert_true(h.dims[0] == good[i].d0 && h.dims[1] == good[i].d1 &&
                    h.dims[15] == good[i].d15 && h.count == h.dims[0] * h.dims[1] * h.dims[15]);
    }
    const float complex value = 2.385f;
    scry_cfl *f;
    float complex x;
    scratch_write("a.hdr", "# Dimensions\n1\n# Data\nb.bin\n", 28);
    scratch_write("b.bin", &value, sizeof value);
    assert_ok(scry_cfl_open(&f, scratch("a.cfl"), &err));
    assert_string_equal(scry_cfl_path(f), scratch("b.bin"));
    assert_ok(scry_cfl_read(f, NULL, NULL, &x, &err));
    assert_true(x == value);
    scry_cfl_close(f);
    scratch_clear();
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_cfl *f;
    refuse("# Dimensions\n3 4\n", 95, SCRY_EFORMAT, "95 bytes, expected 96 for 3 x 4 x 1 x 1");
    refuse("# Dimensions\n3 4\n", 97, SCRY_EFORMAT, "97 bytes, expected 96");
    refuse("# Dimensions\n3 -4\n", 96, SCRY_EFORMAT, "dimension 1 is '-4'");
    refuse("# Dimensions\n3 0\n", 0, SCRY_EFORMAT, "dimension 1 is '0'");
    refuse("# Dimensions\n3 4x\n", 96, SCRY_EFORMAT, "dimension 1 is '4x'");
    refuse("# Dimensions\n3 1.5\n", 96, SCRY_EFORMAT, "dimension 1 is '1.5'");
    refuse("# Dimensions\n99999999999999999999\n", 96, SCRY_EFORMAT, "is '9999999999");
    refuse("# Dimensions\n4294967296 4294967296\n", 0, SCRY_EFORMAT, "more than a file can hold");
    refuse("# Dimensions\n4294967296 536870912\n", 0, SCRY_EFORMAT, "more than a file can hold");
    refuse("# Dimensions\n1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 2\n", 16, SCRY_EUNSUP,
           "dimension 16 is 2");
    refuse("# Dimensions\n\n", 8, SCRY_EFORMAT, "no numbers");
    refuse("# Dimensions\n# Command\n", 8, SCRY_EFORMAT, "dimension 0 is '#'");
    refuse("# Dimensions", 8, SCRY_EFORMAT, "no section '# Dimensions'");
    refuse("# Command\nones\n", 8, SCRY_EFORMAT, "no section '# Dimensions'");
    refuse("", 8, SCRY_EFORMAT, "no section '# Dimensions'");
    refuse("# Dimensions\n1\n# Data\n../t.cfl\n", 8, SCRY_EFORMAT, "'../t.cfl', expected");
    refuse("# Dimensions\n1\n# Data\n/etc/passwd\n", 8, SCRY_EFORMAT, "same folder");
    refuse("# Dimensions\n1\n# Data\n..\n", 8, SCRY_EFORMAT, "same folder");
    refuse("# Dimensions\n3\n# SizesDimensions\n1 1\n# MultiDimensions\n1\n2\n", 24, SCRY_EUNSUP,
           "several arrays");
    char big[5000];
    memset(big, ' ', sizeof big);
    memcpy(big, "# Dimensions\n1\n", 15);
    big[sizeof big - 1] = '\0';
    refuse(big, 8, SCRY_EFORMAT, "at most 4096");
    scratch_write("t.hdr", "# Dimensions\n1\0", 15);
    assert_fails(scry_cfl_open(&f, scratch("t"), &err), SCRY_EFORMAT);
    unlink(scratch("t.hdr"));
    assert_fails(scry_cfl_open(&f, scratch("t"), &err), SCRY_EIO);
    make("# Dimensions\n1\n", 8);
    unlink(scratch("t.cfl"));
    assert_fails(scry_cfl_open(&f, scratch("t"), &err), SCRY_EIO);
    mkdir(scratch("t.cfl"), 0700);
    assert_fails(scry_cfl_open(&f, scratch("t"), &err), SCRY_EFORMAT);
    rmdir(scratch("t.cfl"));
    scratch_clear();
}

static const size_t shape[SCRY_CFL_RANK] = {5, 3, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1};
enum { COUNT = 60 };

static void fill(float complex *x)
{
    for (int i = 0; i < COUNT; i++)
        x[i] = 2.385f * (float)i + I / (1 + (float)i);
}

/* Slice by slice, the second one first. */
static scry_status write_slices(const char *path, const float complex *x, bool commit,
                                scry_error *err)
{
    scry_cfl_writer *w;
    size_t start[SCRY_CFL_RANK] = {0}, count[SCRY_CFL_RANK];
    scry_status st = scry_cfl_create(&w, path, shape, err);
    if (st != SCRY_OK) return st;
    memcpy(count, shape, sizeof count);
    count[SCRY_CFL_SLICE] = 1;
    for (size_t s = 2; s-- && st == SCRY_OK;) {
        start[SCRY_CFL_SLICE] = s;
        st = scry_cfl_write(w, start, count, x + s * COUNT / 2, err);
    }
    const scry_status end = scry_cfl_finish(w, commit && st == SCRY_OK, err);
    return st != SCRY_OK ? st : end;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_cfl *f;
    struct stat info;
    float complex x[COUNT], back[COUNT];
    fill(x);
    const mode_t before = umask(027);
    assert_ok(write_slices(scratch("o.cfl"), x, true, &err));
    umask(before);
    assert_int_equal(scratch_count(), 2);
    assert_int_equal(stat(scratch("o.cfl"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(stat(scratch("o.hdr"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_ok(scry_cfl_open(&f, scratch("o"), &err));
    assert_memory_equal(scry_cfl_dims(f), shape, sizeof shape);
    assert_ok(scry_cfl_read(f, NULL, NULL, back, &err));
    assert_memory_equal(back, x, sizeof x);
    scry_cfl_close(f);
    x[0] = 7; /* replaced, and given up */
    assert_ok(write_slices(scratch("o.hdr"), x, false, &err));
    assert_ok(scry_cfl_open(&f, scratch("o"), &err));
    assert_ok(scry_cfl_read(f, NULL, NULL, back, &err));
    assert_true(back[0] != x[0]);
    scry_cfl_close(f);
    assert_ok(write_slices(scratch("o"), x, true, &err));
    assert_ok(scry_cfl_open(&f, scratch("o"), &err));
    assert_ok(scry_cfl_read(f, NULL, NULL, back, &err));
    assert_memory_equal(back, x, sizeof x);
    scry_cfl_close(f);
    assert_int_equal(scratch_count(), 2);
    scratch_clear();
}

static void writing_fails_without_trace(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_cfl_writer *w;
    size_t dims[SCRY_CFL_RANK], start[SCRY_CFL_RANK] = {4};
    const float complex x[COUNT] = {0};
    memcpy(dims, shape, sizeof dims);
    dims[3] = 0;
    assert_fails(scry_cfl_create(&w, scratch("o"), dims, &err), SCRY_EINVAL);
    dims[3] = SIZE_MAX / 8;
    assert_fails(scry_cfl_create(&w, scratch("o"), dims, &err), SCRY_EINVAL);
    assert_fails(scry_cfl_create(&w, scratch("no/such/folder"), shape, &err), SCRY_EIO);
    mkdir(scratch("d.cfl"), 0700);
    assert_fails(scry_cfl_create(&w, scratch("d"), shape, &err), SCRY_EINVAL);
    rmdir(scratch("d.cfl"));
    assert_ok(scry_cfl_create(&w, scratch("o"), shape, &err));
    assert_fails(scry_cfl_write(w, start, shape, x, &err), SCRY_ESHAPE);
    assert_ok(scry_cfl_finish(w, false, &err));
    assert_ok(scry_cfl_finish(NULL, true, &err));
    assert_int_equal(scratch_count(), 0);
}

static void refused_memory_is_reported(void **state)
{
    (void)state;
    const size_t live = scry_memory_live();
    float complex x[COUNT] = {0};
    for (size_t nth = 1;; nth++) {
        scry_error err = {0};
        scry_memory_fail_at(nth);
        const scry_status st = write_slices(scratch("o"), x, true, &err);
        scry_memory_fail_at(0);
        assert_int_equal(scry_memory_live(), live);
        if (st == SCRY_OK) break;
        assert_fails(st, SCRY_ENOMEM);
        assert_int_equal(scratch_count(), 0);
    }
    for (size_t nth = 1;; nth++) {
        scry_error err = {0};
        scry_cfl *f;
        scry_memory_fail_at(nth);
        const scry_status st = scry_cfl_open(&f, scratch("o"), &err);
        scry_memory_fail_at(0);
        if (st == SCRY_OK) scry_cfl_close(f);
        assert_int_equal(scry_memory_live(), live);
        if (st == SCRY_OK) break;
        assert_fails(st, SCRY_ENOMEM);
        assert_null(f);
    }
    scratch_clear();
}

/* The toolbox itself takes our file, and gives it back after a transposition of dims 0 and 1. */
static void bart_reads_what_is_written(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_cfl *f;
    float complex x[COUNT], back[COUNT];
    char command[1024];
    if (!scratch_program("bart")) {
        print_message("skipped: bart is not installed\n");
        skip();
    }
    fill(x);
    assert_ok(write_slices(scratch("o"), x, true, &err));
    snprintf(command, sizeof command, "bart transpose 0 1 %s %s", scratch("o"), scratch("back"));
    assert_int_equal(system(command), 0);
    assert_ok(scry_cfl_open(&f, scratch("back"), &err));
    assert_true(scry_cfl_dims(f)[0] == 3 && scry_cfl_dims(f)[1] == 5 && scry_cfl_dims(f)[13] == 2);
    assert_ok(scry_cfl_read(f, NULL, NULL, back, &err));
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < 5; i++)
            for (int j = 0; j < 3; j++)
                assert_true(back[k * 15 + i * 3 + j] == x[k * 15 + j * 5 + i]);
    scry_cfl_close(f);
    scratch_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bart_file_is_read),          cmocka_unit_test(boxes_are_cut_out),
        cmocka_unit_test(headers_are_understood),     cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(what_is_written_is_read),    cmocka_unit_test(writing_fails_without_trace),
        cmocka_unit_test(refused_memory_is_reported), cmocka_unit_test(bart_reads_what_is_written),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
