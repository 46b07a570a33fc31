#ifndef SCRY_OPERATORS_OP_H
#define SCRY_OPERATORS_OP_H

#include "lib/api.h"
#include "lib/space.h"
#include "lib/status.h"

#include <stddef.h>
#include <stdint.h>

SCRY_BEGIN

/* A linear operator A: dom -> cod. Immutable once built: threads share it, and each brings scratch
 * memory `work` of scry_op_work_bytes(A) bytes (from scry_alloc; not NULL, also for 0 bytes). Input
 * and output must not alias unless the comment allows it. */
typedef struct scry_op scry_op;

void scry_op_free(scry_op *A); /* accepts NULL */
const char *scry_op_name(const scry_op *A);
const scry_space *scry_op_dom(const scry_op *A);
const scry_space *scry_op_cod(const scry_op *A);
size_t scry_op_work_bytes(const scry_op *A);

/* y = A x;  x = A^H y;  out = A^H A x */
scry_status scry_op_forward(const scry_op *A, float *y, const float *x, void *work,
                            scry_error *err);
scry_status scry_op_adjoint(const scry_op *A, float *x, const float *y, void *work,
                            scry_error *err);
scry_status scry_op_normal(const scry_op *A, float *out, const float *x, void *work,
                           scry_error *err);

/* Singular value decomposition A = U S V^H in the operator's own basis, coefficient by coefficient:
 * n coefficients (floats, or pairs where the basis is complex: `cplx`). EUNSUP when the operator
 * has none.
 *   v: x = V c     vh: c = V^H x     u: y = U c     uh: c = U^H y
 * values[i] >= 0 belongs to coefficient i; a complex coefficient has one value for both components.
 * U and V are isometries on the coefficients that a real image can have. Coefficients with
 * values[i] == 0 describe the null space of A: V V^H = I on dom. */
typedef struct scry_svd {
    size_t count;        /* coefficients */
    int floats_per;      /* 1 real, 2 complex pairs */
    const float *values; /* count singular values, owned by the operator */
} scry_svd;
bool scry_op_has_svd(const scry_op *A);
scry_status scry_op_svd(const scry_op *A, scry_svd *out, scry_error *err);
scry_status scry_op_svd_v(const scry_op *A, float *x, const float *c, void *work, scry_error *err);
scry_status scry_op_svd_vh(const scry_op *A, float *c, const float *x, void *work, scry_error *err);
scry_status scry_op_svd_uh(const scry_op *A, float *c, const float *y, void *work, scry_error *err);

/* Largest eigenvalue of A^H A by power iteration from a fixed start: a lower bound within `tol`
 * (relative change) of the truth. */
scry_status scry_op_norm2(const scry_op *A, double *norm2, double tol, scry_error *err);

/* Dot test: |<Ax, y> - <x, A^H y>| sqrt(N) / (|Ax| |y|), N entries in y, for random x, y from
 * `seed`. Complex-linear operators: the complex product. */
scry_status scry_op_dot_test(const scry_op *A, uint64_t seed, double *error, scry_error *err);

/* The dot test for `count` seeds from `seed` on, and whether a normal of the operator's own is
 * A^H A; *worst (or NULL) is the largest error, that of the normal relative to |A^H A x|.
 * EINVAL: it exceeds 1e-4, which rounding cannot explain: this is not the adjoint of the forward
 * operator, or not their product. */
scry_status scry_op_check(const scry_op *A, uint64_t seed, size_t count, double *worst,
                          scry_error *err);

SCRY_END

#endif
