#ifndef SCRY_PRIORS_SLICES_H
#define SCRY_PRIORS_SLICES_H

#include "lib/api.h"
#include "priors/prior.h"

SCRY_BEGIN

/* A prior of planes on a volume (z, y, x) that is cut along another axis at every noise level: the
 * density of a volume is taken as the product of those of its slices in three directions, and each
 * step of a sampler follows the score of one of them, drawn at random (Li et al. 2023,
 * arXiv:2308.08511; Lee et al. 2023, ICCV, arXiv:2303.08440, with two directions). The draw is a
 * function of sigma alone, so that a denoiser stays a function and every chain sees the same
 * sequence. A grid with one spacing in all directions is meant: slices then look alike.
 *
 *   inner[0]  on (z, y, x): planes across z     inner[1]  on (y, z, x): planes across y
 *   inner[2]  on (x, z, y): planes across x     each a prior of its own, as of scry_perplane_create
 *
 * All belong to the new prior on success, and stay the caller's on failure. denoise and vjp are
 * those of the direction that is drawn. errors  ESHAPE: not a real volume, or an inner space that
 * is not as above; EUNSUP: an inner prior that cannot denoise; ENOMEM */
scry_status scry_slices_create(scry_prior **out, const scry_space *space, scry_prior *inner[3],
                               scry_error *err);

/* The direction at this noise level: 0, 1 or 2 as above. */
int scry_slices_direction(float sigma);

SCRY_END

#endif
