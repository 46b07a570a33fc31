#ifndef SCRY_APPS_RECON_IMAGE_INTENSITY_H
#define SCRY_APPS_RECON_IMAGE_INTENSITY_H

#include "operators/likelihood.h"

#include <stddef.h>

/* The map from the prior's variable u to physical intensities, physical = scale u + shift, by the
 * convention in the training of the microscopy priors: u = 2 g (v - low) / (high - low) - 1, low
 * and high the 0.5 and 99.9 percentiles of a clean image, g between 0.5 and 1; here g is the middle
 * of this range.
 *
 *   v          n pixels of an estimate without much noise, physical unit (scry_noise_to_physical);
 *              its percentiles are read where no range is given
 *   low, high  the range, unit of the file, where low < high; equal: not given
 * errors  EINVAL: the percentiles are equal; ENOMEM */
scry_status scry_intensity_map(scry_affine *map, const float *v, size_t n, const scry_noise *noise,
                               double low, double high, scry_error *err);

#endif
