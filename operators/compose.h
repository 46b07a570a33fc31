#ifndef SCRY_OPERATORS_COMPOSE_H
#define SCRY_OPERATORS_COMPOSE_H

#include "lib/api.h"
#include "operators/op.h"

SCRY_BEGIN

/* Operators made of operators. Each takes its parts over when it succeeds: they are freed with it
 * and must not be used or freed otherwise. When it fails they remain the caller's. */

/* A = second first: y = second (first x). mask after blur is deconvolution with unknown pixels.
 * errors  ESHAPE: cod of first is not dom of second; ENOMEM */
scry_status scry_chain_create(scry_op **out, scry_op *second, scry_op *first, scry_error *err);

/* A = factor B; the SVD is known where B's is.  errors  EINVAL: factor not finite; ENOMEM */
scry_status scry_scaled_create(scry_op **out, scry_op *B, double factor, scry_error *err);

/* Several measurements of one image, one after the other: y = (A_0 x, A_1 x, ...), cod a vector.
 * errors  EINVAL: count 0; ESHAPE: parts differ in dom, or mix real and complex data; ENOMEM */
scry_status scry_stack_create(scry_op **out, scry_op *const *operators, size_t count,
                              scry_error *err);

SCRY_END

#endif
