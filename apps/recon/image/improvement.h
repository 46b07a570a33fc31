#ifndef SCRY_APPS_RECON_IMAGE_IMPROVEMENT_H
#define SCRY_APPS_RECON_IMAGE_IMPROVEMENT_H

#include "lib/api.h"
#include "lib/stats/fission.h"

SCRY_BEGIN

/* What came of asking an image whether undoing its blur gains anything
 * (apps/recon/image/improvable.h). */

typedef enum scry_improvement_verdict {
    SCRY_IMPROVABLE = 0,
    SCRY_ONLY_NOISE, /* no structure of one half of the light is found again in the other half */
    SCRY_SHARPER_THAN_PSF /* the image predicts held-out light better as it is than any estimate
                             that the psf has blurred: it is sharper than the psf lets an image be
                           */
} scry_improvement_verdict;

typedef struct scry_improvement {
    scry_improvement_verdict verdict;
    double detail;       /* evidence of structure, in standard errors of what noise would show */
    double detail_width; /* px: sd of the Gaussian that shows it best */
    scry_margin misfit;  /* structure that the blurred estimate misses, in variances of a pixel, and
                            its standard error over windows. NaN: not asked */
    double own_misfit;   /* that which the image itself misses, blurred */
    char line[240];      /* "" or why nothing is gained */
} scry_improvement;

SCRY_END

#endif
