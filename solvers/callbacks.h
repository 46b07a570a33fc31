#ifndef SCRY_SOLVERS_CALLBACKS_H
#define SCRY_SOLVERS_CALLBACKS_H

#include "lib/api.h"
#include "solvers/registry.h"

SCRY_BEGIN

/* A solver made of callbacks, for methods outside this library. The method's scry_method.plan
 * passes them to scry_solver_create, with a context of its own and the number of images that the
 * solver allocates for it; scry_method_register adds the method. apps/examples/own_method.c is
 * one. */

/* The place of a callback in the run, the problem with memory for it, and the counters of calls. */
typedef struct scry_solver_call {
    const scry_problem *problem;
    size_t n;             /* floats of an image */
    float *const *images; /* as many as scry_solver_callbacks asks for, n floats each */
    void *work;           /* for calls of problem->L and of its operator; NULL without L */
    uint64_t seed;
    uint32_t chain;
    size_t step, steps; /* step 0 .. steps - 1; of start: 0 */
    scry_counts
        *counts; /* the callback adds its calls of the denoiser, of its derivative, of A and A^T */
} scry_solver_call;

enum { SCRY_SOLVER_IMAGES = 16 };

typedef struct scry_solver_callbacks {
    size_t steps;  /* of a run, 1 or more */
    size_t images; /* that each call gets, SCRY_SOLVER_IMAGES at most; 0 before each start */
    /* Sets the state, a function of (seed, chain) alone: lib/rng.h. NULL: the images are 0. */
    scry_status (*start)(void *ctx, const scry_solver_call *call, scry_error *err);
    /* Advances one step. Sets p->x0, the estimate of the image, which stays valid until the next
     * call; p->x, the state, or NULL where that is x0; p->sigma and p->residual where they are
     * known. A run ends after the last step, or earlier when it sets p->reason to SCRY_DONE. */
    scry_status (*step)(void *ctx, const scry_solver_call *call, scry_progress *p, scry_error *err);
    void (*destroy)(void *ctx); /* or NULL */
    void *ctx;
} scry_solver_callbacks;

/* For the method of `options`, on the domain of problem->L, or without one the space of
 * problem->prior. An error of a callback ends the run: its code and text reach the caller, with the
 * step in front. Values that are not finite end it as ENUMERIC. The solver owns ctx from here on:
 * on failure, destroy was called.
 * EINVAL: 0 steps, no step, neither a start nor images, too many images, neither a measurement nor
 * a prior; ENOMEM */
scry_status scry_solver_create(scry_solver **out, const scry_problem *problem,
                               const scry_options *options, const scry_solver_callbacks *callbacks,
                               scry_error *err);

SCRY_END

#endif
