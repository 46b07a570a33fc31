#include "tests/check.h"

#include "lib/io/hdf5.h"
#include "lib/memory.h"
#include "tests/op_check.h"
#include "tests/scratch.h"

#define OUT scratch("out.h5")

static scry_hdf5 *open_golden(const char *name)
{
    char path[256];
    scry_error err = {0};
    scry_hdf5 *f;
    snprintf(path, sizeof path, "golden/kspace/%s.h5", name);
    assert_ok(scry_hdf5_open(&f, path, &err));
    assert_string_equal(scry_hdf5_path(f), path);
    return f;
}

static void h5py_is_described(void **state)
{
    (void)state;
    static const struct {
        const char *file, *set, *type, *shape;
        scry_hdf5_class kind;
    } sets[] = {
        {"mask_bool", "kspace", "complex64 {r, i}", "3 x 2 x 10 x 6", SCRY_HDF5_COMPLEX},
        {"mask_bool", "mask", "bool", "6", SCRY_HDF5_NUMBER},
        {"mask_bool", "ismrmrd_header", "text", "scalar", SCRY_HDF5_TEXT},
        {"mask_u8", "mask", "uint8", "6", SCRY_HDF5_NUMBER},
        {"plain3", "mask", "int32", "10", SCRY_HDF5_NUMBER},
        {"multi", "/reconstruction_rss", "float32", "3 x 7 x 4", SCRY_HDF5_NUMBER},
        {"double", "kspace", "complex128 {real, imag}", "1 x 2 x 10 x 6", SCRY_HDF5_COMPLEX},
        {"swapped", "kspace", "complex64 {r, i}", "1 x 2 x 10 x 6", SCRY_HDF5_COMPLEX},
        {"plain2", "raw/data", "complex64 {r, i}", "10 x 6", SCRY_HDF5_COMPLEX},
    };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        scry_error err = {0};
        scry_hdf5_info info;
        scry_hdf5 *f = open_golden(sets[i].file);
        assert_true(scry_hdf5_has_dataset(f, sets[i].set));
        assert_false(scry_hdf5_has_group(f, sets[i].set));
        assert_ok(scry_hdf5_describe(&info, f, sets[i].set, &err));
        assert_string_equal(info.type, sets[i].type);
        assert_string_equal(info.shape, sets[i].shape);
        assert_int_equal(info.kind, sets[i].kind);
        scry_hdf5_close(f);
    }
}

static void everything_is_listed(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_hdf5_info *all;
    size_t count;
    scry_hdf5 *f = open_golden("plain2");
    assert_true(scry_hdf5_has_group(f, "raw"));
    assert_false(scry_hdf5_has_dataset(f, "raw"));
    assert_false(scry_hdf5_has_dataset(f, "raw/data/more"));
    CHECK_ALLOCATIONS(scry_hdf5_list(&all, &count, f, &err), scry_free(all));
    assert_ok(scry_hdf5_list(&all, &count, f, &err));
    assert_int_equal(count, 1);
    assert_string_equal(all[0].name, "raw/data");
    assert_int_equal(all[0].count, 60);
    scry_free(all);
    scry_hdf5_close(f);
    f = open_golden("nothing");
    assert_ok(scry_hdf5_list(&all, &count, f, &err));
    assert_int_equal(count, 0);
    scry_free(all);
    scry_hdf5_close(f);
    /* unreadable datasets are listed with the reason */
    f = open_golden("bad_claim");
    assert_ok(scry_hdf5_list(&all, &count, f, &err));
    assert_int_equal(count, 1);
    assert_int_equal(all[0].kind, SCRY_HDF5_OTHER);
    scry_free(all);
    scry_hdf5_close(f);
}

