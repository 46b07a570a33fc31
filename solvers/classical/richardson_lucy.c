/* Richardson-Lucy: expectation maximization for counted light (Richardson 1972, JOSA 62:55; Lucy
 * 1974, AJ 79:745; Shepp & Vardi 1982, IEEE TMI 1:113), and what makes it usable:
 *
 *   x <- x / (A^T 1 (1 - tv div(grad x / |grad x|))) * A^T [ d / (A x + c) ]
 *
 *   x   image in physical units, >= 0            A   operator with non-negative entries
 *   d   data + shift, cut at 0                   c   background + shift
 *
 * shift: Poisson counts plus Gaussian read noise r have mean and variance of Poisson(m + r^2) after
 *   adding r^2 (Snyder, Hammoud & White 1993, JOSA A 10:1014). Purely Gaussian noise has no count
 *   to be shifted by; 2 sigma keep 98 % of dark pixels above the cut, at any unit.
 * A^T 1 below 1 in the margin of an open boundary is what normalises EM there (Bertero & Boccacci
 *   2005, A&A 437:369); where it is all but 0 nothing was measured and x stays as it started.
 * tv: one-step-late total variation (Dey et al. 2006, Microsc. Res. Tech. 69:260, Eq. 11).
 * Acceleration: vector extrapolation of Biggs & Andrews 1997, Appl. Opt. 36:1766, or Nesterov's
 *   momentum with the gradient restart of O'Donoghue & Candes 2015, Found. Comput. Math. 15:715.
 *
 * Stopping. EM fits noise in the end, so the count of iterations is the regularization. By default
 *   the counts are split binomially into independent parts (80 % and 20 %; Neufeld et al. 2024,
 *   JMLR 25:57), a second estimate is fitted to the first part alone, and both stop when the
 *   likelihood of the part that it has not seen peaks. */
#include "solvers/classical/difference_impl.h"
#include "solvers/classical/fit_impl.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

/* Share of the counts that the second estimate is fitted to. On 42 simulated acquisitions (fourteen
 * images that no bench uses, 20 to 1000 photons) 0.5, 0.8 and 0.9 all stop within 0.15 dB of the
 * best iteration on average; 0.8 was level or better than both overall. */
#define TRAIN_SHARE 0.8
#define SEEN 1e-3 /* of the largest A^T 1: less than this is unmeasured */
#define FLOOR 1e-6 /* of the start: a factor of 0 could never recover */

struct estimate {
    float *x, *old;  /* now, one iteration before: n each */
    float *change;   /* EM step before: n */
    float *m, *mold; /* A x, A old: m each */
    float *d;        /* its share of the data: m */
    double share; /* of the counts */
    double pace;  /* Nesterov's t, or the next factor of Biggs & Andrews */
};

struct rl {
    scry_solver base;
    scryi_fit fit;
    scryi_difference G;
    struct estimate full, train;
    float *v, *z;   /* extrapolated point, EM factor: n */
    float *weights; /* A^T 1: n */
    float *ratio;   /* m */
    float *held;    /* part of the data that `train` does not see: m */
    float *best, *u;/* n */
    float *p;       /* gradient: axes * n, with tv */
    double seen, floor, c, shift;
    double best_value;
    size_t best_step;
    gsl_rng *rng;
};

static bool holds_out(const struct rl *R)
{
    return R->base.opts.stop == SCRY_STOP_HOLDOUT;
}

static void estimate_free(struct estimate *e)
{
    scry_free(e->x);
    scry_free(e->old);
    scry_free(e->change);
    scry_free(e->m);
    scry_free(e->mold);
    scry_free(e->d);
}

static bool estimate_alloc(struct estimate *e, size_t n, size_t m)
{
    e->x = scry_alloc(n, sizeof(float));
    e->old = scry_alloc(n, sizeof(float));
    e->change = scry_alloc(n, sizeof(float));
    e->m = scry_alloc(m, sizeof(float));
    e->mold = scry_alloc(m, sizeof(float));
    e->d = scry_alloc(m, sizeof(float));
    return e->x && e->old && e->change && e->m && e->mold && e->d;
}

