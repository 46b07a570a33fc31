#include "tests/options.h"

#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "operators/mask.h"
#include "solvers/callbacks.h"
#include "solvers/methods_impl.h"
#include "tests/own_method/landweber.h"

#include <string.h>

/* A method that is registered at run time, and methods that are refused. */

enum { N = 6 };
static const unsigned char known[N] = {1, 1, 0, 1, 1, 1};
static const float y[N - 1] = {2.385f, -1.25f, 0.5f, 3.75f, -0.625f};
static const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 0.37};

static scry_op *A;
static scry_likelihood *L;

static int make(void **state)
{
    (void)state;
    scry_error err = {0};
    assert_ok(scry_mask_create(&A, &SCRY_SPACE(N), known, &err));
    assert_ok(scry_likelihood_create(&L, A, y, &noise, NULL, &err));
    assert_ok(scry_method_register(&scry_method_landweber, &err));
    return 0;
}

static int drop(void **state)
{
    (void)state;
    scry_likelihood_free(L);
    scry_op_free(A);
    return 0;
}

/* Of a mask an iteration with relaxation r leaves (1 - r)^k of the distance to the data. */
static void a_registered_method_runs(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_solver *S;
    scry_progress end;
    float x[N];
    char text[64];
    const scry_problem problem = {.L = L};
    const struct scry_method *m = scry_method_find("landweber");
    assert_ptr_equal(m, &scry_method_landweber);
    scry_options o = option_defaults("landweber");
    assert_ok(scry_options_parse(&o, "--iterations 3 --r 0.75", &err));
    assert_ok(scry_options_text(&o, text, sizeof text, &err));
    assert_string_equal(text, "--iterations 3 --relaxation 0.75");
    assert_ok(scry_solver_plan(&S, &problem, &o, &err));
    for (uint64_t seed = 0; seed < 2; seed++) {
        assert_ok(scry_solver_start(S, seed, 0, &err));
        assert_ok(scry_solver_run(S, x, NULL, NULL, &end, &err));
        assert_int_equal(end.step, 3);
        assert_int_equal(end.reason, SCRY_DONE);
        for (size_t i = 0, j = 0; i < N; i++)
            assert_near(x[i], known[i] ? (1 - 0.015625) * y[j++] : 0, 2e-3);
    }
    assert_int_equal(scry_solver_counts(S).forward, 3);
    scry_solver_free(S);
}

static void a_name_is_taken_once(void **state)
{
    (void)state;
    scry_error err = {0};
    size_t before, after;
    scry_methods(&before);
    assert_int_equal(scry_method_register(&scry_method_landweber, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "there is a method landweber already"));
    err = (scry_error){0};
    struct scry_method other = scry_method_landweber;
    other.name = "diffpir";
    assert_int_equal(scry_method_register(&other, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "DiffPIR"));
    scry_methods(&after);
    assert_int_equal(after, before);
}

/* Problems that must not reach a plan. */
static void wrong_tables_are_refused(void **state)
{
    (void)state;
    static const char *const words[] = {"few", "many", NULL};
    const scry_option good = {"pace", "p", SCRY_REAL, 0, 1, 0, 2, NULL, "how fast"};
    static const char *const said[] = {"expected small letters",
                                       "expected small letters",
                                       "two options are called p",
                                       "has no help",
                                       "at byte 250",
                                       "in the same bytes",
                                       "is 3 by default",
                                       "has 0 words",
                                       "has 2 words",
                                       "its 2 words"};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        scry_error err = {0};
        scry_option table[] = {good, {"turns", NULL, SCRY_COUNT, 8, 1, 1, 9, NULL, "turns"}, {0}};
        struct scry_method m = scry_method_landweber;
        m.name = "other";
        m.options = table;
        assert_ok(scryi_method_check(&m, &err));
        if (i == 0) table[0].name = "Pace";
        if (i == 1) table[0].alias = "";
        if (i == 2) table[1].name = "p";
        if (i == 3) table[1].help = NULL;
        if (i == 4) table[1].offset = 250;
        if (i == 5) table[1].offset = 4;
        if (i == 6) table[0].value = 3;
        if (i == 7) table[1].kind = SCRY_CHOICE;
        if (i == 8) table[1].choices = words;
        if (i == 9)
            table[1] = (scry_option){"turns", NULL, SCRY_CHOICE, 8, 1, 0, 2, words, "turns"};
        assert_int_equal(scry_method_register(&m, &err), SCRY_EINVAL);
        if (!strstr(err.text, said[i])) print_error("%zu: %s\n", i, err.text);
        assert_non_null(strstr(err.text, said[i]));
        assert_null(scry_method_find("other"));
    }
    scry_error err = {0};
    struct scry_method m = scry_method_landweber;
    m.name = "Land Weber";
    assert_fails(scry_method_register(&m, &err), SCRY_EINVAL);
    m.name = "other";
    m.plan = NULL;
    assert_fails(scry_method_register(&m, &err), SCRY_EINVAL);
}

