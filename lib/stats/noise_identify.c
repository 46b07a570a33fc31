#include "lib/stats/noise_identify.h"

#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/stats/noise_impl.h"
#include "lib/vector.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

/* Decisions of the noise model. */

static const double clear_evidence = 60; /* log likelihood ratio against white noise */
static const double many_ties = 1.35;
static const double margin = 1.25;        /* above the quietest windows */
static const double median_inflation = 6; /* of a median of 3 x 3 pixels */
static const double far = 12;        /* inflation: more is an extrapolation over too wide a gap */
static const double full_well = 1e5; /* e-: more light than pixels hold */
static const double below = 5;       /* of the slope: twice what noise explains */
static const double dark_share = .1; /* of the variance of structure, at least, in the dark */
static const double least_gain = .01, most_gain = 100; /* e-/ADU of integer cameras */

void scry_noise_context_init(scry_noise_context *context)
{
    *context = (scry_noise_context){.saturation = INFINITY, .known = {NAN, NAN, NAN}};
}

double scry_noise_model_variance(const scry_noise_model *m, double mean)
{
    return fmax(m->slope * mean + m->intercept, m->floor);
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

enum { FIT_BINS = 16 };

/* Bins that noise rules even where windows are bright; 0 when they are too few. */
static size_t fit_bins(size_t *list, const struct scryi_noise_spectra *s, const float *signal,
                       const float *noise, size_t shape)
{
    const bool white = shape == 0;
    static const double margins[] = {30, 10, 3};
    size_t n = 0;
    for (int m = 0; m < 3 && n < FIT_BINS; m++) {
        n = 0;
        for (size_t k = 0; k < s->used; k++) {
            const size_t i = s->index[k];
            if (scryi_noise_shape_nonlinear(shape) && !scryi_noise_far_out(i, s->side)) continue;
            if (margins[m] * signal[i] < noise[i] + s->floor && (white || noise[i] > s->floor))
                list[n++] = i;
        }
    }
    return n < FIT_BINS ? 0 : n;
}

struct variance_fit {
    struct scryi_noise_blocks blocks;
    scry_camera_estimate line, flat;
    bool denoised; /* lines are those of windows with structure */
};

/* Mean square of the slope of a window, per pixel. */
static double mean_slope(const struct scryi_noise_windows *w, size_t window)
{
    double sum = 0;
    for (size_t i = 0; i < w->bins; i++) {
        double fy, fx;
        scryi_noise_frequency(&fy, &fx, i, w->side);
        const size_t column = i % (w->side / 2 + 1);
        const double twice = column == 0 || column == w->side / 2 ? 1 : 2;
        sum += twice * 4 * pi * pi * (fy * fy + fx * fx) * w->power[window * w->bins + i];
    }
    return sum / (double)(w->side * w->side);
}

/* The variance, of a pixel on flat ground, whose median-filtered noise shows as `flat` would where
 * the mean square of the slope is `slope`: variance * on_slope = flat, by bisection. `mean`: of the
 * spectrum, to the variance before the filter. */
static double slope_variance(size_t shape, double flat, double slope, double mean)
{
    double low = 1e-3 * flat, high = flat;
    if (!(flat > 0)) return flat;
    for (int step = 0; step < 40; step++) {
        const double v = sqrt(low * high);
        if (v * scryi_noise_shape_on_slope(shape, sqrt(slope * mean / v)) < flat)
            low = v;
        else
            high = v;
    }
    return high;
}

/* Each window's variance of pixels from its power in `list`, over the power that noise of variance
 * 1 with the treatment's spectrum has there. */
static void fit_measure(struct variance_fit *l, const struct scryi_noise_windows *w, size_t shape,
                        double mean, const size_t *list, size_t n, const float *unit, double floor)
{
    for (size_t k = 0; k < w->count; k++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += (w->power[k * w->bins + list[j]] - floor) / unit[list[j]];
        double v = fmax(sum / (double)n, 0);
        if (scryi_noise_shape_nonlinear(shape))
            v = slope_variance(shape, v, mean_slope(w, k), mean);
        v += floor;
        l->blocks.mean[k] = w->mean[k];
        l->blocks.var[k] = (float)v;
        const bool fine = floor * 12 < v; /* steps below an sd: a pile is one of clipping */
        if (w->lowest[k] > .02 && fine) {
            const double left = clipped_variance(fmin(w->lowest[k], .8));
            l->blocks.var[k] = (float)(v / left);
        }
    }
    l->blocks.scatter = 1 / sqrt(SCRYI_BIN_FREEDOM * (double)n);
}

/* The line of structured windows, which are bright, must not fall to nothing where the image is
 * dark. */
static void fit_keep_dark(scry_camera_estimate *line, const struct scryi_noise_blocks *b,
                          double dark)
{
    double mean = 0;
    for (size_t k = 0; k < b->count; k++)
        mean += (double)b->mean[k] / (double)b->count;
    const double v = line->slope * mean + line->intercept;
    if (!(mean > dark) || line->slope * dark + line->intercept >= dark_share * v) return;
    line->slope = (1 - dark_share) * v / (mean - dark);
    line->intercept = v - line->slope * mean;
}

/* Noise of variance s (y - y0) takes 3 sd off a mean y and so comes to 2.25 s below y0 at most: the
 * line of windows that are brighter than structure within them is moved until pixels are not darker
 * than that. More noise is assumed by it, never less. */
static void fit_reach_pixels(scry_camera_estimate *line, double darkest)
{
    const double slope = line->slope;
    if (slope > 0 && isfinite(line->slope_error))
        line->intercept = fmax(line->intercept, -slope * (darkest + below * slope));
}

static scry_status noise_fit_model(struct variance_fit *l, const float *image,
                                   const struct scryi_noise_mask *m, size_t k,
                                   const scry_noise_context *c, scry_error *err)
{
    struct scryi_noise_windows w = {0};
    struct scryi_noise_spectra s = {0};
    struct scryi_noise_fit *fits = NULL;
    float *signal = NULL;
    size_t *list = NULL;
    double mean, inband, dark = INFINITY;
    const double floor = m->step * m->step / 12;
    scry_status st = scryi_noise_windows_create(&w, image, m, 16, err);
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
    const size_t n = fit_bins(list, &s, signal, noise, k);
    scryi_noise_shape_levels(k, c, &mean, &inband);
    for (size_t i = 0; i < w.bins; i++) /* to noise whose pixels have variance 1 */
        noise[i] = (float)fmax(noise[i] / (fits[k].level[0] * mean), 1e-9);
    l->blocks.count = n ? w.count : 0;
    if (!n) goto done;
    fit_measure(l, &w, k, mean, list, n, noise, floor);
    for (size_t i = 0; i < w.count; i++)
        dark = fmin(dark, (double)w.mean[i]);
    if (l->denoised) st = scryi_noise_keep_structured(&l->denoised, &l->blocks, &w, err);
    scryi_noise_line(&l->line, &l->blocks, NAN);
    scryi_noise_line(&l->flat, &l->blocks, 0);
    if (l->denoised) fit_keep_dark(&l->line, &l->blocks, dark);
    fit_reach_pixels(&l->line, m->dark);
done:
    scryi_noise_windows_free(&w);
    scryi_noise_spectra_free(&s);
    scry_free(fits);
    scry_free(signal);
    scry_free(list);
    return st;
}

/* In-band power over variance: by the treatments, no more than the quietest windows hold; at
 * least that where rounding hides the rest, and at least the value that the largest full well
 * implies. */
static void settle_inflation(scry_noise_model *out, const struct scryi_noise_choice *ch,
                             const struct scryi_noise_mask *m, bool direct)
{
    const double v = scry_noise_model_variance(out, m->mean);
    const double quiet = scryi_noise_quiet(ch, out, m->mean);
    double level = ch->inflation * v;
    if (ch->best) level = fmin(level, fmax(margin * quiet, v));
    if (ch->tied) level = fmax(level, fmin(quiet, median_inflation * v));
    const bool unseen = ch->evidence < clear_evidence ||
                        ch->inflation * ch->variance[0] < 4 * m->step * m->step / 12 ||
                        (direct && ch->inflation > far);
    if (ch->blocks > 0)
        level = fmax(level, ch->blocks);
    else if (ch->hidden && unseen)
        level = fmax(level, quiet);
    level = fmax(level, (m->mean - m->lowest) * (m->highest - m->lowest) / full_well);
    out->inflation = level / v;
}

/* Where no bins are free of signal: the fits to all and to dark windows give a variance each. */
static void direct_model(scry_noise_model *out, const struct scryi_noise_choice *ch,
                         const struct scryi_noise_mask *m)
{
    const double *v = ch->variance, *b = ch->brightness;
    const double slope = b[0] > b[1] ? fmax((v[0] - v[1]) / (b[0] - b[1]), 0) : 0;
    out->floor = fmax(m->step * m->step * .09, 1e-12 * m->highest * m->highest);
    out->intercept = fmin(v[0] + slope * (m->mean - b[0]), 4 * v[0]);
    settle_inflation(out, ch, m, true);
    out->findings |= SCRY_NOISE_FLAT_VARIANCE | (ch->hidden ? SCRY_NOISE_QUANTISED : 0);
    out->pixel_sigma = sqrt(scry_noise_model_variance(out, m->mean));
    out->sigma = sqrt(out->inflation) * out->pixel_sigma;
}

/* The camera as the passband sees it, or Gaussian noise. */
static void conclude_model(scry_noise_model *out, struct variance_fit *l,
                           const struct scryi_noise_choice *ch, const struct scryi_noise_mask *m,
                           const scry_noise_context *c)
{
    const scry_camera_estimate *line = &l->line;
    if (!l->blocks.count) {
        direct_model(out, ch, m);
        return;
    }
    l->line.intercept += ch->rounding;
    l->flat.intercept += ch->rounding;
    const bool grows = line->slope > 3 * line->slope_error && isfinite(line->slope_error);
    out->floor = fmax(m->step * m->step * .09, 1e-12 * m->highest * m->highest);
    out->slope = grows ? line->slope : 0;
    out->intercept = grows ? line->intercept : l->flat.intercept;
    out->slope_error = line->slope_error;
    if (!grows) out->findings |= SCRY_NOISE_FLAT_VARIANCE;
    settle_inflation(out, ch, m, false);
    if (grows || isfinite(c->known.gain)) {
        scry_camera_estimate e = *line;
        e.slope *= out->inflation;
        e.slope_error *= out->inflation;
        e.intercept *= out->inflation;
        scryi_noise_conclude(&e, &l->blocks, &c->known);
        out->counts = e.gain_found && (isfinite(c->known.gain) || !c->integer ||
                                       (e.gain >= least_gain && e.gain <= most_gain));
        if (e.gain_found && !out->counts) out->findings |= SCRY_NOISE_IMPLAUSIBLE;
        out->camera = e;
        out->gain = e.gain;
        out->offset = e.offset;
        out->read_noise = e.read_noise;
    }
    const double v = scry_noise_model_variance(out, m->mean);
    out->pixel_sigma = sqrt(v);
    out->sigma = sqrt(fmax(out->inflation * v, out->floor));
    if (m->step > 0 && (ch->hidden || out->pixel_sigma < .5 * m->step))
        out->findings |= SCRY_NOISE_QUANTISED;
}

/* The finding, as the subject of the sentence. */
static void write_finding(char *to, size_t size, const scry_noise_model *out)
{
    char words[96];
    scry_noise_treatment_words(words, sizeof words, &out->treatment);
    if (out->findings & SCRY_NOISE_UNTOLD)
        snprintf(to, size, "too few pixels follow a noise model to estimate more than its size");
    else if (out->findings & SCRY_NOISE_BLOCKS)
        snprintf(to, size, "the image was compressed by JPEG, which removes and adds noise");
    else if (out->findings & SCRY_NOISE_DENOISED)
        snprintf(to, size, "noise is stronger on structure than beside it: the image was denoised");
    else if (out->findings & SCRY_NOISE_CORRELATED)
        snprintf(to, size, "noise is correlated over %.2g px: the image was %s", out->correlation,
                 words);
    else if (out->findings & SCRY_NOISE_QUANTISED)
        snprintf(to, size, "noise is smaller than the step of the values, %.3g", out->step);
    else if (out->findings & SCRY_NOISE_FLAT_VARIANCE)
        snprintf(to, size, "noise is white and does not grow with brightness");
    else if (out->findings & SCRY_NOISE_IMPLAUSIBLE)
        snprintf(to, size, "noise grows with brightness as in no camera (%.2g e-/ADU)", out->gain);
    else
        snprintf(to, size, "noise is white and grows with brightness");
}

static void write_line(scry_noise_model *out)
{
    char finding[160], treated[128];
    const bool passband = out->inflation > 1.05;
    write_finding(finding, sizeof finding, out);
    if (out->counts)
        snprintf(treated, sizeof treated, "gain %.3g e-/ADU, offset %.4g ADU, read noise %.2g e-%s",
                 out->gain, out->offset, out->read_noise, passband ? ", in the passband" : "");
    else
        snprintf(treated, sizeof treated, "Gaussian noise of %.3g%s", out->sigma,
                 passband ? " in the passband" : "");
    snprintf(out->line, sizeof out->line, "%s; treated as %s", finding, treated);
}

/* Too few windows: the median residual of good pixels, or the error of rounding. */
static scry_status only_sigma(scry_noise_model *out, const float *image,
                              const struct scryi_noise_mask *m, scry_error *err)
{
    double sigma = 0, sum = 0, squares = 0;
    size_t n = 0;
    const size_t pixels = m->planes * m->ny * m->nx;
    float *copy = scry_copy(image, pixels * sizeof *copy);
    if (!copy) return SCRY_FAIL(err, SCRY_ENOMEM, "copy of %zu pixels", pixels);
    for (size_t i = 0; i < pixels; i++) {
        if (m->state[i] == SCRYI_PIXEL_BAD) {
            copy[i] = (float)m->mean;
            continue;
        }
        sum += image[i];
        squares += (double)image[i] * image[i];
        n++;
    }
    if (m->ny >= 3 && m->nx >= 3 &&
        scry_noise_sigma(&sigma, copy, m->planes, m->ny, m->nx, NULL) != SCRY_OK)
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

/* The law of variances; where it is that of a denoised image, whose filter no treatment describes,
 * that of white noise as structure shows it. */
static scry_status fit_variances(struct variance_fit *fit, scry_noise_model *out,
                                 struct scryi_noise_choice *ch, const float *image,
                                 const struct scryi_noise_mask *m, const scry_noise_context *c,
                                 scry_error *err)
{
    /* JPEG and medians have laws of their own, images of enlargement reach the corners of the
     * spectrum, and rounding hides the noise that a denoiser left */
    fit->denoised = !(ch->blocks > 0) && !ch->hidden && !scryi_noise_shape_nonlinear(ch->best) &&
                    !scryi_noise_shape_repeats(ch->best) &&
                    !(scryi_noise_shape_factor(ch->best) > 1);
    scry_status st = noise_fit_model(fit, image, m, ch->best, c, err);
    if (st != SCRY_OK || !fit->denoised) return st;
    out->findings |= SCRY_NOISE_DENOISED;
    if (!ch->best) return SCRY_OK;
    out->findings &= ~(unsigned)SCRY_NOISE_CORRELATED;
    ch->best = 0;
    ch->inflation = 1;
    scry_free(fit->blocks.mean);
    *fit = (struct variance_fit){.denoised = true};
    return noise_fit_model(fit, image, m, 0, c, err);
}

static scry_status noise_identify_all(scry_noise_model *out, const float *image,
                                      const struct scryi_noise_mask *m, const scry_noise_context *c,
                                      scry_error *err)
{
    struct scryi_noise_choice ch = {.inflation = 1, .reach = 1};
    struct variance_fit fit = {.blocks = {0}};
    if (m->ties > .02 && m->ties > many_ties * m->ties_expected)
        out->findings |= SCRY_NOISE_NONLINEAR;
    if (out->lowest) out->findings |= SCRY_NOISE_CLIPPED;
    bool blocks;
    scry_status st = scryi_noise_blocks_find(&blocks, &ch.blocks, &ch.rounding, image, m, err);
    if (st != SCRY_OK) return st;
    if (blocks) out->findings |= SCRY_NOISE_BLOCKS;
    st = scryi_noise_study(out, &ch, image, m, c, err);
    if (st == SCRY_OK && out->windows) st = fit_variances(&fit, out, &ch, image, m, c, err);
    if (st != SCRY_OK) goto done;
    out->treatment = scryi_noise_shape(ch.best);
    scryi_noise_shape_spectrum(&out->spectrum, ch.best);
    if ((st = scry_noise_spectrum_normalise(&out->spectrum, err)) != SCRY_OK) goto done;
    out->correlation = correlation_length(&out->spectrum);
    if (strcmp(out->treatment.axes, "both") != 0) out->findings |= SCRY_NOISE_DIRECTIONAL;
    if (out->windows && (fit.blocks.count >= 4 || !fit.blocks.count))
        conclude_model(out, &fit, &ch, m, c);
    else
        st = only_sigma(out, image, m, err);
    if (st == SCRY_OK) write_line(out);
done:
    scry_free(fit.blocks.mean);
    scryi_noise_choice_free(&ch);
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
    if (st == SCRY_OK) st = noise_identify_all(out, image, &m, &c, err);
    scry_free(m.state);
    return st;
}
