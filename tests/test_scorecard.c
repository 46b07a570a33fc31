#include "tests/exact/closed_form.h"

#include "datasets/gaussian_mixture.h"
#include "datasets/scorecard.h"
#include "lib/memory_watch.h"
#include "lib/rng.h"

/* Distributions in closed form, and the scorecard's verdict on samples that are right or wrong by a
 * known amount. tests/exact/closed_form.h is the same algebra by another route (GSL). */
enum { N = 5, M = 3, B = 24, K = 200 };

static const double A[M * N] = {1, 0.4, 0, 0, 0.2, 0, 0.7, -0.3, 0, 0, 0, 0.1, 0, 0.9, 1.1};

static void components(double *mean, double *cov)
{
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < N; i++) {
            mean[k * N + i] = (k ? 0.8 : -0.6) * (i % 2 ? 1 : -1) + 0.1 * (double)i;
            for (size_t j = 0; j < N; j++)
                cov[(k * N + i) * N + j] = (k ? 0.5 : 0.3) * (1 + 0.1 * (double)(i + j)) *
                                           pow(k ? 0.6 : -0.4, fabs((double)i - (double)j));
        }
}

static scry_gaussian_mixture *make_mixture(size_t count)
{
    static const double weight[2] = {3, 5};
    double mean[2 * N], cov[2 * N * N];
    scry_error err = {0};
    scry_gaussian_mixture *mixture;
    components(mean, cov);
    assert_ok(scry_gaussian_mixture_create(
        &mixture,
        &(scry_gaussian_mixture_params){
            .n = N, .count = count, .weight = weight, .mean = mean, .cov = cov},
        &err));
    return mixture;
}

/* A measurement of a draw, and the posterior. */
static scry_gaussian_mixture *measure(const scry_gaussian_mixture *prior, double *y,
                                      uint32_t number)
{
    const double sigma = 0.3;
    double x[N];
    float z[M];
    scry_error err = {0};
    scry_gaussian_mixture *posterior;
    scry_gaussian_mixture_draw(prior, x, 11, number);
    scry_rng_normal(z, 0, M, 11, number, 2);
    for (size_t i = 0; i < M; i++) {
        y[i] = sigma * z[i];
        for (size_t j = 0; j < N; j++)
            y[i] += A[i * N + j] * x[j];
    }
    assert_ok(scry_gaussian_mixture_condition(
        &posterior, prior, &(scry_linear_data){.A = A, .m = M, .y = y, .sigma = sigma}, &err));
    return posterior;
}

static void posterior_agrees_with_gsl(void **state)
{
    (void)state;
    static const double weight[2] = {3. / 8, 5. / 8}, noise[M] = {0.09, 0.09, 0.09};
    double mean[2 * N], cov[2 * N * N], y[M], m1[N], m2[N], P1[N * N], P2[N * N];
    components(mean, cov);
    const scry_mixture_component c[2] = {
        {.weight = weight[0], .mean = mean, .cov = cov},
        {.weight = weight[1], .mean = mean + N, .cov = cov + N * N},
    };
    scry_gaussian_mixture *prior = make_mixture(2), *posterior = measure(prior, y, 3);
    closed_form f = closed_form_prior(c, 2, N), g = closed_form_posterior(&f, A, y, noise, M);
    for (size_t k = 0; k < 2; k++)
        assert_near(posterior->weight[k], g.weight[k], 1e-12);
    for (size_t i = 0; i < 2 * N; i++)
        assert_near(posterior->mean[i], g.mean[i], 1e-12);
    for (size_t i = 0; i < 2 * N * N; i++)
        assert_near(posterior->cov[i], g.cov[i], 1e-12);
    scry_gaussian_mixture_moments(posterior, m1, P1);
    closed_form_moments(&g, m2, P2);
    for (size_t i = 0; i < N; i++)
        assert_near(m1[i], m2[i], 1e-12);
    for (size_t i = 0; i < N * N; i++)
        assert_near(P1[i], P2[i], 1e-12);
    closed_form_free(&f);
    closed_form_free(&g);
    scry_gaussian_mixture_free(prior);
    scry_gaussian_mixture_free(posterior);
}

/* The density integrates to the distribution function, and its shares to one. */
static void density_and_distribution_agree(void **state)
{
    (void)state;
    const double mean[4] = {-1, 0.2, 1.5, 0.7}, weight[2] = {0.3, 0.7};
    const double cov[8] = {0.5, 0.1, 0.1, 0.3, 0.4, -0.2, -0.2, 0.6};
    double below = 0, first = 0, share[2], work[2];
    scry_error err = {0};
    scry_gaussian_mixture *mixture;
    assert_ok(scry_gaussian_mixture_create(
        &mixture,
        &(scry_gaussian_mixture_params){
            .n = 2, .count = 2, .weight = weight, .mean = mean, .cov = cov},
        &err));
    for (int i = 0; i < 200; i++)
        for (int j = 0; j < 200; j++) {
            const double x[2] = {-6 + 0.06 * (i + 0.5), -6 + 0.06 * (j + 0.5)};
            const double p =
                exp(scry_gaussian_mixture_log_density(mixture, x, share, work)) * 0.06 * 0.06;
            assert_near(share[0] + share[1], 1, 1e-12);
            if (i < 115) below += p; /* x_0 < 0.9 */
            first += share[0] * p;
        }
    assert_near(below, scry_gaussian_mixture_cdf(mixture, 0, 0.9), 1e-4);
    assert_near(first, 0.3, 1e-4);
    scry_gaussian_mixture_free(mixture);
}

