#ifndef SCRY_APPS_RECON_IMAGE_KNOWN_H
#define SCRY_APPS_RECON_IMAGE_KNOWN_H

#include "apps/recon/image/image.h"
#include "apps/recon/log.h"
#include "lib/status.h"

/* Which pixels of an image the instrument measured: those that the user says, without defects. */

typedef enum scry_defect_choice {
    SCRY_DEFECTS_AUTO = 0, /* saturated where the image is blurred, since light of a saturated pixel
                              is missing all around it; else none */
    SCRY_DEFECTS_KEEP,     /* all pixels count as measured */
    SCRY_DEFECTS_SATURATED, /* saturated ones do not */
    SCRY_DEFECTS_ALL        /* nor hot and dead ones, lines and blocks (operators/defects.h) */
} scry_defect_choice;

/* known[i] = 1 where image pixel i was measured, else 0. *excluded: defects found, also where the
 * image's own mask leaves them out already. What was left out is logged.
 * errors  EINVAL: no pixel is known; ENOMEM */
scry_status scry_known_find(unsigned char *known, size_t *excluded, const scry_image *image,
                            scry_defect_choice choice, bool blurred, const scry_log *log,
                            scry_error *err);

/* Makes an image finite: pixels that are NaN or infinite count as not measured. Where the image has
 * some, its pixels become *pixels and its mask *known (both from scry_alloc, the caller's; NULL
 * where all are finite): a pixel that was not measured gets the value of the mirror image of its
 * place about the nearest one that was, so that statistics of the whole, such as an estimate of the
 * noise, find what they find elsewhere. A plane without any takes another plane's. What was found
 * is logged. errors  EINVAL: no pixel is finite and measured; ENOMEM */
scry_status scry_known_repair(scry_image *image, float **pixels, unsigned char **known,
                              const scry_log *log, scry_error *err);

#endif
