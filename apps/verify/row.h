#ifndef SCRY_APPS_VERIFY_ROW_H
#define SCRY_APPS_VERIFY_ROW_H

#include "apps/verify/verify.h"
#include "solvers/chains.h"

/* Shared by the parts of `scry verify`: samples of a posterior, and the row of their results. */

/* y = A x + sigma n; y NULL: the prior itself. */
typedef struct verify_posterior {
    const scry_op *A;
    const float *y;
    double sigma;
    const scry_prior *prior, *model; /* model may be NULL */
    const scry_gaussian_gap *gap;    /* of `prior`; NULL: not known */
} verify_posterior;

/* Chains first .. first + count - 1 of a seed, samples kept; none where the run is interrupted. */
scry_status verify_draw(scry_chains *out, const verify_posterior *posterior,
                        const scry_options *options, size_t first, size_t count, uint64_t seed,
                        scry_error *err);

/* Sums over the measurements of a row. */
typedef struct verify_sum {
    size_t samples, failed; /* chains that ended, and that broke down */
    scry_counts counts;
    scry_error failure; /* of the first that broke down */
} verify_sum;

void verify_count(verify_sum *sum, const scry_chains *c);
/* Marks the row as measured: samples, cost of one, and a note when chains broke down. */
void verify_served(verify_row *row, const verify_sum *sum);
/* A method that cannot serve, or breaks down, is a finding and not the end of the run: its words
 * become the note and SCRY_OK is returned; other failures are handed on. */
scry_status verify_refused(verify_row *row, scry_status st, const scry_error *why, scry_error *err);

/* Mean of `count` numbers of these sums, and its standard error (NaN for a single one). */
verify_value verify_mean(double sum, double squares, size_t count);

/* The cost of a sample, in calls of the denoiser, one of the VJP counting as `vjp`: as in the rows
 * of the method in `table`, which all have the same options, or else (table NULL: always) those of
 * a pilot chain whose number no measurement uses. */
scry_status verify_cost(double *calls, const verify_table *table, const verify_posterior *posterior,
                        const scry_options *options, double vjp, uint64_t seed, scry_error *err);

#endif
