/* Tikhonov with a gradient penalty, by conjugate gradients:
 *
 *   u(lambda) = argmin 1/2 sum W (A u - b)^2 + lambda/2 |G u|^2,
 *   (A^T W A + lambda G^T G) u = A^T W b
 *
 * and its weight, by default, by generalised cross-validation (Golub, Heath & Wahba 1979,
 * Technometrics 21:215), or by the discrepancy principle (Morozov 1966), chi2(lambda) = 1:
 *
 *   gcv(lambda) = chi2 / (1 - tr H / m)^2,   H = W^(1/2) A (A^T W A + lambda G^T G)^-1 A^T W^(1/2)
 *   tr H ~ z^T H z with one random sign vector z (Hutchinson 1990, Commun. Stat. 19:433)
 *
 * The discrepancy smooths too much: the residual of the right weight has m - tr H degrees of
 * freedom, not m. The weights are tried from stiff to loose, each solve starting from the last, so
 * that each needs few CG iterations; for counted light W is updated from the last image between
 * them. */
#include "solvers/classical/difference_impl.h"
#include "solvers/classical/fit_impl.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "operators/cg.h"
#include "solvers/option_groups_impl.h"

#include <math.h>
#include <string.h>

#define STIFF 2.0       /* first trial: log10 of lambda / mean W; the image is then almost flat */
#define LOOSE -9.0      /* last one: below single precision, the data are interpolated */
#define RATIO 0.5       /* of log10 lambda, from one trial to the next */
#define MATCH 5e-3      /* of chi2: relative tolerance of the discrepancy */
#define SEARCH_TOL 1e-3 /* of CG while searching; the option for the last solve */

enum phase { SCAN, REFINE, LAST };
enum { LAST_SOLVES = 3 };

struct trial {
    double x, value; /* log10 lambda; gcv or chi2 there */
};

/* How the weight is found. */
enum tikhonov_stop { TIKHONOV_DISCREPANCY = 0, TIKHONOV_HOLDOUT };
static const char *const tikhonov_stop_names[] = {
    [TIKHONOV_DISCREPANCY] = "discrepancy", [TIKHONOV_HOLDOUT] = "holdout", NULL};

struct tikhonov_options {
    double smoothness;
    enum tikhonov_stop stop;
    struct scryi_cg_options cg;
};

struct tikhonov {
    scry_solver base;
    scryi_fit fit;
    scryi_difference G;
    float *u, *t, *rhs;   /* n: image, solution of the trace's system, right side */
    float *z, *scratch;   /* n */
    float *seen, *jacobi; /* n: |A^T W A 1|, and (seen + 2 axes lambda)^(-1/2) */
    float *signs;         /* m */
    void *cg;
    double lambda, x, x_end; /* weight now; log10 of the next, and of the loosest */
    enum phase phase;
    int repeats;                       /* of the last solve */
    struct trial now, before, earlier; /* the last trials of the scan, latest first */
    struct trial low, high;            /* discrepancy: chi2 <= 1, chi2 > 1 */
};

static const struct tikhonov_options *tikhonov_settings(const struct tikhonov *T)
{
    return scry_options_block(&T->base.options);
}

static bool by_discrepancy(const struct tikhonov *T)
{
    return tikhonov_settings(T)->stop == TIKHONOV_DISCREPANCY;
}

static void tikhonov_destroy(scry_solver *S)
{
    struct tikhonov *T = (struct tikhonov *)S;
    if (!T) return;
    scryi_fit_free(&T->fit);
    scry_free(T->u);
    scry_free(T->t);
    scry_free(T->rhs);
    scry_free(T->z);
    scry_free(T->scratch);
    scry_free(T->seen);
    scry_free(T->jacobi);
    scry_free(T->signs);
    scry_free(T->cg);
    scry_free(T);
}

static scry_status tikhonov_start(scry_solver *S, scry_error *err)
{
    struct tikhonov *T = (struct tikhonov *)S;
    scry_status st = scryi_fit_flat(&T->fit, T->u, err);
    if (st != SCRY_OK) return st;
    memset(T->t, 0, S->n * sizeof(float));
    scry_rng_uniform(T->signs, 0, T->fit.m, S->seed, S->chain, 0);
    for (size_t i = 0; i < T->fit.m; i++)
        T->signs[i] = T->signs[i] < 0.5f ? -1 : 1;
    const double W = scry_sum(T->fit.W, T->fit.m) / (double)T->fit.m;
    T->x = log10(W) + STIFF;
    T->x_end = log10(W) + LOOSE;
    T->lambda = tikhonov_settings(T)->smoothness;
    T->phase = T->lambda > 0 ? LAST : SCAN;
    T->repeats = 0;
    T->now = T->before = T->earlier = T->high = (struct trial){T->x, INFINITY};
    return SCRY_OK;
}

/* out = S (A^T W A + lambda G^T G) S in, S = diag(jacobi): the rows of measured and of missing
 * pixels differ by W / lambda, which may be 10^6; scaled, both count in the residual that ends the
 * solve. */
