#ifndef SCRY_APPS_RECON_IMAGE_IMPROVEMENT_H
#define SCRY_APPS_RECON_IMAGE_IMPROVEMENT_H

#include "lib/api.h"
#include "lib/stats/fission.h"

SCRY_BEGIN

/* The result of testing whether deblurring can improve an image (apps/recon/image/improvable.h). */

typedef enum scry_improvement_verdict {
    SCRY_IMPROVABLE = 0,
    SCRY_ONLY_NOISE,      /* the two halves of the data share no structure */
    SCRY_SHARPER_THAN_PSF /* the image itself predicts held-out data better than any estimate
                             blurred by the psf: it is sharper than the psf allows
                           */
} scry_improvement_verdict;

typedef struct scry_improvement {
    scry_improvement_verdict verdict;
    double detail;       /* evidence of structure, in standard errors under noise alone */
    double detail_width; /* px: sd of the Gaussian that shows it best */
    scry_margin misfit;  /* structure that the blurred estimate misses, in variances of a pixel, and
                            its standard error over windows. NaN: not asked */
    double own_misfit;   /* the same for the image itself, blurred */
    char line[240];      /* "" or why deblurring gains nothing */
} scry_improvement;

SCRY_END

#endif
