#ifndef SCRY_APPS_RECON_TRAIN_NOTES_H
#define SCRY_APPS_RECON_TRAIN_NOTES_H

#include "apps/recon/train/training.h"

/* prior.json beside the weights of a training: "input", where the images came from, the table of
 * held-out PSNR (level by image, as scry_held_out_psnr), and what sampling wants to know: the
 * spectrum of the images, and by level how far D is from the Gaussian of that spectrum.
 * held_out NULL: of a training that was stopped before its first score, without those levels and
 * the table. */
scry_status scry_training_notes(const scry_training_request *r, const scry_network *net,
                                const scry_held_out *held_out, const double *psnr, size_t steps,
                                scry_error *err);

#endif
