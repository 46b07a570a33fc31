#ifndef SCRY_DATASETS_SCANNER_H
#define SCRY_DATASETS_SCANNER_H

#include "lib/api.h"
#include "lib/status.h"

#include <stddef.h>
#include <stdint.h>

#ifndef __cplusplus
#include <complex.h>
#endif

SCRY_BEGIN

/* A simulated MR scanner: k-space with a known truth. Arrays (coils, ny, nx); the centred unitary
 * Fourier convention of operators/fourier.h, pixel floor(n/2) at the middle of the field of view:
 * pixel j lies at r = (j - floor(n/2)) / n. */

/* Sensitivities of `coils` receive coils,
 *
 *   S_c(r) = sum_pq a_c[q][p] exp(pi i (p r_x + q r_y)),   p, q = -ORDER .. ORDER,
 *
 * of period twice the field of view, so that nothing wraps. They are fitted by least squares, in
 * the plane of the image, to the field of loops on a ring around it, whose places, phases and gains
 * vary with seed: a function of (coils, seed) alone, so that any two grids see the same coils.
 *   maps          (coils, ny, nx), or NULL
 *   coefficients  (coils, TERMS), a_c[q][p] with p fastest, or NULL
 * sum_c |S_c|^2 has its maximum 1 on the grid of the fit (33 x 33 points from edge to edge).
 * EINVAL: coils 0 or over 64; ESHAPE: a side of 0; ENOMEM */
enum { SCRY_SCANNER_ORDER = 3, SCRY_SCANNER_TERMS = 49 /* (2 ORDER + 1)^2 */ };
scry_status scry_scanner_coils(scry_complex *maps, scry_complex_double *coefficients, size_t coils,
                               size_t ny, size_t nx, uint64_t seed, scry_error *err);

/* Exact k-space of the head of Shepp & Logan, as wide as the field of view, received by those
 * coils:
 *
 *   X_c[k] = sqrt(ny nx) sum_pq a_c[q][p] H(k - (p, q)/2),
 *   H(k) = sum_e v a b J1(2 pi s)/s exp(-2 pi i k.r0),  s^2 = (a k.u)^2 + (b k.v)^2
 *
 * with the ellipses' values v, half axes a, b along u, v and centres r0 in fields of view (Koay,
 * Sarlls & Ozarslan 2007, MRM 58:430, Eq. 6). There is no grid of pixels before the transform:
 * images have the truncation artefacts of a scanner, and no others. Values of the object are 0..1.
 * coefficients NULL: one homogeneous coil, and coils is 1.
 * ESHAPE: a side of 0; EINVAL: coils; ENOMEM */
scry_status scry_scanner_shepp_logan(scry_complex *kspace, const scry_complex_double *coefficients,
                                     size_t coils, size_t ny, size_t nx, scry_error *err);

/* kspace[c] = F S_c x of a complex image (ny, nx), which may not alias. maps NULL: one homogeneous
 * coil, and coils is 1. EINVAL, ENOMEM */
scry_status scry_scanner_image(scry_complex *kspace, const scry_complex *image,
                               const scry_complex *maps, size_t coils, size_t ny, size_t nx,
                               scry_error *err);

/* A smooth phase, as field inhomogeneity and flow leave it: image <- image exp(i phi), phi a sum of
 * six plane waves of at most one period over the field of view, scaled so that the largest |phi| on
 * the grid is `radians`. */
void scry_scanner_phase(scry_complex *image, size_t ny, size_t nx, double radians, uint64_t seed);

/* kspace += sigma n, E|n|^2 = 1: sigma / sqrt(2) per real component. Entry i draws element first +
 * i of the stream of seed, so that each slice of a volume has its own noise. */
void scry_scanner_noise(scry_complex *kspace, size_t n, double sigma, uint64_t seed, size_t first);

SCRY_END

#endif
