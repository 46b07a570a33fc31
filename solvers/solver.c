#include "solvers/solver_impl.h"

#include <stdio.h>
#include <string.h>

/* The methods that could take this problem, for the message of a failed plan. */
static void list_serving(char *list, size_t size, bool unconditional, const scry_problem *problem)
{
    size_t count, used = 0;
    const struct scry_method *const *all = scry_methods(&count);
    list[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        if ((all[i]->kind == SCRY_UNCONDITIONAL) != unconditional) continue;
        if (scry_method_missing(all[i], problem)) continue;
        const int wrote =
            snprintf(list + used, size - used, "%s%s", used ? ", " : "", all[i]->name);
        if (wrote > 0 && used + (size_t)wrote < size) used += (size_t)wrote;
    }
    if (!used) snprintf(list, size, "none");
}

static scry_status check_space(const char *what, const scry_prior *P, const scry_space *u,
                               scry_error *err)
{
    char mine[96], theirs[96];
    if (!P || scry_space_equal(scry_prior_space(P), u)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ESHAPE, "the %s is %s, the image to recover is %s", what,
                     scry_space_print(scry_prior_space(P), mine, sizeof mine),
                     scry_space_print(u, theirs, sizeof theirs));
}

scry_status scry_solver_plan(scry_solver **out, const struct scry_method *method,
                             const scry_problem *problem, const scry_solver_opts *opts,
                             scry_error *err)
{
    scry_status st;
    const bool unconditional = method->kind == SCRY_UNCONDITIONAL;
    *out = NULL;
    const char *missing = scry_method_missing(method, problem);
    if (missing) {
        char list[256];
        list_serving(list, sizeof list, unconditional, problem);
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s needs %s; methods that would serve here: %s",
                         method->name, missing, list);
    }
    if (unconditional && problem->L)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s draws from the prior and would ignore the measurement", method->name);
    if (problem->L) {
        const scry_space *u = scry_op_dom(scry_likelihood_op(problem->L));
        if ((st = check_space("prior", problem->prior, u, err)) != SCRY_OK) return st;
        if ((st = check_space("Gaussian model", problem->model, u, err)) != SCRY_OK) return st;
    }
    if ((st = scry_solver_opts_check(opts, method, err)) != SCRY_OK) return st;
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
