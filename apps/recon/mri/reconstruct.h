#ifndef SCRY_APPS_RECON_MRI_RECONSTRUCT_H
#define SCRY_APPS_RECON_MRI_RECONSTRUCT_H

#include "apps/recon/diagnosis.h"
#include "apps/recon/log.h"
#include "apps/recon/mri/scan.h"
#include "apps/recon/output_maps.h"
#include "apps/recon/prior_lookup.h"
#include "apps/recon/start.h"
#include "lib/api.h"
#include "solvers/chains.h"

SCRY_BEGIN

/* Images from undersampled k-space. One slice, from arrays to arrays:
 *
 *     const scry_scan scan = {.coils = 8, .dims = {1, 256, 192}, .readout = 2, .data = kspace};
 *     scry_mri_result result;
 *     scry_status st = scry_reconstruct(&result, &scan, mask, &(scry_mri_request){.samples = 8},
 *                                       NULL, NULL, &err);
 *     ... result.image ...
 *     scry_mri_result_free(&result);
 *
 * For many slices of a scan, a reconstructor keeps the state that they share. */

typedef enum scry_coil_maps {
    SCRY_COILS_ESPIRIT = 0, /* sensitivities from the fully sampled middle of k-space */
    SCRY_COILS_LOWRES,      /* images of that middle, divided by their root sum of squares */
    SCRY_COILS_NONE         /* no maps: the root sum of squares of the coil images */
} scry_coil_maps;

/* The source of the noise covariance by which the coils are whitened. */
typedef enum scry_coil_noise {
    SCRY_COIL_NOISE_AUTO = 0, /* the noise scan, else k-space; classical methods do without where
                                 neither gives an estimate */
    SCRY_COIL_NOISE_SCAN,     /* the noise scan */
    SCRY_COIL_NOISE_KSPACE,   /* samples or pixels that no signal reaches */
    SCRY_COIL_NOISE_GIVEN,    /* noise_sd, the same in all coils, which share none */
    SCRY_COIL_NOISE_NONE      /* not whitened: classical methods only */
} scry_coil_noise;

/* What is known of the phase of the image. */
typedef enum scry_image_phase {
    SCRY_PHASE_AUTO = 0, /* smooth where k-space is sampled farther to one side, else free */
    SCRY_PHASE_SMOOTH,   /* that of the middle of k-space: the image is real beside it */
    SCRY_PHASE_FREE      /* nothing; diffusion methods still learn one */
} scry_image_phase;

/* Zeros are defaults. Everything is borrowed. */
typedef struct scry_mri_request {
    scry_coil_maps coil_maps; /* where the caller has no maps */
    size_t sets;              /* of ESPIRiT maps; 0: 1 */
    size_t acs;               /* lines of the middle that maps are made from, at most; 0: 64, and
                                 all of a readout that is complete */
    double crop;              /* eigenvalue below which ESPIRiT treats a pixel as empty; 0: 0.8;
                                 negative: none is empty */
    bool judge_crop;          /* crop 0: 0.7 in place of 0.8 where samples of the slice that
                                 calibrates, held out, are predicted better by that */
    bool soft;                /* fade maps out instead of cutting them off */
    size_t coils;             /* virtual coils to compress to; 0: no compression */
    scry_coil_noise noise;
    bool judge_noise; /* coils are also whitened by what their maps leave unexplained, where samples
                         that are held out are predicted better by that (the image of several coils
                         and one set of maps, whose noise is not guessed) */
    scry_image_phase phase;
    double noise_sd; /* of COIL_NOISE_GIVEN: sqrt(E|n|^2) of a complex sample, unit of the file */
    double gain;     /* brightness of the brightest tissue in the network's input: 2 gain above
                        its black; 0: 0.75 */
    double phase_width; /* sd of the Gaussian that smooths the phase, pixels; 0: 2 or less, the
                           widest that leaves 1 % of the energy beside it */
    double imaginary;   /* sd of the imaginary part beside that phase, network's unit; 0: learnt */
    double holdout;     /* share of the outer samples to hold out and judge by; 0: none */
    const char *method; /* by name; NULL: the default for k-space */
    const scry_options *options; /* a method with its options, instead of `method`; NULL: its
                                    defaults for k-space (scry_scan_options) */
    bool tune;      /* choose the weight of the method (lambda) by held-out samples of the slice
                       that calibrates; false: as it is */
    bool automatic; /* the method is classical: a diffusion method takes its place where it predicts
                       held-out samples better and its prior is there */
    size_t planes;  /* of the run, for automatic: where all by the diffusion method would take more
                       than an hour of a processor, the classical one stays; 0: 1 */
    const char *prior;            /* name or folder of a network, for methods that need one;
                                     NULL: the one for MR images */
    const char *class_name;       /* of the images, for a prior that knows classes; "none": none;
                                     NULL: chosen from each slice */
    double guidance;              /* weight of the class; 0: 1 */
    size_t samples;               /* chains of a posterior method; 0: 16 */
    uint64_t seed;                /* of scry_reconstruct; a reconstructor takes one a plane */
    size_t threads;               /* of scry_reconstruct: chains at a time; 0: as many as OpenMP has
                                     threads */
    const scry_output_maps *maps; /* beside the mean; NULL: none */
    scry_log log;
} scry_mri_request;

/* A plane on the grid of its samples. */
typedef struct scry_mri_result {
    size_t ny, nx;
    int axis[2];         /* which of z, y, x (0, 1, 2) rows and columns are */
    scry_complex *image; /* (ny, nx), unit of the file; sets are added up by magnitude */
    float *maps;         /* of the magnitude's direction, an image each; NULL without */
    size_t samples, failed, coils;
    scry_counts counts;
    scry_start_point start;
    scry_diagnosis diagnosis;
    double holdout; /* |y - A x| / |y| over samples that were held out; NaN without */
    double holdout_chi2;
    double scale; /* intensity of u = 1, file's unit */
    double seconds;
} scry_mri_result;

