#ifndef SCRY_OPERATORS_DUAL_H
#define SCRY_OPERATORS_DUAL_H

#include "operators/cg.h"
#include "operators/op.h"

/* The linear system of a Gaussian image seen through a sampled convolution (scry_op_sampled_rank):
 *
 *   (I + w A V A^T w) q = r,     V = t F^-1 diag(S) F over the last `rank` axes of dom
 *
 * w >= 0 is diagonal, W^(1/2) of the local model of a likelihood. With u ~ N(u0, V) before the
 * measurement b, afterwards its mean is u0 + V A^T w q for r = w (b - A u0).
 *
 * A = R C, so that A V A^T = R F^-1 diag(t |C|^2 S) F R^T: one pair of transforms, where A, V and
 * A^T one after the other take up to three. The system is solved by conjugate gradients,
 * preconditioned by the symbol of the system with the weight of the place: a filter
 * 1 / (1 + W t |C|^2 S) for the least and one for the greatest W = w^2, blended by where each
 * entry's weight lies between them (after Fessler & Booth 1999, IEEE TIP 8:688). It is symmetric
 * positive definite, and the better the smoother W and the edges of the choice R. Where R takes
 * less than half of dom, a filter says little of the system and none is used. */
typedef struct scry_dual scry_dual;

/* Borrows A. rank: the axes of V's filter, 0 if V is only ever a multiple of I.
 * errors  EUNSUP: A is not a sampled convolution, or its rank and V's differ and neither is 0;
 *         ENOMEM */
scry_status scry_dual_create(scry_dual **out, const scry_op *A, int rank, scry_error *err);
void scry_dual_free(scry_dual *D); /* accepts NULL */

size_t scry_dual_bins(const scry_dual *D); /* entries of S; 1 where no axis is transformed */
size_t scry_dual_work_bytes(const scry_dual *D);

/*   q     start on entry, solution on exit; r and w as long: floats of cod. No aliasing.
 *   S, t  S >= 0 of scry_dual_bins entries, NULL for all 1; t > 0
 *   tol   |residual| <= tol |r|; at most `iterations`. Stopping there is not a failure. With C and
 *         V multiples of I (a mask and white V) the solution is in closed form, of 0 iterations.
 * errors  EINVAL: t not positive; ENUMERIC: not finite */
scry_status scry_dual_solve(const scry_dual *D, float *q, const float *r, const float *w,
                            const float *S, double t, double tol, size_t iterations, void *work,
                            scry_cg_result *result, scry_error *err);

/* out = M in, the preconditioner by itself: M ~ (I + w A V A^T w)^-1. Arguments as above. */
scry_status scry_dual_precondition(const scry_dual *D, float *out, const float *in, const float *w,
                                   const float *S, double t, void *work, scry_error *err);

#endif
