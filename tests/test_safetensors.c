#include "tests/check.h"

#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/io/safetensors.h"

#include <string.h>

static unsigned char blob[4096];

/* A file of this header and `data` bytes 0, 1, 2, ... */
static size_t make(const char *header, size_t data)
{
    const size_t n = strlen(header);
    memset(blob, 0, 8);
    blob[0] = (unsigned char)n;
    blob[1] = (unsigned char)(n >> 8);
    memcpy(blob + 8, header, n);
    for (size_t i = 0; i < data; i++)
        blob[8 + n + i] = (unsigned char)i;
    return 8 + n + data;
}

static void refuse(const char *header, size_t data, const char *words)
{
    scry_error err = {0};
    scry_safetensors *s;
    const size_t size = make(header, data);
    assert_int_equal(scry_safetensors_parse(&s, blob, size, "t.safetensors", &err), SCRY_EFORMAT);
    assert_null(s);
    if (!strstr(err.text, words)) {
        print_error("\"%s\" does not say \"%s\"\n", err.text, words);
        fail();
    }
}

#define ENTRY(name, dtype, shape, at)                                                              \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" at "}"

static void types_become_float(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_safetensors *s;
    const size_t size =
        make("{\"__metadata__\":{\"format\":\"pt\"}," ENTRY("f", "F32", "[1,2]", "[0,8]") "," ENTRY(
                 "h", "F16", "[4]",
                 "[8,16]") "," ENTRY("b", "BF16", "[]",
                                     "[16,18]") "," ENTRY("d", "F64", "[1]",
                                                          "[18,26]") "," ENTRY("i", "I32", "[1]",
                                                                               "[26,30]") "}  ",
             30);
    unsigned char *data = blob + size - 30;
    const float f[2] = {2.385f, -1e-20f};
    /* 1.5, smallest subnormal, -65504, infinity */
    const uint16_t half[4] = {0x3e00, 0x0001, 0xfbff, 0x7c00}, brain = 0xc049; /* -3.140625 */
    const double d = 1. / 3;
    memcpy(data, f, 8);
    memcpy(data + 8, half, 8);
    memcpy(data + 16, &brain, 2);
    memcpy(data + 18, &d, 8);
    assert_ok(scry_safetensors_parse(&s, blob, size, "t", &err));
    assert_int_equal(scry_safetensors_count(s), 5);
    assert_string_equal(scry_safetensors_info(s, 0)->name, "b");
    assert_null(scry_safetensors_find(s, "nobody"));
    const scry_tensor_info *t = scry_safetensors_find(s, "f");
    assert_true(t->rank == 2 && t->dims[0] == 1 && t->dims[1] == 2 && t->count == 2);
    float out[4];
    assert_ok(scry_safetensors_float(s, t, out, &err));
    assert_memory_equal(out, f, 8);
    assert_ok(scry_safetensors_float(s, scry_safetensors_find(s, "h"), out, &err));
    assert_true(out[0] == 1.5f && out[1] == 0x1p-24f && out[2] == -65504.f && isinf(out[3]));
    assert_ok(scry_safetensors_float(s, scry_safetensors_find(s, "b"), out, &err));
    assert_true(out[0] == -3.140625f);
    assert_ok(scry_safetensors_float(s, scry_safetensors_find(s, "d"), out, &err));
    assert_true(out[0] == (float)(1. / 3));
    assert_fails(scry_safetensors_float(s, scry_safetensors_find(s, "i"), out, &err), SCRY_EUNSUP);
    scry_safetensors_free(s);
}

