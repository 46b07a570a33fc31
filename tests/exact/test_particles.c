#include "tests/exact/small.h"

/* Particle samplers against posteriors known in closed form. What is left of a bias is that of the
 * ancestral steps and of finitely many particles: inside 2 % in the mean and 5 % in sd. */
static void set_opts(scry_options *o, const char *name, size_t steps, size_t particles)
{
    scry_options_init(o, scry_method_find(name));
    option_set(o, "steps", steps);
    option_set(o, "particles", particles);
    option_set(o, "sigma-max", 10);
    option_set(o, "sigma-min", 0.03);
}

static const struct band {
    const char *method;
    size_t steps, particles;
    double bias, low, high;
} bands[] = {
    {"tds", 100, 24, 0.02, 0.95, 1.05},
    {"mcgdiff", 100, 24, 0.02, 0.95, 1.05},
};

static void check_band(const struct band *band, const scry_problem *problem, const struct world *w)
{
    enum { K = 200 };
    scry_options o;
    scry_chains c;
    set_opts(&o, band->method, band->steps, band->particles);
    draw(&c, problem, &o, K, 7);
    const struct verdict v = judge(c.samples, c.done, w->n, w->post, w->P);
    const double slack = 4 / sqrt(2.0 * K); /* 4 standard errors of a standard deviation */
    if (v.bias > band->bias + 4 * v.se || v.low < band->low - slack ||
        v.high > band->high + slack) {
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
        check_band(&bands[i], &b.problem, &blur);
        check_band(&bands[i], &m.problem, &mask);
    }
    drop(&b);
    drop(&m);
}

/* With the twist of a model that is the prior, one particle and five levels are an exact draw; of
 * a model that is not, or of none, it takes particles. Counted light is refused. */
static void twist_of_the_model(void **state)
{
    (void)state;
    enum { K = 600 };
    static struct world w;
    static const struct {
        size_t steps, particles;
        int model; /* 0: none, 1: the prior, 2: another */
    } cases[] = {{5, 1, 1}, {40, 16, 2}, {40, 16, 0}};
    unsigned char known[EXACT_MAX];
    struct setup s[2];
    double C[36], mean[6];
    scry_error err = {0};
    scry_prior *other;
    for (size_t i = 0; i < 36; i++)
        C[i] = i % 7 ? 0.2 : 0.7;
    for (size_t i = 0; i < 6; i++)
        mean[i] = 0.1;
    assert_ok(scry_gaussian_create_dense(&other, &SCRY_SPACE(6), mean, C, &err));
    for (int masked = 0; masked < 2; masked++) {
        masked ? world_mask(&w, known) : world_blur(&w);
        build(&s[masked], &w, masked ? known : NULL);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            scry_options o;
            scry_chains c;
            scry_problem problem = s[masked].problem;
            if (cases[i].model != 1) problem.model = cases[i].model ? other : NULL;
            set_opts(&o, "tds", cases[i].steps, cases[i].particles);
            option_word(&o, "twist", "model");
            option_set(&o, "tol", 1e-5);
            draw(&c, &problem, &o, K, 7);
            assert_int_equal(c.counts.vjp, 0);
            const struct verdict v = judge(c.samples, c.done, w.n, w.post, w.P);
            const double allowed = cases[i].model == 1 ? 0 : 0.02;
            if (v.bias > allowed + 4 * v.se || v.whitened > 2 * allowed + 5 * sqrt(2.0 / K)) {
                verdict_print("tds, twist model", &v);
                fail();
            }
            scry_chains_free(&c);
        }
        drop(&s[masked]);
    }
    scry_prior_free(other);
}

/* Two modes of which the measurement sees half the pixels: how often each is drawn. */
static void modes_have_their_weights(void **state)
{
    (void)state;
    enum { K = 250, N = 4 };
    static const char *const names[] = {"tds", "mcgdiff", "tds"};
    static const double means[2][N] = {{-0.9, 0.4, -0.6, 1.1}, {0.9, -0.7, 0.5, -1.0}};
    static const double weight[2] = {0.35, 0.65}, v = 0.09, sigma = 0.6;
    const unsigned char known[N] = {1, 0, 1, 0};
    const float y[2] = {-0.1f, -0.12f};
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = sigma};
    scry_mixture_component parts[2];
    double evidence[2];
    scry_error err = {0};
    scry_op *A;
    scry_likelihood *L;
    scry_prior *P;
    for (int k = 0; k < 2; k++) {
        parts[k] = (scry_mixture_component){.weight = weight[k], .mean = means[k], .variance = v};
        evidence[k] = weight[k];
        for (int j = 0; j < 2; j++)
            evidence[k] *= exp(-pow(y[j] - means[k][2 * j], 2) / (2 * (v + sigma * sigma)));
    }
    assert_ok(scry_mask_create(&A, &SCRY_SPACE(2, 2), known, &err));
    assert_ok(scry_likelihood_create(&L, A, y, &noise, NULL, &err));
    assert_ok(scry_mixture_create(&P, &SCRY_SPACE(2, 2), parts, 2, &err));
    const scry_problem problem = {.L = L, .prior = P};
    const double truth = evidence[0] / (evidence[0] + evidence[1]);
    for (size_t m = 0; m < sizeof names / sizeof *names; m++) {
        size_t first = 0;
        scry_options o;
        scry_chains c;
        set_opts(&o, names[m], 60, 24);
        option_word(&o, "twist", m == 2 ? "model" : "paper");
        draw(&c, &problem, &o, K, 17);
        for (size_t k = 0; k < K; k++) {
            double d[2] = {0};
            for (size_t i = 0; i < N; i++)
                for (int j = 0; j < 2; j++)
                    d[j] += pow(c.samples[k * N + i] - means[j][i], 2);
            first += d[0] < d[1];
        }
        scry_chains_free(&c);
        assert_near((double)first / K, truth, 0.02 + 4 * sqrt(truth * (1 - truth) / K));
    }
    scry_prior_free(P);
    scry_likelihood_free(L);
    scry_op_free(A);
}

