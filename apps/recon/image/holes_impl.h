#ifndef SCRY_APPS_RECON_IMAGE_HOLES_IMPL_H
#define SCRY_APPS_RECON_IMAGE_HOLES_IMPL_H

#include "lib/status.h"

#include <stddef.h>
#include <stdint.h>

/* A copy of the holes of an image at another place, where the image is known: hidden[i] = 1 for
 * known pixels that a filling may be tried on, else 0. Copies are the holes mirrored or shifted
 * around the borders; all of them, those near a point, or scattered pixels of them, so that at most
 * a quarter of the known pixels is hidden: the one whose hidden pixels are, in the mean of their
 * distances, as far from a pixel that is still known as those of the holes are.
 *   known   ny x nx, not 0 where a pixel is known
 *   number  of the copy; others are at other places
 *   *count  hidden pixels; 0: there is no hole, or no copy has MIN_HIDDEN pixels
 * errors  ENOMEM */
scry_status scryi_holes_copy(unsigned char *hidden, size_t *count, const unsigned char *known,
                             size_t ny, size_t nx, uint64_t seed, uint32_t number, scry_error *err);

#endif
