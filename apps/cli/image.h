#ifndef SCRY_APPS_CLI_IMAGE_H
#define SCRY_APPS_CLI_IMAGE_H

#include "apps/cli/image_file.h"
#include "apps/recon/image/psf_source.h"

#include <stdbool.h>
#include <stddef.h>

/* A whole image file in memory, for the small ones: masks, PSFs, truths. pixels[c][t][z][y][x] in
 * the unit of the file. TIFF, or PNG (one plane, or three channels). */
typedef struct image {
    float *pixels;
    size_t count;
    scry_tiff_info info; /* pointers into file */
    image_file file;
} image;

/* EIO, EFORMAT, ENOMEM as image_file_open; ENUMERIC: NaN or infinite pixels (`file: n of m`). */
scry_status image_load(image *im, const char *path, scry_error *err);
void image_free(image *im); /* accepts a zeroed one */

/* ENUMERIC when an entry is NaN or infinite, EINVAL when all are equal; words name `what`. */
scry_status image_check(const float *pixels, size_t n, const char *what, scry_error *err);

/* --psf: a model, or a TIFF of a measured one ("beads:FILE": of beads), which is loaded into *file
 * and borrowed from there.
 * Errors of image_load; ESHAPE: several channels or frames. */
scry_status image_load_psf(scry_psf_request *out, image *file, const char *spec, scry_error *err);

#endif
