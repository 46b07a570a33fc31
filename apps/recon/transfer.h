#ifndef SCRY_APPS_RECON_TRANSFER_H
#define SCRY_APPS_RECON_TRANSFER_H

#include "lib/space.h"
#include "lib/status.h"

/* |H(f)|^2 of a PSF averaged over directions, f in cycles per pixel: the factor that a blur applies
 * to the spectrum of an image. count 0: no blur. */
typedef struct scry_transfer {
    size_t count;
    double *value; /* at f = i * sqrt(rank) / 2 / (count - 1) */
    double highest;
} scry_transfer;

scry_status scry_transfer_create(scry_transfer *t, const float *psf, const scry_space *space,
                                 scry_error *err);
/* The transfer function in the plane: for a volume, of the PSF's middle slice (in focus); for a
 * plane, as above. */
scry_status scry_transfer_create_lateral(scry_transfer *t, const float *psf,
                                         const scry_space *space, scry_error *err);
void scry_transfer_free(scry_transfer *t); /* accepts a zeroed one */

/* Linear between entries, in 0..1: a scry_spectrum_fn. */
double scry_transfer_at(double f, void *ctx);

/* Replaces the unknown pixels of each plane by a weighted mean of the nearest known ones, with
 * weights that fall as the fourth power of the distance: an image without holes for spectral
 * estimates. */
scry_status scry_transfer_fill(float *image, const unsigned char *known, const scry_space *space,
                               scry_error *err);

#endif
