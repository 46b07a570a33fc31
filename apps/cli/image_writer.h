#ifndef SCRY_APPS_CLI_IMAGE_WRITER_H
#define SCRY_APPS_CLI_IMAGE_WRITER_H

#include "lib/io/tiff/tiff.h"

/* An image that is written plane by plane: OME-Zarr where the name ends with ".zarr", else TIFF.
 * The functions are those of lib/io/tiff/tiff.h. */
typedef struct image_writer image_writer;

typedef struct image_writer_options {
    scry_tiff_options tiff;
    int zarr; /* format of an OME-Zarr: 2 (OME-NGFF 0.4) or 3 (0.5); 0: 2, which most programs read
               */
} image_writer_options;

scry_status image_writer_create(image_writer **out, const char *path, const scry_tiff_info *like,
                                const image_writer_options *options, scry_error *err);
const scry_tiff_info *image_writer_planned(const image_writer *w);
scry_status image_writer_plane(image_writer *w, size_t c, size_t z, size_t t, const float *in,
                               scry_error *err);
scry_status image_writer_finish(image_writer *w, scry_tiff_written *result, scry_error *err);
void image_writer_abort(image_writer *w); /* accepts NULL */

#endif
