#ifndef SCRY_APPS_RECON_TILE_H
#define SCRY_APPS_RECON_TILE_H

#include "lib/space.h"
#include "lib/status.h"

/* Images that are too large for the memory, and the parts of them that are not. */

/* The side of the largest square tiles of the last two axes, a multiple of 32 pixels, that take at
 * most four fifths of `total` bytes when the whole image takes `bytes`; 0: none of 64 pixels or
 * more does. */
size_t scry_tile_side(const scry_space *image, double bytes, double total);

/* "tiles of 30 x 1024 x 1024 would fit", or "" where none does, or the image itself. Returns buf.
 */
const char *scry_tile_print(char *buf, size_t size, const scry_space *image, double bytes,
                            double total);

/* Before anything is read or computed: ENOMEM where an image of this shape takes more than `total`
 * bytes even in tiles (apps/recon/image/tiles.c): itself, its result and its masks. total 0: not
 * known, and all is well. */
scry_status scry_tile_check(const scry_space *image, double total, scry_error *err);

#endif
