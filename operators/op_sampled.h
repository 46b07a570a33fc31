#ifndef SCRY_OPERATORS_OP_SAMPLED_H
#define SCRY_OPERATORS_OP_SAMPLED_H

#include "operators/op.h"

/* Sampled convolution: A = R C with C a convolution over the last `rank` axes of dom with periodic
 * boundaries (leading axes are independent images; rank 0: C = c I) and R a choice of entries of
 * dom, so that R R^T = I. Blurs, masks, crops and masks of blurs have this form; operators/update.h
 * uses it. Real operators only.
 *   rank     0 to 3, or -1 when the form of A is not known; the rest is then EUNSUP
 *   transfer eigenvalues of C, a pair for each bin of the real transform (lib/fft.h) of those axes;
 *            rank 0: a single c
 *   sample   y = R x      scatter   x = R^T y */
int scry_op_sampled_rank(const scry_op *A);
scry_status scry_op_sampled_transfer(const scry_op *A, float *pairs, scry_error *err);
scry_status scry_op_sample(const scry_op *A, float *y, const float *x, void *work, scry_error *err);
scry_status scry_op_scatter(const scry_op *A, float *x, const float *y, void *work,
                            scry_error *err);

#endif
