#ifndef SCRY_APPS_RECON_IMAGE_RISE_IMPL_H
#define SCRY_APPS_RECON_IMAGE_RISE_IMPL_H

#include "lib/space.h"
#include "lib/stats/noise_identify.h"
#include "lib/status.h"

/* A restoration that amplifies an error of its PSF or its noise model has a power spectrum that
 * falls with frequency and then rises again. Specimens have none: that of points is flat, that of
 * all else falls.
 *
 * *decibels: the largest rise from one ring of frequencies to a higher one, from 0.1 cycles per
 * pixel on, rings of 0.05; of the middle of the middle plane, at most 512 x 512 pixels under a Hann
 * window. 0 below 64 x 64, where rings have too few frequencies.
 *   enlarged  factor by which the image was enlarged: rings are those of the pixels before, up to
 *             0.4, where copies of the spectrum begin to show; 1: it was not
 * ENOMEM */
scry_status scryi_spectrum_rise(double *decibels, const scry_space *space, const float *pixels,
                                double enlarged, scry_error *err);

/* The factor to give it: by the noise that was found with the psf in use; where that was given and
 * nothing was looked for (no windows), as `studied` before. With a psf that is too wide, noise that
 * a denoiser left looks like that of an enlargement, and the rise beyond it would not be seen. */
double scryi_rise_enlarged(const scry_noise_model *used, double studied);

#endif
