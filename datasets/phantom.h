#ifndef SCRY_DATASETS_PHANTOM_H
#define SCRY_DATASETS_PHANTOM_H

#include "lib/api.h"
#include "lib/space.h"
#include "lib/status.h"

#include <stdint.h>

SCRY_BEGIN

/* A field of fluorescent cells: nuclei with chromatin texture and nucleoli, curved filaments around
 * them that cross the cell body, puncta, and faint cytoplasm. The ground truth of simulations.
 *
 *   out    s->dims = (y, x) or (z, y, x), values in [0, 1], the brightest pixel 1
 *   scale  diameter of a nucleus in pixels, at least 4; 0: 48. Filaments and puncta keep a width of
 *          about one pixel, near the resolution of a microscope of critical sampling.
 * In 3-D the cells fill the z extent and nuclei are flattened to it. A function of (size, scale,
 * seed) alone. ESHAPE: rank other than 2 or 3, or complex; EINVAL: scale; ENOMEM. */
scry_status scry_phantom_cells(float *out, const scry_space *s, double scale, uint64_t seed,
                               scry_error *err);

/* The head of Shepp & Logan (1974, IEEE Trans. Nucl. Sci. 21:21) with the contrast of Toft (1996,
 * PhD thesis, DTU, p. 199), values 0..1, sampled at pixel centres over [-1, 1]^2, y upwards. */
scry_status scry_phantom_shepp_logan(float *out, size_t ny, size_t nx, scry_error *err);

SCRY_END

#endif
