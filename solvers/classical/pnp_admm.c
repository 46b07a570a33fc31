/* Plug-and-play ADMM (Venkatakrishnan, Bouman & Wohlberg 2013, GlobalSIP) with a diffusion prior's
 * denoiser and a falling noise level. The schedule and the weight are those of DPIR (Zhang et al.
 * 2022, IEEE TPAMI 44:6360), which has no dual variable d:
 *
 *   z <- argmin -log p(y | z) + lambda/(2 sigma_k^2) |z - (x - d)|^2       data
 *   x <- D(z + d; sigma_k)                                                prior
 *   d <- d + z - x                                                        difference of the two
 *
 * sigma_k falls from sigma_max to sigma_min evenly in its logarithm. d is scaled by 1/sigma_k^2
 * (Boyd et al. 2011, Found. Trends Mach. Learn. 3:1, sec. 3.4.1), so d is rescaled when the
 * level changes. */
#include "solvers/classical/fit_impl.h"

#include "lib/memory.h"
#include "lib/vector.h"
#include "priors/schedule.h"
#include "solvers/condition_impl.h"

#include <math.h>
#include <string.h>

#define PROX_TOL 1e-4 /* of CG in a data step: far below the changes of the denoiser */

struct pnp_options {
    size_t iterations;
    double sigma_max, sigma_min, prior_weight;
    size_t cg_iterations;
};

struct pnp {
    scry_solver base;
    scryi_fit fit;
    struct scryi_condition condition;
    float *x, *z, *d, *v; /* n */
    float *w, *r, *q;     /* m: W^(1/2); right-hand side and solution of the data step */
    double *sigma;        /* one a step */
    void *lik_work, *prior_work;
};

static void pnp_destroy(scry_solver *S)
{
    struct pnp *N = (struct pnp *)S;
    if (!N) return;
    scryi_fit_free(&N->fit);
    scry_free(N->x);
    scry_free(N->z);
    scry_free(N->d);
    scry_free(N->v);
    scry_free(N->w);
    scry_free(N->r);
    scryi_condition_clear(&N->condition);
    scry_free(N->sigma);
    scry_free(N->lik_work);
    scry_free(N->prior_work);
    scry_free(N);
}

/* The noise of the data in the unit of u, at its typical brightness. */
static double noise_level(const struct pnp *N)
{
    const double W = scry_sum(N->fit.W, N->fit.m) / (double)N->fit.m;
    return 1 / sqrt(W);
}

static scry_status pnp_start(scry_solver *S, scry_error *err)
{
    struct pnp *N = (struct pnp *)S;
    const struct pnp_options *o = scry_options_block(&S->options);
    double low, high;
    scry_status st = scryi_fit_flat(&N->fit, N->x, err);
    if (st != SCRY_OK) return st;
    memset(N->d, 0, S->n * sizeof(float));
    memcpy(N->z, N->x, S->n * sizeof(float));
    scryi_condition_forget(&N->condition);
    scry_prior_sigma_range(S->problem.prior, &low, &high);
    const double first = fmin(fmax(o->sigma_max, low), high);
    double last = o->sigma_min > 0 ? o->sigma_min : noise_level(N);
    last = fmin(fmax(last, low), first);
    return scry_schedule_log(N->sigma, S->steps, last, first, err);
}

/* z = argmin -log p(y | z) + |z - v|^2 / (2 t). Counted light: one scoring step, with the noise
 * variance of the last x, since the next iteration scores again. */
