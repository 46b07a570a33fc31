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

/* Psi from samples that hold signal too, data (coils, ny, nx), in k-space, in the image or between
 * them: from tiles of them in which there is hardly any signal (the source explains how). mask (y,
 * x), NULL: all; places where no coil has anything but 0 do not count. independent: share of the
 * samples that are, where they were interpolated; 1 where all are. *used: share of the samples that
 * Psi is from. EINVAL: too few samples; ENUMERIC: not finite, or a dead coil */
scry_status scry_noise_from_quiet(double complex *psi, double *used, const float complex *data,
                                  const unsigned char *mask, size_t coils, size_t ny, size_t nx,
                                  double independent, scry_error *err);
/* The same of k-space as it is, for files without a noise scan. */
scry_status scry_noise_from_kspace(double complex *psi, const float complex *kspace,
                                   const unsigned char *mask, size_t coils, size_t ny, size_t nx,
                                   scry_error *err);
/* How sure a covariance from windows is. */
typedef struct scry_noise_certainty {
    double reach;  /* power of what was taken for noise nearer to the middle over that farther out:
                      more than 1 where signal is left in it; NaN: too few samples to say */
    double spread; /* relative standard deviation of its standard deviations, by the number of
                      samples that it comes from */
} scry_noise_certainty;

/* Psi of the noise from what neighbouring samples say of one another (the source explains how):
 * also where signal reaches every sample, if several coils see it or it leaves a part of the field
 * of view empty. psi: one to whiten by, in; that of the noise, out. EINVAL: no windows of samples
 * in which signal could cancel, psi is as it was; ENUMERIC, ENOMEM */
scry_status scry_noise_from_windows(double complex *psi, scry_noise_certainty *how,
                                    const float complex *kspace, const unsigned char *mask,
                                    size_t coils, size_t ny, size_t nx, scry_error *err);
/* The factor from psi to the noise of k-space: the least eigenvalue of the covariance of its
 * quietest tiles, of coils whitened by psi. Signal that several coils share raises some of the
 * eigenvalues, a receiver's filter, which psi from the margins of an image has seen, all alike. The
 * least one of n samples of white noise, (1 - sqrt(C/n))^2, is divided out (Marchenko & Pastur
 * 1967). For two coils and more. Errors as above. */
scry_status scry_noise_floor(double *floor, const double complex *psi, const float complex *kspace,
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

/* W (coils, coils), Hermitian, that whitens by noise of E|n|^2 = 1 in every coil and by what a
 * model has left of samples, residual (coils, n), beside it: the directions of the coils whose
 * residual has more than the median power m are shrunk to it, W = V diag(min(1, sqrt(m / e))) V^H,
 * V diag(e) V^H = residual residual^H / n. A fit leaves less than the noise: m is taken for 1/2
 * to 1. Coils that are 0 do not count. *largest: sqrt(e / m) of the direction that is shrunk most,
 * 1 or more. EINVAL; ENUMERIC */
scry_status scry_whitening_of_residual(float complex *matrix, double *largest,
                                       const float complex *residual, size_t coils, size_t n,
                                       scry_error *err);

/* Root sum of squares over coils: out[n]; Roemer et al. 1990. */
void scry_rss(float *out, const float complex *images, size_t coils, size_t n);

#endif
