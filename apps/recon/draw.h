#ifndef SCRY_APPS_RECON_DRAW_H
#define SCRY_APPS_RECON_DRAW_H

#include "apps/recon/prior_lookup.h"
#include "apps/recon/run.h"
#include "priors/gaussian.h"

/* Draws images from a pretrained prior. */

/* Zeros are defaults. Everything is borrowed. */
typedef struct scry_draw_request {
    const char *prior;           /* name or folder of a network */
    const char *class_name;      /* NULL or "none": of no class */
    double guidance;             /* weight of the class; 0: 1 */
    size_t ny, nx;               /* size of an image */
    size_t tile;                 /* window that the network sees at a time; 0: 512 */
    const scry_options *options; /* of an unconditional method */
    size_t samples;              /* how many; 0: 1 */
    uint64_t seed;
    size_t threads; /* images at a time; 0: as many as OpenMP has threads */
    scry_log log;
} scry_draw_request;

/* out->chains.samples: out->chains.done images (ny, nx), of a colour prior (3, ny, nx), in the
 * prior's own intensity unit, with the background near -1 and the brightest structures between 0
 * and 1. errors  EINVAL: not an unconditional method, a size of 0, an unknown prior; those of
 *         scry_recon_run. *out is to be freed (scry_recon_result_free) after success only. */
scry_status scry_draw(scry_recon_result *out, const scry_draw_request *request,
                      scry_chains_monitor *monitor, void *ctx, scry_error *err);

/* The prior of such a request at its size, and the Gaussian model with its mean and spectrum where
 * it states them. errors  EINVAL: a size of 0, an unknown prior; those of the network */
typedef struct scry_draw_prior {
    scry_prior_pool pool;
    scry_prior *prior, *model; /* model NULL: not known */
    size_t channels;           /* 1, or 3: the space is (3, ny, nx) */
    const scry_radial *radial; /* of the model */
    double mean, std;          /* of a pixel of its images */
} scry_draw_prior;
scry_status scry_draw_open(scry_draw_prior *out, const scry_draw_request *request, scry_error *err);
void scry_draw_close(scry_draw_prior *p); /* accepts a zeroed one */

#endif
