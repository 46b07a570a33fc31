#ifndef SCRY_OPERATORS_UPDATE_H
#define SCRY_OPERATORS_UPDATE_H

#include "operators/cg.h"
#include "operators/op.h"

/* The posterior mean of a Gaussian image after a measurement through a sampled convolution
 * (scry_op_sampled_rank): with u ~ N(u0, V) before it and 1/2 |w (A u - b)|^2 for -log p(b | u), w
 * >= 0 diagonal, the mean afterwards is u0 + d,
 *
 *   d = argmin  |w A d - r|^2 + d^T V^-1 d = V A^T w (I + w A V A^T w)^-1 r,   r = w (b - A u0),
 *
 * V = t F^-1 diag(S) F over the last `rank` axes of dom. Found by conjugate gradients in the space
 * of images, at one pair of transforms for each iteration. The objective is twice a negative log
 * density: an iteration that lowers it by much less than sqrt(2 m), the spread of chi2 over m
 * measurements, has changed nothing that they could measure (scry_cg_stop.gain). */
typedef struct scry_update scry_update;

/* Borrows A. rank: the axes of V's filter, 0 if V is always a multiple of I.
 * errors  EUNSUP: A is not a sampled convolution, or its rank and V's differ and neither is 0;
 *         ENOMEM */
scry_status scry_update_create(scry_update **out, const scry_op *A, int rank, scry_error *err);
void scry_update_free(scry_update *U); /* accepts NULL */

size_t scry_update_bins(const scry_update *U); /* entries of S; 1 where no axis is transformed */
size_t scry_update_work_bytes(const scry_update *U);

/*   d     floats of dom        r, w  as many as cod has      no aliasing
 *   S, t  S >= 0 of scry_update_bins entries, NULL for all 1; t > 0
 *   stop  `tol` is of the preconditioned system. With C and V multiples of I (a mask and white V)
 *         the solution is in closed form, of 0 iterations
 * errors  EINVAL: t not positive; ENUMERIC: not finite */
scry_status scry_update_solve(const scry_update *U, float *d, const float *r, const float *w,
                              const float *S, double t, const scry_cg_stop *stop, void *work,
                              scry_cg_result *result, scry_error *err);
/* The same from the d that is there: for a row of systems whose solutions hardly differ. S > 0. */
scry_status scry_update_resume(const scry_update *U, float *d, const float *r, const float *w,
                               const float *S, double t, const scry_cg_stop *stop, void *work,
                               scry_cg_result *result, scry_error *err);

#endif
