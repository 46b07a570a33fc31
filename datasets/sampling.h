#ifndef SCRY_DATASETS_SAMPLING_H
#define SCRY_DATASETS_SAMPLING_H

#include "lib/status.h"

#include <stddef.h>
#include <stdint.h>

/* Which samples of k-space are taken. mask (ny, nx), 1 or 0. */
typedef enum scry_pattern {
    SCRY_PATTERN_RANDOM = 0,  /* fastMRI: lines at random */
    SCRY_PATTERN_EQUISPACED,  /* fastMRI: every R-th line and the centre */
    SCRY_PATTERN_EQUISPACED_FRACTION, /* fastMRI: so that W / R lines remain with the centre */
    SCRY_PATTERN_REGULAR,     /* every R-th from line 0, and round(n c) in the centre */
    SCRY_PATTERN_POISSON,     /* Poisson disc, denser in the middle */
    SCRY_PATTERN_RADIAL,      /* spokes at the golden angle, rounded to the grid */
    SCRY_PATTERN_GAUSSIAN     /* lines at random, denser in the middle */
} scry_pattern;

/* fastMRI's generator (Zbontar et al. 2018), bit for bit: numpy's legacy MT19937. The lines lie
 * along the readout; `n` is the number of phase encodes, line[n] 1 or 0.
 * seed_name: MT19937 is seeded with its code points ("file1000000.h5"); NULL: by `seed` alone. */
typedef struct scry_sampling {
    scry_pattern pattern;
    double accel;   /* R > 1 */
    double center;  /* c: share of the lines in the fully sampled middle, >= 0, < 1 */
    uint64_t seed;
    const char *seed_name;
} scry_sampling;

/* Masks of whole lines: the first five... EINVAL: R, c out of range, or no centre line left when c
 * > 0 ("acceleration 8 with centre 0.001 of 128 lines leaves no line in the centre"); EUNSUP: a
 * pattern that is not of lines. */
scry_status scry_sampling_lines(unsigned char *line, size_t n, const scry_sampling *s,
                                scry_error *err);
/* Any pattern on (ny, nx); patterns of lines have them along the readout axis (1 y, 2 x). */
scry_status scry_sampling_mask(unsigned char *mask, size_t ny, size_t nx, int readout,
                               const scry_sampling *s, scry_error *err);
const char *const *scry_pattern_names(void); /* in the order above, ends with NULL */

#endif
