#ifndef SCRY_PRIORS_WAVELET_H
#define SCRY_PRIORS_WAVELET_H

#include "priors/prior.h"

/* -log p(u) = |W u|_1, W an orthonormal wavelet transform of the last two axes with periodic
 * boundaries (Daubechies, 4 taps); complex coefficients count by their magnitude; all bands,
 * including the coarsest. Orthonormal, so that the proximal map is soft thresholding, exactly:
 *   prox(v, t) = W^H soft(W v, t)
 * Sizes need not be powers of two: an axis is halved while the half is a whole number of at least
 * 8; an axis that is odd from the start is embedded in the next multiple of 2^levels... (the source
 * states which and why). */
scry_status scry_wavelet_create(scry_prior **out, const scry_space *space, scry_error *err);

/* The same for the transform of the image shifted by (dy, dx) pixels, periodically: averages of
 * random shifts have no blocks (cycle spinning; Figueiredo & Nowak 2003). z == v allowed. EINVAL:
 * not a wavelet prior, or t < 0. */
scry_status scry_wavelet_shrink(const scry_prior *W, float *z, const float *v, double t, size_t dy,
                                size_t dx, void *work, scry_error *err);
/* Shifts repeat after this many pixels along an axis (2^levels). */
size_t scry_wavelet_period(const scry_prior *W);

#endif