static void rl_destroy(scry_solver *S)
{
    struct rl *R = (struct rl *)S;
    if (!R) return;
    estimate_free(&R->full);
    estimate_free(&R->train);
    scryi_fit_free(&R->fit);
    scry_free(R->v);
    scry_free(R->z);
    scry_free(R->weights);
    scry_free(R->ratio);
    scry_free(R->held);
    scry_free(R->best);
    scry_free(R->u);
    scry_free(R->p);
    if (R->rng) gsl_rng_free(R->rng);
    scry_free(R);
}

/* m and d are shifted here; b of the fit is (y_e - background) / scale - (shift / scale) A 1, in
 * the unit of A u, so A x and the data in physical units need A 1. */
static scry_status physical_data(struct rl *R, scry_error *err)
{
    scry_status st;
    const scry_affine map = scry_likelihood_map(R->fit.L);
    const scry_noise *noise = scry_likelihood_noise(R->fit.L);
    const double r = noise->kind == SCRY_NOISE_POISSON_GAUSSIAN ? noise->read_noise : 0;
    R->shift = noise->kind == SCRY_NOISE_GAUSSIAN ? 2 * noise->sigma : r * r;
    R->c = noise->background + R->shift;
    if ((st = scryi_fit_flat(&R->fit, R->u, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < R->base.n; i++) R->v[i] = 1;
    if ((st = scryi_fit_forward(&R->fit, R->v, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < R->fit.m; i++)
        R->full.d[i] = (float)(map.scale * R->fit.b[i] + map.shift * R->fit.Au[i] + R->c);
    return SCRY_OK;
}

static scry_status start_weights(struct rl *R, scry_error *err)
{
    float low = 0, high = 0;
    for (size_t i = 0; i < R->fit.m; i++) R->ratio[i] = 1;
    R->fit.counts->adjoint++;
    scry_status st = scry_op_adjoint(R->fit.A, R->weights, R->ratio, R->fit.work, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < R->base.n; i++) {
        low = fminf(low, R->weights[i]);
        high = fmaxf(high, R->weights[i]);
    }
    if (!(high > 0) || low < -0.01f * high)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "richardson-lucy: the columns of %s sum to %g .. %g, expected >= 0: it "
                         "needs a non-negative operator",
                         scry_op_name(R->fit.A), (double)low, (double)high);
    R->seen = SEEN * high;
    return SCRY_OK;
}

/* train.d and held: independent parts of the full data. Counts: binomial. Gaussian noise of known
 * sd: the two combinations y + a s n, y - s n / a with a^2 = (1 - share) / share are
 * independent. */
static scry_status split_data(struct rl *R, scry_error *err)
{
    const scry_solver *S = &R->base;
    const scry_noise *noise = scry_likelihood_noise(R->fit.L);
    const double a = sqrt((1 - TRAIN_SHARE) / TRAIN_SHARE);
    if (noise->kind == SCRY_NOISE_GAUSSIAN) {
        scry_rng_normal(R->held, 0, R->fit.m, S->seed, S->chain, 0);
        for (size_t i = 0; i < R->fit.m; i++) {
            const double n = noise->sigma * R->held[i];
            R->train.d[i] = (float)(R->full.d[i] + a * n);
            R->held[i] = (float)(R->full.d[i] - n / a);
        }
        R->train.share = 1;
        return SCRY_OK;
    }
    for (size_t i = 0; i < R->fit.m; i++) {
        const double count = nearbyint(fmax(R->full.d[i], 0));
        if (count > 4e9)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "richardson-lucy: pixel %zu has %g electrons, more than can be split; "
                             "choose another stopping rule",
                             i, count);
        scry_rng_gsl_seek(R->rng, S->seed, S->chain, 0, (uint32_t)(i & 0x3fffffffu));
        const double part = gsl_ran_binomial(R->rng, TRAIN_SHARE, (unsigned)count);
        R->train.d[i] = (float)part;
        R->held[i] = (float)(count - part);
    }
    R->train.share = TRAIN_SHARE;
    return SCRY_OK;
}

static scry_status start_estimate(struct rl *R, struct estimate *e, float level, scry_error *err)
{
    for (size_t i = 0; i < R->base.n; i++) e->x[i] = level;
    for (size_t i = 0; i < R->fit.m; i++) e->d[i] = fmaxf(e->d[i], 0);
    memset(e->change, 0, R->base.n * sizeof(float));
    memcpy(e->old, e->x, R->base.n * sizeof(float));
    e->pace = 1;
    scry_status st = scry_op_forward(R->fit.A, e->m, e->x, R->fit.work, err);
    R->fit.counts->forward++;
    memcpy(e->mold, e->m, R->fit.m * sizeof(float));
    return st;
}

static scry_status rl_start(scry_solver *S, scry_error *err)
{
    struct rl *R = (struct rl *)S;
    scry_status st;
    if ((st = start_weights(R, err)) != SCRY_OK) return st;
    if ((st = physical_data(R, err)) != SCRY_OK) return st;
    R->full.share = 1;
    if (holds_out(R) && (st = split_data(R, err)) != SCRY_OK) return st;

    /* Flat, with the flux of the data: the M-step of a constant. */
    const double flux = scry_sum(R->full.d, R->fit.m) - R->c * (double)R->fit.m;
    const double level = fmax(flux, 1e-3 * R->c * (double)R->fit.m) / scry_sum(R->weights, S->n);
    if (!(level > 0))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "richardson-lucy: the data hold no light (%g above the background)", flux);
    R->floor = FLOOR * level;
    R->best_value = -INFINITY;
    R->best_step = 0;
    if ((st = start_estimate(R, &R->full, (float)level, err)) != SCRY_OK) return st;
    return holds_out(R) ? start_estimate(R, &R->train, (float)level, err) : SCRY_OK;
}

/* How far to go on along x - old before the next EM step. */
static double momentum(const struct rl *R, struct estimate *e)
{
    const size_t n = R->base.n;
    if (R->base.step == 0 || R->base.opts.accelerate == SCRY_ACCELERATE_NONE) return 0;
    if (R->base.opts.accelerate == SCRY_ACCELERATE_NESTEROV) {
        double along = 0;
        for (size_t i = 0; i < n; i++) along += (double)e->change[i] * (e->x[i] - e->old[i]);
        if (along < 0) e->pace = 1;
        const double next = (1 + sqrt(1 + 4 * e->pace * e->pace)) / 2;
        const double alpha = (e->pace - 1) / next;
        e->pace = next;
        return alpha;
    }
    return e->pace > 0 ? fmin(e->pace, 0.999) : 0; /* Biggs & Andrews: see em_step */
}

/* z = A^T [d / (share (A v + c))] */
static scry_status em_factor(struct rl *R, const struct estimate *e, double alpha, scry_error *err)
{
    const float c = (float)R->c, a = (float)alpha, share = (float)e->share;
    /* FFTs leave rounding errors around 0: no mean is below one millionth of the start's */
    const float least = fmaxf((float)R->floor, 1e-30f);
    for (size_t i = 0; i < R->fit.m; i++) {
        const float mean = fmaxf(e->m[i] + a * (e->m[i] - e->mold[i]), 0) + c;
        R->ratio[i] = e->d[i] / (share * fmaxf(mean, least));
    }
    R->fit.counts->adjoint++;
    return scry_op_adjoint(R->fit.A, R->z, R->ratio, R->fit.work, err);
}

/* One EM step from v = x + alpha (x - old). A v is that combination of A x and A old, up to the few
 * pixels where v is cut at 0. */
static scry_status em_step(struct rl *R, struct estimate *e, scry_error *err)
{
    scry_status st;
    const size_t n = R->base.n;
    const double alpha = momentum(R, e);
    const float a = (float)alpha, least = (float)R->floor, tv = (float)R->base.opts.tv;
    for (size_t i = 0; i < n; i++) R->v[i] = fmaxf(e->x[i] + a * (e->x[i] - e->old[i]), least);
    if ((st = em_factor(R, e, alpha, err)) != SCRY_OK) return st;
    if (tv > 0) { /* u is scratch: G^T (G v / |G v|) = -div(grad v / |grad v|) */
        scryi_gradient(&R->G, R->p, R->v);
        scryi_normalise(&R->G, R->p, R->floor);
        scryi_gradient_adjoint(&R->G, R->u, R->p);
    }
    double gg = 0, gh = 0;
    for (size_t i = 0; i < n; i++) {
        float w = R->weights[i], next = R->v[i];
        if (w > R->seen) {
            /* relative to w, or the penalty would rule the margin, where w is small; one step late,
             * it may exceed the weight: the step is at most doubled */
            const float divide = tv > 0 ? fmaxf(1 + tv * R->u[i], 0.5f) : 1;
            next *= fmaxf(R->z[i], 0) / (w * divide);
        }
        const float change = next - R->v[i];
        gg += (double)e->change[i] * e->change[i];
        gh += (double)e->change[i] * change;
        e->change[i] = change;
        e->old[i] = e->x[i];
        e->x[i] = next;
    }
    if (R->base.opts.accelerate == SCRY_ACCELERATE_BIGGS) e->pace = gg > 0 ? gh / gg : 0;
    float *swap = e->mold;
    e->mold = e->m;
    e->m = swap;
    R->fit.counts->forward++;
    return scry_op_forward(R->fit.A, e->m, e->x, R->fit.work, err);
}

/* Mean log-likelihood of the held-out part under the estimate that has not seen it. */
static double held_out(const struct rl *R)
{
    const bool gaussian = scry_likelihood_noise(R->fit.L)->kind == SCRY_NOISE_GAUSSIAN;
    const double rest = 1 - R->train.share;
    double sum = 0;
    for (size_t i = 0; i < R->fit.m; i++) {
        const double mean = fmax(fmax(R->train.m[i], 0) + R->c, 1e-30);
        sum += gaussian ? -(R->held[i] - mean) * (R->held[i] - mean)
                        : R->held[i] * log(mean) - rest * mean;
    }
    return sum / (double)R->fit.m;
}

/* Pearson's chi2 per pixel. */
static double chi2(const struct rl *R)
{
    const scry_noise *noise = scry_likelihood_noise(R->fit.L);
    const bool gaussian = noise->kind == SCRY_NOISE_GAUSSIAN;
    double sum = 0;
    for (size_t i = 0; i < R->fit.m; i++) {
        const double mean = fmax(fmax(R->full.m[i], 0) + R->c, 1e-30);
        const double r = R->full.d[i] - mean;
        sum += r * r / (gaussian ? noise->sigma * noise->sigma : mean);
    }
    return sum / (double)R->fit.m;
}

/* Keeps the estimate where the held-out likelihood peaked. It rises and falls once, with small
 * ripples from the acceleration: a quarter more iterations without a new best end the search. */
static bool past_peak(struct rl *R)
{
    const double value = held_out(R);
    if (value > R->best_value) {
        R->best_value = value;
        R->best_step = R->base.step;
        memcpy(R->best, R->full.x, R->base.n * sizeof(float));
    }
    return R->base.step >= R->best_step + 3 + R->best_step / 4;
}

static scry_status rl_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct rl *R = (struct rl *)S;
    scry_status st;
    const scry_affine map = scry_likelihood_map(R->fit.L);
    if ((st = em_step(R, &R->full, err)) != SCRY_OK) return st;
    if (holds_out(R) && (st = em_step(R, &R->train, err)) != SCRY_OK) return st;
    S->step++;

    const double fit = chi2(R);
    if (!isfinite(fit))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "richardson-lucy: iteration %zu is not finite",
                         S->step);
    bool stop = S->step >= S->steps;
    if (S->opts.stop == SCRY_STOP_DISCREPANCY && fit <= 1) stop = true;
    if (holds_out(R) && past_peak(R)) stop = true;
    if (stop) p->reason = SCRY_DONE;
    const float *x = holds_out(R) ? R->best : R->full.x;
    for (size_t i = 0; i < S->n; i++) R->u[i] = (float)((x[i] - map.shift) / map.scale);
    p->residual = sqrt(fit);
    p->x = p->x0 = R->u;
    return SCRY_OK;
}

