#ifndef SCRY_PRIORS_AFFINE_H
#define SCRY_PRIORS_AFFINE_H

#include "priors/prior.h"

/* A prior in another intensity unit: u = scale x + shift is the variable of the inner prior, x that
 * of the new one,
 *
 *   D'(x; s) = (D(scale x + shift; scale s) - shift) / scale,   dD'/dx = dD/du,
 *   prox'_t(v) = (prox_{scale^2 t}(scale v + shift) - shift) / scale,   value'(x) = value(u),
 *
 * and the range of sigma is divided by scale. Scale 2 and shift -1 turn a network trained on [-1,
 * 1] into a prior of images in [0, 1]. inner belongs to the new prior on success, and stays the
 * caller's on failure. EINVAL: scale not > 0 or not finite, shift not finite; ENOMEM. */
scry_status scry_affine_prior_create(scry_prior **out, scry_prior *inner, double scale,
                                     double shift, scry_error *err);

#endif
