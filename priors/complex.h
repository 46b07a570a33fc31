#ifndef SCRY_PRIORS_COMPLEX_H
#define SCRY_PRIORS_COMPLEX_H

#include "lib/api.h"
#include "priors/prior.h"

SCRY_BEGIN

/* Priors of complex images from priors of real ones. sigma is per real component, as everywhere:
 * complex noise CN(0, s^2), E|n|^2 = s^2, has sigma = s / sqrt(2). A prior that receives s instead
 * of sigma treats half of the noise as signal (tests/test_complex.c).
 *
 * The result has the hooks that both inner priors have. When these are Gaussian
 * (priors/gaussian.h), so is the result: scry_gaussian_apply and _mean work on it;
 * scry_gaussian_rank is 0, since one spectrum does not describe both parts. */

/* u = r + i q with r and q independent: r has the prior `real`, q the prior `imaginary`. With the
 * phase of the image taken into the coil maps, r is its magnitude (and sign) and q the error of the
 * phase map: a prior of small variance. Both belong to the new prior on success. They may be the
 * same object, which is then shared. sigma: the range that both support.
 * errors  ESHAPE: spaces differ or are complex; EINVAL: no sigma is in the range of both; ENOMEM */
scry_status scry_complex_create(scry_prior **out, scry_prior *real, scry_prior *imaginary,
                                scry_error *err);

/* A prior of two channels (2, y, x) as one of complex (y, x): channel 0 re, channel 1 im. It
 * belongs to the new prior on success.
 * errors  ESHAPE: not (2, y, x) real; ENOMEM */
scry_status scry_channels_create(scry_prior **out, scry_prior *inner, scry_error *err);

SCRY_END

#endif
