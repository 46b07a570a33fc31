#include "tests/exact/small.h"

#include "lib/vector.h"
#include "priors/prior_impl.h"

/* Methods against a posterior known in closed form. */

/* Allowed errors of a method on these two problems: bias of the mean in exact sd, and the range of
 * sd / exact sd over pixels, both before Monte Carlo error. For methods that are exact in a limit
 * the bands are the errors of 60 steps; for the others they are the finding: DiffPIR's step treats
 * the unknown as white, and has 15 % too little spread, as has DDS when the noise is given; TMPD
 * takes the sums of the rows of a blur's covariance for its diagonal; DDS as published, DDNM+, DDRM
 * and DPS are far off where the noise is not small, as the registry says. */
struct band {
    const char *method;
    const char *start;
    double blur_bias, mask_bias, low, high;
    size_t travel;      /* 60 / travel levels */
    const char *choice; /* weight of dds, variance of daps; NULL: neither */
};

static const struct band bands[] = {
    {"jfps", "noise", 0.02, 0.02, 0.92, 1.0, 1, NULL},
    {"jfps", "gaussian", 0.02, 0.02, 0.95, 1.0, 1, NULL},
    {"jfps", "gaussian", 0.02, 0.02, 0.95, 1.0, 3, NULL},
    {"mmps", "noise", 0.02, 0.02, 0.98, 1.02, 1, NULL},
    {"mmps", "gaussian", 0.02, 0.02, 0.98, 1.02, 1, NULL},
    {"tmpd", "noise", 0.7, 0.35, 0.92, 1.18, 1, NULL},
    {"pigdm", "noise", 0.25, 0.2, 0.9, 1.02, 1, NULL},
    {"pnpdm", "noise", 0.02, 0.02, 0.98, 1.02, 1, "exact"},
    {"pnpdm", "noise", 0.13, 0.16, 0.98, 1.08, 1, "paper"},
    {"diffpir", "noise", 0.12, 0.12, 0.75, 0.95, 1, NULL},
    {"dds", "noise", 0.6, 0.35, 0.01, 0.9, 1, "paper"},
    {"dds", "noise", 0.12, 0.12, 0.75, 0.95, 1, "noise"},
    {"ddnm", "noise", 1.5, 0.4, 0.25, 0.95, 1, NULL},
    {"daps", "noise", 0.22, 0.17, 0.97, 1.35, 1, "paper"},
    {"daps", "noise", 0.02, 0.02, 0.98, 1.02, 1, "matched"},
    {"ddrm", "noise", 0.35, 0.2, 0.4, 0.9, 1, NULL},
    {"dps", "noise", 2.5, 0.6, 0.2, 0.95, 1, NULL},
};

static void set_opts(scry_options *o, const struct band *band)
{
    scry_options_init(o, scry_method_find(band->method));
    option_set(o, "steps", 60);
    option_set(o, "sigma-max", 20);
    option_set(o, "sigma-min", 0.02);
    option_set(o, "tol", 1e-4);
    option_set(o, "inner", 10);
    option_word(o, "start", band->start);
    option_set(o, "start-sigma", 1);
    option_word(o, "weight", band->choice);
    option_word(o, "variance", band->choice);
    if (band->travel > 1) {
        option_set(o, "travel", band->travel);
        option_set(o, "steps", 60 / band->travel);
    }
    if (strcmp(band->method, "pnpdm") == 0) { /* its own levels */
        const struct scry_method *m = scry_method_find(band->method);
        scry_options_init(o, m);
        option_word(o, "start", band->start);
        option_set(o, "start-sigma", 1);
        option_word(o, "coupling", band->choice);
    }
}

static void check_band(const struct band *band, const scry_problem *problem, const struct world *w,
                       double bias)
{
    enum { K = 500 };
    scry_options o;
    scry_chains c;
    set_opts(&o, band);
    draw(&c, problem, &o, K, 7);
    const struct verdict v = judge(c.samples, c.done, w->n, w->post, w->P);
    const double slack = 4 / sqrt(2.0 * K); /* 4 standard errors of a standard deviation */
    if (v.bias > bias + 4 * v.se || v.low < band->low - slack || v.high > band->high + slack) {
        verdict_print(band->method, &v);
        fail();
    }
    scry_chains_free(&c);
}

