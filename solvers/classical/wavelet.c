/* Sparse wavelet coefficients (for MRI Lustig, Donoho & Pauly 2007, MRM 58:1182):
 *
 *   min f(u) = 1/2 |A u - b|^2 + lambda |W u|_1      W orthonormal (priors/wavelet.h)
 *
 * by FISTA (fista_impl.h), whose prox shrinks coefficients.
 *
 * The weight of the noise is left out: lambda is in the unit of u, and the same lambda serves where
 * u is in the unit of scry_kspace_scale. Each step shifts W by a random number of pixels
 * (Figueiredo & Nowak 2003), which approximately minimises the mean of f over shifts: the estimate
 * keeps changing a little, but has no blocks. */
#include "solvers/classical/fista_impl.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "priors/wavelet.h"

#include <math.h>
#include <string.h>

struct wavelet_options {
    double weight, tolerance;
    size_t iterations, shifts;
};

struct wavelet {
    scry_solver base;
    scryi_fista fista;
    scry_prior *W;
    void *prior_work;
    size_t period;
};

static void wavelet_method_destroy(scry_solver *S)
{
    struct wavelet *F = (struct wavelet *)S;
    if (!F) return;
    scryi_fista_free(&F->fista);
    scry_prior_free(F->W);
    scry_free(F->prior_work);
    scry_free(F);
}

static scry_status wavelet_start(scry_solver *S, scry_error *err)
{
    return scryi_fista_start(&((struct wavelet *)S)->fista, err);
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

static scry_status wavelet_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct wavelet *F = (struct wavelet *)S;
    scryi_fista *f = &F->fista;
    const struct wavelet_options *o = scry_options_block(&S->options);
    size_t shift[2];
    scry_status st = scryi_fista_descend(f, err);
    if (st != SCRY_OK) return st;
    draw_shift(F, shift);
    st = scry_wavelet_shrink(F->W, f->g, f->g, f->tau * o->weight, shift[0], shift[1],
                             F->prior_work, err);
    return st == SCRY_OK ? scryi_fista_extrapolate(f, S, o->tolerance, p, err) : st;
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
    F->base.n = F->fista.fit.n;
    const scry_status st = scry_wavelet_create(&F->W, &F->base.space, err);
    if (st != SCRY_OK) return st;
    F->period = scry_wavelet_period(F->W);
    F->prior_work = scry_alloc(1, scry_prior_work_bytes(F->W));
    if (F->prior_work) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "wavelet: %zu floats", F->base.n);
}

static scry_status wavelet_plan(scry_solver **out, const scry_problem *problem,
                                const scry_options *options, scry_error *err)
{
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
    st = scryi_fista_create(&F->fista, problem, &F->base.counts, "wavelet", err);
    if (st == SCRY_OK) st = wavelet_allocate(F, err);
    if (st != SCRY_OK) goto done;
    *out = &F->base;
    F = NULL;
done:
    if (F) wavelet_method_destroy(&F->base);
    return st;
}