/* Every method of the library passes the checks of registered ones. */
static void the_library_keeps_its_own_rules(void **state)
{
    (void)state;
    size_t count;
    scry_error err = {0};
    const struct scry_method *const *m = scry_methods(&count);
    for (size_t i = 0; i < count; i++)
        assert_ok(scryi_method_check(m[i], &err));
}

/* ---- callbacks that fail ---- */

struct broken {
    int what;
    size_t destroyed;
    float x[N];
};

static scry_status broken_start(void *ctx, const scry_solver_call *call, scry_error *err)
{
    struct broken *b = ctx;
    (void)call;
    memset(b->x, 0, sizeof b->x);
    return b->what == 0 ? SCRY_FAIL(err, SCRY_EIO, "the shutter is closed") : SCRY_OK;
}

static scry_status broken_step(void *ctx, const scry_solver_call *call, scry_progress *p,
                               scry_error *err)
{
    struct broken *b = ctx;
    if (b->what == 1 && call->step == 2) return SCRY_FAIL(err, SCRY_EIO, "the laser is off");
    if (b->what == 2 && call->step == 1) b->x[3] = NAN;
    if (b->what == 3) return SCRY_OK;                        /* no estimate */
    if (b->what == 4 && call->step == 1) return SCRY_EUNSUP; /* without words */
    if (b->what == 5 && call->step == 1) p->reason = SCRY_DONE;
    p->x0 = b->x;
    return SCRY_OK;
}

static void broken_destroy(void *ctx)
{
    ((struct broken *)ctx)->destroyed++;
}

static void failures_of_callbacks_arrive(void **state)
{
    (void)state;
    static const struct {
        scry_status status;
        const char *said;
    } expected[] = {{SCRY_EIO, "the shutter is closed (landweber, at the start)"},
                    {SCRY_EIO, "the laser is off (landweber, at step 3 of 4)"},
                    {SCRY_ENUMERIC, "at step 2 of 4: the estimate is not finite"},
                    {SCRY_EINVAL, "expected p->x0"},
                    {SCRY_EUNSUP, "(landweber, at step 2 of 4)"},
                    {SCRY_OK, ""}};
    const scry_problem problem = {.L = L};
    const scry_options o = option_defaults("landweber");
    const size_t live = scry_memory_live();
    for (int i = 0; i < 6; i++) {
        scry_error err = {0};
        scry_solver *S;
        scry_progress end = {0};
        struct broken b = {.what = i};
        const scry_solver_callbacks own = {.steps = 4,
                                           .start = broken_start,
                                           .step = broken_step,
                                           .destroy = broken_destroy,
                                           .ctx = &b};
        assert_ok(scry_solver_create(&S, &problem, &o, &own, &err));
        scry_status st = scry_solver_start(S, 1, 0, &err);
        if (st == SCRY_OK) st = scry_solver_run(S, NULL, NULL, NULL, &end, &err);
        assert_int_equal(st, expected[i].status);
        assert_non_null(strstr(err.text, expected[i].said));
        if (st == SCRY_OK) assert_int_equal(end.step, 2);
        scry_solver_free(S);
        assert_int_equal(b.destroyed, 1);
    }
    assert_int_equal(scry_memory_live(), live);
}

