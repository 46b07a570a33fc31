#ifndef SCRY_APPS_RECON_IMAGE_PSF_SOURCE_H
#define SCRY_APPS_RECON_IMAGE_PSF_SOURCE_H

#include "lib/api.h"
#include "lib/space.h"
#include "lib/stats/noise_identify.h"

#include <stdbool.h>

SCRY_BEGIN

/* The point-spread function of a microscope: a model, or a measurement. Chosen once, made for each
 * image and channel. */

typedef enum scry_psf_width_choice {
    SCRY_WIDTH_CHECK = 0, /* as given, or narrower where the image says so (psf_fit.h) */
    SCRY_WIDTH_FIND, /* the width that the image prefers, where that is determined (psf_fit.h) */
    SCRY_WIDTH_KEEP  /* as given */
} scry_psf_width_choice;

/* All zeros: no blur. */
typedef struct scry_psf_request {
    const char *model;   /* "gaussian:sigma=2", "gibson-lanni:na=1.4": operators/psf.h; or NULL */
    const float *pixels; /* a measured one, borrowed; NULL: none. With a model EINVAL */
    scry_space space;    /* of the pixels: (y, x) or (z, y, x) */
    double voxel_um[3];  /* of the pixels along z, y, x; 0: as the image's */
    const char *name;    /* of a measured one, for messages; NULL: "psf" */
    bool beads;          /* the pixels are an image of beads (operators/psf_beads.h); false:
                            detected automatically */
    bool crop;           /* cut a measured PSF that is larger than the image, and warn of the loss;
                            false: an error */
    double width;        /* factor on the width of the psf, all axes (of sigma=auto, the lateral
                            ones, on 1.6 px); 0: 1 */
    double depth;        /* another factor, along z alone; 0: 1. scry_restorer_run fills it. */
    scry_psf_width_choice width_choice; /* sigma=auto: FIND, unless KEEP */
    /* the treatment of the image after it was measured: the psf is convolved with its kernel
       (scry_noise_treatment_kernel); zeros: nothing. scry_restorer_run fills it. */
    scry_noise_treatment treatment;
} scry_psf_request;

typedef enum scry_boundary_choice {
    SCRY_BOUNDARY_AUTO = 0, /* open for planes, joined for volumes, whose margins may hold several
                               times their voxels: on a simulated widefield stack (24 x 96 x 96, PSF
                               47 x 191 x 191) Richardson-Lucy reaches 35.7 dB with either, in
                               5.6 s with the joined margin and 14.7 s without */
    SCRY_BOUNDARY_OPEN,     /* light enters from outside of the field of view */
    SCRY_BOUNDARY_JOINED,   /* the same, with one margin for opposite edges */
    SCRY_BOUNDARY_PERIODIC  /* light that leaves on one side enters on the opposite side */
} scry_boundary_choice;

SCRY_END

#include "apps/recon/image/image.h"
#include "apps/recon/log.h"
#include "operators/blur.h"
#include "operators/psf.h"

typedef struct scry_psf_source {
    scry_psf_request request; /* pixels and space: of the distilled psf where there were beads */
    const char *name;         /* its name in messages */
    scry_psf_params params;   /* of a model */
    float *distilled;         /* owned */
} scry_psf_source;

/* Borrows the arrays of `request`; beads are distilled, and the findings are logged. EINVAL:
 * neither a model nor pixels, or both; those of scry_psf_parse. EFORMAT: no beads in an image of
 * beads. ESHAPE: pixels that are neither an image nor a volume. */
scry_status scry_psf_source_init(scry_psf_source *s, const scry_psf_request *request,
                                 const scry_log *log, scry_error *err);
void scry_psf_source_free(scry_psf_source *s); /* accepts a zeroed one */

/* 3 when a stack of nz planes is to be deconvolved as a volume, 2 when plane by plane: for airy, a
 * measured PSF of one plane, and gaussian unless sigma_z is given. */
int scry_psf_source_rank(const scry_psf_source *s, size_t nz);

/* The axes of an image along which light spreads, the last ones: not from colour to colour. */
int scry_image_axes(const scry_image *image);

scry_boundary scry_boundary_of(scry_boundary_choice choice, const scry_image *image);

/* Where a PSF is used. */
typedef struct scry_psf_setting {
    const scry_image *image;
    scry_boundary boundary;
    const scry_log *log; /* NULL: silent */
} scry_psf_setting;

/* The PSF for an image, of as many axes as scry_image_axes says. On an axis of n pixels it has at
 * most 2 n - 1 entries, the largest distance between two pixels, or n with a periodic boundary:
 * computed PSFs are limited to this size, a larger measured one is cut or refused. Model parameters
 * that are not given come from the image's optics. factor widens it on all axes (of sigma=auto,
 * laterally). The parameters used are logged. *psf from scry_alloc; its sum is 1. errors  those of
 * scry_psf_create, scry_psf_prepare and scry_psf_resample, with the PSF's name; ESHAPE: larger than
 * that */
scry_status scry_psf_source_make(float **psf, scry_space *space, const scry_psf_source *s,
                                 const scry_psf_setting *setting, scry_error *err);

#endif
