/* Sparse wavelet coefficients by FISTA (Beck & Teboulle 2009, SIAM J. Imaging Sci. 2:183; for MRI
 * Lustig, Donoho & Pauly 2007, MRM 58:1182):
 *
 *   min f(u) = 1/2 |A u - b|^2 + lambda |W u|_1      W orthonormal (priors/wavelet.h)
 *
 *   x_k = shrink(y_k - tau (A^H A y_k - A^H b), tau lambda),    tau = 0.95 / |A|^2
 *   y_(k+1) = x_k + (t_k - 1) / t_(k+1) (x_k - x_(k-1)),        t_(k+1) = (1 + sqrt(1 + 4 t_k^2))/2
 *
 * The weight of the noise is left out: lambda is in the unit of u, and the same lambda serves where
 * u is in the unit of scry_kspace_scale. Each step shifts W by a random number of pixels
 * (Figueiredo & Nowak 2003), which approximately minimises the mean of f over shifts: the estimate
 * keeps changing a little, but has no blocks. A^H b is computed once. */
#include "solvers/classical/fit_impl.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "priors/wavelet.h"

#include <math.h>
#include <string.h>

#define STEP 0.95     /* of 1/|A|^2, which is estimated from below */
#define NORM_TOL 1e-3 /* of that estimate */

struct wavelet_options {
    double weight, tolerance;
    size_t iterations, shifts;
};

struct wavelet {
    scry_solver base;
    scryi_fit fit;
    scry_prior *W;
    float *x, *y, *g, *rhs; /* n: estimate, extrapolated point, gradient; A^H b */
    void *prior_work;
    double tau, t;
    size_t period;
};

static void wavelet_method_destroy(scry_solver *S)
{
    struct wavelet *F = (struct wavelet *)S;
    if (!F) return;
    scryi_fit_free(&F->fit);
    scry_prior_free(F->W);
    scry_free(F->x);
    scry_free(F->y);
    scry_free(F->g);
    scry_free(F->rhs);
    scry_free(F->prior_work);
    scry_free(F);
}

static scry_status wavelet_start(scry_solver *S, scry_error *err)
{
    struct wavelet *F = (struct wavelet *)S;
    memset(F->x, 0, S->n * sizeof(float));
    memset(F->y, 0, S->n * sizeof(float));
    F->t = 1;
    return scryi_fit_unweighted(&F->fit, F->rhs, err);
}

/* g <- y - tau (A^H A y - A^H b); A^H A 0 = 0 costs nothing */
static scry_status wavelet_method_descend(struct wavelet *F, scry_error *err)
{
    const size_t n = F->base.n;
    const float tau = (float)F->tau;
    if (F->base.step == 0) {
        scry_axpby(F->g, F->tau, F->rhs, 0, F->rhs, n);
        return SCRY_OK;
    }
    F->fit.counts->forward++;
    F->fit.counts->adjoint++;
    scry_status st = scry_op_normal(F->fit.A, F->g, F->y, F->fit.work, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < n; i++)
        F->g[i] = F->y[i] - tau * (F->g[i] - F->rhs[i]);
    return SCRY_OK;
}

/* Pixels of shift in this step, a function of (seed, chain, step). */
static void draw_shift(const struct wavelet *F, size_t shift[2])
{
    const scry_solver *S = &F->base;
    const struct wavelet_options *o = scry_options_block(&S->options);
    float r[2];
    shift[0] = shift[1] = 0;
    if (!o->shifts) return;
    scry_rng_uniform(r, 0, 2, S->seed, S->chain, scry_rng_step(S->step, 0));
    for (int a = 0; a < 2; a++)
        shift[a] = (size_t)(r[a] * (float)F->period);
}

/* x <- g; y <- g + beta (g - x before); returns |g - x before| / |g| */
static double wavelet_method_extrapolate(struct wavelet *F)
{
    const double t = (1 + sqrt(1 + 4 * F->t * F->t)) / 2;
    const float beta = (float)((F->t - 1) / t);
    double moved = 0, size = 0;
    for (size_t i = 0; i < F->base.n; i++) {
        const float next = F->g[i], change = next - F->x[i];
        F->x[i] = next;
        F->y[i] = next + beta * change;
        moved += (double)change * change;
        size += (double)next * next;
    }
    F->t = t;
    return size > 0 ? sqrt(moved / size) : 0;
}