static scry_status tikhonov_apply(void *ctx, float *out, const float *in, scry_error *err)
{
    struct tikhonov *T = ctx;
    for (size_t i = 0; i < T->base.n; i++)
        T->z[i] = T->jacobi[i] * in[i];
    scry_status st = scryi_fit_normal(&T->fit, out, T->z, err);
    if (st != SCRY_OK) return st;
    scryi_laplacian(&T->G, T->scratch, T->z);
    for (size_t i = 0; i < T->base.n; i++)
        out[i] = T->jacobi[i] * (float)(out[i] + T->lambda * T->scratch[i]);
    return SCRY_OK;
}

/* Solves from x; rhs is scaled in place. */
static scry_status tikhonov_solve(struct tikhonov *T, float *x, double tol, scry_error *err)
{
    const size_t n = T->base.n;
    for (size_t i = 0; i < n; i++) {
        T->rhs[i] *= T->jacobi[i];
        x[i] /= T->jacobi[i];
    }
    scry_status st = scry_cg(tikhonov_apply, T, x, T->rhs, n, tol,
                             tikhonov_settings(T)->cg.iterations, T->cg, NULL, err);
    for (size_t i = 0; i < n; i++) {
        T->rhs[i] /= T->jacobi[i];
        x[i] *= T->jacobi[i];
    }
    return st;
}

/* The scaling for the weight now; A^T W A 1 is the diagonal of a mask's system, and close to it
 * up to a factor for a blur. */
static scry_status tikhonov_rescale(struct tikhonov *T, scry_error *err)
{
    const double smooth = fmax(2.0 * T->G.axes * T->lambda, 1e-30);
    for (size_t i = 0; i < T->base.n; i++)
        T->z[i] = 1;
    scry_status st = scryi_fit_normal(&T->fit, T->seen, T->z, err);
    for (size_t i = 0; i < T->base.n; i++)
        T->jacobi[i] = (float)(1 / sqrt(fabs((double)T->seen[i]) + smooth));
    return st;
}

/* u(lambda) from the last u, and A u. */
static scry_status tikhonov_image(struct tikhonov *T, double tol, scry_error *err)
{
    scry_status st;
    if (!scry_likelihood_is_gaussian(T->fit.L))
        if ((st = scryi_fit_expand(&T->fit, err)) != SCRY_OK) return st;
    if ((st = tikhonov_rescale(T, err)) != SCRY_OK) return st;
    if ((st = scryi_fit_rhs(&T->fit, T->rhs, NULL, err)) != SCRY_OK) return st;
    if ((st = tikhonov_solve(T, T->u, tol, err)) != SCRY_OK) return st;
    return scryi_fit_forward(&T->fit, T->u, err);
}

/* *trace = z^T H z for the fixed signs z. */
static scry_status tikhonov_trace(struct tikhonov *T, double *value, scry_error *err)
{
    scry_status st;
    for (size_t i = 0; i < T->fit.m; i++)
        T->fit.scratch[i] = sqrtf(T->fit.W[i]) * T->signs[i];
    T->fit.counts->adjoint++;
    if ((st = scry_op_adjoint(T->fit.A, T->rhs, T->fit.scratch, T->fit.work, err)) != SCRY_OK)
        return st;
    if ((st = tikhonov_solve(T, T->t, SEARCH_TOL, err)) != SCRY_OK) return st;
    *value = scry_dot(T->rhs, T->t, T->base.n);
    return SCRY_OK;
}

static scry_status tikhonov_judge(struct tikhonov *T, double *value, scry_error *err)
{
    double tr = 0;
    *value = scryi_fit_chi2(&T->fit);
    if (by_discrepancy(T)) return SCRY_OK;
    scry_status st = tikhonov_trace(T, &tr, err);
    const double rest = fmax(1 - tr / (double)T->fit.m, 1e-6);
    *value /= rest * rest;
    return st;
}

/* Minimum of the parabola through three trials RATIO apart, `before` the least of them. */
static double tikhonov_vertex(const struct tikhonov *T)
{
    const double left = T->earlier.value, mid = T->before.value, right = T->now.value;
    const double bend = left - 2 * mid + right;
    if (!isfinite(bend) || !(bend > 0)) return T->before.x;
    return T->before.x - 0.5 * RATIO * (left - right) / bend;
}

/* The next log10 lambda after a trial whose value is in T->now; LAST when it is the final one. */
static void next_gcv(struct tikhonov *T)
{
    if (T->now.value > T->before.value) {
        T->x = tikhonov_vertex(T);
        T->phase = LAST;
    } else {
        T->x -= RATIO;
        if (T->x < T->x_end) T->phase = LAST;
    }
}

