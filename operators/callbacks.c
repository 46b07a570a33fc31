#include "operators/callbacks.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/op_impl.h"

struct callbacks_op {
    scry_op base;
    struct scry_op_ops ops;
    scry_op_callbacks own;
};

/* The result of a callback: its own message, or one for it; then whether values are finite. */
static scry_status op_callbacks_after(const scry_op *A, scry_status st, const char *which,
                                      const float *out, const scry_space *space, scry_error *err)
{
    if (st != SCRY_OK)
        return SCRY_FAIL(err, st, "%s: %s failed: %s", A->ops->name, which, scry_status_name(st));
    if (scry_finite(out, scry_space_floats(space))) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENUMERIC, "%s: the output of %s is not finite", A->ops->name, which);
}

static scry_status own_forward(const scry_op *A, float *y, const float *x, void *work,
                               scry_error *err)
{
    const struct callbacks_op *C = (const struct callbacks_op *)A;
    (void)work;
    const scry_status st = C->own.forward(C->own.ctx, y, x, err);
    return op_callbacks_after(A, st, "forward", y, &A->cod, err);
}

static scry_status own_adjoint(const scry_op *A, float *x, const float *y, void *work,
                               scry_error *err)
{
    const struct callbacks_op *C = (const struct callbacks_op *)A;
    (void)work;
    const scry_status st = C->own.adjoint(C->own.ctx, x, y, err);
    return op_callbacks_after(A, st, "adjoint", x, &A->dom, err);
}

static scry_status own_normal(const scry_op *A, float *out, const float *x, void *work,
                              scry_error *err)
{
    const struct callbacks_op *C = (const struct callbacks_op *)A;
    (void)work;
    const scry_status st = C->own.normal(C->own.ctx, out, x, err);
    return op_callbacks_after(A, st, "normal", out, &A->dom, err);
}

static void op_callbacks_destroy(scry_op *A)
{
    struct callbacks_op *C = (struct callbacks_op *)A;
    if (!C) return;
    if (C->own.destroy) C->own.destroy(C->own.ctx);
    scry_free(C);
}

scry_status scry_op_from_callbacks(scry_op **out, const scry_space *dom, const scry_space *cod,
                                   const scry_op_callbacks *callbacks, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, dom, cod, callbacks)) return SCRY_EINVAL;
    if (!callbacks->name || !callbacks->forward || !callbacks->adjoint)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "an operator from callbacks: expected a name, forward and adjoint");
    scry_status st = scry_space_check(dom, err);
    if (st == SCRY_OK) st = scry_space_check(cod, err);
    if (st != SCRY_OK) return st;
    struct callbacks_op *C = scry_alloc(1, sizeof *C);
    if (!C) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", callbacks->name);
    C->own = *callbacks;
    C->ops = (struct scry_op_ops){.name = callbacks->name,
                                  .forward = own_forward,
                                  .adjoint = own_adjoint,
                                  .normal = callbacks->normal ? own_normal : NULL,
                                  .destroy = op_callbacks_destroy};
    C->base = (scry_op){.ops = &C->ops, .dom = *dom, .cod = *cod};
    if ((st = scry_op_check(&C->base, 1, 3, NULL, err)) != SCRY_OK) {
        scry_free(C);
        return st;
    }
    *out = &C->base;
    return SCRY_OK;
}
