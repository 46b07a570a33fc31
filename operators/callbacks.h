#ifndef SCRY_OPERATORS_CALLBACKS_H
#define SCRY_OPERATORS_CALLBACKS_H

#include "lib/api.h"
#include "operators/op.h"

SCRY_BEGIN

/* An operator made of the caller's functions. The arrays are as in scry_op_forward and
 * scry_op_adjoint. A callback that fails returns a status code and may describe the failure with
 * SCRY_FAIL: the run stops with both. Callbacks run in several threads at a time. */
typedef struct scry_op_callbacks {
    const char *name; /* for messages; the caller keeps it as long as the operator lives */
    scry_status (*forward)(void *ctx, float *y, const float *x, scry_error *err);
    scry_status (*adjoint)(void *ctx, float *x, const float *y, scry_error *err);
    scry_status (*normal)(void *ctx, float *out, const float *x, scry_error *err); /* or NULL */
    void (*destroy)(void *ctx);                                                    /* or NULL */
    void *ctx; /* belongs to the operator on success, stays the caller's on failure */
} scry_op_callbacks;

/* Runs scry_op_check once, so that a wrong adjoint or normal is refused here: EINVAL with the error
 * measured.
 * errors  EINVAL also: no forward, adjoint or name; ESHAPE: not spaces; ENOMEM; the failures of the
 *         callbacks; ENUMERIC, here and when the operator is applied: an output that is not finite
 */
scry_status scry_op_from_callbacks(scry_op **out, const scry_space *dom, const scry_space *cod,
                                   const scry_op_callbacks *callbacks, scry_error *err);

SCRY_END

#endif
