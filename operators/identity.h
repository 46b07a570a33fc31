#ifndef SCRY_OPERATORS_IDENTITY_H
#define SCRY_OPERATORS_IDENTITY_H

#include "lib/api.h"
#include "operators/op.h"

SCRY_BEGIN

/* y = x (pure denoising). dom == cod == space; every singular value is 1.
 * errors  ESHAPE: not a space; ENOMEM */
scry_status scry_identity_create(scry_op **out, const scry_space *space, scry_error *err);

SCRY_END

#endif
