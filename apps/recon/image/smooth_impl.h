#ifndef SCRY_APPS_RECON_IMAGE_SMOOTH_IMPL_H
#define SCRY_APPS_RECON_IMAGE_SMOOTH_IMPL_H

#include <stddef.h>

/* Gaussian of sd `width` px (at most 18: it is cut at 64 px) over each of `planes` planes of ny x
 * nx pixels; at borders the mean of the pixels inside. scratch holds a plane. out may alias in. */
void scryi_image_smooth(float *out, const float *in, size_t planes, size_t ny, size_t nx,
                        double width, float *scratch);

#endif
