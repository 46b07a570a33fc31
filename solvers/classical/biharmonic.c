/* Biharmonic inpainting: among the images with the known values, the one that bends least
 *
 *   min |L u|^2   subject to  A u = b,   L = G^T G (minus the Laplacian, reflecting borders)
 *
 * a thin plate through the data (Duchon 1977; Damelin & Hoang 2018, J. Math. Imaging Vis. 60:1).
 * With P = I - A^T A, the projection on the unknown pixels, conjugate gradients solve
 * P L L P d = -P L L u0 from u0 = A^T b + P (mean of b). The measurement is treated as exact, so
 * its noise is kept. */
#include "solvers/classical/difference_impl.h"
#include "solvers/classical/fit_impl.h"

#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/cg.h"
#include "solvers/option_groups_impl.h"

#include <math.h>
#include <string.h>

struct biharmonic_options {
    struct scryi_cg_options cg;
};

struct biharmonic {
    scry_solver base;
    scryi_fit fit;
    scryi_difference G;
    float *u, *d, *rhs, *z; /* n */
    void *cg;
};

static void biharmonic_destroy(scry_solver *S)
{
    struct biharmonic *B = (struct biharmonic *)S;
    if (!B) return;
    scryi_fit_free(&B->fit);
    scry_free(B->u);
    scry_free(B->d);
    scry_free(B->rhs);
    scry_free(B->z);
    scry_free(B->cg);
    scry_free(B);
}

/* x <- x - A^T A x; z is scratch */
static scry_status unknown_part(struct biharmonic *B, float *x, float *z, scry_error *err)
{
    B->fit.counts->forward++;
    B->fit.counts->adjoint++;
    scry_status st = scry_op_normal(B->fit.A, z, x, B->fit.work, err);
    if (st == SCRY_OK) scry_axpy(x, -1, z, B->base.n);
    return st;
}

static scry_status biharmonic_apply(void *ctx, float *out, const float *in, scry_error *err)
{
    struct biharmonic *B = ctx;
    scryi_laplacian(&B->G, B->z, in);
    scryi_laplacian(&B->G, out, B->z);
    return unknown_part(B, out, B->z, err);
}

static scry_status biharmonic_start(scry_solver *S, scry_error *err)
{
    struct biharmonic *B = (struct biharmonic *)S;
    scry_status st;
    if ((st = scryi_fit_flat(&B->fit, B->u, err)) != SCRY_OK) return st;
    if ((st = unknown_part(B, B->u, B->z, err)) != SCRY_OK) return st;
    B->fit.counts->adjoint++;
    if ((st = scry_op_adjoint(B->fit.A, B->z, B->fit.b, B->fit.work, err)) != SCRY_OK) return st;
    scry_axpy(B->u, 1, B->z, S->n);
    return SCRY_OK;
}

static scry_status biharmonic_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct biharmonic *B = (struct biharmonic *)S;
    const struct biharmonic_options *o = scry_options_block(&S->options);
    scry_status st;
    if ((st = biharmonic_apply(B, B->rhs, B->u, err)) != SCRY_OK) return st;
    scry_scale(B->rhs, -1, S->n);
    memset(B->d, 0, S->n * sizeof(float));
    if ((st = scry_cg(biharmonic_apply, B, B->d, B->rhs, S->n, o->cg.tolerance, o->cg.iterations,
                      B->cg, NULL, err)) != SCRY_OK)
        return st;
    scry_axpy(B->u, 1, B->d, S->n);
    if ((st = scryi_fit_forward(&B->fit, B->u, err)) != SCRY_OK) return st;
    S->step++;
    p->reason = SCRY_DONE;
    p->residual = sqrt(scryi_fit_chi2(&B->fit));
    p->x = p->x0 = B->u;
    return SCRY_OK;
}

static scry_status biharmonic_plan(scry_solver **out, const scry_problem *problem,
                                   const scry_options *options, scry_error *err);

static const scry_option biharmonic_options[] = {
    SCRYI_CG_OPTIONS(struct biharmonic_options, 20000, 1e-5),
    {0},
};

const struct scry_method scry_method_biharmonic = {
    .name = "biharmonic",
    .title = "Biharmonic inpainting",
    .kind = SCRY_CLASSICAL,
    .needs = SCRY_NEEDS_SVD,
    .exact = "point estimate: smoothest image through the known values",
    .citation = "Damelin & Hoang 2018, J. Math. Imaging Vis. 60:1",
    .options = biharmonic_options,
    .plan = biharmonic_plan,
};

/* P is a projection only where the singular values of A are 0 and 1. */
static scry_status check_mask(const scry_op *A, scry_error *err)
{
    scry_svd svd;
    scry_status st = scry_op_svd(A, &svd, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < svd.count; i++)
        if (fabsf(svd.values[i]) > 1e-5f && fabsf(svd.values[i] - 1) > 1e-5f)
            return SCRY_FAIL(err, SCRY_EUNSUP,
                             "biharmonic: %s has the singular value %g, expected a mask (0 and 1)",
                             scry_op_name(A), (double)svd.values[i]);
    return SCRY_OK;
}

static scry_status biharmonic_plan(scry_solver **out, const scry_problem *problem,
                                   const scry_options *options, scry_error *err)
{
    const scry_op *A = scry_likelihood_op(problem->L);
    scry_status st = check_mask(A, err);
    if (st != SCRY_OK) return st;
    struct biharmonic *B = scry_alloc(1, sizeof *B);
    if (!B) return SCRY_FAIL(err, SCRY_ENOMEM, "biharmonic");
    B->base = (scry_solver){.method = &scry_method_biharmonic,
                            .problem = *problem,
                            .options = *options,
                            .space = *scry_op_dom(A),
                            .steps = 1,
                            .start_fn = biharmonic_start,
                            .step_fn = biharmonic_step,
                            .destroy = biharmonic_destroy};
    if ((st = scryi_fit_create(&B->fit, problem, &B->base.counts, err)) != SCRY_OK) goto done;
    const size_t n = B->base.n = B->fit.n;
    scryi_difference_init(&B->G, &B->base.space);
    B->u = scry_alloc(n, sizeof(float));
    B->d = scry_alloc(n, sizeof(float));
    B->rhs = scry_alloc(n, sizeof(float));
    B->z = scry_alloc(n, sizeof(float));
    B->cg = scry_alloc(1, scry_cg_work_bytes(n));
    if (!B->u || !B->d || !B->rhs || !B->z || !B->cg) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "biharmonic: %zu pixels", n);
        goto done;
    }
    *out = &B->base;
    B = NULL;
done:
    if (B) biharmonic_destroy(&B->base);
    return st;
}