static scry_status rl_plan(scry_solver **out, const scry_problem *problem,
                           const scry_solver_opts *opts, scry_error *err);

static const scry_option rl_options[] = {
    { "iterations", 500, 1, 100000, "iterations at most (exactly, with stop steps)" },
    { "stop", SCRY_STOP_HOLDOUT, 0, SCRY_STOP_HOLDOUT,
      "steps: after the count; discrepancy: when chi2 per pixel reaches 1; holdout: when the "
      "likelihood of held-out counts peaks" },
    { "accelerate", SCRY_ACCELERATE_BIGGS, 0, SCRY_ACCELERATE_NESTEROV,
      "extrapolation between iterations: none, biggs (and Andrews) or nesterov" },
    { "tv", 0, 0, 1, "weight of total variation against the fit (0.002 to 0.05 is usual)" },
    { 0 },
};

const struct scry_method scry_method_richardson_lucy = {
    .name = "richardson-lucy",
    .title = "Richardson-Lucy",
    .kind = SCRY_CLASSICAL,
    .needs = SCRY_NEEDS_POSITIVE,
    .exact = "point estimate: maximum likelihood, regularized by stopping early",
    .citation =
        "Richardson 1972, JOSA 62:55; Lucy 1974, AJ 79:745; Biggs & Andrews 1997, Appl. Opt. "
        "36:1766; Dey et al. 2006, Microsc. Res. Tech. 69:260",
    .options = rl_options,
    .plan = rl_plan,
};

