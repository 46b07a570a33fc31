#include "tests/check.h"
#include "tests/scratch.h"

#include "lib/io/npy.h"
#include "lib/memory.h"

#include <stdlib.h>
#include <string.h>

/* The value of tests/golden/make_npy.py at place k. */
static float expected(const char *type, size_t k)
{
    const float v = 3 * (float)k;
    if (type[1] == 'b') return k % 3 == 0;
    if (type[1] == 'u') return v + 7;
    return type[1] == 'f' ? (v - 7) / 2 : v - 7;
}

static void check_values(const scry_npy *f, size_t i)
{
    scry_error err = {0};
    const scry_npy_info *info = scry_npy_get(f, i);
    float *out = scry_alloc(info->count, sizeof *out);
    assert_ok(scry_npy_read(f, i, out, &err));
    for (size_t k = 0; k < info->count; k++)
        assert_true(out[k] == expected(info->type, k));
    scry_free(out);
}

static void every_type_is_read(void **state)
{
    (void)state;
    const char *const kinds[] = {"b1", "u1", "i1", "u2", "i2", "u4",
                                 "i4", "u8", "i8", "f2", "f4", "f8"};
    for (size_t k = 0; k < 24; k++) {
        scry_error err = {0};
        scry_npy *f;
        char path[64];
        snprintf(path, sizeof path, "golden/npy/%s_%s.npy", k % 2 ? "be" : "le", kinds[k / 2]);
        assert_ok(scry_npy_open(&f, path, &err));
        assert_int_equal(scry_npy_count(f), 1);
        const scry_npy_info *info = scry_npy_get(f, 0);
        assert_true(info->rank == 2 && info->dims[0] == 3 && info->dims[1] == 5);
        assert_string_equal(info->type + 1, kinds[k / 2]);
        check_values(f, 0);
        scry_npy_close(f);
    }
}

/* Complex numbers of both byte orders, in parts, and files that this library writes itself. */
static void complex_numbers_are_read_and_written(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_npy *f;
    scry_npy_writer *w;
    float complex back[6], values[6];
    const size_t dims[2] = {2, 3};
    /* 1 + 2i and -3 + .5i, big-endian complex64 in Fortran order: (2, 1) */
    static const unsigned char big[] =
        "\x93NUMPY\x01\x00\x3b\x00{'descr': '>c8', 'fortran_order': True, 'shape': (2, 1), }\n"
        "\x3f\x80\x00\x00\x40\x00\x00\x00\xc0\x40\x00\x00\x3f\x00\x00\x00";
    assert_ok(scry_npy_parse(&f, big, sizeof big - 1, "big", &err));
    assert_true(scry_npy_get(f, 0)->cplx);
    assert_ok(scry_npy_read_complex(f, 1, 1, back, &err));
    assert_true(back[0] == -3 + .5f * I);
    assert_fails(scry_npy_read_complex(f, 1, 2, back, &err), SCRY_EINVAL);
    scry_npy_close(f);
    for (size_t i = 0; i < 6; i++)
        values[i] = (float)i - 1.385f * (float)(i * i) * I;
    assert_ok(scry_npy_create(&w, scratch("a.npy"), 2, dims, true, &err));
    assert_ok(scry_npy_write(w, 3, 3, (float *)(values + 3), &err));
    assert_ok(scry_npy_write(w, 0, 3, (float *)values, &err));
    assert_fails(scry_npy_write(w, 4, 3, (float *)values, &err), SCRY_EINVAL);
    assert_ok(scry_npy_finish(w, true, &err));
    assert_ok(scry_npy_open(&f, scratch("a.npy"), &err));
    assert_true(scry_npy_get(f, 0)->rank == 2 && scry_npy_get(f, 0)->dims[1] == 3);
    assert_ok(scry_npy_read_complex(f, 0, 6, back, &err));
    assert_memory_equal(back, values, sizeof values);
    scry_npy_close(f);
    scratch_clear();
}