/* Samples of the posterior itself, moved by `shift` sd of the prior and spread by `factor` about
 * the posterior mean. */
static scry_scores score(size_t count, double shift, double factor)
{
    static float samples[K * N];
    scry_error err = {0};
    scry_gaussian_mixture *prior = make_mixture(count);
    scry_scorecard *card;
    scry_scores s;
    double cov[N * N], mean[N], x[N], y[M];
    scry_gaussian_mixture_moments(prior, NULL, cov);
    assert_ok(scry_scorecard_create(&card, prior, B, &err));
    for (uint32_t b = 0; b < B; b++) {
        scry_gaussian_mixture *posterior = measure(prior, y, b);
        scry_gaussian_mixture_moments(posterior, mean, NULL);
        for (uint32_t k = 0; k < K; k++) {
            scry_gaussian_mixture_draw(posterior, x, 29, b * K + k);
            for (size_t i = 0; i < N; i++)
                samples[k * N + i] =
                    (float)(mean[i] + factor * (x[i] - mean[i]) + shift * sqrt(cov[i * N + i]));
        }
        assert_ok(scry_scorecard_add(card, posterior, samples, K, &err));
        scry_gaussian_mixture_free(posterior);
    }
    assert_ok(scry_scorecard_read(card, &s, &err));
    scry_scorecard_free(card);
    scry_gaussian_mixture_free(prior);
    return s;
}

static void assert_score(const char *name, scry_score s, double expected, double slack)
{
    if (!(fabs(s.value - expected) <= 4 * s.error + slack && s.error < 0.1)) {
        print_error("%s %.4f +- %.4f, expected %.4f\n", name, s.value, s.error, expected);
        fail();
    }
}

static void right_samples_are_found_right(void **state)
{
    (void)state;
    for (size_t count = 1; count <= 2; count++) {
        const scry_scores s = score(count, 0, 1);
        assert_score("bias/prior", s.bias_prior, 0, 0.005);
        assert_score("bias/post", s.bias_post, 0, 0.01);
        assert_score("sd low", s.sd_low, 1, 0.03); /* the extremes of five scattered ratios */
        assert_score("sd high", s.sd_high, 1, 0.03);
        assert_score("sd median", s.sd_median, 1, 0.005);
        assert_score("cover 50", s.cover50, 0.5, 0.002);
        assert_score("cover 90", s.cover90, 0.9, 0.002);
        assert_score("inside 50", s.inside50, 0.5, 0.01);
        assert_score("inside 90", s.inside90, 0.9, 0.01);
        if (count == 2)
            assert_score("weights", s.weights, 0, 0.01);
        else
            assert_true(isnan(s.weights.value));
    }
}

/* A Gaussian: intervals between quantiles -1.645 f and 1.645 f, and 5 degrees of freedom. */
static void wrong_samples_are_found_wrong(void **state)
{
    (void)state;
    scry_scores s = score(1, 0, 0.5);
    assert_score("sd median", s.sd_median, 0.5, 0.005);
    assert_score("cover 90", s.cover90, 0.5892, 0.005);   /* erf(0.8224 / sqrt 2) */
    assert_score("cover 50", s.cover50, 0.2641, 0.005);   /* erf(0.3372 / sqrt 2) */
    assert_score("inside 50", s.inside50, 0.9959, 0.005); /* chi2 < 4 * 4.351 */
    s = score(1, 0.25, 1);
    assert_score("bias/prior", s.bias_prior, 0.25, 0.005);
    assert_score("sd median", s.sd_median, 1, 0.005);
}

/* Half of the samples in each of two modes that have 0.2 and 0.8. */
static void wrong_weights_are_found_wrong(void **state)
{
    (void)state;
    const double mean[2] = {-3, 3}, cov[2] = {0.1, 0.1}, weight[2] = {0.2, 0.8};
    float samples[100];
    scry_error err = {0};
    scry_gaussian_mixture *mixture;
    scry_scorecard *card;
    scry_scores s;
    assert_ok(scry_gaussian_mixture_create(
        &mixture,
        &(scry_gaussian_mixture_params){
            .n = 1, .count = 2, .weight = weight, .mean = mean, .cov = cov},
        &err));
    assert_ok(scry_scorecard_create(&card, mixture, 2, &err));
    for (size_t k = 0; k < 100; k++)
        samples[k] = (k % 2 ? 3.f : -3.f) + 0.01f * (float)(k % 11);
    for (size_t b = 0; b < 2; b++)
        assert_ok(scry_scorecard_add(card, mixture, samples, 100, &err));
    assert_ok(scry_scorecard_read(card, &s, &err));
    assert_near(s.weights.value, sqrt(0.09 - 0.25 / 99), 1e-6);
    scry_scorecard_free(card);
    scry_gaussian_mixture_free(mixture);
}

