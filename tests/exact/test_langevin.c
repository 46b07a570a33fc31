#include "tests/exact/annealed_exact.h"
#include "tests/exact/langevin_exact.h"
#include "tests/exact/small.h"

#include "priors/prior_impl.h"

/* Long chains are inside 2 % in the mean and 5 % in sd; the published step of SK-ROCK, ten times as
 * long, costs the stiffest directions 3 % here. */
static const struct band bands[] = {
    {"pnp-ula", 4000, 0.15, 0.05, 0.02, 0.98, 1.02},
    {"pnp-ula", 800, 1, 0.05, 0.02, 0.98, 1.05},
    {"sk-rock", 200, 0.1, 0.05, 0.02, 0.98, 1.02},
    {"sk-rock", 60, 1, 0.05, 0.02, 0.96, 1.02},
};

/* The remainder of the levels above after few steps shows as a bias and as spread. */
static const struct annealed annealed[] = {
    {"langevin", 100, 10, 0.5, 0, 0.05, 0.02, 0.99, 1.03},
    {"langevin", 50, 4, 0.2, 0, 0.05, 0.3, 0.99, 1.25},
    {"preconditioned-langevin", 60, 4, 0, 1, 0.05, 0.02, 0.99, 1.05},
    {"preconditioned-langevin", 30, 4, 0, 0.5, 0.05, 0.06, 0.99, 1.1},
};

enum { CHAINS = 700, PIXELS = 6 };

/* Excess of variance over all settings of a method and both operators, which follow one another: of
 * noise that is .97 of its right level is seen at no setting alone. */
struct pool {
    const char *method;
    double sum, count;
};

static void pool_add(struct pool *pool, const char *method, double excess)
{
    if (pool->method && (!method || strcmp(pool->method, method) != 0)) {
        const double mean = pool->sum / pool->count;
        /* the operators share their random numbers: half as many count */
        const double error = sqrt(2.0 / (CHAINS * PIXELS * pool->count / 2));
        print_message("%-24s variance / exact %.3f +- %.3f\n", pool->method, 1 + mean, error);
        assert_near(mean, 0, 4 * error);
        *pool = (struct pool){0};
    }
    pool->method = method;
    pool->sum += excess;
    pool->count++;
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
    struct pool pool = {0};
    for (size_t i = 0; i < sizeof bands / sizeof *bands; i++) {
        pool_add(&pool, bands[i].method, check_band(&bands[i], &b.problem, b.A, &blur, CHAINS));
        pool_add(&pool, bands[i].method, check_band(&bands[i], &m.problem, m.A, &mask, CHAINS));
    }
    for (size_t i = 0; i < sizeof annealed / sizeof *annealed; i++) {
        const char *method = annealed[i].method;
        pool_add(&pool, method, check_annealed(&annealed[i], &b.problem, b.A, &blur, CHAINS));
        pool_add(&pool, method, check_annealed(&annealed[i], &m.problem, m.A, &mask, CHAINS));
    }
    pool_add(&pool, NULL, 0);
    drop(&b);
    drop(&m);
}

/* The corrected variants, from noise, with steps at which the published ones are off: the posterior
 * itself, within Monte Carlo error, in each draw of a chain. */
static const struct corrected {
    const char *method;
    const char *scheme, *coupling;
    size_t steps, thin, inner;
    double zeta, eta;
    bool right;
} corrected[] = {
    {"pnp-ula", "kinetic", "exact", 120, 40, 0, 1, 0.25, true},
    {"pnp-ula", "postprocessed", "exact", 250, 100, 0, 1.95, 0, true},
    {"pnp-ula", "paper", "exact", 250, 100, 0, 1.95, 0, false},
    {"sk-rock", "postprocessed", "exact", 200, 100, 2, 0.6, 0, true},
};

