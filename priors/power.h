#ifndef SCRY_PRIORS_POWER_H
#define SCRY_PRIORS_POWER_H

#include "priors/gaussian.h"

/* The radial power spectrum of an image from a blurred, noisy measurement of it, for the stationary
 * Gaussian prior: y = h * x + n, n white of variance v, |H(f)|^2 radial and H(0) = 1, so
 *
 *   E P_y(f) = |H(f)|^2 S(f) + v.
 *
 * P_y is the periodogram under a Hann window (without it, a border that does not wrap leaks as
 * f^-2; where all light lies at borders, that of the mirrored image), averaged over rings of equal
 * |f| and over leading axes. S starts from A (f0^2 + f^2)^(-alpha/2) fitted by Whittle's likelihood
 * and alpha ~ N(3, 1), which needs no threshold where noise dominates; then each ring corrects it
 * by its log ratio to the fit, shrunk by the ratio of its standard error to 0.5, and the result is
 * made smooth and non-increasing. Where |H| is small, S is therefore the continuation of the fit,
 * never (P_y - v) / |H|^2. The mean is the mean of y. Whittle 1953; Pawitan & O'Sullivan 1994
 * (Whittle fits). */
typedef struct scry_power_model {
    double noise;               /* v >= 0, variance per pixel, the unit of y squared */
    scry_spectrum_fn *transfer; /* |H(f)|^2 at radial f, 0..1; NULL: 1, a sharp image */
    void *ctx;                  /* for transfer */
} scry_power_model;

/* *out: a table of 64 entries, released by scry_radial_free, in the unit of scry_radial. y:
 * `space`, real; rank as in scry_gaussian_create; model NULL: no blur, no noise.
 * EINVAL: rank, noise < 0 or not finite, a transfer outside 0..1, fewer than 8 pixels along every
 * axis, a constant image; ENUMERIC: y not finite; EUNSUP: complex; ESHAPE: a bad space; ENOMEM. */
scry_status scry_power_estimate(scry_radial *out, const scry_space *space, int rank, const float *y,
                                const scry_power_model *model, scry_error *err);
void scry_radial_free(scry_radial *radial);

#endif