static scry_status pnp_admm_data_step(struct pnp *N, double t, scry_error *err)
{
    const size_t m = N->fit.m;
    const struct scry_solver *S = &N->base;
    const struct pnp_options *o = scry_options_block(&S->options);
    const struct scryi_covariance V = scryi_covariance_white(t);
    scry_status st;
    if (scry_likelihood_is_gaussian(N->fit.L) && scry_op_has_svd(N->fit.A)) /* in closed form */
        return scry_likelihood_prox(N->fit.L, N->z, N->v, t, 0, 0, N->lik_work, NULL, err);
    if ((st = scryi_fit_forward(&N->fit, N->v, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < m; i++) {
        N->w[i] = sqrtf(N->fit.W[i]);
        N->r[i] = N->w[i] * (N->fit.b[i] - N->fit.Au[i]);
    }
    st = scryi_condition_solve(
        &N->condition, N->r, N->w, &V,
        scryi_condition_settings(
            &N->condition, (struct scryi_cg_options){.iterations = o->cg_iterations}, 50, PROX_TOL),
        err);
    if (st != SCRY_OK) return st;
    st = scryi_condition_image(&N->condition, N->z, N->w, &V, err);
    if (st == SCRY_OK) scry_axpy(N->z, 1, N->v, S->n);
    return st;
}

static scry_status pnp_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct pnp *N = (struct pnp *)S;
    const struct pnp_options *o = scry_options_block(&S->options);
    scry_status st;
    const size_t n = S->n;
    const double sigma = N->sigma[S->step];
    scry_axpby(N->v, 1, N->x, -1, N->d, n);
    if ((st = pnp_admm_data_step(N, sigma * sigma / o->prior_weight, err)) != SCRY_OK) return st;
    scry_axpby(N->v, 1, N->z, 1, N->d, n);
    S->counts.denoise++;
    if ((st = scry_prior_denoise(S->problem.prior, N->x, N->v, (float)sigma, N->prior_work, err)) !=
        SCRY_OK)
        return st;
    scry_axpby(N->d, 1, N->v, -1, N->x, n);
    S->step++;
    if (S->step >= S->steps)
        p->reason = SCRY_DONE;
    else
        scry_scale(N->d, pow(N->sigma[S->step] / sigma, 2), n);
    if ((st = scryi_fit_forward(&N->fit, N->x, err)) != SCRY_OK) return st;
    if ((st = scryi_fit_expand(&N->fit, err)) != SCRY_OK) return st;
    p->residual = sqrt(scryi_fit_chi2(&N->fit));
    p->sigma = sigma;
    p->x = N->z;
    p->x0 = N->x;
    return SCRY_OK;
}

static scry_status pnp_plan(scry_solver **out, const scry_problem *problem,
                            const scry_options *options, scry_error *err);

static const scry_option pnp_options[] = {
    {"iterations", "steps", SCRY_FIELD(struct pnp_options, iterations), 24, 1, 10000, NULL,
     "iterations, each one call of the network"},
    {"sigma-max", NULL, SCRY_FIELD(struct pnp_options, sigma_max), 1, 1e-6, 1e6, NULL,
     "first noise level of the denoiser"},
    {"sigma-min", NULL, SCRY_FIELD(struct pnp_options, sigma_min), 0, 0, 1e6, NULL,
     "last one; 0: the noise of the data"},
    {"prior-weight", "lambda", SCRY_FIELD(struct pnp_options, prior_weight), 0.25, 1e-6, 1e6, NULL,
     "weight of the prior against the likelihood"},
    {"solve-iterations", "inner", SCRY_FIELD(struct pnp_options, cg_iterations), 0, 0, 100000, NULL,
     "conjugate gradient iterations in a data step; 0: 2000 at most for blurs and masks, else 50"},
    {0},
};

const struct scry_method scry_method_pnp_admm = {
    .name = "pnp-admm",
    .title = "Plug-and-play ADMM",
    .kind = SCRY_CLASSICAL,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "point estimate: close to the mode of the posterior",
    .citation = "Venkatakrishnan, Bouman & Wohlberg 2013, GlobalSIP; Zhang et al. 2022, IEEE TPAMI "
                "44:6360",
    .options = pnp_options,
    .plan = pnp_plan,
};

static scry_status pnp_plan(scry_solver **out, const scry_problem *problem,
                            const scry_options *options, scry_error *err)
{
    scry_status st = SCRY_OK;
    const struct pnp_options *o = scry_options_block(options);
    if (o->sigma_min > o->sigma_max)
        return SCRY_FAIL(err, SCRY_EINVAL, "pnp-admm: sigma-min %g exceeds sigma-max %g",
                         o->sigma_min, o->sigma_max);
    struct pnp *N = scry_alloc(1, sizeof *N);
    if (!N) return SCRY_FAIL(err, SCRY_ENOMEM, "pnp-admm");
    N->base = (scry_solver){.method = &scry_method_pnp_admm,
                            .problem = *problem,
                            .options = *options,
                            .space = *scry_op_dom(scry_likelihood_op(problem->L)),
                            .steps = o->iterations,
                            .start_fn = pnp_start,
                            .step_fn = pnp_step,
                            .destroy = pnp_destroy};
    if ((st = scryi_fit_create(&N->fit, problem, &N->base.counts, err)) != SCRY_OK) goto done;
    const size_t n = N->base.n = N->fit.n;
    N->x = scry_alloc(n, sizeof(float));
    N->z = scry_alloc(n, sizeof(float));
    N->d = scry_alloc(n, sizeof(float));
    N->v = scry_alloc(n, sizeof(float));
    N->w = scry_alloc(N->fit.m, sizeof(float));
    N->r = scry_alloc(N->fit.m, sizeof(float));
    N->sigma = scry_alloc(o->iterations, sizeof *N->sigma);
    N->lik_work = scry_alloc(1, scry_likelihood_work_bytes(problem->L));
    N->prior_work = scry_alloc(1, scry_prior_work_bytes(problem->prior));
    if (!N->x || !N->z || !N->d || !N->v || !N->w || !N->r || !N->sigma || !N->lik_work ||
        !N->prior_work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "pnp-admm: %zu pixels and %zu bytes for the prior", n,
                       scry_prior_work_bytes(problem->prior));
        goto done;
    }
    if ((st = scryi_condition_init(&N->condition, N->fit.A, NULL,
                                   scry_likelihood_is_gaussian(problem->L), &N->base.counts,
                                   err)) != SCRY_OK)
        goto done;
    *out = &N->base;
    N = NULL;
done:
    if (N) pnp_destroy(&N->base);
    return st;
}
