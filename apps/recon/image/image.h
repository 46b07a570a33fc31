#ifndef SCRY_APPS_RECON_IMAGE_IMAGE_H
#define SCRY_APPS_RECON_IMAGE_IMAGE_H

#include "lib/api.h"
#include "lib/space.h"

SCRY_BEGIN

/* An image or volume from a camera, with the known facts of its acquisition. Everything is
 * borrowed. A number of 0 means unknown. */
typedef struct scry_image {
    const char *name; /* for messages; NULL: none */
    /* Of an image in a series (a plane of a stack, a frame of a film): messages that hold for the
     * whole series of a channel are logged for number 0 only. */
    size_t channel, number;
    scry_space space;           /* (y, x) or (z, y, x), real */
    bool colour;                /* the three planes are red, green and blue of one image */
    const float *pixels;        /* unit of the file */
    const unsigned char *known; /* per pixel: not 0 where it was measured; NULL: everywhere */
    double saturation;          /* value at which the camera saturates, unit of the file */
    double voxel_um[3];         /* size of a voxel along z, y, x */
    double na, refractive_index, emission_nm, excitation_nm;
} scry_image;

SCRY_END

#endif
