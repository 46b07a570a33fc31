#ifndef SCRY_SOLVERS_CLASSICAL_FISTA_IMPL_H
#define SCRY_SOLVERS_CLASSICAL_FISTA_IMPL_H

#include "solvers/classical/fit_impl.h"

/* FISTA (Beck & Teboulle 2009, SIAM J. Imaging Sci. 2:183) for 1/2 |A u - b|^2 + lambda R(u), the
 * weight of the noise left out; the prox of R is the method's:
 *
 *   x_k = prox(y_k - tau (A^H A y_k - A^H b), tau lambda),      tau = 0.95 / |A|^2
 *   y_(k+1) = x_k + (t_k - 1) / t_(k+1) (x_k - x_(k-1)),        t_(k+1) = (1 + sqrt(1 + 4 t_k^2))/2
 *
 * A step is descend, the method's prox of g in place, and extrapolate. */
typedef struct scryi_fista {
    scryi_fit fit;
    float *x, *y, *g, *rhs; /* fit.n: estimate, extrapolated point, gradient step; A^H b */
    double tau, t;
} scryi_fista;

/* *F must be zeroed; free also after a failure. EINVAL: A is 0. */
scry_status scryi_fista_create(scryi_fista *F, const scry_problem *problem, scry_counts *counts,
                               const char *method, scry_error *err);
void scryi_fista_free(scryi_fista *F);

/* x = y = 0 */
scry_status scryi_fista_start(scryi_fista *F, scry_error *err);
/* g = y - tau (A^H A y - A^H b) */
scry_status scryi_fista_descend(scryi_fista *F, scry_error *err);
/* The rest of step S->step, from g after the prox; *p is of that step. Ends the run after its last
 * step, or where x changes by less than `tolerance` of its norm. */
scry_status scryi_fista_extrapolate(scryi_fista *F, scry_solver *S, double tolerance,
                                    scry_progress *p, scry_error *err);

#endif
