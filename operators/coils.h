#ifndef SCRY_OPERATORS_COILS_H
#define SCRY_OPERATORS_COILS_H

#include "lib/status.h"

#include <complex.h>
#include <stddef.h>

/* Preparation of the channels of an MR scanner before an image is reconstructed. Arrays are (coils,
 * n) complex: n entries a coil, whatever their shape.
 *
 * Noise convention, everywhere in scry: after whitening a sample has E|n|^2 = 1, so the real and
 * the imaginary part each have standard deviation 1/sqrt(2), which is the sigma of a likelihood. */

/* Psi[a][b] = sum noise_a conj(noise_b) / (n - 1), row-major; times ratio (bandwidths of image and
 * noise scans). EINVAL: n <= coils, ratio not positive; ENUMERIC */
scry_status scry_noise_covariance(double complex *psi, const float complex *noise, size_t coils,
                                  size_t n, double ratio, scry_error *err);

/* Psi from k-space itself, for files without a noise scan: the samples farthest from the centre,
 * where there is hardly any signal. mask (y, x). Robust against the signal that remains (the source
 * explains how; the test measures the bias). EINVAL: too few samples */
scry_status scry_noise_from_kspace(double complex *psi, const float complex *kspace,
                                   const unsigned char *mask, size_t coils, size_t ny, size_t nx,
                                   scry_error *err);

/* data <- L^-1 data with Psi = L L^H (Cholesky), in place. ENUMERIC: Psi is not positive definite
 * (a dead coil is named). */
scry_status scry_whiten(float complex *data, const double complex *psi, size_t coils, size_t n,
                        scry_error *err);

/* Virtual coils: the leading left singular vectors of the calibration data (coils, n), as a (keep,
 * coils) row-major matrix with orthonormal rows: white noise stays white. energy, may be NULL,
 * (coils): share of the energy in the first k + 1. Buehrer et al. 2007, MRM 57:1131; Huang et al.
 * 2008. */
scry_status scry_compression(float complex *matrix, double *energy, size_t keep,
                             const float complex *calibration, size_t coils, size_t n,
                             scry_error *err);
/* out (keep, n) = matrix (keep, coils) data (coils, n); no aliasing */
void scry_compress(float complex *out, const float complex *matrix, size_t keep,
                   const float complex *data, size_t coils, size_t n);

/* Root sum of squares over coils: out[n]; Roemer et al. 1990. */
void scry_rss(float *out, const float complex *images, size_t coils, size_t n);

#endif