static void boxes_are_read(void **state)
{
    (void)state;
    scry_error err = {0};
    float v[84], mask[6];
    float complex z[4];
    scry_hdf5 *f = open_golden("multi");
    const size_t start[3] = {1, 2, 1}, count[3] = {2, 1, 2};
    assert_ok(scry_hdf5_read_float(f, "reconstruction_rss", start, count, v, &err));
    assert_near(v[0], 1.5 + 20 + 100, 0);
    assert_near(v[1], 1.5 + 20 + 200, 0);
    assert_near(v[3], 2.5 + 20 + 200, 0);
    assert_ok(scry_hdf5_read_float(f, "reconstruction_rss", NULL, NULL, v, &err));
    assert_near(v[83], 2.5 + 60 + 300, 0);
    const size_t at[4] = {2, 1, 4, 3}, one[4] = {1, 1, 2, 1};
    assert_ok(scry_hdf5_read_complex(f, "kspace", at, one, z, &err));
    assert_near(crealf(z[1]), 3512.25e-6, 1e-9);
    assert_near(cimagf(z[1]), 1e-6, 1e-12);
    const size_t far[3] = {2, 2, 1};
    assert_fails(scry_hdf5_read_float(f, "reconstruction_rss", far, count, v, &err), SCRY_EINVAL);
    const size_t huge[3] = {1, 1, SIZE_MAX};
    assert_fails(scry_hdf5_read_float(f, "reconstruction_rss", start, huge, v, &err), SCRY_EINVAL);
    assert_fails(scry_hdf5_read_float(f, "kspace", NULL, NULL, v, &err), SCRY_EFORMAT);
    assert_fails(scry_hdf5_read_complex(f, "reconstruction_rss", NULL, NULL, z, &err),
                 SCRY_EFORMAT);
    assert_fails(scry_hdf5_read_float(f, "none", NULL, NULL, v, &err), SCRY_EFORMAT);
    scry_hdf5_close(f);
    f = open_golden("reals");
    assert_ok(scry_hdf5_read_float(f, "half", NULL, NULL, v, &err));
    assert_near(v[0], 0.5, 0);
    assert_near(v[1], -3, 0);
    assert_int_equal(scry_hdf5_read_float(f, "long", NULL, NULL, v, &err), SCRY_EFORMAT);
    assert_non_null(strstr(err.text, "numbers of 128 bits in an unusual layout"));
    err = (scry_error){0};
    scry_hdf5_close(f);
    f = open_golden("mask_bool"); /* an enumeration */
    assert_ok(scry_hdf5_read_float(f, "mask", NULL, NULL, mask, &err));
    for (int i = 0; i < 6; i++)
        assert_near(mask[i], i == 0 || i == 2 || i == 3, 0);
    scry_hdf5_close(f);
}

static void text_and_attributes(void **state)
{
    (void)state;
    scry_error err = {0};
    char *vlen, *fixed, word[16], cut[4];
    double number;
    scry_hdf5 *f = open_golden("multi"), *g = open_golden("double");
    assert_ok(scry_hdf5_read_text(&vlen, f, "ismrmrd_header", &err));
    assert_ok(scry_hdf5_read_text(&fixed, g, "ismrmrd_header", &err));
    assert_string_equal(vlen, fixed);
    assert_non_null(strstr(vlen, "<systemModel>Aera</systemModel>"));
    scry_free(vlen);
    scry_free(fixed);
    CHECK_ALLOCATIONS(scry_hdf5_read_text(&vlen, f, "ismrmrd_header", &err), scry_free(vlen));
    assert_fails(scry_hdf5_read_text(&vlen, f, "kspace", &err), SCRY_EFORMAT);
    assert_true(scry_hdf5_attribute_text(f, "", "acquisition", word, sizeof word));
    assert_string_equal(word, "AXT2");
    assert_true(scry_hdf5_attribute_text(f, "/", "acquisition", cut, sizeof cut));
    assert_string_equal(cut, "AXT");
    assert_true(scry_hdf5_attribute_number(f, "", "max", &number));
    assert_near(number, 332.5, 0);
    assert_false(scry_hdf5_attribute_number(f, "", "acquisition", &number));
    assert_false(scry_hdf5_attribute_number(f, "", "none", &number));
    assert_false(scry_hdf5_attribute_number(f, "none", "max", &number));
    assert_false(scry_hdf5_attribute_text(f, "", "max", word, sizeof word));
    scry_hdf5_close(f);
    scry_hdf5_close(g);
    f = open_golden("mask_bool");
    assert_true(scry_hdf5_attribute_number(f, "", "acceleration", &number));
    assert_near(number, 4, 0);
    scry_hdf5_close(f);
}

static scry_status write_file(bool commit, scry_error *err)
{
    const size_t dims[3] = {2, 3, 4}, start[3] = {1, 0, 0}, count[3] = {1, 3, 4}, seven = 7;
    const unsigned char bits[7] = {0, 1, 2, 0, 0, 255, 0};
    float v[12];
    float complex z[12];
    scry_hdf5 *f;
    for (int i = 0; i < 12; i++) {
        v[i] = 0.3f * (float)i;
        z[i] = v[i] - 2 * v[i] * I;
    }
    scry_status st = scry_hdf5_create(&f, OUT, err);
    if (st != SCRY_OK) return st;
    st = scry_hdf5_add(f, "deep/down/z", SCRY_HDF5_C64, 3, dims, err);
    if (st == SCRY_OK) st = scry_hdf5_write_complex(f, "deep/down/z", start, count, z, err);
    if (st == SCRY_OK) st = scry_hdf5_add(f, "v", SCRY_HDF5_F32, 3, dims, err);
    if (st == SCRY_OK) st = scry_hdf5_write_float(f, "v", start, count, v, err);
    if (st == SCRY_OK) st = scry_hdf5_add(f, "bits", SCRY_HDF5_BOOL, 1, &seven, err);
    if (st == SCRY_OK) st = scry_hdf5_write_bool(f, "bits", bits, err);
    if (st == SCRY_OK) st = scry_hdf5_add_text(f, "deep/xml", false, "<a>\xc3\xa4</a>", err);
    if (st == SCRY_OK) st = scry_hdf5_add_text(f, "scalar", true, "", err);
    if (st == SCRY_OK) st = scry_hdf5_put_text(f, "", "word", "AXT1", err);
    if (st == SCRY_OK) st = scry_hdf5_put_number(f, "v", "max", 3.3, err);
    const scry_status end = scry_hdf5_finish(f, commit && st == SCRY_OK, err);
    return st == SCRY_OK ? end : st;
}

