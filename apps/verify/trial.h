#ifndef SCRY_APPS_VERIFY_TRIAL_H
#define SCRY_APPS_VERIFY_TRIAL_H

#include "apps/verify/row.h"
#include "lib/stats/rank_statistics.h"

/* Simulation-based calibration, the pieces: truths drawn from a prior and measured, and where each
 * one ranks among the samples of its posterior. */

/* A prior, an operator, and truths. */
typedef struct verify_trial {
    const verify_settings *settings;
    const char *operator_, *name;
    size_t n, m, images, chains;
    size_t stride; /* of the entries whose ranks are asked: neighbours say much the same */
    double sigma, stein_sigma; /* noise; level of the score that samples are held against */
    const scry_op *A;
    const scry_prior *prior, *model; /* model may be NULL */
    const scry_gaussian_gap *gap;    /* of `prior`; NULL: not known */
    float *x, *y;                    /* images x n, images x m */
    bool network;                    /* calls of D are dear */
} verify_trial;

enum {
    /* Numbers of the chains that draw truths; those of the measurements start at 0. */
    VERIFY_TRUTHS = 1 << 29
};

/* Sizes from A, truths and measurements of `images` images to be filled. */
scry_status verify_trial_allocate(verify_trial *t, scry_error *err);
/* y = A x + sigma n of all truths. */
scry_status verify_trial_measure(verify_trial *t, scry_error *err);
void verify_trial_clear(verify_trial *t); /* x and y */
verify_posterior verify_trial_posterior(const verify_trial *t, size_t k);

/* Ranks of all images so far. The fine histogram is for plots, the test has its bins in pairs. */
typedef struct verify_ranks {
    size_t images, capacity;
    size_t rejected;            /* by the kernel Stein discrepancy */
    double *fine;               /* capacity x VERIFY_BINS: shares of an image's entries */
    double first[2], second[2]; /* of the shares inside 50 and 90 % */
} verify_ranks;

scry_status verify_ranks_open(verify_ranks *r, size_t capacity, scry_error *err);
void verify_ranks_close(verify_ranks *r); /* accepts a zeroed one */
/* K samples (K x n) of the posterior of image k. */
scry_status verify_ranks_add(verify_ranks *r, const verify_trial *t, size_t k, const float *samples,
                             size_t K, scry_error *err);
/* The metrics of the part, in their order. EINVAL: fewer than 2 images. */
scry_status verify_ranks_fill(verify_row *row, const verify_ranks *r, size_t K, scry_error *err);

/* Problems of the shipped networks; `name` is that of the network. */
typedef struct verify_network {
    const char *operator_, *name;
} verify_network;
extern const verify_network verify_networks[]; /* ends with operator_ NULL */

typedef struct verify_network_trial verify_network_trial;
/* Opens the network and draws the truths, all of them unless the run is interrupted. EINVAL: the
 * network is not found; ENUMERIC: a draw diverged; ENOMEM. */
scry_status verify_network_open(verify_network_trial **out, const verify_network *which,
                                const verify_settings *settings, size_t images, size_t chains,
                                scry_error *err);
const verify_trial *verify_network_get(const verify_network_trial *net);
void verify_network_free(verify_network_trial *net); /* accepts NULL */

#endif