static void bad_headers_are_refused(void **state)
{
    (void)state;
    refuse("{" ENTRY("a", "F32", "[2]", "[0,8]") "}", 4, "truncated");
    refuse("{" ENTRY("a", "F32", "[2]", "[0,8]") "}", 12, "12 bytes of data, the tensors cover 8");
    refuse("{" ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY("b", "F32", "[2]", "[4,12]") "}", 12,
           "overlap");
    refuse("{" ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY("b", "F32", "[1]", "[12,16]") "}", 16,
           "hole");
    refuse("{" ENTRY("a", "F32", "[3]", "[0,8]") "}", 8, "occupies 8 bytes, its shape needs 12");
    refuse("{" ENTRY("a", "F31", "[2]", "[0,8]") "}", 8, "unknown dtype \"F31\"");
    refuse("{" ENTRY("a", "F32", "[2]", "[8,0]") "}", 8, "8 to 0");
    refuse("{" ENTRY("a", "F32", "[2]", "[0]") "}", 8, "1 data_offsets, expected 2");
    refuse("{" ENTRY("a", "F32", "[-2]", "[0,8]") "}", 8, "a.shape[0] is -2");
    refuse("{" ENTRY("a", "F32", "[1.5]", "[0,8]") "}", 8, "a.shape[0] is 1.5");
    refuse("{" ENTRY("a", "F32", "[9007199254740992,9007199254740992]", "[0,8]") "}", 8,
           "overflows");
    refuse("{" ENTRY("a", "F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]") "}", 8, "more than 8 axes");
    refuse("{" ENTRY("a", "F32", "[1]", "[0,4]") "," ENTRY("a", "F32", "[1]", "[4,8]") "}", 8,
           "\"a\" appears twice");
    refuse("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "a.dtype is missing");
    refuse("{\"a\":7}", 0, "dtype");
    refuse("[]", 0, "not a JSON object");
    refuse("7", 0, "not a JSON object");
    refuse("{", 0, "not valid JSON");
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    const size_t size = make("{" ENTRY("a", "F32", "[2,3]", "[0,24]") "}", 24);
    for (size_t n = 0; n < size; n++) {
        scry_error err = {0};
        scry_safetensors *s;
        assert_fails(scry_safetensors_parse(&s, blob, n, "t", &err), SCRY_EFORMAT);
    }
}

static void refused_memory_is_reported(void **state)
{
    (void)state;
    const size_t live = scry_memory_live();
    const size_t size = make("{" ENTRY("a", "F32", "[2]", "[0,8]") "}", 8);
    for (size_t nth = 1; nth <= 5; nth++) {
        scry_error err = {0};
        scry_safetensors *s;
        scry_memory_fail_at(nth);
        assert_fails(scry_safetensors_parse(&s, blob, size, "t", &err), SCRY_ENOMEM);
        assert_int_equal(scry_memory_live(), live);
    }
    scry_memory_fail_at(0);
}

static void files_are_read(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_safetensors *s;
    float out[2];
    char path[] = "/tmp/scry-safetensors-XXXXXX";
    const int file = mkstemp(path);
    const size_t size = make("{" ENTRY("a", "F32", "[2]", "[0,8]") "}", 8);
    assert_int_equal(write(file, blob, size), size);
    close(file);
    assert_ok(scry_safetensors_open(&s, path, &err));
    assert_ok(scry_safetensors_float(s, scry_safetensors_find(s, "a"), out, &err));
    assert_memory_equal(out, blob + size - 8, 8);
    scry_safetensors_free(s);
    unlink(path);
    assert_fails(scry_safetensors_open(&s, path, &err), SCRY_EIO);
    assert_fails(scry_safetensors_open(&s, "/tmp", &err), SCRY_EIO);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_safetensors *s;
    float a[6] = {1, -2.5f, 3e-20f, 0, 7, 9}, b = 4, out[6];
    const size_t dims[] = {2, 3};
    const scry_tensor_out tensors[] = {{"x.weight", 2, dims, a}, {"b", 0, NULL, &b}};
    char folder[] = "/tmp/scry-safetensors-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/t", folder);
    for (int again = 0; again < 2; again++) { /* the second replaces the first */
        assert_ok(scry_safetensors_write(path, tensors, 2, &err));
        assert_ok(scry_safetensors_open(&s, path, &err));
        assert_int_equal(scry_safetensors_count(s), 2);
        const scry_tensor_info *t = scry_safetensors_find(s, "x.weight");
        assert_true(t->rank == 2 && t->dims[0] == 2 && t->dims[1] == 3);
        assert_ok(scry_safetensors_float(s, t, out, &err));
        assert_memory_equal(out, a, sizeof a);
        assert_ok(scry_safetensors_float(s, scry_safetensors_find(s, "b"), out, &err));
        assert_true(out[0] == 4);
        scry_safetensors_free(s);
        a[1] = 11;
    }
    unlink(path);
    assert_int_equal(rmdir(folder), 0); /* nothing else was left there */
    assert_fails(scry_safetensors_write("/nonexistent/t", tensors, 2, &err), SCRY_EIO);
    const size_t live = scry_memory_live();
    scry_memory_fail_at(1);
    assert_fails(scry_safetensors_write("/tmp/t", tensors, 2, &err), SCRY_ENOMEM);
    scry_memory_fail_at(0);
    assert_int_equal(scry_memory_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_become_float),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(refused_memory_is_reported),
        cmocka_unit_test(files_are_read),
        cmocka_unit_test(what_is_written_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
