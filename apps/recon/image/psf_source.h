#ifndef SCRY_APPS_RECON_IMAGE_PSF_SOURCE_H
#define SCRY_APPS_RECON_IMAGE_PSF_SOURCE_H

#include "apps/cli/image.h"
#include "operators/psf.h"

#include <stdio.h>

/* --psf: a model ("gibson-lanni:na=1.4") or a measured one from a TIFF. Loaded once, made for each
 * image and channel. */
typedef struct psf_source {
    const char *spec;
    bool model;
    bool crop; /* a measured one that is larger than the image is cut, and the loss told */
    scry_psf_params params;
    image measured;
} psf_source;

scry_status psf_open(psf_source *s, const char *spec, scry_error *err);
void psf_close(psf_source *s); /* accepts a zeroed one */

/* 3 when a stack is to be deconvolved as a volume, 2 when plane by plane: for airy, a measured PSF
 * of one plane, and gaussian unless sigma_z is given. */
int psf_rank(const psf_source *s, const scry_tiff_info *info);

/* The PSF for channel c of an image, (y, x) or (z, y, x) by `rank`, no larger than the image on any
 * axis (computed ones are limited to it; a measured one that is larger is an error). What was used
 * is told on `log`, which may be NULL. *psf from scry_alloc. */
scry_status psf_make(float **psf, scry_space *space, const psf_source *s,
                     const scry_tiff_info *info, size_t c, int rank, FILE *log, scry_error *err);

#endif
