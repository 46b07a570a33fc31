#include "solvers/classical/fit_impl.h"

#include "lib/memory.h"
#include "lib/vector.h"

#include <math.h>
#include <string.h>

scry_status scryi_fit_create(scryi_fit *fit, const scry_problem *problem, scry_counts *counts,
                             scry_error *err)
{
    fit->L = problem->L;
    fit->A = scry_likelihood_op(problem->L);
    fit->n = scry_space_floats(scry_op_dom(fit->A));
    fit->m = scry_space_floats(scry_op_cod(fit->A));
    fit->counts = counts;
    fit->Au = scry_alloc(fit->m, sizeof *fit->Au);
    fit->W = scry_alloc(fit->m, sizeof *fit->W);
    fit->b = scry_alloc(fit->m, sizeof *fit->b);
    fit->scratch = scry_alloc(fit->m, sizeof *fit->scratch);
    fit->work = scry_alloc(1, scry_op_work_bytes(fit->A));
    if (fit->Au && fit->W && fit->b && fit->scratch && fit->work) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "data term: 4 arrays of %zu floats and %zu bytes for %s",
                     fit->m, scry_op_work_bytes(fit->A), scry_op_name(fit->A));
}

void scryi_fit_free(scryi_fit *fit)
{
    scry_free(fit->Au);
    scry_free(fit->W);
    scry_free(fit->b);
    scry_free(fit->scratch);
    scry_free(fit->work);
}

scry_status scryi_fit_forward(scryi_fit *fit, const float *u, scry_error *err)
{
    fit->counts->forward++;
    return scry_op_forward(fit->A, fit->Au, u, fit->work, err);
}

scry_status scryi_fit_expand(scryi_fit *fit, scry_error *err)
{
    scry_status st = scry_likelihood_linearise(fit->L, fit->W, fit->b, fit->Au, err);
    if (st != SCRY_OK) return st;
    float low = fit->W[0], high = fit->W[0];
    for (size_t i = 1; i < fit->m; i++) {
        low = fit->W[i] < low ? fit->W[i] : low;
        high = fit->W[i] > high ? fit->W[i] : high;
    }
    fit->weight = high - low <= 1e-6f * high ? high : 0;
    return SCRY_OK;
}

scry_status scryi_fit_flat(scryi_fit *fit, float *u, scry_error *err)
{
    scry_status st;
    const scry_affine map = scry_likelihood_map(fit->L);
    const double dark = -map.shift / map.scale; /* x = 0 */
    const int step = scry_op_dom(fit->A)->cplx ? 2 : 1;

    /* b does not depend on the point of expansion: x = 0, where every noise model is defined. */
    memset(u, 0, fit->n * sizeof *u);
    for (size_t i = 0; i < fit->n; i += (size_t)step)
        u[i] = 1;
    if ((st = scryi_fit_forward(fit, u, err)) != SCRY_OK) return st;
    memcpy(fit->scratch, fit->Au, fit->m * sizeof *fit->Au);
    scry_scale(fit->Au, dark, fit->m);
    if ((st = scryi_fit_expand(fit, err)) != SCRY_OK) return st;

    const double AA = scry_dot(fit->scratch, fit->scratch, fit->m);
    double c = AA > 0 ? scry_dot(fit->scratch, fit->b, fit->m) / AA : 0;
    if (!scry_likelihood_is_gaussian(fit->L) && !(c > dark)) c = dark;
    scry_scale(u, c, fit->n);
    scry_axpby(fit->Au, c, fit->scratch, 0, fit->scratch, fit->m);
    return scryi_fit_expand(fit, err);
}

scry_status scryi_fit_normal(scryi_fit *fit, float *out, const float *u, scry_error *err)
{
    scry_status st;
    fit->counts->forward++;
    fit->counts->adjoint++;
    if (fit->weight > 0) {
        st = scry_op_normal(fit->A, out, u, fit->work, err);
        if (st == SCRY_OK) scry_scale(out, fit->weight, fit->n);
        return st;
    }
    if ((st = scry_op_forward(fit->A, fit->scratch, u, fit->work, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < fit->m; i++)
        fit->scratch[i] *= fit->W[i];
    return scry_op_adjoint(fit->A, out, fit->scratch, fit->work, err);
}

scry_status scryi_fit_rhs(scryi_fit *fit, float *out, const float *sub, scry_error *err)
{
    fit->counts->adjoint++;
    for (size_t i = 0; i < fit->m; i++)
        fit->scratch[i] = fit->W[i] * (fit->b[i] - (sub ? sub[i] : 0));
    return scry_op_adjoint(fit->A, out, fit->scratch, fit->work, err);
}

scry_status scryi_fit_needs_gaussian(const scry_problem *problem, const char *method,
                                     scry_error *err)
{
    if (scry_likelihood_is_gaussian(problem->L)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EUNSUP,
                     "%s weighs all measurements alike, expected Gaussian noise, not counts",
                     method);
}

/* b does not depend on the point of expansion; A u = 0 is as good as any. */
scry_status scryi_fit_unweighted(scryi_fit *fit, float *rhs, scry_error *err)
{
    scry_status st;
    memset(fit->Au, 0, fit->m * sizeof *fit->Au);
    if ((st = scryi_fit_expand(fit, err)) != SCRY_OK) return st;
    fit->counts->adjoint++;
    return scry_op_adjoint(fit->A, rhs, fit->b, fit->work, err);
}

double scryi_fit_chi2(const scryi_fit *fit)
{
    for (size_t i = 0; i < fit->m; i++)
        fit->scratch[i] = sqrtf(fit->W[i]) * (fit->Au[i] - fit->b[i]);
    return scry_dot(fit->scratch, fit->scratch, fit->m) / (double)fit->m;
}
