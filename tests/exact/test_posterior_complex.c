#include "tests/exact/small_complex.h"

/* As in test_posterior.c: allowed errors of a method, before Monte Carlo error. The imaginary
 * part, narrower than the noise, is where the approximations fail: PiGDM takes every image for
 * one of unit variance, DiffPIR for white at each level, and DDS as published fits the coils'
 * samples down to the noise: eight standard deviations. */
struct band {
    const char *method;
    const char *start, *choice; /* weight of dds, variance of daps */
    double bias, low, high;
};

static const struct band sense_bands[] = {
    {"jfps", "noise", NULL, 0.02, 0.92, 1.0},       {"jfps", "gaussian", NULL, 0.02, 0.95, 1.0},
    {"mmps", "noise", NULL, 0.02, 0.98, 1.02},      {"mmps", "gaussian", NULL, 0.02, 0.98, 1.02},
    {"tmpd", "noise", NULL, 0.45, 0.83, 1.0},       {"pigdm", "noise", NULL, 0.5, 0.9, 1.02},
    {"pnpdm", "noise", "exact", 0.04, 0.98, 1.02},  {"pnpdm", "noise", "paper", 0.3, 0.95, 1.06},
    {"diffpir", "noise", NULL, 0.5, 0.75, 0.95},    {"dds", "noise", "paper", 9, 0.2, 0.7},
    {"dds", "noise", "noise", 0.55, 0.77, 0.95},    {"daps", "noise", "paper", 1, 1.05, 1.45},
    {"daps", "noise", "matched", 0.02, 0.98, 1.02}, {"dps", "noise", NULL, 2.1, 0.7, 1.15},
};

static const struct band fourier_bands[] = {
    {"jfps", "noise", NULL, 0.02, 0.92, 1.0},  {"diffpir", "noise", NULL, 0.2, 0.75, 0.95},
    {"tmpd", "noise", NULL, 0.25, 0.87, 1.02}, {"ddnm", "noise", NULL, 0.55, 0.65, 0.9},
    {"ddrm", "noise", NULL, 0.55, 0.65, 0.9},
};

static void set_opts(scry_options *o, const struct band *band)
{
    scry_options_init(o, scry_method_find(band->method));
    option_set(o, "steps", 60);
    option_set(o, "sigma-max", 20);
    option_set(o, "sigma-min", 0.02);
    option_set(o, "tol", 1e-4);
    option_set(o, "inner", 20);
    option_word(o, "start", band->start);
    option_set(o, "start-sigma", 1);
    option_word(o, "weight", band->choice);
    option_word(o, "variance", band->choice);
    if (strcmp(band->method, "pnpdm") == 0) { /* its own levels */
        const struct scry_method *m = scry_method_find(band->method);
        scry_options_init(o, m);
        option_word(o, "start", band->start);
        option_set(o, "start-sigma", 1);
        option_word(o, "coupling", band->choice);
    }
}

static void check_bands(const struct band *bands, size_t count, scry_op *A)
{
    enum { K = 300 };
    static struct world w;
    struct setup s;
    build(&s, &w, A);
    const double slack = 4.5 / sqrt(2.0 * K); /* standard errors, for the largest of 60 */
    for (size_t i = 0; i < count; i++) {
        scry_options o;
        scry_chains c;
        set_opts(&o, &bands[i]);
        draw(&c, &s.problem, &o, K, 7);
        const struct verdict v = judge(c.samples, c.done, w.n, w.post, w.P);
        scry_chains_free(&c);
        if (v.bias > bands[i].bias + 4.5 * v.se || v.low < bands[i].low - slack ||
            v.high > bands[i].high + slack) {
            verdict_print(bands[i].method, &v);
            fail();
        }
    }
    drop(&s);
}

static void coils_are_joined_as_the_posterior_says(void **state)
{
    (void)state;
    check_bands(sense_bands, sizeof sense_bands / sizeof *sense_bands, sense());
}

static void one_coil_as_well(void **state)
{
    (void)state;
    check_bands(fourier_bands, sizeof fourier_bands / sizeof *fourier_bands, fourier());
}

/* The start from the Gaussian model is a draw from the posterior itself: mean and covariance. */
static void gaussian_start_is_exact(void **state)
{
    (void)state;
    enum { K = 2000 };
    static struct world w;
    struct setup s;
    scry_options o;
    scry_chains c;
    build(&s, &w, sense());
    scry_options_init(&o, scry_method_find("jfps"));
    option_set(&o, "steps", 1);
    option_word(&o, "start", "gaussian");
    option_set(&o, "start-sigma", 0.01);
    option_set(&o, "sigma-min", 0.005);
    draw(&c, &s.problem, &o, K, 23);
    const struct verdict v = judge(c.samples, K, w.n, w.post, w.P);
    if (v.bias > 4.5 * v.se || v.whitened > 0.02 + 5 * sqrt(2.0 / K)) {
        verdict_print("gaussian start", &v);
        fail();
    }
    scry_chains_free(&c);
    drop(&s);
}