static scry_status rl_plan(scry_solver **out, const scry_problem *problem,
                           const scry_solver_opts *opts, scry_error *err)
{
    scry_status st = SCRY_OK;
    const scry_op *A = scry_likelihood_op(problem->L);
    if (scry_op_dom(A)->cplx || scry_op_cod(A)->cplx)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "richardson-lucy: %s maps complex images, expected real intensities",
                         scry_op_name(A));
    struct rl *R = scry_alloc(1, sizeof *R);
    if (!R) return SCRY_FAIL(err, SCRY_ENOMEM, "richardson-lucy");
    R->base = (scry_solver){ .method = &scry_method_richardson_lucy, .problem = *problem,
                             .opts = *opts, .space = *scry_op_dom(A), .steps = opts->steps,
                             .start_fn = rl_start, .step_fn = rl_step, .destroy = rl_destroy };
    if ((st = scryi_fit_create(&R->fit, problem, &R->base.counts, err)) != SCRY_OK) goto done;
    const size_t n = R->base.n = R->fit.n, m = R->fit.m;
    scryi_difference_init(&R->G, &R->base.space);
    R->v = scry_alloc(n, sizeof(float));
    R->z = scry_alloc(n, sizeof(float));
    R->weights = scry_alloc(n, sizeof(float));
    R->u = scry_alloc(n, sizeof(float));
    R->ratio = scry_alloc(m, sizeof(float));
    bool ok = estimate_alloc(&R->full, n, m) && R->v && R->z && R->weights && R->u && R->ratio;
    if (holds_out(R)) {
        R->held = scry_alloc(m, sizeof(float));
        R->best = scry_alloc(n, sizeof(float));
        R->rng = gsl_rng_alloc(scry_rng_gsl());
        ok = ok && estimate_alloc(&R->train, n, m) && R->held && R->best && R->rng;
    }
    if (opts->tv > 0) ok = (R->p = scry_alloc(n, (size_t)R->G.axes * sizeof(float))) && ok;
    if (!ok) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "richardson-lucy: %zu pixels", n);
        goto done;
    }
    *out = &R->base;
    R = NULL;
done:
    if (R) rl_destroy(&R->base);
    return st;
}
