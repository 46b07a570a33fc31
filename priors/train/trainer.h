#ifndef SCRY_PRIORS_TRAIN_TRAINER_H
#define SCRY_PRIORS_TRAIN_TRAINER_H

#include "priors/network/unet.h"

#include <stdint.h>

/* Training of a diffusion network on crops of images, on the CPU.
 *
 * With z = (x - mean) / std and alpha = 1 / sqrt(1 + s^2) the network F sees alpha (z + s n) at the
 * time t(s) and learns v = alpha n - s alpha z (Salimans & Ho 2022), which in z, of unit variance,
 * is the preconditioning of Karras et al. 2022 (Table 1). ln s is normal; the error of a level is
 * divided by exp(u(s)), the uncertainty u is a learned function of the level and is added to the
 * loss (Kendall et al. 2018; Karras et al. 2024): the loss is the mean of |F - v|^2 / (N e^u) + u.
 * The 3 x 3 kernels except the first and the last are trained by Muon, all other weights by AdamW
 * with the gradient clipped to norm 1; the result is a power-function average of the weights
 * (Karras et al. 2024).
 *
 * The result is a function of the seed, to the byte, at any number of threads. */
typedef struct scry_trainer scry_trainer;

#define SCRY_TRAIN_LEVELS 8

/* What a new network learns; one that training starts from keeps its own. */
typedef enum scry_objective {
    SCRY_OBJECTIVE_V = 0, /* v, above */
    SCRY_OBJECTIVE_FLOW /* the velocity n - z on the straight path from z to n (Lipman et al. 2023),
                         * at the same levels: s = t / (1 - t) */
} scry_objective;

/* The class of crop `index` of a step, below opts.classes; as pure as a scry_crop_fn, whose context
 * it has. */
typedef size_t scry_label_fn(void *context, size_t step, size_t index);

/* Processes that train one network together: each takes every size-th group of a batch, and all of
 * them get the gradients of all groups, so that the bytes do not depend on how many there are. They
 * call the functions of their trainers at the same time. share: data of the process `root` to all
 * others. size 0 or 1: alone. */
typedef struct scry_train_team {
    size_t rank, size;
    void (*share)(void *data, size_t bytes, size_t root);
} scry_train_team;

typedef struct scry_train_opts {
    size_t channels;                                         /* of an image. Default 1 */
    size_t levels, width[SCRY_TRAIN_LEVELS], layers, groups; /* default 64, 96, 128; 1; 8 */
    size_t unshuffle;                                        /* default 2 */
    scry_objective objective;                                /* default v */
    size_t classes;                      /* that are learnt as labels; 0: none. Default 0 */
    scry_label_fn *label;                /* not NULL where there are classes */
    double label_dropout;                /* share of crops whose label is left out. Default .1 */
    size_t crop, batch;                  /* sides of crops; crops a step. Default 64, 32 */
    double mean, std;                    /* of x. Default 0, 1 */
    double rate_muon, rate_adam, decay;  /* default .02, .001, .01 */
    double log_sigma_mean, log_sigma_sd; /* of ln s. Default -.6, 1.4 */
    double average; /* exponent of the average: 6.94 is a relative width of .10. Default 6.94 */
    size_t group;   /* crops that go through the network together; divides batch. Default 8 */
    int threads;    /* default 1 */
    scry_train_team team; /* default alone */
    uint64_t seed;
} scry_train_opts;
void scry_train_opts_init(scry_train_opts *opts);

/* Fills x (channels, crop, crop) in the unit of images for crop `index` of a step, a function of
 * these two alone; called from several threads at once. */
typedef scry_status scry_crop_fn(void *context, float *x, size_t step, size_t index,
                                 scry_error *err);

/* init: NULL, or a network whose weights to start from, in place of channels, levels, width,
 * layers, groups, unshuffle, objective, mean and std of opts. Where opts
 * has classes, it has as many or none, which it then gains. EINVAL, ESHAPE: an option is out of
 * range, named with its value; EUNSUP: an init that cannot be trained. */
scry_status scry_trainer_create(scry_trainer **out, const scry_train_opts *opts,
                                const scry_network *init, scry_error *err);
void scry_trainer_free(scry_trainer *t); /* accepts NULL */

/* One step with the rates times `rate`. *loss: mean of |F - v|^2 / N over the batch.
 * errors  the failures of the source; ENUMERIC: the loss or a gradient is not finite, and the
 * weights are unchanged */
scry_status scry_trainer_step(scry_trainer *t, scry_crop_fn *source, void *context, double rate,
                              double *loss, scry_error *err);

/* Seconds that a step takes on this machine now, from a gradient that is thrown away. */
scry_status scry_trainer_probe(scry_trainer *t, double *seconds, scry_error *err);

size_t scry_trainer_steps(const scry_trainer *t);
size_t scry_trainer_weights(const scry_trainer *t);
size_t scry_trainer_bytes(const scry_trainer *t); /* all of its memory */
double scry_trainer_flops(const scry_trainer *t); /* of a crop, as direct sums */

/* Saves the whole state in one file: a resumed training gives the same bytes as one that was never
 * stopped. extra: numbers of the caller, stored as float. Loading needs a trainer of the same
 * network and options: EFORMAT names the difference. */
scry_status scry_trainer_save(const scry_trainer *t, const char *path, const float *extra,
                              size_t extra_count, scry_error *err);
scry_status scry_trainer_load(scry_trainer *t, const char *path, float *extra, size_t extra_count,
                              scry_error *err);

/* A network with the averaged weights. */
scry_status scry_trainer_network(scry_network **out, const scry_trainer *t, scry_error *err);

#endif
