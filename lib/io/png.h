#ifndef SCRY_LIB_IO_PNG_H
#define SCRY_LIB_IO_PNG_H

#include "lib/canvas.h"
#include "lib/status.h"

#include <stddef.h>
#include <stdint.h>

/* PNG: previews out, images in (libpng). Files appear whole, by rename; an existing file is
 * replaced.
 * EIO: the system refused, with its message; EFORMAT: not a PNG, broken, or over 2^28 bytes when
 * unpacked; ENOMEM. */

/* 8 bits, rows top to bottom; rgb holds 3 bytes a pixel. ESHAPE: a side of 0 or over 2^20. */
scry_status scry_png_write_grey(const char *path, const uint8_t *grey, size_t ny, size_t nx,
                                scry_error *err);
scry_status scry_png_write_rgb(const char *path, const uint8_t *rgb, size_t ny, size_t nx,
                               scry_error *err);

/* A PNG in memory: rows top to bottom of one byte a pixel, which counts colours of the palette (at
 * most 256). *png from scry_alloc. ESHAPE as above; EINVAL: no colours, or too many. */
scry_status scry_png_encode_indexed(uint8_t **png, size_t *bytes, const uint8_t *pixels, size_t ny,
                                    size_t nx, const scry_colour *palette, size_t colours,
                                    scry_error *err);
/* The same of 3 bytes a pixel. */
scry_status scry_png_encode_rgb(uint8_t **png, size_t *bytes, const uint8_t *rgb, size_t ny,
                                size_t nx, scry_error *err);

/* *pixels = (channels, ny, nx) floats in file units (0..255 or 0..65535), for scry_free. Palettes
 * and 1, 2, 4 bits are expanded to 8; an alpha channel is dropped. channels is 1 or 3, bits 8 or
 * 16. */
typedef struct scry_png_image {
    float *pixels;
    size_t channels, ny, nx;
    int bits;
} scry_png_image;
scry_status scry_png_read(scry_png_image *out, const char *path, scry_error *err);

/* One image of a preview: (ny, nx) values, shown from `low` (first colour) to `high` (last);
 * outside is clamped, NaN is magenta. low >= high: the 0.1 and 99.9 percentiles. label, may be
 * NULL, is written underneath in capitals; letters that do not fit are dropped. */
typedef struct scry_panel {
    const float *values;
    size_t ny, nx;
    double low, high;
    scry_colour_map map;
    const char *label;
} scry_panel;

/* The panels in rows of `columns` (0: all in one), each enlarged by a whole number so that the
 * largest is about 256 pixels wide, or reduced by the mean of n x n pixels when it is over 1024. */
scry_status scry_png_panels(const char *path, const scry_panel *panels, size_t count,
                            size_t columns, scry_error *err);

#endif
