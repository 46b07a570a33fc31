/* The Wiener estimate for any linear operator: the posterior mean (and mode) under Gaussian noise
 * and the Gaussian model N(mean, C) of the images, the solution of
 *
 *   (A^T W A + lambda C^-1) (u - mean) = A^T W (b - A mean)
 *
 * as u = mean + V A^T w q, V = C / lambda, w = W^(1/2), with q from the system in measurement space
 * (solvers/condition_impl.h). With periodic blur and white noise it is the filter of Wiener 1949.
 * Counted light has its noise variance in W: the estimate is repeated with the W of the estimate
 * before (Fisher scoring), each solve starting from the last.
 *
 * The spectrum of C is measured under a window, which hardly sees what is bright at a border. Where
 * chi2 exceeds 1 by EXPLAINED of its spreads, the model is narrower than the image, and is made
 * WIDER in variance; with a prior-weight that was given it stays. */
#include "solvers/classical/fit_impl.h"

#include "lib/memory.h"
#include "lib/vector.h"
#include "priors/gaussian.h"
#include "solvers/condition_impl.h"
#include "solvers/option_groups_impl.h"

#include <math.h>
#include <string.h>

enum { WIDENINGS = 20 };
static const double EXPLAINED = 3, WIDER = 2;

struct wiener_options {
    size_t estimates;
    double prior_weight;
    struct scryi_cg_options cg;
};

struct wiener {
    scry_solver base;
    scryi_fit fit;
    struct scryi_condition condition;
    float *mean, *u;      /* n */
    float *Amean, *w, *r; /* m: w = W^(1/2), residual of the mean */
    double variance;      /* of the model, in units of C */
};

static const struct wiener_options *wiener_settings(const struct wiener *R)
{
    return scry_options_block(&R->base.options);
}

static void wiener_destroy(scry_solver *S)
{
    struct wiener *R = (struct wiener *)S;
    if (!R) return;
    scryi_fit_free(&R->fit);
    scryi_condition_clear(&R->condition);
    scry_free(R->mean);
    scry_free(R->u);
    scry_free(R->Amean);
    scry_free(R->w);
    scry_free(R->r);
    scry_free(R);
}

/* W starts at the flat image that fits best; the mean of the model may be far from this image. */
static scry_status wiener_start(scry_solver *S, scry_error *err)
{
    struct wiener *R = (struct wiener *)S;
    scry_status st;
    if ((st = scryi_fit_forward(&R->fit, R->mean, err)) != SCRY_OK) return st;
    memcpy(R->Amean, R->fit.Au, R->fit.m * sizeof(float));
    R->variance = 1 / wiener_settings(R)->prior_weight;
    scryi_condition_forget(&R->condition);
    return scryi_fit_flat(&R->fit, R->u, err);
}

/* u, A u and the local model there. */
static scry_status wiener_estimate(struct wiener *R, scry_error *err)
{
    const struct scryi_cg_options cg =
        scryi_condition_settings(&R->condition, wiener_settings(R)->cg, 300, 1e-4);
    const struct scryi_covariance V = scryi_covariance_model(R->variance);
    scry_status st;
    for (size_t i = 0; i < R->fit.m; i++) {
        R->w[i] = sqrtf(R->fit.W[i]);
        R->r[i] = R->w[i] * (R->fit.b[i] - R->Amean[i]);
    }
    if ((st = scryi_condition_solve(&R->condition, R->r, R->w, &V, cg, err)) != SCRY_OK) return st;
    if ((st = scryi_condition_image(&R->condition, R->u, R->w, &V, err)) != SCRY_OK) return st;
    scry_axpy(R->u, 1, R->mean, R->base.n);
    if ((st = scryi_fit_forward(&R->fit, R->u, err)) != SCRY_OK) return st;
    return scry_likelihood_is_gaussian(R->fit.L) ? SCRY_OK : scryi_fit_expand(&R->fit, err);
}

static bool wiener_explains(const struct wiener *R)
{
    return wiener_settings(R)->prior_weight != 1 ||
           scryi_fit_chi2(&R->fit) <= 1 + EXPLAINED * sqrt(2 / (double)R->fit.m);
}

static scry_status wiener_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct wiener *R = (struct wiener *)S;
    scry_status st = wiener_estimate(R, err);
    for (int k = 0; st == SCRY_OK && k < WIDENINGS && !wiener_explains(R); k++) {
        R->variance *= WIDER;
        st = wiener_estimate(R, err);
    }
    if (st != SCRY_OK) return st;
    S->step++;
    if (S->step >= S->steps) p->reason = SCRY_DONE;
    p->residual = sqrt(scryi_fit_chi2(&R->fit));
    p->x = p->x0 = R->u;
    return SCRY_OK;
}

static scry_status wiener_plan(scry_solver **out, const scry_problem *problem,
                               const scry_options *options, scry_error *err);

static const scry_option wiener_options[] = {
    {"estimates", "steps", SCRY_FIELD(struct wiener_options, estimates), 3, 1, 100, NULL,
     "estimates for counted light, each with the noise variance of the last"},
    {"prior-weight", "lambda", SCRY_FIELD(struct wiener_options, prior_weight), 1, 1e-6, 1e6, NULL,
     "weight of the model: 1 is Bayes' rule"},
    SCRYI_SOLVE_OPTIONS(struct wiener_options, 300, 1e-4),
    {0},
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
                               const scry_options *options, scry_error *err)
{
    scry_status st = SCRY_OK;
    const struct wiener_options *o = scry_options_block(options);
    struct wiener *R = scry_alloc(1, sizeof *R);
    if (!R) return SCRY_FAIL(err, SCRY_ENOMEM, "wiener");
    R->base = (scry_solver){.method = &scry_method_wiener,
                            .problem = *problem,
                            .options = *options,
                            .space = *scry_op_dom(scry_likelihood_op(problem->L)),
                            .start_fn = wiener_start,
                            .step_fn = wiener_step,
                            .destroy = wiener_destroy};
    if ((st = scryi_fit_create(&R->fit, problem, &R->base.counts, err)) != SCRY_OK) goto done;
    const size_t n = R->base.n = R->fit.n;
    R->base.steps = scry_likelihood_is_gaussian(problem->L) ? 1 : o->estimates;
    R->mean = scry_alloc(n, sizeof(float));
    R->u = scry_alloc(n, sizeof(float));
    R->Amean = scry_alloc(R->fit.m, sizeof(float));
    R->w = scry_alloc(R->fit.m, sizeof(float));
    R->r = scry_alloc(R->fit.m, sizeof(float));
    if (!R->mean || !R->u || !R->Amean || !R->w || !R->r) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "wiener: %zu pixels", n);
        goto done;
    }
    if ((st = scryi_condition_init(&R->condition, R->fit.A, problem->model,
                                   scry_likelihood_is_gaussian(problem->L), &R->base.counts,
                                   err)) != SCRY_OK)
        goto done;
    if ((st = scry_gaussian_mean(problem->model, R->mean, err)) != SCRY_OK) goto done;
    *out = &R->base;
    R = NULL;
done:
    if (R) wiener_destroy(&R->base);
    return st;
}