/* Camera counts: TDS weighs with the distribution itself; MCGdiff has no place for it and says so.
 */
static void counts_are_weighed_or_refused(void **state)
{
    (void)state;
    enum { N = 4, K = 250 };
    static const double prior_mean[N] = {-0.5, 0, 0.5, 1};
    static const float y[N] = {106, 118, 166, 223};
    const scry_noise noise = {.kind = SCRY_NOISE_POISSON_GAUSSIAN,
                              .gain = 0.5,
                              .offset = 100,
                              .read_noise = 1.5,
                              .background = 2};
    const scry_affine map = {20, 22};
    const scry_space space = SCRY_SPACE(N);
    const unsigned char known[N] = {1, 1, 1, 1};
    scry_error err = {0};
    scry_op *A;
    scry_likelihood *L;
    scry_prior *P;
    scry_solver *S;
    scry_options o;
    scry_chains c;
    double C[N * N] = {0};
    for (size_t i = 0; i < N; i++)
        C[i * N + i] = 0.16;
    assert_ok(scry_mask_create(&A, &space, known, &err));
    assert_ok(scry_likelihood_create(&L, A, y, &noise, &map, &err));
    assert_ok(scry_gaussian_create_dense(&P, &space, prior_mean, C, &err));
    const scry_problem problem = {.L = L, .prior = P};
    set_opts(&o, "tds", 100, 24);
    draw(&c, &problem, &o, K, 19);
    for (size_t i = 0; i < N; i++) {
        double mean, sd;
        quadrature(&mean, &sd, y[i], &noise, &map, prior_mean[i], 0.16);
        assert_near(c.mean[i], mean, sd * (0.05 + 4 / sqrt(K)));
        assert_near(c.sd[i] / sd, 1, 0.06 + 4 / sqrt(2.0 * K));
    }
    scry_chains_free(&c);
    option_word(&o, "twist", "model");
    assert_fails(scry_solver_plan(&S, &problem, &o, &err), SCRY_EUNSUP);
    err = (scry_error){0};
    set_opts(&o, "mcgdiff", 100, 24);
    assert_fails(scry_solver_plan(&S, &problem, &o, &err), SCRY_EUNSUP);
    scry_prior_free(P);
    scry_likelihood_free(L);
    scry_op_free(A);
}

/* A run is a function of (seed, chain): the same bytes from a solver that ran before. */
static void runs_repeat(void **state)
{
    (void)state;
    static const char *const names[] = {"tds", "mcgdiff", "tds"};
    static struct world w;
    struct setup s;
    world_blur(&w);
    build(&s, &w, NULL);
    for (size_t m = 0; m < sizeof names / sizeof *names; m++) {
        scry_error err = {0};
        scry_solver *S;
        scry_options o;
        float x[3][6];
        set_opts(&o, names[m], 12, 5);
        option_word(&o, "twist", m == 2 ? "model" : "paper");
        assert_ok(scry_solver_plan(&S, &s.problem, &o, &err));
        for (int k = 0; k < 3; k++) {
            assert_ok(scry_solver_start(S, 5, k == 1, &err));
            assert_ok(scry_solver_run(S, x[k], NULL, NULL, NULL, &err));
        }
        assert_memory_equal(x[0], x[2], sizeof x[0]);
        assert_true(memcmp(x[0], x[1], sizeof x[0]) != 0);
        scry_solver_free(S);
        assert_plan_survives(names[m], &s.problem);
    }
    drop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaussian_posterior_is_drawn),
        cmocka_unit_test(twist_of_the_model),
        cmocka_unit_test(modes_have_their_weights),
        cmocka_unit_test(counts_are_weighed_or_refused),
        cmocka_unit_test(runs_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
