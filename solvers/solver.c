#include "solvers/solver_impl.h"

#include "lib/cancel.h"
#include "lib/given.h"
#include "lib/vector.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The methods that could solve this problem, for the message of a failed plan. */
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

static scry_status solver_check_space(const char *what, const scry_prior *P, const scry_space *u,
                                      scry_error *err)
{
    char mine[96], theirs[96];
    if (!P || scry_space_equal(scry_prior_space(P), u)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ESHAPE, "the %s is %s, the image to recover is %s", what,
                     scry_space_print(scry_prior_space(P), mine, sizeof mine),
                     scry_space_print(u, theirs, sizeof theirs));
}

scry_status scry_solver_plan(scry_solver **out, const scry_problem *problem,
                             const scry_options *options, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, problem, options)) return SCRY_EINVAL;
    if (SCRY_MISSING(err, options->method)) return SCRY_EINVAL;
    scry_status st = scry_cancel_check(err); /* a plan may fill gigabytes */
    if (st != SCRY_OK) return st;
    const struct scry_method *method = options->method;
    const bool unconditional = method->kind == SCRY_UNCONDITIONAL;
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
    if (unconditional) {
        st = solver_check_space("Gaussian model", problem->model, scry_prior_space(problem->prior),
                                err);
        if (st != SCRY_OK) return st;
    }
    if (problem->L) {
        const scry_space *u = scry_op_dom(scry_likelihood_op(problem->L));
        if ((st = solver_check_space("prior", problem->prior, u, err)) != SCRY_OK) return st;
        if ((st = solver_check_space("Gaussian model", problem->model, u, err)) != SCRY_OK)
            return st;
    }
    return method->plan(out, problem, options, err);
}

/* The message of start or step with the place and, of a divergence, the seed and the chain, so that
 * the user can repeat it. */
static scry_status solver_fail(const scry_solver *S, const char *where, scry_status st,
                               const scry_error *why, scry_error *err)
{
    const char *text = why->text[0] ? why->text : scry_status_name(st);
    if (st == SCRY_OK) return st;
    if (st != SCRY_ENUMERIC)
        return scry_fail(err, st, why->where, "%s (%s, %s)", text, S->method->name, where);
    if (S->method->kind == SCRY_CLASSICAL)
        return scry_fail(err, st, why->where, "%s failed %s: %s", S->method->name, where, text);
    return scry_fail(err, st, why->where, "%s: the chain diverged %s, seed %llu, chain %u: %s",
                     S->method->name, where, (unsigned long long)S->seed, S->chain, text);
}

scry_status scry_solver_start(scry_solver *S, uint64_t seed, uint32_t chain, scry_error *err)
{
    if (SCRY_MISSING(err, S)) return SCRY_EINVAL;
    S->seed = seed;
    S->chain = chain;
    S->step = 0;
    S->counts = (scry_counts){0};
    S->limit = INFINITY;
    scry_error why = {0};
    const scry_status st = scry_cancel_check(&why);
    return solver_fail(S, "at the start", st == SCRY_OK ? S->start_fn(S, &why) : st, &why, err);
}

/* Written so that a NaN fails. The sum of squares of finite floats is a finite double. */
static scry_status solver_check_size(const scry_solver *S, const char *what, const float *x,
                                     scry_error *err)
{
    const double size = scry_norm(x, S->n) / sqrt((double)S->n);
    if (size <= S->limit && isfinite(size)) return SCRY_OK;
    if (!isfinite(size)) return SCRY_FAIL(err, SCRY_ENUMERIC, "the %s is not finite", what);
    return SCRY_FAIL(err, SCRY_ENUMERIC, "root mean square of the %s %g, expected at most %g", what,
                     size, S->limit);
}

/* The state of a classical method need not be an image; its estimate is one. */
static scry_status check_images(const scry_solver *S, const scry_progress *p, scry_error *err)
{
    const bool state = S->method->kind != SCRY_CLASSICAL && p->x != p->x0;
    scry_status st = solver_check_size(S, "estimate", p->x0, err);
    return st == SCRY_OK && state ? solver_check_size(S, "state", p->x, err) : st;
}

scry_status scry_solver_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    if (SCRY_MISSING(err, S, p)) return SCRY_EINVAL;
    char where[64];
    scry_error why = {0};
    const size_t step = S->step + 1;
    *p = (scry_progress){.steps = S->steps};
    scry_status st = S->step_fn(S, p, &why);
    if (st == SCRY_OK) st = check_images(S, p, &why);
    if (st != SCRY_OK) {
        *p = (scry_progress){.step = step, .steps = S->steps};
        if (st == SCRY_ENUMERIC) p->reason = SCRY_STOP_NAN;
        snprintf(where, sizeof where, "at step %zu of %zu", step, S->steps);
        return solver_fail(S, where, st, &why, err);
    }
    p->step = S->step;
    p->steps = S->steps; /* a method that searches for their number first has found it */
    p->draw = p->reason == SCRY_DONE || scryi_solver_drew(S);
    return SCRY_OK;
}

scry_status scry_solver_run(scry_solver *S, float *x, scry_monitor *monitor, void *ctx,
                            scry_progress *end, scry_error *err)
{
    if (SCRY_MISSING(err, S)) return SCRY_EINVAL;
    scry_progress p;
    do {
        scry_status st = scry_solver_step(S, &p, err);
        if (end) *end = p;
        if (st != SCRY_OK) return st;
        if (monitor && !monitor(&p, ctx) && p.reason == SCRY_RUNNING) p.reason = SCRY_STOP_USER;
    } while (p.reason == SCRY_RUNNING);
    if (x) memcpy(x, p.x0, S->n * sizeof *x);
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
