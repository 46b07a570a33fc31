#ifndef SCRY_APPS_RECON_TRAIN_TRAINING_H
#define SCRY_APPS_RECON_TRAIN_TRAINING_H

#include "apps/recon/log.h"
#include "priors/train/image_set.h"
#include "priors/train/trainer.h"

/* A training from images to a prior in a folder. */

/* The noise levels at which the PSNR of held-out images is reported, in x (range 2). */
enum { SCRY_TRAINING_LEVELS = 6 };
extern const double scry_training_levels[SCRY_TRAINING_LEVELS];

typedef struct scry_training_request {
    const scry_image_set *images; /* sealed */
    scry_train_opts opts;         /* mean and std are those of the images, or of init */
    const scry_network *init;     /* NULL: from random weights */
    const char *folder;           /* created if it does not exist */
    const char *name, *description, *data, *licence; /* for prior.json; "" allowed */
    double minutes; /* the rate falls to 0 in this time; 0: in `steps` */
    size_t steps;   /* 0: limited by the time alone */
                    /* opts.team: several processes; the first of them writes and decides */
    bool hold;      /* the rate stays: for a training that is to be resumed */
    bool resume;    /* from state.safetensors of the folder */
    bool (*go_on)(void *ctx); /* called after every step; false ends the training; NULL: never */
    void *ctx;
    scry_log log;
} scry_training_request;

typedef struct scry_training_result {
    size_t steps; /* in total, including the steps before a resume */
    double crops, minutes, loss;
    double psnr[SCRY_TRAINING_LEVELS];        /* of the weights in the folder, mean over classes */
    double compared[SCRY_TRAINING_LEVELS][2]; /* of a training that ended: of its last weights, and
                                                 of block matching on the same images; 0: none */
    bool stopped; /* by go_on or scry_cancel: psnr is 0 where no weights were scored before */
} scry_training_result;

/* Writes config.json, scheduler_config.json, diffusion_pytorch_model.safetensors and prior.json of
 * the averaged weights whenever they are the best so far on the images held out, log.jsonl, and
 * state.safetensors to resume from. Each file appears whole. A training that is stopped keeps its
 * state and the best weights so far; where none were scored yet, those that it has.
 * errors  the failures of the trainer, with the best weights kept; EFORMAT: the state to resume
 * from is of another network or other images, both named; EIO */
scry_status scry_training_run(scry_training_result *out, const scry_training_request *r,
                              scry_error *err);

#endif
