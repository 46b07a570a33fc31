#ifndef SCRY_OPERATORS_SCALE_H
#define SCRY_OPERATORS_SCALE_H

#include "lib/status.h"

#include <complex.h>
#include <stddef.h>

/* The unit of intensity of an MR image, from its measured samples alone: images divided by it have
 * bright tissue near 1 whatever the scanner's gain, so that weights of penalties, lambda, mean the
 * same for every file. The rule is that of BART's pics (Uecker et al. 2015, Proc. ISMRM 23:2486),
 * so that lambda agrees with published values:
 *
 *   the fully sampled block around the centre of k-space, at most 32 x 32, of every coil -> small
 *   images -> root sum of squares over coils, as bright as images of all samples:
 *   r = sqrt(sum_c |F^-1 block_c|^2) sqrt(n_block / N)
 *   *scale = p90(r) where max(r) - p90(r) < 2 (p90(r) - median(r)), else max(r)
 *
 * with F unitary: bright spots of a few pixels have no influence unless nearly everything else is
 * dark. Where the block has fewer than 8 lines along an axis it is too small, and the middle 32 x
 * 32 samples are used, with the zeros between them. Multiply the data by c and the scale is |c|
 * times as large.
 *
 * kspace  (coils, ny, nx), origin at floor(n / 2), 0 in all coils where not measured
 * axes    SCRY_FOURIER_Y | SCRY_FOURIER_X (operators/fourier.h): an axis that is left out is in the
 *         image domain already, and used in full
 * errors  EINVAL: a size of 0, or axes 0 or unknown; ENUMERIC: the middle is 0 throughout, or not
 *         finite; ENOMEM */
scry_status scry_kspace_scale(double *scale, const float complex *kspace, size_t coils, size_t ny,
                              size_t nx, unsigned axes, scry_error *err);

#endif
