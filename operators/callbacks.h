#ifndef SCRY_OPERATORS_CALLBACKS_H
#define SCRY_OPERATORS_CALLBACKS_H

#include "lib/api.h"
#include "operators/op.h"

SCRY_BEGIN

/* An operator of the caller's. Arrays are those of scry_op_forward and scry_op_adjoint. A callback
 * that fails returns its code and may word it with SCRY_FAIL: the run ends with both. Callbacks run
 * in several threads at a time. */
typedef struct scry_op_callbacks {
    const char *name; /* for messages; kept by the caller as long as the operator */
    scry_status (*forward)(void *ctx, float *y, const float *x, scry_error *err);
    scry_status (*adjoint)(void *ctx, float *x, const float *y, scry_error *err);
    scry_status (*normal)(void *ctx, float *out, const float *x, scry_error *err); /* or NULL */
    void (*destroy)(void *ctx);                                                    /* or NULL */
    void *ctx; /* the operator's from success on; on failure still the caller's */
} scry_op_callbacks;

/* Runs scry_op_check once, so that a wrong adjoint ends here: EINVAL with the error found.
 * errors  EINVAL also: no forward, adjoint or name; ESHAPE: not spaces; ENOMEM; what callbacks say;
 *         ENUMERIC, here and when the operator is applied: an output that is not finite */
scry_status scry_op_from_callbacks(scry_op **out, const scry_space *dom, const scry_space *cod,
                                   const scry_op_callbacks *callbacks, scry_error *err);

SCRY_END

#endif
