#include "apps/recon/image/psf_fit.h"

#include "apps/recon/image/known.h"
#include "apps/recon/image/peaks_impl.h"
#include "apps/recon/image/noise.h"
#include "lib/memory.h"
#include "lib/numbers.h"

#include <math.h>
#include <string.h>

static const double least_power = 0.1; /* of the power at 0 */
enum { WAYS = 24 };                    /* directions of a spectrum */
#define BEFORE_COPIES 0.4 /* cycles a pixel before the enlargement; copies begin at 1/2 */
#define HIGH_ERRORS 3     /* sd from an estimated width to its upper bound */

static const double cautious = 0.75, narrowest = 0.5; /* of the guess; px */
static const double min_known = 0.7; /* of the pixels: holes leave their own spectrum */
/* The scatter of users' widths, of models and of measurements; beads give their own. */
static const double trust_model = 0.3, trust_measured = 0.1;
static const double least_factor = 0.5; /* a wrong specimen model must not undo a PSF */
static const double heeded = 0.98;
static const double bound_of_right = 1.12; /* the least bound along z of a psf that is right */

void scry_psf_widths_free(scry_psf_widths *w)
{
    scry_free(w->channels);
    *w = (scry_psf_widths){0};
}

static scry_status channel_of(struct scry_psf_fit **out, scry_psf_widths *w, size_t channel,
                              scry_error *err)
{
    if (channel >= w->count) {
        struct scry_psf_fit *grown = scry_alloc(channel + 1, sizeof *grown);
        if (!grown) return SCRY_FAIL(err, SCRY_ENOMEM, "widths of %zu channels", channel + 1);
        if (w->count) memcpy(grown, w->channels, w->count * sizeof *grown);
        scry_free(w->channels);
        w->channels = grown;
        w->count = channel + 1;
    }
    *out = &w->channels[channel];
    return SCRY_OK;
}

/* Noise as the spectrum of the image has it. */
struct psf_fit_noise {
    double variance;                     /* of a pixel */
    double rounding;                     /* that of values, which no filter has smoothed */
    const scry_noise_spectrum *spectrum; /* NULL: white */
    double end;                          /* cycles a pixel; the rest is left out */
};

/* Mean over the directions in which the grid has this frequency. */
static double psf_fit_noise_at(double f, void *ctx)
{
    const struct psf_fit_noise *n = ctx;
    double sum = 0;
    int count = 0;
    if (f > n->end) return INFINITY;
    if (!n->spectrum) return n->variance;
    for (int k = 0; k < WAYS; k++) {
        const double way = SCRY_PI * (k + 0.5) / WAYS, fy = f * sin(way), fx = f * cos(way);
        if (fabs(fy) > 0.5 || fabs(fx) > 0.5) continue;
        sum += scry_noise_spectrum_at(n->spectrum, fy, fx);
        count++;
    }
    const double power = count ? sum / count : scry_noise_spectrum_at(n->spectrum, 0.5, 0.5);
    /* zeros of a filter are filled by whatever else there is */
    if (power < least_power * scry_noise_spectrum_at(n->spectrum, 0, 0)) return INFINITY;
    return n->variance * power + n->rounding;
}

double scryi_image_enlarged(const scry_noise_model *m)
{
    const scry_noise_treatment *t = &m->treatment;
    const bool enlarged =
        m->windows && t->size > 1 && (!strcmp(t->name, "linear") || !strcmp(t->name, "cubic"));
    return enlarged ? t->size : 1;
}

/* There is little of an enlarged image just before the copies of its spectrum. */
static double last_frequency(const scry_noise_model *m)
{
    const double enlarged = scryi_image_enlarged(m);
    return enlarged > 1 ? BEFORE_COPIES / enlarged : 1;
}

/* Mean variance of the pixels under the window of the spectrum, unit of the file. */
static double mean_variance(const scry_noise *noise, const scry_noise_model *model,
                            const scry_image *image, const unsigned char *known)
{
    const scry_space *s = &image->space;
    const size_t ny = s->dims[s->rank - 2], nx = s->dims[s->rank - 1], n = scry_space_count(s);
    double sum = 0, weights = 0;
    if (!model && noise->kind == SCRY_NOISE_GAUSSIAN) return noise->sigma * noise->sigma;
    for (size_t i = 0; i < n; i++) {
        if (!known[i]) continue;
        const double w = scry_psf_width_weight(i / nx % ny, ny, i % nx, nx);
        sum += w * (double)image->pixels[i];
        weights += w;
    }
    const double mean = sum / weights;
    if (model) return scry_noise_model_variance(model, mean);
    const double light = scry_noise_to_physical(noise, mean) + noise->background;
    const double electrons = fmax(light, 0) + noise->read_noise * noise->read_noise;
    return electrons / (noise->gain * noise->gain);
}

