#ifndef SCRY_SOLVERS_CLASSICAL_EM_LOOPS_IMPL_H
#define SCRY_SOLVERS_CLASSICAL_EM_LOOPS_IMPL_H

#include "lib/variants.h"

#include <stddef.h>
#include <stdint.h>

/* The loops of an EM step over images and measurements (solvers/classical/em_impl.h).
 *
 * An extrapolated point is v = p x + q old, cut at `min`. The step before is kept in the upper
 * halves of floats and the weights in 65535ths of the largest, half the size of floats: the first
 * steers the extrapolation by two inner products, and the second are off by 2^-17 of the largest.
 *
 *   update  old <- v z / (w divide), z cut at 0, where the weight is at least `seen` 65535ths; else
 *           v. `divide` may be NULL for 1.
 *   ratio   out = d / (share (max(p m + q mold, 0) + c)), the denominator cut at `min` */
struct scryi_em_point {
    float p, q, min;
};

struct scryi_em_sums {
    double before2; /* |step before|^2 */
    double across;  /* <step before, this step> */
    double along;   /* <this step, new image - image> */
};

struct scryi_em_update {
    struct scryi_em_point point;
    const float *x;
    float *old;
    const float *z, *divide;
    uint16_t *change;
    const uint16_t *weight;
    float unit; /* of a weight */
    uint16_t seen;
};

/* Of measurements with the mean a = max(m, 0) + c, cut at 1e-30:
 *   chi2  sum of (d - share a)^2 / variance; variance 0: share a, that of counts
 *   fit   the likelihood of other data `held`: held log(a) - rest a of counts, -(held - a)^2 else;
 * held may be NULL. log is good to 2e-7. */
struct scryi_em_judgement {
    double chi2, fit;
};

struct scryi_em_judged {
    const float *m, *d, *held;
    float c, share, variance;
};

struct scryi_em_loops {
    /* entries from .. to - 1, at most 4096 of them */
    void (*update)(struct scryi_em_sums *sums, const struct scryi_em_update *u, size_t from,
                   size_t to);
    void (*ratio)(float *out, const float *m, const float *mold, const float *d,
                  const struct scryi_em_point *point, float c, float share, size_t n);
    void (*judge)(struct scryi_em_judgement *sums, const struct scryi_em_judged *j, size_t from,
                  size_t to);
};
SCRYI_VARIANTS(struct scryi_em_loops, scryi_em_loops);

#endif
