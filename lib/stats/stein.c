#include "lib/stats/stein.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"
#include "lib/sort.h"
#include "lib/space.h"
#include "lib/vector.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

/* The terms of u for one pair, in the scaled coordinates. */
struct pair {
    double r2, ss, sr; /* |r|^2, s^T s', (s - s')^T r */
};

static struct pair pair_of(const float *x, const float *xs, const float *y, const float *ys,
                           const double *scale, size_t n)
{
    struct pair p = {0};
    for (size_t i = 0; i < n; i++) {
        const double c = scale ? scale[i] : 1, r = ((double)x[i] - y[i]) / c;
        const double a = xs[i] * c, b = ys[i] * c;
        p.r2 += r * r;
        p.ss += a * b;
        p.sr += (a - b) * r;
    }
    return p;
}

/* With q = 1 + r2/h2:  k = q^(-1/2),  grad k = -r q^(-3/2) / h2 = -grad' k,
 * tr grad grad' k = n q^(-3/2) / h2 - 3 r2 q^(-5/2) / h4. */
static double stein_kernel(struct pair p, double h2, size_t n)
{
    const double q = 1 + p.r2 / h2, root = 1 / sqrt(q), third = root / q;
    return p.ss * root + p.sr * third / h2 + (double)n * third / h2 -
           3 * p.r2 * third / q / (h2 * h2);
}

static scry_status stein_check(const float *samples, const float *scores, size_t K, size_t n,
                               const double *scale, size_t draws, scry_error *err)
{
    if (K < 3 || !n || !draws)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%zu samples of %zu values and %zu replicates, expected 3, 1 and 1 or "
                         "more",
                         K, n, draws);
    for (size_t i = 0; scale && i < n; i++)
        if (!(scale[i] > 0 && isfinite(scale[i])))
            return SCRY_FAIL(err, SCRY_EINVAL, "scale %zu is %g, expected > 0", i, scale[i]);
    if (!scry_finite(samples, K * n) || !scry_finite(scores, K * n))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "a sample or a score is not finite");
    return SCRY_OK;
}

/* Share of replicates sum_{k != l} (w_k - 1/K)(w_l - 1/K) u_kl, K w multinomial, that reach the
 * statistic sum_{k != l} u_kl / K^2. */
static double stein_bootstrap(const double *u, size_t K, double statistic, size_t draws, double *w,
                              gsl_rng *rng)
{
    size_t reached = 0;
    for (size_t d = 0; d < draws; d++) {
        double sum = 0;
        for (size_t k = 0; k < K; k++)
            w[k] = -1.0 / (double)K;
        for (size_t k = 0; k < K; k++)
            w[gsl_rng_uniform_int(rng, K)] += 1.0 / (double)K;
        for (size_t k = 0; k < K; k++)
            for (size_t l = 0; l < k; l++)
                sum += 2 * w[k] * w[l] * u[k * K + l];
        reached += sum >= statistic;
    }
    return ((double)reached + 1) / ((double)draws + 1);
}

scry_status scry_ksd_measure(scry_ksd *out, const float *samples, const float *scores, size_t K,
                             size_t n, const double *scale, size_t draws, uint64_t seed,
                             scry_error *err)
{
    scry_status st = stein_check(samples, scores, K, n, scale, draws, err);
    if (st != SCRY_OK) return st;
    size_t square;
    const size_t pairs = K * (K - 1) / 2;
    struct pair *pair = scry_alloc(pairs, sizeof *pair);
    double *distance = scry_alloc(pairs, sizeof *distance), *w = scry_alloc(K, sizeof *w);
    double *u = scry_mul(&square, K, K) ? scry_alloc(square, sizeof *u) : NULL;
    gsl_rng *rng = gsl_rng_alloc(scry_rng_gsl());
    if (!pair || !distance || !w || !u || !rng) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu pairs of samples", pairs);
        goto done;
    }
    scry_rng_gsl_seek(rng, seed, 0, 0, 0);
    for (size_t k = 1, at = 0; k < K; k++)
        for (size_t l = 0; l < k; l++, at++) {
            pair[at] =
                pair_of(samples + k * n, scores + k * n, samples + l * n, scores + l * n, scale, n);
            distance[at] = pair[at].r2;
        }
    scry_sort_double(distance, pairs);
    const double h2 = distance[pairs / 2];
    if (!(h2 > 0)) {
        st = SCRY_FAIL(err, SCRY_EINVAL, "half of all pairs of samples are equal");
        goto done;
    }
    double sum = 0;
    for (size_t k = 1, at = 0; k < K; k++)
        for (size_t l = 0; l < k; l++, at++) {
            u[k * K + l] = stein_kernel(pair[at], h2, n);
            sum += 2 * u[k * K + l];
        }
    const double count = (double)K;
    *out = (scry_ksd){.ksd2 = sum / (count * (count - 1)),
                      .bandwidth = sqrt(h2),
                      .p = stein_bootstrap(u, K, sum / (count * count), draws, w, rng)};
done:
    scry_free(pair);
    scry_free(distance);
    scry_free(w);
    scry_free(u);
    if (rng) gsl_rng_free(rng);
    return st;
}
