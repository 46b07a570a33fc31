#ifndef SCRY_DATASETS_SCANNER_H
#define SCRY_DATASETS_SCANNER_H

#include "lib/status.h"

#include <complex.h>
#include <stddef.h>
#include <stdint.h>

/* A simulated MR scanner: k-space with a known truth. Arrays (coils, ny, nx), centred unitary
 * Fourier convention of operators/fourier.h. */

/* Sensitivities of `coils` receive coils around the object: trigonometric polynomials of low order
 * (SCRY_SCANNER_ORDER terms to either side of 0, period twice the field of view, so that nothing
 * wraps), fitted to the field of loops on a ring, as a function of (coils, seed) alone. maps may be
 * NULL or coefficients may be. sum_c |S_c|^2 has maximum 1. EINVAL: coils 0 or over 64. */
enum { SCRY_SCANNER_ORDER = 3, SCRY_SCANNER_TERMS = 49 /* (2 ORDER + 1)^2 */ };
scry_status scry_scanner_coils(float complex *maps, double complex *coefficients, size_t coils,
                               size_t ny, size_t nx, uint64_t seed, scry_error *err);

/* Exact k-space of the head of Shepp & Logan (contrast of Toft) through those coils: the Fourier
 * transforms of its ellipses (Koay, Sarlls & Ozarslan 2007, MRM 58:430), shifted by the terms of
 * the coils' polynomials: no pixel grid, so images have the truncation artefacts of a scanner.
 * coefficients NULL: one homogeneous coil. */
scry_status scry_scanner_shepp_logan(float complex *kspace, const double complex *coefficients,
                                     size_t coils, size_t ny, size_t nx, scry_error *err);

/* kspace = F S x of a complex image (ny, nx). */
scry_status scry_scanner_image(float complex *kspace, const float complex *image,
                               const float complex *maps, size_t coils, size_t ny, size_t nx,
                               scry_error *err);

/* A smooth phase, as field inhomogeneity and flow leave it: image <- image exp(i phi), |phi| up to
 * `radians`. */
void scry_scanner_phase(float complex *image, size_t ny, size_t nx, double radians, uint64_t seed);

/* kspace += sigma n, E|n|^2 = 1: sigma / sqrt(2) per real component. first: number of the first
 * entry, so that slices of one volume have noise of their own. */
void scry_scanner_noise(float complex *kspace, size_t n, double sigma, uint64_t seed, size_t first);

#endif
