#include "solvers/classical/fista_impl.h"

#include "lib/memory.h"
#include "lib/vector.h"

#include <math.h>
#include <string.h>

#define STEP 0.95     /* of 1/|A|^2, which is estimated from below */
#define NORM_TOL 1e-3 /* of that estimate */

scry_status scryi_fista_create(scryi_fista *F, const scry_problem *problem, scry_counts *counts,
                               const char *method, scry_error *err)
{
    double norm2;
    scry_status st = scryi_fit_create(&F->fit, problem, counts, err);
    if (st != SCRY_OK) return st;
    const size_t n = F->fit.n;
    F->x = scry_alloc(n, sizeof(float));
    F->y = scry_alloc(n, sizeof(float));
    F->g = scry_alloc(n, sizeof(float));
    F->rhs = scry_alloc(n, sizeof(float));
    if (!F->x || !F->y || !F->g || !F->rhs)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu floats", method, n);
    if ((st = scry_op_norm2(F->fit.A, &norm2, NORM_TOL, err)) != SCRY_OK) return st;
    if (!(norm2 > 0))
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: %s is 0", method, scry_op_name(F->fit.A));
    F->tau = STEP / norm2;
    return SCRY_OK;
}

void scryi_fista_free(scryi_fista *F)
{
    scryi_fit_free(&F->fit);
    scry_free(F->x);
    scry_free(F->y);
    scry_free(F->g);
    scry_free(F->rhs);
}

scry_status scryi_fista_start(scryi_fista *F, scry_error *err)
{
    memset(F->x, 0, F->fit.n * sizeof(float));
    memset(F->y, 0, F->fit.n * sizeof(float));
    F->t = 1;
    return scryi_fit_unweighted(&F->fit, F->rhs, err);
}

scry_status scryi_fista_descend(scryi_fista *F, scry_error *err)
{
    const size_t n = F->fit.n;
    const float tau = (float)F->tau;
    if (F->t == 1) { /* the first step: A^H A 0 = 0 costs nothing */
        scry_axpby(F->g, F->tau, F->rhs, 0, F->rhs, n);
        return SCRY_OK;
    }
    F->fit.counts->forward++;
    F->fit.counts->adjoint++;
    scry_status st = scry_op_normal(F->fit.A, F->g, F->y, F->fit.work, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < n; i++)
        F->g[i] = F->y[i] - tau * (F->g[i] - F->rhs[i]);
    return SCRY_OK;
}

/* x <- g; y <- g + beta (g - x before); returns |g - x before| / |g| */
static double fista_move(scryi_fista *F)
{
    const double t = (1 + sqrt(1 + 4 * F->t * F->t)) / 2;
    const float beta = (float)((F->t - 1) / t);
    double moved = 0, size = 0;
    for (size_t i = 0; i < F->fit.n; i++) {
        const float next = F->g[i], change = next - F->x[i];
        F->x[i] = next;
        F->y[i] = next + beta * change;
        moved += (double)change * change;
        size += (double)next * next;
    }
    F->t = t;
    return size > 0 ? sqrt(moved / size) : 0;
}

scry_status scryi_fista_extrapolate(scryi_fista *F, scry_solver *S, double tolerance,
                                    scry_progress *p, scry_error *err)
{
    const double moved = fista_move(F);
    S->step++;
    if (S->step >= S->steps || moved < tolerance) {
        const scry_status st = scryi_fit_forward(&F->fit, F->x, err);
        p->reason = SCRY_DONE;
        if (st != SCRY_OK) return st;
        p->residual = sqrt(scryi_fit_chi2(&F->fit));
    }
    p->x = F->y;
    p->x0 = F->x;
    return SCRY_OK;
}
