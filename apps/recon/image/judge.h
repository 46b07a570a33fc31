#ifndef SCRY_APPS_RECON_IMAGE_JUDGE_H
#define SCRY_APPS_RECON_IMAGE_JUDGE_H

#include "apps/recon/image/restore.h"

/* Chooses the method that restores an image best, by its prediction of data that it has not seen.
 *
 * The measurement is split into two that are independent given the scene (lib/stats/fission.h):
 * every method restores the first, which holds nearly all of the signal, and its blurred result is
 * compared with the second, score = mean over known pixels of -(held - prediction)^2 / (2
 * var(held)), an unbiased estimate, up to a constant, of how well the method predicts within the
 * passband of the optics. A posterior method is judged by the mean of as many draws as the run will
 * take, extrapolated from two of them: with predictions p1, p2 the mean of K has the expected
 * square error of their mean plus (1/K - 1/2) (p1 - p2)^2 / 2. Large images are judged on windows.
 */

/* Judges options[0] .. options[count - 1] for `image` under `request`, whose own options and maps
 * are ignored.
 * errors  EINVAL: count 0 or above SCRY_JUDGE_MAX; those of restoring; ESTOP: the monitor stopped
 * it; a method that fails is not an error as long as another one does not. Where the first chain of
 * a method that draws shows that two of them on all of `image` would take longer than
 * request->seconds, the method counts as failed; not where maps are wanted. */
scry_status scry_judge_methods(scry_judgement *out, const scry_restore_request *request,
                               const scry_image *image, const scry_options *const *options,
                               size_t count, uint64_t seed, scry_chains_monitor *monitor, void *ctx,
                               scry_error *err);

/* Gives a method that draws at most half of the average, beside the method that fits best, as long
 * as that alone is behind by less than five standard errors: within the passband draws seem a
 * little better than they are in the image (tests/bench/RESULTS.md). */
void scry_judgement_halve(scry_judgement *j);

/* Judges one method with psfs of several widths, count <= SCRY_JUDGE_MAX: gain[k], k > 0, is the
 * score with widths[k] less that with widths[k - 1], and its standard error; gain[0] is 0.
 * errors  as above, and those of the method */
scry_status scry_judge_widths(scry_margin *gain, const scry_restore_request *request,
                              const scry_image *image, const scry_options *options,
                              const double *widths, size_t count, uint64_t seed,
                              scry_chains_monitor *monitor, void *ctx, scry_error *err);

#endif
