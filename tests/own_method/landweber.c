/* Landweber's iteration, x' = x + (r / |A|^2) A^T W (b - A x) with W relative to its maximum
 * (Landweber 1951, Amer. J. Math. 73:615): a method as somebody outside the library writes it,
 * with public headers only and an option of its own. Inside the library it would be this file and
 * one line in solvers/methods_impl.h. */
#include "tests/own_method/landweber.h"

#include "lib/memory.h"
#include "solvers/callbacks.h"

#include <math.h>
#include <string.h>

struct landweber_options {
    size_t iterations;
    double relaxation;
};

struct landweber {
    const scry_likelihood *L;
    const scry_op *A;
    size_t n, m;
    double step;
    float *x, *g, *Ax, *W, *b;
    void *work;
};

static scry_status landweber_start(void *ctx, const scry_solver_call *call, scry_error *err)
{
    struct landweber *M = ctx;
    (void)call;
    memset(M->x, 0, M->n * sizeof *M->x);
    memset(M->Ax, 0, M->m * sizeof *M->Ax);
    return scry_likelihood_linearise(M->L, M->W, M->b, M->Ax, err);
}

static scry_status landweber_step(void *ctx, const scry_solver_call *call, scry_progress *p,
                                  scry_error *err)
{
    struct landweber *M = ctx;
    float max = 0;
    scry_status st = scry_op_forward(M->A, M->Ax, M->x, M->work, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < M->m; i++)
        max = fmaxf(max, M->W[i]);
    for (size_t i = 0; i < M->m; i++)
        M->Ax[i] = M->W[i] / max * (M->b[i] - M->Ax[i]);
    if ((st = scry_op_adjoint(M->A, M->g, M->Ax, M->work, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < M->n; i++)
        M->x[i] += (float)M->step * M->g[i];
    call->counts->forward++;
    call->counts->adjoint++;
    p->x0 = M->x;
    return SCRY_OK;
}

static void landweber_destroy(void *ctx)
{
    struct landweber *M = ctx;
    void *owned[] = {M->x, M->g, M->Ax, M->W, M->b, M->work, M};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        scry_free(owned[i]);
}

static scry_status landweber_plan(scry_solver **out, const scry_problem *problem,
                                  const scry_options *options, scry_error *err)
{
    const struct landweber_options *o = scry_options_block(options);
    struct landweber *M = scry_alloc(1, sizeof *M);
    double norm2;
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "landweber");
    M->L = problem->L;
    M->A = scry_likelihood_op(problem->L);
    M->n = scry_space_floats(scry_op_dom(M->A));
    M->m = scry_space_floats(scry_op_cod(M->A));
    M->x = scry_alloc(M->n, sizeof *M->x);
    M->g = scry_alloc(M->n, sizeof *M->g);
    M->Ax = scry_alloc(M->m, sizeof *M->Ax);
    M->W = scry_alloc(M->m, sizeof *M->W);
    M->b = scry_alloc(M->m, sizeof *M->b);
    M->work = scry_alloc(1, scry_op_work_bytes(M->A));
    scry_status st = M->x && M->g && M->Ax && M->W && M->b && M->work
                         ? scry_op_norm2(M->A, &norm2, 1e-3, err)
                         : SCRY_FAIL(err, SCRY_ENOMEM, "landweber: %zu pixels", M->n);
    if (st != SCRY_OK) {
        landweber_destroy(M);
        return st;
    }
    M->step = o->relaxation / norm2;
    return scry_solver_create(out, problem, options,
                              &(scry_solver_callbacks){.steps = o->iterations,
                                                       .start = landweber_start,
                                                       .step = landweber_step,
                                                       .destroy = landweber_destroy,
                                                       .ctx = M},
                              err);
}

static const scry_option options[] = {
    {"iterations", NULL, SCRY_FIELD(struct landweber_options, iterations), 20, 1, 100000, NULL,
     "iterations"},
    {"relaxation", "r", SCRY_FIELD(struct landweber_options, relaxation), 1, 1e-3, 2, NULL,
     "step, in units of the inverse of |A|^2; above 2 it would diverge"},
    {0},
};

const struct scry_method scry_method_landweber = {
    .name = "landweber",
    .title = "Landweber's iteration",
    .kind = SCRY_CLASSICAL,
    .exact = "point estimate: least squares, regularised by stopping early",
    .citation = "Landweber 1951, Amer. J. Math. 73:615",
    .options = options,
    .plan = landweber_plan,
};
