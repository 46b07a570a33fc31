#ifndef SCRY_APPS_RECON_IMAGE_BLANK_H
#define SCRY_APPS_RECON_IMAGE_BLANK_H

#include "apps/recon/image/restore.h"

/* Images without content, such as dropped frames and empty slices of a stack, and pixels without a
 * value: both come back unchanged. */

/* The images of a file, counted. Zeroed: none. */
typedef struct scry_image_survey {
    size_t images, constant; /* images, and how many of them have no two different finite values */
    size_t finite, missing;  /* pixels of all images: finite, and NaN or infinite */
    size_t last_missing;     /* of the last image */
    double value;            /* one of the last constant image */
} scry_image_survey;

/* Whether no two finite values differ. */
bool scry_image_is_constant(const float *pixels, size_t n);
/* Counts n pixels of one image; true: they are constant. */
bool scry_image_survey_add(scry_image_survey *s, const float *pixels, size_t n);
/* EINVAL: nothing is finite, no image varies, or, where the missing pixels are to be filled and no
 * mask says which they are (`fill`), none is missing. name: of the file. */
scry_status scry_image_survey_check(const scry_image_survey *s, const char *name, bool fill,
                                    scry_error *err);

/* The result of an image without content: itself, without spread. Nothing was measured and no chain
 * was followed, so that chi2, R-hat, ESS and the prediction are not numbers. ENOMEM. */
scry_status scry_restore_unchanged(scry_restore_result *out, const scry_image *image,
                                   const scry_output_maps *maps, scry_error *err);

/* Puts NaN into the maps, and into the mean where `mean` says so (its file's type has NaNs), where
 * the image has no value: deblurring must not invent a field of view. */
void scry_restore_keep_missing(scry_restore_result *r, const scry_image *image, size_t maps,
                               bool mean);

#endif
