#ifndef SCRY_PRIORS_COMPLEX_H
#define SCRY_PRIORS_COMPLEX_H

#include "priors/prior.h"

/* Priors of complex images (y, x) from priors of real ones. sigma is per real component, as
 * everywhere: complex noise CN(0, s^2), E|n|^2 = s^2, has sigma = s / sqrt(2). */

/* u = r + i q with r and q independent: r has the prior `real`, q the prior `imaginary`. With the
 * phase of the image taken into the coil maps, r is its magnitude (and sign) and q what the phase
 * map got wrong: a prior of small variance. Both belong to the new prior on success. When both are
 * Gaussian (priors/gaussian.h), so is the result: scry_gaussian_apply and _mean work on it.
 * errors  ESHAPE: spaces differ or are complex; ENOMEM */
scry_status scry_complex_create(scry_prior **out, scry_prior *real, scry_prior *imaginary,
                                scry_error *err);

/* A prior of two channels (2, y, x) as one of complex (y, x): channel 0 re, channel 1 im.
 * errors  ESHAPE: not (2, y, x) real; ENOMEM */
scry_status scry_channels_create(scry_prior **out, scry_prior *inner, scry_error *err);

#endif
