#ifndef SCRY_OPERATORS_GRAPPA_H
#define SCRY_OPERATORS_GRAPPA_H

#include "lib/status.h"

#include <complex.h>
#include <stddef.h>

/* GRAPPA (Griswold et al. 2002, MRM 47:1202): lines of k-space that were not acquired are linear
 * combinations of acquired samples around them, in all coils, with weights that calibration lines
 * give.
 *
 *   t_c(l, s) = sum_d sum_k sum_j w_cdkj y_d(l + o_k, s + j)
 *
 * l counts lines, s samples along the readout; o_k are the offsets of the nearest acquired lines,
 * half of opts.lines on each side, and j the opts.samples around s (0 beyond the ends). For each
 * pattern of offsets the weights fit the calibration lines l for which all l + o_k are calibration
 * lines too, in least squares with a ridge: |S w - t|^2 + ridge tr(S^H S) / n |w|^2, n unknowns. */
typedef struct scry_grappa_opts {
    size_t lines;   /* 4: acquired lines that a missing one is made from */
    size_t samples; /* 5: samples of each, odd */
    double ridge;   /* 0.01 */
} scry_grappa_opts;
void scry_grappa_opts_init(scry_grappa_opts *opts);

/* Fills data (coils, ny, nx) in place; k-space on both axes. readout: the axis along which lines
 * run, 1 (y) or 2 (x); masks (y, x): each line is whole or missing. A line is left at 0 where
 * acquired lines are not on both sides of it, unless it is as near to one as lines in gaps are
 * (partial Fourier, the ends of k-space). opts NULL: defaults.
 * errors  EUNSUP: lines that are not whole; EINVAL: no calibration lines for a pattern, an option
 *         out of range; ENUMERIC; ENOMEM */
struct scry_grappa_grid {
    size_t coils, ny, nx;
    int readout;
};
scry_status scry_grappa(float complex *data, const unsigned char *mask,
                        const float complex *calibration, const unsigned char *calibration_mask,
                        const struct scry_grappa_grid *grid, const scry_grappa_opts *opts,
                        scry_error *err);

#endif
