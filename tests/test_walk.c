#include "tests/exact/small.h"
#include "lib/memory_watch.h"

#include "lib/stats/mixing.h"
#include "lib/vector.h"
#include "priors/prior_impl.h"

/* Chains that give several draws. */

enum { N = 6, CHAINS = 5, DRAWS = 6 };

static const char *const walkers[] = {"pnp-ula", "sk-rock", "langevin", "preconditioned-langevin",
                                      "pnpdm"};
enum { WALKERS = sizeof walkers / sizeof *walkers };

static const double probability[2] = {0.1, 0.5}, threshold[2] = {-0.1, 0.45};

/* The prior `inner`, which gives NaN for the state whose first value is `poison`. */
struct spoilt {
    scry_prior base;
    const scry_prior *inner;
    float poison;
};

static scry_status denoise(const scry_prior *P, float *x0, const float *x, float sigma, void *work,
                           scry_error *err)
{
    const struct spoilt *prior = (const struct spoilt *)P;
    const bool hit = x[0] == prior->poison;
    scry_status st = scry_prior_denoise(prior->inner, x0, x, sigma, work, err);
    if (hit) x0[3] = NAN;
    return st;
}

static struct spoilt spoilt_prior(const scry_prior *inner)
{
    static const struct scry_prior_ops ops = {.name = "spoilt", .denoise = denoise};
    return (struct spoilt){.base = {.ops = &ops,
                                    .space = *scry_prior_space(inner),
                                    .work_bytes = scry_prior_work_bytes(inner),
                                    .sigma_low = 0.01,
                                    .sigma_high = 100},
                           .inner = inner,
                           .poison = NAN};
}

static scry_options short_walk(const char *name)
{
    scry_options o;
    scry_options_init(&o, scry_method_find(name));
    option_set(&o, "steps", 12);
    option_set(&o, "travel", 2);
    option_set(&o, "draws", DRAWS);
    option_set(&o, "thin", 3);
    return o;
}

static scry_chains_opts five(void)
{
    scry_chains_opts opts;
    scry_chains_opts_init(&opts);
    opts.chains = CHAINS;
    opts.seed = 2385;
    opts.threads = 1;
    opts.quantiles = opts.thresholds = 2;
    opts.probability = probability;
    opts.threshold = threshold;
    opts.region = 4;
    return opts;
}

static scry_chains run(const scry_problem *problem, const scry_options *o,
                       const scry_chains_opts *opts)
{
    scry_error err = {0};
    scry_chains c;
    assert_ok(scry_chains_run(&c, problem, o, opts, NULL, NULL, &err));
    return c;
}

static void assert_same(const scry_chains *a, const scry_chains *b)
{
    assert_int_equal(a->draws, b->draws);
    assert_memory_equal(a->mean, b->mean, N * sizeof(float));
    assert_memory_equal(a->sd, b->sd, N * sizeof(float));
    assert_memory_equal(a->quantile, b->quantile, 2 * N * sizeof(float));
    assert_memory_equal(a->above, b->above, 2 * N * sizeof(float));
    assert_memory_equal(a->rhat, b->rhat, N * sizeof(float));
    assert_memory_equal(a->ess, b->ess, N * sizeof(float));
    assert_memory_equal(a->samples, b->samples, a->draws * N * sizeof(float));
}

static void threads_do_not_show(void **state)
{
    const struct setup *s = *state;
    for (size_t k = 0; k < WALKERS; k++) {
        const scry_options o = short_walk(walkers[k]);
        scry_chains_opts opts = five();
        scry_chains one = run(&s->problem, &o, &opts);
        assert_int_equal(one.draws, CHAINS * DRAWS);
        for (opts.threads = 2; opts.threads <= 6; opts.threads += 2) {
            scry_chains other = run(&s->problem, &o, &opts);
            assert_same(&one, &other);
            scry_chains_free(&other);
        }
        scry_chains_free(&one);
    }
}

