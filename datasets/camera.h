#ifndef SCRY_DATASETS_CAMERA_H
#define SCRY_DATASETS_CAMERA_H

#include "lib/api.h"
#include "lib/status.h"

#include <stddef.h>
#include <stdint.h>

SCRY_BEGIN

/* A scientific camera. */
typedef struct scry_camera {
    double gain;       /* e-/ADU, > 0 */
    double offset;     /* ADU */
    double read_noise; /* sd in e-, >= 0 */
    double full_well;  /* e-, the largest count of a pixel; 0: no limit */
    int bits;          /* 1 to 16: counts are rounded and kept in 0 .. 2^bits - 1; 0: real values */
} scry_camera;

/* gain 1, offset 100, read noise 1.5, no full well, 16 bits */
void scry_camera_init(scry_camera *c);

/* adu[i] = clip(round((min(Poisson(mean[i]), full_well) + read_noise n) / gain + offset))
 *   mean  n expected electrons, >= 0; adu may alias mean
 * Pixel i is a function of (seed, chain, i) alone, for any number of threads; chain numbers the
 * exposures.
 * EINVAL: a camera or a mean outside its range (up to 1e9 e-); ESHAPE: over 2^30 pixels; ENOMEM. */
scry_status scry_camera_expose(float *adu, const float *mean, size_t n, const scry_camera *c,
                               uint64_t seed, uint32_t chain, scry_error *err);

SCRY_END

#endif
