#ifndef SCRY_APPS_RECON_MRI_SCAN_H
#define SCRY_APPS_RECON_MRI_SCAN_H

#include "lib/api.h"

#include <stdbool.h>
#include <stddef.h>

SCRY_BEGIN

/* K-space in memory: the properties common to all slices of a scan, and one slice. Axes are z, y,
 * x; sample floor(n/2) of an axis is k = 0; samples that were not acquired are 0 in the mask. A
 * slice with z > 1 is a volume that is encoded along z too.
 *
 * Radial, spiral and other scans have a trajectory: their data are (coils, samples) and their masks
 * (samples), dims are 1 and the size of the image, and no axis is in the image domain. */

/* Everything is borrowed. */
typedef struct scry_scan {
    const char *name;         /* for messages; NULL: "scan" */
    const scry_complex *data; /* (coils, z, y, x), of scry_reconstruct; NULL where slices are passed
                                  one by one */
    const scry_complex *maps; /* of scry_reconstruct: (coils, sets, y, x) sensitivities; NULL: made
                                  from data. Where their root sum of squares is 1 the image has
                                  the intensity of a root-sum-of-squares one */
    size_t sets;              /* of the maps that are passed; 0: as many as the request asks for */
    size_t coils, dims[3];
    int readout;             /* axis along which lines are acquired: 1 y, 2 x */
    bool image_axis[3];      /* in the image domain already */
    size_t image[3];         /* size of the image to make; 0: dims. The readout is cut to it (it is
                                oversampled), other axes are cut or interpolated */
    const float *trajectory; /* (samples, 2): ky, kx of operators/nufft.h; NULL: Cartesian */
    size_t samples, line;    /* with a trajectory; line: the samples of one readout */
    const scry_complex *noise; /* a scan without signal, (coils, noise_samples); NULL: none */
    size_t noise_samples;
    const char *noise_name; /* where it is from, for messages; NULL: "noise scans" */
    double noise_ratio;     /* variance of imaging samples over the variance of noise samples:
                               bandwidths; 0: 1 */
} scry_scan;

SCRY_END

#include "lib/status.h"

#include <complex.h>

/* Samples off the grid, all of them acquired. */
typedef struct scry_mri_scattered {
    size_t samples, line;
    float complex *data; /* (coils, samples); NULL: the slice is Cartesian */
    float *trajectory;   /* (samples, 2): ky, kx, cycles per pixel */
    float *density;      /* (samples): the area that each stands for */
} scry_mri_scattered;

/* One slice, ready for its problems. The readout is transformed to the image where it is completely
 * sampled, and cut to the size of the image there. Of samples off the grid, data are what they give
 * on the grid where some lie next to each of its places: for coil maps and scales. */
typedef struct scry_mri_slice {
    size_t coils, dims[3];      /* z, y, x of data */
    bool image_axis[3];         /* already transformed */
    float complex *data;        /* (coils, z, y, x) */
    unsigned char *mask;        /* (z, y, x) */
    float complex *calibration; /* as data, for the coil maps; may be data itself */
    unsigned char *calibration_mask;
    scry_mri_scattered scattered;
} scry_mri_slice;

/* Arrays of the scan's dims, from scry_alloc. With a trajectory: data (coils, samples) and mask
 * (samples), no calibration. */
typedef struct scry_mri_samples {
    float complex *data;
    unsigned char *mask;
    float complex *calibration; /* and its mask; NULL: data serve for it */
    unsigned char *calibration_mask;
} scry_mri_samples;

/* The arrays become the slice's, or are freed on failure. Data outside of the mask are set to 0.
 * errors  EINVAL: an array is missing, or nothing is sampled; ENOMEM */
scry_status scry_mri_slice_take(scry_mri_slice *out, const scry_scan *scan,
                                const scry_mri_samples *samples, scry_error *err);

void scry_mri_slice_free(scry_mri_slice *s); /* accepts a zeroed one */

/* The 2-D problems of a slice: 1, or for volumes that are encoded along z one for each position of
 * the readout; *across is the axis (z, y, x) along which they are counted. EUNSUP: such a volume
 * with an incomplete readout. */
scry_status scry_mri_slice_planes(size_t *count, int *across, const scry_mri_slice *s,
                                  scry_error *err);

/* Every line along axis 1 (y) or 2 (x) of mask (z, y, x) is whole or missing. */
bool scry_mri_complete_along(const unsigned char *mask, const size_t dims[3], int axis);

/* An image (ny, nx) on another grid (oy, ox): cut where that is smaller, interpolated by zeros in
 * k-space where it is larger. */
scry_status scry_mri_resize(float complex *out, size_t oy, size_t ox, const float complex *image,
                            size_t ny, size_t nx, scry_error *err);

#endif
