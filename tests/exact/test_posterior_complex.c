#include "tests/exact/exact.h"

#include "lib/rng.h"
#include "operators/fourier.h"
#include "priors/complex.h"
#include "tests/exact/closed_form.h"

/* A complex image of 6 x 5 seen by three coils, three lines of k-space measured: 60 unknown
 * numbers, 90 known ones, the posterior in closed form. The prior is a pair of Gaussians, the
 * imaginary part a fifth of the real one, as after a phase map that is nearly right. sigma is per
 * real component, of the noise as of every level: with CN(0, s^2) mistaken for it, spreads would be
 * off by sqrt 2.
 * The matrix is that of the operator on unit vectors; the rest is GSL's. */
enum { NY = 6, NX = 5, PIXELS = NY * NX, COILS = 3 };

struct setup {
    scry_op *A;
    scry_likelihood *L;
    scry_prior *prior;
    scry_problem problem;
};

static void fill_part(double *mean, double *C, double sd, double corr)
{
    for (size_t i = 0; i < PIXELS; i++) {
        const double yi = (double)(i / NX), xi = (double)(i % NX);
        mean[i] = sd * 0.3 * sin(1.7 * (double)i + 0.4);
        for (size_t j = 0; j < PIXELS; j++) {
            const double yj = (double)(j / NX), xj = (double)(j % NX);
            C[i * PIXELS + j] = sd * sd * (1 + 0.31 * cos(2.3 * (double)i)) *
                                (1 + 0.31 * cos(2.3 * (double)j)) *
                                pow(corr, fabs(yi - yj) + fabs(xi - xj));
        }
    }
}

/* The prior, and what it says of pairs. */
static void fill_prior(struct setup *s, struct world *w)
{
    static double mean[2][PIXELS], C[2][PIXELS * PIXELS];
    const scry_space space = SCRY_SPACE(NY, NX);
    scry_error err = { 0 };
    scry_prior *part[2];
    w->n = 2 * PIXELS;
    memset(w->C, 0, sizeof w->C);
    for (size_t k = 0; k < 2; k++) {
        fill_part(mean[k], C[k], k ? 0.2 : 1, k ? 0.5 : 0.8);
        assert_ok(scry_gaussian_create_dense(&part[k], &space, mean[k], C[k], &err));
        for (size_t i = 0; i < PIXELS; i++) {
            w->mean[2 * i + k] = mean[k][i];
            for (size_t j = 0; j < PIXELS; j++)
                w->C[(2 * i + k) * w->n + 2 * j + k] = C[k][i * PIXELS + j];
        }
    }
    assert_ok(scry_complex_create(&s->prior, part[0], part[1], &err));
}

static scry_op *sense(void)
{
    static const double centre[COILS][2] = { { 0, 1 }, { 5, 0.5 }, { 2, 5 } };
    const unsigned char line[NY] = { 0, 1, 0, 1, 1, 0 };
    float complex maps[COILS * PIXELS];
    unsigned char mask[PIXELS];
    scry_error err = { 0 };
    scry_op *A;
    for (size_t i = 0; i < PIXELS; i++) {
        double square = 0;
        mask[i] = line[i / NX];
        for (size_t c = 0; c < COILS; c++) {
            const double dy = (double)(i / NX) - centre[c][0], dx = (double)(i % NX) - centre[c][1];
            const double size = exp(-(dy * dy + dx * dx) / 18);
            const double turn = 0.4 * dx - 0.3 * dy + (double)c;
            maps[c * PIXELS + i] = (float complex)(size * cexp(I * turn));
            square += size * size;
        }
        for (size_t c = 0; c < COILS; c++)
            maps[c * PIXELS + i] /= (float)sqrt(square);
    }
    assert_ok(scry_sense_create(&A, maps, COILS, 1, NY, NX, mask, SCRY_FOURIER_YX, &err));
    return A;
}

static scry_op *fourier(void)
{
    const scry_space image = { .rank = 2, .dims = { NY, NX }, .cplx = true };
    const unsigned char mask[PIXELS] = { 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0,
                                         0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1 };
    scry_error err = { 0 };
    scry_op *A;
    assert_ok(scry_fourier_create(&A, &image, mask, SCRY_FOURIER_YX, &err));
    return A;
}

/* y = A u + sigma n with u from the prior: w->y and the posterior. */
static void build(struct setup *s, struct world *w, scry_op *A)
{
    scry_error err = { 0 };
    float u[EXACT_MAX], y[EXACT_MAX], n[EXACT_MAX];
    s->A = A;
    fill_prior(s, w);
    w->m = scry_space_floats(scry_op_cod(A));
    w->sigma = 0.3;
    assert_true(w->m <= EXACT_MAX);
    void *work = scry_alloc(1, scry_op_work_bytes(A) + scry_prior_work_bytes(s->prior));
    scry_rng_normal(n, 0, w->n, 77, 0, 0);
    assert_ok(scry_gaussian_apply(s->prior, u, n, SCRY_GAUSSIAN_SQRT, 0, work, &err));
    for (size_t i = 0; i < w->n; i++)
        u[i] += (float)w->mean[i];
    assert_ok(scry_op_forward(A, y, u, work, &err));
    scry_rng_normal(n, 0, w->m, 77, 0, 1);
    for (size_t i = 0; i < w->m; i++) {
        y[i] += (float)w->sigma * n[i];
        w->y[i] = y[i];
    }
    scry_free(work);
    double *M = closed_form_matrix(A);
    memcpy(w->A, M, w->m * w->n * sizeof *M);
    free(M);
    world_solve(w);
    const scry_noise noise = { .kind = SCRY_NOISE_GAUSSIAN, .sigma = w->sigma };
    assert_ok(scry_likelihood_create(&s->L, A, y, &noise, NULL, &err));
    s->problem = (scry_problem){ .L = s->L, .prior = s->prior, .model = s->prior };
}

