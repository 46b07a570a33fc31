/* Richardson-Lucy: expectation maximisation for counted light (Richardson 1972, JOSA 62:55; Lucy
 * 1974, AJ 79:745; Shepp & Vardi 1982, IEEE TMI 1:113), with total variation, acceleration and
 * stopping rules:
 *
 *   x <- x / (A^T 1 (1 - tv div(grad x / |grad x|))) * A^T [ d / (A x + c) ]
 *
 *   x   image in physical units, >= 0            A   operator with non-negative entries
 *   d   data + shift, cut at 0                   c   background + shift
 *
 * shift: Poisson counts plus Gaussian read noise r have mean and variance of Poisson(m + r^2) after
 *   adding r^2 (Snyder, Hammoud & White 1993, JOSA A 10:1014). Purely Gaussian noise has no such
 *   unit; a shift of 2 sigma keeps 98 % of dark pixels above the cut, in any unit.
 * A^T 1 is below 1 in the margin of an open boundary, and normalises EM there (Bertero & Boccacci
 *   2005, A&A 437:369); where it is almost 0 nothing was measured, and x keeps its first value.
 * tv: one-step-late total variation (Dey et al. 2006, Microsc. Res. Tech. 69:260, Eq. 11).
 * Acceleration: vector extrapolation of Biggs & Andrews 1997, Appl. Opt. 36:1766, or Nesterov's
 *   momentum with the gradient restart of O'Donoghue & Candes 2015, Found. Comput. Math. 15:715.
 *
 * Stopping. EM fits noise in the end, so the number of iterations regularises. By default
 *   the counts are split binomially into independent parts (80 % and 20 %; Neufeld et al. 2024,
 *   JMLR 25:57), a second estimate is fitted to the first part alone, and both stop when the
 *   likelihood of the other part under it is largest.
 * frc: two more estimates are fitted to halves of the counts, and all stop when the halves agree
 *   best in Fourier rings, after Koho et al. 2019, Nat. Commun. 10:3103, who stop Richardson-Lucy
 * by the resolution of its iterates. The noise of the two halves is independent, so only structure
 *   correlates. ENOUGH explains the criterion. Correlation does not depend on amplitude: with few
 *   resolved rings (a PSF of many pixels, a few photons, small stacks, whose planes are correlated
 *   one by one) its curve is flat and the peak means little; held-out counts are better there. */
#include "solvers/classical/difference_impl.h"
#include "solvers/classical/fit_impl.h"

#include "lib/memory.h"
#include "lib/stats/metrics.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"
#include "lib/vector.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

/* Share of the counts that the second estimate is fitted to. On 42 simulated acquisitions (fourteen
 * images that no bench uses, 20 to 1000 photons) 0.5, 0.8 and 0.9 all stop within 0.15 dB of the
 * best iteration on average; 0.8 was as good as or better than both overall. */
#define TRAIN_SHARE 0.8
/* The weight of a ring rises with its correlation c from 1/7, the usual threshold of resolution,
 * and is constant from 1/3 on: the whole data then correlate by 2 c / (1 + c) = 1/2
 * (Spearman-Brown; Rosenthal & Henderson 2003, JMB 333:721), as much signal as noise. Without the
 * upper limit, rings of high correlation stop the run while the image still improves, 2 dB under
 * the best iteration at 1000 photons; the resolution alone does not see noise until it changes, 1
 * dB there. */
#define CROSSING (1.0 / 7) /* that of scry_frc */
#define ENOUGH (1.0 / 3)
/* First iteration that is compared. Earlier the image is almost linear in the data: beyond the
 * passband it has little but the leakage of the window from bright structures, which is the same in
 * both halves. */
#define FIRST 3
#define SEEN 1e-3  /* of the largest A^T 1: less than this is unmeasured */
#define FLOOR 1e-6 /* of the start: a factor of 0 could never recover */

struct estimate {
    float *x, *old;  /* now, one iteration before: n each */
    float *change;   /* EM step before: n */
    float *m, *mold; /* A x, A old: m each */
    float *d;        /* its share of the data: m */
    double share;    /* of the counts */
    double pace;     /* Nesterov's t, or the next factor of Biggs & Andrews */
};