/* Whatever create refuses, the context is freed once. */
static void wrong_callbacks_are_refused(void **state)
{
    (void)state;
    const scry_problem problem = {.L = L}, nothing = {0};
    const scry_options o = option_defaults("landweber");
    struct broken b = {0};
    scry_solver_callbacks own = {
        .start = broken_start, .step = broken_step, .destroy = broken_destroy, .ctx = &b};
    scry_error err = {0};
    scry_solver *S;
    assert_fails(scry_solver_create(&S, &problem, &o, &own, &err), SCRY_EINVAL);
    own.steps = 4;
    assert_fails(scry_solver_create(&S, &nothing, &o, &own, &err), SCRY_EINVAL);
    own.step = NULL;
    assert_fails(scry_solver_create(&S, &problem, &o, &own, &err), SCRY_EINVAL);
    own.step = broken_step;
    own.start = NULL; /* and no images */
    assert_fails(scry_solver_create(&S, &problem, &o, &own, &err), SCRY_EINVAL);
    own.images = SCRY_SOLVER_IMAGES + 1;
    assert_fails(scry_solver_create(&S, &problem, &o, &own, &err), SCRY_EINVAL);
    own.images = 2;
    for (size_t nth = 1; nth <= 3; nth++) {
        scry_memory_fail_at(nth);
        assert_fails(scry_solver_create(&S, &problem, &o, &own, &err), SCRY_ENOMEM);
        scry_memory_fail_at(0);
        assert_null(S);
    }
    assert_int_equal(b.destroyed, 8);
}

/* ---- images of the solver ---- */

static scry_status images_step(void *ctx, const scry_solver_call *call, scry_progress *p,
                               scry_error *err)
{
    float *x = call->images[0], *g = call->images[1];
    *(size_t *)ctx += call->n;
    for (size_t i = 0; i < call->n; i++)
        if (x[i] != (float)call->step || g[i] != 0) return SCRY_FAIL(err, SCRY_EINVAL, "not clean");
    scry_status st = scry_likelihood_score(call->problem->L, g, x, call->work, err);
    for (size_t i = 0; i < call->n; i++) {
        x[i] = (float)call->step + 1;
        g[i] = 0;
    }
    p->x0 = x;
    return st;
}

/* A method without a start: its images begin as zeros in each run, and have memory to work with. */
static void images_are_kept_and_cleared(void **state)
{
    (void)state;
    const scry_problem problem = {.L = L};
    const scry_options o = option_defaults("landweber");
    const size_t live = scry_memory_live();
    size_t seen = 0;
    const scry_solver_callbacks own = {.steps = 3, .images = 2, .step = images_step, .ctx = &seen};
    float mean[N];
    scry_error err = {0};
    scry_solver *S;
    assert_ok(scry_solver_create(&S, &problem, &o, &own, &err));
    for (uint32_t chain = 0; chain < 2; chain++) {
        assert_ok(scry_solver_start(S, 1, chain, &err));
        assert_ok(scry_solver_run(S, mean, NULL, NULL, NULL, &err));
        assert_near(mean[N - 1], 3, 0);
    }
    assert_int_equal(seen, 6 * N);
    scry_solver_free(S);
    assert_int_equal(scry_memory_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registered_method_runs),
        cmocka_unit_test(a_name_is_taken_once),
        cmocka_unit_test(wrong_tables_are_refused),
        cmocka_unit_test(the_library_keeps_its_own_rules),
        cmocka_unit_test(failures_of_callbacks_arrive),
        cmocka_unit_test(wrong_callbacks_are_refused),
        cmocka_unit_test(images_are_kept_and_cleared),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
