#include "tests/options.h"

#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "priors/prior_impl.h"
#include "solvers/registry.h"
#include "solvers/solver.h"

#include <string.h>

/* Everything that the command line shows and accepts comes from this table. */
static void every_method_is_complete(void **state)
{
    (void)state;
    size_t count;
    scry_error err = {0};
    const struct scry_method *const *m = scry_methods(&count);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(scry_method_find(m[i]->name), m[i]);
        assert_non_null(m[i]->title);
        assert_non_null(m[i]->exact);
        assert_non_null(m[i]->citation);
        assert_non_null(m[i]->plan);
        scry_options opts;
        scry_options_init(&opts, m[i]);
        for (const scry_option *o = m[i]->options; o->name; o++) {
            double value;
            assert_true(o->help && o->help[0]);
            assert_ok(scry_options_get(&opts, o->name, &value, &err));
            assert_near(value, o->value, 0);
        }
    }
    assert_null(scry_method_find("magic"));
}

static void options_are_set_by_name(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_options opts;
    double value;
    const struct scry_method *ddim = scry_method_find("ddim");
    scry_options_init(&opts, ddim);
    assert_ok(scry_options_set(&opts, "steps", 17, &err));
    assert_near(option_value(&opts, "steps"), 17, 0);
    assert_ok(scry_options_set(&opts, "sigma-max", 2.385, &err));
    assert_near(option_value(&opts, "sigma-max"), 2.385, 0);
    assert_ok(scry_options_get(&opts, "sigma-max", &value, &err));
    assert_near(value, 2.385, 0);
    assert_fails(scry_options_set(&opts, "steps", 2.5, &err), SCRY_EINVAL);
    assert_fails(scry_options_set(&opts, "steps", 0, &err), SCRY_EINVAL);
    assert_fails(scry_options_set(&opts, "eta", NAN, &err), SCRY_EINVAL);
    assert_fails(scry_options_set(&opts, "eta", 1.5, &err), SCRY_EINVAL);
    assert_int_equal(scry_options_set(&opts, "tv", 1, &err), SCRY_EINVAL);
    assert_non_null(
        strstr(err.text,
               "sigma-max, sigma-min, schedule-power, fresh-noise")); /* the list of its options */
}

static void choices_have_words(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_options opts;
    const struct scry_method *rl = scry_method_find("richardson-lucy");
    scry_options_init(&opts, rl);
    for (const scry_option *o = rl->options; o->name; o++) {
        const char *const *words = o->choices;
        assert_int_equal(words != NULL,
                         !strcmp(o->name, "stop") || !strcmp(o->name, "acceleration"));
        for (int i = 0; words && i <= (int)o->high; i++)
            assert_non_null(words[i]);
        if (!strcmp(o->name, "stop")) assert_string_equal(words[2], "holdout");
    }
    assert_ok(scry_options_read(&opts, "stop", "frc", &err));
    assert_int_equal(scry_options_set(&opts, "stop", 7, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "steps, discrepancy, holdout, frc"));
}

/* The letter of the paper and the name in words are one option; texts and messages have the name.
 */
static void an_alias_is_the_option(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_options o = option_defaults("diffpir");
    char text[64];
    double value;
    assert_ok(scry_options_parse(&o, "--zeta 0.3 --inner 4", &err));
    assert_ok(scry_options_get(&o, "fresh-noise", &value, &err));
    assert_near(value, 0.3, 0);
    assert_ok(scry_options_text(&o, text, sizeof text, &err));
    assert_string_equal(text, "--fresh-noise 0.3 --solve-iterations 4");
    assert_int_equal(scry_options_set(&o, "zeta", 2, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "fresh-noise is 2, expected a number from 0 to 1"));
}

/* Names and aliases are each one option of a method, and fields do not overlap. */
static void names_are_unique(void **state)
{
    (void)state;
    size_t count;
    const struct scry_method *const *m = scry_methods(&count);
    for (size_t i = 0; i < count; i++)
        for (const scry_option *o = m[i]->options; o->name; o++) {
            assert_ptr_equal(scry_option_find(m[i], o->name), o);
            if (o->alias) assert_ptr_equal(scry_option_find(m[i], o->alias), o);
            assert_true(o->offset + sizeof(double) <= SCRY_OPTIONS_BYTES);
            for (const scry_option *p = m[i]->options; p < o; p++)
                assert_int_not_equal(p->offset, o->offset);
        }
}

