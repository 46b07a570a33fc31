#include "apps/verify/trial.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/sort.h"
#include "lib/stats/stein.h"

#include <math.h>

enum { STREAM_NOISE = 0x7fffff00, BOOTSTRAP = 200 };

/* The metrics of the part, after the fifths. */
enum { P_VALUE = SCRY_RANK_BINS, COVER50, COVER90, STEIN };

/* ---- truths ---- */

scry_status verify_trial_allocate(verify_trial *t, scry_error *err)
{
    t->n = scry_space_floats(scry_op_dom(t->A));
    t->m = scry_space_floats(scry_op_cod(t->A));
    t->x = scry_alloc(t->images * t->n, sizeof *t->x);
    t->y = scry_alloc(t->images * t->m, sizeof *t->y);
    return t->x && t->y ? SCRY_OK
                        : SCRY_FAIL(err, SCRY_ENOMEM, "%zu images of %zu", t->images, t->n);
}

void verify_trial_clear(verify_trial *t)
{
    scry_free(t->x);
    scry_free(t->y);
    t->x = t->y = NULL;
}

scry_status verify_trial_measure(verify_trial *t, scry_error *err)
{
    void *work = scry_alloc(1, scry_op_work_bytes(t->A));
    float *noise = scry_alloc(t->m, sizeof *noise);
    scry_status st = work && noise ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "measurements");
    for (size_t k = 0; k < t->images && st == SCRY_OK; k++) {
        float *y = t->y + k * t->m;
        st = scry_op_forward(t->A, y, t->x + k * t->n, work, err);
        scry_rng_normal(noise, 0, t->m, (uint64_t)t->settings->seed, (uint32_t)k, STREAM_NOISE);
        for (size_t j = 0; j < t->m; j++)
            y[j] += (float)t->sigma * noise[j];
    }
    scry_free(work);
    scry_free(noise);
    return st;
}

verify_posterior verify_trial_posterior(const verify_trial *t, size_t k)
{
    return (verify_posterior){.A = t->A,
                              .y = t->y + k * t->m,
                              .sigma = t->sigma,
                              .prior = t->prior,
                              .model = t->model,
                              .gap = t->gap};
}

/* ---- ranks ---- */

scry_status verify_ranks_open(verify_ranks *r, size_t capacity, scry_error *err)
{
    *r = (verify_ranks){.capacity = capacity};
    r->fine = scry_alloc(capacity * VERIFY_BINS, sizeof *r->fine);
    return r->fine ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "ranks of %zu images", capacity);
}

void verify_ranks_close(verify_ranks *r)
{
    scry_free(r->fine);
    *r = (verify_ranks){0};
}

static scry_status verify_ranks_rank(verify_ranks *r, const verify_trial *t, const float *x,
                                     const float *samples, size_t K, scry_error *err)
{
    double *sorted = scry_alloc(K, sizeof *sorted), inside[2] = {0};
    double *fine = r->fine + r->images * VERIFY_BINS;
    const double asked = (double)((t->n + t->stride - 1) / t->stride);
    if (!sorted) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu samples", K);
    for (size_t i = 0; i < t->n; i += t->stride) {
        size_t below = 0;
        for (size_t s = 0; s < K; s++) {
            sorted[s] = samples[s * t->n + i];
            below += sorted[s] < x[i];
        }
        fine[below * VERIFY_BINS / (K + 1)] += 1 / asked;
        scry_sort_double(sorted, K);
        for (int level = 0; level < 2; level++) {
            double low, high;
            if (!scry_rank_interval(&low, &high, sorted, K, level ? 0.9 : 0.5))
                inside[level] = NAN;
            else
                inside[level] += (x[i] >= low && x[i] <= high) / asked;
        }
    }
    for (int level = 0; level < 2; level++) {
        r->first[level] += inside[level];
        r->second[level] += inside[level] * inside[level];
    }
    scry_free(sorted);
    return SCRY_OK;
}

/* grad log p(x | y) of K samples, with the prior blurred by stein_sigma. */
static scry_status verify_ranks_scores(float *score, const verify_trial *t,
                                       const scry_likelihood *L, const float *samples, size_t K,
                                       scry_error *err)
{
    const double s2 = t->stein_sigma * t->stein_sigma;
    float *D = scry_alloc(t->n, sizeof *D);
    void *work = scry_alloc(1, scry_likelihood_work_bytes(L));
    void *prior_work = scry_alloc(1, scry_prior_work_bytes(t->prior));
    scry_status st = SCRY_OK;
    if (!D || !work || !prior_work) st = SCRY_FAIL(err, SCRY_ENOMEM, "scores of %zu samples", K);
    for (size_t k = 0; k < K && st == SCRY_OK; k++) {
        const float *x = samples + k * t->n;
        float *g = score + k * t->n;
        st = scry_likelihood_score(L, g, x, work, err);
        if (st == SCRY_OK)
            st = scry_prior_denoise(t->prior, D, x, (float)t->stein_sigma, prior_work, err);
        for (size_t i = 0; i < t->n; i++)
            g[i] += (float)(((double)D[i] - x[i]) / s2);
    }
    scry_free(D);
    scry_free(work);
    scry_free(prior_work);
    return st;
}

