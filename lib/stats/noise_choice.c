#include "lib/memory.h"
#include "lib/cancel.h"
#include "lib/stats/noise_impl.h"
#include "lib/vector.h"

#include <math.h>

/* Which treatment the spectrum of an image shows, and how much noise the passband holds. */

static const double enough_evidence = 15;  /* log likelihood ratio against white noise */
static const double not_contradicted = 10; /* of treatments that count as possible */
static const double matters = 1.15;        /* in-band power over variance */
static const double matters_more = 1.6;    /* the same where nothing lies beyond the passband */
static const double little_beyond = .25;   /* share of frequencies beyond the passband */
static const double least_cutoff = .25;    /* of the mean power over the passband */
static const double least_enlarged = .75;  /* the same of an enlarged image */
static const double few_ties = .1;
static const double smoothed_reach = 1.5; /* of Gaussian filters of about 1.5 pixels */

enum { ENOUGH_WINDOWS = 8 };

void scryi_noise_shape_spectrum(scry_noise_spectrum *s, size_t k)
{
    for (int i = 0; i < SCRY_SPECTRUM_ROWS; i++)
        for (int j = 0; j < SCRY_SPECTRUM_COLUMNS; j++)
            s->power[i][j] = scryi_noise_shape_power(k, i / 32. - .5, j / 32.);
}

/* Mean of N, and its mean over the passband, before normalisation. */
void scryi_noise_shape_levels(size_t k, const scry_noise_context *c, double *mean, double *inband)
{
    scry_noise_spectrum s;
    scryi_noise_shape_spectrum(&s, k);
    const double entry = s.power[16][0];
    *mean = *inband = 1;
    if (scry_noise_spectrum_normalise(&s, NULL) != SCRY_OK) return;
    *mean = entry / s.power[16][0];
    *inband = *mean * scry_noise_spectrum_inband(&s, c->transfer, c->ctx);
}

static bool choice_allowed(const scry_noise_model *out, size_t k)
{
    const bool copies = scryi_noise_shape_nonlinear(k) || scryi_noise_shape_repeats(k);
    if (out->findings & SCRY_NOISE_NONLINEAR) return copies;
    /* among many ties those of a median do not stand out; copies would */
    return !copies || (scryi_noise_shape_nonlinear(k) && out->ties > few_ties);
}

static size_t best_allowed(const scry_noise_model *out, const struct scryi_noise_fit *fits)
{
    size_t best = 0;
    for (size_t k = 1; k < scryi_noise_shape_count(); k++)
        if (choice_allowed(out, k) && (!best || fits[k].total < fits[best].total)) best = k;
    return best;
}

/* The best description of a treatment that was found before; 0: there is none. */
static size_t best_of(const scry_noise_treatment *found, const struct scryi_noise_fit *fits)
{
    size_t best = 0;
    for (size_t k = 1; k < scryi_noise_shape_count(); k++)
        if (scryi_noise_shape_is(k, found) && (!best || fits[k].total < fits[best].total)) best = k;
    return best;
}

static void choose_treatment(struct scryi_noise_choice *ch, scry_noise_model *out,
                             const struct scryi_noise_fit *fits,
                             const struct scryi_noise_spectra *s, const scry_noise_context *c)
{
    double mean, inband;
    ch->best = best_allowed(out, fits);
    if ((out->findings & SCRY_NOISE_NONLINEAR) && fits[ch->best].total > fits[0].total) {
        /* stretched values, or a filter that its spectrum does not betray */
        out->findings &= ~(unsigned)SCRY_NOISE_NONLINEAR;
        ch->tied = true;
        ch->best = best_allowed(out, fits);
    }
    ch->evidence = fits[0].total - fits[ch->best].total;
    scryi_noise_shape_levels(ch->best, c, &mean, &inband);
    const size_t kept = c->treatment.name ? best_of(&c->treatment, fits) : 0;
    const size_t best = kept ? kept : ch->best;
    const double needed = enough_evidence * (ch->beyond < little_beyond ? 6 : 1);
    const double close = ch->hidden ? .1 * not_contradicted : not_contradicted;
    if (ch->blocks > 0) {
        ch->best = 0;
        mean = inband = 1;
    } else if (kept) {
        ch->best = kept;
        scryi_noise_shape_levels(kept, c, &mean, &inband);
    } else if (!(out->findings & SCRY_NOISE_NONLINEAR) &&
               (ch->evidence < needed ||
                inband / mean < (ch->beyond < little_beyond ? matters_more : matters))) {
        ch->best = 0;
        mean = inband = 1;
    }
    for (int set = 0; set < 2; set++) {
        const double level = fits[ch->best].level[set < s->sets ? set : 0];
        ch->variance[set] = level * mean + s->floor;
        ch->brightness[set] = s->brightness[set < s->sets ? set : 0];
    }
    const int set = ch->hidden ? 0 : s->sets - 1;
    const double least = fits[best].total;
    for (size_t k = 1; ch->best && k < scryi_noise_shape_count(); k++) {
        if (!choice_allowed(out, k) || fits[k].total > least + close) continue;
        scryi_noise_shape_levels(k, c, &mean, &inband);
        /* coarser structure keeps some of its noise; structure that a large median
         * changed is added to the noise that it leaves */
        if (c->transfer && !(scryi_noise_shape_nonlinear(k) && scryi_noise_shape(k).size > 4))
            inband =
                fmax(scryi_noise_fit_cutoff(&fits[k], k, set, s, c->transfer, c->ctx),
                     (scryi_noise_shape_factor(k) > 1 ? least_enlarged : least_cutoff) * inband);
        const double level = (fits[k].level[set] * inband + s->floor) / ch->variance[set];
        ch->inflation = fmax(ch->inflation, level);
    }
}

