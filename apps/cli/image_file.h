#ifndef SCRY_APPS_CLI_IMAGE_FILE_H
#define SCRY_APPS_CLI_IMAGE_FILE_H

#include "lib/io/png.h"
#include "lib/status.h"
#include "lib/io/tiff/tiff.h"
#include "lib/io/zarr/zarr.h"

/* An image file that is read plane by plane: a TIFF, an OME-Zarr folder, or a PNG, which is one
 * plane (three channels when it is in colour) and is held whole. */
typedef struct image_file {
    scry_tiff_reader *tiff;
    scry_zarr_reader *zarr;
    scry_png_image png;
    scry_tiff_info info; /* pointers into the reader; a PNG is described as a plain TIFF would be */
} image_file;

/* Errors of scry_tiff_open, scry_zarr_open and scry_png_read; EFORMAT: neither, with the name of
 * the format where the first bytes decide it. Nothing is open after a failure. */
scry_status image_file_open(image_file *f, const char *path, scry_error *err);
/* The same for image number `series` of a file or folder that holds several, from 0. EINVAL: there
 * is no such. */
scry_status image_file_open_series(image_file *f, const char *path, size_t series, scry_error *err);
void image_file_close(image_file *f); /* accepts a zeroed one */

/* out[y][x] = plane (c, z, t), in the unit of the file. Errors of scry_tiff_read_plane. */
scry_status image_file_read(const image_file *f, size_t c, size_t z, size_t t, float *out,
                            scry_error *err);

/* Warning i of the reader so far; NULL: there are fewer. */
const char *image_file_warning(const image_file *f, size_t i);
/* "OME", "ImageJ", "plain", "PNG", "OME-Zarr" */
const char *image_file_kind(const image_file *f);
/* Hands the warnings of the reader so far to stderr, each with the path. */
void image_file_warn(const image_file *f, const char *path);

#endif
