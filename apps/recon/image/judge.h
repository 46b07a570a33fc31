#ifndef SCRY_APPS_RECON_IMAGE_JUDGE_H
#define SCRY_APPS_RECON_IMAGE_JUDGE_H

#include "apps/recon/image/restore.h"

/* Which of several methods restores an image best, told by light that none of them has seen.
 *
 * The measurement is split into two parts that are independent given the scene
 * (lib/stats/fission.h): every method restores the first, which holds nearly all of the light, and
 * the blurred result is compared with the second, score = mean over known pixels of -(held -
 * prediction)^2 / (2 var(held)), an unbiased estimate, up to a constant, of how well the method
 * predicts: it sees what the optics pass and nothing else. A posterior method is judged for the
 * mean of as many draws as will be taken, from two of them: with predictions p1, p2 the mean of K
 * has the expected square error of their mean plus (1/K - 1/2) (p1 - p2)^2 / 2. Large images are
 * judged on windows of it. */

/* Judges options[0] .. options[count - 1] as they would restore `image` under `request`, whose own
 * options and maps do not matter.
 * errors  EINVAL: count 0 or above SCRY_JUDGE_MAX; those of the parts; ESTOP: the monitor stopped
 * it; a method that fails is not an error as long as another one does not */
scry_status scry_judge_methods(scry_judgement *out, const scry_restore_request *request,
                               const scry_image *image, const scry_options *const *options,
                               size_t count, uint64_t seed, scry_chains_monitor *monitor, void *ctx,
                               scry_error *err);

#endif
