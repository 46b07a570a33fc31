#ifndef SCRY_APPS_RECON_IMAGE_RESTORE_IMPL_H
#define SCRY_APPS_RECON_IMAGE_RESTORE_IMPL_H

#include "apps/recon/image/pose_impl.h"
#include "apps/recon/image/psf_fit.h"
#include "apps/recon/image/restore.h"
#include "apps/recon/image/tiles_impl.h"

/* What the sources of apps/recon/image/restore.h have in common. */

enum { SCRYI_RESTORE_SAMPLES = 16 }; /* chains where none are asked for */

struct scry_restorer {
    struct scryi_image_setup setup;
    scry_options named;           /* the method of the request */
    const scry_options *options;  /* it, or a contender */
    scry_restore_request settled; /* the request, with what was found out of its PSF */
    scry_psf_widths widths;
    double given_width; /* factor on the width of the PSF */
    bool treated;       /* an image was asked what was done to it, of this channel */
    size_t treated_channel;
    bool altered;   /* and was median-filtered or compressed */
    bool nonlinear; /* and was median-filtered, by a large median */
    size_t chains;
    size_t draws; /* that the time allows; 0: as requested */
    scry_output_maps maps;
    /* without a method in the request: those to choose from, and the choice for a channel */
    scry_options contender[SCRY_JUDGE_MAX];
    size_t contenders, channel;
    bool judged;
    scry_judgement judgement;
    size_t sharp_channel;         /* 1 + the channel of which sharpness was asked; 0: none */
    bool too_sharp;               /* for its psf */
    double share[SCRY_JUDGE_MAX]; /* of each in the result: one, or two that are averaged */
    scry_restore_request quiet;   /* the request, for the second: all was said for the first */
    struct scryi_tiles tiles;     /* of the image, which may be one */
};

/* What the caller hands in for one image, finite. */
struct image_task {
    const scry_image *image;
    const scry_image *sample; /* it, or a part of a large one: what is asked of the image is asked
                                 of that */
    uint64_t seed;
    bool again; /* a tile after the first */
    scry_chains_monitor *monitor;
    void *ctx;
};

/* What is done with an image, or with each of its tiles. */
typedef scry_status scryi_restore_step(scry_restore_result *out, scry_restorer *r,
                                       const struct image_task *task, scry_error *err);

/* The step on the image, in as many tiles as the memory asks for, all with the noise of the
 * whole. */
scry_status scryi_restore_in_tiles(scry_restore_result *out, scry_restorer *r,
                                   const struct image_task *task, scryi_restore_step *step,
                                   scry_error *err);

/* Fewer draws, or a method without any, where all would take longer than the request allows. */
void scryi_restore_keep_time(scry_restorer *r, const scry_image *image);

#endif
