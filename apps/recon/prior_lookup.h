#ifndef SCRY_APPS_RECON_PRIOR_LOOKUP_H
#define SCRY_APPS_RECON_PRIOR_LOOKUP_H

#include "lib/api.h"
#include "lib/status.h"

#include <stddef.h>

SCRY_BEGIN

/* The shipped networks: for microscope images and for MR images. */
#define SCRY_PRIOR_MICROSCOPY "microscopy"
#define SCRY_PRIOR_MRI "mri"

/* The folder of a prior, for scry_network_load. `name` is a folder with a config.json, or the name
 * of such a folder in one of these places, in this order: $SCRY_PRIORS, the priors installed with
 * this library (found from the place of the library), the priors of its build prefix, and the
 * priors beside the program. size: of `folder`, 4096 for any.
 * errors  EINVAL: no such prior; the message lists the places searched */
scry_status scry_prior_find(char *folder, size_t size, const char *name, scry_error *err);

/* How the prior of one image is composed, for reports. */
typedef struct scry_prior_layout {
    size_t window_y, window_x; /* the part of the image that the network sees at a time */
    size_t windows;            /* calls of the network for one D */
    size_t planes;             /* 2-D planes in the image, denoised separately */
} scry_prior_layout;

SCRY_END

#include "apps/recon/log.h"
#include "priors/info.h"
#include "priors/network/unet.h"
#include "priors/prior.h"

/* The pretrained prior of a run: found by name, its weights and notes loaded once, made for any
 * image size. */
typedef struct scry_prior_pool {
    char folder[4096];
    scry_network *network;
    scry_prior_info *info;
    int label;       /* class of the images; -1: none */
    double guidance; /* 1 unless scry_prior_pool_condition says otherwise */
    bool recognises; /* the class is to be chosen from the image */
} scry_prior_pool;

scry_status scry_prior_pool_open(scry_prior_pool *pool, const char *name, scry_error *err);
void scry_prior_pool_close(scry_prior_pool *pool); /* accepts a zeroed one */

/* The class of the images by name, "none" for no class; NULL: to be chosen from each image, where
 * the network knows classes. guidance as in scry_unet_opts; 0: 1.
 * errors  EINVAL: a class that it does not know (those it does are named), guidance without classes
 * or not finite */
scry_status scry_prior_pool_condition(scry_prior_pool *pool, const char *class_name,
                                      double guidance, scry_error *err);

/* The class of an image (planes, ny, nx) in the unit of the prior, by the network's prediction of
 * it that it does not see: noise hides the detail of its middle, and the class, or none, with which
 * D comes closest to the hidden pixels is chosen (Li et al. 2023). *label: -1: none. Where the
 * class is known, or there are none, that. errors  ENOMEM, those of the network */
scry_status scry_prior_pool_recognise(int *label, const scry_prior_pool *pool, const float *image,
                                      const scry_space *space, const scry_log *log,
                                      scry_error *err);

typedef struct scry_prior_plan {
    size_t tile;      /* pixels; 0: 512 */
    bool vjp;         /* plan the vector-Jacobian product (more memory) */
    int threads;      /* inside one call */
    bool directions;  /* of a volume: slices across each of its axes, one drawn at each level */
    size_t workers;   /* planes, or the windows of one plane, at a time; 0: 1 */
    const int *label; /* NULL: that of the pool */
} scry_prior_plan;

/* A prior on (y, x) or (z, y, x), one channel, or of a network of three on (3, y, x); any size: the
 * network padded to its multiple, in overlapping windows of `tile` pixels where a side is longer
 * than 1.5 tiles, plane by plane. */
scry_status scry_prior_pool_make(scry_prior **out, scry_prior_layout *layout,
                                 const scry_prior_pool *pool, const scry_space *space,
                                 const scry_prior_plan *plan, scry_error *err);

#endif