static void settings_survive_as_text(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_options opts, again;
    char text[128];
    const struct scry_method *daps = scry_method_find("daps");
    scry_options_init(&opts, daps);
    assert_ok(scry_options_text(&opts, text, sizeof text, &err));
    assert_string_equal(text, "");
    assert_ok(scry_options_read(&opts, "variance", "matched", &err));
    assert_ok(scry_options_set(&opts, "steps", 98765, &err));
    assert_ok(scry_options_set(&opts, "sigma-min", 1. / 3, &err));
    assert_ok(scry_options_text(&opts, text, sizeof text, &err));
    assert_string_equal(text, "--steps 98765 --sigma-min 0.3333333333333333 --variance matched");
    scry_options_init(&again, daps);
    assert_ok(scry_options_parse(&again, text, &err));
    assert_memory_equal(&again, &opts, sizeof opts);
    assert_ok(scry_options_parse(&again, "  ", &err));
    assert_memory_equal(&again, &opts, sizeof opts);
    assert_fails(scry_options_text(&opts, text, 20, &err), SCRY_EINVAL);
    err = (scry_error){0};
    const char *const wrong[] = {"--steps", "steps 3",           "--steps many", "--steps 2.5",
                                 "--tv 1",  "--variance narrow", "--steps 3 4"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_fails(scry_options_parse(&again, wrong[i], &err), SCRY_EINVAL);
        err = (scry_error){0};
    }
}

/* D = x / (1 + sigma^2): the prior N(0, I). */
static scry_status shrink(const scry_prior *P, float *x0, const float *x, float sigma, void *work,
                          scry_error *err)
{
    (void)work;
    (void)err;
    for (size_t i = 0; i < scry_space_floats(&P->space); i++)
        x0[i] = x[i] / (1 + sigma * sigma);
    return SCRY_OK;
}

static scry_prior unit_prior(void)
{
    static const struct scry_prior_ops ops = {.name = "unit", .denoise = shrink};
    return (scry_prior){
        .ops = &ops, .space = SCRY_SPACE(3, 5), .sigma_low = 0.01, .sigma_high = 100};
}

static void a_missing_need_is_named(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_solver *S;
    const struct scry_method *heun = scry_method_find("heun");
    scry_options opts;
    scry_options_init(&opts, heun);
    scry_problem problem = {0};
    assert_int_equal(scry_solver_plan(&S, &problem, &opts, &err), SCRY_EUNSUP);
    assert_null(S);
    assert_non_null(strstr(err.text, "a prior that denoises"));
    err = (scry_error){0};

    scry_prior unit = unit_prior();
    problem.prior = &unit;
    assert_ok(scry_solver_plan(&S, &problem, &opts, &err));
    scry_solver_free(S);
    option_set(&opts, "sigma-min", 0.001); /* below the range of the prior */
    assert_fails(scry_solver_plan(&S, &problem, &opts, &err), SCRY_EINVAL);
    option_set(&opts, "sigma-min", 50); /* above sigma_max = 40 */
    assert_fails(scry_solver_plan(&S, &problem, &opts, &err), SCRY_EINVAL);
}

/* Refuse each allocation of a plan in turn: an error each time, and nothing left behind. */
static void plans_survive_lack_of_memory(void **state)
{
    (void)state;
    scry_prior unit = unit_prior();
    const scry_problem problem = {.prior = &unit};
    const char *names[] = {"ddpm", "ddim", "euler", "heun"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct scry_method *m = scry_method_find(names[i]);
        const size_t live = scry_memory_live();
        scry_options opts;
        scry_options_init(&opts, m);
        scry_status st = SCRY_ENOMEM;
        for (size_t nth = 1; st == SCRY_ENOMEM; nth++) {
            scry_error err = {0};
            scry_solver *S;
            scry_memory_fail_at(nth);
            st = scry_solver_plan(&S, &problem, &opts, &err);
            scry_memory_fail_at(0);
            assert_int_equal(st == SCRY_OK, S != NULL);
            if (st != SCRY_OK) assert_true(err.text[0] != '\0');
            scry_solver_free(S);
            assert_int_equal(scry_memory_live(), live);
            assert_true(nth < 50);
        }
        assert_int_equal(st, SCRY_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_is_complete), cmocka_unit_test(options_are_set_by_name),
        cmocka_unit_test(choices_have_words),       cmocka_unit_test(settings_survive_as_text),
        cmocka_unit_test(an_alias_is_the_option),   cmocka_unit_test(names_are_unique),
        cmocka_unit_test(a_missing_need_is_named),  cmocka_unit_test(plans_survive_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