/* The walk begins where a run of one draw ends, and a draw is the state at its step. */
static void the_first_draw_is_that_of_one(void **state)
{
    const struct setup *s = *state;
    for (size_t k = 0; k < WALKERS; k++) {
        assert_true(scry_method_multi_draw(scry_method_find(walkers[k])));
        scry_options o = short_walk(walkers[k]);
        scry_chains_opts opts = five();
        scry_chains many = run(&s->problem, &o, &opts);
        option_set(&o, "draws", 1);
        scry_chains one = run(&s->problem, &o, &opts);
        for (size_t c = 0; c < CHAINS; c++) {
            const float *first = many.samples + c * DRAWS * N;
            assert_memory_equal(first, one.samples + c * N, N * sizeof(float));
            assert_memory_not_equal(first, first + N, N * sizeof(float));
        }
        scry_chains_free(&one);
        /* every second of the draws that lie half as far apart */
        option_set(&o, "draws", 2 * DRAWS - 1);
        option_set(&o, "thin", 3);
        scry_chains fine = run(&s->problem, &o, &opts);
        option_set(&o, "draws", DRAWS);
        option_set(&o, "thin", 6);
        scry_chains coarse = run(&s->problem, &o, &opts);
        for (size_t i = 0; i < CHAINS * DRAWS; i++)
            assert_memory_equal(coarse.samples + i * N,
                                fine.samples + (i / DRAWS * (2 * DRAWS - 1) + i % DRAWS * 2) * N,
                                N * sizeof(float));
        scry_chains_free(&coarse);
        scry_chains_free(&fine);
        scry_chains_free(&many);
    }
}

static void all_draws_count_alike(void **state)
{
    const struct setup *s = *state;
    const scry_options o = short_walk("preconditioned-langevin");
    const scry_chains_opts opts = five();
    scry_chains c = run(&s->problem, &o, &opts);
    const size_t K = CHAINS * DRAWS;
    for (size_t i = 0; i < N; i++) {
        double mean = 0, spread = 0;
        float column[CHAINS * DRAWS];
        for (size_t k = 0; k < K; k++) {
            column[k] = c.samples[k * N + i];
            mean += column[k] / (double)K;
        }
        for (size_t k = 0; k < K; k++)
            spread += pow(column[k] - mean, 2) / (double)(K - 1);
        assert_near(c.mean[i], mean, 1e-6);
        assert_near(c.sd[i], sqrt(spread), 1e-6);
        for (size_t q = 0; q < 2; q++) {
            size_t above = 0;
            for (size_t k = 0; k < K; k++)
                above += column[k] > threshold[q];
            assert_near(c.above[q * N + i], (double)above / (double)K, 1e-7);
        }
        for (size_t q = 0; q < 2; q++)
            assert_near(c.quantile[q * N + i], scry_quantile(column, K, probability[q], column),
                        1e-7);
    }
    scry_chains_free(&c);
}

/* Regions of 4 pixels: 0 .. 3 and 4, 5. */
static void regions_are_those_of_the_traces(void **state)
{
    const struct setup *s = *state;
    const scry_options o = short_walk("sk-rock");
    const scry_chains_opts opts = five();
    scry_chains c = run(&s->problem, &o, &opts);
    double worst = 0, min = INFINITY;
    for (size_t region = 0; region < 2; region++) {
        double mean[CHAINS * DRAWS], square[CHAINS * DRAWS];
        const size_t first = region * 4, count = region ? 2 : 4;
        for (size_t k = 0; k < CHAINS * DRAWS; k++) {
            mean[k] = square[k] = 0;
            for (size_t i = first; i < first + count; i++) {
                mean[k] += c.samples[k * N + i] / (double)count;
                square[k] += pow(c.samples[k * N + i], 2) / (double)count;
            }
        }
        const scry_mixing a = scry_mixing_measure(mean, CHAINS, DRAWS);
        const scry_mixing b = scry_mixing_measure(square, CHAINS, DRAWS);
        for (size_t i = first; i < first + count; i++) {
            assert_near(c.rhat[i], fmax(a.rhat, b.rhat), 1e-5);
            assert_near(c.ess[i], fmin(a.ess, b.ess), 1e-4 * c.ess[i]);
        }
        worst = fmax(worst, c.rhat[first]);
        min = fmin(min, c.ess[first]);
    }
    assert_near(c.worst_rhat, worst, 1e-6);
    assert_near(c.min_ess, min, 1e-5 * min);
    scry_chains_free(&c);
    scry_options one = o;
    option_set(&one, "draws", 1);
    c = run(&s->problem, &one, &opts);
    assert_true(isnan(c.worst_rhat) && isnan(c.rhat[0]));
    assert_near(c.min_ess, CHAINS, 0);
    scry_chains_free(&c);
}

