#ifndef SCRY_APPS_RECON_REPORT_PICTURE_H
#define SCRY_APPS_RECON_REPORT_PICTURE_H

#include "lib/canvas.h"
#include "lib/io/html.h"
#include "lib/space.h"

/* Figures of a report: an image with its colour bar, its scale bar and a caption. */

typedef enum scry_picture_range {
    SCRY_PICTURE_PERCENTILES = 0, /* from the 0.1 to the 99.9 percentile */
    SCRY_PICTURE_FROM_ZERO,       /* from 0 to the 99.9 percentile */
    SCRY_PICTURE_GIVEN            /* from low to high */
} scry_picture_range;

typedef struct scry_picture {
    const float *values; /* (ny, nx); NaN where there is none, shown in pale grey */
    size_t ny, nx;
    scry_picture_range range;
    double low, high;
    scry_colour_map map;
    const char *title, *unit; /* of the values; unit may be "" */
    double pixel_um;          /* for the scale bar; 0: not known, none */
    size_t side; /* pixels that are shown along the longer side, at most: a larger image is
                    shown by the means of n x n pixels */
} scry_picture;

/* How many pixels along a side become one, for a side of n shown with at most `side`. */
size_t scry_picture_binning(size_t n, size_t side);

/* <figure>. ENOMEM; EINVAL: no pixels. */
scry_status scry_picture_write(scry_html *page, const scry_picture *picture, scry_error *err);

/* Three planes of equal size, whose values from 0 to `white` are red, green and blue. ENOMEM */
scry_status scry_picture_colour(scry_html *page, const float *const planes[3], size_t ny, size_t nx,
                                double white, const scry_picture *look, scry_error *err);

/* A volume (z, y, x) as one image: its middle plane, below and beside it the projections along y
 * and along x, as maxima or through the middle. A voxel is `aspect` times as tall as wide. *out
 * from scry_alloc. ENOMEM */
scry_status scry_picture_views(float **out, size_t *ny, size_t *nx, const float *volume,
                               const scry_space *space, double aspect, bool maxima,
                               scry_error *err);

#endif
