#ifndef SCRY_APPS_RECON_IMAGE_STACK_H
#define SCRY_APPS_RECON_IMAGE_STACK_H

#include "apps/recon/image/image.h"
#include "lib/io/tiff/tiff.h"

#include <stdint.h>

/* The images of a file: its planes, or volumes where all of z is restored together. They are
 * numbered in the order in which files hold them: channels fastest, then slices, then frames. */
typedef struct scry_image_stack {
    const char *name;           /* of the file, for messages */
    const scry_tiff_info *info; /* borrowed */
    int rank;                   /* 3: volumes; 2: planes */
    bool colour; /* red, green and blue are one image; further channels are images by themselves */
    uint64_t seed; /* of the run */
} scry_image_stack;

typedef struct scry_stack_image {
    scry_image image; /* described, without pixels and mask */
    size_t c, z, t;   /* channel, slice and frame of its first plane */
    size_t planes;    /* of the image */
    uint64_t seed;    /* its own, scry_recon_seed of its number */
} scry_stack_image;

size_t scry_image_stack_count(const scry_image_stack *s);
/* Channel and slice of plane k of an image. */
size_t scry_stack_channel(const scry_stack_image *image, size_t k);
size_t scry_stack_slice(const scry_stack_image *image, size_t k);
/* Image `number`, below scry_image_stack_count. */
scry_stack_image scry_image_stack_at(const scry_image_stack *s, size_t number);
/* "channel 1, slice 3": as much as distinguishes the image from the others of the stack, "" where
 * there are no others. Returns buf. */
const char *scry_image_stack_place(const scry_image_stack *s, const scry_stack_image *image,
                                   char *buf, size_t size);

/* Copies the file's description of channel c and its acquisition to *out: all members except name,
 * number, space, pixels and mask. */
void scry_image_describe(scry_image *out, const scry_tiff_info *info, size_t c);

/* known[i] = 1 where pixel i of the image is measured: where the mask is not 0. A mask of one plane
 * serves all of the stack, one of as many slices serves each with its own.
 *   mask  (z, y, x) as `info` describes it; name: of its file, for messages
 * errors  ESHAPE: other rows or columns, other slices, several channels or frames; EINVAL: no pixel
 *         is known */
scry_status scry_image_stack_mask(unsigned char *known, const scry_image_stack *s,
                                  const scry_stack_image *image, const char *name,
                                  const scry_tiff_info *info, const float *mask, scry_error *err);

#endif
