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
 * Flux: light that the last image has beyond that of the data is taken off as a constant
 *   (scryi_em_pedestal).
 * tv: one-step-late total variation (Dey et al. 2006, Microsc. Res. Tech. 69:260, Eq. 11).
 * Acceleration: vector extrapolation of Biggs & Andrews 1997, Appl. Opt. 36:1766, or Nesterov's
 *   momentum with the gradient restart of O'Donoghue & Candes 2015, Found. Comput. Math. 15:715.
 *
 * Stopping. EM fits noise in the end, so the number of iterations regularises. By default
 *   the counts are split binomially into independent parts (80 % and 20 %; Neufeld et al. 2024,
 *   JMLR 25:57), an estimate is fitted to the first part alone until the likelihood of the part
 *   that it has not seen has peaked, and then all counts get as many iterations.
 * frc: two estimates are fitted to halves of the counts first, until the halves agree
 *   best in Fourier rings, after Koho et al. 2019, Nat. Commun. 10:3103, who stop
 *   Richardson-Lucy by the resolution of its iterates. The noise of the two halves is independent,
 *   so only structure correlates. ENOUGH explains the criterion. Correlation does not depend on
 *   amplitude: with few resolved rings (a PSF of many pixels, a few photons, small stacks, whose
 *   planes are correlated one by one) its curve is flat and the peak means little; held-out counts
 *   are better there. */
#include "solvers/classical/em_impl.h"
#include "solvers/classical/fit_impl.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"
#include "lib/stats/metrics.h"
#include "lib/vector.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

/* Share of the counts that the first estimate is fitted to. On 42 simulated acquisitions (fourteen
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
#define FLOOR 1e-6 /* of the start: a factor of 0 could never recover */

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
static const char *const rl_accelerate_names[] = {
    [SCRYI_EM_PLAIN] = "none", [SCRYI_EM_BIGGS] = "biggs", [SCRYI_EM_NESTEROV] = "nesterov", NULL};

struct rl_options {
    size_t iterations;
    enum rl_stop stop;
    enum scryi_em_acceleration accelerate;
    double tv;
};

/* The arrays of fit serve twice: once the data are known, d of the estimate is in fit.b, or, of a
 * part of the counts, in fit.W with the rest in fit.b; A x and A old are in fit.Au and
 * fit.scratch. */
