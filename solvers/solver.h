#ifndef SCRY_SOLVERS_SOLVER_H
#define SCRY_SOLVERS_SOLVER_H

#include "lib/api.h"
#include "operators/likelihood.h"
#include "priors/prior.h"
#include "solvers/options.h"

#include <stdint.h>

SCRY_BEGIN

typedef struct scry_gaussian_gap scry_gaussian_gap; /* priors/gaussian_gap.h */

/* The problem that a solver solves. Everything is borrowed until the solver is freed.
 *   L      the likelihood of the measurement, in the solver's variable u; NULL: unconditional
 *   prior  in u; NULL for methods that need none
 *   model  a Gaussian prior with the mean and spectrum of the images (priors/gaussian.h), in u, on
 *          the same space; NULL when there is none. It supplies covariances and closed-form starts.
 *   gap     how far `prior` is from such a model, by level, in u; NULL, or count 0: not known
 *   positive  u >= -shift/scale is known to hold (an intensity) */
typedef struct scry_problem {
    const scry_likelihood *L;
    const scry_prior *prior;
    const scry_prior *model;
    const scry_gaussian_gap *gap;
    bool positive;
} scry_problem;

typedef enum scry_reason { /* > 0 finished, < 0 stopped early */
                           SCRY_RUNNING = 0,
                           SCRY_DONE = 1,
                           SCRY_STOP_USER = -1,
                           SCRY_STOP_NAN = -2
} scry_reason;

/* Pointers are valid during the call. */
typedef struct scry_progress {
    size_t step, steps;
    double sigma, residual; /* noise level now; |W^(1/2)(A x0 - b)| / sqrt(count), 0 if unknown */
    const float *x, *x0;    /* state, and estimate of the image */
    const float *sample; /* a draw of which x0 is the mean, what chains do not share left out; NULL:
                          * x0 is the draw */
    bool draw; /* x0 is a result of the method: its last estimate, or one of several draws */
    scry_reason reason;
} scry_progress;

/* Returns false to stop the run. */
typedef bool scry_monitor(const scry_progress *p, void *ctx);

/* Calls so far in this solver: for reports and benchmarks. */
typedef struct scry_counts {
    size_t denoise, vjp, forward, adjoint; /* adjoint counts A^T; a fused normal counts as both */
    size_t solves, unconverged; /* linear systems; and how many of them ran out of iterations */
} scry_counts;

typedef struct scry_solver scry_solver;

/* plan allocates all memory that start and step of the method in `options` need. EUNSUP names the
 * missing requirement. */
scry_status scry_solver_plan(scry_solver **out, const scry_problem *problem,
                             const scry_options *options, scry_error *err);
/* The run is a function of (seed, chain) alone. */
scry_status scry_solver_start(scry_solver *S, uint64_t seed, uint32_t chain, scry_error *err);
/* ENUMERIC when the chain diverges: the state or the estimate is not finite or, of samplers, is
 * 10^4 times larger than at the start and than the unit of the prior. The message has the step, the
 * seed and the chain, and p has no image. */
scry_status scry_solver_step(scry_solver *S, scry_progress *p, scry_error *err);
/* After start: steps until done and copies the last estimate to x (dom; NULL: only the monitor gets
 * it). */
scry_status scry_solver_run(scry_solver *S, float *x, scry_monitor *monitor, void *ctx,
                            scry_progress *end, scry_error *err);
scry_counts scry_solver_counts(const scry_solver *S);
void scry_solver_free(scry_solver *S); /* accepts NULL */

SCRY_END

#endif