static void gaussian_posterior_is_drawn(void **state)
{
    (void)state;
    static struct world blur, mask;
    unsigned char known[EXACT_MAX];
    struct setup b, m;
    world_blur(&blur);
    world_mask(&mask, known);
    build(&b, &blur, NULL);
    build(&m, &mask, known);
    for (size_t i = 0; i < sizeof bands / sizeof *bands; i++) {
        check_band(&bands[i], &b.problem, &blur, bands[i].blur_bias);
        check_band(&bands[i], &m.problem, &mask, bands[i].mask_bias);
    }
    drop(&b);
    drop(&m);
}

/* One step from a tiny level leaves the draw that the chain started from: it is exact, without any
 * error of steps. */
static void gaussian_start_is_exact(void **state)
{
    (void)state;
    enum { K = 2000 };
    static struct world w;
    struct setup s;
    scry_options o;
    scry_chains c;
    world_blur(&w);
    build(&s, &w, NULL);
    scry_options_init(&o, scry_method_find("jfps"));
    option_set(&o, "steps", 1);
    option_word(&o, "start", "gaussian");
    option_set(&o, "start-sigma", 0.03);
    draw(&c, &s.problem, &o, K, 23);
    const struct verdict v = judge(c.samples, K, w.n, w.post, w.P);
    if (v.bias > 4.5 * v.se || v.whitened > 0.02 + 4.5 * sqrt(2.0 / K)) {
        verdict_print("gaussian start", &v);
        fail();
    }
    scry_chains_free(&c);
    drop(&s);
}

/* Where the prior is the model, a step that draws the uncertainty of the estimate is exact,
 * however long: after 4 levels, only the last of which returns a mean, the spread is all there. */
/* With the weight of the noise and solves to the end, a step of DDS is one of DiffPIR whose share
 * of fresh noise is eta^2: the same draws give the same chain. */
static void dds_is_diffpir_with_zeta_eta_squared(void **state)
{
    (void)state;
    static struct world w;
    struct setup s;
    scry_options o;
    scry_chains a, b;
    world_blur(&w);
    build(&s, &w, NULL);
    for (double eta = 0.25; eta < 1; eta += 0.35) {
        scry_options_init(&o, scry_method_find("dds"));
        option_set(&o, "steps", 8);
        option_word(&o, "start", "noise");
        option_set(&o, "inner", 200);
        option_set(&o, "eta", eta);
        draw(&a, &s.problem, &o, 4, 13);
        scry_options_init(&o, scry_method_find("diffpir"));
        option_set(&o, "steps", 8);
        option_word(&o, "start", "noise");
        option_set(&o, "inner", 200);
        option_set(&o, "tol", 1e-6);
        option_set(&o, "zeta", eta * eta);
        draw(&b, &s.problem, &o, 4, 13);
        const double far = scry_distance(a.samples, b.samples, 4 * w.n);
        assert_below(far, 2e-3 * scry_norm(a.samples, 4 * w.n));
        scry_chains_free(&a);
        scry_chains_free(&b);
    }
    drop(&s);
}

static void few_levels_with_spread_are_exact(void **state)
{
    (void)state;
    enum { K = 2000 };
    static struct world w;
    unsigned char known[EXACT_MAX];
    struct setup s;
    scry_options o;
    scry_chains c;
    world_mask(&w, known);
    build(&s, &w, known);
    scry_options_init(&o, scry_method_find("jfps"));
    option_set(&o, "steps", 4);
    option_set(&o, "sigma-max", 20);
    option_set(&o, "sigma-min", 0.03);
    option_word(&o, "start", "noise");
    option_set(&o, "spread", 1);
    option_set(&o, "tol", 1e-4);
    for (size_t travel = 1; travel <= 2; travel++) {
        option_set(&o, "travel", travel);
        draw(&c, &s.problem, &o, K, 29);
        const struct verdict v = judge(c.samples, K, w.n, w.post, w.P);
        if (v.bias > 0.01 + 4.5 * v.se || v.whitened > 0.03 + 4.5 * sqrt(2.0 / K)) {
            verdict_print("jfps, 4 levels, spread 1", &v);
            fail();
        }
        scry_chains_free(&c);
    }
    drop(&s);
}

