#ifndef SCRY_OPERATORS_PSF_WIDTH_H
#define SCRY_OPERATORS_PSF_WIDTH_H

#include "lib/api.h"

#include <stdbool.h>

SCRY_BEGIN

/* Estimates the width of the PSF from the image itself.
 *
 * The PSF h is known except for a factor w of its width, H_w(f) = H(w f). The periodogram of y
 * under a Hann window, averaged over rings of equal |f|, has the mean
 *
 *   S_y(f) = |H_w(f)|^2 c / (f^2 + f0^2)^p + S_n(f)
 *
 * and Whittle's likelihood, -2 log L = 2 sum_rings m (log S_y + I / S_y), m the number of
 * independent frequencies of a ring. c, f0 and p of the specimen are profiled out, p under the
 * prior N(1.3, 0.3^2); so the roll-off of the PSF is distinguished from the slope of the specimen's
 * spectrum. Specimens follow no power law to better than tens of per cent: m is replaced by m / (1
 * + 0.4^2 m), and the interval of the likelihood is widened by 12 %, and by 5 px over the side
 * where that is small and holds few objects (16 % for 32 px). Specimens are themselves images of
 * finite sharpness: 0.2 px^2 is subtracted from the square of the width, and the interval includes
 * the case of a specimen that is smooth over 0.7 px.
 *
 * The images of points and lines are as sharp as the PSF allows, but the edge of a nucleus may
 * itself be soft. Where the specimen's spectrum falls steeper than f^-2.2 in the band in which the
 * PSF starts to act, and for PSFs above 4.3 px or .08 of the side, there is only an upper bound:
 * low is 0. Round objects of equal size without an edge look like points with a wider PSF.
 *
 * The numbers were chosen on training images (57 crops of 128 x 128, 19 kinds, blurred to 0.8 to 4
 * px, peaks of 20 to 30000 electrons). On as many other crops the width is determined for 44 % (2 %
 * at 20 electrons, 62 % from 3000 on); 97 % of those intervals hold the width of the blur, and 90 %
 * of the factors are within 0.8 and 1.4 of it. Sharp points and lines come out 10 % too narrow. The
 * upper end is where -2 log L has risen by 8, so that a right PSF is not called too wide (3 % are;
 * of PSFs a quarter too wide 17 % are called so, of those half too wide 60 %).
 *
 * Whittle 1953, Ark. Mat. 2:423; Field 1987, JOSA A 4:2379 (slopes of image spectra). */

typedef struct scry_psf_width {
    double factor, low, high; /* of the width of the psf: the best value and its interval */
    double sigma;             /* px: of a Gaussian as wide at half maximum as the psf, factor 1 */
    bool determined;          /* the interval is narrow enough to rely on: high / low below 2.4 */
    double slope, knee;       /* p and f0 (cycles/px) that go with the best factor */
} scry_psf_width;

SCRY_END

#include "lib/space.h"
#include "lib/status.h"

/* The noise spectrum S_n at frequency f in cycles/px: white noise of standard deviation s has
 * S_n = s^2. Where s differs from pixel to pixel, S_n is the mean of s^2 under the weights of
 * scry_psf_width_weight: the window looks at the middle, which may be the bright part. Where it is
 * infinite, the frequency tells nothing and is left out (images of an enlargement). Its level is
 * corrected by the rings of the highest frequencies by up to 30 %. */
typedef double scry_psf_width_noise(double f, void *ctx);

/* y: (y, x), or a stack (z, y, x) that is summed over z, as the psf then is; noise is that of one
 * plane. psf: as scry_psf_create and scry_psf_prepare make it, of the same or a lower rank.
 * A field of fewer than 32 pixels on a side, a constant one, one without signal above its noise,
 * and a psf of one pixel carry no information: determined is false, factor 1, low 0, high INFINITY.
 * ESHAPE: complex, or another rank; EINVAL: noise negative or not finite; ENUMERIC: y or psf not
 * finite; ENOMEM. */
scry_status scry_psf_width_estimate(scry_psf_width *out, const float *y, const scry_space *s,
                                    const float *psf, const scry_space *ps,
                                    scry_psf_width_noise *noise, void *ctx, scry_error *err);

/* The weight of pixel (y, x) of a field of ny x nx in the noise of the periodogram: the square of
 * its window. */
double scry_psf_width_weight(size_t y, size_t ny, size_t x, size_t nx);

/* The image contradicts the psf as it was given: it is wider than the image allows, or narrower
 * than an interval that is determined. */
bool scry_psf_width_contradicts(const scry_psf_width *w);

#endif
