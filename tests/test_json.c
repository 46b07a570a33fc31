#include "tests/check.h"

#include "lib/io/json.h"
#include "lib/memory.h"
#include "lib/sha256.h"

#include <string.h>

static scry_json *parsed(const char *text)
{
    scry_error err = {0};
    scry_json *doc;
    assert_ok(scry_json_parse(&doc, text, strlen(text), "t.json", &err));
    return doc;
}

static void getters_read_what_is_there(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_json *doc =
        parsed("{\"a\": 2.385, \"n\": -7, \"s\": \"x\\u00e9\", \"t\": true, \"z\": null,"
               " \"l\": [1, [2, {\"deep\": \"no\"}]], \"o\": {}}");
    const scry_json_node *root = scry_json_root(doc), *list, *object;
    double a = 0, kept = 5;
    int64_t n = 0;
    const char *s = NULL;
    bool t = false;
    assert_ok(scry_json_number(doc, root, "a", SCRY_JSON_REQUIRED, &a, &err));
    assert_ok(scry_json_integer(doc, root, "n", SCRY_JSON_REQUIRED, -10, 10, &n, &err));
    assert_ok(scry_json_string(doc, root, "s", SCRY_JSON_REQUIRED, &s, &err));
    assert_ok(scry_json_bool(doc, root, "t", SCRY_JSON_REQUIRED, &t, &err));
    assert_ok(scry_json_array(doc, root, "l", SCRY_JSON_REQUIRED, &list, &err));
    assert_ok(scry_json_object(doc, root, "o", SCRY_JSON_REQUIRED, &object, &err));
    assert_ok(scry_json_number(doc, root, "z", SCRY_JSON_OPTIONAL, &kept, &err));
    assert_ok(scry_json_number(doc, root, "absent", SCRY_JSON_OPTIONAL, &kept, &err));
    assert_true(a == 2.385 && n == -7 && t && kept == 5);
    assert_string_equal(s, "x\xc3\xa9");
    assert_int_equal(scry_json_count(list), 2);
    assert_false(scry_json_has(root, "z"));
    scry_json_free(doc);
}

static void messages_name_the_path(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_json *doc = parsed("{\"l\": [1, [2, {\"deep\": \"no\", \"half\": 2.5}]], \"big\": 1e300}");
    const scry_json_node *root = scry_json_root(doc), *list;
    double x;
    int64_t n;
    assert_ok(scry_json_array(doc, root, "l", SCRY_JSON_REQUIRED, &list, &err));
    const scry_json_node *inner = scry_json_next(scry_json_first(list));
    const scry_json_node *object = scry_json_next(scry_json_first(inner));
    assert_int_equal(scry_json_number(doc, object, "deep", SCRY_JSON_REQUIRED, &x, &err),
                     SCRY_EFORMAT);
    assert_string_equal(err.text, "t.json: l[1][1].deep is a string, expected a finite number");
    err = (scry_error){0};
    assert_int_equal(scry_json_integer(doc, object, "half", SCRY_JSON_REQUIRED, 0, 9, &n, &err),
                     SCRY_EFORMAT);
    assert_string_equal(err.text,
                        "t.json: l[1][1].half is 2.5, expected a whole number from 0 to 9");
    err = (scry_error){0};
    assert_int_equal(scry_json_number(doc, object, "gone", SCRY_JSON_REQUIRED, &x, &err),
                     SCRY_EFORMAT);
    assert_string_equal(err.text, "t.json: l[1][1].gone is missing");
    err = (scry_error){0};
    assert_fails(scry_json_integer(doc, root, "big", SCRY_JSON_REQUIRED, 0, 9, &n, &err),
                 SCRY_EFORMAT);
    assert_fails(scry_json_to_number(doc, list, &x, &err), SCRY_EFORMAT);
    scry_json_free(doc);
}

static void malformed_text_is_refused(void **state)
{
    (void)state;
    const char *const bad[] = {"",
                               "{",
                               "{\"a\": 1,}",
                               "nul",
                               "{\"a\": 1} {",
                               "[1 2]",
                               "{\"a\": 1, \"b\": 2, \"a\": 3}",
                               "{\"x\": {\"k\":1,\"k\":1}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        scry_error err = {0};
        scry_json *doc;
        assert_fails(scry_json_parse(&doc, bad[i], strlen(bad[i]), "t.json", &err), SCRY_EFORMAT);
        assert_null(doc);
    }
    /* deeper than any file of ours, and than the stack should follow */
    char *deep = malloc(200001);
    memset(deep, '[', 200000);
    scry_error err = {0};
    scry_json *doc;
    assert_fails(scry_json_parse(&doc, deep, 200000, "t.json", &err), SCRY_EFORMAT);
    free(deep);
}

