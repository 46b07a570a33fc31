#ifndef SCRY_APPS_RECON_IMAGE_NOISE_H
#define SCRY_APPS_RECON_IMAGE_NOISE_H

#include "lib/api.h"
#include "lib/stats/noise_identify.h"

#include <stdbool.h>

SCRY_BEGIN

/* The noise of an image: as the user describes it, or estimated from the image. */

typedef enum scry_noise_choice {
    SCRY_NOISE_AS_GIVEN = 0, /* `sigma`, else the camera of `gain`; where neither is given,
                                estimated if the image is blurred and exact if it only has holes */
    SCRY_NOISE_ESTIMATED,    /* unless `sigma` is given */
    SCRY_NOISE_EXACT         /* unless `sigma` or `gain` is given: pixels have negligible noise */
} scry_noise_choice;

/* All zeros: nothing is given. */
typedef struct scry_noise_request {
    scry_noise_choice choice;
    double sigma;                        /* sd of Gaussian noise, unit of the file; 0: not given */
    double gain;                         /* of a camera, e-/ADU; 0: not given */
    double offset, read_noise;           /* ADU, e- */
    bool offset_known, read_noise_known; /* an estimate uses these values; otherwise it finds them
                                          */
    double excess; /* factor on the variance that is estimated, for errors that no estimate of the
                      image explains (judge.h); 0: 1 */
    scry_noise_treatment treatment; /* as found before (the psf includes it); name NULL: none */
    double background; /* uniform, not part of the image: e- for a camera, else unit of the file */
} scry_noise_request;

SCRY_END

#include "apps/recon/image/image.h"
#include "apps/recon/log.h"
#include "apps/recon/transfer.h"
#include "operators/likelihood.h"

/* EINVAL: a number that is not finite, or a negative sigma, gain or read noise. */
scry_status scry_noise_request_check(const scry_noise_request *request, scry_error *err);

/* The noise model of an image (unit of the file). An estimate comes from the image itself
 * (lib/stats/noise_identify.h): the camera's photon transfer where the image shows it, else white
 * Gaussian noise of the power that the noise has in the passband of the optics; the findings are
 * logged.
 *   model     the estimate, all zeros where nothing was estimated; NULL: not wanted
 *   known     0: a pixel that holds no measurement; NULL: all do
 *   transfer  of the optics, in the plane; NULL: the image is not blurred
 * errors  EINVAL: an image too small to estimate from; an offset or a background above the
 *         brightest pixel, or noise larger than the range of all pixels: mistakes of unit or sign
 */
scry_status scry_noise_choose(scry_noise *out, scry_noise_model *model,
                              const scry_noise_request *request, const scry_image *image,
                              const unsigned char *known, const scry_transfer *transfer,
                              const scry_log *log, scry_error *err);

/* The noise of the larger part of a split that holds back `share` of the light
 * (lib/stats/fission.h): its variance is larger by 1 / (1 - share). In electrons of a gain that is
 * smaller by as much, counts still have the variance of their mean. */
scry_noise_request scry_noise_seen(const scry_noise *noise, double share);

/* File unit -> physical (electrons for a camera; background removed) and back. */
double scry_noise_to_physical(const scry_noise *n, double value);
double scry_noise_to_file(const scry_noise *n, double value);
double scry_noise_scale_to_file(const scry_noise *n); /* of differences and standard deviations */

#endif
