#ifndef SCRY_OPERATORS_DENSE_H
#define SCRY_OPERATORS_DENSE_H

#include "lib/api.h"
#include "operators/op.h"

SCRY_BEGIN

/* y = M x with a matrix M: for tests and for small experiments. M is row-major, floats(cod) x
 * floats(dom), real: on complex spaces it acts on the pairs (re, im), so any real-linear map is
 * possible. A copy is kept. The singular value decomposition (one-sided Jacobi, GSL) is computed at
 * creation; values below max(rows, columns) * 2^-23 of the largest are set to 0.
 * errors  ESHAPE: not a space; EINVAL: M holds a NaN or an infinity; ENOMEM */
scry_status scry_dense_create(scry_op **out, const scry_space *dom, const scry_space *cod,
                              const double *M, scry_error *err);

/* The matrix of any operator, column by column: M[floats(cod)][floats(dom)], row-major.
 * errors  ENOMEM, and the errors of A */
scry_status scry_dense_of(const scry_op *A, double *M, scry_error *err);

SCRY_END

#endif