static void check_corrected(const struct corrected *t, const scry_problem *problem,
                            const struct world *w)
{
    enum { K = 1000, DRAWS = 2 };
    scry_error err = {0};
    scry_options o;
    scry_chains_opts chains;
    scry_chains c;
    scry_options_init(&o, scry_method_find(t->method));
    option_word(&o, "scheme", t->scheme);
    option_word(&o, "coupling", t->coupling);
    option_set(&o, "steps", t->steps);
    if (t->inner) option_set(&o, "inner", t->inner);
    option_set(&o, "zeta", t->zeta);
    if (t->eta > 0) option_set(&o, "eta", t->eta);
    option_word(&o, "start", "noise");
    option_set(&o, "draws", DRAWS);
    option_set(&o, "thin", t->thin);
    scry_chains_opts_init(&chains);
    chains.chains = K;
    chains.seed = 23;
    chains.keep = true;
    assert_ok(scry_chains_run(&c, problem, &o, &chains, NULL, NULL, &err));
    assert_int_equal(c.done, K);
    const struct verdict v = judge(c.samples, K * DRAWS, w->n, w->post, w->P);
    /* neighbouring draws are not independent: the scatter of K */
    const bool right = v.bias < 4.5 / sqrt(K) && v.whitened < 5 * sqrt(2.0 / K) &&
                       v.high < 1 + 4.5 / sqrt(2.0 * K) && v.low > 1 - 4.5 / sqrt(2.0 * K);
    if (right != t->right) {
        verdict_print(t->method, &v);
        fail_msg("scheme %s, coupling %s: expected to be %s", t->scheme, t->coupling,
                 t->right ? "right" : "off");
    }
    scry_chains_free(&c);
}

static void corrected_variants_are_right(void **state)
{
    (void)state;
    static struct world blur, mask;
    unsigned char known[EXACT_MAX];
    struct setup b, m;
    world_blur(&blur);
    world_mask(&mask, known);
    build(&b, &blur, NULL);
    build(&m, &mask, known);
    for (size_t i = 0; i < sizeof corrected / sizeof *corrected; i++) {
        check_corrected(&corrected[i], &b.problem, &blur);
        check_corrected(&corrected[i], &m.problem, &mask);
    }
    drop(&b);
    drop(&m);
}

/* The addition of scheme postprocessed to the draws of SK-ROCK: the noise that a step of length d
 * loses, from the recursion itself at a small d h. */
static void lost_spread_is_added(void **state)
{
    (void)state;
    enum { K = 400, Q = 5 };
    const struct band band = {.method = "sk-rock", .steps = 2, .zeta = 0.3, .sigma = 0.05};
    const double p = 1e-3;
    const struct scalar_step s = rock_step(1, p, Q);
    const double lost = 1 - s.noise * s.noise / (1 - s.keep * s.keep);
    static struct world w;
    struct setup setup;
    scry_options o;
    scry_chains c[2];
    double sum = 0;
    world_blur(&w);
    build(&setup, &w, NULL);
    for (int post = 0; post < 2; post++) {
        set_opts(&o, &band);
        option_word(&o, "scheme", post ? "postprocessed" : "paper");
        draw(&c[post], &setup.problem, &o, K, 29);
    }
    for (size_t i = 0; i < K * w.n; i++)
        sum += pow(c[1].samples[i] - c[0].samples[i], 2) / (double)(K * w.n);
    const double d = step_length(&band, &o, setup.A, w.sigma);
    assert_near(sum / (lost / p * d), 1, 4 * sqrt(2.0 / (double)(K * w.n)));
    scry_chains_free(&c[0]);
    scry_chains_free(&c[1]);
    drop(&setup);
}

/* A level that adds more noise than the data have, a prior that knows only such levels, and noise
 * that is no number. */
