#ifndef SCRY_PRIORS_NETWORK_MODEL_IMPL_H
#define SCRY_PRIORS_NETWORK_MODEL_IMPL_H

#include "priors/network/arena_impl.h"
#include "priors/network/dnnl_impl.h"
#include "priors/network/loops_impl.h"
#include "priors/network/network_impl.h"

/* A network made ready for one size of image: its layers in the layouts they run in, and plans,
 * straight lists of operations on tensors that lie in one arena. Running a plan allocates no
 * tensor and changes no layout. */

#define SCRYI_NONE 0 /* tensor 0 is nobody's */

/* A convolution. Several weights over one input (query, key, value) are stacked as one; each starts
 * a new block of lanes. Where the input is a concatenation, its first part has `lead` channels. */
typedef struct scryi_layer {
    struct scryi_layer *next;
    const scryi_conv_weights *parts[3];
    size_t part_count, lead, height, width, out_height, out_width, stride, pad;
    size_t in_padded, out_padded;
    scryi_conv *conv, *adjoint; /* adjoint: NULL until a plan asks for it */
    float *bias;
    double flops;
} scryi_layer;

typedef struct scryi_norm_layer {
    struct scryi_norm_layer *next;
    const scryi_norm_weights *key;
    scryi_norm norm; /* statistics unset: they belong to a run */
    int *group;
    float *weight, *bias;
} scryi_norm_layer;

typedef enum scryi_op_kind {
    SCRYI_OP_EMBED,      /* out: time embedding, as the biases of every first convolution */
    SCRYI_OP_IMAGE,      /* out: the image x (or v) of the caller with a border of zeros */
    SCRYI_OP_FIRST,      /* out: blocked, from a bordered image */
    SCRYI_OP_LAST,       /* out: planes, from blocked */
    SCRYI_OP_CONV,       /* out = W in + bias */
    SCRYI_OP_CONV_BACK,  /* out = W^T in */
    SCRYI_OP_STATISTICS, /* out: statistics of in */
    SCRYI_OP_NORM,       /* out = f(norm(in)), statistics in in2 */
    SCRYI_OP_NORM_BACK,  /* out = or += its transpose applied to in3, which is destroyed */
    SCRYI_OP_ADD,        /* out = in + in2 */
    SCRYI_OP_COPY,
    SCRYI_OP_UP,
    SCRYI_OP_UP_BACK,
    SCRYI_OP_POOL, /* means of 2 x 2 */
    SCRYI_OP_POOL_BACK,
    SCRYI_OP_ATTEND,     /* out from in = (q, k, v) */
    SCRYI_OP_ATTEND_BACK /* out = dL/d(q, k, v) from in = (q, k, v) and in2 = dL/d(result) */
} scryi_op_kind;

typedef struct scryi_op {
    scryi_op_kind kind;
    int out, in, in2, in3, scratch; /* tensors */
    bool silu, add, of_v, adjoint;  /* adjoint: FIRST and LAST with the other one's weights */
    scryi_layer *layer;
    const scryi_norm_layer *norm;
    size_t bias_at, heads; /* bias_at: in the embedding, when in2 is that */
    bool scaled;           /* of a normalisation: the embedding's rows scale and shift its output */
} scryi_op;

/* dims are logical; channels of a tensor start new blocks after the first `lead`. */
typedef struct scryi_tensor {
    int buffer, parent, grad; /* parent: the concatenation it is a part of */
    size_t at, floats;        /* at: from the start of the buffer */
    size_t lead, channels, height, width;
} scryi_tensor;

typedef struct scryi_plan {
    scryi_op *ops;
    scryi_tensor *tensors;
    scryi_buffer *buffers;
    size_t op_count, tensor_count, buffer_count, floats; /* floats: of the arena */
    int output, gradient;                                /* planes: F, and (dF/dx)^T v or none */
    double flops;
} scryi_plan;

typedef struct scryi_time_row {
    const scryi_resnet *resnet;
    size_t at;
} scryi_time_row;

typedef struct scryi_model {
    const scry_network *net;
    size_t height, width; /* of the network's planes */
    int threads;
    bool winograd;
    scryi_layer *layers;
    scryi_norm_layer *norms;
    float *first, *first_back, *last, *last_back, *first_bias;
    scryi_time_row *times;
    size_t time_count, time_floats;
    scryi_plan denoise, vjp;
} scryi_model;

/* Physical channels of a tensor, and where logical channel c is among them. */
static inline size_t scryi_channels(size_t lead, size_t channels)
{
    return scryi_padded(lead) + scryi_padded(channels - lead);
}

static inline size_t scryi_place(size_t lead, size_t c)
{
    return c < lead ? c : scryi_padded(lead) + c - lead;
}

/* Floats of a residual block among the rows of the embedding: biases of its first convolution, or
 * the scales and then the shifts of its second normalisation. */
static inline size_t scryi_time_floats(const scry_network *net, const scryi_resnet *r)
{
    return (net->config.scale_shift ? 2 : 1) * scryi_padded(r->conv1.out);
}

/* Where row r of the network's planes, counted through all of them, has its first pixel in the
 * image; the next ones are `unshuffle` apart. Plane (c u + i) u + j holds the pixels (i, j) of the
 * u x u blocks of channel c. */
static inline size_t scryi_unshuffled_row(const scryi_model *m, size_t r)
{
    const size_t u = m->net->config.unshuffle, p = r / m->height;
    const size_t row = p / (u * u) * m->height * u + r % m->height * u + p / u % u;
    return row * m->width * u + p % u;
}

/* layers.c: found by their weights, or made. */
scry_status scryi_layer_get(scryi_model *m, scryi_layer **out,
                            const scryi_conv_weights *const *parts, size_t part_count,
                            const scryi_tensor *in, size_t stride, scry_error *err);
scry_status scryi_layer_need_adjoint(scryi_model *m, scryi_layer *layer, scry_error *err);
scry_status scryi_norm_get(scryi_model *m, const scryi_norm_layer **out,
                           const scryi_norm_weights *weights, const scryi_tensor *in,
                           scry_error *err);
scry_status scryi_edges_create(scryi_model *m, scry_error *err); /* first and last convolutions */
void scryi_layers_free(scryi_model *m);
size_t scryi_layers_bytes(const scryi_model *m);

/* plan.c: fills plan; with vjp, the operations of the gradient follow those of the output. */
scry_status scryi_plan_create(scryi_model *m, scryi_plan *plan, bool vjp, scry_error *err);
void scryi_plan_free(scryi_plan *plan);

/* One image of a batch. F and g stay in work until its next use: planes. */
typedef struct scryi_image {
    const float *x, *v; /* v: NULL without a gradient */
    double scale, shift, time;
    int label; /* row of the class embedding; -1: none is added */
    float *work;
    const float *F, *g; /* out: F(scale x + shift) at the time, and the transpose of its derivative
                           in its argument applied to v */
    scry_status status; /* out */
    scry_error *err;
} scryi_image;

/* run.c: each of the images is a scryi_image. The result for one does not depend on the others, to
 * the byte. */
void scryi_plan_run(const scryi_model *m, const scryi_plan *plan, void *const *images,
                    size_t count);

#endif
