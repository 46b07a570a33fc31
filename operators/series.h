#ifndef SCRY_OPERATORS_SERIES_H
#define SCRY_OPERATORS_SERIES_H

#include "operators/op.h"

/* Frames of a series, each with its own measurement:
 *
 *   y = (A_0 x_0, A_1 x_1, ...),   x = (x_0, x_1, ...)
 *
 * dom   (frames, dom of a frame); all of the same shape, at most 5 axes
 * cod   a vector; all complex, or all real
 *
 * On success the series owns the operators: they are freed with it; on failure they remain the
 * caller's.
 * errors  EINVAL: count 0; ESHAPE: operators differ in dom, or mix real and complex data; ENOMEM */
scry_status scry_series_create(scry_op **out, scry_op *const *operators, size_t count,
                               scry_error *err);

#endif
