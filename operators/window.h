#ifndef SCRY_OPERATORS_WINDOW_H
#define SCRY_OPERATORS_WINDOW_H

#include "lib/api.h"
#include "operators/op.h"

SCRY_BEGIN

/* The place of an image (inner) in a larger domain (outer) that is estimated with it: entry i of
 * inner is entry i + offset of outer. Same rank; 0 <= offset, offset + inner <= outer on every
 * axis. */
typedef struct scry_window {
    scry_space outer, inner;
    size_t offset[SCRY_MAX_RANK];
} scry_window;

/* inner = the window's part of outer. No aliasing, here and below; w must be a window that
 * scry_crop_create accepts. */
void scry_window_crop(const scry_window *w, float *inner, const float *outer);

/* outer = inner in its place, 0 elsewhere: the adjoint of crop. */
void scry_window_pad(const scry_window *w, float *outer, const float *inner);

/* crop as an operator, A A^T = I
 * errors  ESHAPE: not spaces, of different rank or kind, or inner does not fit; ENOMEM */
scry_status scry_crop_create(scry_op **out, const scry_window *w, scry_error *err);

SCRY_END

/* errors  those of scry_crop_create */
scry_status scry_window_check(const scry_window *w, scry_error *err);

/* outer = inner in its place, and the nearest entry of inner elsewhere: a start for iterations. */
void scry_window_extend(const scry_window *w, float *outer, const float *inner);

/* outer = 0 outside the window, in place. */
void scry_window_clear_margin(const scry_window *w, float *outer);

#endif
