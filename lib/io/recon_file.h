#ifndef SCRY_LIB_IO_RECON_FILE_H
#define SCRY_LIB_IO_RECON_FILE_H

#include "lib/io/kspace/kspace.h"

/* Reconstructed images of an MR volume, in the formats of other tools. */

typedef enum scry_recon_format {
    SCRY_RECON_HDF5 = 0,
    SCRY_RECON_CFL,
    SCRY_RECON_NIFTI,
    SCRY_RECON_NPY
} scry_recon_format;

/* values[frame][slice][z][y][x], real or (re, im) pairs. Slices that failed hold NaN. */
typedef struct scry_recon {
    size_t frames, slices, nz, ny, nx;
    bool cplx;
    float *values;
    scry_geometry geometry;
    double tr;            /* s between frames; 0: not stated */
    double chi2;          /* of the image against the data, over all slices; 0: not stated */
    size_t draws;         /* draws behind the image (a mean or a map); 0: not stated */
    char description[80]; /* one line for headers that have a place for it */
} scry_recon;

/* By the ending of path: .h5 .hdf5, .cfl, .nii .nii.gz, .npy. EINVAL lists them. */
scry_status scry_recon_format_of(scry_recon_format *out, const char *path, scry_error *err);

/* Can `slices` that lie so be written to path? EUNSUP: NIfTI has one step from slice to slice. */
scry_status scry_recon_placeable(const char *path, const scry_geometry *g, size_t slices,
                                 scry_error *err);

/* Whole or not at all, by rename; an existing file is replaced (callers ask before).
 *   HDF5   dataset `reconstruction`: f32 (slice, y, x) as fastMRI submissions, or compound {r, i}
 *          where complex; more axes in front when frames > 1, and z in the slice's place; the other
 *          fields are attributes, where they are stated
 *   NPY    float32 or complex64 of the axes of HDF5
 *   CFL    dims x, y, z, and slices in dim 13, frames in dim 10
 *   NIfTI  float32 or complex64, RAS, sform and qform from the geometry, pixdim in mm (1 mm and
 *          codes 0 where it is not known) */
scry_status scry_recon_write(const char *path, const scry_recon *r, scry_error *err);

/* Any of these, also a fastMRI file's reconstruction_rss / reconstruction_esc, and NIfTI of any
 * real type (scaled by its slope). dataset NULL: `reconstruction`, else reconstruction_rss, else
 * reconstruction_esc. */
scry_status scry_recon_read(scry_recon *out, const char *path, const char *dataset,
                            scry_error *err);
void scry_recon_clear(scry_recon *r); /* accepts a zeroed one */

#endif
