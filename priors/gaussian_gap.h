#ifndef SCRY_PRIORS_GAUSSIAN_GAP_H
#define SCRY_PRIORS_GAUSSIAN_GAP_H

#include <stddef.h>

/* How far a prior is from the Gaussian of the same mean and spectrum, by noise level: the share of
 * the Gaussian denoiser's mean square error that the prior's own denoiser does without,
 *   value(s) = 1 - E|D(x; s) - x0|^2 / E|D_G(x; s) - x0|^2,   x = x0 + s n, x0 images never seen.
 * For the exact D the errors are orthogonal and this is E|D - D_G|^2 / E|D_G - x0|^2: a start at s
 * that takes one for the other errs by this share of the variance that s leaves to be decided. The
 * D of a network is not exact. Of |D - D_G|^2 one cannot tell whose error it is, and for networks
 * it never vanishes: where the noise is high they are worse than the Gaussian, and the value, < 0
 * there, says so.
 *   sigma  increasing, > 0, per real component; value at most 1; count >= 2, or 0: not known */
typedef struct scry_gaussian_gap {
    size_t count;
    const double *sigma, *value;
} scry_gaussian_gap;

/* The least level from which on the gap stays at or below `amount`, linear in log sigma
 * between entries: sigma[0] where that holds everywhere, the last where it does not hold even
 * there. count >= 2. */
double scry_gaussian_gap_switch(const scry_gaussian_gap *d, double amount);
/* At a level > 0, interpolated likewise; beyond the ends theirs. */
double scry_gaussian_gap_at(const scry_gaussian_gap *d, double sigma);

#endif
