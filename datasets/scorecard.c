#include "datasets/scorecard.h"

#include "lib/memory.h"
#include "lib/sort.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_eigen.h>
#include <math.h>
#include <string.h>

/* The results of one measurement: these numbers, and behind them n ratios of variances. */
enum { BIAS_PRIOR, BIAS_POST, WEIGHTS, COVER50, COVER90, INSIDE50, INSIDE90, RATIOS };

/* Draws that estimate the density at the border of a region, where it has no closed form: its
 * probability is then known to 1.1 % (90 %: 0.7 %), over 16 measurements to 0.3 % (0.2 %). */
enum { BORDER_DRAWS = 2048 };

struct scry_scorecard {
    const scry_gaussian_mixture *prior;
    size_t n, capacity, count;
    double *variance; /* n: of the prior */
    double *stats;    /* capacity x (RATIOS + n) */
};

/* Quantities of one posterior and one set of samples. */
struct view {
    const scry_gaussian_mixture *mixture;
    const float *samples;
    size_t n, K;
    double *mean, *cov;       /* exact: n, n x n */
    double *average, *spread; /* of the samples: n, and their variances, n */
    double *value, *vector;   /* eigenvalues, decreasing; eigenvectors, one a row */
    double *x, *work, *share, *column;
    float *sorted; /* K */
};

scry_status scry_scorecard_create(scry_scorecard **out, const scry_gaussian_mixture *prior,
                                  size_t measurements, scry_error *err)
{
    const size_t n = prior->n;
    *out = NULL;
    if (measurements < 2)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu measurements, expected 2 or more", measurements);
    scry_scorecard *card = scry_alloc(1, sizeof *card);
    double *cov = scry_alloc(n * n, sizeof *cov);
    if (card) {
        *card = (scry_scorecard){.prior = prior, .n = n, .capacity = measurements};
        card->variance = scry_alloc(n, sizeof(double));
        card->stats = scry_alloc(measurements * (RATIOS + n), sizeof(double));
    }
    if (!card || !cov || !card->variance || !card->stats) {
        scry_free(cov);
        scry_scorecard_free(card);
        return SCRY_FAIL(err, SCRY_ENOMEM, "scores of %zu measurements", measurements);
    }
    scry_gaussian_mixture_moments(prior, NULL, cov);
    for (size_t i = 0; i < n; i++)
        card->variance[i] = cov[i * n + i];
    scry_free(cov);
    *out = card;
    return SCRY_OK;
}

void scry_scorecard_free(scry_scorecard *card)
{
    if (!card) return;
    scry_free(card->variance);
    scry_free(card->stats);
    scry_free(card);
}

static void view_free(struct view *v)
{
    void *owned[] = {v->mean, v->cov,  v->average, v->spread, v->value, v->vector,
                     v->x,    v->work, v->share,   v->column, v->sorted};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        scry_free(owned[i]);
}

/* Eigenvectors of P, one a row, and its eigenvalues in decreasing order. */
static scry_status scorecard_decompose(struct view *v, scry_error *err)
{
    const size_t n = v->n;
    gsl_eigen_symmv_workspace *w = gsl_eigen_symmv_alloc(n);
    gsl_matrix *P = gsl_matrix_alloc(n, n), *U = gsl_matrix_alloc(n, n);
    gsl_vector *l = gsl_vector_alloc(n);
    scry_status st = w && P && U && l ? SCRY_OK : SCRY_ENOMEM;
    if (st == SCRY_OK) {
        for (size_t i = 0; i < n * n; i++)
            gsl_matrix_set(P, i / n, i % n, v->cov[i]);
        gsl_eigen_symmv(P, l, U, w);
        gsl_eigen_symmv_sort(l, U, GSL_EIGEN_SORT_VAL_DESC);
        for (size_t i = 0; i < n; i++) {
            v->value[i] = gsl_vector_get(l, i);
            for (size_t j = 0; j < n; j++)
                v->vector[i * n + j] = gsl_matrix_get(U, j, i);
        }
    } else {
        SCRY_FAIL(err, st, "eigenvectors of %zu x %zu", n, n);
    }
    if (w) gsl_eigen_symmv_free(w);
    if (P) gsl_matrix_free(P);
    if (U) gsl_matrix_free(U);
    if (l) gsl_vector_free(l);
    return st;
}

