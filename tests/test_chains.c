#include "tests/options.h"

#include "lib/call_batcher.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/parallel.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "operators/mask.h"
#include "priors/gaussian.h"
#include "priors/prior_impl.h"
#include "solvers/chains.h"

#include <string.h>
#include <time.h>

/* The prior N(0, I), which answers calls together, and poisons one chain: its denoiser gives NaN
 * when the first value of the state is the one that `poison` says. */
struct unit {
    scry_prior base;
    float poison;
    size_t *largest; /* of the batches answered; or NULL */
};

struct call {
    float *x0;
    const float *x;
    float sigma;
};

/* *largest before this count. */
static size_t note(size_t *largest, size_t count)
{
    size_t before;
#pragma omp critical(test_chains_largest)
    {
        before = *largest;
        if (count > before) *largest = count;
    }
    return before;
}

static void shrink_all(const void *with, void *const *calls, size_t count)
{
    const struct unit *unit = with;
    /* the first call waits for the other chains to come: a chain is done in microseconds */
    if (unit->largest && !note(unit->largest, count))
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    for (size_t k = 0; k < count; k++) {
        const struct call *c = calls[k];
        const bool spoilt = c->x[0] == unit->poison;
        for (size_t i = 0; i < scry_space_floats(&unit->base.space); i++)
            c->x0[i] = spoilt ? NAN : c->x[i] / (1 + c->sigma * c->sigma);
    }
}

static scry_status shrink(const scry_prior *P, float *x0, const float *x, float sigma, void *work,
                          scry_error *err)
{
    (void)work;
    (void)err;
    scry_call_batcher_call(shrink_all, P, &(struct call){x0, x, sigma});
    return SCRY_OK;
}

static struct unit unit_prior(void)
{
    static const struct scry_prior_ops ops = {.name = "unit", .denoise = shrink};
    return (struct unit){
        .base = {.ops = &ops, .space = SCRY_SPACE(3, 5), .sigma_low = 0.01, .sigma_high = 100},
        .poison = NAN};
}

enum { N = 15 };

static void run(scry_chains *c, const struct unit *prior, const scry_chains_opts *opts,
                scry_chains_monitor *monitor, void *ctx)
{
    scry_error err = {0};
    const struct scry_method *m = scry_method_find("ddpm");
    const scry_problem problem = {.prior = &prior->base};
    scry_options o;
    scry_options_init(&o, m);
    option_set(&o, "steps", 20);
    assert_ok(scry_chains_run(c, &problem, &o, opts, monitor, ctx, &err));
}

static scry_chains_opts seven(void)
{
    static const double half[3] = {0, 0.5, 1};
    scry_chains_opts opts;
    scry_chains_opts_init(&opts);
    opts.chains = 7;
    opts.seed = 2385;
    opts.quantiles = 3;
    opts.probability = half;
    return opts;
}

static void threads_do_not_show(void **state)
{
    (void)state;
    const struct unit prior = unit_prior();
    scry_chains_opts opts = seven();
    scry_chains one, other;
    opts.threads = 1;
    run(&one, &prior, &opts, NULL, NULL);
    for (opts.threads = 2; opts.threads <= 8; opts.threads += 2) {
        run(&other, &prior, &opts, NULL, NULL);
        assert_memory_equal(one.mean, other.mean, N * sizeof(float));
        assert_memory_equal(one.sd, other.sd, N * sizeof(float));
        assert_memory_equal(one.samples, other.samples, 7 * N * sizeof(float));
        assert_memory_equal(one.quantile, other.quantile, 3 * N * sizeof(float));
        assert_int_equal(other.counts.denoise, 7 * 20);
        scry_chains_free(&other);
    }
    scry_chains_free(&one);
}

static void moments_are_those_of_the_samples(void **state)
{
    (void)state;
    const struct unit prior = unit_prior();
    const scry_chains_opts opts = seven();
    scry_chains c;
    run(&c, &prior, &opts, NULL, NULL);
    assert_int_equal(c.done, 7);
    assert_int_equal(c.reason, SCRY_DONE);
    for (size_t i = 0; i < N; i++) {
        double mean = 0, spread = 0;
        float low = INFINITY, high = -INFINITY;
        for (size_t k = 0; k < 7; k++) {
            const float x = c.samples[k * N + i];
            mean += x / 7.0;
            low = fminf(low, x);
            high = fmaxf(high, x);
        }
        for (size_t k = 0; k < 7; k++)
            spread += pow(c.samples[k * N + i] - mean, 2) / 6;
        assert_near(c.mean[i], mean, 1e-6);
        assert_near(c.sd[i], sqrt(spread), 1e-6);
        assert_near(c.quantile[i], low, 0);
        assert_near(c.quantile[2 * N + i], high, 0);
        size_t below = 0;
        for (size_t k = 0; k < 7; k++)
            below += c.samples[k * N + i] < c.quantile[N + i];
        assert_int_equal(below, 3);
    }
    scry_chains_free(&c);
}

