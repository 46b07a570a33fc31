#ifndef SCRY_APPS_RECON_IMAGE_IMPROVABLE_H
#define SCRY_APPS_RECON_IMAGE_IMPROVABLE_H

#include "apps/recon/image/improvement.h"
#include "apps/recon/image/restore.h"

/* Asks an image whether anything can be gained by undoing its blur, before the work.
 *
 * Structure: the measurement is split into two independent halves. Each has its mean over a wide
 * Gaussian taken off; what is left of the first, a, smoothed by Gaussians of several widths, is
 * compared with what is left of the second, b:
 *
 *   z = sum a b / v / sqrt(sum a^2 var(b) / v^2),   v the variance of a pixel,
 *
 * which noise alone makes N(0, 1), and structure that both share makes large: a few points are
 * found as well as a texture.
 *
 * Sharpness: `options` restores a part that holds nearly all the light, and its blurred estimate is
 * taken off that part and off the rest. What both residuals share, each with the neighbours of the
 * other, is what the psf cannot explain; it is measured against what the psf, applied to the image,
 * takes from it. Asked on a window of large images.
 *
 *   request  its psf and noise; options and maps do not matter
 *   options  a method without a network; NULL: sharpness is not asked
 * errors  those of scry_restorer_create and scry_restorer_run */
scry_status scry_improvement_ask(scry_improvement *out, const scry_restore_request *request,
                                 const scry_image *image, const scry_options *options,
                                 uint64_t seed, scry_error *err);

/* The image as its own restoration: the mean is the image, the sd of a pixel that of its noise, and
 * the other maps follow from both; R-hat, ESS and chi2 are not numbers. out: its mean, maps and
 * diagnosis are set. ENOMEM. */
scry_status scry_improvement_keep(scry_restore_result *out, const scry_image *image,
                                  const scry_noise *noise, const scry_output_maps *maps,
                                  scry_error *err);

#endif
