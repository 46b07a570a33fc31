#ifndef SCRY_APPS_RECON_IMAGE_KNOWN_H
#define SCRY_APPS_RECON_IMAGE_KNOWN_H

#include "lib/api.h"

SCRY_BEGIN

/* Which pixels of an image the instrument measured: the pixels of the user's mask, without defects.
 */

typedef enum scry_defect_choice {
    SCRY_DEFECTS_AUTO = 0,  /* where the image is blurred: saturated pixels, since their missing
                               counts would darken the surroundings; hot pixels, if the PSF is too
                               wide for a point to look like one; and padding. Otherwise none */
    SCRY_DEFECTS_KEEP,      /* all pixels count as measured */
    SCRY_DEFECTS_SATURATED, /* saturated pixels do not */
    SCRY_DEFECTS_ALL        /* nor do hot and dead pixels, lines and blocks (operators/defects.h) */
} scry_defect_choice;

SCRY_END

#include "apps/recon/image/image.h"
#include "apps/recon/log.h"
#include "lib/status.h"

/* known[i] = 1 where image pixel i was measured, else 0. The pixels left out are logged.
 *   psf, ps   of the optics, as scry_psf_source_make gives it; NULL: the image is not blurred
 *   outside   1 where a pixel is padding (apps/recon/image/padding.h), else 0; neither it nor two
 *             pixels around it are known. Only AUTO looks for padding
 *   excluded  pixels left out as defects or padding, whether or not the image's own mask leaves
 *   them out too
 * errors  EINVAL: no pixel is known; ENOMEM */
scry_status scry_known_find(unsigned char *known, unsigned char *outside, size_t *excluded,
                            const scry_image *image, scry_defect_choice choice, const float *psf,
                            const scry_space *ps, const scry_log *log, scry_error *err);

/* saturated[i] = 1 where pixel i is at the end of the type, or at a level below it where values
 * pile up (12 bits in a file of 16), else 0; and their number. errors  ENOMEM */
scry_status scry_known_saturated(unsigned char *saturated, size_t *count, const scry_image *image,
                                 scry_error *err);

/* nearest[i]: the index of the measured pixel (known not 0) nearest to pixel i of ny x nx, SIZE_MAX
 * where there is none; of a few pixels, one that is as near but for a part of a pixel (Danielsson
 * 1980, CGIP 14:227). */
void scry_known_nearest(size_t *nearest, const unsigned char *known, size_t ny, size_t nx);

/* Replaces pixels that were not measured (known 0) plane by plane: by the value at the mirror image
 * of their place about the nearest measured pixel, or, in gaps of a few pixels, by the mean of the
 * pixels around; a plane without measured pixels takes the values of another plane. Statistics of
 * the whole image, such as an estimate of the noise, are then not biased.
 * errors  EINVAL: no pixel was measured; ENOMEM */
scry_status scry_known_mirror(float *pixels, const unsigned char *known, const scry_space *space,
                              scry_error *err);

/* Makes an image finite: pixels that are NaN or infinite count as not measured. Where there are
 * some, the image's pixels become *pixels, filled by scry_known_mirror, and its mask *known (both
 * from scry_alloc, the caller's; NULL where all are finite). The findings are logged.
 * errors  EINVAL: no pixel is finite and measured; ENOMEM */
scry_status scry_known_repair(scry_image *image, float **pixels, unsigned char **known,
                              const scry_log *log, scry_error *err);

#endif
