#ifndef SCRY_LIB_STATS_RANK_STATISTICS_H
#define SCRY_LIB_STATS_RANK_STATISTICS_H

#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether K samples of a posterior and the truth are exchangeable, as they are when truth and
 * measurement come from the model and the samples from its posterior (simulation-based calibration:
 * Cook, Gelman & Rubin 2006; Talts et al. 2018, arXiv:1804.06788). The rank of the truth, the
 * number of samples below it, is then uniform on 0 .. K; too many low and high ranks mean that the
 * samples spread too little, too many in the middle that they spread too much, a slope means a
 * bias. */

/* The central interval of probability p between samples of rank (1 -+ p)/2 (K + 1), linear between
 * neighbours: it holds the truth with probability p for any K. Returns false where K is too small
 * for p. sorted: ascending. */
bool scry_rank_interval(double *low, double *high, const double *sorted, size_t K, double p);

/* Histogram of ranks in SCRY_RANK_BINS parts of 0 .. K, as even as K allows. */
enum { SCRY_RANK_BINS = 5 };
size_t scry_rank_bin(size_t rank, size_t K);

/* A test of the histograms of G groups, one image each: share[g][b] of the group's entries in bin
 * b. Entries of a group may depend on each other; groups may not. The F reference is rough for few
 * groups: with 12 of them, right samples have p < 0.1 in 15 % of trials
 * (tests/test_rank_statistics.c). */
typedef struct scry_rank_test {
    double ratio[SCRY_RANK_BINS]; /* mean share over its expectation: 1 when right */
    double error[SCRY_RANK_BINS]; /* standard error of that, from the scatter of groups */
    /* Chi-square of uniformity per degree of freedom, divided by the mean design effect of the
     * groups (Rao & Scott 1981, JASA 76:221; F reference: Thomas & Rao 1987, JASA 82:630):
     * F = sum_b (mean share - e_b)^2 / e_b / sum_b Var(mean share)_b / e_b on 4 and 4 (G - 1). */
    double F, p;
} scry_rank_test;

/* share: G x SCRY_RANK_BINS. EINVAL: G < 2 or K < 4; ENUMERIC: all groups have the same shares */
scry_status scry_rank_test_measure(scry_rank_test *out, const double *share, size_t G, size_t K,
                                   scry_error *err);

#endif