static void drop(struct setup *s)
{
    scry_likelihood_free(s->L);
    scry_op_free(s->A);
    scry_prior_free(s->prior);
}

/* As in test_posterior.c: what a method may be off by, before Monte Carlo error. The imaginary
 * part, narrower than the noise, is what the approximations get wrong: PiGDM takes every image for
 * one of unit variance, DiffPIR for white at each level, and DDS as published fits what the coils
 * say of it to the noise: eight standard deviations. */
struct band {
    const char *method;
    int start, weight;
    double bias, low, high;
};

static const struct band sense_bands[] = {
    { "jfps", SCRY_START_NOISE, 0, 0.02, 0.92, 1.0 },
    { "jfps", SCRY_START_GAUSSIAN, 0, 0.02, 0.95, 1.0 },
    { "mmps", SCRY_START_NOISE, 0, 0.02, 0.92, 1.0 },
    { "mmps", SCRY_START_GAUSSIAN, 0, 0.02, 0.95, 1.0 },
    { "tmpd", SCRY_START_NOISE, 0, 0.45, 0.83, 1.0 },
    { "pigdm", SCRY_START_NOISE, 0, 0.5, 0.9, 1.02 },
    { "pnpdm", SCRY_START_NOISE, 0, 0.3, 0.88, 1.04 },
    { "diffpir", SCRY_START_NOISE, 0, 0.5, 0.75, 0.95 },
    { "dds", SCRY_START_NOISE, SCRY_WEIGHT_PAPER, 9, 0.2, 0.7 },
    { "dds", SCRY_START_NOISE, SCRY_WEIGHT_NOISE, 0.55, 0.77, 0.95 },
    { "dps", SCRY_START_NOISE, 0, 2.1, 0.7, 1.15 },
};

static const struct band fourier_bands[] = {
    { "jfps", SCRY_START_NOISE, 0, 0.02, 0.92, 1.0 },
    { "diffpir", SCRY_START_NOISE, 0, 0.2, 0.75, 0.95 },
    { "tmpd", SCRY_START_NOISE, 0, 0.25, 0.87, 1.02 },
    { "ddnm", SCRY_START_NOISE, 0, 0.55, 0.65, 0.9 },
    { "ddrm", SCRY_START_NOISE, 0, 0.55, 0.65, 0.9 },
};

static void set_opts(scry_solver_opts *o, const struct band *band)
{
    scry_solver_opts_init(o, scry_method_find(band->method));
    o->steps = 60;
    o->sigma_max = 20;
    o->sigma_min = 0.02;
    o->tol = 1e-4;
    o->inner = 20;
    o->start = band->start;
    o->start_sigma = 1;
    o->weight = band->weight;
    if (strcmp(band->method, "pnpdm") == 0) {
        o->sigma_max = 5;
        o->sigma_min = 0.05;
        o->steps = 30;
        o->inner = 10;
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
        scry_solver_opts o;
        scry_chains c;
        set_opts(&o, &bands[i]);
        draw(&c, bands[i].method, &s.problem, &o, K, 7);
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
    scry_solver_opts o;
    scry_chains c;
    build(&s, &w, sense());
    scry_solver_opts_init(&o, scry_method_find("jfps"));
    o.steps = 1;
    o.start = SCRY_START_GAUSSIAN;
    o.start_sigma = 0.01;
    o.sigma_min = 0.005;
    draw(&c, "jfps", &s.problem, &o, K, 23);
    const struct verdict v = judge(c.samples, K, w.n, w.post, w.P);
    if (v.bias > 4.5 * v.se || v.whitened > 0.02 + 5 * sqrt(2.0 / K)) {
        verdict_print("gaussian start", &v);
        fail();
    }
    scry_chains_free(&c);
    drop(&s);
}

/* Every posterior method serves a complex image, or says what it lacks. */
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
            scry_error err = { 0 };
            scry_solver_opts o;
            scry_solver *S;
            scry_progress end;
            float x[EXACT_MAX];
            if (m[i]->kind != SCRY_POSTERIOR) continue;
            scry_solver_opts_init(&o, m[i]);
            o.steps = 6;
            const char *missing = scry_method_missing(m[i], &s.problem);
            const scry_status st = scry_solver_plan(&S, m[i], &s.problem, &o, &err);
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
        cmocka_unit_test(every_method_runs_or_names_its_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