/* A chain that breaks after some of its draws: none of them is in. */
static void a_chain_that_breaks_leaves_nothing(void **state)
{
    const struct setup *s = *state;
    struct spoilt prior = spoilt_prior(s->prior);
    const scry_problem problem = {.L = s->L, .prior = &prior.base, .model = s->prior};
    const scry_options o = short_walk("pnp-ula");
    scry_chains_opts opts = five();
    scry_chains all = run(&problem, &o, &opts);
    prior.poison = all.samples[(2 * DRAWS + 3) * N]; /* the 4th draw of chain 2 is denoised next */
    for (opts.threads = 1; opts.threads <= 4; opts.threads++) {
        scry_chains c = run(&problem, &o, &opts);
        assert_int_equal(c.done, CHAINS - 1);
        assert_int_equal(c.failed, 1);
        assert_int_equal(c.draws, (CHAINS - 1) * DRAWS);
        assert_non_null(strstr(c.failure.text, "pnp-ula: the chain diverged at step 22 of 27, "
                                               "seed 2385, chain 2"));
        assert_memory_equal(c.samples, all.samples, 2 * DRAWS * N * sizeof(float));
        assert_memory_equal(c.samples + 2 * DRAWS * N, all.samples + 3 * DRAWS * N,
                            2 * DRAWS * N * sizeof(float));
        for (size_t i = 0; i < N; i++) {
            double mean = 0, above = 0;
            for (size_t k = 0; k < c.draws; k++) {
                mean += c.samples[k * N + i] / (double)c.draws;
                above += c.samples[k * N + i] > threshold[0];
            }
            assert_near(c.mean[i], mean, 1e-6);
            assert_near(c.above[i], above / (double)c.draws, 1e-7);
        }
        assert_true(scry_finite(c.sd, N) && scry_finite(c.rhat, N) && scry_finite(c.ess, N));
        scry_chains_free(&c);
    }
    scry_chains_free(&all);
}

/* The prior N(0, I). */
static scry_status shrink(const scry_prior *P, float *x0, const float *x, float sigma, void *work,
                          scry_error *err)
{
    (void)work;
    (void)err;
    for (size_t i = 0; i < scry_space_floats(&P->space); i++)
        x0[i] = x[i] / (1 + sigma * sigma);
    return SCRY_OK;
}

