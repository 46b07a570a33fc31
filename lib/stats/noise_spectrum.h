#ifndef SCRY_LIB_STATS_NOISE_SPECTRUM_H
#define SCRY_LIB_STATS_NOISE_SPECTRUM_H

#include "lib/api.h"

SCRY_BEGIN

/* How the power of stationary noise is spread over frequencies.
 *
 * A table of N(fy, fx) on a grid of 1/32 cycles per pixel, its mean over the square
 * [-1/2, 1/2)^2 equal to 1: noise of variance v has the spectrum v N, and white noise N = 1. The
 * table covers fx >= 0; N(-f) = N(f). A plain value: copy it, no destructor. */
enum { SCRY_SPECTRUM_ROWS = 33, SCRY_SPECTRUM_COLUMNS = 17 };

typedef struct scry_noise_spectrum {
    double power[SCRY_SPECTRUM_ROWS]
                [SCRY_SPECTRUM_COLUMNS]; /* fy = (row - 16)/32, fx = column/32 */
} scry_noise_spectrum;

SCRY_END

#include "lib/status.h"

#include <stddef.h>
#include <stdint.h>

/* |H(f)|^2 of the optics at radial f in cycles per pixel, 0..1. */
typedef double scry_transfer_fn(double f, void *ctx);

void scry_noise_spectrum_white(scry_noise_spectrum *s);

/* N at (fy, fx) cycles per pixel, any real numbers (periodic with 1); bilinear between entries. */
double scry_noise_spectrum_at(const scry_noise_spectrum *s, double fy, double fx);

/* Scales the table so that the mean of N over all frequencies is 1. EINVAL: an entry that is
 * negative or not finite, or no power at all. */
scry_status scry_noise_spectrum_normalise(scry_noise_spectrum *s, scry_error *err);

/* Mean of N weighted by |H|^2 over all frequencies but 0: power of the noise where the signal
 * lives, relative to its variance. transfer NULL: weight exp(-(f / 0.1)^2), the coarse content of
 * any image. */
double scry_noise_spectrum_inband(const scry_noise_spectrum *s, scry_transfer_fn *transfer,
                                  void *ctx);

/* out = sqrt(variance) * g, g stationary Gaussian noise of variance 1 and spectrum N, as a draw
 * of the noise of an image looks like, for fission and for tests of calibration.
 *
 *   out       planes x ny x nx; planes are independent; may alias variance
 *   variance  the same shape, variance per pixel; NULL: 1
 *   seed, chain, step  as in scry_rng_normal
 * g is made by filtering white noise by sqrt(N) on a periodic domain 32 pixels wider than the
 * plane, so opposite borders are independent. Filtering happens before the scaling: for a variance
 * that changes slowly over the length of correlation the local spectrum is variance * N.
 * errors  EINVAL: a negative or non-finite variance; ESHAPE: no pixel; ENOMEM */
scry_status scry_noise_spectrum_draw(float *out, const scry_noise_spectrum *s,
                                     const float *variance, size_t planes, size_t ny, size_t nx,
                                     uint64_t seed, uint32_t chain, uint32_t step, scry_error *err);

#endif
