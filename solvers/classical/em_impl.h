#ifndef SCRY_SOLVERS_CLASSICAL_EM_IMPL_H
#define SCRY_SOLVERS_CLASSICAL_EM_IMPL_H

#include "solvers/classical/difference_impl.h"
#include "solvers/classical/em_loops_impl.h"
#include "solvers/solver_impl.h"

/* Accelerated expectation maximisation for any number of estimates of images x >= 0 from data d
 * with mean share (A x + c):
 *
 *   v  = x + a (x - old),  cut at the floor
 *   x <- v / (w (1 + tv G^T (G v / |G v|))) * A^T [ d / (share (A v + c)) ],   w = A^T 1
 *   a    0; Biggs & Andrews 1997, Appl. Opt. 36:1766: <g, g'> / |g'|^2 of the last two steps
 *        g = x - v; or Nesterov's, with the restart of O'Donoghue & Candes 2015
 *   tv   one-step-late total variation (Dey et al. 2006, Microsc. Res. Tech. 69:260, Eq. 11)
 *
 * A v is the same combination of A x and A old, up to the few pixels where v is cut, so that a step
 * is one product with A and one with A^T. Where w is below SEEN of its largest, nothing was
 * measured and x stays as it started.
 *
 * Memory, bytes a pixel of the image: 4 shared by all estimates for the product, 2 for w; of each
 * estimate 8 and 2 for the step before (em_loops_impl.h). tv: 4 (2 + axes) more. */
enum scryi_em_acceleration { SCRYI_EM_PLAIN = 0, SCRYI_EM_BIGGS, SCRYI_EM_NESTEROV };

typedef struct scryi_em {
    const scry_op *A;
    scry_counts *counts;
    void *work; /* of A, borrowed */
    size_t n, m;
    float *z;         /* n: scratch between steps */
    uint16_t *weight; /* n: w in units of `unit` */
    float unit;
    enum scryi_em_acceleration acceleration;
    double c, floor; /* set by the caller before the first estimate starts */
    struct scryi_em_sums *part;
    double tv;
    scryi_difference G;
    float *v, *divide, *gradient; /* with tv */
} scryi_em;

typedef struct scryi_em_estimate {
    float *x, *old; /* n: the image, and the one before */
    uint16_t *change;
    float *m, *mold; /* A x, A old: m each, borrowed */
    const float *d;  /* m, borrowed */
    double share;    /* of the counts that d holds */
    double pace;     /* Nesterov's t, or the next factor of Biggs & Andrews */
    double along;    /* < 0: the last step went back */
    size_t steps;
} scryi_em_estimate;

/* Allocates; A, counts, work, acceleration and tv are set before, all else is zero. Clear also
 * after a failure. ENOMEM */
scry_status scryi_em_init(scryi_em *E, scry_error *err);
void scryi_em_clear(scryi_em *E);

/* w, and its sum; ones: scratch of m. EINVAL: A has columns with a negative sum. */
scry_status scryi_em_weigh(scryi_em *E, float *ones, double *sum, scry_error *err);
/* w reaches half its largest: where data are, not the margin of an open boundary. */
bool scryi_em_measured(const scryi_em *E, size_t i);

/* x, old and change; false when there is no memory. */
bool scryi_em_estimate_alloc(scryi_em_estimate *e, size_t n);
void scryi_em_estimate_free(scryi_em_estimate *e);

/* A flat image of this level; m, mold, d and share are set by the caller. */
scry_status scryi_em_start(scryi_em *E, scryi_em_estimate *e, double level, scry_error *err);
scry_status scryi_em_step(scryi_em *E, scryi_em_estimate *e, scry_error *err);

/* t >= 0 with sum(w max(x - t, 0)) = flux, the light of the data above their background; 0 where
 * the image has no more than that. An image >= 0 follows the noise of a dark background upwards
 * only, and has more light than the data by that. Taken off as a constant, the excess goes where it
 * is: bright structure, whose share of it is small, keeps its height (a common factor would take
 * most from there). Data with no light above the background, whose offset was given too high, have
 * no such t >= 0: for flux <= 0 it is that of sum(w (x - t)) = flux. */
double scryi_em_pedestal(const scryi_em *E, const scryi_em_estimate *e, double flux);

/* Per measurement: Pearson's chi2 of the data that e is fitted to, and the mean log likelihood (up
 * to a constant) of `held`, the rest of the counts or independent data of Gaussian noise; NULL for
 * none. variance: of d, Gaussian; 0 for counts. */
struct scryi_em_judgement scryi_em_judge(const scryi_em *E, const scryi_em_estimate *e,
                                         const float *held, double variance);

#endif
