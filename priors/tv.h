#ifndef SCRY_PRIORS_TV_H
#define SCRY_PRIORS_TV_H

#include "lib/api.h"
#include "priors/prior.h"

SCRY_BEGIN

/* Isotropic total variation, -log p(u) = lambda sum_i |(Du)_i|, with D the forward differences
 * along the last `rank` axes (1 to 3), each multiplied by its weight, and 0 across the far border.
 * Leading axes are independent copies. Rudin, Osher & Fatemi 1992.
 *
 * The prox is solved in the dual, min over |p_i| <= 1 of |v - lambda t D^T p|^2 / 2, by accelerated
 * projected gradient (Beck & Teboulle 2009, FGP) with restarts (O'Donoghue & Candes 2015). The
 * duality gap is tau sum_i (|Du_i| - <Du_i, p_i>), tau = lambda t, and bounds the error: |u - u*|^2
 * <= 2 gap. It stops when the rms error is below tolerance * min(tau, sd of v) or at `iterations`,
 * whichever comes first. Stopping at `iterations` is not a failure: the result says so, and is the
 * best dual iterate.
 *
 * There is no denoise: the prox is a posterior mode, and D is a posterior mean. */
typedef struct scry_tv_opts {
    double weights[3]; /* of the axes used, slowest first; default 1. Anisotropic voxels: the
                          finest spacing over the spacing of the axis */
    double tolerance;  /* of the prox; default 1e-2 */
    size_t iterations; /* largest number in the prox; default 500 */
} scry_tv_opts;
void scry_tv_opts_init(scry_tv_opts *opts);

/* opts NULL: defaults. EINVAL: lambda <= 0, rank outside 1..min(3, space rank), a weight <= 0,
 * tolerance <= 0, iterations 0; EUNSUP: a complex space; ESHAPE: a bad space; ENOMEM. */
scry_status scry_tv_create(scry_prior **out, const scry_space *space, int rank, double lambda,
                           const scry_tv_opts *opts, scry_error *err);

SCRY_END

#endif
