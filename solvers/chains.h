#ifndef SCRY_SOLVERS_CHAINS_H
#define SCRY_SOLVERS_CHAINS_H

#include "lib/api.h"
#include "solvers/registry.h"
#include "solvers/solver.h"

SCRY_BEGIN

/* K independent chains of one method on one problem, and statistics over them. Each chain is a
 * function of (seed, its number) alone, and chains are combined in the order of their numbers, so
 * the result does not depend on how many run at a time. A chain gives one draw, its last estimate,
 * or as many as the method's option `draws` (scry_method_multi_draw); all draws have the same
 * weight. Memory does not grow with their number unless samples are kept or regions followed.
 *
 * With T threads, T chains run at a time, one thread each; the last ones, when fewer than T are
 * left, run one after the other with all threads inside. Where the prior evaluates several calls as
 * one batch (scry_prior_batch), each thread runs that many chains at a time, and their calls go
 * through the network together; with as many threads as chains there are no such batches. Each
 * running chain has its own solver. */
typedef struct scry_chains_opts {
    size_t chains; /* K >= 1 */
    size_t first;  /* number of the first chain: a run can be continued, or split */
    uint64_t seed;
    size_t threads;            /* 0: the number that OpenMP chooses */
    bool keep;                 /* keep every sample (implied by quantiles) */
    size_t quantiles;          /* count of `probability`, at most SCRY_MAX_QUANTILES */
    const double *probability; /* each in [0, 1] */
    size_t thresholds;         /* count of `threshold`, at most SCRY_MAX_QUANTILES */
    const double *threshold;   /* in u: the share of draws above each is computed */
    size_t region; /* side of the regions of rhat and ess, pixels; 0: neither is computed */
} scry_chains_opts;

enum { SCRY_MAX_QUANTILES = 16 };

/* One chain, all threads, no samples kept. */
void scry_chains_opts_init(scry_chains_opts *opts);

/* The argument of a monitor. Calls never overlap, but come from several threads and, when several
 * chains run, in no fixed order. */
typedef struct scry_chains_progress {
    size_t chain, chains; /* the number of this chain, first .. first + chains - 1; their count */
    size_t finished;      /* chains that ended so far */
    const scry_progress *p;
    bool trial; /* of a run that only helps to choose a method, a strength or a psf */
} scry_chains_progress;

/* false asks all chains to stop. */
typedef bool scry_chains_monitor(const scry_chains_progress *p, void *ctx);

typedef struct scry_chains {
    size_t n;      /* floats of an image */
    size_t done;   /* chains that ran to the end: only these are in mean, sd and quantiles */
    size_t failed; /* chains that diverged: none of their draws counts; `failure` has the message of
                    * the first, with its step and seed */
    scry_error failure;
    scry_reason reason; /* SCRY_DONE, or SCRY_STOP_USER: then fewer chains than requested count */
    scry_counts counts; /* of all chains, also those that were stopped */
    double residual;    /* root mean square of the residuals at the end of the chains done */
    float *mean;     /* n; of the estimates that draws scatter around, where there are (solver.h) */
    size_t draws;    /* in mean, sd, quantiles and above: all draws of the chains done */
    float *sd;       /* n, of the draws, with draws - 1; zeros when draws < 2 */
    float *quantile; /* quantiles x n, linear between order statistics; NULL unless requested */
    float *above;    /* thresholds x n: share of the draws with u > threshold; or NULL */
    float *rhat, *ess; /* n each, every pixel has the value of its region; NULL unless requested */
    double worst_rhat; /* the largest; NaN where chains give fewer than 4 draws, as is rhat */
    double min_ess;    /* the smallest */
    float *samples;    /* draws x n in order of chain, then of draw; NULL unless kept */
} scry_chains;

/* rhat and ess: the image is cut into blocks of region x region pixels (its last two axes; real and
 * imaginary parts by themselves), whose mean and mean square are recorded for every draw of every
 * chain. rhat is split R-hat, the square root of the ratio of the pooled variance to that within
 * half-chains; ess is the number of independent draws whose mean has the same variance, by Geyer's
 * initial monotone sequence (lib/stats/mixing.h). The worse of the two traces counts. With
 * fewer than 4 draws a chain ess is the number of chains, which are independent. */

/* Plans the solvers, runs the chains and combines them. *out is filled and owned by the caller
 * (scry_chains_free) on success only. ENUMERIC when no chain survives, with the message of the
 * first; a run that the monitor stopped is not a failure: read `reason` and `done`, which may be 0
 * (mean and sd are then zeros). EINVAL: chains 0, a probability outside [0, 1], a threshold that is
 * not finite, more than SCRY_MAX_QUANTILES of them, 2^32 draws or more. */
scry_status scry_chains_run(scry_chains *out, const scry_problem *problem,
                            const scry_options *options, const scry_chains_opts *opts,
                            scry_chains_monitor *monitor, void *ctx, scry_error *err);
void scry_chains_free(scry_chains *c); /* frees the arrays, not the struct */

/* Bytes that scry_chains_run will allocate beyond the problem itself. Plans one solver to find out.
 */
scry_status scry_chains_forecast(size_t *bytes, const scry_problem *problem,
                                 const scry_options *options, const scry_chains_opts *opts,
                                 scry_error *err);

SCRY_END

#endif
