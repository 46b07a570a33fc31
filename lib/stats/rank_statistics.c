#include "lib/stats/rank_statistics.h"

#include <gsl/gsl_cdf.h>
#include <math.h>

enum { BINS = SCRY_RANK_BINS };

/* The value at rank r (from 1), linear between ranks. */
static double rank_value_at(const double *sorted, size_t K, double r)
{
    const size_t below = (size_t)fmax(1, fmin((double)K, r));
    const double share = r - (double)below;
    return share > 0 && below < K ? (1 - share) * sorted[below - 1] + share * sorted[below]
                                  : sorted[below - 1];
}

bool scry_rank_interval(double *low, double *high, const double *sorted, size_t K, double p)
{
    const double rank = (1 - p) / 2 * (double)(K + 1);
    if (!(rank >= 1 - 1e-9)) return false;
    *low = rank_value_at(sorted, K, rank);
    *high = rank_value_at(sorted, K, (double)(K + 1) - rank);
    return true;
}

size_t scry_rank_bin(size_t rank, size_t K)
{
    return rank * BINS / (K + 1);
}

scry_status scry_rank_test_measure(scry_rank_test *out, const double *share, size_t G, size_t K,
                                   scry_error *err)
{
    double expected[BINS] = {0}, apart = 0, scatter = 0;
    const double groups = (double)G;
    if (G < 2 || K < BINS - 1)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu groups of ranks among %zu, expected 2 and %d", G, K,
                         BINS - 1);
    for (size_t rank = 0; rank <= K; rank++)
        expected[scry_rank_bin(rank, K)] += 1 / (double)(K + 1);
    for (size_t b = 0; b < BINS; b++) {
        double mean = 0, variance = 0;
        for (size_t g = 0; g < G; g++)
            mean += share[g * BINS + b] / groups;
        for (size_t g = 0; g < G; g++)
            variance += pow(share[g * BINS + b] - mean, 2);
        variance /= groups * (groups - 1);
        out->ratio[b] = mean / expected[b];
        out->error[b] = sqrt(variance) / expected[b];
        apart += pow(mean - expected[b], 2) / expected[b];
        scatter += variance / expected[b];
    }
    if (!(scatter > 0))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "%zu groups with the same shares have no scatter", G);
    out->F = apart / scatter;
    out->p = gsl_cdf_fdist_Q(out->F, BINS - 1, (BINS - 1) * (groups - 1));
    return SCRY_OK;
}
