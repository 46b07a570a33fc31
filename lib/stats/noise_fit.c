#include "lib/stats/noise_impl.h"

#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/vector.h"

#include <math.h>
#include <stdlib.h>

/* Whittle fits of treatments to the median spectrum of windows. */

enum { NEWTON_STEPS = 40, HALVINGS = 8 };

/* Signal models: |H(stretch f)|^2 (f^2 + f0^2)^-power. A PSF that is narrower than the user's
 * passes more, so the stretch goes below 1; a wider one is imitated by a steeper power. */
static const double stretches[] = {1, .87, .75, .6}, powers[] = {.5, 1.25, 2, 3};
enum { STRETCHES = 4, POWERS = 4, SIGNALS = STRETCHES * POWERS };
static const double f0 = .02;

/* In a first pass every treatment meets these signals; the best meet all. */
static const int scouts[] = {1 * POWERS + 2, 2 * POWERS + 0, 2 * POWERS + 2};

void scryi_noise_frequency(double *fy, double *fx, size_t i, size_t side)
{
    const size_t half = side / 2 + 1, row = i / half;
    *fy = (double)(row > side / 2 ? (double)row - (double)side : (double)row) / (double)side;
    *fx = (double)(i % half) / (double)side;
}

bool scryi_noise_far_out(size_t i, size_t side)
{
    double fy, fx;
    scryi_noise_frequency(&fy, &fx, i, side);
    return hypot(fy, fx) > .35;
}

struct fitter {
    const struct scryi_noise_spectra *s;
    scry_transfer_fn *transfer;
    void *ctx;
    float *signal[SIGNALS]; /* before the treatment */
    float *plain[SIGNALS];  /* smeared, for treatments that leave the signal alone */
    float *A, *N, *M, *scratch, *block;
    int signals;
};

static void fitter_free(struct fitter *f)
{
    scry_free(f->block);
}

static double noise_fit_signal(const struct fitter *f, int k, double fy, double fx)
{
    const double r2 = fy * fy + fx * fx;
    const double h = f->transfer ? f->transfer(stretches[k / POWERS] * sqrt(r2), f->ctx) : 1;
    return h * pow(r2 + f0 * f0, -powers[k % POWERS]);
}

/* Frequency on a grid that was enlarged, of the pixels that it was made from: their spectrum
 * repeats, and the interpolation shapes all copies of it, signal and noise alike. */
static double noise_fit_wrapped(double f, double factor)
{
    return (factor * f - round(factor * f)) / factor;
}

/* to = signal k after an enlargement whose noise of variance 1 has the spectrum N. */
static void noise_fit_enlarged(float *to, const struct fitter *f, int k, size_t shape)
{
    const double factor = scryi_noise_shape_factor(shape);
    const double all = scryi_noise_shape_power(shape, 0, 0);
    for (size_t i = 0; i < f->s->bins; i++) {
        double fy, fx;
        scryi_noise_frequency(&fy, &fx, i, f->s->side);
        to[i] = (float)(noise_fit_signal(f, k, noise_fit_wrapped(fy, factor),
                                         noise_fit_wrapped(fx, factor)) *
                        scryi_noise_shape_power(shape, fy, fx) / all);
    }
}

static scry_status fitter_create(struct fitter *f, const struct scryi_noise_spectra *s,
                                 scry_transfer_fn *transfer, void *ctx, scry_error *err)
{
    const size_t bins = s->bins;
    *f = (struct fitter){.s = s, .transfer = transfer, .ctx = ctx};
    f->signals = transfer ? SIGNALS : POWERS;
    f->block = scry_alloc(bins * (2 * SIGNALS + 4), sizeof(float));
    if (!f->block) return SCRY_FAIL(err, SCRY_ENOMEM, "spectra of %zu entries", bins);
    for (int k = 0; k < SIGNALS; k++) {
        f->signal[k] = f->block + (size_t)k * bins;
        f->plain[k] = f->block + (size_t)(SIGNALS + k) * bins;
    }
    f->A = f->block + 2 * SIGNALS * bins;
    f->N = f->A + bins;
    f->M = f->N + bins;
    f->scratch = f->M + bins;
    for (int k = 0; k < f->signals; k++) {
        for (size_t i = 0; i < bins; i++) {
            double fy, fx;
            scryi_noise_frequency(&fy, &fx, i, s->side);
            f->signal[k][i] = (float)noise_fit_signal(f, k, fy, fx);
            f->plain[k][i] = f->signal[k][i];
        }
        scryi_noise_smear(f->plain[k], f->scratch, s->side);
    }
    return SCRY_OK;
}

