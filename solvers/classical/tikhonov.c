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
 * Of a blur the system is solved among frequencies (operators/update.h), with G of the padded
 * domain joined at its borders, which lie in the padding.
 *
 * The discrepancy smooths too much: the residual of the right weight has m - tr H degrees of
 * freedom, not m. The weights are tried from stiff to loose, each solve starting from the last, so
 * that each needs few CG iterations; for counted light W is updated from the last image between
 * them. */
#include "solvers/classical/difference_impl.h"
#include "solvers/classical/fit_impl.h"

#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "operators/cg.h"
#include "operators/op_sampled.h"
#include "operators/update.h"
#include "solvers/condition_impl.h"
#include "solvers/option_groups_impl.h"

#include <math.h>
#include <string.h>

#define STIFF 2.0       /* first trial: log10 of lambda / mean W; the image is then almost flat */
#define LOOSE -9.0      /* last one: below single precision, the data are interpolated */
#define RATIO 0.5       /* of log10 lambda, from one trial to the next */
#define MATCH 5e-3      /* of chi2: relative tolerance of the discrepancy */
#define SEARCH_TOL 1e-3 /* of CG while searching; the option for the last solve */

enum { ITERATIONS = 100 }; /* of CG, and its tolerance, where no blur is */
static const double TOLERANCE = 1e-4;
static const double FREE = 100;    /* variance of a constant, of the largest of a wave */
static const double EXPLAINED = 3; /* chi2 above 1, in its own spreads */

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
    scry_update *update;               /* of blurs: the system among frequencies; else NULL */
    float *S;                          /* its bins: 1 / |G|^2 */
    float *base_u, *d;                 /* n: the flat image that fits best, and u less that */
    float *w, *r;                      /* m */
    void *update_work;
};

static const struct tikhonov_options *tikhonov_settings(const struct tikhonov *T)
{
    return scry_options_block(&T->base.options);
}

static double tikhonov_tolerance(const struct tikhonov *T)
{
    const double asked = tikhonov_settings(T)->cg.tolerance;
    return asked > 0 ? asked : TOLERANCE;
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
    float *owned[] = {T->S, T->base_u, T->d, T->w, T->r};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        scry_free(owned[i]);
    scry_free(T->update_work);
    scry_update_free(T->update);
    scry_free(T);
}

