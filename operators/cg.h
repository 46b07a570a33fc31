#ifndef SCRY_OPERATORS_CG_H
#define SCRY_OPERATORS_CG_H

#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Conjugate gradients for H x = b, H symmetric (Hermitian as a real operator on pairs) positive
 * definite, given as a function. Hestenes & Stiefel 1952. Real inner products, double accumulators.
 *   x     start on entry, solution on exit; n floats
 *   tol   stops at |H x - b| <= tol |b|; iterations: their largest number
 *   work  scry_cg_work_bytes(n) bytes
 * Stopping before tol is not a failure: read `result`. ENUMERIC on NaN or negative curvature. */
typedef scry_status scry_cg_fn(void *ctx, float *out, const float *in, scry_error *err);
typedef struct scry_cg_result {
    size_t iterations;
    double residual; /* |H x - b| / |b|, by the recurrence */
    bool converged;  /* false: stopped at `iterations` */
} scry_cg_result;
/* With a preconditioner M ~ H^-1, symmetric positive definite: the same solution, tolerance and
 * residual, in fewer iterations (Concus, Golub & O'Leary 1976). NULL: the identity. */
size_t scry_cg_work_bytes(size_t n);
scry_status scry_cg(scry_cg_fn *H, void *ctx, float *x, const float *b, size_t n, double tol,
                    size_t iterations, void *work, scry_cg_result *result, scry_error *err);
scry_status scry_cg_preconditioned(scry_cg_fn *H, scry_cg_fn *M, void *ctx, float *x,
                                   const float *b, size_t n, double tol, size_t iterations,
                                   void *work, scry_cg_result *result, scry_error *err);

/* When to stop, where x^T H x - 2 b^T x has a meaning, for example minus twice a log density:
 *   gain  stops after two iterations in a row that each lowered this value by less than `gain`; 0:
 *   never. */
typedef struct scry_cg_stop {
    double tol, gain;
    size_t iterations;
} scry_cg_stop;
scry_status scry_cg_until(scry_cg_fn *H, scry_cg_fn *M, void *ctx, float *x, const float *b,
                          size_t n, const scry_cg_stop *stop, void *work, scry_cg_result *result,
                          scry_error *err);

#endif
