#ifndef SCRY_OPERATORS_SENSITIVITY_H
#define SCRY_OPERATORS_SENSITIVITY_H

#include "lib/api.h"
#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>

#ifndef __cplusplus
#include <complex.h>
#endif

SCRY_BEGIN

/* Coil sensitivities from the fully sampled middle of k-space. */

/* The largest fully sampled block around the centre of a mask (y, x): *cy, *cx lines, at most
 * `limit` along each axis (0: no limit). SCRY_CALIBRATION_AUTO: at most 64, and all of a readout
 * that is complete beside it. Of 128 x 128 samples of 16 coils, R 4 with a middle of 10 lines, 24,
 * 48, 64 and 128 along the readout give a wavelet reconstruction of 27.9, 31.4, 31.5 and 31.6 dB
 * (tests/bench/mri_quality.py). EINVAL: less than `min` along an axis: "the centre of
 * k-space is not fully sampled: found 0 x 0 ...". */
#define SCRY_CALIBRATION_AUTO ((size_t)-1)
scry_status scry_calibration_region(size_t *cy, size_t *cx, const unsigned char *mask, size_t ny,
                                    size_t nx, size_t limit, size_t min, scry_error *err);

/* A block of cy x cx samples about the centre, and the side of the windows that calibrate. */
typedef struct scry_calibration {
    size_t cy, cx, kernel;
    bool gaps; /* samples are missing in it: only windows without a gap serve */
} scry_calibration;

/* What ESPIRiT is calibrated from: the block of scry_calibration_region with kernels of 6, or of
 * half a thin block's side (few positions of a kernel would see the middle of the image alone);
 * else, where more windows without a gap lie around the block than in it, the smallest block with
 * all of them. Windows are related in the same way wherever they lie in k-space, so that ellipses,
 * Poisson-disc sampling and a middle that lacks a line calibrate too. limit: as above. EINVAL as
 * above for `min` samples, where windows do not help either. */
scry_status scry_calibration_find(scry_calibration *out, const unsigned char *mask, size_t ny,
                                  size_t nx, size_t limit, size_t min, scry_error *err);

/* ESPIRiT (Uecker et al. 2014, MRM 71:990). calibration (coils, cy, cx), the block above, k-space
 * on all of its axes; maps[coil][set][y][x] and eigenvalue[set][y][x] (may be NULL) are written.
 * Maps have sum_c |S_c|^2 = 1 times the weight below, phase relative to the first virtual coil. */
typedef struct scry_espirit_opts {
    size_t kernel;    /* 6 */
    double threshold; /* of singular values, relative to the first: sqrt(0.001) */
    double crop;      /* eigenvalues below give 0: 0.8 */
    int soft;         /* smooth weights instead of the crop: no hard edge */
    size_t sets;      /* 1 */
    const unsigned char
        *mask; /* (cy, cx): windows are taken where all is not 0; NULL: everywhere */
} scry_espirit_opts;
void scry_espirit_opts_init(scry_espirit_opts *opts);
scry_status scry_espirit(scry_complex *maps, float *eigenvalue, const scry_complex *calibration,
                         size_t coils, size_t cy, size_t cx, size_t ny, size_t nx,
                         const scry_espirit_opts *opts, scry_error *err);

/* Low-resolution images of the same block, each divided by the root sum of squares of all of them:
 * maps that need nothing but the block. Pruessmann et al. 1999; smooth window against ringing. */
scry_status scry_lowres_maps(scry_complex *maps, const scry_complex *calibration, size_t coils,
                             size_t cy, size_t cx, size_t ny, size_t nx, scry_error *err);

SCRY_END

#endif
