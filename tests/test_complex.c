#include "tests/prior_check.h"
#include "lib/memory_watch.h"

#include "priors/complex.h"
#include "priors/gaussian.h"
#include "priors/mixture.h"
#include "priors/prior_impl.h"
#include "priors/tv.h"
#include "priors/network/unet.h"

enum { NY = 3, NX = 4, PIXELS = NY * NX, N = 2 * PIXELS };

static double falling(double f, void *ctx)
{
    const double *variance = ctx;
    return *variance / (1 + 40 * f * f);
}

static scry_prior *stationary(double mean, double variance)
{
    const scry_space space = SCRY_SPACE(NY, NX);
    scry_error err = {0};
    scry_prior *P;
    assert_ok(scry_gaussian_create(
        &P, &space,
        &(scry_gaussian_params){.rank = 2, .mean = mean, .spectrum = falling, .ctx = &variance},
        &err));
    return P;
}

static scry_prior *white(double mean, double variance)
{
    const scry_space space = SCRY_SPACE(NY, NX);
    double means[PIXELS], C[PIXELS * PIXELS] = {0};
    scry_error err = {0};
    scry_prior *P;
    for (size_t i = 0; i < PIXELS; i++) {
        means[i] = mean;
        C[i * PIXELS + i] = variance;
    }
    assert_ok(scry_gaussian_create_dense(&P, &space, means, C, &err));
    return P;
}

/* Two bumps: a real prior whose denoiser is not linear. */
static scry_prior *bumps(void)
{
    const scry_space space = SCRY_SPACE(NY, NX);
    double low[PIXELS], high[PIXELS];
    scry_error err = {0};
    scry_prior *P;
    for (size_t i = 0; i < PIXELS; i++) {
        low[i] = -0.3 + 0.02 * (double)i;
        high[i] = 0.4 - 0.05 * (double)i;
    }
    const scry_mixture_component c[2] = {{.weight = 0.4, .mean = low, .variance = 0.09},
                                         {.weight = 0.6, .mean = high, .variance = 0.16}};
    assert_ok(scry_mixture_create(&P, &space, c, 2, &err));
    return P;
}

static scry_prior *pair(scry_prior *real, scry_prior *imaginary)
{
    scry_error err = {0};
    scry_prior *P;
    assert_ok(scry_complex_create(&P, real, imaginary, &err));
    return P;
}

/* Each part of the result is its prior's result for that part alone. */
static void parts_are_independent(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_prior *alone[2] = {bumps(), white(0.05, 0.02)};
    scry_prior *P = pair(bumps(), white(0.05, 0.02));
    float *x = random_floats(N, 3), x0[N], part[PIXELS];
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    void *inner = scry_alloc(1, scry_prior_work_bytes(alone[0]) + scry_prior_work_bytes(alone[1]));
    assert_true(scry_prior_space(P)->cplx);
    assert_false(scry_prior_is_gaussian(P));
    assert_ok(scry_prior_denoise(P, x0, x, 0.31f, work, &err));
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < PIXELS; i++)
            part[i] = x[2 * i + k];
        assert_ok(scry_prior_denoise(alone[k], part, part, 0.31f, inner, &err));
        for (size_t i = 0; i < PIXELS; i++)
            assert_near(x0[2 * i + k], part[i], 0);
        scry_prior_free(alone[k]);
    }
    assert_ok(scry_prior_denoise(P, x, x, 0.31f, work, &err)); /* in place */
    assert_memory_equal(x, x0, sizeof x0);
    scry_free(x);
    scry_free(work);
    scry_free(inner);
    scry_prior_free(P);
}

static void derivatives_and_prox_agree(void **state)
{
    (void)state;
    scry_prior *mixed = pair(bumps(), white(0.05, 0.02));
    scry_prior *gaussian = pair(stationary(0.4, 0.7), stationary(0, 0.03));
    float *x = random_floats(N, 8);
    check_vjp(mixed, x, 0.4f, 1e-3, 2e-3);
    check_vjp(gaussian, x, 0.4f, 1e-2, 1e-3);
    check_prox(gaussian, x, 0.21, 1e-5);
    scry_free(x);
    scry_prior_free(mixed);
    scry_prior_free(gaussian);
}