/* A run can be split: chains 3, 4 alone are chains 3, 4 of the seven. */
static void chains_are_numbered(void **state)
{
    (void)state;
    const struct unit prior = unit_prior();
    scry_chains_opts opts = seven();
    scry_chains all, part;
    run(&all, &prior, &opts, NULL, NULL);
    opts.first = 3;
    opts.chains = 2;
    run(&part, &prior, &opts, NULL, NULL);
    assert_memory_equal(part.samples, all.samples + 3 * N, 2 * N * sizeof(float));
    assert_memory_not_equal(all.samples, all.samples + N, N * sizeof(float));
    scry_chains_free(&all);
    scry_chains_free(&part);
}

/* The first state of a chain, as the samplers draw it: sigma_max n. */
static float first_state(uint64_t seed, uint32_t chain)
{
    float z;
    scry_rng_normal(&z, 0, 1, seed, chain, scry_rng_step(0, 0));
    float x = 0;
    scry_axpy(&x, 40, &z, 1);
    return x;
}

static void a_spoilt_chain_is_left_out(void **state)
{
    (void)state;
    struct unit prior = unit_prior();
    scry_chains_opts opts = seven();
    scry_chains all, c;
    opts.threads = 2;
    run(&all, &prior, &opts, NULL, NULL);
    prior.poison = first_state(opts.seed, 2);
    run(&c, &prior, &opts, NULL, NULL);
    assert_int_equal(c.done, 6);
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.reason, SCRY_DONE);
    assert_non_null(strstr(c.failure.text, "not finite"));
    assert_true(scry_finite(c.mean, N) && scry_finite(c.sd, N) && scry_finite(c.quantile, 3 * N));
    assert_memory_equal(c.samples, all.samples, 2 * N * sizeof(float));
    assert_memory_equal(c.samples + 2 * N, all.samples + 3 * N, 4 * N * sizeof(float));
    scry_chains_free(&all);
    scry_chains_free(&c);

    scry_error err = {0};
    const struct scry_method *m = scry_method_find("ddpm");
    const scry_problem problem = {.prior = &prior.base};
    scry_options o;
    scry_options_init(&o, m);
    opts.first = 2;
    opts.chains = 1;
    assert_fails(scry_chains_run(&c, &problem, &o, &opts, NULL, NULL, &err), SCRY_ENUMERIC);
}

/* Chains that advance together are those that advance alone, also where one of them ends early, on
 * any number of threads; and the forecast knows how many there are. */
static void company_does_not_show(void **state)
{
    (void)state;
    scry_error err = {0};
    struct unit prior = unit_prior();
    const struct scry_method *m = scry_method_find("ddpm");
    scry_chains_opts opts = seven();
    scry_options o;
    scry_chains alone, c;
    size_t bytes, largest, max = 0;
    scry_options_init(&o, m);
    option_set(&o, "steps", 20);
    scry_threads_set(1);
    prior.poison = first_state(opts.seed, 2);
    run(&alone, &prior, &opts, NULL, NULL);
    prior.largest = &largest;
    for (opts.threads = 1; opts.threads <= 4; opts.threads++)
        for (prior.base.batch = 1; prior.base.batch <= 8; prior.base.batch += 2) {
            const scry_problem problem = {.prior = &prior.base};
            assert_ok(scry_chains_forecast(&bytes, &problem, &o, &opts, &err));
            largest = 0;
            const size_t before = scry_memory_requested();
            run(&c, &prior, &opts, NULL, NULL);
            assert_in_range(scry_memory_requested() - before, bytes - 1024, bytes + 1024);
            assert_int_equal(c.failed, 1);
            assert_memory_equal(c.samples, alone.samples, 6 * N * sizeof(float));
            assert_memory_equal(c.mean, alone.mean, N * sizeof(float));
            assert_memory_equal(c.sd, alone.sd, N * sizeof(float));
            assert_in_range(largest, 1, prior.base.batch);
            if (opts.threads == 4) assert_int_equal(largest, 1);
            max = largest > max ? largest : max;
            scry_chains_free(&c);
        }
    assert_true(max > 1);
    scry_chains_free(&alone);
    scry_threads_set(0);
}

struct watch {
    size_t calls, stop_at;
};

static bool watch(const scry_chains_progress *p, void *ctx)
{
    struct watch *w = ctx;
    assert_int_equal(p->chains, 7);
    assert_in_range(p->chain, 0, 6);
    assert_non_null(p->p->x0);
    return ++w->calls != w->stop_at;
}

static void a_monitor_can_stop_company(void **state)
{
    (void)state;
    struct unit prior = unit_prior();
    scry_chains_opts opts = seven();
    scry_threads_set(1);
    prior.base.batch = 4;
    for (opts.threads = 1; opts.threads <= 3; opts.threads++)
        for (size_t at = 1; at <= 7 * 20; at += 13) {
            struct watch w = {0, at};
            scry_chains c;
            run(&c, &prior, &opts, watch, &w);
            assert_int_equal(c.reason, SCRY_STOP_USER);
            assert_int_equal(w.calls, at);
            scry_chains_free(&c);
        }
    scry_threads_set(0);
}