/* Whether the samples fit the posterior's score, at a level of 10 %. */
static scry_status verify_ranks_stein(verify_ranks *r, const verify_trial *t, size_t k,
                                      const float *samples, size_t K, scry_error *err)
{
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = t->sigma};
    scry_likelihood *L = NULL;
    scry_ksd ksd;
    float *score = scry_alloc(K * t->n, sizeof *score);
    scry_status st = score ? scry_likelihood_create(&L, t->A, t->y + k * t->m, &noise, NULL, err)
                           : SCRY_FAIL(err, SCRY_ENOMEM, "scores of %zu samples", K);
    if (st == SCRY_OK) st = verify_ranks_scores(score, t, L, samples, K, err);
    if (st == SCRY_OK)
        st = scry_ksd_measure(&ksd, samples, score, K, t->n, NULL, BOOTSTRAP,
                              (uint64_t)t->settings->seed, err);
    if (st == SCRY_OK) r->rejected += ksd.p < 0.1;
    scry_likelihood_free(L);
    scry_free(score);
    return st;
}

scry_status verify_ranks_add(verify_ranks *r, const verify_trial *t, size_t k, const float *samples,
                             size_t K, scry_error *err)
{
    scry_status st = verify_ranks_rank(r, t, t->x + k * t->n, samples, K, err);
    if (st == SCRY_OK) st = verify_ranks_stein(r, t, k, samples, K, err);
    r->images++;
    return st;
}

/* Bars over their expectation, and the error of a bar from the scatter of images, which knows how
 * far entries of one image say the same: pooled, as few images say little about one bar. */
static void verify_ranks_histogram(verify_row *row, const verify_ranks *r, size_t K)
{
    const double G = (double)r->images;
    double expected[VERIFY_BINS] = {0}, pooled = 0;
    for (size_t below = 0; below <= K; below++)
        expected[below * VERIFY_BINS / (K + 1)] += 1 / (double)(K + 1);
    row->ranked = K + 1 >= VERIFY_BINS;
    for (size_t b = 0; b < VERIFY_BINS && row->ranked; b++) {
        double mean = 0, variance = 0;
        for (size_t g = 0; g < r->images; g++)
            mean += r->fine[g * VERIFY_BINS + b] / G;
        for (size_t g = 0; g < r->images; g++)
            variance += pow(r->fine[g * VERIFY_BINS + b] - mean, 2) / (G * (G - 1));
        row->rank[b] = mean / expected[b];
        pooled += variance / (expected[b] * expected[b]) / VERIFY_BINS;
    }
    row->rank_error = sqrt(pooled);
}

scry_status verify_ranks_fill(verify_row *row, const verify_ranks *r, size_t K, scry_error *err)
{
    scry_rank_test test;
    double *share = scry_alloc(r->images * SCRY_RANK_BINS, sizeof *share);
    if (!share) return SCRY_FAIL(err, SCRY_ENOMEM, "ranks of %zu images", r->images);
    for (size_t g = 0; g < r->images; g++)
        for (size_t b = 0; b < VERIFY_BINS; b++) /* floor(5 q) = floor(floor(10 q) / 2) */
            share[g * SCRY_RANK_BINS + b * SCRY_RANK_BINS / VERIFY_BINS] +=
                r->fine[g * VERIFY_BINS + b];
    const scry_status st = scry_rank_test_measure(&test, share, r->images, K, err);
    scry_free(share);
    if (st != SCRY_OK) return st;
    for (int b = 0; b < SCRY_RANK_BINS; b++)
        row->value[b] = (verify_value){test.ratio[b], test.error[b]};
    row->value[P_VALUE] = (verify_value){test.p, NAN};
    for (int level = 0; level < 2; level++)
        row->value[COVER50 + level] = verify_mean(r->first[level], r->second[level], r->images);
    const double count = (double)r->images, refused = (double)r->rejected / count;
    row->value[STEIN] = (verify_value){refused, sqrt(refused * (1 - refused) / count)};
    verify_ranks_histogram(row, r, K);
    return SCRY_OK;
}
