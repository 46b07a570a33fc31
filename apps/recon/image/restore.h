#ifndef SCRY_APPS_RECON_IMAGE_RESTORE_H
#define SCRY_APPS_RECON_IMAGE_RESTORE_H

#include "apps/recon/diagnosis.h"
#include "apps/recon/image/filling.h"
#include "apps/recon/image/image.h"
#include "apps/recon/image/improvement.h"
#include "apps/recon/image/judgement.h"
#include "apps/recon/image/known.h"
#include "apps/recon/image/noise.h"
#include "apps/recon/image/psf_source.h"
#include "apps/recon/log.h"
#include "apps/recon/output_maps.h"
#include "apps/recon/prior_lookup.h"
#include "apps/recon/start.h"
#include "lib/api.h"
#include "lib/stats/noise_identify.h"
#include "operators/likelihood.h"
#include "operators/psf_width.h"
#include "solvers/chains.h"

SCRY_BEGIN

/* Images and volumes of a microscope: removes blur and noise and fills holes. From arrays to
 * arrays:
 *
 *     scry_restore_result result;
 *     scry_status st = scry_restore(&result, &(scry_image){.space = space, .pixels = pixels},
 *                                   &(scry_restore_request){.psf.model = "gaussian:sigma=2",
 *                                                           .samples = 8},
 *                                   NULL, NULL, &err);
 *     ... result.mean ...
 *     scry_restore_result_free(&result);
 *
 * For many images of one instrument, a restorer keeps the state that they share. */

/* Which slices of a volume a network of planes sees: the planes, or those across each axis in turn,
 * one drawn at every noise level (priors/slices.h). */
typedef enum scry_slices_choice {
    SCRY_SLICES_AUTO = 0, /* all where the voxel is known and nearly a cube, else the planes */
    SCRY_SLICES_PLANES,
    SCRY_SLICES_ALL
} scry_slices_choice;

/* Zeros are defaults. Everything is borrowed. */
typedef struct scry_restore_request {
    /* the instrument */
    scry_psf_request psf; /* without a PSF, holes are filled and the rest is denoised */
    scry_boundary_choice boundary;
    scry_defect_choice defects;
    scry_noise_request noise;
    double low, high; /* intensities of background and brightest structures, unit of the file, for
                         the prior; equal: estimated */
    /* the method */
    const char *method;          /* by name; NULL: for images with holes draws and the smoothest
                                    image, averaged (filling.h); for blurred ones that of the
                                    registry's contenders which predicts held-out light best, judged
                                    once a channel, or the average of two; where maps are asked for,
                                    one that draws, of volumes there alone; or none, and the image
                                    is its own result, where nothing can be gained */
    const scry_options *options; /* a method with its options, instead of `method`; NULL: its
                                    defaults */
    const scry_options *draws;   /* where no method is named, of the one that draws; NULL: its
                                    defaults */
    const char *prior;           /* name or folder of a network, for methods that need one. NULL: a
                                    method that needs one has that for microscopy, and none of them
                                    contends */
    const char *class_name;      /* of the images, for a prior that knows classes; "none": none;
                                    NULL: chosen from each image */
    double guidance;             /* weight of the class; 0: 1 */
    scry_slices_choice slices;   /* of a volume, for the network */
    size_t tile;                 /* window that the network sees at a time; 0: 512 */
    size_t samples;              /* chains of a posterior method; 0: 16 */
    uint64_t seed;               /* of scry_restore; a restorer takes one an image */
    size_t threads;              /* chains at a time; 0: as many as OpenMP has threads */
    double memory;               /* bytes that a run may take, the image included: larger images
                                    are restored in overlapping tiles; 0: the memory available */
    double seconds; /* where no method is named: the time an image may take; fewer chains, a
                       method without any or fewer iterations are used beyond; 0: no limit */
    const scry_output_maps *maps; /* beside the mean; NULL: none */
    bool predict;                 /* result.predicted is wanted */
    scry_log log;
} scry_restore_request;

/* All images are in the unit of the file, on the image's grid. */
typedef struct scry_restore_result {
    float *mean, *maps; /* an image; one for each of the maps, NULL without */
    float *predicted;   /* the measurement that the mean predicts, A mean; NaN where no pixel was
                           measured; NULL: not asked for */
    float *psf;         /* that was used, sum 1; NULL: no blur */
    scry_space psf_space;
    scry_options options;         /* that were used */
    scry_judgement judgement;     /* that chose them; count 0: the request named the method */
    scry_filling filling;         /* of holes, where the request named no method */
    scry_improvement improvement; /* whether the image is its own result, and why; its options then
                                     name no method */
    size_t samples, failed;
    scry_noise noise;
    scry_noise_model noise_model; /* the estimate; zeros without one */
    scry_affine map;              /* physical = scale u + shift */
    scry_start_point start;
    scry_counts counts;
    scry_diagnosis diagnosis;
    double flux_in, flux_out; /* sums over measured pixels, physical unit, background removed. Of a
                                 stack they differ by the light that the psf carries over its
                                 borders: blurred again, the result has flux_in */
    size_t excluded;          /* defects left out */
    scry_psf_width psf_width; /* the estimate of the psf's width from the image */
    double psf_factor;        /* the width used, as a factor on the psf given; 0: no blur */
    double psf_depth;         /* another factor, along z alone; 0: not looked for */
    size_t work_bytes;
    scry_prior_layout layout;
} scry_restore_result;

/* The state that many images of one instrument share: the PSF, the network, and its plan while
 * images keep their size. One image at a time. */
typedef struct scry_restorer scry_restorer;

/* Checks the request and loads the network. EINVAL: an unknown method, a method that does not
 * restore, a range with low > high, noise that is negative or not a number; those of
 * scry_psf_source_init, scry_output_maps_possible and scry_prior_pool_open. request and the data
 * that it points to are borrowed until the restorer is freed. */
scry_status scry_restorer_create(scry_restorer **out, const scry_restore_request *request,
                                 scry_error *err);
void scry_restorer_free(scry_restorer *r); /* accepts NULL */

/* One image, whose pixels count as not measured where they are NaN or infinite; its random numbers
 * are a function of the seed. monitor (may be NULL) sees every step of every chain.
 * errors  ESHAPE: not a real image or volume; the failures of each stage, with the image's name;
 * ESTOP: the
 *         monitor stopped it; ENUMERIC: no chain survived, or too few for the maps; ENOMEM: also a
 *         forecast beyond the machine */
scry_status scry_restorer_run(scry_restore_result *out, scry_restorer *r, const scry_image *image,
                              uint64_t seed, scry_chains_monitor *monitor, void *ctx,
                              scry_error *err);
void scry_restore_result_free(scry_restore_result *r); /* accepts a zeroed one */

/* The same for one image, without a restorer. Errors of scry_restorer_create and scry_restorer_run.
 * The caller frees *out, which is zeroed after a failure. */
scry_status scry_restore(scry_restore_result *out, const scry_image *image,
                         const scry_restore_request *request, scry_chains_monitor *monitor,
                         void *ctx, scry_error *err);

SCRY_END

#include "priors/network/unet.h"

/* 3 when a stack of nz planes is to be restored as a volume, 2 when plane by plane. */
int scry_restorer_rank(const scry_restorer *r, size_t nz);

/* Whether the prior knows colours: images are red, green and blue together (scry_image.colour). */
bool scry_restorer_is_colour(const scry_restorer *r);

/* The network's weights, to be named in a report; NULL: the method needs none. */
const scry_network *scry_restorer_network(const scry_restorer *r);

#endif
