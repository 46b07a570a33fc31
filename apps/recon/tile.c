#include "apps/recon/tile.h"

#include <math.h>
#include <stdio.h>

/* Bytes a pixel: the least that is possible, in tiles, and the use of a part that is small enough:
 * itself, its results and masks, and a tile. */
#define LEAST 16.0
#define USUAL 24.0
/* The margin is a larger share of a tile than of the whole. */
#define KEEP 0.8
enum { STEP = 32, SIDE_MIN = 64 };

size_t scry_tile_side(const scry_space *image, double bytes, double total)
{
    const double ny = (double)image->dims[image->rank - 2];
    const double nx = (double)image->dims[image->rank - 1];
    const double side = fmin(sqrt(KEEP * total / bytes * ny * nx), fmax(ny, nx));
    const size_t whole = (size_t)(side / STEP) * STEP;
    return whole >= SIDE_MIN ? whole : 0;
}

const char *scry_tile_print(char *buf, size_t size, const scry_space *image, double bytes,
                            double total)
{
    const size_t side = image->rank >= 2 && bytes > total ? scry_tile_side(image, bytes, total) : 0;
    *buf = '\0';
    if (side && image->rank == 3)
        snprintf(buf, size, "tiles of %zu x %zu x %zu would fit", image->dims[0], side, side);
    else if (side)
        snprintf(buf, size, "tiles of %zu x %zu would fit", side, side);
    return buf;
}

scry_status scry_tile_check(const scry_space *image, double total, scry_error *err)
{
    double pixels = 1;
    char shape[64], tiles[96];
    for (int a = 0; a < image->rank; a++)
        pixels *= (double)image->dims[a];
    if (!(total > 0) || LEAST * pixels <= total) return SCRY_OK;
    scry_tile_print(tiles, sizeof tiles, image, USUAL * pixels, total);
    return SCRY_FAIL(
        err, SCRY_ENOMEM,
        "%s pixels take %.3g GB or more in the smallest tiles, the memory is %.3g GB: %s",
        scry_space_print(image, shape, sizeof shape), LEAST * pixels * 1e-9, total * 1e-9,
        tiles[0] ? tiles : "expected a smaller image");
}
