#ifndef SCRY_OPERATORS_DEFECTS_H
#define SCRY_OPERATORS_DEFECTS_H

#include "lib/space.h"
#include "lib/status.h"

/* Pixels of a camera image that hold no measurement, found from the image itself. Each finder works
 * on the planes of the last two axes, one by one.
 *
 *   saturated  at or above `saturation`; and, whatever `saturation` is, the largest value of the
 *              image when many pixels have it: at least 8 pixels, and twice as many as at any of
 *              the next 8 values
 *   lines      whole rows or columns of one value
 *   blocks     patches of one value, unions of squares of side `block`
 *   hot, dead  more than `threshold` local standard deviations above or below the median of the
 *              5 x 5 neighbours, and 3 times as far from it as all but two of its 8 neighbours: the
 *              image of a point is wider once its sd is 0.7 pixel. The local standard deviation is
 *              the larger of two estimates, from the neighbours (80 % quantile) and from the plane
 *              (median absolute deviation), and never less than the step between the values of the
 *              image.
 * Lines and blocks must stand out: half (lines) or nine tenths (blocks) of the pixels next to them
 * have another value. A dark region without counts is a measurement, and its border is irregular.
 * Pixels that are not finite are always unknown. */
enum scry_defect {
    SCRY_DEFECT_SATURATED = 1,
    SCRY_DEFECT_LINES = 2,
    SCRY_DEFECT_BLOCKS = 4,
    SCRY_DEFECT_HOT = 8,
    SCRY_DEFECT_DEAD = 16,
    SCRY_DEFECT_ALL = 31
};

typedef struct scry_defect_opts {
    unsigned find;     /* enum scry_defect */
    double saturation; /* unit of the image; INFINITY: only the largest value, where many pixels
                          have it */
    double threshold;  /* sds, of hot and dead pixels */
    size_t block;      /* pixels, side of the smallest patch */
} scry_defect_opts;

typedef struct scry_defects {                 /* each pixel counts once, in this order */
    size_t invalid, saturated, rows, columns; /* rows and columns: lines, not pixels */
    size_t line_pixels, block_pixels, hot, dead;
    size_t unknown; /* pixels in total */
} scry_defects;

/* All kinds; saturation INFINITY, threshold 8, block 4. */
void scry_defect_opts_init(scry_defect_opts *opts);

/* known[i] = 0 where y[i] is not a measurement, else 1: a mask for scry_mask_create. y real; opts
 * NULL: the defaults.
 * errors  ESHAPE: not a space; EUNSUP: complex; EINVAL: threshold not > 0, block < 2, saturation a
 *         NaN; ENOMEM */
scry_status scry_defects_find(unsigned char *known, scry_defects *found, const float *y,
                              const scry_space *space, const scry_defect_opts *opts,
                              scry_error *err);

#endif
