#ifndef SCRY_SOLVERS_SOLVER_IMPL_H
#define SCRY_SOLVERS_SOLVER_IMPL_H

#include "solvers/registry.h"
#include "solvers/solver.h"

/* For sources that implement a method: embed it first and fill in the hooks. start sets the state,
 * and `limit` where the method can diverge; step advances one step, increments base.step, sets
 * p->sigma, p->residual, p->x and p->x0 and sets p->reason = SCRY_DONE after the last. solver.c
 * sets p->draw and words a divergence. */
struct scry_solver {
    const struct scry_method *method;
    scry_problem problem;
    scry_options options;
    scry_space space; /* of u */
    size_t n;         /* floats in u */
    uint64_t seed;
    uint32_t chain;
    size_t step, steps;
    size_t first, thin; /* of chains with several draws: steps to the first, and on to the next;
                           else first is 0 */
    bool scatters;      /* the last step gives a sample beside its estimate */
    double limit;       /* root mean square of x and x0 beyond which a chain has diverged */
    scry_counts counts;
    /* Of particle samplers, after the last level: exp of it has the expectation p(y) / z whatever
     * the number of particles, where p(y) is the evidence under the ancestral chain and z is the
     * method's. */
    double log_evidence;
    scry_status (*start_fn)(scry_solver *S, scry_error *err);
    scry_status (*step_fn)(scry_solver *S, scry_progress *p, scry_error *err);
    void (*destroy)(scry_solver *S); /* accepts half-built objects, frees S itself */
};

/* Whether the step that was counted last gives a draw. */
static inline bool scryi_solver_drew(const scry_solver *S)
{
    return S->step == S->steps ||
           (S->first && S->step >= S->first && (S->step - S->first) % S->thin == 0);
}

#endif
