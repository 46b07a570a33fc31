#ifndef SCRY_OPERATORS_BLUR_H
#define SCRY_OPERATORS_BLUR_H

#include "lib/api.h"
#include "operators/op.h"
#include "operators/window.h"

SCRY_BEGIN

/* Convolution with a point spread function h of rank 1, 2 or 3, whose centre c is at dims/2 rounded
 * down on each axis, over the last axes of the image; leading axes are independent images.
 *
 *   y[i] = sum_k h[k] x[i + c - k]
 *
 *   SCRY_PERIODIC  dom == cod == image, indices taken modulo the image; the SVD is known.
 *   SCRY_OPEN      light enters from outside the field of view: x lives on a domain that covers
 *                  everything from which light reaches the image (scry_blur_domain), y on the
 *                  image. A 1 = sum(h) everywhere: no dark frame, no wrap-around.
 *   SCRY_JOINED    as open, but opposite edges share one margin: an entry beyond one edge is also
 *                  beyond the other. The margin is long enough that no pixel of the image receives
 *                  light from another one through it, and the domain is half a psf shorter.
 * h is not rescaled: normalise it where A 1 = 1 is wanted. Real images only. */
typedef enum scry_boundary { SCRY_PERIODIC = 0, SCRY_OPEN, SCRY_JOINED } scry_boundary;

/* The domain of a blur and the image's place in it. Each blurred axis of k psf entries has at least
 * image + k - 1 entries (open) or image + k/2 (joined), rounded up to a size that transforms fast;
 * the last two axes to a multiple of `multiple` (as a network needs; 1 where there is none). The
 * surplus is split between both sides. Periodic: the image itself.
 *   psf     at most 2 n - 1 entries on an axis of n pixels (no two pixels of the image are farther
 *           apart); periodic: at most n
 * errors  ESHAPE: not spaces, psf of another rank than 1 to 3 or of more axes than the image, psf
 *         too long on an axis; EINVAL: multiple 0 or with a factor beyond 2, 3, 5, 7;
 *         EUNSUP: complex */
scry_status scry_blur_domain(scry_window *out, const scry_space *image, const scry_space *psf,
                             scry_boundary boundary, size_t multiple, scry_error *err);

typedef struct scry_blur_params {
    const float *psf; /* not kept: its transform is */
    scry_space psf_space;
    scry_boundary boundary;
    size_t multiple; /* as above; 0: 1; periodic: ignored */
} scry_blur_params;

/* errors  those of scry_blur_domain, and EINVAL: an entry of the psf is not finite, all are 0;
 *         ENOMEM
 * The coefficients of the SVD are the real Hartley transform of the image, in its shape:
 * V^T x = (Re - Im) F x / sqrt(N), values = |F h|. */
scry_status scry_blur_create(scry_op **out, const scry_space *image, const scry_blur_params *params,
                             scry_error *err);

SCRY_END

#endif
