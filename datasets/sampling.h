#ifndef SCRY_DATASETS_SAMPLING_H
#define SCRY_DATASETS_SAMPLING_H

#include "lib/api.h"
#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

SCRY_BEGIN

/* Which samples of k-space are acquired. n lines of phase encoding, the centre of k-space at
 * floor(n/2); R is the requested acceleration, c the share of the fully sampled centre. The
 * acceleration that results is close to R, by each pattern's own rule: count the lines, and report
 * n / count.
 *
 * Patterns of whole lines. Those of fastMRI (Zbontar et al. 2018, arXiv:1811.08839) are the masks
 * of its reference code bit for bit; nl = round(n c), half to even, lines from (n - nl + 1) / 2 on.
 *   RANDOM               a line outside of the centre with probability (n/R - nl) / (n - nl)
 *   EQUISPACED           every round(R)-th from a random first one, and the centre: more than n/R
 *   EQUISPACED_FRACTION  the spacing stretched, and rounded, so that n/R remain with the centre
 *   REGULAR              line round(k R), k = 0, 1, ..., and the centre: no random numbers
 *   GAUSSIAN             round(n/R) lines, the centre and others without replacement with weights
 *                        exp(-(k - n/2)^2 / (2 (n/6)^2))
 * Patterns of points on two phase-encoded axes; the centre is a block of round(ny c) x round(nx c)
 * points.
 *   POISSON              Poisson disc, sparser outwards: points in random order, each taken when it
 *                        lies in none of the discs of radius r0 (1 + 2 q) u around those before,
 *                        q = distance from the centre over that of an edge, u uniform on .75..1.25
 *                        (discs of one size would form a regular lattice on the grid, whose aliases
 *                        are coherent); r0 the largest that leaves round(ny nx / R) points: that
 *                        many are taken
 *   RADIAL               diameters of the ellipse that touches the edges, turned by the golden
 *                        angle pi (sqrt 5 - 1) / 2 from one to the next (Winkelmann et al. 2007,
 *                        IEEE TMI 26:68), from a random first one, rounded to the grid; the number
 *                        of them that comes closest to R */
typedef enum scry_pattern {
    SCRY_PATTERN_RANDOM = 0,
    SCRY_PATTERN_EQUISPACED,
    SCRY_PATTERN_EQUISPACED_FRACTION,
    SCRY_PATTERN_REGULAR,
    SCRY_PATTERN_POISSON,
    SCRY_PATTERN_RADIAL,
    SCRY_PATTERN_GAUSSIAN
} scry_pattern;

typedef struct scry_sampling_choice {
    double accel;  /* R > 1, at most the number of lines */
    double centre; /* c in [0, 1) */
} scry_sampling_choice;

typedef struct scry_sampling {
    scry_pattern pattern;
    double accel, centre; /* where there is no list of choices */
    /* fastMRI trains with several: the generator's first draw picks one. fastMRI patterns only. */
    const scry_sampling_choice *choices;
    size_t n_choices; /* 0: no list */
    /* fastMRI seeds its generator (NumPy's legacy MT19937) with the code points of the volume's
     * file name, "file1000000.h5": seed_name, in UTF-8. NULL: with the number, as
     * numpy.random.RandomState(seed) does below 2^32 (beyond: as with the list [low, high] of its
     * halves). Other patterns use lib/rng.h, `seed` alone. */
    uint64_t seed;
    const char *seed_name;
} scry_sampling;

/* line[n] = 1 or 0.
 * EINVAL: R or c out of range, a centre that rounds to no line although c > 0, that alone is more
 *         than n/R where a pattern keeps to n/R, or a mask that misses the centre of k-space;
 *         EUNSUP: a pattern of points, or choices for a pattern that is not fastMRI's; ENOMEM */
scry_status scry_sampling_lines(unsigned char *line, size_t n, const scry_sampling *s,
                                scry_error *err);

/* mask[ny][nx] of any pattern; lines have the direction of the readout axis (1: y, 2: x). Errors as
 * above; EINVAL also for a readout axis that is neither. */
scry_status scry_sampling_mask(unsigned char *mask, size_t ny, size_t nx, int readout,
                               const scry_sampling *s, scry_error *err);

bool scry_pattern_of_lines(scry_pattern p);
/* "random", "equispaced", "equispaced-fraction", ..., in the order above; NULL ends them */
const char *const *scry_pattern_names(void);

SCRY_END

#endif
