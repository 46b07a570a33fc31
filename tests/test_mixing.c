#include "tests/check.h"

#include "lib/stats/mixing.h"
#include "lib/rng.h"

enum { MAX_VALUES = 40000 };
static double trace[MAX_VALUES];

/* x[t] = r x[t-1] + e[t], from its stationary distribution on: e ~ N(0, 1), x ~ N(0, 1 / (1 -
 * r^2)). */
static void autoregress(double r, size_t chains, size_t draws, uint64_t seed)
{
    static float e[MAX_VALUES];
    assert_true(chains * draws <= MAX_VALUES);
    for (size_t c = 0; c < chains; c++) {
        double *x = trace + c * draws;
        scry_rng_normal(e, 0, draws, seed, (uint32_t)c, 0);
        x[0] = e[0] / sqrt(1 - r * r);
        for (size_t t = 1; t < draws; t++)
            x[t] = r * x[t - 1] + e[t];
    }
}

/* The mean of N values of such a chain varies as that of N (1 - r) / (1 + r) independent ones. */
static void known_chains_have_the_known_size(void **state)
{
    (void)state;
    static const double r[] = {-0.5, 0, 0.3, 0.7, 0.9, 0.97};
    for (size_t k = 0; k < sizeof r / sizeof *r; k++) {
        autoregress(r[k], 4, 10000, 17 + k);
        const scry_mixing m = scry_mixing_measure(trace, 4, 10000);
        assert_near(m.ess / (40000 * (1 - r[k]) / (1 + r[k])), 1, 0.12);
        assert_near(m.rhat, 1, 0.01);
    }
}

/* The 64-bit generator of Knuth's MMIX, as in tests/golden/mixing.py. */
static void golden_chains(double r, double shift, size_t chains, size_t draws)
{
    uint64_t at = 2385;
    for (size_t c = 0; c < chains; c++) {
        double x = 0;
        for (size_t t = 0; t < draws; t++) {
            double e = -6;
            for (int i = 0; i < 12; i++) {
                at = at * 6364136223846793005u + 1442695040888963407u;
                e += (double)(at >> 11) / 9007199254740992.0;
            }
            x = r * x + e;
            trace[c * draws + t] = x + shift * (double)c;
        }
    }
}

static void another_implementation_agrees(void **state)
{
    (void)state;
    /* r, shift, chains, draws, and the values of tests/golden/mixing.py: no rhat of one chain, and
     * an ess to which one more correlation was added */
    static const struct {
        double r, shift;
        size_t chains, draws;
        double rhat, ess;
    } row[] = {
        {0, 0, 4, 500, 1.000045523, 1919.9500},   {0.9, 0, 4, 2000, 1.011175719, 450.3345},
        {0.5, 0, 1, 1001, NAN, 299.6127},         {-0.4, 0, 3, 400, 0.998447153, 2718.5729},
        {0.3, 0.7, 4, 300, 1.287670284, 11.5488}, {0.95, 0, 8, 400, 1.062681967, 107.8239},
        {0, 0, 2, 4, 0.808337357, 7.2247},        {0.2, 0, 3, 101, 0.996327911, 190.9953},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        golden_chains(row[i].r, row[i].shift, row[i].chains, row[i].draws);
        const scry_mixing m = scry_mixing_measure(trace, row[i].chains, row[i].draws);
        if (!isnan(row[i].rhat)) assert_near(m.rhat, row[i].rhat, 1e-8);
        assert_near(m.ess / row[i].ess, 1, 0.03);
    }
}

static void chains_that_differ_show(void **state)
{
    (void)state;
    autoregress(0.5, 4, 1000, 5);
    for (size_t t = 0; t < 1000; t++)
        trace[t] += 5;
    scry_mixing m = scry_mixing_measure(trace, 4, 1000);
    assert_true(m.rhat > 1.5);
    assert_below(m.ess, 20);
    autoregress(0.5, 1, 4000, 6); /* a single chain that drifts disagrees with itself */
    for (size_t t = 0; t < 4000; t++)
        trace[t] += (double)t / 400;
    m = scry_mixing_measure(trace, 1, 4000);
    assert_true(m.rhat > 1.5);
    assert_below(m.ess, 20);
}

static void little_is_known_of_few(void **state)
{
    (void)state;
    for (size_t draws = 1; draws < 4; draws++) {
        autoregress(0.2, 7, draws, 3);
        const scry_mixing m = scry_mixing_measure(trace, 7, draws);
        assert_true(isnan(m.rhat));
        assert_near(m.ess, 7, 0);
    }
    for (size_t i = 0; i < 20; i++)
        trace[i] = 0.3;
    scry_mixing m = scry_mixing_measure(trace, 2, 10); /* all the same */
    assert_near(m.rhat, 1, 0);
    assert_near(m.ess, 20, 0);
    for (size_t i = 10; i < 20; i++)
        trace[i] = 0.7;
    for (size_t i = 0; i < 10; i++)
        trace[i] = 0.3;
    m = scry_mixing_measure(trace, 2, 10); /* two that are stuck */
    assert_true(m.rhat > 1e6);
    assert_below(m.ess, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_chains_have_the_known_size),
        cmocka_unit_test(another_implementation_agrees),
        cmocka_unit_test(chains_that_differ_show),
        cmocka_unit_test(little_is_known_of_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