static scry_status wavelet_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct wavelet *F = (struct wavelet *)S;
    const struct wavelet_options *o = scry_options_block(&S->options);
    scry_status st;
    size_t shift[2];
    if ((st = wavelet_method_descend(F, err)) != SCRY_OK) return st;
    draw_shift(F, shift);
    if ((st = scry_wavelet_shrink(F->W, F->g, F->g, F->tau * o->weight, shift[0], shift[1],
                                  F->prior_work, err)) != SCRY_OK)
        return st;
    const double moved = wavelet_method_extrapolate(F);
    S->step++;
    if (S->step >= S->steps || moved < o->tolerance) {
        p->reason = SCRY_DONE;
        if ((st = scryi_fit_forward(&F->fit, F->x, err)) != SCRY_OK) return st;
        p->residual = sqrt(scryi_fit_chi2(&F->fit));
    }
    p->x = F->y;
    p->x0 = F->x;
    return SCRY_OK;
}

static scry_status wavelet_plan(scry_solver **out, const scry_problem *problem,
                                const scry_options *options, scry_error *err);

static const scry_option wavelet_options[] = {
    {"wavelet-weight", "lambda", SCRY_FIELD(struct wavelet_options, weight), 0.005, 0, 1e12, NULL,
     "weight of the coefficients against |A u - b|^2/2, the noise left out"},
    {"iterations", NULL, SCRY_FIELD(struct wavelet_options, iterations), 100, 1, 1000000, NULL,
     "iterations at most"},
    {"tolerance", "tol", SCRY_FIELD(struct wavelet_options, tolerance), 0, 0, 1, NULL,
     "relative change of the image that ends them"},
    {"shifts", NULL, SCRY_FIELD(struct wavelet_options, shifts), 1, 0, 1, NULL,
     "1: each iteration shifts the transform at random; 0: never"},
    {0},
};

const struct scry_method scry_method_wavelet = {
    .name = "wavelet",
    .title = "l1-wavelet",
    .kind = SCRY_CLASSICAL,
    .needs = SCRY_NEEDS_GAUSSIAN,
    .exact = "point estimate: mode for images with sparse wavelet coefficients",
    .citation = "Lustig, Donoho & Pauly 2007, MRM 58:1182; Beck & Teboulle 2009, SIAM J. Imaging "
                "Sci. 2:183",
    .options = wavelet_options,
    .plan = wavelet_plan,
};

static scry_status wavelet_allocate(struct wavelet *F, scry_error *err)
{
    const size_t n = F->base.n = F->fit.n;
    scry_status st = scry_wavelet_create(&F->W, &F->base.space, err);
    if (st != SCRY_OK) return st;
    F->period = scry_wavelet_period(F->W);
    F->x = scry_alloc(n, sizeof(float));
    F->y = scry_alloc(n, sizeof(float));
    F->g = scry_alloc(n, sizeof(float));
    F->rhs = scry_alloc(n, sizeof(float));
    F->prior_work = scry_alloc(1, scry_prior_work_bytes(F->W));
    if (F->x && F->y && F->g && F->rhs && F->prior_work) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "wavelet: %zu floats", n);
}

static scry_status wavelet_plan(scry_solver **out, const scry_problem *problem,
                                const scry_options *options, scry_error *err)
{
    double norm2;
    const struct wavelet_options *o = scry_options_block(options);
    const scry_op *A = scry_likelihood_op(problem->L);
    scry_status st = scryi_fit_needs_gaussian(problem, "wavelet", err);
    if (st != SCRY_OK) return st;
    struct wavelet *F = scry_alloc(1, sizeof *F);
    if (!F) return SCRY_FAIL(err, SCRY_ENOMEM, "wavelet");
    F->base = (scry_solver){.method = &scry_method_wavelet,
                            .problem = *problem,
                            .options = *options,
                            .space = *scry_op_dom(A),
                            .steps = o->iterations,
                            .start_fn = wavelet_start,
                            .step_fn = wavelet_step,
                            .destroy = wavelet_method_destroy};
    if ((st = scryi_fit_create(&F->fit, problem, &F->base.counts, err)) != SCRY_OK) goto done;
    if ((st = wavelet_allocate(F, err)) != SCRY_OK) goto done;
    if ((st = scry_op_norm2(A, &norm2, NORM_TOL, err)) != SCRY_OK) goto done;
    if (!(norm2 > 0)) {
        st = SCRY_FAIL(err, SCRY_EINVAL, "wavelet: %s is 0", scry_op_name(A));
        goto done;
    }
    F->tau = STEP / norm2;
    *out = &F->base;
    F = NULL;
done:
    if (F) wavelet_method_destroy(&F->base);
    return st;
}
