#ifndef SCRY_PRIORS_PADDED_H
#define SCRY_PRIORS_PADDED_H

#include "lib/api.h"
#include "priors/prior.h"

SCRY_BEGIN

/* Applies a prior of a larger grid to a smaller one, so that a network that needs multiples of 32
 * can denoise a 37 x 53 image: with E the extension by whole-sample reflection (c b | a b c | b a),
 * the image in the middle, and R the crop back,
 *
 *   D'(x; s) = R D(E x; s),   dD'/dx^T v = E^T dD/dx^T R^T v.
 *
 * A reflection rather than zeros: the border keeps its intensity and texture, and the noise keeps
 * its level. It approximates the marginal prior, since mirrored noise is not independent; therefore
 * there is no prox and no value. */

/* The space with each of its last `axes` dims rounded up to `multiple` (> 0). EINVAL: multiple 0,
 * axes outside 1..rank; ESHAPE: the result overflows. */
scry_status scry_padded_space(scry_space *out, const scry_space *space, int axes, size_t multiple,
                              scry_error *err);

/* `inner` belongs to the new prior on success and stays the caller's on failure. `space` has the
 * rank and the kind (real, complex) of the inner space and no dim larger than the inner one:
 * ESHAPE. EUNSUP: inner cannot denoise; ENOMEM. */
scry_status scry_padded_create(scry_prior **out, const scry_space *space, scry_prior *inner,
                               scry_error *err);

SCRY_END

#endif
