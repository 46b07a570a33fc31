#ifndef SCRY_LIB_STATS_NOISE_H
#define SCRY_LIB_STATS_NOISE_H

#include "lib/api.h"
#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>

SCRY_BEGIN

/* Noise of an image, estimated from the image. Both work on the residual of the 3 x 3 operator
 * [1 -2 1]' [1 -2 1] / 6, which removes planes and keeps the variance of white noise (Immerkaer
 * 1996, CVIU 64:300). They assume noise that is independent between pixels: an image that was
 * filtered, resampled or compressed looks cleaner than it is.
 *
 *   image  planes x ny x nx values, ny and nx >= 3 (camera: >= 16)
 *   errors ESHAPE: too small; ENUMERIC: NaN or infinite; ENOMEM */

/* *sigma = median |residual| / 0.6745, in the unit of the image (Donoho & Johnstone 1994,
 * Biometrika 81:425, with this residual). EINVAL: more than half of the residuals are 0 (constant
 * or coarsely rounded image), which leaves nothing to estimate from. */
scry_status scry_noise_sigma(double *sigma, const float *image, size_t planes, size_t ny, size_t nx,
                             scry_error *err);

/* Parameters of a camera that are known beforehand; NAN: not known. */
typedef struct scry_camera_known {
    double gain, offset, read_noise;
} scry_camera_known;

typedef struct scry_camera_estimate {
    double gain;                    /* e-/ADU */
    double gain_low, gain_high;     /* two standard errors about it */
    double offset;                  /* ADU */
    double offset_low, offset_high; /* every value in here explains the image equally well */
    double read_noise;              /* e-: the one that goes with `offset` */
    double slope, intercept;        /* of the variance: slope * mean + intercept (ADU^2) */
    double slope_error;
    bool gain_found;     /* false: do not use any of it; note says why */
    bool offset_assumed; /* offset chosen inside its interval by an assumption */
    char note[256];      /* one sentence for the user, never empty */
} scry_camera_estimate;

/* Gain and offset from one image of raw camera counts, by the photon transfer relation
 *   var(y) = (mean(y) - offset) / gain + (read_noise / gain)^2        [ADU^2]
 * fitted to blocks of 8 x 8 pixels by weighted least squares with outlying blocks (edges, texture)
 * down-weighted: the model of Foi et al. 2008, IEEE TIP 17:1737, Eq. 2. Blocks with clipped pixels
 * are left out.
 *
 * The line has two numbers and the camera three. One image cannot separate offset and read noise:
 * offset_low (no read noise) .. offset_high (the darkest blocks receive no light) are equivalent.
 * Give offset or read_noise in `known` (may be NULL) if there is a data sheet; otherwise a read
 * noise of 1.5 e-, usual for scientific cameras, is assumed where the interval allows it.
 *
 * How close: ten crops of 128 x 128 pixels of blurred cells, gain 0.5 e-/ADU, offset 100 ADU, read
 * noise 1.5 e-, nothing known: the gain was within 5 % for 7, 8 and 9 of the ten at a peak of 20,
 * 100 and 1000 electrons and the offset within 5 ADU for 27 of the 30. A crop of nearly one
 * brightness does not determine its gain: look at gain_low and gain_high before trusting it.
 *
 * An image that does not determine them (no range of brightness, noise that does not grow with
 * brightness) is not an error: gain_found is false and note says why. */
scry_status scry_noise_camera(scry_camera_estimate *out, const float *image, size_t planes,
                              size_t ny, size_t nx, const scry_camera_known *known,
                              scry_error *err);

SCRY_END

#endif
