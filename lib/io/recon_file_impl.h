#ifndef SCRY_LIB_IO_RECON_FILE_IMPL_H
#define SCRY_LIB_IO_RECON_FILE_IMPL_H

#include "lib/io/nifti.h"
#include "lib/io/recon_file.h"

/* From LPS and the centre of the first slice to RAS and the corner voxel, and back. n->nx, ny, nz
 * are set; slices: those that slice_gap steps through (1: the steps of z are of a volume).
 *
 *   LPS of voxel (i, j, k) = position + (i - floor(nx/2)) dx along_x + (j - floor(ny/2)) dy along_y
 *                                     + k slice_gap,  or (k - floor(nz/2)) dz along_z in a volume
 *
 * since the voxel at floor(n/2) is that of zero phase in the Fourier convention. RAS: x and y
 * change sign. */
void scryi_nifti_place(scry_nifti *n, const scry_geometry *g, size_t slices);
void scryi_nifti_geometry(scry_geometry *g, const scry_nifti *n);

#endif
