#ifndef SCRY_DATASETS_SCORECARD_H
#define SCRY_DATASETS_SCORECARD_H

#include "datasets/gaussian_mixture.h"

/* Measures how correct the samples of a posterior are. For each of B measurements y_b, drawn from
 * the model, K samples of the method under test are compared with the exact posterior p(x | y_b),
 * of mean m, covariance P with eigenvalues l_i (in decreasing order) and components' weights w_k:
 *
 *   bias_prior    root mean square over measurements and pixels of (mean of samples - m) in units
 *                 of the prior's sd; the scatter of K samples is subtracted (if the square becomes
 *                 negative, 0 is reported)
 *   bias_post     the same in units of the posterior's sd
 *   sd            sd of the samples / sqrt(l_i) along eigen-direction i, variances averaged over
 *                 measurements: smallest, median, largest
 *   weights       root mean square over measurements and components of
 *                 (mean of p(component | sample) - w_k), scatter subtracted as above
 *   cover50, 90   exact posterior probability of the interval of a pixel between the samples' own
 *                 quantiles, at ranks p (K + 1): 0.5 and 0.9 on average for exact samples, any K
 *   inside50, 90  share of the samples inside the smallest region that holds 50 or 90 % of the
 *                 exact posterior (an ellipsoid of chi-square radius, for a Gaussian)
 *
 * Errors are standard errors by the jackknife over measurements, so they include the scatter of the
 * samples and of the measurements. */
typedef struct scry_scorecard scry_scorecard;

typedef struct scry_score {
    double value, error; /* NaN: not known */
} scry_score;

typedef struct scry_scores {
    scry_score bias_prior, bias_post, sd_low, sd_median, sd_high, weights;
    scry_score cover50, cover90, inside50, inside90;
} scry_scores;

/* For at most `measurements` measurements of images drawn from prior, which is borrowed. EINVAL:
 * fewer than 2; ENOMEM */
scry_status scry_scorecard_create(scry_scorecard **out, const scry_gaussian_mixture *prior,
                                  size_t measurements, scry_error *err);
void scry_scorecard_free(scry_scorecard *card); /* accepts NULL */

/* One measurement: samples is K x n. EINVAL: K < 2, more measurements than announced, a posterior
 * of another size; ENUMERIC: a sample is not finite; ENOMEM */
scry_status scry_scorecard_add(scry_scorecard *card, const scry_gaussian_mixture *posterior,
                               const float *samples, size_t K, scry_error *err);

/* cover90 is NaN when some K was below 19, cover50 below 3; weights when there is one component.
 * EINVAL: fewer than 2 measurements so far; ENOMEM */
scry_status scry_scorecard_read(const scry_scorecard *card, scry_scores *out, scry_error *err);

#endif