struct whittle {
    double a, b, loss;
};

/* sum weight (P / S + log S), S = a A + b N + q */
static double whittle_loss(const struct fitter *f, const float *P, const float *A, double a,
                           double b)
{
    const struct scryi_noise_spectra *s = f->s;
    double sum = 0;
    for (size_t k = 0; k < s->used; k++) {
        const size_t i = s->index[k];
        const double S = a * A[i] + b * f->N[i] + s->floor;
        sum += s->weight[k] * (P[i] / S + log(S));
    }
    return sum;
}

/* Newton steps (Fisher scoring) in a and b >= 0; both keep within a factor of 10 a step. */
static struct whittle whittle_fit(const struct fitter *f, const float *P, const float *A)
{
    const struct scryi_noise_spectra *s = f->s;
    double top = 0, low = INFINITY, least = INFINITY;
    for (size_t k = 0; k < s->used; k++) {
        const size_t i = s->index[k];
        least = fmin(least, A[i] > 0 ? P[i] / A[i] : INFINITY);
        low = fmin(low, P[i] / (f->N[i] + 1e-6));
        top += P[i] / (double)s->used;
    }
    struct whittle w = {fmin(least, 1e30), fmax(fmin(low, top), 1e-6 * top), 0};
    w.loss = whittle_loss(f, P, A, w.a, w.b);
    for (int step = 0; step < NEWTON_STEPS; step++) {
        double ga = 0, gb = 0, haa = 0, hab = 0, hbb = 0;
        for (size_t k = 0; k < s->used; k++) {
            const size_t i = s->index[k];
            const double S = w.a * A[i] + w.b * f->N[i] + s->floor;
            const double g = s->weight[k] * (1 - P[i] / S) / S, h = s->weight[k] / (S * S);
            ga += g * A[i];
            gb += g * f->N[i];
            haa += h * A[i] * A[i];
            hab += h * A[i] * f->N[i];
            hbb += h * f->N[i] * f->N[i];
        }
        const double det = haa * hbb * (1 + 1e-12) - hab * hab;
        if (!(det > 0)) break;
        const double da = -(hbb * ga - hab * gb) / det, db = -(haa * gb - hab * ga) / det;
        double t = 1, loss = INFINITY, a = w.a, b = w.b;
        for (int k = 0; k < HALVINGS && !(loss <= w.loss); k++, t /= 2) {
            a = fmin(fmax(w.a + t * da, .1 * w.a), 10 * w.a);
            b = fmin(fmax(w.b + t * db, .1 * w.b), 10 * w.b);
            loss = whittle_loss(f, P, A, a, b);
        }
        if (!(loss <= w.loss)) break;
        const bool done = w.loss - loss < 1e-3;
        w = (struct whittle){a, b, loss};
        if (done) break;
    }
    return w;
}

/* The signal after a treatment, as windows see it (borrowed). */
static const float *noise_fit_treated(const struct fitter *f, int signal, size_t shape, bool filter)
{
    const bool enlarged = scryi_noise_shape_factor(shape) > 1;
    if (!filter && !enlarged) return f->plain[signal];
    if (enlarged)
        noise_fit_enlarged(f->A, f, signal, shape);
    else
        for (size_t i = 0; i < f->s->bins; i++)
            f->A[i] = f->M[i] * f->signal[signal][i];
    scryi_noise_smear(f->A, f->scratch, f->s->side);
    return f->A;
}