static void bad_input_is_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_gaussian_mixture *prior = make_mixture(1), *mixture;
    scry_scorecard *card;
    scry_scores s;
    float samples[2 * N] = {0};
    double cov[4] = {1, 2, 2, 1}, mean[2] = {0}, weight[1] = {-1}, y[M] = {0};
    assert_fails(scry_gaussian_mixture_create(
                     &mixture,
                     &(scry_gaussian_mixture_params){.n = 2, .count = 1, .mean = mean, .cov = cov},
                     &err),
                 SCRY_EINVAL);
    assert_fails(scry_gaussian_mixture_create(
                     &mixture,
                     &(scry_gaussian_mixture_params){
                         .n = 2, .count = 1, .weight = weight, .mean = mean, .cov = cov},
                     &err),
                 SCRY_EINVAL);
    assert_fails(scry_gaussian_mixture_create(
                     &mixture,
                     &(scry_gaussian_mixture_params){.n = 0, .count = 1, .mean = mean, .cov = cov},
                     &err),
                 SCRY_EINVAL);
    assert_fails(
        scry_gaussian_mixture_condition(
            &mixture, prior, &(scry_linear_data){.A = A, .m = M, .y = y, .sigma = 0}, &err),
        SCRY_EINVAL);
    assert_fails(scry_scorecard_create(&card, prior, 1, &err), SCRY_EINVAL);
    assert_ok(scry_scorecard_create(&card, prior, 2, &err));
    assert_fails(scry_scorecard_add(card, prior, samples, 1, &err), SCRY_EINVAL);
    samples[3] = NAN;
    assert_fails(scry_scorecard_add(card, prior, samples, 2, &err), SCRY_ENUMERIC);
    samples[3] = 1;
    assert_ok(scry_scorecard_add(card, prior, samples, 2, &err));
    assert_fails(scry_scorecard_read(card, &s, &err), SCRY_EINVAL);
    assert_ok(scry_scorecard_add(card, prior, samples, 2, &err));
    assert_ok(scry_scorecard_read(card, &s, &err));
    assert_true(isnan(s.cover90.value)); /* two samples have no 5 % quantile */
    assert_fails(scry_scorecard_add(card, prior, samples, 2, &err), SCRY_EINVAL);
    scry_scorecard_free(card);
    scry_gaussian_mixture_free(prior);
}

static void refused_memory_is_reported(void **state)
{
    (void)state;
    double y[M];
    float samples[4 * N];
    for (size_t i = 0; i < 4 * N; i++)
        samples[i] = 0.1f * (float)(i % 7);
    scry_gaussian_mixture *prior = make_mixture(2), *posterior = measure(prior, y, 0);
    const size_t live = scry_memory_live();
    for (size_t nth = 1;; nth++) {
        scry_error err = {0};
        scry_scorecard *card = NULL;
        scry_gaussian_mixture *mixture = NULL;
        scry_scores s;
        scry_memory_fail_at(nth);
        scry_status st = scry_gaussian_mixture_condition(
            &mixture, prior, &(scry_linear_data){.A = A, .m = M, .y = y, .sigma = 0.3}, &err);
        if (st == SCRY_OK) st = scry_scorecard_create(&card, prior, 2, &err);
        for (int b = 0; b < 2 && st == SCRY_OK; b++)
            st = scry_scorecard_add(card, posterior, samples, 4, &err);
        if (st == SCRY_OK) st = scry_scorecard_read(card, &s, &err);
        scry_memory_fail_at(0);
        scry_gaussian_mixture_free(mixture);
        scry_scorecard_free(card);
        assert_int_equal(scry_memory_live(), live);
        if (st == SCRY_OK) break;
        assert_int_equal(st, SCRY_ENOMEM);
        assert_true(err.text[0]);
    }
    scry_gaussian_mixture_free(prior);
    scry_gaussian_mixture_free(posterior);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posterior_agrees_with_gsl),
        cmocka_unit_test(density_and_distribution_agree),
        cmocka_unit_test(right_samples_are_found_right),
        cmocka_unit_test(wrong_samples_are_found_wrong),
        cmocka_unit_test(wrong_weights_are_found_wrong),
        cmocka_unit_test(bad_input_is_refused),
        cmocka_unit_test(refused_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