static scry_status view_init(struct view *v, const scry_gaussian_mixture *mixture,
                             const float *samples, size_t K, scry_error *err)
{
    const size_t n = mixture->n;
    double **vectors[] = {&v->mean, &v->average, &v->spread, &v->value, &v->x, &v->work};
    bool ok = true;
    *v = (struct view){.mixture = mixture, .samples = samples, .n = n, .K = K};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        ok = (*vectors[i] = scry_alloc(n, sizeof(double))) && ok;
    ok = (v->cov = scry_alloc(n * n, sizeof(double))) && ok;
    ok = (v->vector = scry_alloc(n * n, sizeof(double))) && ok;
    ok = (v->share = scry_alloc(3 * mixture->count, sizeof(double))) && ok;
    ok = (v->column = scry_alloc(mixture->count > 1 ? BORDER_DRAWS : 1, sizeof(double))) && ok;
    ok = (v->sorted = scry_alloc(K, sizeof(float))) && ok;
    if (!ok) return SCRY_FAIL(err, SCRY_ENOMEM, "scores of %zu samples of %zu values", K, n);
    scry_gaussian_mixture_moments(mixture, v->mean, v->cov);
    for (size_t k = 0; k < K; k++) /* Welford 1962, Technometrics 4:419 */
        for (size_t i = 0; i < n; i++) {
            const double d = samples[k * n + i] - v->average[i];
            v->average[i] += d / (double)(k + 1);
            v->spread[i] += d * (samples[k * n + i] - v->average[i]) / (double)(K - 1);
        }
    return scorecard_decompose(v, err);
}

static void score_bias(const struct view *v, const double *variance, double *stats)
{
    for (size_t i = 0; i < v->n; i++) {
        const double d = v->average[i] - v->mean[i], b2 = d * d - v->spread[i] / (double)v->K;
        stats[BIAS_PRIOR] += b2 / variance[i] / (double)v->n;
        stats[BIAS_POST] += b2 / v->cov[i * v->n + i] / (double)v->n;
    }
}

static void score_spread(const struct view *v, double *stats)
{
    const size_t n = v->n;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < v->K; k++) {
            double c = 0;
            for (size_t j = 0; j < n; j++)
                c += v->vector[i * n + j] * (v->samples[k * n + j] - v->average[j]);
            sum += c * c;
        }
        stats[RATIOS + i] = sum / (double)(v->K - 1) / v->value[i];
    }
}

/* The value at rank p (K + 1) of K sorted ones, linear between ranks. A new draw of the same
 * distribution falls below rank r with probability r / (K + 1). */
static double scorecard_value_at(const float *sorted, size_t K, double p)
{
    const double rank = p * (double)(K + 1);
    const size_t low = (size_t)rank;
    if (low < 1) return sorted[0];
    if (low >= K) return sorted[K - 1];
    return sorted[low - 1] + (rank - (double)low) * (sorted[low] - sorted[low - 1]);
}

static void score_intervals(struct view *v, double *stats)
{
    for (size_t i = 0; i < v->n; i++) {
        for (size_t k = 0; k < v->K; k++)
            v->sorted[k] = v->samples[k * v->n + i];
        scry_sort_float(v->sorted, v->K);
        for (int wide = 0; wide < 2; wide++) {
            const double tail = wide ? 0.05 : 0.25;
            const double low =
                scry_gaussian_mixture_cdf(v->mixture, i, scorecard_value_at(v->sorted, v->K, tail));
            const double high = scry_gaussian_mixture_cdf(
                v->mixture, i, scorecard_value_at(v->sorted, v->K, 1 - tail));
            stats[wide ? COVER90 : COVER50] += (high - low) / (double)v->n;
        }
    }
    if (v->K < 3) stats[COVER50] = NAN;
    if (v->K < 19) stats[COVER90] = NAN; /* the ranks lie beyond the samples */
}

/* log p at the border of the smallest regions of 50 and 90 %. */
static void scorecard_borders(struct view *v, double *half, double *max)
{
    const double n = (double)v->n;
    if (v->mixture->count == 1) {
        const double top =
            scry_gaussian_mixture_log_density(v->mixture, v->mixture->mean, NULL, v->work);
        *half = top - 0.5 * gsl_cdf_chisq_Pinv(0.5, n);
        *max = top - 0.5 * gsl_cdf_chisq_Pinv(0.9, n);
        return;
    }
    for (uint32_t i = 0; i < BORDER_DRAWS; i++) {
        scry_gaussian_mixture_draw(v->mixture, v->x, 1, i);
        v->column[i] = scry_gaussian_mixture_log_density(v->mixture, v->x, NULL, v->work);
    }
    scry_sort_double(v->column, BORDER_DRAWS);
    *half = v->column[BORDER_DRAWS / 2];
    *max = v->column[BORDER_DRAWS / 10];
}

static void score_density(struct view *v, double *stats)
{
    const size_t count = v->mixture->count;
    const double K = (double)v->K;
    double half, max, *average = v->share + count, *square = average + count;
    scorecard_borders(v, &half, &max);
    for (size_t k = 0; k < v->K; k++) {
        for (size_t i = 0; i < v->n; i++)
            v->x[i] = v->samples[k * v->n + i];
        const double p = scry_gaussian_mixture_log_density(v->mixture, v->x, v->share, v->work);
        stats[INSIDE50] += (p >= half) / K;
        stats[INSIDE90] += (p >= max) / K;
        for (size_t c = 0; c < count; c++) {
            average[c] += v->share[c] / K;
            square[c] += v->share[c] * v->share[c] / K;
        }
    }
    for (size_t c = 0; c < count; c++) {
        const double d = average[c] - v->mixture->weight[c];
        const double variance = (square[c] - average[c] * average[c]) / (K - 1); /* of average */
        stats[WEIGHTS] += (d * d - variance) / (double)count;
    }
    if (count == 1) stats[WEIGHTS] = NAN;
}