/* A pair of Gaussians is one: functions of its covariance, and its mean. */
static void two_gaussians_are_one(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_prior *P = pair(stationary(0.4, 0.7), white(-0.1, 0.03));
    scry_prior *real = stationary(0.4, 0.7);
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    void *inner = scry_alloc(1, scry_prior_work_bytes(real));
    float *x = random_floats(N, 5), a[N], b[N], part[PIXELS], mean[N];
    assert_true(scry_prior_is_gaussian(P));
    assert_int_equal(scry_gaussian_rank(P), 0);
    assert_fails(scry_gaussian_spectrum(P, a, SCRY_GAUSSIAN_COV, 0, &err), SCRY_EUNSUP);
    assert_ok(scry_gaussian_mean(P, mean, &err));
    for (size_t i = 0; i < PIXELS; i++) {
        assert_near(mean[2 * i], 0.4, 1e-6);
        assert_near(mean[2 * i + 1], -0.1, 1e-6);
        part[i] = x[2 * i];
    }
    assert_ok(scry_gaussian_apply(P, a, x, SCRY_GAUSSIAN_COV, 0, work, &err));
    assert_ok(scry_gaussian_apply(real, part, part, SCRY_GAUSSIAN_COV, 0, inner, &err));
    for (size_t i = 0; i < PIXELS; i++) {
        assert_near(a[2 * i], part[i], 1e-6);
        assert_near(a[2 * i + 1], 0.03 * x[2 * i + 1], 1e-6);
    }
    memcpy(b, x, sizeof b);
    for (int k = 0; k < 2; k++)
        assert_ok(scry_gaussian_apply(P, b, b, SCRY_GAUSSIAN_SQRT, 0, work, &err));
    for (size_t i = 0; i < N; i++)
        assert_near(b[i], a[i], 1e-6);
    scry_prior_free(P);
    P = pair(stationary(0.4, 0.7), bumps());
    assert_fails(scry_gaussian_mean(P, mean, &err), SCRY_EINVAL);
    scry_prior_free(P);
    scry_prior_free(real);
    scry_free(x);
    scry_free(work);
    scry_free(inner);
}

/* u ~ N(0, v) in each part, seen in noise of E|n|^2 = s^2. The posterior mean is the estimate with
 * the least error, E|x0 - u|^2 = 2 v (s^2/2) / (v + s^2/2) a pixel; and its error has no part along
 * the data. Both hold for sigma = s / sqrt(2), and not for sigma = s. */
static void complex_noise_has_half_its_power_in_each_part(void **state)
{
    (void)state;
    enum { TRIALS = 4000 };
    const double v = 0.8, s = 1.1, half = s * s / 2;
    scry_error err = {0};
    scry_prior *P = pair(white(0, v), white(0, v));
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    float u[N], n[N], x[N], x0[N];
    double z[2], loss[2], power = 0;
    const double sigmas[2] = {s / sqrt(2), s};
    for (int k = 0; k < 2; k++) {
        double along = 0, square = 0, error = 0;
        for (uint32_t t = 0; t < TRIALS; t++) {
            scry_rng_normal(u, 0, N, 31, t, 0);
            scry_rng_normal(n, 0, N, 31, t, 1);
            for (size_t i = 0; i < N; i++) { /* CN(0, s^2) */
                u[i] *= (float)sqrt(v);
                n[i] *= (float)(s / sqrt(2));
                power += (double)n[i] * n[i] / (2.0 * TRIALS * PIXELS);
                x[i] = u[i] + n[i];
            }
            assert_ok(scry_prior_denoise(P, x0, x, (float)sigmas[k], work, &err));
            double product = 0;
            for (size_t i = 0; i < N; i++) {
                product += ((double)u[i] - x0[i]) * x[i];
                error += ((double)u[i] - x0[i]) * ((double)u[i] - x0[i]);
            }
            along += product;
            square += product * product;
        }
        z[k] = along / sqrt(square);
        loss[k] = error / (TRIALS * PIXELS);
    }
    assert_near(power, s * s, 0.02); /* E|n|^2 over both rounds */
    assert_below(fabs(z[0]), 4);
    assert_near(loss[0], 2 * v * half / (v + half), 0.02);
    assert_true(fabs(z[1]) > 20);
    assert_true(loss[1] > loss[0]);
    scry_free(work);
    scry_prior_free(P);
}

/* (2, y, x) against the pair of the same two planes: a stationary prior treats channels alike. */
static void channels_are_parts(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(2, NY, NX);
    double variance = 0.7;
    scry_error err = {0};
    scry_prior *inner, *P, *Q = pair(stationary(0.2, 0.7), stationary(0.2, 0.7));
    float *x = random_floats(N, 4), a[N], b[N];
    assert_ok(scry_gaussian_create(
        &inner, &space,
        &(scry_gaussian_params){.rank = 2, .mean = 0.2, .spectrum = falling, .ctx = &variance},
        &err));
    assert_ok(scry_channels_create(&P, inner, &err));
    assert_true(scry_space_equal(scry_prior_space(P), scry_prior_space(Q)));
    void *work = scry_alloc(1, scry_prior_work_bytes(P) + scry_prior_work_bytes(Q));
    assert_ok(scry_prior_denoise(P, a, x, 0.5f, work, &err));
    assert_ok(scry_prior_denoise(Q, b, x, 0.5f, work, &err));
    for (size_t i = 0; i < N; i++)
        assert_near(a[i], b[i], 1e-6);
    assert_true(scry_prior_is_gaussian(P));
    check_vjp(P, x, 0.5f, 1e-2, 1e-3);
    scry_free(work);
    scry_free(x);
    scry_prior_free(P);
    scry_prior_free(Q);
}