/* A walk of dds that ends early, at a level which is far from nothing: its draws have the spread
 * that data and prior leave below it. Their estimates alone have a third of it. */
static void draws_hold_what_the_last_level_leaves(void **state)
{
    (void)state;
    enum { K = 300 };
    static struct world w;
    struct setup s;
    scry_options o;
    scry_chains c;
    build(&s, &w, sense());
    set_opts(&o, &(struct band){"dds", "noise", "noise", 0, 0, 0});
    option_set(&o, "steps", 20);
    option_set(&o, "sigma-min", 0.4);
    draw(&c, &s.problem, &o, K, 7);
    const struct verdict v = judge(c.samples, c.done, w.n, w.post, w.P);
    assert_below(0.75, v.low);
    assert_below(v.high, 1.2);
    scry_chains_free(&c);
    drop(&s);
}

/* Sixteen coils that see the same: one diagonal is right for each of them, and their sum
 * sixteen times too long a step. */
static void tmpd_does_not_overshoot_with_equal_coils(void **state)
{
    (void)state;
    enum { SAME = 16, K = 20 };
    float complex maps[SAME * PIXELS];
    unsigned char mask[PIXELS];
    float u[2 * PIXELS], y[2 * SAME * PIXELS];
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 0.005};
    struct setup s;
    static struct world w;
    scry_error err = {0};
    scry_chains c;
    fill_prior(&s, &w);
    for (size_t i = 0; i < SAME * PIXELS; i++)
        maps[i] = cexpf(I * (float)(i / PIXELS)) / sqrtf(SAME);
    memset(mask, 1, sizeof mask);
    assert_ok(scry_sense_create(&s.A,
                                &(scry_sense_params){.maps = maps,
                                                     .coils = SAME,
                                                     .sets = 1,
                                                     .ny = NY,
                                                     .nx = NX,
                                                     .mask = mask,
                                                     .axes = SCRY_FOURIER_YX},
                                &err));
    void *work = scry_alloc(1, scry_op_work_bytes(s.A));
    for (size_t i = 0; i < w.n; i++)
        u[i] = (float)w.mean[i] + (i % 2 ? 0.2f : 1);
    assert_ok(scry_op_forward(s.A, y, u, work, &err));
    scry_free(work);
    assert_ok(scry_likelihood_create(&s.L, s.A, y, &noise, NULL, &err));
    s.problem = (scry_problem){.L = s.L, .prior = s.prior, .model = s.prior};
    scry_options o;
    scry_options_init(&o, scry_method_find("tmpd"));
    draw(&c, &s.problem, &o, K, 3);
    assert_int_equal(c.done, K);
    for (size_t i = 0; i < w.n; i++) /* the data have an sd of 0.005, the last level one of 0.03 */
        assert_near(c.mean[i], u[i], 0.05);
    scry_chains_free(&c);
    drop(&s);
}

/* Every posterior method serves a complex image, or names the missing hook. */
static void every_method_runs_or_names_its_need(void **state)
{
    (void)state;
    static struct world w;
    for (int coils = 0; coils < 2; coils++) {
        struct setup s;
        size_t count;
        const struct scry_method *const *m = scry_methods(&count);
        build(&s, &w, coils ? sense() : fourier());
        for (size_t i = 0; i < count; i++) {
            scry_error err = {0};
            scry_options o;
            scry_solver *S;
            scry_progress end;
            float x[EXACT_MAX];
            if (m[i]->kind != SCRY_POSTERIOR && strcmp(m[i]->name, "red-diff") != 0) continue;
            scry_options_init(&o, m[i]);
            option_set(&o, "steps", 6);
            const char *missing = scry_method_missing(m[i], &s.problem);
            const scry_status st = scry_solver_plan(&S, &s.problem, &o, &err);
            if (missing) {
                assert_true(coils && (m[i]->needs & SCRY_NEEDS_SVD)); /* nothing else is */
                assert_int_equal(st, SCRY_EUNSUP);
                assert_non_null(strstr(err.text, missing));
                continue;
            }
            assert_int_equal(st, SCRY_OK);
            assert_ok(scry_solver_start(S, 3, 0, &err));
            assert_ok(scry_solver_run(S, x, NULL, NULL, &end, &err));
            assert_int_equal(end.reason, SCRY_DONE);
            for (size_t k = 0; k < w.n; k++)
                assert_true(isfinite(x[k]));
            scry_solver_free(S);
        }
        drop(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coils_are_joined_as_the_posterior_says),
        cmocka_unit_test(one_coil_as_well),
        cmocka_unit_test(gaussian_start_is_exact),
        cmocka_unit_test(draws_hold_what_the_last_level_leaves),
        cmocka_unit_test(tmpd_does_not_overshoot_with_equal_coils),
        cmocka_unit_test(every_method_runs_or_names_its_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
