#ifndef SCRY_APPS_RECON_MRI_MRI_H
#define SCRY_APPS_RECON_MRI_MRI_H

#include "apps/recon/diagnosis.h"
#include "apps/recon/log.h"
#include "apps/recon/output_maps.h"
#include "apps/recon/prior_lookup.h"
#include "apps/recon/start.h"
#include "lib/io/kspace/kspace.h"
#include "operators/likelihood.h"
#include "solvers/chains.h"

#include <complex.h>

/* Images from undersampled k-space, slice by slice. */

typedef enum scry_coil_maps {
    SCRY_COILS_ESPIRIT = 0, /* sensitivities from the fully sampled middle of k-space */
    SCRY_COILS_LOWRES,      /* images of that middle over their root sum of squares */
    SCRY_COILS_NONE         /* none: the root sum of squares of the coils, zero-filled */
} scry_coil_maps;

/* Zeros are defaults. Everything is borrowed. */
typedef struct scry_mri_request {
    scry_coil_maps coil_maps; /* where the caller has no maps */
    size_t sets;              /* of ESPIRiT maps; 0: 1. More than one: classical methods only */
    size_t acs;               /* lines of the middle that maps are made from, at most; 0: 24 */
    double crop;              /* eigenvalue below which ESPIRiT takes a pixel for empty; 0: 0.8;
                                 negative: none is empty */
    bool soft;                /* fade maps out in place of cutting them off */
    size_t coils;             /* virtual ones to compress to; 0: all as they are */
    double gain;        /* brightness that the network is shown the brightest tissue with: 2 gain
                           above its black; 0: 0.75 */
    double phase_width; /* sd of the Gaussian that the phase is read through, pixels; 0: 2 or less,
                           the widest that leaves 1 % of the energy beside it */
    double imaginary;   /* sd of the imaginary part beside that phase, network's unit; 0: learnt */
    double holdout;     /* share of the samples outside of the middle to judge by; 0: none */
    const scry_options *options;  /* of the method to use */
    const char *prior;            /* name or folder of a network, for methods that need one */
    size_t samples;               /* chains of a posterior method; 0: 16 */
    const scry_output_maps *maps; /* beside the mean; NULL: none */
    const char *mask_name;        /* of the mask that leaves samples out, for messages */
    scry_log log;
} scry_mri_request;

/* What holds for a whole volume. */
typedef struct scry_mri_run {
    const scry_mri_request *request;
    const struct scry_method *method;
    scry_options opts;
    scry_chains_opts chains; /* but for the thresholds, which are in the unit of the file */
    scry_output_maps maps;
    const scry_kspace_info *info;
    double complex *psi;    /* noise covariance, coils x coils; NULL: not whitened */
    float complex *virtual; /* compression to `coils` virtual ones; NULL: none */
    size_t coils;           /* of the problems */
    double unit;            /* intensity of bright tissue, file's unit: the scale rule */
    scry_prior_pool pool;
    bool has_pool;
    scry_chains_monitor *monitor; /* sees the steps of all chains and stops them; or NULL. Short
                                     chains that prepare a problem come with `chains` 0 */
    void *ctx;
} scry_mri_run;

/* ---- one slice, ready for its problems (slice.c) ----
 *
 * The readout is transformed to the image where it is completely sampled, and cut to the size of
 * the image there (oversampling). */
typedef struct scry_mri_slice {
    size_t coils, dims[3];      /* z, y, x of data */
    bool image_axis[3];         /* already transformed */
    float complex *data;        /* (coils, z, y, x) */
    unsigned char *mask;        /* (z, y, x) */
    float complex *calibration; /* as data, for the coil maps; may be data itself */
    unsigned char *calibration_mask;
} scry_mri_slice;

scry_status scry_mri_slice_read(scry_mri_slice *out, scry_kspace_reader *reader,
                                const scry_mri_run *run, size_t frame, size_t slice,
                                const unsigned char *mask, scry_error *err);
void scry_mri_slice_free(scry_mri_slice *s); /* accepts a zeroed one */

/* Every line along axis 1 (y) or 2 (x) of mask (z, y, x) is whole or missing. */
bool scry_mri_complete_along(const unsigned char *mask, const size_t dims[3], int axis);

