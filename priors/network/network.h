#ifndef SCRY_PRIORS_NETWORK_NETWORK_H
#define SCRY_PRIORS_NETWORK_NETWORK_H

#include "priors/network/unet.h"
#include "priors/schedule.h"

/* Properties of a network, and its cost. */

size_t scry_network_channels(const scry_network *net);
size_t scry_network_classes(const scry_network *net);  /* labels that it knows; 0: none */
size_t scry_network_multiple(const scry_network *net); /* both sides must be a multiple of it */
size_t scry_network_parameters(const scry_network *net);
/* "epsilon", "v_prediction", "sample" or "flow". */
const char *scry_network_prediction(const scry_network *net);
/* sigma_data of EDM's preconditioning, or 0. */
double scry_network_sigma_data(const scry_network *net);
const char *scry_network_sha256(const scry_network *net); /* of the file of weights, 64 digits */
/* The noise levels of its training, in units of `std` below; borrowed. */
const scry_schedule *scry_network_schedule(const scry_network *net);
/* The scaling of its input. */
typedef struct scry_network_input_info {
    size_t unshuffle;
    double mean, std;
} scry_network_input_info;
scry_network_input_info scry_network_input(const scry_network *net);

/* The levels in the unit of images: the range of its prior. */
void scry_network_sigma_range(const scry_network *net, double *low, double *high);

/* The network's own output F(x, t) at real t, with the pixels back in their places if it
 * unshuffles, and g = (dF/dx)^T v when v and g are not NULL: for tests, and for callers with their
 * own preconditioning. Shapes and aliasing as scry_prior_vjp; EINVAL: P is not a network prior. */
scry_status scry_unet_evaluate(const scry_prior *P, float *F, float *g, const float *x,
                               const float *v, double t, void *work, scry_error *err);

/* Bytes of reordered weights held by the prior itself, and floating-point operations (2 per
 * multiply-add of the direct sums) of D and of its VJP without D. */
typedef struct scry_unet_cost {
    size_t weight_bytes;
    double flops_denoise, flops_vjp;
} scry_unet_cost;
scry_unet_cost scry_unet_cost_of(const scry_prior *P);

#endif