static void fit_treatment(struct scryi_noise_fit *out, const struct fitter *f, size_t k, bool all)
{
    const struct scryi_noise_spectra *s = f->s;
    bool filter = false;
    for (size_t i = 0; i < s->bins; i++) {
        double fy, fx;
        scryi_noise_frequency(&fy, &fx, i, s->side);
        f->N[i] = (float)scryi_noise_shape_power(k, fy, fx);
        f->M[i] = (float)scryi_noise_shape_transfer(k, fy, fx);
        filter = filter || f->M[i] < 1;
    }
    scryi_noise_smear(f->N, f->scratch, s->side);
    for (int set = 0; set < s->sets; set++)
        out->loss[set] = INFINITY;
    const int scout_count = f->transfer ? (int)(sizeof scouts / sizeof *scouts) : f->signals;
    const int count = all ? f->signals : scout_count;
    for (int c = 0; c < count; c++) {
        const int signal = all || !f->transfer ? c : scouts[c];
        const float *A = noise_fit_treated(f, signal, k, filter);
        for (int set = 0; set < s->sets; set++) {
            const struct whittle w = whittle_fit(f, s->median[set], A);
            if (w.loss >= out->loss[set]) continue;
            out->loss[set] = w.loss;
            out->level[set] = w.b;
            out->signal[set] = signal;
            out->strength[set] = w.a;
        }
    }
    out->total = 0; /* the darkest are a third of all: nearly independent */
    for (int set = 0; set < s->sets; set++)
        out->total += out->loss[set];
}

scry_status scryi_noise_fit_all(struct scryi_noise_fit *fits, const struct scryi_noise_spectra *s,
                                size_t only, scry_transfer_fn *transfer, void *ctx, scry_error *err)
{
    struct fitter f;
    const size_t count = scryi_noise_shape_count();
    scry_status st = fitter_create(&f, s, transfer, ctx, err);
    if (st != SCRY_OK) return st;
    double best = INFINITY;
    if (only < count) fit_treatment(&fits[only], &f, only, true);
    for (size_t k = only < count ? count : 0; k < count && st == SCRY_OK; k++) {
        if ((st = scry_cancel_check(err)) != SCRY_OK) break;
        fit_treatment(&fits[k], &f, k, k == 0);
        best = fmin(best, fits[k].total);
    }
    /* those that more signals could bring to the front */
    for (size_t k = only < count ? count : 1; k < count && st == SCRY_OK; k++)
        if ((st = scry_cancel_check(err)) == SCRY_OK && fits[k].total < best + 200)
            fit_treatment(&fits[k], &f, k, true);
    fitter_free(&f);
    return st;
}

scry_status scryi_noise_fit_model(float *signal, float *noise, const struct scryi_noise_fit *fit,
                                  size_t k, int set, const struct scryi_noise_spectra *s,
                                  scry_transfer_fn *transfer, void *ctx, scry_error *err)
{
    struct fitter f;
    scry_status st = fitter_create(&f, s, transfer, ctx, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < s->bins; i++) {
        double fy, fx;
        scryi_noise_frequency(&fy, &fx, i, s->side);
        noise[i] = (float)(fit->level[set] * scryi_noise_shape_power(k, fy, fx));
        signal[i] = (float)(f.signal[fit->signal[set]][i] * scryi_noise_shape_transfer(k, fy, fx));
    }
    if (scryi_noise_shape_factor(k) > 1) noise_fit_enlarged(signal, &f, fit->signal[set], k);
    for (size_t i = 0; i < s->bins; i++)
        signal[i] *= (float)fit->strength[set];
    scryi_noise_smear(noise, f.scratch, s->side);
    scryi_noise_smear(signal, f.scratch, s->side);
    fitter_free(&f);
    return SCRY_OK;
}

