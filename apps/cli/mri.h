#ifndef SCRY_APPS_CLI_MRI_H
#define SCRY_APPS_CLI_MRI_H

#include "apps/cli/cli.h"
#include "apps/recon/diagnosis.h"
#include "apps/cli/monitor.h"
#include "apps/recon/prior_lookup.h"
#include "apps/recon/output_maps.h"
#include "apps/recon/start.h"
#include "lib/io/kspace/kspace.h"
#include "lib/io/recon_file.h"
#include "operators/likelihood.h"
#include "priors/info.h"
#include "solvers/chains.h"

#include <stdio.h>

/* scry mri: images from undersampled k-space, slice by slice. */

typedef struct mri_settings {
    const char *method, *prior, *maps, *mask, *noise, *dataset, *slices, *fft;
    const char *report, *preview;
    output_map_names products;
    int64_t samples, seed, threads, sets, acs, coils;
    double crop, holdout, gain, phase_width, imaginary;
    double oversampling;
    const char *transformed;
    bool soft, cplx, force, quiet;
    cli_method_values methods;
} mri_settings;

void mri_settings_init(mri_settings *s);
enum { MRI_OPTIONS = 40 };
void mri_options(cli_option *table, mri_settings *s);
/* EINVAL: a choice or a number that is not one of those allowed. */
scry_status mri_settings_check(const mri_settings *s, scry_error *err);

/* What holds for a whole volume. */
typedef struct mri_run {
    const mri_settings *settings;
    const struct scry_method *method;
    scry_options opts;
    scry_chains_opts chains; /* but for the thresholds, which are in the unit of the file */
    output_maps products;
    const scry_kspace_info *info;
    double complex *psi;    /* noise covariance, coils x coils; NULL: not whitened */
    float complex *virtual; /* compression to `coils` virtual ones; NULL: none */
    size_t coils;           /* of the problems */
    double unit;            /* intensity of bright tissue, file's unit: the scale rule */
    prior_pool pool;
    bool has_pool;
    FILE *log;      /* stderr on the first rank, or NULL when quiet */
    monitor *steps; /* told the steps of the chains, where one problem is all there is; or NULL */
} mri_run;

/* ---- one slice, ready for its problems (mri_prepare.c) ----
 *
 * The readout is transformed to the image where it is completely sampled, and cut to the size of
 * the image there (oversampling). */
typedef struct mri_slice {
    size_t coils, dims[3];      /* z, y, x of data */
    bool image_axis[3];         /* already transformed */
    float complex *data;        /* (coils, z, y, x) */
    unsigned char *mask;        /* (z, y, x) */
    float complex *calibration; /* as data, for the coil maps; may be data itself */
    unsigned char *calibration_mask;
} mri_slice;

scry_status mri_slice_read(mri_slice *out, scry_kspace_reader *reader, const mri_run *run,
                           size_t frame, size_t slice, const unsigned char *mask, scry_error *err);
void mri_slice_free(mri_slice *s); /* accepts a zeroed one */

/* Every line along axis 1 (y) or 2 (x) of mask (z, y, x) is whole or missing. */
bool mri_complete_along(const unsigned char *mask, const size_t dims[3], int axis);

/* The covariance of the coils' noise, coils x coils, from the samples themselves (mri_noise.c). */
scry_status mri_noise_from_slice(double complex *psi, const mri_slice *s,
                                 const scry_kspace_info *info, scry_error *err);

/* The 2-D problems of a slice: 1, or for volumes that are encoded along z one for each position of
 * the readout; *across is the axis (z, y, x) they are counted along. EUNSUP: such a volume with a
 * readout that is not complete. */
scry_status mri_slice_planes(size_t *count, int *across, const mri_slice *s, scry_error *err);

/* Side of ESPIRiT's kernels for a calibration block of cy x cx: half of a thin one at most. In a
 * block of few kernel positions everything but the middle of the image would look empty. */
size_t mri_kernel(size_t kernel, size_t cy, size_t cx);

/* One 2-D problem; arrays are owned. Coils are whitened, so that E|n|^2 = 1, and compressed. */
typedef struct mri_plane {
    size_t coils, sets, ny, nx;
    unsigned axes;       /* SCRY_FOURIER_Y | SCRY_FOURIER_X, those still in k-space */
    int axis[2];         /* which of z, y, x (0, 1, 2) its rows and columns are */
    float complex *data; /* (coils, ny, nx) */
    unsigned char *mask; /* (ny, nx) */
    float complex *maps; /* (coils, sets, ny, nx); NULL: root sum of squares (--maps none) */
    double scale;        /* the largest root sum of squares of the whitened maps, by which maps
                            and data are divided: noise is E|n|^2 = 1/scale^2 */
} mri_plane;

/* maps: (coils, sets, ny, nx) of the whole volume's slice from --maps FILE, in the file's own
 * coils, or NULL: as the settings say. */
scry_status mri_plane_make(mri_plane *out, const mri_slice *s, const mri_run *run, size_t index,
                           const float complex *maps, scry_error *err);
void mri_plane_free(mri_plane *p);

/* Marks each pixel (ny, nx): 0, no coil sees it; MRI_SEEN; and MRI_SEEN_AROUND, where at least half
 * of its region of side x side pixels (those of scry_chains; 0: each pixel is one) is seen. */
enum { MRI_SEEN = 1, MRI_SEEN_AROUND = 2 };
scry_status mri_plane_seen(unsigned char **out, const mri_plane *p, size_t side, scry_error *err);

/* An image (ny, nx) on another grid (oy, ox): cut where that is smaller, interpolated by zeros in
 * k-space where it is larger. */
scry_status mri_resize(float complex *out, size_t oy, size_t ox, const float complex *image,
                       size_t ny, size_t nx, scry_error *err);

/* Moves samples from `mask` (ny, nx) to *held, which becomes the caller's, to judge the image by: a
 * share of the lines (whole ones, where the readout is in the image) or samples outside of the
 * middle sixteenth of k-space, drawn by the seed. EINVAL: none was moved (mri_holdout.c). */
scry_status mri_hold_out(unsigned char **held, unsigned char *mask, const mri_plane *plane,
                         double share, uint64_t seed, scry_error *err);

/* ---- solving one (mri_solve.c) ---- */

typedef struct mri_result {
    float complex *image; /* (ny, nx), unit of the file; sets are added up by magnitude */
    float *products;      /* of the magnitude's direction, an image each; NULL without */
    size_t samples, failed, coils;
    scry_counts counts;
    start_point start;
    diagnosis diagnosis;
    double holdout; /* |y - A x| / |y| over samples that were held out; NaN without */
    double holdout_chi2;
    double scale; /* intensity of u = 1, file's unit */
    double seconds;
} mri_result;

scry_status mri_solve(mri_result *out, const mri_plane *plane, const mri_run *run, uint64_t seed,
                      size_t threads, scry_error *err);
void mri_result_free(mri_result *r);

/* Bytes for one problem of this size, beyond the k-space of its slice. Tells run->log where its
 * chains would start. */
scry_status mri_forecast(size_t *bytes, const mri_plane *plane, const mri_run *run,
                         scry_error *err);

#endif
