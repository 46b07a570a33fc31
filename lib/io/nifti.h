#ifndef SCRY_LIB_IO_NIFTI_H
#define SCRY_LIB_IO_NIFTI_H

#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>

/* NIfTI-1 in one file, .nii or .nii.gz. */
typedef struct scry_nifti {
    size_t nt, nz, ny, nx;
    bool cplx;
    float *values;       /* [t][z][y][x], (re, im) pairs when cplx */
    double step[3];      /* mm from voxel to voxel along x, y, z; 1 where not known */
    double tr;           /* s from one t to the next; 0: not stated */
    bool placed;         /* affine is known */
    double affine[3][4]; /* mm in the patient's RAS axes (right, anterior, superior) of voxel
                            (i, j, k): sum_a affine[.][a] (i, j, k)_a + affine[.][3] */
    char description[80];
} scry_nifti;

/* Float32 or complex64, little-endian, whole or not at all, by rename; an existing file is
 * replaced. .gz in path compresses. sform holds the affine; qform too, where its axes are at right
 * angles (within 1e-3), as a quaternion demands.
 * errors  ESHAPE: an axis beyond the 32767 that the header can hold; EINVAL: affine or steps that
 *         are not finite; EIO; ENOMEM */
scry_status scry_nifti_write(const char *path, const scry_nifti *n, scry_error *err);

/* Integers, floats and complex64 of either byte order, multiplied by the slope, plus the intercept
 * of the header. out->values is released by scry_nifti_clear.
 * errors  EIO; EFORMAT: not NIfTI-1, truncated, or a header out of range; EUNSUP: header and values
 *         in two files, NIfTI-2, more than 4 axes, colours; ENOMEM */
scry_status scry_nifti_read(scry_nifti *out, const char *path, scry_error *err);
void scry_nifti_clear(scry_nifti *n); /* accepts a zeroed one */

/* Parses the first 348 bytes: everything but the values, which begin at `offset`. */
enum { SCRY_NIFTI_HEADER = 348 };
typedef struct scry_nifti_layout {
    int type; /* NIfTI's number for it */
    bool swapped;
    size_t bytes, offset; /* of a value; of the first */
    double slope, intercept;
} scry_nifti_layout;
scry_status scry_nifti_parse(scry_nifti *out, scry_nifti_layout *layout, const void *header,
                             const char *name, scry_error *err);

#endif
