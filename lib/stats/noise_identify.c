#include "lib/stats/noise_identify.h"

#include "lib/memory.h"
#include "lib/stats/noise_impl.h"
#include "lib/vector.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

/* Decisions of the noise model. */

static const double enough_evidence = 25;  /* log likelihood ratio against white noise */
static const double not_contradicted = 10; /* of treatments that count as possible */
static const double matters = 1.15;        /* in-band power over variance */
static const double many_ties = 1.35, few_ties = .1;
static const double full_well = 3e5; /* e-: more light than a pixel of any camera holds */

void scry_noise_context_init(scry_noise_context *context)
{
    *context = (scry_noise_context){.saturation = INFINITY, .known = {NAN, NAN, NAN}};
}

double scry_noise_model_variance(const scry_noise_model *m, double mean)
{
    return fmax(m->slope * mean + m->intercept, m->floor);
}

static void shape_spectrum(scry_noise_spectrum *s, size_t k)
{
    for (int i = 0; i < SCRY_SPECTRUM_ROWS; i++)
        for (int j = 0; j < SCRY_SPECTRUM_COLUMNS; j++)
            s->power[i][j] = scryi_noise_shape_power(k, i / 32. - .5, j / 32.);
}

/* Mean of N, and its mean over the passband, before normalisation. */
static void shape_levels(size_t k, const scry_noise_context *c, double *mean, double *inband)
{
    scry_noise_spectrum s;
    shape_spectrum(&s, k);
    const double entry = s.power[16][0];
    *mean = *inband = 1;
    if (scry_noise_spectrum_normalise(&s, NULL) != SCRY_OK) return;
    *mean = entry / s.power[16][0];
    *inband = *mean * scry_noise_spectrum_inband(&s, c->transfer, c->ctx);
}

/* The treatment that explains the spectra best, and the largest in-band power that the data allow,
 * relative to the variance of the best. */
struct choice {
    size_t best;
    double evidence, inflation;
};

static bool choice_allowed(const scry_noise_model *out, size_t k)
{
    const bool copies = scryi_noise_shape_nonlinear(k) || scryi_noise_shape_repeats(k);
    if (out->findings & SCRY_NOISE_NONLINEAR) return copies;
    return !copies || out->ties > few_ties; /* so many ties that they can hide copies */
}

