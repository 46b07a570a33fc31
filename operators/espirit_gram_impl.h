#ifndef SCRY_OPERATORS_ESPIRIT_GRAM_IMPL_H
#define SCRY_OPERATORS_ESPIRIT_GRAM_IMPL_H

#include "operators/hermitian_impl.h"

#include <stdbool.h>

/* Calibration data (coils, cy, cx) without a gap, and the side of the windows in them. */
typedef struct scryi_espirit_region {
    const float complex *data;
    size_t coils, cy, cx, kernel;
} scryi_espirit_region;

/* Whether scryi_espirit_gram takes it: a row holds 2 kernel - 1 samples or more. */
bool scryi_espirit_gram_serves(const scryi_espirit_region *r);

/* G = B^H B, B (windows, coils kernel^2) with every window of factor times the data in a row; entry
 * (c, i) of a window at (c kernel + iy) kernel + ix. G (coils kernel^2)^2, all of it is written. */
scry_status scryi_espirit_gram(scryi_planes *G, const scryi_espirit_region *r, float factor,
                               int threads, scry_error *err);

#endif
