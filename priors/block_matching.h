#ifndef SCRY_PRIORS_BLOCK_MATCHING_H
#define SCRY_PRIORS_BLOCK_MATCHING_H

#include "lib/status.h"

#include <stddef.h>

/* Denoising by block matching and collaborative filtering (Dabov, Foi, Katkovnik, Egiazarian 2007,
 * IEEE Trans. Image Process. 16:2080): similar 8 x 8 blocks are stacked and transformed together
 * (cosines in the plane, Haar along the stack), small coefficients are set to zero, and the blocks
 * are averaged where they overlap; then once more with the Wiener filter of that first estimate.
 * The classical method that denoising networks are measured against: on four held-out crops it is
 * .14, .04 and .08 dB below the authors' program at noise of .05, .2 and .8 (images of range 2).
 *
 *   in     ny x nx, white Gaussian noise of sd sigma > 0 in it; out == in allowed
 * errors  EINVAL: sigma; ESHAPE: a side below 16; ENOMEM */
scry_status scry_block_matching(float *out, const float *in, size_t ny, size_t nx, double sigma,
                                scry_error *err);

#endif
