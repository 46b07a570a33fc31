#ifndef SCRY_SOLVERS_CLASSICAL_FIT_IMPL_H
#define SCRY_SOLVERS_CLASSICAL_FIT_IMPL_H

#include "solvers/solver_impl.h"

/* The data term of classical methods, 1/2 (A u - b)^T W (A u - b), with the arrays that
 * each of them needs. Exact for Gaussian noise; otherwise the local model at Au, updated by
 * scryi_fit_expand (Fisher scoring: its gradient is that of the likelihood). */
typedef struct scryi_fit {
    const scry_likelihood *L;
    const scry_op *A;
    size_t n, m;       /* floats in u, in the data */
    float *Au, *W, *b; /* m each */
    float *scratch;    /* m: overwritten by normal and rhs */
    void *work;        /* of A */
    double weight;     /* the value of W where it is the same everywhere, else 0 */
    scry_counts *counts;
} scryi_fit;

/* Allocates for the problem's likelihood; *fit must be zeroed. Free also after a failure. */
scry_status scryi_fit_create(scryi_fit *fit, const scry_problem *problem, scry_counts *counts,
                             scry_error *err);
void scryi_fit_free(scryi_fit *fit);

/* Au = A u */
scry_status scryi_fit_forward(scryi_fit *fit, const float *u, scry_error *err);
/* W and b at Au */
scry_status scryi_fit_expand(scryi_fit *fit, scry_error *err);
/* u = the constant that fits b best in least squares (at x > 0 for counted light); Au, W and b
 * there. Every method starts there: W is then close to uniform, and does not depend on the noise
 * of the data. */
scry_status scryi_fit_flat(scryi_fit *fit, float *u, scry_error *err);

/* out = A^T W A u;  out = A^T W (b - sub), sub NULL for 0 (sub: m floats) */
scry_status scryi_fit_normal(scryi_fit *fit, float *out, const float *u, scry_error *err);
scry_status scryi_fit_rhs(scryi_fit *fit, float *out, const float *sub, scry_error *err);

/* For methods that minimise |A u - b|^2, the weight of the noise left out. The first refuses
 * noise that is not Gaussian, with the name of `method` (EUNSUP); the second sets W and b, and
 * rhs = A^H b (n floats). */
scry_status scryi_fit_needs_gaussian(const scry_problem *problem, const char *method,
                                     scry_error *err);
scry_status scryi_fit_unweighted(scryi_fit *fit, float *rhs, scry_error *err);

/* Pearson's chi2 per measurement at Au: mean of W (Au - b)^2. Its expectation at the truth is 1 for
 * any count of photons, that of the deviance is not (1.1 and more below five photons). */
double scryi_fit_chi2(const scryi_fit *fit);

#endif