/* A level that is visited three times is three steps at one sigma, and ends at the same one. */
static void travel_repeats_levels(void **state)
{
    (void)state;
    static struct world w;
    struct setup s;
    scry_error err = {0};
    scry_options o;
    world_blur(&w);
    build(&s, &w, NULL);
    static const char *const names[] = {"jfps", "mmps", "diffpir"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        scry_solver *S;
        scry_progress p;
        double levels[4];
        scry_options_init(&o, scry_method_find(names[k]));
        option_set(&o, "steps", 4);
        for (size_t travel = 1; travel <= 3; travel += 2) {
            option_set(&o, "travel", travel);
            assert_ok(scry_solver_plan(&S, &s.problem, &o, &err));
            assert_ok(scry_solver_start(S, 5, 0, &err));
            for (size_t i = 0; i < 4 * travel; i++) {
                assert_ok(scry_solver_step(S, &p, &err));
                assert_int_equal(p.steps, 4 * travel);
                assert_int_equal(p.reason, i + 1 < 4 * travel ? SCRY_RUNNING : SCRY_DONE);
                if (travel == 1) levels[i] = p.sigma;
                assert_near(p.sigma, levels[i / travel], 1e-12);
            }
            scry_solver_free(S);
        }
    }
    drop(&s);
}

/* N(0, I), but with a Jacobian that is negative in places, as a network's can be: where it is, the
 * system of MMPS is all but singular for noise of this variance. */
static const double BENT_VARIANCE = 0.01;

static scry_status bent_denoise(const scry_prior *P, float *x0, const float *x, float sigma,
                                void *work, scry_error *err)
{
    (void)work;
    (void)err;
    for (size_t i = 0; i < scry_space_floats(&P->space); i++)
        x0[i] = x[i] / (1 + sigma * sigma);
    return SCRY_OK;
}

static scry_status bent_vjp(const scry_prior *P, float *g, float *x0, const float *x,
                            const float *v, float sigma, void *work, scry_error *err)
{
    const double s2 = (double)sigma * sigma;
    for (size_t i = 0; i < scry_space_floats(&P->space); i++)
        g[i] = (float)(v[i] * (i % 3 == 0 ? -1.05 * BENT_VARIANCE / s2 : 1 / (1 + s2)));
    return x0 ? bent_denoise(P, x0, x, sigma, work, err) : SCRY_OK;
}

/* Corrections there would overshoot the data twentyfold at every level. Cut to the size that the
 * data bear, they leave the chain where images are. */
static void mmps_survives_a_bent_jacobian(void **state)
{
    (void)state;
    static const struct scry_prior_ops ops = {
        .name = "bent", .denoise = bent_denoise, .vjp = bent_vjp};
    static struct world w;
    struct setup s;
    unsigned char known[EXACT_MAX];
    world_mask(&w, known);
    w.sigma = sqrt(BENT_VARIANCE);
    build(&s, &w, known);
    scry_prior bent = {.ops = &ops, .space = SCRY_SPACE(w.n), .sigma_low = 1e-3, .sigma_high = 100};
    const scry_problem problem = {.L = s.L, .prior = &bent};
    for (size_t inner = 1; inner <= 6; inner++) {
        scry_options o;
        scry_chains c;
        scry_options_init(&o, scry_method_find("mmps"));
        option_set(&o, "steps", 40);
        option_set(&o, "inner", inner);
        draw(&c, &problem, &o, 20, 3);
        double max = 0;
        for (size_t i = 0; i < 20 * w.n; i++)
            max = fmax(max, fabs(c.samples[i]));
        assert_below(max, 10);
        scry_chains_free(&c);
    }
    drop(&s);
}

