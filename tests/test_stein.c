/* The Stein discrepancy of Gaussian samples: of the right distribution it averages to 0 and p is
 * uniform; of a shifted, a narrow or a correlated one it is seen. */
#include "tests/check.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/stats/stein.h"

#include <string.h>

enum { N = 3, K = 60, TRIALS = 60 };

/* Samples shift + width z with correlation rho between neighbours, judged by the score of N(0, C):
 * unit variances but for a scale of `unit` on entry 0. */
static scry_ksd measure(double shift, double width, double rho, double unit, uint64_t seed)
{
    float x[K * N], s[K * N];
    const double scale[N] = {unit, 1, 1};
    scry_error err = {0};
    scry_ksd ksd;
    scry_rng_normal(x, 0, K * N, seed, 0, 0);
    for (size_t k = 0; k < K; k++) {
        float *at = x + k * N;
        at[1] = (float)(rho * at[0] + sqrt(1 - rho * rho) * at[1]);
        for (size_t i = 0; i < N; i++)
            at[i] = (float)(shift + width * at[i]);
        for (size_t i = 0; i < N; i++)
            s[k * N + i] = -at[i] / (float)scale[i];
        at[0] *= (float)unit;
    }
    assert_ok(scry_ksd_measure(&ksd, x, s, K, N, scale, 300, seed, &err));
    return ksd;
}

static double rejected(double shift, double width, double rho, double unit, double *mean)
{
    double share = 0;
    *mean = 0;
    for (uint64_t t = 0; t < TRIALS; t++) {
        const scry_ksd ksd = measure(shift, width, rho, unit, 100 + t);
        share += (ksd.p < 0.1) / (double)TRIALS;
        *mean += ksd.ksd2 / TRIALS;
    }
    print_message("shift %g, sd %g, correlation %g: %.2f rejected at 0.1\n", shift, width, rho,
                  share);
    return share;
}

static void right_samples_pass_and_wrong_ones_do_not(void **state)
{
    (void)state;
    double right, wrong;
    /* at a level of 10 %: binomial, 4 standard errors; the bootstrap is a little off at K = 60 */
    assert_near(rejected(0, 1, 0, 1, &right), 0.1, 4 * sqrt(0.09 / TRIALS));
    assert_below(fabs(right), 0.03);
    assert_true(rejected(0.5, 1, 0, 1, &wrong) > 0.9);
    assert_true(wrong > 5 * fabs(right));
    assert_true(rejected(0, 0.6, 0, 1, &wrong) > 0.9);
    assert_true(rejected(0, 2, 0, 1, &wrong) > 0.9);
    assert_true(rejected(0, 1, 0.85, 1, &wrong) > 0.7);
}

static void unit_of_an_entry_does_not_matter(void **state)
{
    (void)state;
    const scry_ksd a = measure(0.2, 0.9, 0.3, 1, 7), b = measure(0.2, 0.9, 0.3, 1000, 7);
    assert_near(b.ksd2, a.ksd2, 1e-5);
    assert_near(b.bandwidth, a.bandwidth, 1e-5);
    const scry_ksd c = measure(0.2, 0.9, 0.3, 1, 7);
    assert_true(a.ksd2 == c.ksd2 && a.p == c.p);
}

/* Two points, by hand: u = s s' k + (s - s') r / h2 q^(-3/2) + n q^(-3/2)/h2 - 3 r2 q^(-5/2)/h4;
 * three points, so that the median distance, of (0, 1), (0, 3), (1, 3), is 2, and q = 5/4, 13/4,
 * 2. */
static void formula(void **state)
{
    (void)state;
    const float x[3] = {0, 1, 3}, s[3] = {0.5f, -1.25f, -2};
    const double r[3] = {1, 3, 2}, first[3] = {1, 2, 2}, second[3] = {0, 0, 1};
    scry_error err = {0};
    scry_ksd ksd;
    double sum = 0;
    for (int k = 0; k < 3; k++) {
        const double q = 1 + r[k] * r[k] / 4, a = s[(int)first[k]], b = s[(int)second[k]];
        sum += a * b / sqrt(q) + (a - b) * r[k] * pow(q, -1.5) / 4 + pow(q, -1.5) / 4 -
               3 * r[k] * r[k] * pow(q, -2.5) / 16;
    }
    assert_ok(scry_ksd_measure(&ksd, x, s, 3, 1, NULL, 10, 0, &err));
    assert_near(ksd.bandwidth, 2, 1e-12);
    assert_near(ksd.ksd2, sum / 3, 1e-12);
}

static void errors(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_ksd ksd;
    float x[4] = {1, 1, 1, 1}, s[4] = {0};
    const double zero = 0;
    assert_fails(scry_ksd_measure(&ksd, x, s, 2, 1, NULL, 10, 0, &err), SCRY_EINVAL);
    assert_fails(scry_ksd_measure(&ksd, x, s, 4, 1, NULL, 0, 0, &err), SCRY_EINVAL);
    assert_fails(scry_ksd_measure(&ksd, x, s, 4, 1, NULL, 10, 0, &err), SCRY_EINVAL);
    assert_fails(scry_ksd_measure(&ksd, x, s, 4, 1, &zero, 10, 0, &err), SCRY_EINVAL);
    s[2] = NAN;
    assert_fails(scry_ksd_measure(&ksd, x, s, 4, 1, NULL, 10, 0, &err), SCRY_ENUMERIC);
    s[2] = 0;
    x[1] = 2;
    x[2] = 3;
    const size_t live = scry_memory_live();
    for (size_t nth = 1; nth <= 4; nth++) {
        scry_memory_fail_at(nth);
        const scry_status st = scry_ksd_measure(&ksd, x, s, 4, 1, NULL, 10, 0, &err);
        scry_memory_fail_at(0);
        assert_int_equal(st, SCRY_ENOMEM);
        assert_int_equal(scry_memory_live(), live);
        err = (scry_error){0};
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_samples_pass_and_wrong_ones_do_not),
        cmocka_unit_test(unit_of_an_entry_does_not_matter),
        cmocka_unit_test(formula),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
