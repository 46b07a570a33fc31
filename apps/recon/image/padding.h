#ifndef SCRY_APPS_RECON_IMAGE_PADDING_H
#define SCRY_APPS_RECON_IMAGE_PADDING_H

#include "lib/space.h"
#include "lib/status.h"

/* Padding: pixels of one value at the border of an image, which registration, rotation and
 * stitching produce. A patch of equal pixels (4-connected, 64 or more, touching the border of its
 * plane) is padding when the image beside it jumps: two pixels away its median is further from the
 * value than 5 sd of neighbouring pixels (of those beside a patch that is the darkest there), and
 * more than half as far as four pixels away. A clipped background is a patch of one value as well,
 * but the intensity changes gradually towards it.
 *
 *   outside  1 where a pixel is padding, else 0
 *   near     1 on padding and two pixels around it, where interpolation mixes image and padding,
 *   else 0
 *   count    pixels of padding
 * errors  ENOMEM */
scry_status scry_padding_find(unsigned char *outside, unsigned char *near, size_t *count,
                              const float *image, const scry_space *space, scry_error *err);

#endif