static void written_is_read(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_hdf5 *f;
    scry_hdf5_info info;
    float v[24], bits[7];
    float complex z[24];
    char *text, word[8];
    double number;
    assert_ok(write_file(true, &err));
    assert_int_equal(scratch_count(), 1);
    assert_true(scry_hdf5_recognise(OUT));
    assert_ok(scry_hdf5_open(&f, OUT, &err));
    assert_ok(scry_hdf5_describe(&info, f, "bits", &err));
    assert_string_equal(info.type, "bool");
    assert_ok(scry_hdf5_describe(&info, f, "deep/xml", &err));
    assert_string_equal(info.shape, "1");
    assert_ok(scry_hdf5_read_complex(f, "deep/down/z", NULL, NULL, z, &err));
    assert_ok(scry_hdf5_read_float(f, "v", NULL, NULL, v, &err));
    for (int i = 0; i < 24; i++) {
        const float want = i < 12 ? 0 : 0.3f * (float)(i - 12);
        assert_near(v[i], want, 0);
        assert_near(crealf(z[i]), want, 0);
        assert_near(cimagf(z[i]), -2 * want, 0);
    }
    assert_ok(scry_hdf5_read_float(f, "bits", NULL, NULL, bits, &err));
    for (int i = 0; i < 7; i++)
        assert_near(bits[i], i == 1 || i == 2 || i == 5, 0);
    assert_ok(scry_hdf5_read_text(&text, f, "deep/xml", &err));
    assert_string_equal(text, "<a>\xc3\xa4</a>");
    scry_free(text);
    assert_ok(scry_hdf5_read_text(&text, f, "scalar", &err));
    assert_string_equal(text, "");
    scry_free(text);
    assert_true(scry_hdf5_attribute_text(f, "", "word", word, sizeof word));
    assert_string_equal(word, "AXT1");
    assert_true(scry_hdf5_attribute_number(f, "v", "max", &number));
    assert_near(number, 3.3, 0);
    scry_hdf5_close(f);
    scratch_clear();
}

static void nothing_is_left(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_hdf5 *f;
    const size_t dims[1] = {3};
    const float v[3] = {1, 2, 3};
    assert_ok(write_file(false, &err));
    CHECK_ALLOCATIONS(write_file(false, &err), (void)0);
    assert_fails(scry_hdf5_create(&f, scratch("no/such.h5"), &err), SCRY_EIO);
    assert_ok(scry_hdf5_create(&f, OUT, &err));
    assert_ok(scry_hdf5_add(f, "z", SCRY_HDF5_C64, 1, dims, &err));
    assert_fails(scry_hdf5_add(f, "z", SCRY_HDF5_C64, 1, dims, &err), SCRY_EIO); /* there is one */
    assert_fails(scry_hdf5_add(f, "y", SCRY_HDF5_C64, 0, dims, &err), SCRY_EINVAL);
    assert_fails(scry_hdf5_write_float(f, "z", NULL, NULL, v, &err), SCRY_EINVAL);
    assert_fails(scry_hdf5_write_float(f, "y", NULL, NULL, v, &err), SCRY_EFORMAT);
    scry_hdf5_close(f);
    assert_int_equal(scratch_count(), 0);
    assert_ok(scry_hdf5_finish(NULL, true, &err));
}

static void not_hdf5(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_hdf5 *f;
    scratch_write("text.h5", "# Dimensions\n1 2 3\n", 19);
    scratch_write("head.h5", "\x89HDF\r\n\x1a\n", 8);
    assert_false(scry_hdf5_recognise(scratch("text.h5")));
    assert_false(scry_hdf5_recognise(scratch("absent.h5")));
    assert_true(scry_hdf5_recognise(scratch("head.h5")));
    assert_fails(scry_hdf5_open(&f, scratch("text.h5"), &err), SCRY_EFORMAT);
    assert_int_equal(scry_hdf5_open(&f, scratch("head.h5"), &err), SCRY_EFORMAT);
    assert_non_null(strstr(err.text, "truncated or damaged"));
    err = (scry_error){0};
    assert_fails(scry_hdf5_open(&f, scratch("absent.h5"), &err), SCRY_EIO);
    assert_fails(scry_hdf5_open(&f, scratch("."), &err), SCRY_EFORMAT);
    scratch_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(h5py_is_described), cmocka_unit_test(everything_is_listed),
        cmocka_unit_test(boxes_are_read),    cmocka_unit_test(text_and_attributes),
        cmocka_unit_test(written_is_read),   cmocka_unit_test(nothing_is_left),
        cmocka_unit_test(not_hdf5),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
