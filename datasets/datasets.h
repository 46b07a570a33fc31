#ifndef SCRY_DATASETS_DATASETS_H
#define SCRY_DATASETS_DATASETS_H

/* Phantoms with a known truth, and simulated acquisitions. */

#include "datasets/camera.h"    /* electrons to camera counts: Poisson, read noise, gain, offset */
#include "datasets/sampling.h"  /* which samples of k-space are taken */
#include "datasets/scanner.h"   /* coils, exact k-space of a head, noise */
#include "datasets/cine.h"      /* a beating heart, frame by frame */
#include "datasets/levy.h"      /* Levy processes, measured, and their posteriors */
#include "datasets/structure.h" /* filaments, puncta, membranes ... to train on */
#include "datasets/phantom.h"   /* cells in two and three dimensions; Shepp and Logan's head */
#include "datasets/gaussian_mixture.h" /* Gaussian mixtures and their posteriors in closed form */
#include "datasets/scorecard.h"        /* samples against a posterior that is known */

#endif
