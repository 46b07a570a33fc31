/* The Wiener estimate for any linear operator: the posterior mean (and mode) under Gaussian noise
 * and the Gaussian model N(mean, C) of the images, from
 *
 *   (A^T W A + lambda C^-1) (u - mean) = A^T W (b - A mean)
 *
 * solved by conjugate gradients for v in u = mean + C^(1/2) v, where the system is
 * lambda I + C^(1/2) A^T W A C^(1/2): its small eigenvalues are all lambda, so that the iterations
 * go where the data speak. Periodic blur and white noise make it the filter of Wiener 1949. Counted
 * light has its noise variance in W: the estimate is repeated with the W of the estimate before
 * (Fisher scoring). */
#include "solvers/classical/fit_impl.h"

#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/cg.h"
#include "priors/gaussian.h"

#include <math.h>
#include <string.h>

struct wiener {
    scry_solver base;
    scryi_fit fit;
    float *mean, *u, *v, *rhs, *z; /* n */
    float *Amean;                  /* m */
    void *model_work, *cg;
};

static void wiener_destroy(scry_solver *S)
{
    struct wiener *R = (struct wiener *)S;
    if (!R) return;
    scryi_fit_free(&R->fit);
    scry_free(R->mean);
    scry_free(R->u);
    scry_free(R->v);
    scry_free(R->rhs);
    scry_free(R->z);
    scry_free(R->Amean);
    scry_free(R->model_work);
    scry_free(R->cg);
    scry_free(R);
}

/* W starts at a flat image that fits, not at the model's mean, which may be far from this one. */
static scry_status wiener_start(scry_solver *S, scry_error *err)
{
    struct wiener *R = (struct wiener *)S;
    scry_status st;
    if ((st = scryi_fit_forward(&R->fit, R->mean, err)) != SCRY_OK) return st;
    memcpy(R->Amean, R->fit.Au, R->fit.m * sizeof(float));
    memset(R->v, 0, S->n * sizeof(float));
    return scryi_fit_flat(&R->fit, R->u, err);
}

static scry_status root(struct wiener *R, float *out, const float *in, scry_error *err)
{
    return scry_gaussian_apply(R->base.problem.model, out, in, SCRY_GAUSSIAN_SQRT, 0,
                               R->model_work, err);
}

static scry_status apply(void *ctx, float *out, const float *in, scry_error *err)
{
    struct wiener *R = ctx;
    scry_status st;
    if ((st = root(R, R->z, in, err)) != SCRY_OK) return st;
    if ((st = scryi_fit_normal(&R->fit, out, R->z, err)) != SCRY_OK) return st;
    if ((st = root(R, out, out, err)) != SCRY_OK) return st;
    scry_axpy(out, R->base.opts.lambda, in, R->base.n);
    return SCRY_OK;
}

static scry_status wiener_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct wiener *R = (struct wiener *)S;
    scry_status st;
    const bool once = scry_likelihood_is_gaussian(R->fit.L);
    if ((st = scryi_fit_rhs(&R->fit, R->rhs, R->Amean, err)) != SCRY_OK) return st;
    if ((st = root(R, R->rhs, R->rhs, err)) != SCRY_OK) return st;
    if ((st = scry_cg(apply, R, R->v, R->rhs, S->n, S->opts.tol, S->opts.inner, R->cg, NULL,
                      err)) != SCRY_OK)
        return st;
    if ((st = root(R, R->u, R->v, err)) != SCRY_OK) return st;
    scry_axpy(R->u, 1, R->mean, S->n);
    if ((st = scryi_fit_forward(&R->fit, R->u, err)) != SCRY_OK) return st;
    if (!once && (st = scryi_fit_expand(&R->fit, err)) != SCRY_OK) return st;
    S->step++;
    if (once || S->step >= S->steps) p->reason = SCRY_DONE;
    p->residual = sqrt(scryi_fit_chi2(&R->fit));
    p->x = p->x0 = R->u;
    return SCRY_OK;
}

static scry_status wiener_plan(scry_solver **out, const scry_problem *problem,
                               const scry_solver_opts *opts, scry_error *err);

static const scry_option wiener_options[] = {
    { "steps", 3, 1, 100, "estimates for counted light, each with the noise variance of the last" },
    { "lambda", 1, 1e-6, 1e6, "weight of the model: 1 is Bayes' rule" },
    { "inner", 300, 1, 100000, "conjugate gradient iterations for an estimate" },
    { "tol", 1e-5, 0, 0.1, "relative residual that ends conjugate gradients" },
    { 0 },
};

const struct scry_method scry_method_wiener = {
    .name = "wiener",
    .title = "Wiener",
    .kind = SCRY_CLASSICAL,
    .needs = SCRY_NEEDS_GAUSSIAN | SCRY_NEEDS_MODEL,
    .exact = "point estimate: exact posterior mean for Gaussian priors",
    .citation =
        "Wiener 1949, Extrapolation, Interpolation, and Smoothing of Stationary Time Series",
    .options = wiener_options,
    .plan = wiener_plan,
};

static scry_status wiener_plan(scry_solver **out, const scry_problem *problem,
                               const scry_solver_opts *opts, scry_error *err)
{
    scry_status st = SCRY_OK;
    struct wiener *R = scry_alloc(1, sizeof *R);
    if (!R) return SCRY_FAIL(err, SCRY_ENOMEM, "wiener");
    R->base = (scry_solver){ .method = &scry_method_wiener, .problem = *problem, .opts = *opts,
                             .space = *scry_op_dom(scry_likelihood_op(problem->L)),
                             .start_fn = wiener_start, .step_fn = wiener_step,
                             .destroy = wiener_destroy };
    if ((st = scryi_fit_create(&R->fit, problem, &R->base.counts, err)) != SCRY_OK) goto done;
    const size_t n = R->base.n = R->fit.n;
    R->base.steps = scry_likelihood_is_gaussian(problem->L) ? 1 : opts->steps;
    R->mean = scry_alloc(n, sizeof(float));
    R->u = scry_alloc(n, sizeof(float));
    R->v = scry_alloc(n, sizeof(float));
    R->rhs = scry_alloc(n, sizeof(float));
    R->z = scry_alloc(n, sizeof(float));
    R->Amean = scry_alloc(R->fit.m, sizeof(float));
    R->model_work = scry_alloc(1, scry_prior_work_bytes(problem->model));
    R->cg = scry_alloc(1, scry_cg_work_bytes(n));
    if (!R->mean || !R->u || !R->v || !R->rhs || !R->z || !R->Amean || !R->model_work || !R->cg) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "wiener: %zu pixels", n);
        goto done;
    }
    if ((st = scry_gaussian_mean(problem->model, R->mean, err)) != SCRY_OK) goto done;
    *out = &R->base;
    R = NULL;
done:
    if (R) wiener_destroy(&R->base);
    return st;
}