static void next_discrepancy(struct tikhonov *T)
{
    if (T->now.value > 1)
        T->high = T->now;
    else
        T->low = T->now, T->phase = REFINE;
    if (T->phase == SCAN) {
        T->x -= RATIO;
        if (T->x < T->x_end) T->phase = LAST;
        return;
    }
    /* chi2 rises with lambda: linear interpolation of its logarithm, kept inside the bracket */
    const double span = T->high.x - T->low.x, up = log(T->high.value), down = log(T->low.value);
    double at = isfinite(up) && up > down ? -down / (up - down) : 0.5;
    at = fmin(fmax(at, 0.1), 0.9);
    T->x = T->low.x + at * span;
    if (fabs(T->now.value - 1) <= MATCH || !(span > 1e-3)) {
        T->x = T->now.x;
        T->phase = LAST;
    }
}

static scry_status tikhonov_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct tikhonov *T = (struct tikhonov *)S;
    scry_status st;
    const bool last = T->phase == LAST;
    if (!(tikhonov_settings(T)->smoothness > 0)) T->lambda = pow(10, T->x);
    if ((st = tikhonov_image(T, last ? tikhonov_settings(T)->cg.tolerance : SEARCH_TOL, err)) !=
        SCRY_OK)
        return st;
    if (!last) {
        T->earlier = T->before;
        T->before = T->now;
        T->now.x = T->x;
        if ((st = tikhonov_judge(T, &T->now.value, err)) != SCRY_OK) return st;
        if (by_discrepancy(T))
            next_discrepancy(T);
        else
            next_gcv(T);
    }
    S->step++;
    /* the last solve of counted light is repeated until W is that of its own image */
    if (last && (scry_likelihood_is_gaussian(T->fit.L) || ++T->repeats >= LAST_SOLVES))
        p->reason = SCRY_DONE;
    p->residual = sqrt(scryi_fit_chi2(&T->fit));
    p->x = p->x0 = T->u;
    return SCRY_OK;
}

static scry_status tikhonov_plan(scry_solver **out, const scry_problem *problem,
                                 const scry_options *options, scry_error *err);

static const scry_option tikhonov_options[] = {
    {"gradient-weight", "lambda", SCRY_FIELD(struct tikhonov_options, smoothness), 0, 0, 1e12, NULL,
     "weight of the squared gradient; 0: found from the data"},
    {"weight-by", "stop", SCRY_FIELD(struct tikhonov_options, stop), TIKHONOV_HOLDOUT, 0,
     TIKHONOV_HOLDOUT, tikhonov_stop_names,
     "how gradient-weight is found from the data: discrepancy: chi2 per pixel is 1; holdout: "
     "generalised "
     "cross-validation"},
    SCRYI_CG_OPTIONS(struct tikhonov_options, 100, 1e-4),
    {0},
};

const struct scry_method scry_method_tikhonov = {
    .name = "tikhonov",
    .title = "Tikhonov",
    .kind = SCRY_CLASSICAL,
    .needs = SCRY_NEEDS_GAUSSIAN,
    .exact = "point estimate: exact posterior mean for an intrinsic Gaussian prior of its weight",
    .citation = "Tikhonov 1963, Soviet Math. Dokl. 4:1035; Golub, Heath & Wahba 1979, "
                "Technometrics 21:215",
    .options = tikhonov_options,
    .plan = tikhonov_plan,
};

static scry_status tikhonov_plan(scry_solver **out, const scry_problem *problem,
                                 const scry_options *options, scry_error *err)
{
    scry_status st = SCRY_OK;
    struct tikhonov *T = scry_alloc(1, sizeof *T);
    if (!T) return SCRY_FAIL(err, SCRY_ENOMEM, "tikhonov");
    T->base = (scry_solver){.method = &scry_method_tikhonov,
                            .problem = *problem,
                            .options = *options,
                            .space = *scry_op_dom(scry_likelihood_op(problem->L)),
                            .start_fn = tikhonov_start,
                            .step_fn = tikhonov_step,
                            .destroy = tikhonov_destroy};
    if ((st = scryi_fit_create(&T->fit, problem, &T->base.counts, err)) != SCRY_OK) goto done;
    const size_t n = T->base.n = T->fit.n;
    T->base.steps = 1 + (size_t)((STIFF - LOOSE) / RATIO) + LAST_SOLVES; /* at most, by gcv */
    scryi_difference_init(&T->G, &T->base.space);
    T->u = scry_alloc(n, sizeof(float));
    T->t = scry_alloc(n, sizeof(float));
    T->rhs = scry_alloc(n, sizeof(float));
    T->z = scry_alloc(n, sizeof(float));
    T->scratch = scry_alloc(n, sizeof(float));
    T->seen = scry_alloc(n, sizeof(float));
    T->jacobi = scry_alloc(n, sizeof(float));
    const bool ok = T->z && T->scratch && T->seen && T->jacobi;
    T->signs = scry_alloc(T->fit.m, sizeof(float));
    T->cg = scry_alloc(1, scry_cg_work_bytes(n));
    if (!ok || !T->u || !T->t || !T->rhs || !T->signs || !T->cg) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "tikhonov: %zu pixels", n);
        goto done;
    }
    *out = &T->base;
    T = NULL;
done:
    if (T) tikhonov_destroy(&T->base);
    return st;
}
