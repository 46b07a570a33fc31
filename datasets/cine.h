#ifndef SCRY_DATASETS_CINE_H
#define SCRY_DATASETS_CINE_H

#include "lib/status.h"

#include <complex.h>
#include <stddef.h>
#include <stdint.h>

/* A heart in a chest, as a series of images with a known truth: image (ny, nx) at `phase` of the
 * beat, 0 to 1. The chest and its organs stand still; the wall of the left ventricle thickens
 * and its blood pool shrinks to half its radius and back, the right ventricle moves along, and a
 * bright vessel pulsates. Edges are smooth over a pixel. Values are 0 to 1, times a smooth phase
 * that is the same in all frames. seed varies places and sizes: a function of (seed, phase) and of
 * the grid alone. ESHAPE: a side of 0 */
scry_status scry_cine_frame(float complex *image, size_t ny, size_t nx, double phase, uint64_t seed,
                            scry_error *err);

#endif
