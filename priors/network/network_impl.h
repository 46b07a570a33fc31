#ifndef SCRY_PRIORS_NETWORK_NETWORK_IMPL_H
#define SCRY_PRIORS_NETWORK_NETWORK_IMPL_H

#include "priors/network/unet.h"
#include "lib/io/safetensors.h"
#include "priors/network/network.h"

#include <stdint.h>

/* The network as loaded: shapes from config.json, weights from safetensors as PyTorch stores them
 * (convolutions out, in, row, column). All weights lie in one pool. */

#define SCRYI_LEVELS 8 /* resolutions */
#define SCRYI_LAYERS 9 /* residual blocks of one level, counting the one more on the way up */

typedef struct scryi_conv_weights {
    size_t in, out, kernel;
    float *weight, *bias;
} scryi_conv_weights;

typedef struct scryi_norm_weights {
    size_t channels, groups;
    double eps;
    float *weight, *bias;
} scryi_norm_weights;

typedef struct scryi_resnet {
    scryi_norm_weights norm1, norm2;
    scryi_conv_weights conv1, conv2, shortcut; /* shortcut.weight NULL: identity */
    scryi_conv_weights time;                   /* kernel 1: a linear map of the embedding */
} scryi_resnet;

typedef struct scryi_attention {
    size_t heads;
    scryi_norm_weights norm;
    scryi_conv_weights qkv[3], out;
} scryi_attention;

/* `resamples` by a residual block where `by_resnet`, and else by `sampler`. */
typedef struct scryi_block {
    size_t count;
    bool attends, resamples, by_resnet;
    scryi_resnet resampler;
    scryi_resnet resnet[SCRYI_LAYERS];
    scryi_attention attention[SCRYI_LAYERS];
    scryi_conv_weights sampler;
} scryi_block;

typedef enum scryi_prediction {
    SCRYI_EPSILON,
    SCRYI_V_PREDICTION,
    SCRYI_SAMPLE,
    SCRYI_FLOW /* the velocity of flow matching, with its own scaling and times */
} scryi_prediction;

typedef struct scryi_config {
    size_t channels, outputs; /* outputs beyond the first `channels` are dropped: variances */
    size_t levels, layers, width[SCRYI_LEVELS];
    size_t groups, attention_groups, head_dim; /* head_dim 0: one head */
    double eps, freq_shift;
    bool down_attends[SCRYI_LEVELS], up_attends[SCRYI_LEVELS], has_mid, mid_attends;
    bool flip_sin_to_cos, center_input;
    bool down_by_resnet[SCRYI_LEVELS], up_by_resnet[SCRYI_LEVELS];
    bool scale_shift; /* the embedding scales and shifts the second normalisation of a residual
                       * block (Dhariwal & Nichol 2021), instead of being added before it */
    bool mid_attention_norm;
    size_t classes; /* rows of the class embedding, which is added to that of the time; 0: none */
    int unlabelled; /* the row of images without a label; -1: nothing is added */
    size_t downsample_padding; /* 0: one row and column of zeros after the end only */
    scryi_prediction prediction;
    double sigma_data; /* > 0: EDM's preconditioning with it, of epsilon or v */
    /* prior.json: the network sees blocks of unshuffle x unshuffle pixels as channels, of the image
     * (x - mean) / std */
    size_t unshuffle;
    double mean, std;
} scryi_config;

struct scry_network {
    scryi_config config;
    scry_schedule *schedule;
    scryi_conv_weights conv_in, conv_out, time1, time2;
    scryi_norm_weights norm_out;
    float *class_embedding; /* classes x 4 width[0] */
    scryi_block down[SCRYI_LEVELS], mid, up[SCRYI_LEVELS];
    float *pool;
    size_t parameters;
    char sha256[65];
};

/* Of z = x0 + s n, the mean taken off and in units of the sd of the training set:
 *   D_z(z; s) = skip z + out F(in z, t) */
typedef struct scryi_coefficients {
    double skip, out, in, t;
} scryi_coefficients;
scryi_coefficients scryi_network_coefficients(const scry_network *net, double s);

/* The schedule of a network that has levels instead of betas: flow matching's sigma = t / (1 - t)
 * at t = 1/steps, 2/steps ... 1 - 1/steps; and EDM's, 1000 levels in equal ratios. */
scry_status scryi_flow_schedule(scry_schedule **out, size_t steps, scry_error *err);
scry_status scryi_edm_schedule(scry_schedule **out, double low, double high, scry_error *err);

/* A tensor of a network: its name in the file of weights, and where its values lie. */
typedef struct scryi_entry {
    char name[120];
    int rank;
    size_t dims[4], count;
    float *value;
} scryi_entry;

/* All weights zero. The network takes the schedule over, also when this fails. */
scry_status scryi_network_create(scry_network **out, const scryi_config *config,
                                 scry_schedule *schedule, scry_error *err);
/* A copy of it with the weights of another pool. */
scry_status scryi_network_copy(scry_network **out, const scry_network *net, const float *pool,
                               scry_error *err);
/* In the order of the pool, one after the other without gaps; release with scry_free. */
scry_status scryi_network_entries(scryi_entry **out, size_t *count, scry_network *net,
                                  scry_error *err);

/* names.c: weights under the names of guided diffusion and of NVIDIA's EDM (DhariwalUNet), by what
 * stands for a tensor of this library. */
typedef enum scryi_dialect { SCRYI_DIFFUSERS, SCRYI_ADM, SCRYI_EDM } scryi_dialect;
typedef struct scryi_names {
    scryi_dialect dialect;
    size_t side;     /* EDM: in the names of the first level */
    char prefix[16]; /* "model." or "" */
} scryi_names;
typedef enum scryi_part {
    SCRYI_WHOLE,
    SCRYI_QUERY, /* these three: of a tensor that has all of them */
    SCRYI_KEY,
    SCRYI_VALUE,
    SCRYI_TURNED /* a matrix, transposed */
} scryi_part;
scryi_names scryi_names_of(const scry_safetensors *file);
/* The name in the file; false where it has no such place. */
bool scryi_names_translate(char *out, size_t size, scryi_part *part, const scryi_names *names,
                           const scryi_config *config, const char *name);
/* Whether the file may hold this beside the weights: constants that EDM saves. */
bool scryi_names_ignore(const scryi_names *names, const char *name);
/* Rows of q, k or v: head by head, in each head q, k, v one after the other (ADM) or fastest
 * (EDM). `row` floats a row. */
void scryi_names_split(float *out, const float *all, const scryi_names *names, scryi_part part,
                       size_t rows, size_t row, size_t heads);

/* config.json, scheduler_config.json and, of prior.json where there is one, "input". */
scry_status scryi_config_read(scryi_config *config, scry_schedule **schedule, const char *folder,
                              scry_error *err);

#endif