static scry_status tikhonov_start(scry_solver *S, scry_error *err)
{
    struct tikhonov *T = (struct tikhonov *)S;
    scry_status st = scryi_fit_flat(&T->fit, T->u, err);
    if (st != SCRY_OK) return st;
    memset(T->t, 0, S->n * sizeof(float));
    if (T->update) {
        memset(T->d, 0, S->n * sizeof(float));
        memcpy(T->base_u, T->u, S->n * sizeof(float));
    }
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

static void tikhonov_count(struct tikhonov *T, const scry_cg_result *result)
{
    T->base.counts.solves++;
    T->base.counts.unconverged += !result->converged;
}

/* d = argmin |w A d - r|^2 + lambda |G d|^2, from the d that is there. */
static scry_status tikhonov_update(struct tikhonov *T, float *d, scry_error *err)
{
    scry_cg_result result = {0};
    for (size_t i = 0; i < T->fit.m; i++)
        T->w[i] = sqrtf(T->fit.W[i]);
    const scry_cg_stop stop = scryi_condition_stop(tikhonov_settings(T)->cg, T->w, T->fit.m);
    scry_status st = scry_update_resume(T->update, d, T->r, T->w, T->S, 1 / T->lambda, &stop,
                                        T->update_work, &result, err);
    T->base.counts.forward += result.iterations;
    T->base.counts.adjoint += result.iterations;
    tikhonov_count(T, &result);
    return st;
}

/* Solves from x; rhs is scaled in place. */
static scry_status tikhonov_solve(struct tikhonov *T, float *x, double tol, scry_error *err)
{
    const size_t n = T->base.n;
    for (size_t i = 0; i < n; i++) {
        T->rhs[i] *= T->jacobi[i];
        x[i] /= T->jacobi[i];
    }
    scry_cg_result result = {0};
    const size_t asked = tikhonov_settings(T)->cg.iterations;
    scry_status st = scry_cg(tikhonov_apply, T, x, T->rhs, n, tol, asked ? asked : ITERATIONS,
                             T->cg, &result, err);
    if (T->phase == LAST) tikhonov_count(T, &result); /* those of the search may be rough */
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

static scry_status tikhonov_updated_image(struct tikhonov *T, scry_error *err)
{
    scry_status st = scryi_fit_forward(&T->fit, T->base_u, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < T->fit.m; i++)
        T->r[i] = sqrtf(T->fit.W[i]) * (T->fit.b[i] - T->fit.Au[i]);
    if ((st = tikhonov_update(T, T->d, err)) != SCRY_OK) return st;
    scry_axpby(T->u, 1, T->base_u, 1, T->d, T->base.n);
    return scryi_fit_forward(&T->fit, T->u, err);
}

/* The trace among frequencies: z^T w A d for the solution d of r = z. A u stays in fit. */
static scry_status tikhonov_updated_trace(struct tikhonov *T, double *value, scry_error *err)
{
    memcpy(T->r, T->signs, T->fit.m * sizeof *T->r);
    scry_status st = tikhonov_update(T, T->t, err);
    if (st != SCRY_OK) return st;
    T->fit.counts->forward++;
    if ((st = scry_op_forward(T->fit.A, T->r, T->t, T->fit.work, err)) != SCRY_OK) return st;
    *value = 0;
    for (size_t i = 0; i < T->fit.m; i++)
        *value += (double)T->signs[i] * T->w[i] * T->r[i];
    return SCRY_OK;
}

/* u(lambda) from the last u, and A u. */
static scry_status tikhonov_image(struct tikhonov *T, double tol, scry_error *err)
{
    scry_status st;
    if (!scry_likelihood_is_gaussian(T->fit.L))
        if ((st = scryi_fit_expand(&T->fit, err)) != SCRY_OK) return st;
    if (T->update) return tikhonov_updated_image(T, err);
    if ((st = tikhonov_rescale(T, err)) != SCRY_OK) return st;
    if ((st = scryi_fit_rhs(&T->fit, T->rhs, NULL, err)) != SCRY_OK) return st;
    if ((st = tikhonov_solve(T, T->u, tol, err)) != SCRY_OK) return st;
    return scryi_fit_forward(&T->fit, T->u, err);
}

/* *trace = z^T H z for the fixed signs z. */
static scry_status tikhonov_trace(struct tikhonov *T, double *value, scry_error *err)
{
    scry_status st;
    if (T->update) return tikhonov_updated_trace(T, value, err);
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
    if (!isfinite(bend) || !(bend > 0) || left < mid) return T->before.x;
    return T->before.x - 0.5 * RATIO * (left - right) / bend;
}

/* The next log10 lambda after a trial whose value is in T->now; LAST when it is the final one.
 * Trials of counted light differ in W, too: an image that is too smooth takes dark pixels for noisy
 * ones, and the score may rise while no image so smooth explains the data. */
static void next_gcv(struct tikhonov *T)
{
    const bool explained = scryi_fit_chi2(&T->fit) <= 1 + EXPLAINED * sqrt(2 / (double)T->fit.m);
    if (explained && T->now.value > T->before.value) {
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
    if ((st = tikhonov_image(T, last ? tikhonov_tolerance(T) : SEARCH_TOL, err)) != SCRY_OK)
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
    SCRYI_SOLVE_OPTIONS(struct tikhonov_options, 100, 1e-4),
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

/* S = 1 / sum (2 - 2 cos), in the order of a real transform; a constant is free, but for a variance
 * that keeps the system positive. */
static void tikhonov_spectrum(float *S, int rank, const size_t *dims)
{
    const size_t last = dims[rank - 1], columns = last / 2 + 1;
    size_t rows = 1;
    double max = 0;
    for (int a = 0; a + 1 < rank; a++)
        rows *= dims[a];
    for (size_t i = rows * columns; i-- > 0;) {
        size_t row = i / columns;
        double sum = 2 - 2 * cos(2 * SCRY_PI * (double)(i % columns) / (double)last);
        for (int a = rank - 2; a >= 0; row /= dims[a], a--)
            sum += 2 - 2 * cos(2 * SCRY_PI * (double)(row % dims[a]) / (double)dims[a]);
        if (i) max = fmax(max, 1 / sum);
        S[i] = (float)(i ? 1 / sum : FREE * max);
    }
}

static scry_status tikhonov_find_update(struct tikhonov *T, scry_error *err)
{
    const scry_space *dom = &T->base.space;
    const int rank = scry_op_sampled_rank(T->fit.A);
    if (rank <= 0 || rank != T->G.axes || dom->cplx) return SCRY_OK;
    scry_status st = scry_update_create(&T->update, T->fit.A, rank, err);
    if (st != SCRY_OK) return st;
    T->S = scry_alloc(scry_update_bins(T->update), sizeof *T->S);
    T->base_u = scry_alloc(T->base.n, sizeof *T->base_u);
    T->d = scry_alloc(T->base.n, sizeof *T->d);
    T->w = scry_alloc(T->fit.m, sizeof *T->w);
    T->r = scry_alloc(T->fit.m, sizeof *T->r);
    T->update_work = scry_alloc(1, scry_update_work_bytes(T->update));
    if (!T->S || !T->base_u || !T->d || !T->w || !T->r || !T->update_work)
        return SCRY_FAIL(err, SCRY_ENOMEM, "tikhonov: %zu pixels", T->base.n);
    tikhonov_spectrum(T->S, rank, dom->dims + dom->rank - rank);
    return SCRY_OK;
}

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
    if ((st = tikhonov_find_update(T, err)) != SCRY_OK) goto done;
    *out = &T->base;
    T = NULL;
done:
    if (T) tikhonov_destroy(&T->base);
    return st;
}
