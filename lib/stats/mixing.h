#ifndef SCRY_LIB_STATS_MIXING_H
#define SCRY_LIB_STATS_MIXING_H

#include <stddef.h>

/* Whether Markov chains have reached the same distribution, and how much their draws say about one
 * number that was recorded along them. Each chain is cut into halves, so that a chain that still
 * drifts disagrees with itself; the middle draw of an odd count is left out.
 *   rhat  sqrt(((N - 1)/N W + B) / W), W the mean of the variances of the M halves of N draws,
 *         B the variance of their means: 1 where all agree; above 1.01 they do not agree yet. Split
 *         R-hat: Gelman et al. 2013, Bayesian Data Analysis, 3rd ed., sec. 11.4; Vehtari et al.
 *         2021, Bayesian Anal. 16:667, sec. 2.
 *   ess   the number of independent draws whose mean has the same variance: draws / (1 + 2 sum_t
 *   rho_t),
 *         with the autocorrelations rho_t of the halves combined (Vehtari et al., sec. 3.2), summed
 *         in pairs while they are positive and made to fall (initial monotone sequence, Geyer 1992,
 *         Stat. Sci. 7:473). At most draws log10(draws), as there: neighbours that lie to either
 *         side of the mean can say more than independent draws.
 * With fewer than 4 draws a chain neither can be computed: rhat is NaN, and ess the number of
 * chains, which are independent. Draws that are all the same agree: rhat 1, ess their number. */
typedef struct scry_mixing {
    double rhat, ess;
} scry_mixing;

/* trace: chains x draws, both at least 1, finite; overwritten. */
scry_mixing scry_mixing_measure(double *trace, size_t chains, size_t draws);

#endif