static void couplings_are_refused(void **state)
{
    (void)state;
    static struct world w;
    struct setup s;
    scry_error err = {0};
    scry_solver *S;
    scry_options o;
    scry_likelihood *L;
    static const float y[6] = {106, 118, 166, 223, 130, 140};
    const scry_noise noise = {.kind = SCRY_NOISE_POISSON_GAUSSIAN,
                              .gain = 0.5,
                              .offset = 100,
                              .read_noise = 1.5,
                              .background = 2};
    const scry_affine map = {20, 22};
    world_blur(&w);
    build(&s, &w, NULL);
    scry_options_init(&o, scry_method_find("pnp-ula"));
    option_word(&o, "coupling", "exact");
    option_set(&o, "sigma-min", 0.5);
    assert_int_equal(scry_solver_plan(&S, &s.problem, &o, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "a level of 0.5, expected at most"));
    assert_ok(scry_likelihood_create(&L, s.A, y, &noise, &map, &(scry_error){0}));
    const scry_problem counted = {.L = L, .prior = s.prior};
    option_set(&o, "sigma-min", 0);
    err = (scry_error){0};
    assert_int_equal(scry_solver_plan(&S, &counted, &o, &err), SCRY_EUNSUP);
    assert_non_null(strstr(err.text, "coupling paper takes counted light"));
    scry_likelihood_free(L);
    drop(&s);
}

/* Each pixel's posterior by quadrature. The steps are those that the darkest pixel allows; what is
 * left is the blur of the prior and Monte Carlo error, not a local Gaussian model. */
static void photon_noise_is_exact(void **state)
{
    (void)state;
    enum { K = 1000 };
    static const struct band cases[] = {
        {.method = "pnp-ula", .steps = 1500, .zeta = 0.3, .sigma = 0.05},
        {.method = "sk-rock", .steps = 300, .zeta = 0.2, .sigma = 0.05},
    };
    struct setup s;
    build_counted(&s);
    const scry_problem problem = {.L = s.L, .prior = s.prior};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        scry_options o;
        scry_chains c;
        set_opts(&o, &cases[k]);
        draw(&c, &problem, &o, K, 19);
        check_counted(&c, 0.05 * 0.05, 0.02, 0.03);
        scry_chains_free(&c);
    }
    drop(&s);
}

/* A network that overshoots: D = -4 x, whose score is five times as steep as one may be. */
static scry_status overshoot(const scry_prior *P, float *x0, const float *x, float sigma,
                             void *work, scry_error *err)
{
    (void)sigma;
    (void)work;
    (void)err;
    for (size_t i = 0; i < scry_space_floats(&P->space); i++)
        x0[i] = -4 * x[i];
    return SCRY_OK;
}

static void a_chain_that_runs_away_is_stopped(void **state)
{
    (void)state;
    static const char *const names[] = {"pnp-ula", "sk-rock"};
    static const struct scry_prior_ops ops = {.name = "overshoot", .denoise = overshoot};
    scry_prior P = {.ops = &ops, .space = SCRY_SPACE(6), .sigma_low = 0.01, .sigma_high = 100};
    static struct world w;
    struct setup s;
    world_blur(&w);
    build(&s, &w, NULL);
    const scry_problem problem = {.L = s.L, .prior = &P};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        scry_error err = {0};
        scry_options o;
        scry_solver *S;
        scry_progress end;
        float x[6];
        scry_options_init(&o, scry_method_find(names[k]));
        option_set(&o, "zeta", 1);
        assert_ok(scry_solver_plan(&S, &problem, &o, &err));
        assert_ok(scry_solver_start(S, 5, 3, &err));
        assert_int_equal(scry_solver_run(S, x, NULL, NULL, &end, &err), SCRY_ENUMERIC);
        assert_int_equal(end.reason, SCRY_STOP_NAN);
        assert_true(end.step < 100);
        assert_non_null(strstr(err.text, "diverged at step"));
        assert_non_null(strstr(err.text, "seed 5, chain 3"));
        scry_solver_free(S);
    }
    drop(&s);
}

static void plans_survive_lack_of_memory(void **state)
{
    (void)state;
    static const char *const names[] = {"pnp-ula", "sk-rock"};
    static struct world w;
    struct setup s;
    world_blur(&w);
    build(&s, &w, NULL);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        assert_plan_survives(names[k], &s.problem);
    drop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaussian_posterior_is_drawn),
        cmocka_unit_test(corrected_variants_are_right),
        cmocka_unit_test(lost_spread_is_added),
        cmocka_unit_test(couplings_are_refused),
        cmocka_unit_test(photon_noise_is_exact),
        cmocka_unit_test(a_chain_that_runs_away_is_stopped),
        cmocka_unit_test(plans_survive_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
