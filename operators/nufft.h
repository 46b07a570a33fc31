#ifndef SCRY_OPERATORS_NUFFT_H
#define SCRY_OPERATORS_NUFFT_H

#include "lib/api.h"
#include "operators/op.h"

#ifndef __cplusplus
#include <complex.h>
#endif

SCRY_BEGIN

/* What an MR scanner measures off the grid: radial, spiral, any trajectory, received by one coil or
 * by several.
 *
 *   y_cs = N^(-1/2) sum_m sum_j S_cm[j] x_m[j] exp(-2 pi i k_s . (j - c)),   c_a = floor(n_a / 2)
 *
 * k_s in cycles per pixel: k = (i - c) / n is sample i of the grid of fourier.h, and then this is
 * the same operator. Positions are integers, so k and k + 1 are the same sample.
 *
 * dom   (y, x), or (sets, y, x) with more than one set; complex
 * cod   (coils, samples) complex; a vector (samples) without maps
 *
 * Forward and adjoint interpolate on a grid 1.5 times as fine with a Kaiser-Bessel kernel 8 cells
 * wide (Fessler & Sutton 2003, IEEE TSP 51:560; Beatty et al. 2005, IEEE TMI 24:799): the error is
 * a few 1e-6 of |y|, and the two are adjoints of each other to rounding. The normal A^H A is a
 * convolution of twice the image's size (Wajer & Pruessmann 2001, ISMRM 9:767), which does not
 * depend on the number of samples; it agrees with the adjoint of the forward to the same error.
 * Sums over coils run in a fixed order: results do not depend on threads. */

/* maps and trajectory are copied. */
typedef struct scry_nufft_params {
    const scry_complex *maps; /* (coils, sets, ny, nx); NULL: one channel without a map */
    size_t coils, sets;       /* with maps */
    size_t ny, nx;
    const float *trajectory; /* (samples, 2): ky, kx in cycles per pixel */
    size_t samples;
} scry_nufft_params;

/* errors  ESHAPE: an image of no pixel or of more than 2^25, no sample, no coil, no set; EINVAL: a
 *         coordinate that is not finite, a map that is not finite, or all maps zero; EIO: a library
 *         that cannot be used (scry_nufft_engine); ENOMEM */
scry_status scry_nufft_create(scry_op **out, const scry_nufft_params *params, scry_error *err);

/* The library that the environment variable SCRY_FINUFFT names (a path, or libfinufft.so where the
 * loader finds it): forward and adjoint are its, to 1e-5, and fail with EIO where it does. NULL:
 * they are our own, which is the default, since it is the faster and more accurate one
 * (tests/bench/RESULTS.md). The variable is read once. */
const char *scry_nufft_engine(void);

/* Density compensation: weights[s] is the area of k-space that sample s stands for, in cells of the
 * grid of fourier.h, so that A^H diag(weights) y approximates the image where the trajectory covers
 * all of k-space; a sample taken twice has half the weight. Fixed point w <- w / (C w) of Pipe &
 * Menon 1999 (MRM 41:179), C the convolution with the squared kernel of the interpolation, after
 * `iterations` (15 are usual).
 * errors  as scry_nufft_create; EINVAL: iterations 0 */
scry_status scry_nufft_density(float *weights, const scry_nufft_params *params, size_t iterations,
                               scry_error *err);

SCRY_END

#endif
