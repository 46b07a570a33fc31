#ifndef SCRY_APPS_RECON_IMAGE_IMPROVABLE_H
#define SCRY_APPS_RECON_IMAGE_IMPROVABLE_H

#include "apps/recon/image/improvement.h"
#include "apps/recon/image/restore.h"

/* Tests, before the work, whether deblurring can improve an image.
 *
 * Structure: the measurement is split into two independent halves. The local mean under a wide
 * Gaussian is subtracted from each half; the remainder a of the first half, smoothed by Gaussians
 * of several widths, is compared with the remainder b of the second:
 *
 *   z = sum a b / v / sqrt(sum a^2 var(b) / v^2),   v the variance of a pixel,
 *
 * which is N(0, 1) for noise alone and large for structure that both halves share: a few points are
 * found as well as a texture.
 *
 * Sharpness: `options` restores one half, which holds nearly all of the signal, and its blurred
 * estimate is subtracted from both halves. The covariance of the two residuals, each with the
 * neighbours of the other, is structure that the psf cannot explain; it is compared with the
 * structure that the psf removes when it blurs the image. Large images are tested on a window.
 *
 *   request  its psf and noise; options and maps do not matter
 *   options  a method without a network; NULL: sharpness is not tested
 * errors  those of scry_restorer_create and scry_restorer_run */
scry_status scry_improvement_find(scry_improvement *out, const scry_restore_request *request,
                                  const scry_image *image, const scry_options *options,
                                  uint64_t seed, scry_error *err);

/* The image as its own restoration: the mean is the image, the sd of a pixel that of its noise, and
 * the other maps follow from both; R-hat, ESS and chi2 are not numbers. out: its mean, maps and
 * diagnosis are set. ENOMEM. */
scry_status scry_improvement_keep(scry_restore_result *out, const scry_image *image,
                                  const scry_noise *noise, const scry_output_maps *maps,
                                  scry_error *err);

#endif
