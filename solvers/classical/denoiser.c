/* The prior's denoiser on its own: the mean of the posterior p(x | y) of an image with nothing but
 * noise on it,
 *
 *   u = D(y; s)       (Efron 2011, JASA 106:1602: Tweedie's formula)
 *
 * exact, as far as D is, where the noise has one level. Counted light has the level s_i of its
 * pixel, read from a first estimate at their mean. D is then called at levels in steps of at most
 * a third from the least to the greatest of them, and pixel i takes the value between the two next
 * to its own,linear in log s: the effect of D on pixel i depends on the pixels near it, whose light
 * is much the same.
 *
 * Where pixels were not measured they are filled with the mean of the others, then twice with the
 * values of D there: enough not to disturb their neighbours, and no method to fill holes. */
#include "solvers/classical/fit_impl.h"

#include "lib/memory.h"
#include "lib/sort.h"
#include "lib/vector.h"

#include <math.h>
#include <string.h>

#define RATIO (4. / 3) /* of the levels that pixels are read between */
#define LEVELS 24
#define TRIM .002 /* of the pixels, at either end, whose levels are taken for the next ones */
#define FILLS 2

struct denoiser {
    scry_solver base;
    scryi_fit fit;
    float *y, *x, *z, *level, *known; /* n: the data in place, the estimate, D, s_i, 0 or 1 */
    float *ones;                      /* m */
    void *work;                       /* of the prior */
};

static void denoiser_destroy(scry_solver *S)
{
    struct denoiser *N = (struct denoiser *)S;
    if (!N) return;
    scryi_fit_free(&N->fit);
    scry_free(N->y);
    scry_free(N->x);
    scry_free(N->z);
    scry_free(N->level);
    scry_free(N->known);
    scry_free(N->ones);
    scry_free(N->work);
    scry_free(N);
}

static scry_status denoise_at(struct denoiser *N, float *out, double sigma, scry_error *err)
{
    double low, high;
    scry_prior_sigma_range(N->base.problem.prior, &low, &high);
    N->base.counts.denoise++;
    return scry_prior_denoise(N->base.problem.prior, out, N->y, (float)fmin(fmax(sigma, low), high),
                              N->work, err);
}

/* The mean of the known pixels where there are others, for a start. */
static scry_status denoiser_start(scry_solver *S, scry_error *err)
{
    struct denoiser *N = (struct denoiser *)S;
    scry_status st = scryi_fit_flat(&N->fit, N->x, err); /* W and b at a flat image, which is x */
    for (size_t i = 0; i < N->fit.m; i++)
        N->ones[i] = 1;
    if (st == SCRY_OK) st = scry_op_adjoint(N->fit.A, N->known, N->ones, N->fit.work, err);
    if (st == SCRY_OK) st = scry_op_adjoint(N->fit.A, N->y, N->fit.b, N->fit.work, err);
    for (size_t i = 0; i < S->n; i++)
        if (!(N->known[i] > 0)) N->y[i] = N->x[i];
    return st;
}

/* s_i from W at the estimate x. The levels of missing pixels are those of an estimate too. */
static scry_status pixel_levels(struct denoiser *N, scry_error *err)
{
    scry_status st = scryi_fit_forward(&N->fit, N->x, err);
    if (st == SCRY_OK) st = scryi_fit_expand(&N->fit, err);
    for (size_t i = 0; i < N->fit.m; i++)
        N->ones[i] = 1 / sqrtf(N->fit.W[i]);
    if (st == SCRY_OK) st = scry_op_adjoint(N->fit.A, N->level, N->ones, N->fit.work, err);
    const float mean = (float)(scry_sum(N->ones, N->fit.m) / (double)N->fit.m);
    for (size_t i = 0; i < N->base.n; i++)
        if (!(N->known[i] > 0)) N->level[i] = mean;
    return st;
}

