/* Fission of a measurement: both parts keep the mean, have the variances that the header states,
 * and do not correlate; a wrong variance shows as a covariance. */
#include "tests/check.h"

#include "lib/rng.h"
#include "lib/stats/fission.h"

#include <string.h>

enum { N = 40000 };

struct moments {
    double seen, held, cross; /* variances and covariance over the variance that was given */
    double mean_seen, mean_held;
};

/* Noise whose true variance is `truth` times the one that is given to the split. */
static struct moments split(double truth, double share, uint32_t fold)
{
    static float y[N], v[N], seen[N], held[N];
    scry_error err = {0};
    struct moments m = {0};
    scry_rng_normal(y, 0, N, 11, 0, 0);
    for (size_t i = 0; i < N; i++) {
        v[i] = 0.5f + (float)(i % 7);
        y[i] = 100 + y[i] * (float)sqrt(truth * v[i]);
    }
    scry_rng_normal(held, 0, N, 5, fold, 0);
    for (size_t i = 0; i < N; i++)
        held[i] *= sqrtf(v[i]);
    assert_ok(scry_fission_split(seen, held, y, held, N, share, &err));
    for (size_t i = 0; i < N; i++) {
        const double a = seen[i] - 100, b = held[i] - 100;
        m.seen += a * a / v[i] / N;
        m.held += b * b / v[i] / N;
        m.cross += a * b / v[i] / N;
        m.mean_seen += a / N;
        m.mean_held += b / N;
    }
    return m;
}

static void parts_are_independent(void **state)
{
    (void)state;
    static const double shares[] = {0.1, 0.35, 0.5};
    for (size_t k = 0; k < 3; k++) {
        const double share = shares[k], held = 1 / share, seen = 1 / (1 - share);
        const struct moments m = split(1, share, (uint32_t)k);
        assert_near(m.seen, seen, 5 * seen * sqrt(2.0 / N));
        assert_near(m.held, held, 5 * held * sqrt(2.0 / N));
        assert_near(m.cross, 0, 5 * sqrt(seen * held / N));
        assert_near(m.mean_seen, 0, 5 * sqrt(4 * seen / N));
        assert_near(m.mean_held, 0, 5 * sqrt(4 * held / N));
    }
}

static void a_wrong_variance_is_a_covariance(void **state)
{
    (void)state;
    assert_near(split(1.4, 0.1, 0).cross, 0.4, 0.1);
    assert_near(split(0.6, 0.1, 0).cross, -0.4, 0.1);
}

static void folds_differ_and_repeat(void **state)
{
    (void)state;
    const double once = split(1, 0.2, 3).cross;
    assert_true(split(1, 0.2, 3).cross == once);
    assert_true(split(1, 0.2, 4).cross != once);
}

static void margins_have_their_error(void **state)
{
    (void)state;
    const double a[] = {1.5, 2.5, 4.0, 0.25}, b[] = {1, 1.5, 2.5, 0.25};
    const scry_margin m = scry_margin_of(a, b, 4);
    assert_near(m.mean, 0.75, 1e-12);
    assert_near(m.error, sqrt((0.0625 + 0.0625 + 0.5625 + 0.5625) / 3 / 4), 1e-12);
    assert_true(isnan(scry_margin_of(a, b, 1).error));
}

/* Noise that a filter has correlated: the draw has its variance and its correlation, so the parts
 * are independent; a white draw would leave them the correlation of neighbours. After a median,
 * white.
 */
static void correlated_noise_is_drawn_as_such(void **state)
{
    (void)state;
    enum { SIDE = 200 };
    static float draw[N], passband[N], mean[N];
    scry_error err = {0};
    scry_noise_model m = {.findings = SCRY_NOISE_CORRELATED, .intercept = 2, .slope = 0.01};
    for (int i = 0; i < SCRY_SPECTRUM_ROWS; i++)
        for (int j = 0; j < SCRY_SPECTRUM_COLUMNS; j++) /* [1/4 1/2 1/4] along x */
            m.spectrum.power[i][j] = pow(.5 + .5 * cos(2 * 3.14159265 * j / 32.), 2);
    assert_ok(scry_noise_spectrum_normalise(&m.spectrum, &err));
    for (size_t i = 0; i < N; i++) {
        mean[i] = 100;
        passband[i] = 7;
    }
    for (int kind = 0; kind < 2; kind++) {
        double square = 0, along = 0;
        if (kind) m.findings |= SCRY_NOISE_NONLINEAR;
        assert_ok(scry_fission_draw(draw, &m, passband, mean, 1, SIDE, SIDE, 3, 1, &err));
        for (size_t i = 0; i + 1 < N; i++) {
            square += (double)draw[i] * draw[i] / N;
            if ((i + 1) % SIDE) along += (double)draw[i] * draw[i + 1] / N;
        }
        assert_near(square, kind ? 7 : 3, kind ? .3 : .2);
        assert_near(along / square, kind ? 0 : 2. / 3, .04);
    }
    passband[5] = -1;
    assert_fails(scry_fission_draw(draw, NULL, passband, NULL, 1, SIDE, SIDE, 3, 1, &err),
                 SCRY_EINVAL);
}

static void bad_input_is_refused(void **state)
{
    (void)state;
    float y[2] = {1, 2}, v[2] = {1, NAN}, a[2], b[2];
    scry_error err = {0};
    assert_int_equal(scry_fission_split(a, b, y, v, 2, 0.1, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "nan"));
    err = (scry_error){0};
    v[1] = 1;
    assert_int_equal(scry_fission_split(a, b, y, v, 2, 1, &err), SCRY_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_independent),
        cmocka_unit_test(a_wrong_variance_is_a_covariance),
        cmocka_unit_test(folds_differ_and_repeat),
        cmocka_unit_test(margins_have_their_error),
        cmocka_unit_test(correlated_noise_is_drawn_as_such),
        cmocka_unit_test(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
