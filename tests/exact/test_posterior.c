#include "tests/exact/exact.h"

/* Methods against a posterior known in closed form. */
static void fill_blur(struct world *w)
{
    static const double kernel[3] = { 0.27, 0.5, 0.23 };
    w->m = w->n;
    for (size_t i = 0; i < w->m * w->n; i++) w->A[i] = 0;
    for (size_t i = 0; i < w->n; i++)
        for (size_t k = 0; k < 3; k++)
            w->A[i * w->n + (i + k + w->n - 1) % w->n] += kernel[k];
    for (size_t i = 0; i < w->m; i++) w->y[i] = 0.8 * cos(1.1 * (double)i) + 0.2;
    w->sigma = 0.3;
}

static void fill_mask(struct world *w, unsigned char *known)
{
    w->m = 0;
    for (size_t i = 0; i < w->n * w->n; i++) w->A[i] = 0;
    for (size_t i = 0; i < w->n; i++) {
        known[i] = i % 3 != 1;
        if (known[i]) w->A[w->m++ * w->n + i] = 1;
    }
    for (size_t i = 0; i < w->m; i++) w->y[i] = 0.9 * cos(1.9 * (double)i) + 0.1;
    w->sigma = 0.3;
}

struct setup {
    scry_op *A;
    scry_likelihood *L;
    scry_prior *prior;
    scry_problem problem;
};

static void build(struct setup *s, const struct world *w, const unsigned char *known)
{
    scry_error err = { 0 };
    float y[EXACT_MAX];
    const scry_space dom = SCRY_SPACE(w->n), cod = SCRY_SPACE(w->m);
    const scry_noise noise = { .kind = SCRY_NOISE_GAUSSIAN, .sigma = w->sigma };
    for (size_t i = 0; i < w->m; i++) y[i] = (float)w->y[i];
    if (known)
        assert_ok(scry_mask_create(&s->A, &dom, known, &err));
    else
        assert_ok(scry_dense_create(&s->A, &dom, &cod, w->A, &err));
    assert_ok(scry_likelihood_create(&s->L, s->A, y, &noise, NULL, &err));
    assert_ok(scry_gaussian_create_dense(&s->prior, &dom, w->mean, w->C, &err));
    s->problem = (scry_problem){ .L = s->L, .prior = s->prior, .model = s->prior };
}

static void drop(struct setup *s)
{
    scry_likelihood_free(s->L);
    scry_op_free(s->A);
    scry_prior_free(s->prior);
}

static void world_blur(struct world *w)
{
    world_prior(w, 6, 0.8);
    fill_blur(w);
    world_solve(w);
}

static void world_mask(struct world *w, unsigned char *known)
{
    world_prior(w, 6, 0.8);
    fill_mask(w, known);
    world_solve(w);
}

/* What a method may be off by on these two problems: bias of the mean in exact sd, and the range of
 * sd / exact sd over pixels, both before Monte Carlo error. For methods that are exact in a limit
 * the bands are what 60 steps leave; for the others they are the finding: DiffPIR's step treats the
 * unknown as white, and has 15 % too little spread; DDNM+ and DPS are far off where the noise is not small,
 * as the registry says. */
struct band {
    const char *method;
    int start;
    double blur_bias, mask_bias, low, high;
};

static const struct band bands[] = {
    { "jfps", SCRY_START_NOISE, 0.02, 0.02, 0.92, 1.0 },
    { "jfps", SCRY_START_GAUSSIAN, 0.02, 0.02, 0.95, 1.0 },
    { "mmps", SCRY_START_NOISE, 0.02, 0.02, 0.92, 1.0 },
    { "mmps", SCRY_START_GAUSSIAN, 0.02, 0.02, 0.95, 1.0 },
    { "pigdm", SCRY_START_NOISE, 0.25, 0.2, 0.9, 1.02 },
    { "pnpdm", SCRY_START_NOISE, 0.12, 0.12, 0.88, 1.04 },
    { "diffpir", SCRY_START_NOISE, 0.12, 0.12, 0.75, 0.95 },
    { "ddnm", SCRY_START_NOISE, 1.5, 0.4, 0.25, 0.95 },
    { "dps", SCRY_START_NOISE, 2.5, 0.6, 0.2, 0.95 },
};

static void set_opts(scry_solver_opts *o, const struct band *band)
{
    scry_solver_opts_init(o, scry_method_find(band->method));
    o->steps = 60;
    o->sigma_max = 20;
    o->sigma_min = 0.02;
    o->tol = 1e-4;
    o->inner = 10;
    o->start = band->start;
    o->start_sigma = 1;
    if (strcmp(band->method, "pnpdm") == 0) {
        o->sigma_max = 5;
        o->sigma_min = 0.1;
        o->steps = 30;
    }
}

static void check_band(const struct band *band, const scry_problem *problem, const struct world *w,
                       double bias)
{
    enum { K = 500 };
    scry_solver_opts o;
    scry_chains c;
    set_opts(&o, band);
    draw(&c, band->method, problem, &o, K, 7);
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

/* The noise vanishes: A x = y. The noise drowns everything: the prior. */
static void limits_of_the_noise(void **state)
{
    (void)state;
    /* PnP-DM loses a little spread in each of its prior draws of 10 steps; DDNM+ drops the noise of
     * a coefficient that it measures, however badly. */
    static const struct {
        const char *name;
        double low; /* sd ratio that the steps leave */
    } cases[] = { { "jfps", 0.85 }, { "mmps", 0.85 },    { "pigdm", 0.85 },
                  { "pnpdm", 0.75 }, { "diffpir", 0.85 }, { "ddnm", 0.6 } };
    static struct world w;
    unsigned char known[EXACT_MAX];
    struct setup s;
    world_mask(&w, known);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const struct band band = { .method = cases[k].name };
        scry_solver_opts o;
        scry_chains c;
        set_opts(&o, &band);
        w.sigma = 1e-3;
        o.sigma_min = 0.005; /* PnP-DM is as consistent as its last coupling */
        build(&s, &w, known);
        draw(&c, cases[k].name, &s.problem, &o, 2, 3);
        for (size_t i = 0, j = 0; i < w.n; i++)
            if (known[i]) assert_near(c.samples[i], w.y[j++], 0.02);
        scry_chains_free(&c);
        drop(&s);

        w.sigma = 1e4;
        world_solve(&w);
        build(&s, &w, known);
        draw(&c, cases[k].name, &s.problem, &o, 200, 3);
        const struct verdict v = judge(c.samples, c.done, w.n, w.mean, w.C);
        if (v.bias > 0.05 + 4 * v.se || v.low < cases[k].low - 4 / sqrt(400) || v.high > 1.2) {
            verdict_print(cases[k].name, &v);
            fail();
        }
        scry_chains_free(&c);
        drop(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaussian_posterior_is_drawn),
        cmocka_unit_test(limits_of_the_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
