#ifndef SCRY_APPS_RECON_IMAGE_PSF_SOURCE_H
#define SCRY_APPS_RECON_IMAGE_PSF_SOURCE_H

#include "apps/cli/image.h"
#include "operators/blur.h"
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

/* "periodic", "joined" or "open"; NULL: the choice for images of this rank. That is open for planes
 * and joined for volumes, whose margins may hold several times their voxels: on a simulated
 * widefield stack (24 x 96 x 96, PSF 47 x 191 x 191) Richardson-Lucy reaches 35.7 dB with either,
 * in 5.6 s with the joined margin and 14.7 s without. */
scry_boundary psf_boundary(const char *name, int rank);

/* The PSF for channel c of an image, (y, x) or (z, y, x) by `rank`. On an axis of n pixels it has
 * at most 2 n - 1 entries, as far as one pixel of the image sees another, or n with a periodic
 * boundary: computed ones are limited to it, a measured one that is larger is an error. What was
 * used is told on `log`, which may be NULL. *psf from scry_alloc. */
scry_status psf_make(float **psf, scry_space *space, const psf_source *s,
                     const scry_tiff_info *info, size_t c, int rank, scry_boundary boundary,
                     FILE *log, scry_error *err);

#endif