static void files_are_bounded(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_json *doc;
    char path[] = "/tmp/scry-json-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "{\"a\": 1}\n", 9), 9);
    close(file);
    assert_ok(scry_json_read(&doc, path, 9, &err));
    scry_json_free(doc);
    assert_fails(scry_json_read(&doc, path, 8, &err), SCRY_EFORMAT);
    unlink(path);
    assert_fails(scry_json_read(&doc, path, 9, &err), SCRY_EIO);
    assert_fails(scry_json_read(&doc, "/tmp", 9, &err), SCRY_EIO);
}

static void reports_survive_the_round_trip(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_json *doc;
    char *text;
    assert_ok(scry_json_create(&doc, &err));
    scry_json_node *root = scry_json_root(doc);
    scry_json_put_number(doc, root, "sigma", .1);
    scry_json_put_number(doc, root, "nan", (double)NAN);
    scry_json_put_unsigned(doc, root, "seed", UINT64_MAX);
    scry_json_put_integer(doc, root, "low", INT64_MIN);
    scry_json_put_string(doc, root, "text", "a \"b\"\n\\");
    scry_json_node *list = scry_json_put_array(doc, root, "list");
    scry_json_put_bool(doc, list, NULL, true);
    scry_json_put_integer(doc, scry_json_put_object(doc, list, NULL), "in", 3);
    assert_ok(scry_json_text(doc, &text, &err));
    assert_non_null(strstr(text, "18446744073709551615"));
    assert_non_null(strstr(text, "-9223372036854775808"));
    scry_json *again = parsed(text);
    double sigma = 0;
    const char *expected;
    assert_ok(
        scry_json_number(again, scry_json_root(again), "sigma", SCRY_JSON_REQUIRED, &sigma, &err));
    assert_true(sigma == .1);
    assert_ok(scry_json_string(again, scry_json_root(again), "text", SCRY_JSON_REQUIRED, &expected,
                               &err));
    assert_string_equal(expected, "a \"b\"\n\\");
    assert_false(scry_json_has(scry_json_root(again), "nan"));
    scry_json_free(again);
    scry_free(text);
    assert_fails(scry_json_write(doc, "/nonexistent/report.json", &err), SCRY_EIO);
    scry_json_free(doc);
}

static void refused_memory_is_reported(void **state)
{
    (void)state;
    const char *text = "{\"a\": 1, \"b\": {\"c\": 2, \"d\": 3}}";
    const size_t live = scry_memory_live();
    for (size_t nth = 1; nth <= 3; nth++) {
        scry_error err = {0};
        scry_json *doc;
        scry_memory_fail_at(nth);
        assert_fails(scry_json_parse(&doc, text, strlen(text), "t", &err), SCRY_ENOMEM);
        assert_int_equal(scry_memory_live(), live);
    }
    scry_memory_fail_at(0);
}

/* FIPS 180-2, appendix B: the empty message, "abc", 448 bits, and a million "a". */
static void sha256_matches_the_standard(void **state)
{
    (void)state;
    const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char hex[65];
    scry_sha256 h;
    for (size_t i = 0; i < 3; i++) {
        scry_sha256_init(&h);
        scry_sha256_add(&h, cases[i].text, strlen(cases[i].text));
        scry_sha256_hex(&h, hex);
        assert_string_equal(hex, cases[i].hex);
    }
    scry_sha256_init(&h);
    for (size_t done = 0; done < 1000000;) {
        char chunk[777];
        const size_t n = 1000000 - done < sizeof chunk ? 1000000 - done : sizeof chunk;
        memset(chunk, 'a', sizeof chunk);
        scry_sha256_add(&h, chunk, n);
        done += n;
    }
    scry_sha256_hex(&h, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    scry_error err = {0};
    assert_fails(scry_sha256_file("/nonexistent", hex, &err), SCRY_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(getters_read_what_is_there),
        cmocka_unit_test(messages_name_the_path),
        cmocka_unit_test(malformed_text_is_refused),
        cmocka_unit_test(files_are_bounded),
        cmocka_unit_test(reports_survive_the_round_trip),
        cmocka_unit_test(refused_memory_is_reported),
        cmocka_unit_test(sha256_matches_the_standard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
