#ifndef SCRY_PRIORS_WAVELET_H
#define SCRY_PRIORS_WAVELET_H

#include "lib/api.h"
#include "priors/prior.h"

SCRY_BEGIN

/* -log p(u) = |W u|_1, W an orthonormal wavelet transform of the last two axes with periodic
 * boundaries (Daubechies, 4 taps); complex coefficients count by their magnitude; all bands,
 * including the coarsest. Leading axes are independent images. W is orthonormal for every size, so
 * the proximal map is exactly soft thresholding:
 *   prox(v, t) = W^H soft(W v, t),   soft(c, t) = c max(1 - t/|c|, 0)
 * An axis is halved while the half is at least 16, each axis by itself. Where the length is odd,
 * the last sample of every line is kept as a coefficient of its own, and the rest is halved with
 * its ends joined. Daubechies 1988, Commun. Pure Appl. Math. 41:909; Mallat 1989, IEEE TPAMI
 * 11:674.
 * errors  of create  ESHAPE: not a space; ENOMEM */
scry_status scry_wavelet_create(scry_prior **out, const scry_space *space, scry_error *err);

/* c = W u and u = W^H c, c in the space of u: at every level the low band comes first along its
 * axis, then the high band, then the odd sample; the next level is inside the low band. in == out
 * allowed. EINVAL: not a wavelet prior. */
scry_status scry_wavelet_analyse(const scry_prior *W, float *c, const float *u, void *work,
                                 scry_error *err);
scry_status scry_wavelet_synthesise(const scry_prior *W, float *u, const float *c, void *work,
                                    scry_error *err);

SCRY_END

/* prox(v, t) with the transform of the image shifted by (dy, dx) pixels, periodically: averages
 * over random shifts have no block artefacts (cycle spinning: Coifman & Donoho 1995; Figueiredo &
 * Nowak 2003, IEEE TIP 12:906). Shifts count modulo the axis. work: scry_prior_work_bytes(W); z ==
 * v allowed.
 * errors  EINVAL: not a wavelet prior, or t negative or not finite; ENUMERIC: z is not finite */
scry_status scry_wavelet_shrink(const scry_prior *W, float *z, const float *v, double t, size_t dy,
                                size_t dx, void *work, scry_error *err);
/* Shifts of an even axis repeat after this many pixels, 2^levels of the axis with the largest
 * number of levels. 1: the image is too small to be halved, or W is not a wavelet prior. */
size_t scry_wavelet_period(const scry_prior *W);

#endif