/* Each window's power weighted by |H|^2: the noise in the passband, and the signal there. */
static scry_status measure_inband(struct scryi_noise_choice *ch,
                                  const struct scryi_noise_windows *w,
                                  const struct scryi_noise_spectra *s, const scry_noise_context *c,
                                  scry_error *err)
{
    const double coarse = .1;
    double *weight = scry_alloc(s->used, sizeof *weight), sum = 0, squares = 0;
    ch->inband = scry_alloc(3 * w->count, sizeof *ch->inband);
    if (!weight || !ch->inband) {
        scry_free(weight);
        return SCRY_FAIL(err, SCRY_ENOMEM, "powers of %zu windows", w->count);
    }
    ch->mean = ch->inband + w->count;
    ch->scratch = ch->mean + w->count;
    ch->count = w->count;
    for (size_t k = 0; k < s->used; k++) {
        double fy, fx;
        scryi_noise_frequency(&fy, &fx, s->index[k], s->side);
        const double f = hypot(fy, fx);
        weight[k] =
            s->weight[k] * (c->transfer ? c->transfer(f, c->ctx) : exp(-f * f / (coarse * coarse)));
        sum += weight[k];
        squares += weight[k] * weight[k];
    }
    ch->freedom = SCRYI_BIN_FREEDOM * sum * sum / squares;
    ch->weight = weight;
    ch->weights = sum;
    for (size_t i = 0; i < w->count; i++) {
        double power = 0;
        for (size_t k = 0; k < s->used; k++)
            power += weight[k] * w->power[i * w->bins + s->index[k]];
        ch->inband[i] = (float)(power / sum);
        ch->mean[i] = w->mean[i];
    }
    return SCRY_OK;
}

/* Windows do not see the lowest frequencies, where smoothed noise is strongest: the mean of N over
 * the passband, over its mean where they see it. */
static double quiet_reach(const struct scryi_noise_choice *ch, const struct scryi_noise_spectra *s,
                          const scry_noise_context *c)
{
    double seen = 0, mean, inband;
    if (ch->hidden && !ch->best) return smoothed_reach;
    for (size_t k = 0; k < s->used; k++) {
        double fy, fx;
        scryi_noise_frequency(&fy, &fx, s->index[k], s->side);
        seen += ch->weight[k] / ch->weights * scryi_noise_shape_power(ch->best, fy, fx);
    }
    scryi_noise_shape_levels(ch->best, c, &mean, &inband);
    return seen > 0 ? fmin(inband / seen, 4) : 1;
}

/* The bound of the quietest windows: noise of brightness `mean` has no more power in the passband
 * than a window holds there, after scaling by the fitted variances. The fifth smallest in twenty,
 * corrected for its bias by chance (Wilson & Hilferty 1931, gamma distribution). Where
 * rounding hides the variances there is no scaling, and the seventh in twenty is taken. */
double scryi_noise_quiet(const struct scryi_noise_choice *ch, const scry_noise_model *m,
                         double mean)
{
    const double v = scry_noise_model_variance(m, mean);
    for (size_t i = 0; i < ch->count && !ch->hidden; i++)
        ch->inband[i] *= (float)(v / scry_noise_model_variance(m, ch->mean[i]));
    const double low = scry_quantile(ch->inband, ch->count, .2, ch->inband);
    const double z = -.8416, k = 9 * ch->freedom;
    return ch->reach * low / pow(fmax(1 - 1 / k + z / sqrt(k), .3), 3);
}

