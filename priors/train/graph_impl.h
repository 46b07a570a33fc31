#ifndef SCRY_PRIORS_TRAIN_GRAPH_IMPL_H
#define SCRY_PRIORS_TRAIN_GRAPH_IMPL_H

#include "priors/network/arena_impl.h"
#include "priors/network/dnnl_train_impl.h"
#include "priors/network/loops_impl.h"
#include "priors/network/network_impl.h"

/* A network made ready for training: the operations of its forward pass and of its gradient on a
 * few images of one size (a group), written down once, with every tensor's place in one arena a
 * worker. A batch is several groups; each has a gradient of its own, and those are summed in their
 * order, so that the bytes do not depend on the number of workers.
 *
 * Tensors hold the group's images one after the other, each in blocked channels. Where the skip
 * connections meet the way up, channels are copied: a copy costs less here than convolutions on
 * parts of tensors, which the library's Winograd does not have. */

typedef enum scryi_train_kind {
    SCRYI_TRAIN_EMBED,        /* time embedding of each image, as rows for its first convolutions */
    SCRYI_TRAIN_EMBED_BACK,   /* from the gradients of those rows */
    SCRYI_TRAIN_CONV,         /* out = W in + bias */
    SCRYI_TRAIN_CONV_DATA,    /* out = or += W^T in, through scratch where it adds */
    SCRYI_TRAIN_CONV_WEIGHTS, /* gradients of W and bias from the input in and in2 = dL/dout */
    SCRYI_TRAIN_ROWS,         /* out += rows of the embedding, in place */
    SCRYI_TRAIN_ROWS_BACK,    /* their gradients from in = dL/dout */
    SCRYI_TRAIN_NORM,         /* out = f(norm(in)); statistics kept in in2 */
    SCRYI_TRAIN_NORM_BACK,    /* out = or +=, from in, in2 and in3 = dL/d(result), destroyed */
    SCRYI_TRAIN_ADD,          /* out = in + in2 */
    SCRYI_TRAIN_JOIN,         /* out = channels of in, then of in2 */
    SCRYI_TRAIN_SPLIT,        /* out = or += part of in, from channel `start` on */
    SCRYI_TRAIN_UP,
    SCRYI_TRAIN_UP_BACK
} scryi_train_kind;

typedef struct scryi_train_layer {
    const scryi_conv_weights *weights;
    scryi_train_conv *conv;
    size_t in, out;              /* padded */
    size_t at, bias_at;          /* of its gradients among those of a group */
    float *spread, *spread_bias; /* the weights with padding, where they have any */
} scryi_train_layer;

typedef struct scryi_train_op {
    scryi_train_kind kind;
    int out, in, in2, in3;
    bool add, silu;
    size_t start, row_at;
    scryi_train_layer *layer;
    const scryi_norm_weights *norm;
    size_t norm_at, norm_bias_at; /* of its gradients among those of a group */
    const int *group;             /* of each channel of the normalisation */
} scryi_train_op;

typedef struct scryi_train_tensor {
    size_t channels, height, width; /* padded channels; 0 for vectors */
    size_t floats;                  /* of one image */
    int buffer, grad;
} scryi_train_tensor;

/* A linear map of the embedding with the place of its gradients. */
typedef struct scryi_train_linear {
    const scryi_conv_weights *weights;
    size_t at, bias_at, row_at;
} scryi_train_linear;

#define SCRYI_TRAIN_LAYERS (2 * SCRYI_LEVELS * SCRYI_LAYERS * 3 + 16)

typedef struct scryi_graph {
    scry_network *net;
    size_t batch, height, width, workers; /* batch: of one group; sides of the network's planes */
    scryi_train_op *ops;
    scryi_train_tensor *tensors;
    scryi_buffer *buffers;
    size_t op_count, tensor_count, buffer_count, forward_count;
    scryi_train_layer *layers;
    size_t layer_count;
    scryi_train_linear time1, time2, *rows; /* rows: one a residual block */
    int *group;                             /* of channels, for all normalisations */
    size_t row_count, row_floats;
    size_t class_at;                /* of the class embedding's gradient among those of a group */
    int input, output, output_grad; /* as many channels as lanes, or more, the network's first */
    int embedding, embedding_grad, scratch;
    size_t floats;          /* of a worker's arena */
    size_t gradient_floats; /* of a group */
    double flops;           /* of an image, forward and back, as direct sums */
} scryi_graph;

struct scryi_graph_params {
    size_t batch, height, width; /* images of a group, and their sides */
    size_t workers;
};

/* Borrows net. EUNSUP: layers that training has no gradients for, named: attention, widths that are
 * no multiples of 16. */
scry_status scryi_graph_create(scryi_graph **out, scry_network *net,
                               const struct scryi_graph_params *params, scry_error *err);
void scryi_graph_free(scryi_graph *g); /* accepts NULL */

/* The network's present weights, into the layouts they run in. */
scry_status scryi_graph_load(scryi_graph *g, int threads, scry_error *err);

/* Where tensor t of a worker's arena lies. */
static inline float *scryi_train_at(const scryi_graph *g, float *arena, int t)
{
    return arena + g->buffers[g->tensors[t].buffer].offset;
}

/* run.c: forward from the input tensor, with the time of each image and the row of its class in the
 * class embedding (labels NULL or below 0: none is added); then, from the gradient of the
 * output tensor, the gradients of all weights (gradient_floats, overwritten). */
scry_status scryi_graph_forward(const scryi_graph *g, float *arena, const double *times,
                                const int *labels, size_t worker, scry_error *err);
scry_status scryi_graph_backward(const scryi_graph *g, float *arena, float *gradient,
                                 const int *labels, size_t worker, scry_error *err);

/* A gradient of a group (or a sum of several) in the order of the network's pool. */
scry_status scryi_graph_unload(const scryi_graph *g, float *pool, const float *gradient,
                               int threads, scry_error *err);

#endif