enum rl_stop {
    RL_STOP_STEPS = 0,   /* the count of iterations that was given */
    RL_STOP_DISCREPANCY, /* chi2 per measurement reaches 1 */
    RL_STOP_HOLDOUT,     /* the prediction of held-out data is best */
    RL_STOP_FRC          /* Fourier ring correlation of two independent halves stops improving */
};
static const char *const rl_stop_names[] = {[RL_STOP_STEPS] = "steps",
                                            [RL_STOP_DISCREPANCY] = "discrepancy",
                                            [RL_STOP_HOLDOUT] = "holdout",
                                            [RL_STOP_FRC] = "frc",
                                            NULL};
enum rl_accelerate { RL_ACCELERATE_NONE = 0, RL_ACCELERATE_BIGGS, RL_ACCELERATE_NESTEROV };
static const char *const rl_accelerate_names[] = {[RL_ACCELERATE_NONE] = "none",
                                                  [RL_ACCELERATE_BIGGS] = "biggs",
                                                  [RL_ACCELERATE_NESTEROV] = "nesterov",
                                                  NULL};

struct rl_options {
    size_t iterations;
    enum rl_stop stop;
    enum rl_accelerate accelerate;
    double tv;
};

struct rl {
    scry_solver base;
    scryi_fit fit;
    scryi_difference G;
    struct estimate full, train, other; /* other: of the rest of the counts, with frc */
    float *v, *z;                       /* extrapolated point, EM factor: n */
    float *weights;                     /* A^T 1: n */
    float *ratio;                       /* m */
    float *held;                        /* part of the data that `train` does not see: m */
    float *best, *u;                    /* n */
    float *p;                           /* gradient: axes * n, with tv */
    double seen, floor, c, shift;
    size_t top, left, rows, columns; /* of the part of a plane that is measured, with frc */
    double best_value;
    size_t best_step;
    gsl_rng *rng;
};

static const struct rl_options *rl_settings(const struct rl *R)
{
    return scry_options_block(&R->base.options);
}

static bool by_rings(const struct rl *R)
{
    return rl_settings(R)->stop == RL_STOP_FRC;
}