static struct choice choose_treatment(const scry_noise_model *out,
                                      const struct scryi_noise_fit *fits,
                                      const struct scryi_noise_spectra *s,
                                      const scry_noise_context *c)
{
    struct choice ch = {0, 0, 1};
    double mean, inband;
    for (size_t k = 1; k < scryi_noise_shape_count(); k++)
        if (choice_allowed(out, k) && (!ch.best || fits[k].total < fits[ch.best].total))
            ch.best = k;
    ch.evidence = fits[0].total - fits[ch.best].total;
    shape_levels(ch.best, c, &mean, &inband);
    const bool tied = out->findings & SCRY_NOISE_NONLINEAR;
    if (!tied && (ch.evidence < enough_evidence || inband / mean < matters)) {
        ch.best = 0;
        return ch;
    }
    const int set = s->sets - 1;
    const double variance = fits[ch.best].level[set] * mean + s->floor;
    for (size_t k = 1; k < scryi_noise_shape_count(); k++) {
        if (!choice_allowed(out, k) || fits[k].total > fits[ch.best].total + not_contradicted)
            continue;
        shape_levels(k, c, &mean, &inband);
        ch.inflation = fmax(ch.inflation, (fits[k].level[set] * inband + s->floor) / variance);
    }
    return ch;
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

/* sqrt of the sum of squared correlations over all lags = sqrt of the mean of N^2. */
static double correlation_length(const scry_noise_spectrum *s)
{
    double sum = 0;
    for (int i = 0; i < 32; i++)
        for (int j = 0; j < 32; j++) {
            const double n = scry_noise_spectrum_at(s, i / 32., j / 32.);
            sum += n * n / 1024;
        }
    return sqrt(fmax(sum, 1));
}

/* Variance that is left of Gaussian noise when its lower share p is cut off. */
static double clipped_variance(double p)
{
    if (p <= 0) return 1;
    double low = -6, high = 6;
    for (int k = 0; k < 50; k++) {
        const double z = (low + high) / 2;
        if (.5 * erfc(-z / sqrt(2)) < p)
            low = z;
        else
            high = z;
    }
    const double z = low, density = exp(-z * z / 2) / sqrt(2 * pi);
    const double mean = z * p + density, square = z * z * p + 1 - p + z * density;
    return fmax(square - mean * mean, .05);
}

/* Bins that noise rules even where windows are bright. */
static size_t law_bins(size_t *list, const struct scryi_noise_spectra *s, const float *signal,
                       const float *noise)
{
    static const double margins[] = {30, 10, 3, 0};
    size_t n = 0;
    for (int m = 0; m < 4 && n < 16; m++) {
        n = 0;
        for (size_t k = 0; k < s->used; k++) {
            const size_t i = s->index[k];
            if (margins[m] * signal[i] < noise[i] && (m == 3 || noise[i] > s->floor)) list[n++] = i;
        }
    }
    return n;
}

struct law {
    struct scryi_noise_blocks blocks;
    scry_camera_estimate line, flat;
};

/* Each window's variance of pixels from its power in `list`, over what noise of variance 1 with the
 * treatment's spectrum has there. */
static void law_measure(struct law *l, const struct scryi_noise_windows *w, const size_t *list,
                        size_t n, const float *unit, double floor)
{
    for (size_t k = 0; k < w->count; k++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += (w->power[k * w->bins + list[j]] - floor) / unit[list[j]];
        const double v = fmax(sum / (double)n, 0) + floor;
        l->blocks.mean[k] = w->mean[k];
        l->blocks.var[k] = (float)v;
        const bool fine = floor * 12 < v; /* steps below an sd: a pile is one of clipping */
        if (w->lowest[k] > .02 && fine) {
            const double left = clipped_variance(fmin(w->lowest[k], .8));
            l->blocks.var[k] = (float)(v / left);
        }
    }
    l->blocks.scatter = 1 / sqrt(SCRYI_BIN_FREEDOM * (double)n);
    scryi_noise_line(&l->line, &l->blocks, NAN);
    scryi_noise_line(&l->flat, &l->blocks, 0);
}

static scry_status fit_law(struct law *l, const float *image, const struct scryi_noise_mask *m,
                           size_t planes, size_t ny, size_t nx, size_t k,
                           const scry_noise_context *c, scry_error *err)
{
    struct scryi_noise_windows w = {0};
    struct scryi_noise_spectra s = {0};
    struct scryi_noise_fit *fits = NULL;
    float *signal = NULL;
    size_t *list = NULL;
    double mean, inband;
    const double floor = m->step * m->step / 12;
    scry_status st = scryi_noise_windows_create(&w, image, m, planes, ny, nx, 16, err);
    if (st != SCRY_OK || !w.count) goto done;
    if ((st = scryi_noise_spectra_create(&s, &w, floor, err)) != SCRY_OK) goto done;
    fits = scry_alloc(scryi_noise_shape_count(), sizeof *fits);
    signal = scry_alloc(2 * w.bins, sizeof *signal);
    list = scry_alloc(w.bins, sizeof *list);
    l->blocks.mean = scry_alloc(3 * w.count, sizeof(float));
    if (!fits || !signal || !list || !l->blocks.mean) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "variances of %zu windows", w.count);
        goto done;
    }
    l->blocks.count = w.count;
    l->blocks.var = l->blocks.mean + w.count;
    l->blocks.spare = l->blocks.var + w.count;
    st = scryi_noise_fit_all(fits, &s, k, c->transfer, c->ctx, err);
    if (st != SCRY_OK) goto done;
    float *noise = signal + w.bins;
    st = scryi_noise_fit_model(signal, noise, &fits[k], k, 0, &s, c->transfer, c->ctx, err);
    if (st != SCRY_OK) goto done;
    const size_t n = law_bins(list, &s, signal, noise);
    shape_levels(k, c, &mean, &inband);
    for (size_t i = 0; i < w.bins; i++) /* to noise whose pixels have variance 1 */
        noise[i] = (float)fmax(noise[i] / (fits[k].level[0] * mean), 1e-9);
    if (n)
        law_measure(l, &w, list, n, noise, floor);
    else
        l->blocks.count = 0;
done:
    scryi_noise_windows_free(&w);
    scryi_noise_spectra_free(&s);
    scry_free(fits);
    scry_free(signal);
    scry_free(list);
    return st;
}

static bool plausible_camera(const scry_camera_estimate *e, const struct scryi_noise_mask *m,
                             const scry_noise_context *c)
{
    if (!e->gain_found || !isfinite(e->gain)) return false;
    if (c->integer && (e->gain < .01 || e->gain > 100)) return false;
    return e->gain * (m->highest - e->offset) <= full_well;
}

