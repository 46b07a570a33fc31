#ifndef SCRY_PRIORS_GAUSSIAN_GAP_H
#define SCRY_PRIORS_GAUSSIAN_GAP_H

#include <stddef.h>

/* How far a prior is from the Gaussian of the same mean and spectrum, by noise level: the share of
 * the Gaussian denoiser's mean square error that the prior's own denoiser avoids,
 *   value(s) = 1 - E|D(x; s) - x0|^2 / E|D_G(x; s) - x0|^2,   x = x0 + s n, x0 images outside the
 *   training set.
 * For the exact D the errors are orthogonal and this is E|D - D_G|^2 / E|D_G - x0|^2: a start at s
 * that replaces D by D_G makes an error of this share of the variance that remains at s. The D of a
 * network is not exact: |D - D_G|^2 does not say which of the two is wrong, and for networks it
 * never vanishes. Where the noise is high, networks are worse than the Gaussian and the value is
 * negative.
 *   sigma  increasing, > 0, per real component; value at most 1; count >= 2, or 0: not known */
typedef struct scry_gaussian_gap {
    size_t count;
    const double *sigma, *value;
} scry_gaussian_gap;

/* The smallest level above which the gap stays at or below `amount`, interpolated linearly in log
 * sigma: sigma[0] if the gap is small enough everywhere, the last entry if it is small enough
 * nowhere. count >= 2. */
double scry_gaussian_gap_switch(const scry_gaussian_gap *d, double amount);
/* The gap at a level > 0, interpolated likewise, and constant beyond the ends. */
double scry_gaussian_gap_at(const scry_gaussian_gap *d, double sigma);

#endif
