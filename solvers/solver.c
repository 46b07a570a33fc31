#include "solvers/solver_impl.h"

#include "lib/vector.h"

#include <string.h>

scry_status scry_solver_plan(scry_solver **out, const struct scry_method *method,
                             const scry_problem *problem, const scry_solver_opts *opts,
                             scry_error *err)
{
    *out = NULL;
    return method->plan(out, problem, opts, err);
}

scry_status scry_solver_start(scry_solver *S, uint64_t seed, uint32_t chain, scry_error *err)
{
    S->seed = seed;
    S->chain = chain;
    S->step = 0;
    S->counts = (scry_counts){ 0 };
    return S->start_fn(S, err);
}

scry_status scry_solver_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    *p = (scry_progress){ .steps = S->steps };
    scry_status st = S->step_fn(S, p, err);
    p->step = S->step;
    if (st == SCRY_ENUMERIC) p->reason = SCRY_STOP_NAN;
    return st;
}

scry_status scry_solver_run(scry_solver *S, float *x, scry_monitor *monitor, void *ctx,
                            scry_progress *end, scry_error *err)
{
    scry_progress p;
    do {
        scry_status st = scry_solver_step(S, &p, err);
        if (end) *end = p;
        if (st != SCRY_OK) return st;
        if (monitor && !monitor(&p, ctx) && p.reason == SCRY_RUNNING) p.reason = SCRY_STOP_USER;
    } while (p.reason == SCRY_RUNNING);
    memcpy(x, p.x0, S->n * sizeof *x);
    if (end) *end = p;
    return SCRY_OK;
}

scry_counts scry_solver_counts(const scry_solver *S)
{
    return S->counts;
}

void scry_solver_free(scry_solver *S)
{
    if (S) S->destroy(S);
}
