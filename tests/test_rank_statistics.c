/* Ranks of a truth among samples: uniform for the same distribution, even where the entries of an
 * image depend on each other; not for other distributions. */
#include "tests/check.h"

#include "lib/sort.h"
#include "lib/stats/rank_statistics.h"
#include "lib/rng.h"

enum { K = 19, IMAGES = 12, ENTRIES = 30, TRIALS = 200 };

/* p of samples shift + width z, z as the truth: entries of an image share half of their variance.
 * *inside: mean share of truths in the 90 % interval. */
static double trial(double shift, double width, uint64_t seed, double *inside)
{
    double share[IMAGES][SCRY_RANK_BINS] = {0};
    scry_error err = {0};
    scry_rank_test test;
    for (size_t g = 0; g < IMAGES; g++) {
        float z[(K + 1) * (ENTRIES + 1)];
        scry_rng_normal(z, 0, (K + 1) * (ENTRIES + 1), seed, (uint32_t)g, 0);
        for (size_t i = 0; i < ENTRIES; i++) {
            double sample[K], low, high;
            size_t rank = 0;
            const double truth = (z[0] + z[1 + i]) * sqrt(0.5);
            for (size_t k = 0; k < K; k++) {
                const float *own = z + (k + 1) * (ENTRIES + 1);
                sample[k] = shift + width * (own[0] + own[1 + i]) * sqrt(0.5);
                rank += sample[k] < truth;
            }
            share[g][scry_rank_bin(rank, K)] += 1.0 / ENTRIES;
            scry_sort_double(sample, K);
            assert_true(scry_rank_interval(&low, &high, sample, K, 0.9));
            *inside += (truth > low && truth < high) / (double)(IMAGES * ENTRIES * TRIALS);
        }
    }
    assert_ok(scry_rank_test_measure(&test, share[0], IMAGES, K, &err));
    return test.p;
}

static double rejected(double shift, double width, double *inside)
{
    double share = 0;
    *inside = 0;
    for (uint64_t t = 0; t < TRIALS; t++)
        share += (trial(shift, width, t, inside) < 0.1) / (double)TRIALS;
    print_message("shift %g, width %g: %.3f rejected at 0.1, %.3f inside 90 %%\n", shift, width,
                  share, *inside);
    return share;
}

static void uniform_ranks_pass_and_others_do_not(void **state)
{
    (void)state;
    double inside;
    /* the F reference is an approximation: twice the level at most */
    const double level = rejected(0, 1, &inside);
    assert_true(level > 0.04 && level < 0.2);
    assert_near(inside, 0.9, 0.01);
    assert_true(rejected(0.8, 1, &inside) > 0.8);
    assert_true(rejected(0, 0.4, &inside) > 0.8);
    assert_below(inside, 0.7);
}

static void intervals_by_hand(void **state)
{
    (void)state;
    const double sorted[7] = {1, 2, 4, 8, 16, 32, 64};
    double low, high;
    assert_true(scry_rank_interval(&low, &high, sorted, 7, 0.5)); /* ranks 2 and 6 */
    assert_near(low, 2, 1e-12);
    assert_near(high, 32, 1e-12);
    assert_true(scry_rank_interval(&low, &high, sorted, 7, 0.375)); /* ranks 2.5 and 5.5 */
    assert_near(low, 3, 1e-12);
    assert_near(high, 24, 1e-12);
    assert_true(scry_rank_interval(&low, &high, sorted, 7, 0.75)); /* ranks 1 and 7 */
    assert_near(high, 64, 1e-12);
    assert_false(scry_rank_interval(&low, &high, sorted, 7, 0.8));
    assert_int_equal(scry_rank_bin(0, 19), 0);
    assert_int_equal(scry_rank_bin(3, 19), 0);
    assert_int_equal(scry_rank_bin(4, 19), 1);
    assert_int_equal(scry_rank_bin(19, 19), 4);
}

static void errors(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_rank_test test;
    const double same[10] = {0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2};
    assert_fails(scry_rank_test_measure(&test, same, 1, 19, &err), SCRY_EINVAL);
    assert_fails(scry_rank_test_measure(&test, same, 2, 3, &err), SCRY_EINVAL);
    assert_fails(scry_rank_test_measure(&test, same, 2, 19, &err), SCRY_ENUMERIC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uniform_ranks_pass_and_others_do_not),
        cmocka_unit_test(intervals_by_hand),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
