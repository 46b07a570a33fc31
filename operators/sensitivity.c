#include "operators/sensitivity.h"

#include "lib/memory.h"

#include <stdbool.h>

/* Entries of the mask in front of (y, x): a block is full when its sum is its area. */
static size_t block_sum(const size_t *sum, size_t nx, size_t y, size_t x, size_t cy, size_t cx)
{
    const size_t ld = nx + 1;
    return sum[(y + cy) * ld + x + cx] - sum[y * ld + x + cx] - sum[(y + cy) * ld + x] +
           sum[y * ld + x];
}

static size_t *integral(const unsigned char *mask, size_t ny, size_t nx)
{
    size_t *sum = scry_alloc((ny + 1) * (nx + 1), sizeof *sum);
    if (!sum) return NULL;
    for (size_t y = 0; y < ny; y++)
        for (size_t x = 0; x < nx; x++)
            sum[(y + 1) * (nx + 1) + x + 1] = sum[y * (nx + 1) + x + 1] +
                                              sum[(y + 1) * (nx + 1) + x] -
                                              sum[y * (nx + 1) + x] + (mask[y * nx + x] != 0);
    return sum;
}

scry_status scry_calibration_region(size_t *cy, size_t *cx, const unsigned char *mask, size_t ny,
                                    size_t nx, size_t limit, size_t least, scry_error *err)
{
    *cy = *cx = 0;
    size_t *sum = integral(mask, ny, nx);
    if (!sum) return SCRY_FAIL(err, SCRY_ENOMEM, "sampling mask of %zu x %zu", ny, nx);
    const size_t most_y = limit && limit < ny ? limit : ny;
    const size_t most_x = limit && limit < nx ? limit : nx;
    size_t best_y = 0, best_x = 0, width = most_x;
    bool enough = false;
    /* A taller block is never wider: one walk along the border of what is full. */
    for (size_t y = 1; y <= most_y && width; y++) {
        while (width && block_sum(sum, nx, ny / 2 - y / 2, nx / 2 - width / 2, y, width) !=
                            y * width)
            width--;
        const bool fits = y >= least && width >= least;
        if (width && fits >= enough && (y * width >= best_y * best_x || fits > enough)) {
            best_y = y;
            best_x = width;
            enough = fits;
        }
    }
    scry_free(sum);
    *cy = best_y;
    *cx = best_x;
    if (!enough)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "the centre of k-space is not fully sampled: found %zu x %zu lines, at "
                         "least %zu x %zu are needed", best_y, best_x, least, least);
    return SCRY_OK;
}