/* x from D at a few levels. */
static scry_status denoise_by_pixel(struct denoiser *N, scry_error *err)
{
    const size_t n = N->base.n, cut = (size_t)(TRIM * (double)n);
    scry_status st = SCRY_OK;
    memcpy(N->z, N->level, n * sizeof *N->z);
    scry_sort_float(N->z, n);
    const double low = (double)N->z[cut], high = (double)N->z[n - 1 - cut];
    size_t count = 1 + (size_t)ceil(log(high / low) / log(RATIO) - 1e-6);
    if (count > LEVELS) count = LEVELS;
    const double ratio = count > 1 ? pow(high / low, 1 / (double)(count - 1)) : 1;
    memset(N->x, 0, n * sizeof *N->x);
    for (size_t k = 0; k < count && st == SCRY_OK; k++) {
        st = denoise_at(N, N->z, low * pow(ratio, (double)k), err);
        for (size_t i = 0; i < n && st == SCRY_OK; i++) {
            const double s = fmin(fmax((double)N->level[i], low), high);
            const double at = count > 1 ? log(s / low) / log(ratio) : 0;
            const double share = 1 - fabs(at - (double)k);
            if (share > 0) N->x[i] += (float)share * N->z[i];
        }
    }
    return st;
}

static scry_status denoiser_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct denoiser *N = (struct denoiser *)S;
    const double mean = 1 / sqrt(scry_sum(N->fit.W, N->fit.m) / (double)N->fit.m);
    const size_t fills = N->fit.m < S->n ? FILLS : 0;
    scry_status st = SCRY_OK;
    for (size_t k = 0; k <= fills && st == SCRY_OK; k++) {
        st = denoise_at(N, N->x, mean, err);
        for (size_t i = 0; i < S->n && k < fills; i++)
            if (!(N->known[i] > 0)) N->y[i] = N->x[i];
    }
    if (st == SCRY_OK && !scry_likelihood_is_gaussian(N->fit.L)) {
        st = pixel_levels(N, err);
        if (st == SCRY_OK) st = denoise_by_pixel(N, err);
    }
    if (st == SCRY_OK) st = scryi_fit_forward(&N->fit, N->x, err);
    if (st == SCRY_OK) st = scryi_fit_expand(&N->fit, err);
    S->step = 1;
    p->reason = SCRY_DONE;
    p->residual = sqrt(scryi_fit_chi2(&N->fit));
    p->sigma = mean;
    p->x = p->x0 = N->x;
    return st;
}

static scry_status denoiser_plan(scry_solver **out, const scry_problem *problem,
                                 const scry_options *options, scry_error *err);

static const scry_option denoiser_options[] = {{0}};

const struct scry_method scry_method_denoiser = {
    .name = "denoiser",
    .title = "Denoiser",
    .kind = SCRY_CLASSICAL,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "the posterior mean of noise of one level, as far as the network is; interpolated "
             "between levels for counts; of the image itself only",
    .citation = "Efron 2011, JASA 106:1602",
    .options = denoiser_options,
    .plan = denoiser_plan,
};

/* A mask, or the identity: every singular value 0 or 1, and no mixing of pixels. */
static bool is_image(const scry_op *A)
{
    return !strcmp(scry_op_name(A), "mask") || !strcmp(scry_op_name(A), "identity");
}

static scry_status denoiser_plan(scry_solver **out, const scry_problem *problem,
                                 const scry_options *options, scry_error *err)
{
    scry_status st;
    const scry_op *A = scry_likelihood_op(problem->L);
    if (!is_image(A))
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "denoiser: the measurement is a %s, expected the image "
                         "itself",
                         scry_op_name(A));
    struct denoiser *N = scry_alloc(1, sizeof *N);
    if (!N) return SCRY_FAIL(err, SCRY_ENOMEM, "denoiser");
    N->base = (scry_solver){.method = &scry_method_denoiser,
                            .problem = *problem,
                            .options = *options,
                            .space = *scry_op_dom(A),
                            .steps = 1,
                            .start_fn = denoiser_start,
                            .step_fn = denoiser_step,
                            .destroy = denoiser_destroy};
    if ((st = scryi_fit_create(&N->fit, problem, &N->base.counts, err)) != SCRY_OK) goto done;
    const size_t n = N->base.n = N->fit.n;
    float **const arrays[] = {&N->y, &N->x, &N->z, &N->level, &N->known};
    bool all = (N->ones = scry_alloc(N->fit.m, sizeof(float))) != NULL;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        all = (*arrays[i] = scry_alloc(n, sizeof(float))) != NULL && all;
    N->work = scry_alloc(1, scry_prior_work_bytes(problem->prior));
    if (!all || !N->work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "denoiser: %zu pixels and %zu bytes for the prior", n,
                       scry_prior_work_bytes(problem->prior));
        goto done;
    }
    *out = &N->base;
    N = NULL;
done:
    if (N) denoiser_destroy(&N->base);
    return st;
}
