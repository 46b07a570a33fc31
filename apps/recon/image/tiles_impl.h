#ifndef SCRY_APPS_RECON_IMAGE_TILES_IMPL_H
#define SCRY_APPS_RECON_IMAGE_TILES_IMPL_H

#include "apps/recon/image/restore.h"

/* An image in overlapping tiles of its last two axes, restored one after the other with all of its
 * planes, for images that do not fit the memory as one. Every tile has the same shape, so that
 * plans and the network's windows are made once. Neighbours overlap by the whole support of the
 * PSF: a pixel is taken from a tile that has all pixels which received its light. In the middle of
 * an overlap the two answers are mixed, over a short ramp, with weights that add to 1. */
struct scryi_tile_axis {
    size_t length, window, overlap, count; /* of the image, of a tile; tiles */
};
struct scryi_tiles {
    struct scryi_tile_axis y, x;
};

/* What one tile takes: `fixed` bytes for each pixel of the image (itself, its results and masks)
 * and `each` for each pixel of the domain of a tile. */
struct scryi_tile_cost {
    double fixed, each;
};

/* The largest tiles whose cost stays within `bytes`; one where the image fits as a whole, and where
 * bytes is 0. psf: its shape, NULL for none.
 * errors  ENOMEM: not even tiles of 64 x 64 pixels and their overlap fit; the message says what
 *         would be needed, and with a smaller part of the image */
scry_status scryi_tiles_plan(struct scryi_tiles *out, const scry_space *image,
                             const scry_space *psf, const struct scryi_tile_cost *cost,
                             double bytes, scry_error *err);
size_t scryi_tiles_count(const struct scryi_tiles *t);

/* The bytes that a tile takes, by the cost. */
double scryi_tiles_bytes(const struct scryi_tiles *t, const scry_space *image,
                         const scry_space *psf, const struct scryi_tile_cost *cost);

/* The image itself, or of one with more pixels the square window with the most light, with all its
 * planes: its findings hold for the whole. */
struct scryi_tile_sample {
    scry_image image;
    float *pixels; /* NULL: the image's own */
    unsigned char *known;
};
scry_status scryi_tile_sample_take(struct scryi_tile_sample *s, const scry_image *image,
                                   size_t pixels, scry_error *err);
void scryi_tile_sample_free(struct scryi_tile_sample *s);

/* Restores tile `number` of the count; the result is the callee's to fill and the caller's to
 * free. */
typedef scry_status scryi_tile_run(void *ctx, scry_restore_result *out, const scry_image *tile,
                                   size_t number, scry_error *err);

/* Runs all tiles, the brightest first, and puts their results together: images by their weights,
 * counts as sums, chi2 as the mean over measured pixels, the rest as of the first one.
 *   maps   images in result.maps */
scry_status scryi_tiles_run(scry_restore_result *out, const struct scryi_tiles *t,
                            const scry_image *image, size_t maps, scryi_tile_run *run, void *ctx,
                            scry_error *err);

#endif
