#ifndef SCRY_PRIORS_NETWORK_UNET_H
#define SCRY_PRIORS_NETWORK_UNET_H

#include "lib/api.h"
#include "priors/prior.h"

#include <stdbool.h>
#include <stddef.h>

SCRY_BEGIN

/* A pretrained diffusion network as a prior. The folder has the layout of the `diffusers` library:
 * config.json (class UNet2DModel), diffusion_pytorch_model.safetensors and scheduler_config.json.
 * Where scry's own prior.json is there too, its object "input" holds the numbers that the diffusers
 * layout lacks: `unshuffle` (the network sees each block of that many by that many pixels as the
 * channels of one pixel; Shi et al. 2016), `mean` and `std` (it was trained on images (x - mean) /
 * std). The defaults are 1, 0, 1. The class of the scheduler tells flow matching
 * (FlowMatchEulerDiscreteScheduler ...) and EDM (EDMEulerScheduler ..., with sigma_min, sigma_max,
 * sigma_data) from the rest.
 *
 * The names of weights may be those of guided diffusion or of NVIDIA's EDM (names.c).
 *
 * The architecture is Ho et al. 2020 (appendix B): residual blocks with group normalisation and
 * SiLU, a time embedding added in each, optional self-attention, strided convolutions down and
 * nearest-neighbour upsampling followed by a convolution up. */

/* The weights of a network: loaded once, immutable, shared by priors of any size. */
typedef struct scry_network scry_network;

/* EIO: a file is not readable. EFORMAT: malformed, or a tensor is missing, extra or misshapen
 * (named). EUNSUP: a legal setting that is not supported, named with its value. */
scry_status scry_network_load(scry_network **out, const char *folder, scry_error *err);

void scry_network_free(scry_network *net); /* accepts NULL */

/* Writes the three files of the layout into a folder, which is created if it does not exist; they
 * take their names when all of them are written. The caller writes "input". EIO, ENOMEM. */
scry_status scry_network_save(const scry_network *net, const char *folder, scry_error *err);

typedef struct scry_unet_opts {
    int threads;   /* inside one call, >= 1, for everything except the convolutions, whose order of
                    * summation would depend on it. Chains, tiles and channels run in parallel
                    * instead, with 1 here. Default 1 */
    bool vjp;      /* also plan the vector-Jacobian product, which keeps activations: work_bytes is
                    * several times larger. Default true */
    bool winograd; /* Winograd F(4,3) for the 3x3 layers where oneDNN has it: twice as fast, with
                    * differences of 1e-6 to the direct sums. Default true */
    int label;     /* class of the images, below scry_network_classes; -1: none. Default -1 */
    double guidance; /* w: D = D_none + w (D_label - D_none), two calls of the network unless it is
                      * 1 (Ho & Salimans 2022). Default 1 */
} scry_unet_opts;
void scry_unet_opts_init(scry_unet_opts *opts);

/* D(x; sigma) = E[x0 | x] = mean + std D_z(z; s) with z = (x - mean) / std, s = sigma / std, and
 * through the network F at time t(s) of its schedule, real-valued:
 *   epsilon       D_z = z - s F(z / sqrt(1 + s^2), t)
 *   v_prediction  D_z = z / (1 + s^2) - s / sqrt(1 + s^2) F(z / sqrt(1 + s^2), t)
 *   sample        D_z = F(z / sqrt(1 + s^2), t)
 *   flow          D_z = z / (1 + s) - s / (1 + s) F(z / (1 + s), T s / (1 + s))
 * (Salimans & Ho 2022, appendix D, divided by sqrt(abar); Lipman et al. 2023: the velocity n - z0
 * on the straight path (1 - t) z0 + t n, s = t / (1 - t), T the number of training steps). With the
 * preconditioning of EDM (Karras et al. 2022, Table 1), q the sd of its data:
 *   epsilon, v    D_z = q^2 z / (s^2 + q^2) +- s q / sqrt(s^2 + q^2) F(z / sqrt(s^2 + q^2), ln(s) /
 * 4) with the sign + for epsilon. The range of sigma is scry_network_sigma_range. space: (H, W) for
 * one channel, or (C, H, W), real; H and W multiples of scry_network_multiple. net is borrowed
 * until the prior is freed; opts NULL: defaults. scry_prior_work_bytes is all the memory that a
 * call uses besides weights and arguments: a forecast of the peak. Calls with different work may
 * run at the same time. ESHAPE: space does not fit the network. */
scry_status scry_unet_create(scry_prior **out, const scry_network *net, const scry_space *space,
                             const scry_unet_opts *opts, scry_error *err);

/* scry_network_load and scry_unet_create in one call; the prior owns its network. */
scry_status scry_unet_load(scry_prior **out, const char *folder, const scry_space *space,
                           const scry_unet_opts *opts, scry_error *err);

SCRY_END

#endif
