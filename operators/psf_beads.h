#ifndef SCRY_OPERATORS_PSF_BEADS_H
#define SCRY_OPERATORS_PSF_BEADS_H

#include "operators/psf.h"

/* A PSF from an image of beads: points smaller than the PSF that lie apart.
 *
 * Local maxima are found in the image smoothed over 3 voxels. A maximum is a bead if it is eight
 * times the noise above the background, at least a fifth as bright as the upper third of them, and
 * farther from a brighter one than the width of a bead. A bead is used if it lies alone in a box of
 * four, three or two and a half widths (the largest that leaves eight, five or any), inside the
 * field, not saturated, and similar to the others in width, in brightness (three times the median:
 * a cluster) and in shape (correlated by 0.8 with their mean). Each has the median of its box's
 * border subtracted and is moved by a fraction of a voxel to its centre, where its moments under a
 * Gaussian window of its own width vanish; the sum over beads, which weights them by intensity, is
 * passed to scry_psf_prepare.
 *
 * A bead of diameter d adds d^2 / 20 to the variance of the PSF along each axis: 100 nm beads under
 * a width (FWHM) of 250 nm widen it by 2 %. This is not corrected. */
typedef struct scry_psf_beads {
    size_t found, used;
    size_t close, border, saturated, unlike; /* the beads that were not used, by reason */
    double fwhm[SCRY_PSF_MAX_RANK];          /* voxels, median over the beads that were used */
    double spread[SCRY_PSF_MAX_RANK];        /* their robust standard deviation */
    double background, noise;                /* of the field: median, and sd by the MAD */
    double signal;                           /* median peak over the noise */
} scry_psf_beads;

/* *psf from scry_alloc; in, opts, report and errors as for scry_psf_prepare. beads may be NULL.
 * EFORMAT: no bead, or no usable one (with the counts). */
scry_status scry_psf_distil(float **psf, scry_space *s, const float *in, const scry_space *is,
                            const scry_psf_prepare_opts *opts, scry_psf_beads *beads,
                            scry_psf_report *report, scry_error *err);

/* Whether an image given as a PSF shows beads: three or more of them apart, the third at least a
 * quarter as bright as the first. Rings and defocused planes of one PSF are not. Same
 * errors, but false where there is no bead. */
scry_status scry_psf_is_beads(bool *out, const float *in, const scry_space *is, scry_error *err);

#endif