/* Beyond the passband: measured over fitted power of white noise, by ring and direction. */
static void ring_ratios(scry_noise_model *out, const struct scryi_noise_spectra *s,
                        const float *signal, const float *noise)
{
    double sum[3][3] = {{0}}, weights[3][3] = {{0}}, first = 1;
    for (int pass = 0; pass < 2; pass++)
        for (size_t k = 0; k < s->used; k++) {
            const size_t i = s->index[k];
            double fy, fx;
            scryi_noise_frequency(&fy, &fx, i, s->side);
            const double f = hypot(fy, fx), S = noise[i] + s->floor;
            if (signal[i] > .05 * S) continue;
            if (!pass) {
                first = fmin(first, f);
                continue;
            }
            const int ring = (int)fmin(2, 3 * (f - first) / (sqrt(.5) - first + 1e-9));
            const int way = fabs(fy) > 2.4 * fabs(fx) ? 0 : fabs(fx) > 2.4 * fabs(fy) ? 2 : 1;
            sum[ring][way] += s->weight[k] * s->median[0][i] / S;
            weights[ring][way] += s->weight[k];
        }
    double error = 0, cells = 0;
    for (int ring = 0; ring < 3; ring++)
        for (int way = 0; way < 3; way++) {
            const double w = weights[ring][way];
            out->ring[ring][way] = w > 0 ? sum[ring][way] / w : NAN;
            if (!(w > 0)) continue;
            error += 1 / sqrt(w);
            cells++;
        }
    out->ring_error = cells > 0 ? error / cells : NAN;
}

/* Whether beyond the passband three windows in four show little more than the noise of rounding;
 * and the share of frequencies that lie there. */
static bool rounding_rules(const struct scryi_noise_windows *w, const struct scryi_noise_spectra *s,
                           const float *signal, const float *noise, float *scratch, double *beyond)
{
    *beyond = 0;
    for (size_t k = 0; k < s->used; k++) {
        const size_t i = s->index[k];
        *beyond += signal[i] <= .05 * (noise[i] + s->floor) ? 1. / (double)s->used : 0;
    }
    for (size_t j = 0; j < w->count; j++) {
        double sum = 0, n = 0;
        for (size_t k = 0; k < s->used; k++) {
            const size_t i = s->index[k];
            if (signal[i] > .03 * (noise[i] + s->floor)) continue;
            sum += w->power[j * w->bins + i];
            n++;
        }
        scratch[j] = (float)(n > 0 ? sum / n : INFINITY);
    }
    return s->floor > 0 && scry_quantile(scratch, w->count, .75, scratch) < 3 * s->floor;
}

void scryi_noise_choice_free(struct scryi_noise_choice *ch)
{
    scry_free(ch->inband);
    scry_free(ch->weight);
}

scry_status scryi_noise_study(scry_noise_model *out, struct scryi_noise_choice *ch,
                              const float *image, const struct scryi_noise_mask *m,
                              const scry_noise_context *c, scry_error *err)
{
    struct scryi_noise_windows w = {0};
    struct scryi_noise_spectra s = {0};
    struct scryi_noise_fit *fits = scry_alloc(scryi_noise_shape_count(), sizeof *fits);
    float *signal = NULL;
    scry_status st = fits ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "fits of treatments");
    for (size_t side = 32; st == SCRY_OK && side >= 16 && w.count < ENOUGH_WINDOWS; side /= 2) {
        scryi_noise_windows_free(&w);
        st = scryi_noise_windows_create(&w, image, m, side, err);
        if (w.count >= ENOUGH_WINDOWS) break;
    }
    if (st != SCRY_OK || !w.count) goto done;
    out->windows = w.count;
    out->side = w.side;
    signal = scry_alloc(2 * w.bins, sizeof *signal);
    if (!signal) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "spectra of %zu entries", w.bins);
        goto done;
    }
    if ((st = scry_cancel_check(err)) != SCRY_OK) goto done;
    if ((st = scryi_noise_spectra_create(&s, &w, m->step * m->step / 12, err)) != SCRY_OK)
        goto done;
    st = scryi_noise_fit_all(fits, &s, SIZE_MAX, c->transfer, c->ctx, err);
    if (st != SCRY_OK) goto done;
    st = scryi_noise_fit_model(signal, signal + w.bins, &fits[0], 0, 0, &s, c->transfer, c->ctx,
                               err);
    if (st != SCRY_OK) goto done;
    ring_ratios(out, &s, signal, signal + w.bins);
    if ((st = measure_inband(ch, &w, &s, c, err)) != SCRY_OK) goto done;
    ch->hidden = rounding_rules(&w, &s, signal, signal + w.bins, ch->scratch, &ch->beyond);
    choose_treatment(ch, out, fits, &s, c);
    out->evidence = ch->evidence;
    if (ch->best) out->findings |= SCRY_NOISE_CORRELATED;
    ch->reach = quiet_reach(ch, &s, c);
done:
    scryi_noise_windows_free(&w);
    scryi_noise_spectra_free(&s);
    scry_free(fits);
    scry_free(signal);
    return st;
}
