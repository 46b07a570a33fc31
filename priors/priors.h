#ifndef SCRY_PRIORS_PRIORS_H
#define SCRY_PRIORS_PRIORS_H

/* The room's contents. */

#include "priors/prior.h"     /* the interface: denoise, vjp, prox, value */
#include "priors/callbacks.h" /* a prior of the caller */

/* in closed form */
#include "priors/gaussian.h"       /* stationary by power spectrum; dense */
#include "priors/mixture.h"        /* Gaussian mixture */
#include "priors/levy.h"           /* discrete Levy process, by Gibbs sampling */
#include "priors/power.h"          /* a power spectrum from a blurred, noisy measurement */
#include "priors/tikhonov.h"       /* gradient energy */
#include "priors/block_matching.h" /* the reference for denoisers */
#include "priors/tv.h"             /* total variation: prox only */
#include "priors/wavelet.h"        /* sparse wavelet coefficients: prox only */

/* priors made of priors */
#include "priors/affine.h"   /* in another intensity unit */
#include "priors/complex.h"  /* of complex images, from priors of real ones */
#include "priors/padded.h"   /* on a smaller grid, by reflection */
#include "priors/perplane.h" /* on each plane of a stack */
#include "priors/slices.h"   /* on slices of a volume, across one axis or another */
#include "priors/tiled.h"    /* on a larger grid, by blended windows */

/* networks */
#include "priors/schedule.h"        /* noise schedules of training and of sampling */
#include "priors/network/unet.h"    /* a pretrained U-Net in the layout of diffusers */
#include "priors/network/network.h" /* information about it */
#include "priors/train/trainer.h"   /* training of such a network */
#include "priors/train/image_set.h" /* the images that it is trained on */
#include "priors/info.h"            /* information about a pretrained prior */
#include "priors/gaussian_gap.h"    /* from which noise level on it is as good as Gaussian */
#endif