struct rl {
    scry_solver base;
    scryi_fit fit;
    scryi_em em;
    scryi_em_estimate now, other;    /* other: of the rest of the counts, with frc */
    float *other_m, *other_mold;     /* m, with frc */
    float *plane;                    /* two planes, with frc */
    bool searching;                  /* for the count of iterations, on parts of the data */
    size_t last;                     /* iterations of all data */
    double shift, level, flux;       /* flux: of the data, above the background */
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

static bool rl_is_gaussian(const struct rl *R)
{
    return scry_likelihood_noise(R->fit.L)->kind == SCRY_NOISE_GAUSSIAN;
}

static void rl_destroy(scry_solver *S)
{
    struct rl *R = (struct rl *)S;
    if (!R) return;
    scryi_em_estimate_free(&R->now);
    scryi_em_estimate_free(&R->other);
    scryi_em_clear(&R->em);
    scryi_fit_free(&R->fit);
    scry_free(R->other_m);
    scry_free(R->other_mold);
    scry_free(R->plane);
    if (R->rng) gsl_rng_free(R->rng);
    scry_free(R);
}

/* fit.b = the data in physical units, shifted. b of the fit is (y_e - background) / scale -
 * (shift / scale) A 1, in the unit of A u, so that A 1 is needed. */
static scry_status physical_data(struct rl *R, scry_error *err)
{
    scry_status st;
    const scry_affine map = scry_likelihood_map(R->fit.L);
    const scry_noise *noise = scry_likelihood_noise(R->fit.L);
    const double r = noise->kind == SCRY_NOISE_POISSON_GAUSSIAN ? noise->read_noise : 0;
    R->shift = rl_is_gaussian(R) ? 2 * noise->sigma : r * r;
    R->em.c = noise->background + R->shift;
    if ((st = scryi_fit_flat(&R->fit, R->em.z, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < R->base.n; i++)
        R->em.z[i] = 1;
    if ((st = scryi_fit_forward(&R->fit, R->em.z, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < R->fit.m; i++)
        R->fit.b[i] = (float)(map.scale * R->fit.b[i] + map.shift * R->fit.Au[i] + R->em.c);
    return SCRY_OK;
}

static void rl_cut_at_zero(float *d, size_t m)
{
    for (size_t i = 0; i < m; i++)
        d[i] = fmaxf(d[i], 0);
}

/* fit.W and fit.b: independent parts of the data that fit.b held. Counts: binomial. Gaussian noise
 * of known sd: the two combinations y + a s n, y - s n / a with a^2 = (1 - share) / share are
 * independent. */
static scry_status split_data(struct rl *R, scry_error *err)
{
    const scry_solver *S = &R->base;
    const scry_noise *noise = scry_likelihood_noise(R->fit.L);
    const double share = by_rings(R) ? 0.5 : TRAIN_SHARE, a = sqrt((1 - share) / share);
    float *part = R->fit.W, *rest = R->fit.b;
    if (noise->kind == SCRY_NOISE_GAUSSIAN) {
        scry_rng_normal(part, 0, R->fit.m, S->seed, S->chain, 0);
        for (size_t i = 0; i < R->fit.m; i++) {
            const double n = noise->sigma * part[i], d = rest[i];
            part[i] = (float)(d + a * n);
            rest[i] = (float)(d - n / a);
        }
        R->now.share = R->other.share = 1;
        return SCRY_OK;
    }
    for (size_t i = 0; i < R->fit.m; i++) {
        const double count = nearbyint(fmax(rest[i], 0));
        if (count > 4e9)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "richardson-lucy: pixel %zu has %g electrons, more than can be split; "
                             "choose another stopping rule",
                             i, count);
        scry_rng_gsl_seek(R->rng, S->seed, S->chain, 0, (uint32_t)(i & 0x3fffffffu));
        const double taken = gsl_ran_binomial(R->rng, share, (unsigned)count);
        part[i] = (float)taken;
        rest[i] = (float)(count - taken);
    }
    R->now.share = share;
    R->other.share = 1 - share;
    return SCRY_OK;
}

/* The rows and columns with measured pixels: the pixels of the Fourier rings. */
static void find_measured(struct rl *R)
{
    const scry_space *s = &R->base.space;
    const size_t ny = s->dims[s->rank - 2], nx = s->dims[s->rank - 1];
    size_t bottom = 0, right = 0;
    R->top = ny;
    R->left = nx;
    for (size_t i = 0; i < R->base.n; i++) {
        const size_t y = i / nx % ny, x = i % nx;
        if (!scryi_em_measured(&R->em, i)) continue;
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

/* All of the data, or, while searching, their parts. */
static scry_status start_estimates(struct rl *R, scry_error *err)
{
    scry_status st;
    scryi_em_estimate *e = &R->now;
    e->m = R->fit.Au;
    e->mold = R->fit.scratch;
    e->d = R->fit.b;
    e->share = 1;
    if (R->searching) {
        if ((st = split_data(R, err)) != SCRY_OK) return st;
        e->d = R->fit.W;
        rl_cut_at_zero(R->fit.W, R->fit.m);
    }
    if (!R->searching || by_rings(R)) rl_cut_at_zero(R->fit.b, R->fit.m);
    if ((st = scryi_em_start(&R->em, e, R->level, err)) != SCRY_OK) return st;
    if (!R->searching || !by_rings(R)) return SCRY_OK;
    R->other.m = R->other_m;
    R->other.mold = R->other_mold;
    R->other.d = R->fit.b;
    return scryi_em_start(&R->em, &R->other, R->level, err);
}

static scry_status rl_start(scry_solver *S, scry_error *err)
{
    struct rl *R = (struct rl *)S;
    scry_status st;
    double weights;
    if ((st = scryi_em_weigh(&R->em, R->fit.scratch, &weights, err)) != SCRY_OK) return st;
    if ((st = physical_data(R, err)) != SCRY_OK) return st;
    if (by_rings(R)) {
        find_measured(R);
        if ((st = check_rings(R, err)) != SCRY_OK) return st;
    }
    /* Flat, with the flux of the data: the M-step of a constant. */
    const double dark = R->em.c * (double)R->fit.m;
    const double flux = scry_sum(R->fit.b, R->fit.m) - dark;
    R->flux = flux;
    R->level = fmax(flux, 1e-3 * dark) / weights;
    if (!(R->level > 0))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "richardson-lucy: the data hold no light (%g above the background)", flux);
    R->em.floor = FLOOR * R->level;
    R->best_value = -INFINITY;
    R->best_step = 0;
    R->searching = rl_splits(R);
    R->last = S->steps = rl_settings(R)->iterations;
    return start_estimates(R, err);
}

/* Of the data that the estimate is fitted to, and, while they say when to stop, of those that it
 * has not seen. */
static struct scryi_em_judgement rl_judge(const struct rl *R)
{
    const double spread = R->searching ? 1 / TRAIN_SHARE : 1; /* of parts of Gaussian noise */
    const double sigma = rl_is_gaussian(R) ? scry_likelihood_noise(R->fit.L)->sigma : 0;
    const bool held = R->searching && !by_rings(R);
    return scryi_em_judge(&R->em, &R->now, held ? R->fit.b : NULL, spread * sigma * sigma);
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
        while (first < p + plane && !scryi_em_measured(&R->em, first))
            first++;
        if (first == p + plane) continue;
        float *one = R->plane, *two = R->plane + plane;
        copy_measured(R, one, R->now.x + p);
        copy_measured(R, two, R->other.x + p);
        const scry_status st = scry_frc_two(&frc, one, two, R->rows, R->columns, &local);
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

/* Keeps the count of iterations where the criterion peaked. It rises and falls once, with small
 * ripples from the acceleration: a quarter more iterations without a new best end the search. The
 * ring correlation has a plateau where every ring agrees well enough; of equal values the last one
 * counts, because noise ends the plateau. */
static bool past_peak(struct rl *R, double value)
{
    /* 0: no ring agrees */
    const bool plateau = by_rings(R) && value == R->best_value && value != 0;
    if (value > R->best_value || plateau) {
        R->best_value = value;
        R->best_step = R->base.step;
    }
    return R->base.step >= R->best_step + 3 + R->best_step / 4;
}

/* The value that past_peak compares; -inf before the first iteration that is compared. */
static scry_status rl_criterion(const struct rl *R, double held_out, double *value, scry_error *err)
{
    if (by_rings(R) && R->base.step >= FIRST) return rl_agreement(R, value, err);
    *value = by_rings(R) ? -INFINITY : held_out;
    return SCRY_OK;
}

/* The number of iterations is found: all of the data get as many. */
static scry_status rl_end_search(struct rl *R, scry_error *err)
{
    scry_status st = physical_data(R, err);
    if (st != SCRY_OK) return st;
    R->searching = false;
    R->last = R->best_step;
    R->base.steps = R->base.step + R->last;
    return start_estimates(R, err);
}

/* em.z = the estimate in the variable of the caller; the last one with the flux of the data */
static void rl_report(struct rl *R, scry_progress *p, double chi2)
{
    const scry_affine map = scry_likelihood_map(R->fit.L);
    const double excess = p->reason == SCRY_DONE ? scryi_em_pedestal(&R->em, &R->now, R->flux) : 0;
    const float scale = (float)(1 / map.scale), shift = (float)(map.shift / map.scale);
    /* data below an offset that is too high have no light that could be positive */
    const float least = R->flux > 0 ? 0 : -INFINITY;
    for (size_t i = 0; i < R->base.n; i++)
        R->em.z[i] = scale * fmaxf(R->now.x[i] - (float)excess, least) - shift;
    p->residual = sqrt(chi2);
    p->x = p->x0 = R->em.z;
}

static scry_status rl_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct rl *R = (struct rl *)S;
    scry_status st;
    if ((st = scryi_em_step(&R->em, &R->now, err)) != SCRY_OK) return st;
    if (R->searching && by_rings(R) && (st = scryi_em_step(&R->em, &R->other, err)) != SCRY_OK)
        return st;
    S->step++;

    const struct scryi_em_judgement now = rl_judge(R);
    if (!isfinite(now.chi2))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "richardson-lucy: iteration %zu is not finite",
                         S->step);
    if (R->searching) {
        double value = 0;
        if ((st = rl_criterion(R, now.fit, &value, err)) != SCRY_OK) return st;
        if ((past_peak(R, value) || S->step >= R->last) && (st = rl_end_search(R, err)) != SCRY_OK)
            return st;
    } else if (R->now.steps >= R->last ||
               (rl_settings(R)->stop == RL_STOP_DISCREPANCY && now.chi2 <= 1)) {
        p->reason = SCRY_DONE;
    }
    rl_report(R, p, now.chi2);
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
    {"acceleration", "accelerate", SCRY_FIELD(struct rl_options, accelerate), SCRYI_EM_BIGGS, 0,
     SCRYI_EM_NESTEROV, rl_accelerate_names,
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
    R->em = (scryi_em){.A = A,
                       .counts = &R->base.counts,
                       .work = R->fit.work,
                       .acceleration = o->accelerate,
                       .tv = o->tv};
    if ((st = scryi_em_init(&R->em, err)) != SCRY_OK) goto done;
    const size_t n = R->base.n = R->fit.n, m = R->fit.m;
    bool ok = scryi_em_estimate_alloc(&R->now, n);
    if (rl_splits(R)) ok = (R->rng = gsl_rng_alloc(scry_rng_gsl())) && ok;
    if (by_rings(R)) {
        const scry_space *s = &R->base.space;
        const size_t plane = s->dims[s->rank - 2] * s->dims[s->rank - 1];
        ok = scryi_em_estimate_alloc(&R->other, n) && ok;
        ok = (R->other_m = scry_alloc(m, sizeof(float))) && ok;
        ok = (R->other_mold = scry_alloc(m, sizeof(float))) && ok;
        ok = (R->plane = scry_alloc(2 * plane, sizeof(float))) && ok;
    }
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
