#ifndef SCRY_APPS_RECON_TRAJECTORY_H
#define SCRY_APPS_RECON_TRAJECTORY_H

#include "apps/recon/log.h"
#include "priors/prior.h"
#include "priors/gaussian.h"

#include <stdint.h>

/* The geometry of one trajectory of the probability-flow ODE, from noise to an image, as Wang &
 * Vastola 2023 (arXiv:2303.02490) describe it: it nearly stays in the plane of its two ends and
 * turns from one to the other, coarse structure appears before fine structure, and at high noise it
 * is that of the Gaussian with the mean and spectrum of the images, which has a closed form:
 *   x_G(s) = m + (C + s^2)^(1/2) w,  w white noise. */

typedef struct scry_trajectory_request {
    const scry_prior *prior;   /* (ny, nx) */
    const scry_prior *model;   /* the stationary Gaussian of the same space; NULL: not known */
    const scry_radial *radial; /* its spectrum; NULL with model NULL */
    double mean, std;          /* of a pixel of the images */
    double low, high;          /* first and last level of noise; 0: the range of the prior */
    size_t steps;              /* of Heun's method, at least 4 */
    uint64_t seed;
    scry_log log;
} scry_trajectory_request;

enum { SCRY_TRAJECTORY_AXES = 5, SCRY_TRAJECTORY_BANDS = 6, SCRY_TRAJECTORY_PUSHES = 6 };

/* An octave of spatial frequency. The estimate D has a share |D|^2 / |x(0)|^2 of the image in its
 * band, as the projection <D, x(0)> / |x(0)|^2; `sigma` is the level at which it passes 1/2. */
typedef struct scry_trajectory_band {
    double low, high; /* cycles per pixel */
    double sigma;     /* NAN: never */
    double gaussian;  /* sqrt(3 S) of the Gaussian, in closed form; NAN without a model */
    double *share;    /* at each level */
} scry_trajectory_band;

/* White noise of .1 s added at level s, and its size at the end. */
typedef struct scry_trajectory_push {
    size_t level;
    double sigma, gain; /* rms of the change of the image over that of the push */
    double gaussian;    /* sqrt(mean S / (S + s^2)), in closed form; NAN without a model */
} scry_trajectory_push;

typedef struct scry_trajectory {
    size_t ny, nx, levels;
    double *sigma;        /* levels + 1: the last is 0 */
    float *x, *D, *model; /* levels + 1 images each; D[levels] = x[levels]; model NULL: none */
    double *a, *b;  /* u_k = a u_end + b u_start, least squares; u = (x - m) / sqrt(v + s^2) */
    double *turned; /* share of |u_k|^2 that the exact rotation cos, sin explains */
    double *apart;  /* rms of x - model over sqrt(v + s^2); NAN without a model */
    double explained[SCRY_TRAJECTORY_AXES]; /* by the first principal axes of all u_k */
    double rotation;                        /* mean of `turned` */
    size_t band_count, push_count;
    scry_trajectory_band band[SCRY_TRAJECTORY_BANDS];
    scry_trajectory_push push[SCRY_TRAJECTORY_PUSHES];
    bool coarse_to_fine; /* the bands that appear do so in the order of their frequency */
} scry_trajectory;

/* errors  EINVAL: fewer than 4 steps; those of the prior; ENOMEM; ESTOP. *out is to be freed after
 * success only. */
scry_status scry_trajectory_run(scry_trajectory *out, const scry_trajectory_request *request,
                                scry_error *err);
void scry_trajectory_free(scry_trajectory *t); /* accepts a zeroed one */

#endif