/* The camera as the passband sees it, or a Gaussian law. */
static void conclude_law(scry_noise_model *out, struct law *l, const struct scryi_noise_mask *m,
                         const scry_noise_context *c)
{
    const scry_camera_estimate *line = &l->line;
    const bool grows = line->slope > 3 * line->slope_error && isfinite(line->slope_error);
    out->floor = fmax(m->step * m->step * .09, 1e-12 * m->highest * m->highest);
    out->slope = grows ? line->slope : 0;
    out->intercept = grows ? line->intercept : l->flat.intercept;
    out->slope_error = line->slope_error;
    if (!grows) out->findings |= SCRY_NOISE_FLAT_VARIANCE;
    if (grows || isfinite(c->known.gain)) {
        scry_camera_estimate e = *line;
        e.slope *= out->inflation;
        e.slope_error *= out->inflation;
        e.intercept *= out->inflation;
        scryi_noise_conclude(&e, &l->blocks, &c->known);
        out->counts = isfinite(c->known.gain) || plausible_camera(&e, m, c);
        if (e.gain_found && !out->counts) out->findings |= SCRY_NOISE_IMPLAUSIBLE;
        out->camera = e;
        out->gain = e.gain;
        out->offset = e.offset;
        out->read_noise = e.read_noise;
    }
    const double v = scry_noise_model_variance(out, m->mean);
    out->pixel_sigma = sqrt(v);
    out->sigma = sqrt(fmax(out->inflation * v, out->floor));
    if (m->step > 0 && out->pixel_sigma < .5 * m->step) out->findings |= SCRY_NOISE_QUANTISED;
}

static void write_line(scry_noise_model *out)
{
    char words[96], law[96];
    scry_noise_treatment_words(words, sizeof words, &out->treatment);
    if (out->counts)
        snprintf(law, sizeof law, "gain %.3g e-/ADU, offset %.4g ADU, read noise %.2g e-",
                 out->gain, out->offset, out->read_noise);
    else
        snprintf(law, sizeof law, "Gaussian noise of %.3g", out->sigma);
    if (out->findings & SCRY_NOISE_UNTOLD)
        snprintf(out->line, sizeof out->line,
                 "too few pixels obey a law of noise to tell more than its size: Gaussian noise of "
                 "%.3g",
                 out->sigma);
    else if (out->findings & SCRY_NOISE_CORRELATED)
        snprintf(out->line, sizeof out->line,
                 "noise is correlated over %.2g px: the image was %s; treated as %s%s",
                 out->correlation, words, law, " in the passband");
    else
        snprintf(out->line, sizeof out->line, "noise is white%s; %s",
                 out->findings & SCRY_NOISE_IMPLAUSIBLE     ? ", with a gain that no camera has"
                 : out->findings & SCRY_NOISE_FLAT_VARIANCE ? " and does not grow with brightness"
                                                            : " and grows with brightness",
                 law);
}

/* Too few windows: the median residual of good pixels, or what rounding leaves. */
static scry_status only_sigma(scry_noise_model *out, const float *image,
                              const struct scryi_noise_mask *m, size_t planes, size_t ny, size_t nx,
                              scry_error *err)
{
    double sigma = 0, sum = 0, squares = 0;
    size_t n = 0;
    float *copy = scry_copy(image, planes * ny * nx * sizeof *copy);
    if (!copy) return SCRY_FAIL(err, SCRY_ENOMEM, "copy of %zu pixels", planes * ny * nx);
    for (size_t i = 0; i < planes * ny * nx; i++) {
        if (m->state[i] == SCRYI_PIXEL_BAD) {
            copy[i] = (float)m->mean;
            continue;
        }
        sum += image[i];
        squares += (double)image[i] * image[i];
        n++;
    }
    if (ny >= 3 && nx >= 3 && scry_noise_sigma(&sigma, copy, planes, ny, nx, NULL) != SCRY_OK)
        sigma = 0;
    scry_free(copy);
    if (!(sigma > 0) && n)
        sigma = .1 * sqrt(fmax(squares / (double)n - pow(sum / (double)n, 2), 0));
    sigma = fmax(sigma, .3 * m->step);
    if (!(sigma > 0)) sigma = 1e-3 * (m->highest - m->lowest);
    out->findings |= SCRY_NOISE_UNTOLD;
    out->sigma = out->pixel_sigma = sigma;
    out->intercept = sigma * sigma;
    return SCRY_OK;
}