/* The covariance of the coils' noise, coils x coils, from the samples themselves (noise.c). */
scry_status scry_mri_noise_from_slice(double complex *psi, const scry_mri_slice *s,
                                      const scry_kspace_info *info, scry_error *err);

/* The 2-D problems of a slice: 1, or for volumes that are encoded along z one for each position of
 * the readout; *across is the axis (z, y, x) they are counted along. EUNSUP: such a volume with a
 * readout that is not complete. */
scry_status scry_mri_slice_planes(size_t *count, int *across, const scry_mri_slice *s,
                                  scry_error *err);

/* Side of ESPIRiT's kernels for a calibration block of cy x cx: half of a thin one at most. In a
 * block of few kernel positions everything but the middle of the image would look empty. */
size_t scry_mri_kernel(size_t kernel, size_t cy, size_t cx);

/* One 2-D problem; arrays are owned. Coils are whitened, so that E|n|^2 = 1, and compressed. */
typedef struct scry_mri_plane {
    size_t coils, sets, ny, nx;
    unsigned axes;       /* SCRY_FOURIER_Y | SCRY_FOURIER_X, those still in k-space */
    int axis[2];         /* which of z, y, x (0, 1, 2) its rows and columns are */
    float complex *data; /* (coils, ny, nx) */
    unsigned char *mask; /* (ny, nx) */
    float complex *maps; /* (coils, sets, ny, nx); NULL: root sum of squares (--maps none) */
    double scale;        /* the largest root sum of squares of the whitened maps, by which maps
                            and data are divided: noise is E|n|^2 = 1/scale^2 */
} scry_mri_plane;

/* maps: (coils, sets, ny, nx) of the whole volume's slice that the caller has, in the file's own
 * coils, or NULL: as the settings say. */
scry_status scry_mri_plane_make(scry_mri_plane *out, const scry_mri_slice *s,
                                const scry_mri_run *run, size_t index, const float complex *maps,
                                scry_error *err);
void scry_mri_plane_free(scry_mri_plane *p);

/* Marks each pixel (ny, nx): 0, no coil sees it; SCRY_MRI_SEEN; and SCRY_MRI_SEEN_AROUND, where at
 * least half of its region of side x side pixels (those of scry_chains; 0: each pixel is one) is
 * seen. */
enum { SCRY_MRI_SEEN = 1, SCRY_MRI_SEEN_AROUND = 2 };
scry_status scry_mri_plane_seen(unsigned char **out, const scry_mri_plane *p, size_t side,
                                scry_error *err);

/* An image (ny, nx) on another grid (oy, ox): cut where that is smaller, interpolated by zeros in
 * k-space where it is larger. */
scry_status scry_mri_resize(float complex *out, size_t oy, size_t ox, const float complex *image,
                            size_t ny, size_t nx, scry_error *err);

/* Moves samples from `mask` (ny, nx) to *held, which becomes the caller's, to judge the image by: a
 * share of the lines (whole ones, where the readout is in the image) or samples outside of the
 * middle sixteenth of k-space, drawn by the seed. EINVAL: none was moved (holdout.c). */
scry_status scry_mri_hold_out(unsigned char **held, unsigned char *mask,
                              const scry_mri_plane *plane, double share, uint64_t seed,
                              scry_error *err);

/* ---- solving one (solve.c) ---- */

typedef struct scry_mri_result {
    float complex *image; /* (ny, nx), unit of the file; sets are added up by magnitude */
    float *maps;          /* of the magnitude's direction, an image each; NULL without */
    size_t samples, failed, coils;
    scry_counts counts;
    scry_start_point start;
    scry_diagnosis diagnosis;
    double holdout; /* |y - A x| / |y| over samples that were held out; NaN without */
    double holdout_chi2;
    double scale; /* intensity of u = 1, file's unit */
    double seconds;
} scry_mri_result;

scry_status scry_mri_solve(scry_mri_result *out, const scry_mri_plane *plane,
                           const scry_mri_run *run, uint64_t seed, size_t threads, scry_error *err);
void scry_mri_result_free(scry_mri_result *r);

/* Bytes for one problem of this size, beyond the k-space of its slice. Logs where its chains would
 * start. */
scry_status scry_mri_forecast(size_t *bytes, const scry_mri_plane *plane, const scry_mri_run *run,
                              scry_error *err);

#endif
