#ifndef SCRY_APPS_RECON_IMAGE_RESTORE_IMPL_H
#define SCRY_APPS_RECON_IMAGE_RESTORE_IMPL_H

#include "apps/recon/image/judge.h"
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
    scry_restore_request settled; /* the request, with the PSF as it was found */
    scry_psf_widths widths;
    double given_width; /* factor on the width of the PSF */
    double narrowing;   /* of a width that was not estimated, in this channel; 0: none */
    size_t narrowed_channel;
    bool treated; /* the treatment was looked for, in this channel */
    size_t treated_channel;
    bool altered;    /* and was median-filtered or compressed */
    double enlarged; /* by this factor; 1: not */
    bool nonlinear;  /* and was median-filtered, by a large median */
    bool uneven;     /* a stack whose noise is stronger on structure than the model has it */
    double began;    /* with the image */
    size_t chains;
    size_t draws; /* that the time allows; 0: as requested */
    scry_output_maps maps;
    /* without a method in the request: those to choose from, and the choice for a channel */
    scry_options contender[SCRY_JUDGE_MAX], chosen[SCRY_JUDGE_MAX]; /* as they are used */
    size_t contenders, fits; /* of them those that do not draw, which are the first */
    size_t channel;
    bool judged;
    bool rises; /* the spectrum of the result, with psfs of every width */
    scry_judgement judgement;
    size_t sharp_channel;         /* 1 + the channel whose sharpness was tested; 0: none */
    bool too_sharp;               /* for its psf */
    bool fills;                   /* holes, by no method in particular */
    scry_options smooth;          /* beside the draws of `named` */
    scry_filling filling;         /* of a channel, judged */
    double share[SCRY_JUDGE_MAX]; /* of each in the result: one, or two that are averaged */
    scry_restore_request quiet;   /* the request, for the second: all was said for the first */
    struct scryi_tiles tiles;     /* of the image, which may be one */
};

/* What the caller hands in for one image, finite. */
struct image_task {
    const scry_image *image;
    const scry_image *whole;  /* it, or the image of which it is a part */
    const scry_image *sample; /* it, or a part of a large one: questions about the image are asked
                                 of that */
    uint64_t seed;
    bool again; /* a tile after the first, or a pilot: the forecast of memory is of the whole */
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
scry_status scryi_restore_keep_time(scry_restorer *r, const scry_image *image, scry_error *err);

/* ---- restore.c ---- */

/* The method of the next run. */
void scryi_restore_use_method(scry_restorer *r, const scry_options *options);

/* The image by a method with its options; and a second time, when all was said. */
scry_status scryi_restore_by(scry_restore_result *out, scry_restorer *r,
                             const scry_options *options, const struct image_task *task,
                             scry_error *err);
scry_status scryi_restore_quietly(scry_restore_result *out, scry_restorer *r,
                                  const scry_options *options, const struct image_task *task,
                                  scry_error *err);

/* ---- fill.c ---- */

/* An image with holes, by draws and the smoothest image, averaged as copies of the holes tell; by
 * draws alone where it has none, or more than two axes, or shares above a level are asked for. */
scry_status scryi_restore_fill(scry_restore_result *out, scry_restorer *r,
                               const struct image_task *task, scry_error *err);

/* ---- settle.c ---- */

/* The treatment of the image after its measurement (smoothing, a median, JPEG), found in the first
 * image of a channel whether or not its noise is given. The PSF of the run is then that of the
 * light and of the treatment. Nothing is done where the PSF was measured from beads or its width is
 * found, since both include the treatment. */
scry_status scryi_restore_settle_treatment(scry_restorer *r, const scry_image *image,
                                           scry_error *err);

/* The width of the PSF and its length along z, found in the first image of a channel; methods that
 * are judged or run later keep them. Sets psf_width, psf_factor and psf_depth of *out. */
scry_status scryi_restore_settle_width(scry_restore_result *out, scry_restorer *r,
                                       const scry_image *image, scry_error *err);

/* Whether a factor that an undetermined spectrum preferred, with an upper bound below 1 where it
 * is `contradicted`, is better left nearer to 1: gain[1] and gain[2] as of scry_judge_widths for
 * the width as it was given, .8 and .64 of it. */
bool scryi_width_is_doubted(const scry_margin *gain, double factor, bool contradicted);

/* Narrows the width where its spectrum could not determine it and data that are held out are
 * predicted better with a narrower psf, or leaves it nearer to the given one. *factor: as
 * psf_factor. */
scry_status scryi_restore_settle_narrower(double *factor, scry_restorer *r,
                                          const struct image_task *task, scry_error *err);

/* ---- extent.c ---- */

/* Of a volume, for which a method is chosen: the PSF is made shorter along z and narrower as long
 * as light that was held back is predicted better by that. In the first image of a channel, after
 * its width was settled and where that may change. Sets psf_factor and psf_depth of *out. */
scry_status scryi_restore_settle_extent(scry_restore_result *out, scry_restorer *r,
                                        const struct image_task *task, scry_error *err);

/* ---- choose.c ---- */

/* Fills r->contender with the methods that contend where none is named, those that draw last; those
 * that need a network only beside a prior. EINVAL: none contends. */
scry_status scryi_restore_contenders(scry_restorer *r, scry_error *err);

/* Shares of the contenders in the result, judged once for the channel of this image. Of a volume
 * methods that draw contend only where maps are asked for. */
scry_status scryi_restore_choose(scry_restorer *r, const struct image_task *task, scry_error *err);

/* The contender without a network, or NULL. */
const scry_options *scryi_restore_classical(const scry_restorer *r);

/* Whether the image can be improved; its sharpness is tested once a channel. */
scry_status scryi_restore_improvement(scry_improvement *out, scry_restorer *r,
                                      const struct image_task *task, scry_error *err);

#endif