double scryi_noise_fit_cutoff(const struct scryi_noise_fit *fit, size_t k, int set,
                              const struct scryi_noise_spectra *s, scry_transfer_fn *transfer,
                              void *ctx)
{
    const double stretch = stretches[fit->signal[set] / POWERS];
    const double power = powers[fit->signal[set] % POWERS];
    double sum = 0, weights = 0;
    for (size_t j = 0; j < s->used; j++) {
        double fy, fx;
        scryi_noise_frequency(&fy, &fx, s->index[j], s->side);
        const double r2 = fy * fy + fx * fx;
        const double signal =
            fit->strength[set] * transfer(stretch * sqrt(r2), ctx) * pow(r2 + f0 * f0, -power);
        const double wiener = signal / (signal + fit->level[set] + s->floor);
        const double weight = s->weight[j] * wiener * (1 - wiener);
        sum += weight * scryi_noise_shape_power(k, fy, fx);
        weights += weight;
    }
    return weights > 0 ? sum / weights : 1;
}

static int spectra_ascending(const void *a, const void *b)
{
    const float x = **(const float *const *)a, y = **(const float *const *)b;
    return (x > y) - (x < y);
}

void scryi_noise_spectra_free(struct scryi_noise_spectra *s)
{
    scry_free(s->index);
    scry_free(s->weight);
    scry_free(s->median[0]);
    *s = (struct scryi_noise_spectra){0};
}

/* Median over the darkest `count` windows of each bin, as the mean of the exponential distribution.
 */
static void take_median(float *out, const struct scryi_noise_windows *w, float *const *order,
                        size_t count, float *scratch)
{
    for (size_t i = 0; i < w->bins; i++) {
        for (size_t k = 0; k < count; k++)
            scratch[k] = w->power[(size_t)(order[k] - w->mean) * w->bins + i];
        out[i] = (float)(scry_quantile(scratch, count, .5, scratch) / log(2));
    }
}

scry_status scryi_noise_spectra_create(struct scryi_noise_spectra *s,
                                       const struct scryi_noise_windows *w, double floor,
                                       scry_error *err)
{
    const size_t half = w->side / 2 + 1;
    scry_status st = SCRY_OK;
    *s = (struct scryi_noise_spectra){.side = w->side, .bins = w->bins, .floor = floor};
    s->sets = w->count >= 18 ? 2 : 1;
    s->index = scry_alloc(w->bins, sizeof *s->index);
    s->weight = scry_alloc(w->bins, sizeof *s->weight);
    s->median[0] = scry_alloc(2 * w->bins, sizeof *s->median[0]);
    float *scratch = scry_alloc(w->count, sizeof *scratch);
    float **order = scry_alloc(w->count, sizeof *order);
    if (!s->index || !s->weight || !s->median[0] || !scratch || !order) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "spectra of %zu entries", w->bins);
        goto done;
    }
    s->median[1] = s->median[0] + w->bins;
    for (size_t k = 0; k < w->count; k++)
        order[k] = &w->mean[k];
    take_median(s->median[0], w, order, w->count, scratch);
    qsort(order, w->count, sizeof *order, spectra_ascending);
    if (s->sets > 1) take_median(s->median[1], w, order, w->count / 3, scratch);
    s->brightness[0] = *order[w->count / 2];
    s->brightness[1] = *order[w->count / 6];
    /* a median of exponentials is worth .48 times as many of them in a mean */
    const double freedom = SCRYI_BIN_FREEDOM * .48 * (double)w->count;
    for (size_t i = 0; i < w->bins; i++) {
        double fy, fx;
        scryi_noise_frequency(&fy, &fx, i, w->side);
        if (fy * fy + fx * fx <= pow(2.5 / (double)w->side, 2)) continue;
        const size_t column = i % half;
        s->index[s->used] = i;
        s->weight[s->used++] = freedom * (column == 0 || column == half - 1 ? .5 : 1);
    }
done:
    scry_free(scratch);
    scry_free(order);
    if (st != SCRY_OK) scryi_noise_spectra_free(s);
    return st;
}