/* What is asked about the psf: pixels without gaps, and their noise. */
struct psf_fit_subject {
    const float *pixels;
    float *filled; /* owned; NULL: the image has no gaps */
    struct psf_fit_noise noise;
    bool usable; /* enough of it was measured */
};

static scry_status psf_fit_take(struct psf_fit_subject *to, const scry_image *image,
                                const unsigned char *known, const scry_noise *noise,
                                const scry_noise_model *model, scry_error *err)
{
    const bool found = model && (model->findings & SCRY_NOISE_CORRELATED);
    const size_t n = scry_space_count(&image->space);
    float *filled = NULL;
    size_t missing = 0, cut = 0;
    *to = (struct psf_fit_subject){
        .pixels = image->pixels,
        .noise = {.variance = mean_variance(noise, found ? model : NULL, image, known),
                  .rounding = found ? model->step * model->step / 12 : 0,
                  .spectrum = found ? &model->spectrum : NULL,
                  .end = found ? last_frequency(model) : 1}};
    for (size_t i = 0; i < n; i++)
        missing += known[i] ? 0 : 1;
    if ((double)missing > (1 - min_known) * (double)n) return SCRY_OK;
    unsigned char *saturated = scry_alloc(n, 1);
    scry_status st = saturated ? scry_known_saturated(saturated, &cut, image, err)
                               : SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    if (st == SCRY_OK && (missing || cut)) {
        filled = scry_copy(image->pixels, n * sizeof *filled);
        if (!filled) st = SCRY_FAIL(err, SCRY_ENOMEM, "a copy of %zu pixels", n);
        if (st == SCRY_OK && missing) st = scry_known_mirror(filled, known, &image->space, err);
        if (st == SCRY_OK && cut) st = scryi_peaks_restore(filled, saturated, &image->space, err);
    }
    if (filled) to->pixels = to->filled = filled;
    to->usable = st == SCRY_OK;
    scry_free(saturated);
    return st;
}

/* A width as given is one guess, lognormal with an sd of `trust`; that of the image is another,
 * whose upper bound is three sd above it. Their mean, where that is narrower: a PSF that is too
 * wide makes rings of every edge, one that is too narrow only leaves some blur. */
static double psf_fit_narrowed(const scry_psf_width *w, double trust)
{
    if (!(trust > 0) || !(w->factor < 1) || !isfinite(w->high) || !(w->high > w->factor)) return 1;
    const double sd = log(w->high / w->factor) / HIGH_ERRORS;
    const double weight = trust * trust / (trust * trust + sd * sd);
    const double factor = fmax(fmin(exp(weight * log(w->factor)), w->high), least_factor);
    return factor < heeded ? factor : 1;
}

/* The factor to use. */
static double psf_fit_choose(const scry_psf_width *w, const scry_psf_source *s)
{
    const bool find = s->request.width_choice == SCRY_WIDTH_FIND, guess = s->params.find_width;
    if (!find)
        return psf_fit_narrowed(w, s->distilled       ? 0
                                   : s->request.model ? trust_model
                                                      : trust_measured);
    if (w->determined) return w->factor;
    if (!guess) return w->high < 1 ? w->factor : 1;
    return isfinite(w->high) ? fmax(cautious * w->factor, narrowest / w->sigma)
                             : narrowest / w->sigma;
}

static void log_width(const scry_log *log, const scry_psf_source *s, const struct scry_psf_fit *fit)
{
    const scry_psf_width *w = &fit->found;
    const double px = w->sigma, used = px * fit->used;
    const bool find = s->request.width_choice == SCRY_WIDTH_FIND;
    if (find && w->determined)
        scry_log_note(log,
                      "PSF width %.3g px (%.2g to %.2g), as the sd of a Gaussian, by the spectrum "
                      "of the image",
                      used, px * w->low, px * w->high);
    else if (find && isfinite(w->high))
        scry_log_note(
            log,
            "PSF width cannot be determined from this image, but for %.2g px at most, as the "
            "sd of a Gaussian: too little is in it, or that is smooth by itself; %.3g px "
            "is used",
            px * w->high, used);
    else if (find)
        scry_log_note(log,
                      "PSF width cannot be determined from this image: too little stands above its "
                      "noise; %.3g px is used, as the sd of a Gaussian",
                      used);
    else if (scry_psf_width_contradicts(w) && w->determined)
        scry_log_warn(log,
                      "the image contradicts the width of the psf, %.3g px as the sd of a "
                      "Gaussian: its spectrum prefers %.3g px (%.2g to %.2g)%s, which --psf-width "
                      "auto takes; %.3g px is used",
                      px, px * w->factor, px * w->low, px * w->high,
                      w->low > 1 ? ", or the specimen is smooth by itself" : "", used);
    else if (scry_psf_width_contradicts(w))
        scry_log_warn(log,
                      "the image contradicts the width of the psf, %.3g px as the sd of a "
                      "Gaussian: its spectrum allows %.2g px at most; %.3g px is used",
                      px, px * w->high, used);
    else if (fit->used < 1)
        scry_log_note(
            log,
            "the image's spectrum prefers a narrower psf, %.3g px as the sd of a Gaussian, "
            "to the given one of %.3g px; %.3g px is used, and --psf-width 1 keeps the "
            "given one",
            px * w->factor, px, used);
}

