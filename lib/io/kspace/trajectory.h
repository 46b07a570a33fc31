#ifndef SCRY_LIB_IO_KSPACE_TRAJECTORY_H
#define SCRY_LIB_IO_KSPACE_TRAJECTORY_H

#include "lib/status.h"

#include <stddef.h>

/* Where the samples of radial, spiral and other scans lie in k-space, from a file beside the
 * samples.
 *   cfl    as BART writes them: dim 0 has kx, ky, kz, the other dims are those of the samples
 *          without coils (read, spokes, ...)
 *   HDF5   dataset "trajectory" or "traj", or the only one: numbers (..., 2 or 3), the last axis
 *          kx, ky, kz
 * Coordinates count in units of 1 / field of view, so that those of a full scan of n pixels run
 * from -n/2 to n/2; where none exceeds one half they are in cycles per pixel. */
typedef struct scry_kspace_trajectory {
    float *k;       /* (samples, 2): ky, kx, as the file has them; from scry_alloc */
    size_t samples; /* the first axis inside of kx, ky, kz fastest */
    size_t line;    /* samples of one readout: that axis */
    double largest; /* |kx|, |ky| */
} scry_kspace_trajectory;

/* errors  EFORMAT: neither of the formats, no such dataset, other dims; ENUMERIC: a coordinate that
 *         is not finite; EUNSUP: kz is not 0 everywhere; EIO; ENOMEM */
scry_status scry_kspace_trajectory_read(scry_kspace_trajectory *out, const char *path,
                                        scry_error *err);
void scry_kspace_trajectory_free(scry_kspace_trajectory *t); /* accepts a zeroed one */

/* The image size n that the trajectory was made for: 2 max |k|, rounded to an even number. 0: the
 * coordinates are in cycles per pixel, and n must be known. */
size_t scry_kspace_trajectory_size(const scry_kspace_trajectory *t);

/* Cycles per pixel of an image of ny x nx. */
void scry_kspace_trajectory_scale(scry_kspace_trajectory *t, size_t ny, size_t nx);

#endif
