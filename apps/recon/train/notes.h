#ifndef SCRY_APPS_RECON_TRAIN_NOTES_H
#define SCRY_APPS_RECON_TRAIN_NOTES_H

#include "apps/recon/train/training.h"

/* prior.json beside the weights of a training: "input", the origin of the images, the table of
 * held-out PSNR (level by image, as scry_held_out_psnr), and two facts for samplers: the spectrum
 * of the images, and the gap between D and the Gaussian of that spectrum at each level. held_out
 * NULL: of a training that was stopped before its first score, without those levels and the table.
 */
scry_status scry_training_notes(const scry_training_request *r, const scry_network *net,
                                const scry_held_out *held_out, const double *psnr, size_t steps,
                                scry_error *err);

#endif