/* On an image large enough that blocks are rounded up by little. */
static void the_forecast_is_right(void **state)
{
    (void)state;
    static const struct scry_prior_ops ops = {.name = "unit", .denoise = shrink};
    const scry_prior prior = {
        .ops = &ops, .space = SCRY_SPACE(31, 40), .sigma_low = 0.01, .sigma_high = 100};
    static unsigned char known[31 * 40] = {1, 1, 1};
    const float y[3] = {0.3f, 0.2f, -0.4f};
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 0.3};
    scry_error err = {0};
    scry_op *A;
    scry_likelihood *L;
    assert_ok(scry_mask_create(&A, &prior.space, known, &err));
    assert_ok(scry_likelihood_create(&L, A, y, &noise, NULL, &err));
    const scry_problem problem = {.L = L, .prior = &prior};
    for (int what = 0; what < 8; what++) {
        scry_options o = short_walk("pnpdm");
        scry_chains_opts opts = five();
        size_t forecast;
        if (what & 1) opts.quantiles = 0;
        if (what & 2) opts.region = opts.thresholds = 0;
        if (what & 4) option_set(&o, "draws", 1);
        assert_ok(scry_chains_forecast(&forecast, &problem, &o, &opts, &err));
        const size_t before = scry_memory_requested();
        scry_chains c = run(&problem, &o, &opts);
        assert_near((double)(scry_memory_requested() - before) / (double)forecast, 1, 0.01);
        scry_chains_free(&c);
    }
    scry_likelihood_free(L);
    scry_op_free(A);
}

static void wrong_options_are_refused(void **state)
{
    const struct setup *s = *state;
    scry_error err = {0};
    scry_options o = short_walk("pnpdm");
    static const double wrong[1] = {NAN};
    scry_chains_opts opts = five();
    scry_chains c;
    assert_fails(scry_options_set(&o, "draws", 0, &err), SCRY_EINVAL);
    assert_fails(scry_options_set(&o, "thin", 0, &err), SCRY_EINVAL);
    option_set(&o, "thin", 100000); /* more steps than there are random numbers for */
    assert_fails(scry_chains_run(&c, &s->problem, &o, &opts, NULL, NULL, &err), SCRY_EINVAL);
    o = short_walk("pnp-ula");
    option_set(&o, "draws", 1000000);
    option_set(&o, "thin", 1000000);
    assert_fails(scry_chains_run(&c, &s->problem, &o, &opts, NULL, NULL, &err), SCRY_EINVAL);
    o = short_walk("pnpdm");
    opts.threshold = wrong;
    assert_fails(scry_chains_run(&c, &s->problem, &o, &opts, NULL, NULL, &err), SCRY_EINVAL);
    opts.thresholds = SCRY_MAX_QUANTILES + 1;
    assert_fails(scry_chains_run(&c, &s->problem, &o, &opts, NULL, NULL, &err), SCRY_EINVAL);
    opts = five();
    opts.chains = 1u << 31;
    assert_fails(scry_chains_run(&c, &s->problem, &o, &opts, NULL, NULL, &err), SCRY_EINVAL);
    assert_false(scry_method_multi_draw(scry_method_find("dps")));
}

static void lack_of_memory_leaves_nothing(void **state)
{
    const struct setup *s = *state;
    const scry_options o = short_walk("pnp-ula");
    scry_chains_opts opts = five();
    scry_status st = SCRY_ENOMEM;
    opts.threads = 2;
    const size_t live = scry_memory_live();
    for (size_t nth = 1; st == SCRY_ENOMEM; nth++) {
        scry_error err = {0};
        scry_chains c;
        scry_memory_fail_at(nth);
        st = scry_chains_run(&c, &s->problem, &o, &opts, NULL, NULL, &err);
        scry_memory_fail_at(0);
        if (st == SCRY_OK) scry_chains_free(&c);
        assert_int_equal(st != SCRY_OK, err.text[0] != '\0');
        assert_int_equal(scry_memory_live(), live);
        assert_true(nth < 300);
    }
    assert_int_equal(st, SCRY_OK);
}

static int make(void **state)
{
    static struct world w;
    static struct setup s;
    world_blur(&w);
    build(&s, &w, NULL);
    *state = &s;
    return 0;
}

static int unmake(void **state)
{
    drop(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_do_not_show),
        cmocka_unit_test(the_first_draw_is_that_of_one),
        cmocka_unit_test(all_draws_count_alike),
        cmocka_unit_test(regions_are_those_of_the_traces),
        cmocka_unit_test(a_chain_that_breaks_leaves_nothing),
        cmocka_unit_test(the_forecast_is_right),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(lack_of_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