static void a_network_of_two_channels(void **state)
{
    (void)state;
    const char *folder = shared_path("priors/tiny");
    if (!folder) skip();
    const scry_space space = SCRY_SPACE(2, 32, 32);
    const size_t pixels = 32 * 32, n = 2 * pixels;
    scry_error err = {0};
    scry_prior *inner, *P;
    assert_ok(scry_unet_load(&inner, folder, &space, NULL, &err));
    float *x = random_floats(n, 6), *planes = random_floats(n, 7), *x0 = random_floats(n, 8);
    for (size_t i = 0; i < pixels; i++) {
        planes[i] = x[2 * i];
        planes[pixels + i] = x[2 * i + 1];
    }
    void *work = scry_alloc(1, scry_prior_work_bytes(inner));
    assert_ok(scry_prior_denoise(inner, planes, planes, 0.6f, work, &err));
    scry_free(work);
    assert_ok(scry_channels_create(&P, inner, &err));
    work = scry_alloc(1, scry_prior_work_bytes(P));
    assert_ok(scry_prior_denoise(P, x0, x, 0.6f, work, &err));
    for (size_t i = 0; i < pixels; i++) {
        assert_near(x0[2 * i], planes[i], 0);
        assert_near(x0[2 * i + 1], planes[pixels + i], 0);
    }
    assert_false(scry_prior_is_gaussian(P));
    check_vjp(P, x, 0.6f, 3e-3, 5e-3);
    scry_free(work);
    scry_free(x);
    scry_free(planes);
    scry_free(x0);
    scry_prior_free(P);
}

/* Hooks are those of the parts; one prior may serve both. */
static void hooks_follow_the_parts(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(NY, NX);
    scry_error err = {0};
    scry_prior *tv, *both = bumps();
    assert_ok(scry_tv_create(&tv, &space, 2, 0.1, NULL, &err));
    scry_prior *P = pair(white(0, 1), tv);
    assert_false(scry_prior_has_denoise(P));
    assert_false(scry_prior_has_vjp(P));
    assert_true(scry_prior_has_prox(P));
    scry_prior_free(P);
    P = pair(both, both);
    assert_true(scry_prior_has_denoise(P));
    scry_prior_free(P);
}

static void misfits_are_named(void **state)
{
    (void)state;
    const scry_space other = SCRY_SPACE(NX, NY), three = SCRY_SPACE(3, NY, NX);
    double variance = 1;
    scry_error err = {0};
    scry_prior *a = white(0, 1), *b, *c, *P;
    assert_ok(scry_gaussian_create(
        &b, &other, &(scry_gaussian_params){.rank = 2, .spectrum = falling, .ctx = &variance},
        &err));
    assert_ok(scry_gaussian_create(
        &c, &three, &(scry_gaussian_params){.rank = 2, .spectrum = falling, .ctx = &variance},
        &err));
    assert_fails(scry_complex_create(&P, a, b, &err), SCRY_ESHAPE);
    assert_fails(scry_channels_create(&P, c, &err), SCRY_ESHAPE);
    assert_fails(scry_channels_create(&P, a, &err), SCRY_ESHAPE);
    assert_null(P);
    scry_prior_free(b);
    scry_prior_free(c);
    scry_prior *whole = pair(a, white(0, 2));
    assert_fails(scry_complex_create(&P, whole, whole, &err), SCRY_ESHAPE);
    scry_prior_free(whole);

    /* no noise level that both know */
    a = white(0, 1);
    b = white(0, 1);
    a->sigma_low = 2;
    b->sigma_high = 1;
    assert_fails(scry_complex_create(&P, a, b, &err), SCRY_EINVAL);
    scry_prior_free(a);
    scry_prior_free(b);
}

static void memory_is_refused(void **state)
{
    (void)state;
    const size_t base = scry_memory_live();
    scry_error err = {0};
    scry_prior *P, *real = stationary(0.3, 1), *imaginary = stationary(0, 0.1);
    check_refusals_owning(base, P, scry_complex_create(&P, real, imaginary, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_independent),
        cmocka_unit_test(derivatives_and_prox_agree),
        cmocka_unit_test(two_gaussians_are_one),
        cmocka_unit_test(complex_noise_has_half_its_power_in_each_part),
        cmocka_unit_test(channels_are_parts),
        cmocka_unit_test(a_network_of_two_channels),
        cmocka_unit_test(hooks_follow_the_parts),
        cmocka_unit_test(misfits_are_named),
        cmocka_unit_test(memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
