#ifndef SCRY_OPERATORS_REAL_PART_H
#define SCRY_OPERATORS_REAL_PART_H

#include "lib/api.h"
#include "operators/op.h"

SCRY_BEGIN

/* y = re x + i beside im x of a complex image, as a complex image: self-adjoint, linear over the
 * real numbers. Before an operator A (scry_chain_create) it gives A's measurements of images that
 * are known to be real (beside 0), or nearly so: a method that gives both parts of x the same
 * variance gives an image whose imaginary part has beside^2 of that of the real one.
 * ESHAPE: s is not complex; EINVAL: beside is not in 0..1; ENOMEM */
scry_status scry_real_part_create(scry_op **out, const scry_space *s, double beside,
                                  scry_error *err);

SCRY_END

#endif