static void other_shapes_are_read(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_npy *f;
    float value;
    assert_ok(scry_npy_open(&f, "golden/npy/fortran.npy", &err));
    assert_int_equal(scry_npy_get(f, 0)->rank, 3);
    check_values(f, 0);
    scry_npy_close(f);
    assert_ok(scry_npy_open(&f, "golden/npy/v2.npy", &err));
    check_values(f, 0);
    scry_npy_close(f);
    assert_ok(scry_npy_open(&f, "golden/npy/scalar.npy", &err));
    assert_int_equal(scry_npy_get(f, 0)->rank, 0);
    assert_ok(scry_npy_read(f, 0, &value, &err));
    assert_true(value == 2.5f);
    scry_npy_close(f);
    assert_ok(scry_npy_open(&f, "golden/npy/empty.npy", &err));
    assert_int_equal(scry_npy_get(f, 0)->count, 0);
    scry_npy_close(f);
}

static void zips_are_read(void **state)
{
    (void)state;
    const char *const paths[] = {"golden/npy/stored.npz", "golden/npy/deflated.npz"};
    for (size_t k = 0; k < 2; k++) {
        scry_error err = {0};
        scry_npy *f;
        assert_ok(scry_npy_open(&f, paths[k], &err));
        assert_int_equal(scry_npy_count(f), 2);
        assert_string_equal(scry_npy_get(f, 0)->name, "train/a/one");
        assert_string_equal(scry_npy_get(f, 1)->name, "test/b/two");
        assert_int_equal(scry_npy_get(f, 1)->count, 2400);
        check_values(f, 0);
        check_values(f, 1);
        scry_npy_close(f);
    }
    scry_error err = {0};
    scry_npy *f;
    assert_ok(scry_npy_open(&f, "golden/npy/none.npz", &err));
    assert_int_equal(scry_npy_count(f), 0);
    scry_npy_close(f);
}

static unsigned char *slurp(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    unsigned char *bytes = malloc(65536);
    *size = fread(bytes, 1, 65536, file);
    fclose(file);
    return bytes;
}

/* Every cut is refused or reads the whole arrays; a flipped bit in the data is noticed. */
static void damage_is_noticed(void **state)
{
    (void)state;
    const char *const paths[] = {"golden/npy/le_f4.npy", "golden/npy/stored.npz",
                                 "golden/npy/deflated.npz"};
    for (size_t k = 0; k < 3; k++) {
        scry_error err = {0};
        scry_npy *f;
        size_t size;
        unsigned char *bytes = slurp(paths[k], &size);
        for (size_t cut = 0; cut < size; cut++) {
            assert_fails(scry_npy_parse(&f, bytes, cut, "cut", &err), SCRY_EFORMAT);
            assert_null(f);
        }
        if (k) {
            float out[64];
            bytes[k == 1 ? 200 : 120] ^= 4; /* within the first array */
            if (scry_npy_parse(&f, bytes, size, "bent", &err) == SCRY_OK) {
                assert_fails(scry_npy_read(f, 0, out, &err), SCRY_EFORMAT);
                scry_npy_close(f);
            }
        }
        free(bytes);
    }
}

static void what_is_not_read_is_named(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_npy *f;
    assert_ok(scry_npy_open(&f, "golden/npy/complex.npy", &err));
    float real[3];
    assert_true(scry_npy_read(f, 0, real, &err) == SCRY_EUNSUP && strstr(err.text, "<c16"));
    scry_npy_close(f);
    err = (scry_error){0};
    assert_fails(scry_npy_open(&f, "golden/npy/nothing.npy", &err), SCRY_EIO);
    assert_fails(scry_npy_open(&f, "golden", &err), SCRY_EIO);
    assert_fails(scry_npy_open(&f, "check.h", &err), SCRY_EFORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(complex_numbers_are_read_and_written),
        cmocka_unit_test(other_shapes_are_read),
        cmocka_unit_test(zips_are_read),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(what_is_not_read_is_named),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
