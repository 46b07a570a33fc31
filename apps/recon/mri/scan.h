#ifndef SCRY_APPS_RECON_MRI_SCAN_H
#define SCRY_APPS_RECON_MRI_SCAN_H

#include "lib/api.h"

#include <stdbool.h>
#include <stddef.h>

SCRY_BEGIN

/* Cartesian k-space in memory: the properties common to all slices of a scan, and one slice. Axes
 * are z, y, x; sample floor(n/2) of an axis is k = 0; samples that were not acquired are 0 in the
 * mask. A slice with z > 1 is a volume that is encoded along z too. */

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
    int readout;        /* axis along which lines are acquired: 1 y, 2 x */
    bool image_axis[3]; /* in the image domain already */
    size_t image[3];    /* size of the image to make; 0: dims. The readout is cut to it (it is
                           oversampled), other axes are cut or interpolated */
    const scry_complex *noise; /* a scan without signal, (coils, noise_samples); NULL: none */
    size_t noise_samples;
    const char *noise_name; /* where it is from, for messages; NULL: "noise scans" */
    double noise_ratio;     /* variance of imaging samples over the variance of noise samples:
                               bandwidths; 0: 1 */
} scry_scan;

SCRY_END

#include "lib/status.h"

#include <complex.h>

/* One slice, ready for its problems. The readout is transformed to the image where it is completely
 * sampled, and cut to the size of the image there. */
typedef struct scry_mri_slice {
    size_t coils, dims[3];      /* z, y, x of data */
    bool image_axis[3];         /* already transformed */
    float complex *data;        /* (coils, z, y, x) */
    unsigned char *mask;        /* (z, y, x) */
    float complex *calibration; /* as data, for the coil maps; may be data itself */
    unsigned char *calibration_mask;
} scry_mri_slice;

/* Arrays of the scan's dims, from scry_alloc. */
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
