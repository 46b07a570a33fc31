#ifndef SCRY_OPERATORS_FOURIER_H
#define SCRY_OPERATORS_FOURIER_H

#include "lib/api.h"
#include "operators/op.h"

#ifndef __cplusplus
#include <complex.h>
#endif

SCRY_BEGIN

/* The measurement of an MR scanner: samples of the image's centred unitary Fourier transform,
 * received by one coil or by several.
 *
 *   F     X[k] = N^(-1/2) sum_j x[j] exp(-2 pi i sum_a (j_a - c_a)(k_a - c_a) / n_a),
 *         c_a = floor(n_a / 2), over the chosen axes: image and k-space both have their origin in
 *         the middle, for odd sizes too. F^H F = I.
 *   M     the samples that were acquired, gathered in the order of the grid
 *   S_cm  sensitivity of coil c, map set m
 *
 *   y_c = M F sum_m S_cm x_m        x_m = sum_c conj(S_cm) F^H M^T y_c
 *
 * dom   (y, x), or (sets, y, x) with more than one set; complex
 * cod   (coils, samples) complex; a vector (samples) for scry_fourier_create
 * mask  (y, x) bytes, nonzero: acquired
 * axes  SCRY_FOURIER_Y | SCRY_FOURIER_X; an axis that is left out stays in the image domain
 *       (k-space whose readout has been transformed already)
 *
 * The normal operator A^H A = sum S^H F^H M F S needs no shifts and no scaling: the position of the
 * origin becomes a rotation of the mask. An axis along which the mask does not change is not
 * transformed at all (F^H F = I there); along the others, only the lines that hold samples are
 * transformed. Sums over coils run in a fixed order: results do not depend on threads. */
enum { SCRY_FOURIER_X = 1, SCRY_FOURIER_Y = 2, SCRY_FOURIER_YX = 3 };

/* One channel, no map. Singular values are known: 1 where a sample was taken, else 0 (V = F^H).
 * errors  ESHAPE: image is not a complex space of rank 2; EINVAL: axes 0 or unknown, nothing
 *         acquired; ENOMEM */
scry_status scry_fourier_create(scry_op **out, const scry_space *image, const unsigned char *mask,
                                unsigned axes, scry_error *err);

/* Every member is required; maps[coil][set][y][x] and mask[y][x] are copied. */
typedef struct scry_sense_params {
    const scry_complex *maps;
    size_t coils, sets, ny, nx;
    const unsigned char *mask;
    unsigned axes;
} scry_sense_params;

/* errors as above; ESHAPE also: coils or sets 0; EINVAL: a map that is not finite, or all of them
 * zero. */
scry_status scry_sense_create(scry_op **out, const scry_sense_params *params, scry_error *err);

/* gather takes the samples of a full grid (coils, y, x), in the order of A's data; scatter puts
 * them back, with zeros elsewhere. For the two operators above; EINVAL for others. */
scry_status scry_fourier_gather(const scry_op *A, scry_complex *samples, const scry_complex *grid,
                                scry_error *err);
scry_status scry_fourier_scatter(const scry_op *A, scry_complex *grid, const scry_complex *samples,
                                 scry_error *err);

/* The centred unitary transform by itself, in place, `count` images (y, x) one after another along
 * `axes`; inverse: F^H. Any size. ENOMEM */
scry_status scry_fourier_transform(scry_complex *images, size_t count, size_t ny, size_t nx,
                                   unsigned axes, bool inverse, scry_error *err);

SCRY_END

#endif
