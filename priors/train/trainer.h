#ifndef SCRY_PRIORS_TRAIN_TRAINER_H
#define SCRY_PRIORS_TRAIN_TRAINER_H

#include "priors/network/unet.h"

#include <stdint.h>

/* Training of a diffusion network on crops of images, on the CPU.
 *
 * With z = (x - mean) / std and alpha = 1 / sqrt(1 + s^2) the network F sees alpha (z + s n) at the
 * time t(s) and learns v = alpha n - s alpha z (Salimans & Ho 2022), which in z, of unit variance,
 * is the preconditioning of Karras et al. 2022 (Table 1). ln s is normal; the error of a level is
 * divided by exp(u(s)), the uncertainty u a learned function of the level to which it is added
 * (Kendall et al. 2018; Karras et al. 2024): the loss is the mean of |F - v|^2 / (N e^u) + u.
 * Kernels of 3 x 3 but the first and the last learn by Muon, the rest by AdamW with its gradient
 * clipped to norm 1; the weights that count are a power-function average (Karras et al. 2024).
 *
 * One seed gives one training, to the byte, at any number of threads. */
typedef struct scry_trainer scry_trainer;

#define SCRY_TRAIN_LEVELS 8

typedef struct scry_train_opts {
    size_t channels;                                         /* of an image. Default 1 */
    size_t levels, width[SCRY_TRAIN_LEVELS], layers, groups; /* default 64, 96, 128; 1; 8 */
    size_t unshuffle;                                        /* default 2 */
    size_t crop, batch;                  /* sides of crops; crops a step. Default 64, 32 */
    double mean, std;                    /* of x. Default 0, 1 */
    double rate_muon, rate_adam, decay;  /* default .02, .001, .01 */
    double log_sigma_mean, log_sigma_sd; /* of ln s. Default -.6, 1.4 */
    double average; /* exponent of the average: 6.94 is a relative width of .10. Default 6.94 */
    size_t group;   /* crops that go through the network together; divides batch. Default 8 */
    int threads;    /* default 1 */
    uint64_t seed;
} scry_train_opts;
void scry_train_opts_init(scry_train_opts *opts);

/* Fills x (channels, crop, crop) in the unit of images for crop `index` of a step, a function of
 * these two alone; called from several threads at once. */
typedef scry_status scry_crop_fn(void *context, float *x, size_t step, size_t index,
                                 scry_error *err);

/* init: NULL, or a network whose weights to start from, in place of channels, levels, width,
 * layers, groups, unshuffle, mean and std of opts. EINVAL, ESHAPE: an option is out of range, named
 * with its value; EUNSUP: an init that cannot be trained. */
scry_status scry_trainer_create(scry_trainer **out, const scry_train_opts *opts,
                                const scry_network *init, scry_error *err);
void scry_trainer_free(scry_trainer *t); /* accepts NULL */

/* One step with the rates times `rate`. *loss: mean of |F - v|^2 / N over the batch.
 * errors  what the source says; ENUMERIC: the loss or a gradient is not finite, weights left as
 * they were before */
scry_status scry_trainer_step(scry_trainer *t, scry_crop_fn *source, void *context, double rate,
                              double *loss, scry_error *err);

size_t scry_trainer_steps(const scry_trainer *t);
size_t scry_trainer_weights(const scry_trainer *t);
size_t scry_trainer_bytes(const scry_trainer *t); /* all that it holds */
double scry_trainer_flops(const scry_trainer *t); /* of a crop, as direct sums */

/* Everything that going on needs, in one file, which appears whole: then a training that goes on is
 * the training that was never stopped, to the byte. extra: numbers of the caller's, kept to float.
 * Loading into a trainer of the same network and options: EFORMAT names what differs. */
scry_status scry_trainer_save(const scry_trainer *t, const char *path, const float *extra,
                              size_t extra_count, scry_error *err);
scry_status scry_trainer_load(scry_trainer *t, const char *path, float *extra, size_t extra_count,
                              scry_error *err);

/* The averaged weights as a network of its own. */
scry_status scry_trainer_network(scry_network **out, const scry_trainer *t, scry_error *err);

#endif
