#ifndef SCRY_OPERATORS_COMPOSE_H
#define SCRY_OPERATORS_COMPOSE_H

#include "lib/api.h"
#include "operators/op.h"

SCRY_BEGIN

/* Operators made of operators. On success the new operator owns the operators that it is made of:
 * they are freed with it and must not be used or freed elsewhere. On failure they remain the
 * caller's. */

/* A = second first: y = second (first x). A mask after a blur gives deconvolution with unknown
 * pixels.
 * errors  ESHAPE: cod of first is not dom of second; ENOMEM */
scry_status scry_chain_create(scry_op **out, scry_op *second, scry_op *first, scry_error *err);

/* A = factor B; it has an SVD if B has one.  errors  EINVAL: factor not finite; ENOMEM */
scry_status scry_scaled_create(scry_op **out, scry_op *B, double factor, scry_error *err);

/* Several measurements of one image, one after the other: y = (A_0 x, A_1 x, ...), cod a vector.
 * errors  EINVAL: count 0; ESHAPE: operators differ in dom, or mix real and complex data; ENOMEM */
scry_status scry_stack_create(scry_op **out, scry_op *const *operators, size_t count,
                              scry_error *err);

SCRY_END

#endif
