#ifndef SCRY_PRIORS_PERPLANE_H
#define SCRY_PRIORS_PERPLANE_H

#include "lib/api.h"
#include "priors/prior.h"

SCRY_BEGIN

/* Applies a prior of one plane to each plane of a larger space, as if the planes were independent:
 * a 2-D network on the channels or the z-slices of (channel, z, y, x). denoise, vjp, prox and value
 * are those of the inner prior, plane by plane; the value is their sum.
 *
 * inner    belongs to the new prior on success, stays the caller's on failure
 * space    ends in the dims of the inner space (without its leading ones) and has the same kind;
 * ESHAPE otherwise
 * workers  planes at a time, each with the inner prior's work and one thread; 1 leaves the threads
 *          to the inner prior. Results do not depend on it if those of the inner prior do not
 *          depend on threads.
 * EINVAL: workers outside 1..64; ENOMEM */
scry_status scry_perplane_create(scry_prior **out, const scry_space *space, scry_prior *inner,
                                 size_t workers, scry_error *err);

SCRY_END

#endif
