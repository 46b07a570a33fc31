#ifndef SCRY_PRIORS_TILED_H
#define SCRY_PRIORS_TILED_H

#include "lib/api.h"
#include "priors/prior.h"

SCRY_BEGIN

/* Applies a prior of windows to a larger image: windows cover the image, each is denoised on its
 * own, and the results are blended,
 *
 *   D'(x; s) = sum_i R_i^T w_i D(R_i x; s),   dD'/dx^T v = sum_i R_i^T dD/dx(R_i x)^T (w_i R_i v),
 *
 * R_i the crop to window i and sum_i R_i^T w_i = 1. Along an axis the windows are spread evenly; in
 * an overlap of o pixels the outer quarter of each window, where its surroundings are missing, has
 * weight 0, and in between the weight rises as sin^2. Away from the borders of the windows by more
 * than the reach of the prior the result is that of the prior on the whole image.
 *
 * Measured with the microscopy network, 384 x 384 in windows of 128: the rms difference to the
 * whole image is 0.0005, 0.003, 0.008, 0.04 at sigma 0.05, 0.3, 1, 5 with overlap 64 (25 windows)
 * and 0.0014, 0.006, 0.014, 0.05 with 32 (16 windows); the error of the denoiser itself is 0.05,
 * 0.12, 0.17, 0.34.
 *
 * The memory grows with the number of workers, not with the image. There is no prox and no value:
 * blending would not be exact. */

/* inner    prior of a window; belongs to the new prior on success, stays the caller's on failure
 * space    same rank and kind, no dim smaller than the window: ESHAPE (priors/padded.h pads)
 * overlap  the smallest number of pixels that neighbouring windows share, along axes where the
 *          window is smaller than the image and longer than 1; EINVAL unless < window
 * workers  windows at a time, each with the inner prior's work and one thread; 1 leaves the threads
 *          to the inner prior. Results do not depend on it if those of the inner prior do not
 *          depend on threads.
 * EINVAL: workers outside 1..64; EUNSUP: inner cannot denoise; ENOMEM */
scry_status scry_tiled_create(scry_prior **out, const scry_space *space, scry_prior *inner,
                              size_t overlap, size_t workers, scry_error *err);

/* The number of windows: calls of the inner prior for one call of this one. */
size_t scry_tiled_count(const scry_prior *P);

SCRY_END

#endif
