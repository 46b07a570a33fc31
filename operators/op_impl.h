#ifndef SCRY_OPERATORS_OP_IMPL_H
#define SCRY_OPERATORS_OP_IMPL_H

#include "operators/op.h"

/* For sources that implement an operator. */
typedef scry_status scry_op_fn(const scry_op *A, float *out, const float *in, void *work,
                               scry_error *err);

struct scry_svd_ops {
    scry_op_fn *v, *vh, *uh;
    void (*describe)(const scry_op *A, scry_svd *out);
};

struct scry_sampled_ops {
    int (*rank)(const scry_op *A); /* -1: these parts do not make a sampled convolution */
    void (*transfer)(const scry_op *A, float *pairs);
    scry_op_fn *sample, *scatter;
};

struct scry_op_ops {
    const char *name;
    scry_op_fn *forward, *adjoint;          /* required */
    scry_op_fn *normal;                     /* A^H A x fused; NULL: forward, then adjoint */
    const struct scry_svd_ops *svd;         /* NULL: no closed form known */
    const struct scry_sampled_ops *sampled; /* NULL: not a sampled convolution */
    void (*destroy)(scry_op *A);            /* accepts NULL and half-built objects */
};

struct scry_op {
    const struct scry_op_ops *ops;
    scry_space dom, cod;
    size_t work_bytes; /* scratch of every function above */
};

#endif
