#ifndef SCRY_OPERATORS_MASK_H
#define SCRY_OPERATORS_MASK_H

#include "lib/api.h"
#include "operators/op.h"

SCRY_BEGIN

/* Selects the known pixels of an image, in order: y_j = x_{i(j)}, j = 0 .. m - 1.
 *   known  one number for each entry of space (complex entries count once); nonzero: measured
 * cod is a vector of m entries (complex when space is). A A^T = I; A^T puts the known values in
 * their places and 0 elsewhere; singular values are 1 (known) and 0, in the order of the image.
 * errors  ESHAPE: not a space; EINVAL: nothing is known, or known holds a NaN; ENOMEM */
scry_status scry_mask_create(scry_op **out, const scry_space *space, const unsigned char *known,
                             scry_error *err);
scry_status scry_mask_create_float(scry_op **out, const scry_space *space, const float *known,
                                   scry_error *err);

SCRY_END

#endif