scry_status scry_scorecard_add(scry_scorecard *card, const scry_gaussian_mixture *posterior,
                               const float *samples, size_t K, scry_error *err)
{
    const size_t n = card->n;
    struct view v;
    if (K < 2) return SCRY_FAIL(err, SCRY_EINVAL, "%zu samples, expected 2 or more", K);
    if (card->count == card->capacity)
        return SCRY_FAIL(err, SCRY_EINVAL, "more than the %zu measurements announced",
                         card->capacity);
    if (posterior->n != n)
        return SCRY_FAIL(err, SCRY_EINVAL, "a posterior of %zu values, expected %zu", posterior->n,
                         n);
    for (size_t i = 0; i < K * n; i++)
        if (!isfinite(samples[i]))
            return SCRY_FAIL(err, SCRY_ENUMERIC, "sample %zu, value %zu is %g", i / n, i % n,
                             samples[i]);
    double *stats = card->stats + card->count * (RATIOS + n);
    memset(stats, 0, (RATIOS + n) * sizeof *stats);
    scry_status st = view_init(&v, posterior, samples, K, err);
    if (st == SCRY_OK) {
        score_density(&v, stats);
        score_bias(&v, card->variance, stats);
        score_spread(&v, stats);
        score_intervals(&v, stats);
        card->count++;
    }
    view_free(&v);
    return st;
}

enum { SD_LOW = RATIOS, SD_MEDIAN, SD_HIGH, RESULTS };

/* Results of all measurements but `skip` (count: of all). mean: RATIOS + n doubles of scratch.
 * Biases and weights are left squared. */
static void scorecard_summarise(const scry_scorecard *card, size_t skip, double *mean,
                                double *result)
{
    const size_t n = card->n, width = RATIOS + n;
    const double used = (double)(card->count - (skip < card->count));
    memset(mean, 0, width * sizeof *mean);
    for (size_t b = 0; b < card->count; b++)
        for (size_t i = 0; i < width && b != skip; i++)
            mean[i] += card->stats[b * width + i] / used;
    memcpy(result, mean, RATIOS * sizeof *mean);
    double *ratio = mean + RATIOS;
    scry_sort_double(ratio, n);
    result[SD_LOW] = sqrt(ratio[0]);
    result[SD_MEDIAN] = sqrt(0.5 * (ratio[(n - 1) / 2] + ratio[n / 2]));
    result[SD_HIGH] = sqrt(ratio[n - 1]);
}

/* The root of a square that scatters around 0: its error is how far the root of one standard error
 * more would be. */
static scry_score scorecard_rooted(double square, double error)
{
    const double value = isnan(square) ? NAN : sqrt(fmax(square, 0));
    return (scry_score){value, sqrt(fmax(square, 0) + error) - value};
}

scry_status scry_scorecard_read(const scry_scorecard *card, scry_scores *out, scry_error *err)
{
    const size_t B = card->count;
    double all[RESULTS], error[RESULTS] = {0}, sum[RESULTS] = {0};
    if (B < 2) return SCRY_FAIL(err, SCRY_EINVAL, "%zu measurements, expected 2 or more", B);
    double *mean = scry_alloc(RATIOS + card->n, sizeof *mean);
    double *without = scry_alloc(B, RESULTS * sizeof *without);
    if (!mean || !without) {
        scry_free(mean);
        scry_free(without);
        return SCRY_FAIL(err, SCRY_ENOMEM, "scores of %zu measurements", B);
    }
    scorecard_summarise(card, B, mean, all);
    for (size_t b = 0; b < B; b++) {
        scorecard_summarise(card, b, mean, without + b * RESULTS);
        for (size_t i = 0; i < RESULTS; i++)
            sum[i] += without[b * RESULTS + i] / (double)B;
    }
    for (size_t i = 0; i < RESULTS; i++) { /* Efron & Stein 1981, Ann. Statist. 9:586 */
        for (size_t b = 0; b < B; b++)
            error[i] += pow(without[b * RESULTS + i] - sum[i], 2);
        error[i] = sqrt(error[i] * (double)(B - 1) / (double)B);
    }
    scry_free(mean);
    scry_free(without);
    *out = (scry_scores){
        .bias_prior = scorecard_rooted(all[BIAS_PRIOR], error[BIAS_PRIOR]),
        .bias_post = scorecard_rooted(all[BIAS_POST], error[BIAS_POST]),
        .weights = scorecard_rooted(all[WEIGHTS], error[WEIGHTS]),
        .sd_low = {all[SD_LOW], error[SD_LOW]},
        .sd_median = {all[SD_MEDIAN], error[SD_MEDIAN]},
        .sd_high = {all[SD_HIGH], error[SD_HIGH]},
        .cover50 = {all[COVER50], error[COVER50]},
        .cover90 = {all[COVER90], error[COVER90]},
        .inside50 = {all[INSIDE50], error[INSIDE50]},
        .inside90 = {all[INSIDE90], error[INSIDE90]},
    };
    return SCRY_OK;
}
