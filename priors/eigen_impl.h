#ifndef SCRY_PRIORS_EIGEN_IMPL_H
#define SCRY_PRIORS_EIGEN_IMPL_H

#include "lib/status.h"

#include <stddef.h>

/* Small dense covariances, C = U diag(values) U^T, in double precision. */

/* C n x n row-major, finite, symmetric to 1e-9 of its largest entry and positive definite: EINVAL
 * otherwise, with the entry or the eigenvalue. vectors (n x n, row k holds eigenvector k) and
 * values (n) are the caller's. ENOMEM. */
scry_status scryi_eigen(double *values, double *vectors, const double *C, size_t n,
                        scry_error *err);

/* c = U^T x and x = U c; c and x distinct, n doubles. */
void scryi_eigen_analyse(double *c, const double *vectors, const double *x, size_t n);
void scryi_eigen_synthesise(double *x, const double *vectors, const double *c, size_t n);

#endif