static bool rl_splits(const struct rl *R)
{
    return rl_settings(R)->stop == RL_STOP_HOLDOUT || by_rings(R);
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
    estimate_free(&R->other);
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
    for (size_t i = 0; i < R->base.n; i++)
        R->v[i] = 1;
    if ((st = scryi_fit_forward(&R->fit, R->v, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < R->fit.m; i++)
        R->full.d[i] = (float)(map.scale * R->fit.b[i] + map.shift * R->fit.Au[i] + R->c);
    return SCRY_OK;
}

static scry_status start_weights(struct rl *R, scry_error *err)
{
    float low = 0, high = 0;
    for (size_t i = 0; i < R->fit.m; i++)
        R->ratio[i] = 1;
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

/* train.d and rest: independent parts of the full data. Counts: binomial. Gaussian noise of known
 * sd: the two combinations y + a s n, y - s n / a with a^2 = (1 - share) / share are
 * independent. */
static scry_status split_data(struct rl *R, scry_error *err)
{
    const scry_solver *S = &R->base;
    const scry_noise *noise = scry_likelihood_noise(R->fit.L);
    const double share = by_rings(R) ? 0.5 : TRAIN_SHARE, a = sqrt((1 - share) / share);
    float *rest = by_rings(R) ? R->other.d : R->held;
    if (noise->kind == SCRY_NOISE_GAUSSIAN) {
        scry_rng_normal(rest, 0, R->fit.m, S->seed, S->chain, 0);
        for (size_t i = 0; i < R->fit.m; i++) {
            const double n = noise->sigma * rest[i];
            R->train.d[i] = (float)(R->full.d[i] + a * n);
            rest[i] = (float)(R->full.d[i] - n / a);
        }
        R->train.share = R->other.share = 1;
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
        const double part = gsl_ran_binomial(R->rng, share, (unsigned)count);
        R->train.d[i] = (float)part;
        rest[i] = (float)(count - part);
    }
    R->train.share = share;
    R->other.share = 1 - share;
    return SCRY_OK;
}

static scry_status start_estimate(struct rl *R, struct estimate *e, float level, scry_error *err)
{
    for (size_t i = 0; i < R->base.n; i++)
        e->x[i] = level;
    for (size_t i = 0; i < R->fit.m; i++)
        e->d[i] = fmaxf(e->d[i], 0);
    memset(e->change, 0, R->base.n * sizeof(float));
    memcpy(e->old, e->x, R->base.n * sizeof(float));
    e->pace = 1;
    scry_status st = scry_op_forward(R->fit.A, e->m, e->x, R->fit.work, err);
    R->fit.counts->forward++;
    memcpy(e->mold, e->m, R->fit.m * sizeof(float));
    return st;
}

/* A^T 1 reaches half its largest value: where data are, not the margin of an open boundary. */
static bool rl_measured(const struct rl *R, size_t i)
{
    return R->weights[i] * SEEN >= 0.5 * R->seen;
}

/* The rows and columns with measured pixels: the area of the Fourier rings. */
static void find_measured(struct rl *R)
{
    const scry_space *s = &R->base.space;
    const size_t ny = s->dims[s->rank - 2], nx = s->dims[s->rank - 1];
    size_t bottom = 0, right = 0;
    R->top = ny;
    R->left = nx;
    for (size_t i = 0; i < R->base.n; i++) {
        const size_t y = i / nx % ny, x = i % nx;
        if (!rl_measured(R, i)) continue;
        R->top = y < R->top ? y : R->top;
        R->left = x < R->left ? x : R->left;
        bottom = y >= bottom ? y + 1 : bottom;
        right = x >= right ? x + 1 : right;
    }
    R->rows = bottom - R->top;
    R->columns = right - R->left;
}

static scry_status check_rings(const struct rl *R, scry_error *err)
{
    if (R->rows >= 8 && R->columns >= 8) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ESHAPE,
                     "richardson-lucy: planes of %zu x %zu measured pixels, expected 8 x 8 or more "
                     "for Fourier rings; choose another stopping rule",
                     R->rows, R->columns);
}

static scry_status rl_start(scry_solver *S, scry_error *err)
{
    struct rl *R = (struct rl *)S;
    scry_status st;
    if ((st = start_weights(R, err)) != SCRY_OK) return st;
    if ((st = physical_data(R, err)) != SCRY_OK) return st;
    R->full.share = 1;
    if (by_rings(R)) {
        find_measured(R);
        if ((st = check_rings(R, err)) != SCRY_OK) return st;
    }
    if (rl_splits(R) && (st = split_data(R, err)) != SCRY_OK) return st;

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
    if (rl_splits(R)) st = start_estimate(R, &R->train, (float)level, err);
    if (st == SCRY_OK && by_rings(R)) st = start_estimate(R, &R->other, (float)level, err);
    return st;
}

/* The factor of the extrapolation along x - old before the next EM step. */
static double rl_momentum(const struct rl *R, struct estimate *e)
{
    const size_t n = R->base.n;
    if (R->base.step == 0 || rl_settings(R)->accelerate == RL_ACCELERATE_NONE) return 0;
    if (rl_settings(R)->accelerate == RL_ACCELERATE_NESTEROV) {
        double along = 0;
        for (size_t i = 0; i < n; i++)
            along += (double)e->change[i] * (e->x[i] - e->old[i]);
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
    const float min = fmaxf((float)R->floor, 1e-30f);
    for (size_t i = 0; i < R->fit.m; i++) {
        const float mean = fmaxf(e->m[i] + a * (e->m[i] - e->mold[i]), 0) + c;
        R->ratio[i] = e->d[i] / (share * fmaxf(mean, min));
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
    const double alpha = rl_momentum(R, e);
    const float a = (float)alpha, min = (float)R->floor, tv = (float)rl_settings(R)->tv;
    for (size_t i = 0; i < n; i++)
        R->v[i] = fmaxf(e->x[i] + a * (e->x[i] - e->old[i]), min);
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
            /* relative to w, or the penalty would dominate in the margin, where w is small; one
             * step late, it may exceed the weight: the step is at most doubled */
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
    if (rl_settings(R)->accelerate == RL_ACCELERATE_BIGGS) e->pace = gg > 0 ? gh / gg : 0;
    float *swap = e->mold;
    e->mold = e->m;
    e->m = swap;
    R->fit.counts->forward++;
    return scry_op_forward(R->fit.A, e->m, e->x, R->fit.work, err);
}

/* Mean log-likelihood of the held-out part under the estimate from the other part. */
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
static double rl_chi2(const struct rl *R)
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

static void copy_measured(const struct rl *R, float *out, const float *plane)
{
    const size_t nx = R->base.space.dims[R->base.space.rank - 1];
    for (size_t y = 0; y < R->rows; y++)
        memcpy(out + y * R->columns, plane + (R->top + y) * nx + R->left, R->columns * sizeof *out);
}

/* How far the estimates of the two halves agree: the sum of min(c, ENOUGH) - CROSSING over the
 * Fourier samples up to the resolution of each plane, divided by all samples. Planes that
 * are not measured (margin of a stack) or constant in one half (no light) are left out. */
static scry_status rl_agreement(const struct rl *R, double *value, scry_error *err)
{
    const scry_space *s = &R->base.space;
    const size_t plane = s->dims[s->rank - 2] * s->dims[s->rank - 1];
    double sum = 0, samples = 0;
    for (size_t p = 0; p < R->base.n; p += plane) {
        scry_frc frc;
        scry_error local = {0};
        size_t first = p;
        while (first < p + plane && !rl_measured(R, first))
            first++;
        if (first == p + plane) continue;
        copy_measured(R, R->v, R->train.x + p);
        copy_measured(R, R->z, R->other.x + p);
        const scry_status st = scry_frc_two(&frc, R->v, R->z, R->rows, R->columns, &local);
        if (st == SCRY_EINVAL) continue;
        if (st != SCRY_OK) return SCRY_FAIL(err, st, "richardson-lucy: halves: %s", local.text);
        for (size_t i = 1; i < frc.rings; i++) { /* ring 0 holds the mean that was removed */
            samples += frc.samples[i];
            if (frc.frequency[i] <= frc.cutoff)
                sum += frc.samples[i] * (fmin(frc.correlation[i], ENOUGH) - CROSSING);
        }
        scry_frc_clear(&frc);
    }
    *value = samples > 0 ? sum / samples : 0;
    return SCRY_OK;
}

/* Keeps the estimate where the criterion peaked. It rises and falls once, with small ripples from
 * the acceleration: a quarter more iterations without a new best end the search. The ring
 * correlation has a plateau where every ring agrees well enough; of equal values the last one
 * counts, because noise ends the plateau. */
static bool past_peak(struct rl *R, double value)
{
    /* 0: no ring agrees */
    const bool plateau = by_rings(R) && value == R->best_value && value != 0;
    if (value > R->best_value || plateau) {
        R->best_value = value;
        R->best_step = R->base.step;
        memcpy(R->best, R->full.x, R->base.n * sizeof(float));
    }
    return R->base.step >= R->best_step + 3 + R->best_step / 4;
}

/* The value that past_peak compares; -inf before the first iteration that is compared. */
static scry_status rl_criterion(const struct rl *R, double *value, scry_error *err)
{
    if (by_rings(R) && R->base.step >= FIRST) return rl_agreement(R, value, err);
    *value = by_rings(R) ? -INFINITY : held_out(R);
    return SCRY_OK;
}

static scry_status rl_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct rl *R = (struct rl *)S;
    scry_status st;
    const scry_affine map = scry_likelihood_map(R->fit.L);
    if ((st = em_step(R, &R->full, err)) != SCRY_OK) return st;
    if (rl_splits(R) && (st = em_step(R, &R->train, err)) != SCRY_OK) return st;
    if (by_rings(R) && (st = em_step(R, &R->other, err)) != SCRY_OK) return st;
    S->step++;

    const double fit = rl_chi2(R);
    if (!isfinite(fit))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "richardson-lucy: iteration %zu is not finite",
                         S->step);
    bool stop = S->step >= S->steps;
    if (rl_settings(R)->stop == RL_STOP_DISCREPANCY && fit <= 1) stop = true;
    if (rl_splits(R)) {
        double value = 0;
        if ((st = rl_criterion(R, &value, err)) != SCRY_OK) return st;
        if (past_peak(R, value)) stop = true;
    }
    if (stop) p->reason = SCRY_DONE;
    const float *x = rl_splits(R) ? R->best : R->full.x;
    for (size_t i = 0; i < S->n; i++)
        R->u[i] = (float)((x[i] - map.shift) / map.scale);
    p->residual = sqrt(fit);
    p->x = p->x0 = R->u;
    return SCRY_OK;
}

static scry_status rl_plan(scry_solver **out, const scry_problem *problem,
                           const scry_options *options, scry_error *err);

static const scry_option rl_options[] = {
    {"iterations", NULL, SCRY_FIELD(struct rl_options, iterations), 500, 1, 100000, NULL,
     "iterations at most (exactly, with stop steps)"},
    {"stop", NULL, SCRY_FIELD(struct rl_options, stop), RL_STOP_HOLDOUT, 0, RL_STOP_FRC,
     rl_stop_names,
     "steps: after the count; discrepancy: when chi2 per pixel reaches 1; holdout: when the "
     "likelihood of held-out counts peaks; frc: when the Fourier rings of estimates from two "
     "halves of the counts agree best"},
    {"acceleration", "accelerate", SCRY_FIELD(struct rl_options, accelerate), RL_ACCELERATE_BIGGS,
     0, RL_ACCELERATE_NESTEROV, rl_accelerate_names,
     "extrapolation between iterations: none, biggs (and Andrews) or nesterov"},
    {"tv-weight", "tv", SCRY_FIELD(struct rl_options, tv), 0, 0, 1, NULL,
     "weight of total variation against the fit (0.002 to 0.05 is usual)"},
    {0},
};

const struct scry_method scry_method_richardson_lucy = {
    .name = "richardson-lucy",
    .title = "Richardson-Lucy",
    .kind = SCRY_CLASSICAL,
    .needs = SCRY_NEEDS_POSITIVE,
    .exact = "point estimate: maximum likelihood, regularised by stopping early",
    .contends = true,
    .citation =
        "Richardson 1972, JOSA 62:55; Lucy 1974, AJ 79:745; Biggs & Andrews 1997, Appl. Opt. "
        "36:1766; Dey et al. 2006, Microsc. Res. Tech. 69:260",
    .options = rl_options,
    .plan = rl_plan,
};

static scry_status rl_plan(scry_solver **out, const scry_problem *problem,
                           const scry_options *options, scry_error *err)
{
    scry_status st = SCRY_OK;
    const struct rl_options *o = scry_options_block(options);
    const scry_op *A = scry_likelihood_op(problem->L);
    if (scry_op_dom(A)->cplx || scry_op_cod(A)->cplx)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "richardson-lucy: %s maps complex images, expected real intensities",
                         scry_op_name(A));
    if (o->stop == RL_STOP_FRC && scry_op_dom(A)->rank < 2)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "richardson-lucy: Fourier rings need planes, %s maps images of rank %d; "
                         "choose another stopping rule",
                         scry_op_name(A), scry_op_dom(A)->rank);
    struct rl *R = scry_alloc(1, sizeof *R);
    if (!R) return SCRY_FAIL(err, SCRY_ENOMEM, "richardson-lucy");
    R->base = (scry_solver){.method = &scry_method_richardson_lucy,
                            .problem = *problem,
                            .options = *options,
                            .space = *scry_op_dom(A),
                            .steps = o->iterations,
                            .start_fn = rl_start,
                            .step_fn = rl_step,
                            .destroy = rl_destroy};
    if ((st = scryi_fit_create(&R->fit, problem, &R->base.counts, err)) != SCRY_OK) goto done;
    const size_t n = R->base.n = R->fit.n, m = R->fit.m;
    scryi_difference_init(&R->G, &R->base.space);
    R->v = scry_alloc(n, sizeof(float));
    R->z = scry_alloc(n, sizeof(float));
    R->weights = scry_alloc(n, sizeof(float));
    R->u = scry_alloc(n, sizeof(float));
    R->ratio = scry_alloc(m, sizeof(float));
    bool ok = estimate_alloc(&R->full, n, m) && R->v && R->z && R->weights && R->u && R->ratio;
    if (rl_splits(R)) {
        R->best = scry_alloc(n, sizeof(float));
        R->rng = gsl_rng_alloc(scry_rng_gsl());
        ok = ok && estimate_alloc(&R->train, n, m) && R->best && R->rng;
    }
    if (o->stop == RL_STOP_HOLDOUT) ok = (R->held = scry_alloc(m, sizeof(float))) && ok;
    if (by_rings(R)) ok = ok && estimate_alloc(&R->other, n, m);
    if (o->tv > 0) ok = (R->p = scry_alloc(n, (size_t)R->G.axes * sizeof(float))) && ok;
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
