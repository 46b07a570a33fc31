#include "tests/exact/closed_form.h"
#include "tests/prior_check.h"

#include "priors/gaussian.h"
#include "priors/mixture.h"

static float no_work[16]; /* of those that need none */

/* Brute force in one dimension: D = int x0 p(x0) N(x; x0, s^2) dx0 / int p(x0) N(x; x0, s^2) dx0 by
 * the trapezoid rule, exact to rounding for integrands that are smooth and vanish at both ends. */
static double posterior_mean_1d(const scry_mixture_component *c, size_t count, double x, double s)
{
    double top = 0, bottom = 0;
    for (int i = -40000; i <= 40000; i++) {
        const double u = 5e-4 * i;
        double p = 0;
        for (size_t k = 0; k < count; k++) {
            const double d = u - c[k].mean[0];
            p += c[k].weight / sqrt(c[k].variance) * exp(-d * d / (2 * c[k].variance));
        }
        p *= exp(-(x - u) * (x - u) / (2 * s * s));
        top += u * p;
        bottom += p;
    }
    return top / bottom;
}

static void one_dimension_by_integration(void **state)
{
    (void)state;
    const double means[3] = {-2.385, 0.4, 3.1};
    const scry_mixture_component c[3] = {{.weight = 0.5, .mean = &means[0], .variance = 0.11},
                                         {.weight = 1.7, .mean = &means[1], .variance = 0.6},
                                         {.weight = 0.9, .mean = &means[2], .variance = 0.02}};
    const scry_space space = SCRY_SPACE(1);
    scry_error err = {0};
    scry_prior *P;
    assert_ok(scry_mixture_create(&P, &space, c, 3, &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    for (double s = 0.05; s < 9; s *= 2.3)
        for (double at = -4.1; at < 5; at += 0.7) {
            const float x = (float)at;
            float x0;
            assert_ok(scry_prior_denoise(P, &x0, &x, (float)s, work, &err));
            assert_near(x0, posterior_mean_1d(c, 3, x, (float)s), 1e-5);
        }
    scry_free(work);
    scry_prior_free(P);
}

enum { N = 4, K = 3 };

static const double mean0[N] = {1.2, -0.4, 0.3, 0.7}, mean1[N] = {-0.9, 0.8, -0.1, 0.25},
                    mean2[N] = {0.1, 0.2, -1.3, -0.6};
static const double cov0[N * N] = {0.50, 0.12,  0.05, 0.00, 0.12, 0.40, -0.08, 0.03,
                                   0.05, -0.08, 0.30, 0.10, 0.00, 0.03, 0.10,  0.25};
static const double diagonal1[N] = {0.2, 0.35, 0.1, 0.6};
static const scry_mixture_component components[K] = {
    {.weight = 2, .mean = mean0, .cov = cov0},
    {.weight = 1.1, .mean = mean1, .diagonal = diagonal1},
    {.weight = 0.7, .mean = mean2, .variance = 0.15},
};

static scry_prior *mixture_prior(void)
{
    const scry_space space = SCRY_SPACE(N);
    scry_error err = {0};
    scry_prior *P;
    assert_ok(scry_mixture_create(&P, &space, components, K, &err));
    return P;
}

/* D and dD/dx are the mean and the covariance over s^2 of the posterior given y = x0 + s n, which
 * closed_form computes by other means (Cholesky factors and not eigenvectors). */
static void moments_by_closed_form(void **state)
{
    (void)state;
    scry_prior *P = mixture_prior();
    scry_error err = {0};
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    closed_form prior = closed_form_prior(components, K, N);
    double A[N * N] = {0}, y[N], noise[N], mean[N], cov[N * N];
    for (size_t i = 0; i < N; i++)
        A[i * (N + 1)] = 1;
    for (uint64_t seed = 0; seed < 5; seed++) {
        const float s = 0.2f + 0.3f * (float)seed;
        float *x = random_floats(N, seed), d[N], g[N];
        for (size_t i = 0; i < N; i++)
            y[i] = x[i], noise[i] = (double)s * s;
        closed_form post = closed_form_posterior(&prior, A, y, noise, N);
        closed_form_moments(&post, mean, cov);
        for (size_t j = 0; j < N; j++) {
            float v[N] = {0};
            v[j] = 1;
            assert_ok(scry_prior_vjp(P, g, d, x, v, s, work, &err));
            assert_near(d[j], mean[j], 2e-6);
            for (size_t i = 0; i < N; i++)
                assert_near(g[i], cov[i * N + j] / noise[0], 2e-5);
        }
        check_vjp(P, x, s, 4e-3, 2e-4);
        closed_form_free(&post);
        scry_free(x);
    }
    closed_form_free(&prior);
    scry_free(work);
    scry_prior_free(P);
}

/* The likelihood of y under the mixture is its value: -log p(u) differs between two points as the
 * closed form of a tiny noise says. */
static void value_is_the_log_density(void **state)
{
    (void)state;
    scry_prior *P = mixture_prior();
    scry_error err = {0};
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    const float h = 1e-2f, s = 0.05f;
    float *x = random_floats(N, 3), d[N], u[N];
    double low, high;
    /* its slope is the score at vanishing noise: (D - x) / s^2 = grad log p(x), convolved */
    assert_ok(scry_prior_denoise(P, d, x, s, work, &err));
    for (size_t i = 0; i < N; i++) {
        memcpy(u, x, sizeof u);
        u[i] = x[i] + h;
        assert_ok(scry_prior_value(P, &high, u, work, &err));
        u[i] = x[i] - h;
        assert_ok(scry_prior_value(P, &low, u, work, &err));
        const double score = (d[i] - x[i]) / ((double)s * s);
        assert_near((low - high) / (2 * h), score, 0.05 * (1 + fabs(score)));
    }
    scry_free(x);
    scry_free(work);
    scry_prior_free(P);
}

/* One component is a Gaussian prior; identical components are one. */
static void one_mode_is_a_gaussian(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(2, 2);
    const scry_mixture_component twins[2] = {components[0], components[0]};
    scry_error err = {0};
    scry_prior *P, *Q;
    assert_ok(scry_gaussian_create_dense(&P, &space, mean0, cov0, &err));
    assert_ok(scry_mixture_create(&Q, &space, twins, 2, &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(P) + scry_prior_work_bytes(Q));
    float *x = random_floats(N, 9), a[N], b[N];
    assert_ok(scry_prior_denoise(P, a, x, 0.6f, work, &err));
    assert_ok(scry_prior_denoise(Q, b, x, 0.6f, work, &err));
    for (size_t i = 0; i < N; i++)
        assert_near(a[i], b[i], 1e-6);
    assert_false(scry_prior_is_gaussian(Q));
    assert_fails(scry_gaussian_mean(Q, a, &err), SCRY_EINVAL);
    assert_fails(scry_gaussian_apply(Q, a, x, SCRY_GAUSSIAN_COV, 0, work, &err), SCRY_EINVAL);
    scry_free(x);
    scry_free(work);
    scry_prior_free(P);
    scry_prior_free(Q);
}

/* Far from every mode exp underflows; the weights must not. */
static void far_away(void **state)
{
    (void)state;
    scry_prior *P = mixture_prior();
    scry_error err = {0};
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    const float x[N] = {1e4f, -1e4f, 2e4f, 5e3f};
    float d[N], g[N];
    assert_ok(scry_prior_vjp(P, g, d, x, x, 0.01f, work, &err));
    for (size_t i = 0; i < N; i++)
        assert_near(d[i], x[i], 20);
    scry_free(work);
    scry_prior_free(P);
}

static void refuses(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(N), bad = SCRY_SPACE(0);
    const double nan_mean[N] = {0, 0, NAN, 0}, bad_diagonal[N] = {1, 1, 0, 1};
    double skew[N * N], indefinite[N * N];
    scry_error err = {0};
    scry_prior *P;
    memcpy(skew, cov0, sizeof skew);
    memcpy(indefinite, cov0, sizeof indefinite);
    skew[1] = 0.2;
    indefinite[0] = -0.5;
    const scry_mixture_component wrong[] = {
        {.weight = 0, .mean = mean0, .variance = 1},
        {.weight = NAN, .mean = mean0, .variance = 1},
        {.weight = 1, .mean = nan_mean, .variance = 1},
        {.weight = 1, .mean = mean0, .variance = -1},
        {.weight = 1, .mean = mean0, .diagonal = bad_diagonal},
        {.weight = 1, .mean = mean0, .cov = skew},
        {.weight = 1, .mean = mean0, .cov = indefinite},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const scry_mixture_component pair[2] = {components[0], wrong[i]};
        assert_fails(scry_mixture_create(&P, &space, pair, 2, &err), SCRY_EINVAL);
        assert_null(P);
    }
    assert_fails(scry_mixture_create(&P, &space, components, 0, &err), SCRY_EINVAL);
    assert_fails(scry_mixture_create(&P, &bad, components, K, &err), SCRY_ESHAPE);
    check_refusals(P, scry_mixture_create(&P, &space, components, K, &err));
    P = mixture_prior();
    float x[N] = {0};
    assert_fails(scry_prior_prox(P, x, x, 1, no_work, &err), SCRY_EUNSUP);
    scry_prior_free(P);
}

/* The helper that judges samplers, judged by hand: A = diag(1, .5), unit prior, and by the
 * posterior of a correlated pair of which only the second is seen. */
static void closed_form_by_hand(void **state)
{
    (void)state;
    const double zero[2] = {0}, unit[4] = {1, 0, 0, 1}, pair[4] = {1, 0.8, 0.8, 1};
    const double A[4] = {1, 0, 0, 0.5}, y[2] = {0.8, -0.2}, noise[2] = {0.1, 0.1};
    closed_form prior = closed_form_gaussian(zero, unit, 2);
    closed_form post = closed_form_posterior(&prior, A, y, noise, 2);
    assert_near(post.mean[0], 0.8 / 1.1, 1e-12);
    assert_near(post.mean[1], -0.1 / 0.35, 1e-12);
    assert_near(post.cov[0], 0.1 / 1.1, 1e-12);
    assert_near(post.cov[3], 0.1 / 0.35, 1e-12);
    closed_form_free(&post);
    closed_form_free(&prior);
    const double row[2] = {0, 1}, one = 1, small = 0.0025;
    prior = closed_form_gaussian(zero, pair, 2);
    post = closed_form_posterior(&prior, row, &one, &small, 1);
    assert_near(post.mean[0], 0.8 / 1.0025, 1e-12);
    assert_near(post.cov[0], 1 - 0.64 / 1.0025, 1e-12);
    closed_form_free(&post);
    closed_form_free(&prior);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_dimension_by_integration),
        cmocka_unit_test(moments_by_closed_form),
        cmocka_unit_test(value_is_the_log_density),
        cmocka_unit_test(one_mode_is_a_gaussian),
        cmocka_unit_test(far_away),
        cmocka_unit_test(refuses),
        cmocka_unit_test(closed_form_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
