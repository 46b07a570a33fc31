/* Least squares with a ridge, by conjugate gradients from zero (Pruessmann et al. 2001, MRM 46:638,
 * on a Cartesian grid and with a penalty):
 *
 *   min 1/2 |A u - b|^2 + lambda/2 |u|^2,      (A^H A + lambda I) u = A^H b
 *
 * The weight of the noise is left out, so that lambda compares with the squared singular values of
 * A alone, at most 1 for k-space with normalised maps: 0.01 damps the components of which A keeps
 * less than one hundredth of the energy. Without lambda the iterations first approach the image and
 * then amplify noise without bound. An iteration needs only the fused normal A^H A. */
#include "solvers/classical/fit_impl.h"

#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/cg.h"

#include <math.h>
#include <string.h>

struct cg_sense_options {
    double ridge, tolerance;
    size_t iterations;
};

struct cg_sense {
    scry_solver base;
    scryi_fit fit;
    float *u, *rhs; /* n */
    void *cg;
};

static void cg_sense_destroy(scry_solver *S)
{
    struct cg_sense *C = (struct cg_sense *)S;
    if (!C) return;
    scryi_fit_free(&C->fit);
    scry_free(C->u);
    scry_free(C->rhs);
    scry_free(C->cg);
    scry_free(C);
}

static scry_status cg_sense_apply(void *ctx, float *out, const float *in, scry_error *err)
{
    struct cg_sense *C = ctx;
    const struct cg_sense_options *o = scry_options_block(&C->base.options);
    C->fit.counts->forward++;
    C->fit.counts->adjoint++;
    scry_status st = scry_op_normal(C->fit.A, out, in, C->fit.work, err);
    if (st == SCRY_OK) scry_axpy(out, o->ridge, in, C->base.n);
    return st;
}

static scry_status cg_sense_start(scry_solver *S, scry_error *err)
{
    struct cg_sense *C = (struct cg_sense *)S;
    memset(C->u, 0, S->n * sizeof(float));
    return scryi_fit_unweighted(&C->fit, C->rhs, err);
}

static scry_status cg_sense_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct cg_sense *C = (struct cg_sense *)S;
    const struct cg_sense_options *o = scry_options_block(&S->options);
    scry_status st = scry_cg(cg_sense_apply, C, C->u, C->rhs, S->n, o->tolerance, o->iterations,
                             C->cg, NULL, err);
    if (st == SCRY_OK) st = scryi_fit_forward(&C->fit, C->u, err);
    if (st != SCRY_OK) return st;
    S->step = 1;
    p->reason = SCRY_DONE;
    p->residual = sqrt(scryi_fit_chi2(&C->fit));
    p->x = p->x0 = C->u;
    return SCRY_OK;
}

static scry_status cg_sense_plan(scry_solver **out, const scry_problem *problem,
                                 const scry_options *options, scry_error *err);

static const scry_option cg_sense_options[] = {
    {"ridge", "lambda", SCRY_FIELD(struct cg_sense_options, ridge), 0.01, 0, 1e12, NULL,
     "weight of |u|^2/2 against |A u - b|^2/2, the noise left out; 0: none, then only the number "
     "of "
     "iterations limits noise"},
    {"iterations", NULL, SCRY_FIELD(struct cg_sense_options, iterations), 30, 1, 1000000, NULL,
     "conjugate gradient iterations at most"},
    {"tolerance", "tol", SCRY_FIELD(struct cg_sense_options, tolerance), 0, 0, 0.1, NULL,
     "relative residual that ends them"},
    {0},
};

const struct scry_method scry_method_cg_sense = {
    .name = "cg-sense",
    .title = "CG-SENSE",
    .kind = SCRY_CLASSICAL,
    .needs = SCRY_NEEDS_GAUSSIAN,
    .exact = "point estimate: exact posterior mean for images of white noise of variance "
             "sigma^2 / lambda",
    .citation = "Pruessmann et al. 2001, MRM 46:638",
    .options = cg_sense_options,
    .plan = cg_sense_plan,
};

static scry_status cg_sense_plan(scry_solver **out, const scry_problem *problem,
                                 const scry_options *options, scry_error *err)
{
    scry_status st = scryi_fit_needs_gaussian(problem, "cg-sense", err);
    if (st != SCRY_OK) return st;
    struct cg_sense *C = scry_alloc(1, sizeof *C);
    if (!C) return SCRY_FAIL(err, SCRY_ENOMEM, "cg-sense");
    C->base = (scry_solver){.method = &scry_method_cg_sense,
                            .problem = *problem,
                            .options = *options,
                            .space = *scry_op_dom(scry_likelihood_op(problem->L)),
                            .steps = 1,
                            .start_fn = cg_sense_start,
                            .step_fn = cg_sense_step,
                            .destroy = cg_sense_destroy};
    if ((st = scryi_fit_create(&C->fit, problem, &C->base.counts, err)) != SCRY_OK) goto done;
    const size_t n = C->base.n = C->fit.n;
    C->u = scry_alloc(n, sizeof(float));
    C->rhs = scry_alloc(n, sizeof(float));
    C->cg = scry_alloc(1, scry_cg_work_bytes(n));
    if (!C->u || !C->rhs || !C->cg) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "cg-sense: %zu floats", n);
        goto done;
    }
    *out = &C->base;
    C = NULL;
done:
    if (C) cg_sense_destroy(&C->base);
    return st;
}
