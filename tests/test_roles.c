#include "tests/check.h"

#include "solvers/roles.h"

#include <string.h>

/* Every role has a method of the right kind, and the method takes the settings of the role. */
static void roles_have_methods(void **state)
{
    (void)state;
    static const struct {
        scry_role role;
        scry_method_kind kind;
        const char *settings;
    } expected[] = {
        {SCRY_ROLE_DEBLUR, SCRY_POSTERIOR, ""},
        {SCRY_ROLE_INPAINT, SCRY_POSTERIOR, "--steps 14 --visits 3"},
        {SCRY_ROLE_DENOISE, SCRY_CLASSICAL, ""},
        {SCRY_ROLE_DENOISE_DRAWS, SCRY_POSTERIOR, ""},
        {SCRY_ROLE_SCAN, SCRY_CLASSICAL, ""},
        {SCRY_ROLE_SCAN_DRAWS, SCRY_POSTERIOR, "--steps 25"},
        {SCRY_ROLE_DRAW, SCRY_UNCONDITIONAL, ""},
        {SCRY_ROLE_QUIET_IMAGE, SCRY_CLASSICAL, "--estimates 1 --solve-tolerance 0.01"},
        {SCRY_ROLE_QUIET_COMPLEX, SCRY_CLASSICAL, "--wavelet-weight 0.005 --iterations 60"},
        {SCRY_ROLE_ADJOINT, SCRY_CLASSICAL, ""},
        {SCRY_ROLE_ANCESTRAL, SCRY_UNCONDITIONAL, ""},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        scry_options options, wanted;
        const struct scry_method *method = scry_role_method(expected[i].role);
        assert_non_null(method);
        assert_int_equal(method->kind, expected[i].kind);
        scry_role_options(&options, expected[i].role);
        assert_ptr_equal(options.method, method);
        scry_options_init(&wanted, method);
        assert_int_equal(scry_options_parse(&wanted, expected[i].settings, NULL), SCRY_OK);
        for (const scry_option *o = method->options; o->name; o++) {
            double have = 0, want = 0;
            scry_options_get(&options, o->name, &have, NULL);
            scry_options_get(&wanted, o->name, &want, NULL);
            assert_near(have, want, 0);
        }
    }
}

static const char *settings_of(void (*settle)(scry_options *, const struct scry_method *),
                               const struct scry_method *method)
{
    static char text[256];
    scry_options options;
    settle(&options, method);
    assert_int_equal(scry_options_text(&options, text, sizeof text, NULL), SCRY_OK);
    return text;
}

/* In k-space total variation has a weight of its own and dds half its levels; holes are filled by
 * levels that are visited again. */
static void tasks_have_settings(void **state)
{
    (void)state;
    size_t count;
    const struct scry_method *const *all = scry_methods(&count);
    for (size_t i = 0; i < count; i++) {
        const bool tv = !strcmp(all[i]->name, "tv"), dds = !strcmp(all[i]->name, "dds");
        const bool jfps = !strcmp(all[i]->name, "jfps");
        assert_string_equal(settings_of(scry_scan_options, all[i]), tv    ? "--tv-weight 0.005"
                                                                    : dds ? "--steps 25"
                                                                          : "");
        assert_string_equal(settings_of(scry_hole_options, all[i]),
                            jfps ? "--steps 14 --visits 3" : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_have_methods),
        cmocka_unit_test(tasks_have_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
