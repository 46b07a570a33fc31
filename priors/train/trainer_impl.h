#ifndef SCRY_PRIORS_TRAIN_TRAINER_IMPL_H
#define SCRY_PRIORS_TRAIN_TRAINER_IMPL_H

#include "priors/train/graph_impl.h"
#include "priors/train/trainer.h"

#define SCRYI_WAVES 32

/* u(s) = sum_k weight_k cos(frequency_k ln s + phase_k) + bias; moments of AdamW beside. */
typedef struct scryi_uncertainty {
    float frequency[SCRYI_WAVES], phase[SCRYI_WAVES];
    float value[SCRYI_WAVES + 1], grad[SCRYI_WAVES + 1]; /* the bias comes last */
    float m[SCRYI_WAVES + 1], v[SCRYI_WAVES + 1];
} scryi_uncertainty;

struct scry_trainer {
    scry_train_opts opts;
    scry_network *net; /* the weights */
    scryi_graph *graph;
    scryi_entry *entries;
    size_t entry_count, group_count, pixels, step;
    /* in the order of the network's pool */
    float *grad, *average, *m, *v;
    float **arena, **group_grad, **muon;      /* one a worker, a group, a worker */
    float *z, *noise;                         /* of a batch, an image after the other */
    double *sigma, *time, *error, *uncertain; /* of each image; uncertain: u */
    int *label;                               /* NULL without classes */
    scry_status *status;
    scry_error *errors; /* of each group */
    scryi_uncertainty u;
    size_t bytes;
};

/* From z, noise and sigma of a batch: error and uncertain of its images, grad, and u.grad. */
scry_status scryi_trainer_gradient(scry_trainer *t, scry_error *err);

/* From grad and u.grad: one step of the optimisers and of the average. */
scry_status scryi_trainer_update(scry_trainer *t, double rate, scry_error *err);

/* Whether a tensor learns by Muon. */
bool scryi_learns_by_muon(const scryi_entry *e);

#endif
