#ifndef SCRY_DATASETS_STRUCTURE_H
#define SCRY_DATASETS_STRUCTURE_H

#include "lib/status.h"

#include <stddef.h>
#include <stdint.h>

/* Sharp structure without an instrument, to train priors on structure that microscopes blur: each
 * kind draws its sizes, numbers and brightnesses anew. */
typedef enum scry_structure {
    SCRY_STRUCTURE_FILAMENTS, /* smooth curves, ragged in brightness */
    SCRY_STRUCTURE_PUNCTA,    /* spots */
    SCRY_STRUCTURE_MEMBRANES, /* bent borders between the cells of a Voronoi diagram */
    SCRY_STRUCTURE_VESICLES,  /* discs and rings */
    SCRY_STRUCTURE_NUCLEI,    /* textured ellipses */
    SCRY_STRUCTURE_LEAVES,    /* ellipses of any size that cover each other (Lee et al. 2001) */
    SCRY_STRUCTURES
} scry_structure;
const char *scry_structure_name(scry_structure kind); /* "filaments" ... */

/* out: ny x nx, values in [0, 1], the brightest pixel 1. A function of (kind, size, seed) alone.
 * EINVAL: the kind; ESHAPE: a side below 16 or above 4096; ENOMEM. */
scry_status scry_structure_draw(float *out, scry_structure kind, size_t ny, size_t nx,
                                uint64_t seed, scry_error *err);

#endif