void scry_mri_result_free(scry_mri_result *r); /* accepts a zeroed one */

/* One slice (dims[0] 1, so that there is one plane), on the grid of its image: scan->image where it
 * says so. mask: (y, x), not 0 where a sample was acquired; NULL: where any coil's is not 0.
 * errors  EUNSUP: a volume encoded along z; those of scry_reconstructor_create,
 *         scry_mri_slice_take, scry_reconstructor_calibrate and scry_reconstructor_run. The caller
 *         frees *out, which is zeroed after a failure. */
scry_status scry_reconstruct(scry_mri_result *out, const scry_scan *scan, const unsigned char *mask,
                             const scry_mri_request *request, scry_chains_monitor *monitor,
                             void *ctx, scry_error *err);

SCRY_END

#include "priors/network/unet.h"

/* EINVAL: not a method that reconstructs, or one that cannot meet the request for any scan; a
 * threshold below 0. scry_reconstructor_create checks the same. */
scry_status scry_mri_request_check(const scry_mri_request *request, scry_error *err);

/* Image and maps (those of `maps`) on the grid (ny, nx), as scry_mri_resize does it. Images are
 * interpolated, and standard deviations and quantiles must not ring below 0 where magnitudes do
 * not; shares, and values of a region, are taken from the nearest pixel. */
scry_status scry_mri_result_resize(scry_mri_result *r, const scry_output_maps *maps, size_t ny,
                                   size_t nx, scry_error *err);

/* ---- a scan, slice by slice ----
 *
 * create, calibrate with one slice, then any slice. A calibrated reconstructor does not change: it
 * may run in several threads at a time. */
typedef struct scry_reconstructor scry_reconstructor;

/* Checks the request and loads the network. request, scan and all that they point to are borrowed
 * until the reconstructor is freed.
 * errors  EINVAL: not a method that reconstructs, or one that cannot meet the request; those of
 *         scry_prior_pool_open */
scry_status scry_reconstructor_create(scry_reconstructor **out, const scry_mri_request *request,
                                      const scry_scan *scan, scry_error *err);
void scry_reconstructor_free(scry_reconstructor *r); /* accepts NULL */

/* Estimates from one slice, best in the middle, for all slices: the noise of the coils, their
 * compression, and the unit of intensities. threads: of the estimates, and `each` of them for a
 * run; *bytes (may be NULL): its memory beyond the slice. maps as for scry_reconstructor_run. */
scry_status scry_reconstructor_calibrate(scry_reconstructor *r, const scry_mri_slice *slice,
                                         const float complex *maps, size_t threads, size_t each,
                                         size_t *bytes, scry_error *err);

/* The sensitivities (coils, sets, ny, nx) that scry_reconstructor_run makes from the calibration of
 * a slice where it is given none, for frames to share them: scry_free. *maps NULL: none are made.
 */
scry_status scry_reconstructor_maps(float complex **maps, const scry_reconstructor *r,
                                    const scry_mri_slice *slice, size_t index, scry_error *err);

/* Plane `index` of a slice (scry_mri_slice_planes). maps: (coils, sets, ny, nx) sensitivities in
 * the file's own coils, or NULL: made from the slice's calibration. monitor (may be NULL) sees the
 * steps of all chains and may stop them; short chains that prepare the problem come with `chains`
 * 0. errors  those of each stage; ESTOP: the monitor stopped it */
scry_status scry_reconstructor_run(scry_mri_result *out, const scry_reconstructor *r,
                                   const scry_mri_slice *slice, size_t index,
                                   const float complex *maps, uint64_t seed, size_t threads,
                                   scry_chains_monitor *monitor, void *ctx, scry_error *err);
/* Whether the method takes all frames of a slice as one problem; and that problem: the frames of a
 * slice, into results of one plane each. EUNSUP: also frames of volumes, several sets of maps */
bool scry_reconstructor_joins_frames(const scry_reconstructor *r);
scry_status scry_reconstructor_run_series(scry_mri_result *out, const scry_reconstructor *r,
                                          const scry_mri_slice *slices, size_t frames,
                                          const float complex *maps, uint64_t seed, size_t threads,
                                          scry_chains_monitor *monitor, void *ctx, scry_error *err);
/* A^H y of the samples, for any method. */
scry_status scry_reconstructor_adjoint(scry_mri_result *out, const scry_reconstructor *r,
                                       const scry_mri_slice *slice, size_t index,
                                       const float complex *maps, scry_error *err);

/* For reports, after the calibration. */
double scry_reconstructor_unit(const scry_reconstructor *r); /* intensity that counts as 1 */
const scry_options *scry_reconstructor_options(const scry_reconstructor *r); /* that it chose */
bool scry_reconstructor_whitened(const scry_reconstructor *r);
/* Where the noise is from ("noise scans", a file, "given", "guessed", or samples of the scan, and
 * what bounds the estimate or how sure it is); *sd: its root mean square over coils, sqrt(E|n|^2)
 * of a sample, unit of the file; NaN: guessed. And where the coil maps are from, where the caller
 * has none. */
const char *scry_reconstructor_noise(const scry_reconstructor *r, double *sd);
const char *scry_reconstructor_maps_from(const scry_reconstructor *r);
/* How the method was chosen, in words; "": it was named. */
const char *scry_reconstructor_choice(const scry_reconstructor *r);
const scry_network *scry_reconstructor_network(const scry_reconstructor *r); /* or NULL */
size_t scry_reconstructor_chains(const scry_reconstructor *r);

#endif