/* At 16 levels DDIM's steps lose a tenth of the spread and more; with extrapolated steps nothing is
 * missing that 3000 samples would show, with fresh noise or without. */
static void second_order_keeps_the_spread(void **state)
{
    (void)state;
    enum { K = 3000 };
    static const struct {
        double order, eta;
    } cases[] = {{1, 1}, {2, 1}, {2, 0}};
    static struct world w;
    struct setup s;
    world_blur(&w);
    build(&s, &w, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scry_options o;
        scry_chains c;
        scry_options_init(&o, scry_method_find("mmps"));
        option_set(&o, "steps", 16);
        option_set(&o, "inner", 10);
        option_set(&o, "tol", 1e-4);
        option_set(&o, "start-sigma", 1);
        option_set(&o, "sigma-min", 0.02);
        option_set(&o, "order", cases[i].order);
        option_set(&o, "eta", cases[i].eta);
        draw(&c, &s.problem, &o, K, 31);
        const struct verdict v = judge(c.samples, c.done, w.n, w.post, w.P);
        const double slack = 4.5 / sqrt(2.0 * K);
        const bool right = v.bias < 0.02 + 4.5 * v.se && v.low > 0.98 - slack &&
                           v.high < 1.02 + slack && v.whitened < 0.02 + 2 * slack;
        if (right != (cases[i].order == 2) || (cases[i].order == 1 && v.high > 0.93)) {
            verdict_print(cases[i].order == 2 ? "mmps, order 2" : "mmps, order 1", &v);
            fail();
        }
        scry_chains_free(&c);
    }
    drop(&s);
}

/* RED-diff is a point estimate: on the data at the end, whatever their noise, and the spread of its
 * runs is less than the uncertainty. In the gap the prior is asked all the same. */
static void red_diff_is_a_point(void **state)
{
    (void)state;
    enum { K = 50 };
    static struct world w;
    unsigned char known[EXACT_MAX];
    struct setup s;
    scry_options o;
    scry_chains c;
    world_mask(&w, known);
    build(&s, &w, known);
    scry_options_init(&o, scry_method_find("red-diff"));
    option_set(&o, "lr", 0.02);
    option_set(&o, "steps", 400);
    draw(&c, &s.problem, &o, K, 7);
    for (size_t i = 0, j = 0; i < w.n; i++) {
        const double sd = sqrt(w.P[i * w.n + i]);
        assert_below(c.sd[i], 0.4 * sd);
        if (known[i])
            assert_near(c.mean[i], w.y[j++], 0.03);
        else
            assert_near(c.mean[i], w.post[i], 0.5 * sd);
    }
    scry_chains_free(&c);
    drop(&s);
    assert_int_equal(scry_method_find("red-diff")->kind, SCRY_CLASSICAL); /* no --sd of it */
}

/* Where the measurement is better than the state, eta_b 1 takes it whole, and DDRM is DDNM+; with
 * less the prior has a say, and the image is another one. */
static void ddrm_with_eta_b_1_is_ddnm(void **state)
{
    (void)state;
    static struct world w;
    unsigned char known[EXACT_MAX];
    struct setup s;
    scry_chains one, other, third;
    const struct band band = {.method = "ddrm"};
    scry_options o;
    world_mask(&w, known);
    build(&s, &w, known);
    set_opts(&o, &band);
    draw(&one, &s.problem, &o, 3, 5);
    option_set(&o, "travel", 1);
    draw(&other, &s.problem, &o, 3, 5);
    assert_memory_equal(one.samples, other.samples, 3 * w.n * sizeof(float));
    option_set(&o, "eta-b", 0.5);
    draw(&third, &s.problem, &o, 3, 5);
    assert_memory_not_equal(one.samples, third.samples, 3 * w.n * sizeof(float));
    scry_chains_free(&one);
    scry_chains_free(&other);
    scry_chains_free(&third);
    drop(&s);
}

