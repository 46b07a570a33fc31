#include "tests/prior_check.h"
#include "lib/memory_watch.h"
#include "lib/numbers.h"

#include "priors/gaussian.h"
#include "priors/power.h"

enum { H = 192, W = 160 };

static double truth(double f, void *ctx)
{
    (void)ctx;
    return 0.05 * pow(0.03 * 0.03 + f * f, -1.1) * exp(-2 * f); /* not of the fitted form */
}

/* |H|^2 of a Gaussian of sd 1.5 px */
static double blur(double f, void *ctx)
{
    (void)ctx;
    const double a = 2 * SCRY_PI * f * 1.5;
    return exp(-a * a);
}

static double truth_blurred(double f, void *ctx)
{
    return truth(f, ctx) * blur(f, ctx) + 1e-30;
}

static float *sample(scry_spectrum_fn *spectrum, double mean, uint64_t seed)
{
    const scry_space space = SCRY_SPACE(H, W);
    scry_error err = {0};
    scry_prior *P;
    assert_ok(scry_gaussian_create(&P, &space,
                                   &(scry_gaussian_params){.rank = 2, .spectrum = spectrum}, &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    float *x = random_floats(H * W, seed);
    assert_ok(scry_gaussian_apply(P, x, x, SCRY_GAUSSIAN_SQRT, 0, work, &err));
    for (size_t i = 0; i < H * W; i++)
        x[i] += (float)mean;
    scry_free(work);
    scry_prior_free(P);
    return x;
}

static void non_increasing(const scry_radial *r)
{
    for (size_t i = 1; i < r->count; i++)
        assert_true(r->power[i] <= r->power[i - 1]);
}

/* The scatter of a ring of one image: its modes go as f. */
static double ring_error(double f)
{
    return 0.12 + 0.01 / f;
}

static void clean_image(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(H, W);
    scry_error err = {0};
    scry_radial r;
    float *x = sample(truth, 3.7, 11);
    assert_ok(scry_power_estimate(&r, &space, 2, x, NULL, &err));
    non_increasing(&r);
    assert_near(r.mean, scry_sum(x, H * W) / (H * W), 1e-9);
    for (double f = 0.03; f < 0.6; f += 0.01)
        assert_near(log(scry_radial_power(&r, f) / truth(f, NULL)), 0, ring_error(f));
    scry_radial_free(&r);
    scry_free(x);
}

/* Wiener deconvolution with the estimated spectrum loses almost nothing against the true one: per
 * frequency the error is S [(1 - g H)^2] + g^2 v with g = S' H / (S' H2 + v). */
static double wiener_error(const scry_radial *r, double v)
{
    double sum = 0;
    for (double f = 0.01; f < 0.7; f += 0.002) {
        const double S = truth(f, NULL), H2 = blur(f, NULL);
        const double guess = r ? scry_radial_power(r, f) : S, gH = guess * H2 / (guess * H2 + v);
        sum += f * (S * (1 - gH) * (1 - gH) + gH * gH * v / fmax(H2, 1e-300));
    }
    return sum;
}

static void blurred_and_noisy(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(H, W);
    scry_error err = {0};
    for (double sd = 0.03; sd < 3; sd *= 4) {
        const scry_power_model model = {.noise = sd * sd, .transfer = blur};
        scry_radial r;
        float *y = sample(truth_blurred, -1.2, 12), *n = random_floats(H * W, 13);
        scry_axpy(y, sd, n, H * W);
        assert_ok(scry_power_estimate(&r, &space, 2, y, &model, &err));
        non_increasing(&r);
        for (double f = 0.03; truth(f, NULL) * blur(f, NULL) > 3 * sd * sd; f += 0.01)
            assert_near(log(scry_radial_power(&r, f) / truth(f, NULL)), 0, 1.3 * ring_error(f));
        assert_below(wiener_error(&r, sd * sd), 1.02 * wiener_error(NULL, sd * sd));
        scry_radial_free(&r);
        scry_free(y);
        scry_free(n);
    }
}

/* A ramp does not wrap: without a window its jump would fill all frequencies with f^-2. */
static void borders_do_not_leak(void **state)
{
    (void)state;
    const scry_space space = SCRY_SPACE(H, W);
    scry_error err = {0};
    scry_radial r;
    float *x = random_floats(H * W, 14);
    for (size_t i = 0; i < H * W; i++)
        x[i] = 0.1f * x[i] + 0.2f * (float)(i % W) + 0.1f * (float)(i / W);
    assert_ok(scry_power_estimate(&r, &space, 2, x, NULL, &err));
    for (double f = 0.2; f < 0.6; f += 0.02)
        assert_near(log(scry_radial_power(&r, f) / 0.01), 0, 0.3);
    scry_radial_free(&r);
    scry_free(x);
}

/* A noise larger than the image leaves a small positive spectrum, not a NaN; stacks and lines work.
 * */
/* A bright corner of a dark image, which a window hides: the variance is that of the image. */
static void light_at_a_corner_counts(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space space = SCRY_SPACE(H, W);
    const scry_power_model noisy = {.noise = 1};
    float *y = random_floats(H * W, 71);
    scry_radial radial;
    double mean = 0, variance = -1, expected = 0;
    for (size_t i = 0; i < H * W; i++) {
        const double r = hypot((double)(i / W), (double)(W - 1 - i % W));
        y[i] += (float)(60 / (1 + exp((r - 22) / 3)));
        mean += (double)y[i] / (H * W);
    }
    for (size_t i = 0; i < H * W; i++) {
        variance += ((double)y[i] - mean) * ((double)y[i] - mean) / (H * W);
    }
    assert_ok(scry_power_estimate(&radial, &space, 2, y, &noisy, &err));
    non_increasing(&radial);
    for (size_t i = 1; i < H * W; i++) {
        const double v = (double)(i / W) / H, u = (double)(i % W) / W;
        expected += scry_radial_power(&radial, hypot(fmin(v, 1 - v), fmin(u, 1 - u))) / (H * W);
    }
    assert_near(expected / variance, 1, 0.5);
    scry_radial_free(&radial);
    scry_free(y);
}

static void awkward_input(void **state)
{
    (void)state;
    const scry_space flat = SCRY_SPACE(H, W), deep = SCRY_SPACE(2, 15, 16, 64),
                     line = SCRY_SPACE(H * W);
    const scry_power_model loud = {.noise = 100, .transfer = blur};
    scry_error err = {0};
    scry_radial r;
    scry_prior *P;
    float *x = random_floats(H * W, 15);
    assert_ok(scry_power_estimate(&r, &flat, 2, x, &loud, &err));
    assert_ok(scry_gaussian_create_radial(&P, &flat, 2, &r, &err));
    assert_below(r.power[0], 10);
    scry_prior_free(P);
    scry_radial_free(&r);
    assert_ok(scry_power_estimate(&r, &deep, 3, x, NULL, &err));
    for (size_t i = 4; i < r.count; i++)
        assert_near(log(r.power[i]), 0, 0.3);
    scry_radial_free(&r);
    assert_ok(scry_power_estimate(&r, &line, 1, x, NULL, &err));
    for (size_t i = 0; i < r.count; i++)
        assert_near(log(r.power[i]), 0, 0.3);
    scry_radial_free(&r);
    scry_free(x);
}

static double too_high(double f, void *ctx)
{
    (void)ctx;
    return 1 + f;
}

static void refuses(void **state)
{
    (void)state;
    scry_space space = SCRY_SPACE(16, 16), bad = SCRY_SPACE(0), tiny = SCRY_SPACE(7, 7);
    const scry_power_model negative = {.noise = -1}, nan = {.noise = NAN},
                           loud = {.transfer = too_high};
    scry_error err = {0};
    scry_radial r;
    float *x = random_floats(512, 1), flat[256];
    for (size_t i = 0; i < 256; i++)
        flat[i] = 2.385f;
    assert_fails(scry_power_estimate(&r, &bad, 1, x, NULL, &err), SCRY_ESHAPE);
    assert_fails(scry_power_estimate(&r, &tiny, 2, x, NULL, &err), SCRY_EINVAL);
    assert_fails(scry_power_estimate(&r, &space, 3, x, NULL, &err), SCRY_EINVAL);
    assert_fails(scry_power_estimate(&r, &space, 2, x, &negative, &err), SCRY_EINVAL);
    assert_fails(scry_power_estimate(&r, &space, 2, x, &nan, &err), SCRY_EINVAL);
    assert_fails(scry_power_estimate(&r, &space, 2, x, &loud, &err), SCRY_EINVAL);
    assert_fails(scry_power_estimate(&r, &space, 2, flat, NULL, &err), SCRY_EINVAL);
    space.cplx = true;
    assert_fails(scry_power_estimate(&r, &space, 2, x, NULL, &err), SCRY_EUNSUP);
    space.cplx = false;
    const size_t live = scry_memory_live();
    for (size_t nth = 1;; nth++) {
        scry_memory_fail_at(nth);
        const scry_status st = scry_power_estimate(&r, &space, 2, x, NULL, &err);
        scry_memory_fail_at(0);
        if (st == SCRY_OK) break;
        assert_int_equal(st, SCRY_ENOMEM);
        assert_null(r.power);
        assert_int_equal(scry_memory_live(), live);
        err = (scry_error){0};
    }
    scry_radial_free(&r);
    assert_int_equal(scry_memory_live(), live);
    x[3] = NAN;
    assert_fails(scry_power_estimate(&r, &space, 2, x, NULL, &err), SCRY_ENUMERIC);
    scry_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_image),         cmocka_unit_test(blurred_and_noisy),
        cmocka_unit_test(borders_do_not_leak), cmocka_unit_test(light_at_a_corner_counts),
        cmocka_unit_test(awkward_input),       cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
