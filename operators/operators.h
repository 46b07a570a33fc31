#ifndef SCRY_OPERATORS_OPERATORS_H
#define SCRY_OPERATORS_OPERATORS_H

/* How an instrument measures: y = noise(A x). */

#include "operators/op.h"          /* the interface of every operator; dot test, norm */
#include "operators/op_sampled.h"  /* those that are sampled convolutions */
#include "operators/identity.h"    /* y = x */
#include "operators/callbacks.h"   /* an operator of the caller */
#include "operators/blur.h"        /* convolution, periodic or open */
#include "operators/window.h"      /* an image inside a larger domain; crop */
#include "operators/psf.h"         /* point spread functions, from optics or from a file */
#include "operators/psf_beads.h"   /* a PSF out of an image of beads */
#include "operators/psf_depth.h"   /* how long the PSF of a stack can be, from its planes */
#include "operators/psf_keys.h"    /* their names, single parameters, help */
#include "operators/psf_width.h"   /* how wide the PSF of an image is, from its spectrum */
#include "operators/mask.h"        /* known pixels */
#include "operators/fourier.h"     /* k-space of one coil, or of several */
#include "operators/grappa.h"      /* missing lines of k-space from acquired ones */
#include "operators/nufft.h"       /* the same off the grid: radial, spiral, any trajectory */
#include "operators/coils.h"       /* noise, whitening and compression of channels */
#include "operators/sensitivity.h" /* coil maps from the middle of k-space */
#include "operators/scale.h"       /* a unit of intensity from k-space */
#include "operators/defects.h"     /* pixels that hold no measurement, found */
#include "operators/real_part.h"   /* images that are known to be real */
#include "operators/compose.h"     /* chains, multiples, several measurements */
#include "operators/series.h"      /* frames, each with its own measurement */
#include "operators/dense.h"       /* a matrix, for tests and experiments */
#include "operators/likelihood.h"  /* noise: value, score, local model, prox, deviance */
#include "operators/cg.h"          /* conjugate gradients */
#include "operators/update.h"      /* conditioning a Gaussian image on a measurement */

#endif