const struct scry_psf_fit *scry_psf_fit_of(const scry_psf_widths *w, size_t channel)
{
    return channel < w->count && w->channels[channel].estimated ? &w->channels[channel] : NULL;
}

scry_status scry_psf_fit_find(scry_psf_widths *widths, const scry_psf_source *s,
                              const scry_image *image, const unsigned char *known,
                              const scry_noise *noise, const scry_noise_model *model,
                              scry_boundary boundary, const scry_log *log, scry_error *err)
{
    struct scry_psf_fit *fit = NULL;
    struct psf_fit_subject subject = {0};
    float *psf = NULL;
    scry_space space;
    scry_status st = channel_of(&fit, widths, image->channel, err);
    if (st == SCRY_OK)
        st = scry_psf_source_make(&psf, &space, s,
                                  &(scry_psf_setting){.image = image, .boundary = boundary}, err);
    if (st == SCRY_OK) st = psf_fit_take(&subject, image, known, noise, model, err);
    if (st == SCRY_OK) fit->found = (scry_psf_width){.factor = 1, .high = INFINITY};
    if (st == SCRY_OK && subject.usable)
        st = scry_psf_width_estimate(&fit->found, subject.pixels, &image->space, psf, &space,
                                     psf_fit_noise_at, &subject.noise, err);
    scry_free(subject.filled);
    scry_free(psf);
    if (st != SCRY_OK) return st;
    fit->estimated = true;
    fit->used = psf_fit_choose(&fit->found, s);
    log_width(log, s, fit);
    return SCRY_OK;
}

/* ---- along z ---- */

static void log_depth(const scry_log *log, const scry_psf_depth *d, double used)
{
    if (d->high < 1)
        scry_log_warn(log,
                      "the planes are less alike than this psf would leave them: along z it is "
                      "%.3g planes long, as the sd of a Gaussian, and they allow %.2g at most; "
                      "%.2g are used (--psf-width 1: as it is)",
                      d->sigma, d->high * d->sigma, used * d->sigma);
    else if (used < heeded)
        scry_log_note(log,
                      "the psf is taken %.3g planes long, as the sd of a Gaussian along z, for the "
                      "given %.3g: planes differ too much for more, and --psf-width 1 keeps it",
                      used * d->sigma, d->sigma);
}

scry_status scry_psf_fit_depth(double *factor, scry_psf_widths *widths, const scry_psf_source *s,
                               const scry_image *image, const unsigned char *known,
                               const scry_noise *noise, const scry_noise_model *model,
                               scry_boundary boundary, const scry_log *log, scry_error *err)
{
    struct scry_psf_fit *fit = NULL;
    struct psf_fit_subject subject = {0};
    scry_psf_depth found = {.high = INFINITY};
    float *psf = NULL;
    scry_space space;
    *factor = 1;
    if (scry_image_axes(image) != 3) return SCRY_OK;
    scry_status st = channel_of(&fit, widths, image->channel, err);
    if (st == SCRY_OK && image->number && fit->depth > 0) {
        *factor = fit->depth;
        return SCRY_OK;
    }
    if (st == SCRY_OK)
        st = scry_psf_source_make(&psf, &space, s,
                                  &(scry_psf_setting){.image = image, .boundary = boundary}, err);
    if (st == SCRY_OK && space.rank == 3)
        st = psf_fit_take(&subject, image, known, noise, model, err);
    if (st == SCRY_OK && subject.usable)
        st = scry_psf_depth_estimate(&found, subject.pixels, &image->space, psf, &space,
                                     psf_fit_noise_at, &subject.noise, err);
    scry_free(subject.filled);
    scry_free(psf);
    if (st != SCRY_OK) return st;
    *factor = fit->depth = fmin(found.high / bound_of_right, 1);
    log_depth(log, &found, *factor);
    return SCRY_OK;
}