static void a_monitor_can_stop_all(void **state)
{
    (void)state;
    const struct unit prior = unit_prior();
    scry_chains_opts opts = seven();
    struct watch w = {0, 0};
    scry_chains c;
    run(&c, &prior, &opts, watch, &w);
    assert_int_equal(w.calls, 7 * 20);
    scry_chains_free(&c);
    opts.threads = 1; /* chain 0 and 1 end, chain 2 is stopped at its 5th step */
    w = (struct watch){0, 45};
    run(&c, &prior, &opts, watch, &w);
    assert_int_equal(c.reason, SCRY_STOP_USER);
    assert_int_equal(c.done, 2);
    scry_chains_free(&c);
    w = (struct watch){0, 1};
    run(&c, &prior, &opts, watch, &w);
    assert_int_equal(c.reason, SCRY_STOP_USER);
    assert_int_equal(c.done, 0);
    assert_true(c.counts.denoise <= 2); /* chains that had not begun did not begin */
    scry_chains_free(&c);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    const struct unit prior = unit_prior();
    const scry_problem problem = {.prior = &prior.base};
    const struct scry_method *m = scry_method_find("heun");
    static const double wrong[1] = {1.5};
    scry_options o;
    scry_chains c;
    scry_chains_opts opts = seven();
    scry_options_init(&o, m);
    opts.chains = 0;
    assert_fails(scry_chains_run(&c, &problem, &o, &opts, NULL, NULL, &err), SCRY_EINVAL);
    opts = seven();
    opts.probability = wrong;
    assert_fails(scry_chains_run(&c, &problem, &o, &opts, NULL, NULL, &err), SCRY_EINVAL);
    opts.quantiles = SCRY_MAX_QUANTILES + 1;
    assert_fails(scry_chains_run(&c, &problem, &o, &opts, NULL, NULL, &err), SCRY_EINVAL);
    opts = seven();
    opts.first = UINT32_MAX;
    assert_fails(scry_chains_run(&c, &problem, &o, &opts, NULL, NULL, &err), SCRY_EINVAL);
    opts = seven();
    assert_fails(scry_options_set(&o, "steps", 0, &err), SCRY_EINVAL);
}

/* Every method that takes this problem, refused each allocation in turn. */
static void lack_of_memory_leaves_nothing(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    scry_likelihood *L;
    scry_prior *prior;
    const scry_space space = SCRY_SPACE(3, 5);
    const unsigned char known[N] = {1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 1, 0};
    const float y[9] = {.1f, .3f, -.2f, .5f, .2f, -.6f, .4f, .1f, .2f};
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 0.2};
    double mean[N] = {0}, C[N * N] = {0};
    for (size_t i = 0; i < N; i++)
        C[i * N + i] = 1.3;
    assert_ok(scry_mask_create(&A, &space, known, &err));
    assert_ok(scry_likelihood_create(&L, A, y, &noise, NULL, &err));
    assert_ok(scry_gaussian_create_dense(&prior, &space, mean, C, &err));
    const scry_problem problem = {.L = L, .prior = prior, .model = prior};
    size_t count;
    const struct scry_method *const *m = scry_methods(&count);
    for (size_t i = 0; i < count; i++) {
        if (m[i]->kind != SCRY_POSTERIOR || scry_method_missing(m[i], &problem)) continue;
        scry_status st = SCRY_ENOMEM;
        scry_options o;
        scry_chains_opts opts = seven();
        scry_options_init(&o, m[i]);
        option_set(&o, "steps", 2);
        opts.threads = 2;
        const size_t live = scry_memory_live();
        for (size_t nth = 1; st == SCRY_ENOMEM; nth++) {
            scry_chains c;
            scry_memory_fail_at(nth);
            st = scry_chains_run(&c, &problem, &o, &opts, NULL, NULL, &err);
            scry_memory_fail_at(0);
            if (st == SCRY_OK) scry_chains_free(&c);
            assert_int_equal(scry_memory_live(), live);
            assert_int_equal(st != SCRY_OK, err.text[0] != '\0');
            err = (scry_error){0};
            assert_true(nth < 300);
        }
        assert_int_equal(st, SCRY_OK);
        size_t bytes;
        assert_ok(scry_chains_forecast(&bytes, &problem, &o, &opts, &err));
        assert_true(bytes > 7 * N * sizeof(float));
    }
    scry_prior_free(prior);
    scry_likelihood_free(L);
    scry_op_free(A);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_do_not_show),
        cmocka_unit_test(moments_are_those_of_the_samples),
        cmocka_unit_test(chains_are_numbered),
        cmocka_unit_test(a_spoilt_chain_is_left_out),
        cmocka_unit_test(company_does_not_show),
        cmocka_unit_test(a_monitor_can_stop_all),
        cmocka_unit_test(a_monitor_can_stop_company),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(lack_of_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