/* The noise vanishes: A x = y. The noise drowns everything: the prior. */
static void limits_of_the_noise(void **state)
{
    (void)state;
    /* DDNM+ drops the noise of a coefficient that it measures, however badly. */
    static const struct {
        const char *name;
        double low; /* sd ratio that the steps leave */
    } cases[] = {{"jfps", 0.85}, {"mmps", 0.85},    {"pigdm", 0.85}, {"tmpd", 0.85},
                 {"pnpdm", 0.9}, {"diffpir", 0.85}, {"ddnm", 0.6},   {"ddrm", 0.6}};
    static struct world w;
    unsigned char known[EXACT_MAX];
    struct setup s;
    world_mask(&w, known);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const struct band band = {.method = cases[k].name};
        scry_options o;
        scry_chains c;
        set_opts(&o, &band);
        w.sigma = 1e-3;
        option_set(&o, "sigma-min", 0.005); /* PnP-DM is as consistent as its last coupling */
        build(&s, &w, known);
        draw(&c, &s.problem, &o, 2, 3);
        for (size_t i = 0, j = 0; i < w.n; i++)
            if (known[i]) assert_near(c.samples[i], w.y[j++], 0.02);
        scry_chains_free(&c);
        drop(&s);

        w.sigma = 1e4;
        world_solve(&w);
        build(&s, &w, known);
        draw(&c, &s.problem, &o, 200, 3);
        const struct verdict v = judge(c.samples, c.done, w.n, w.mean, w.C);
        if (v.bias > 0.05 + 4 * v.se || v.low < cases[k].low - 4 / sqrt(400) || v.high > 1.2) {
            verdict_print(cases[k].name, &v);
            fail();
        }
        scry_chains_free(&c);
        drop(&s);
    }
}

/* Camera counts, a few electrons a pixel, no blur: each pixel's posterior is an integral in one
 * variable. Its mean and spread follow from the noise at the signal that is there, not from a
 * noise level that is the same everywhere. The local Gaussian model leaves out the skewness of
 * Poisson noise, which at 3 to 9 electrons moves the mean by up to 0.2 sd, that of PnP-DM by up to
 * 0.35. The chains of DAPS know the noise as it is. */
static void photon_noise_is_used(void **state)
{
    (void)state;
    enum { K = 1000 };
    static const struct {
        const char *name;
        double bias; /* of the mean, in exact sd */
        const char *draw;
    } cases[] = {{"jfps", 0.2, NULL},   {"mmps", 0.2, NULL},    {"tmpd", 0.2, NULL},
                 {"pnpdm", 0.35, NULL}, {"daps", 0.2, "exact"}, {"daps", 0.03, "langevin"},
                 {"daps", 0.03, "hmc"}};
    struct setup s;
    build_counted(&s);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const bool chain = cases[k].draw && strcmp(cases[k].draw, "exact") != 0;
        for (int start = chain; start < 2; start++) {
            const struct band band = {.method = cases[k].name,
                                      .start = start ? "gaussian" : "noise",
                                      .choice = cases[k].draw ? "matched" : NULL};
            scry_options o;
            scry_chains c;
            set_opts(&o, &band);
            option_set(&o, "start-sigma", 0.5);
            option_word(&o, "inner-draw", cases[k].draw);
            /* exact at any count of levels, but for their chains */
            if (chain) option_set(&o, "steps", 15);
            draw(&c, &s.problem, &o, K, 19);
            check_counted(&c, 0, cases[k].bias, 0.12);
            scry_chains_free(&c);
        }
    }
    drop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaussian_posterior_is_drawn),
        cmocka_unit_test(gaussian_start_is_exact),
        cmocka_unit_test(dds_is_diffpir_with_zeta_eta_squared),
        cmocka_unit_test(few_levels_with_spread_are_exact),
        cmocka_unit_test(travel_repeats_levels),
        cmocka_unit_test(mmps_survives_a_bent_jacobian),
        cmocka_unit_test(second_order_keeps_the_spread),
        cmocka_unit_test(red_diff_is_a_point),
        cmocka_unit_test(ddrm_with_eta_b_1_is_ddnm),
        cmocka_unit_test(limits_of_the_noise),
        cmocka_unit_test(photon_noise_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