static scry_status study_spectrum(scry_noise_model *out, size_t *treatment, const float *image,
                                  const struct scryi_noise_mask *m, size_t planes, size_t ny,
                                  size_t nx, const scry_noise_context *c, scry_error *err)
{
    struct scryi_noise_windows w = {0};
    struct scryi_noise_spectra s = {0};
    struct scryi_noise_fit *fits = scry_alloc(scryi_noise_shape_count(), sizeof *fits);
    float *signal = NULL;
    scry_status st = fits ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "fits of treatments");
    for (size_t side = 32; st == SCRY_OK && side >= 16 && w.count < (side == 32 ? 1 : 12);
         side /= 2) {
        scryi_noise_windows_free(&w);
        st = scryi_noise_windows_create(&w, image, m, planes, ny, nx, side, err);
        if (w.count >= 12) break;
    }
    if (st != SCRY_OK || !w.count) goto done;
    out->windows = w.count;
    out->side = w.side;
    signal = scry_alloc(2 * w.bins, sizeof *signal);
    if (!signal) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "spectra of %zu entries", w.bins);
        goto done;
    }
    if ((st = scryi_noise_spectra_create(&s, &w, m->step * m->step / 12, err)) != SCRY_OK)
        goto done;
    st = scryi_noise_fit_all(fits, &s, SIZE_MAX, c->transfer, c->ctx, err);
    if (st != SCRY_OK) goto done;
    st = scryi_noise_fit_model(signal, signal + w.bins, &fits[0], 0, 0, &s, c->transfer, c->ctx,
                               err);
    if (st != SCRY_OK) goto done;
    ring_ratios(out, &s, signal, signal + w.bins);
    const struct choice ch = choose_treatment(out, fits, &s, c);
    *treatment = ch.best;
    out->evidence = ch.evidence;
    out->inflation = ch.inflation;
    if (ch.best) out->findings |= SCRY_NOISE_CORRELATED;
done:
    scryi_noise_windows_free(&w);
    scryi_noise_spectra_free(&s);
    scry_free(fits);
    scry_free(signal);
    return st;
}

static scry_status identify(scry_noise_model *out, const float *image,
                            const struct scryi_noise_mask *m, size_t planes, size_t ny, size_t nx,
                            const scry_noise_context *c, scry_error *err)
{
    size_t treatment = 0;
    struct law law = {.blocks = {0}};
    if (m->ties > .02 && m->ties > many_ties * m->ties_expected)
        out->findings |= SCRY_NOISE_NONLINEAR;
    if (out->lowest) out->findings |= SCRY_NOISE_CLIPPED;
    scry_status st = study_spectrum(out, &treatment, image, m, planes, ny, nx, c, err);
    if (st == SCRY_OK && out->windows)
        st = fit_law(&law, image, m, planes, ny, nx, treatment, c, err);
    if (st != SCRY_OK) goto done;
    out->treatment = scryi_noise_shape(treatment);
    shape_spectrum(&out->spectrum, treatment);
    if ((st = scry_noise_spectrum_normalise(&out->spectrum, err)) != SCRY_OK) goto done;
    out->correlation = correlation_length(&out->spectrum);
    if (strcmp(out->treatment.axes, "both") != 0) out->findings |= SCRY_NOISE_DIRECTIONAL;
    if (law.blocks.count >= 4)
        conclude_law(out, &law, m, c);
    else
        st = only_sigma(out, image, m, planes, ny, nx, err);
    if (st == SCRY_OK) write_line(out);
done:
    scry_free(law.blocks.mean);
    return st;
}

scry_status scry_noise_identify(scry_noise_model *out, const float *image,
                                const unsigned char *known, size_t planes, size_t ny, size_t nx,
                                const scry_noise_context *context, scry_error *err)
{
    scry_noise_context c;
    struct scryi_noise_mask m = {0};
    scry_noise_context_init(&c);
    if (context) c = *context;
    *out = (scry_noise_model){.inflation = 1, .correlation = 1, .ring_error = NAN};
    if (!planes || !ny || !nx)
        return SCRY_FAIL(err, SCRY_ESHAPE, "%zu planes of %zu x %zu pixels, expected 1 or more",
                         planes, ny, nx);
    if (c.known.gain <= 0 || c.known.read_noise < 0)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "gain %g e-/ADU and read noise %g e-, expected > 0 and >= 0, or NAN for "
                         "unknown",
                         c.known.gain, c.known.read_noise);
    m.state = scry_alloc(planes * ny * nx, 1);
    if (!m.state) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", planes * ny * nx);
    scry_status st = scryi_noise_mask(&m, out, image, known, planes, ny, nx, &c, err);
    if (st == SCRY_OK) st = identify(out, image, &m, planes, ny, nx, &c, err);
    scry_free(m.state);
    return st;
}
