#include "apps/recon/report/image_page.h"

#include "apps/recon/image/residual.h"
#include "apps/recon/report/image_page_impl.h"
#include "apps/recon/report/page.h"
#include "apps/recon/report/picture.h"
#include "lib/memory.h"
#include "lib/vector.h"

#include <math.h>
#include <stdio.h>

const char *scry_noise_kind_name(scry_noise_kind kind)
{
    static const char *const names[] = {[SCRY_NOISE_GAUSSIAN] = "gaussian",
                                        [SCRY_NOISE_POISSON] = "poisson",
                                        [SCRY_NOISE_POISSON_GAUSSIAN] = "poisson-gaussian"};
    return names[kind];
}

const char *scry_noise_finding_name(size_t bit)
{
    static const char *const names[] = {"correlated",
                                        "directional",
                                        "nonlinear",
                                        "jpeg",
                                        "quantised",
                                        "clipped",
                                        "variance does not grow",
                                        "implausible gain",
                                        "too few pixels"};
    return bit < sizeof names / sizeof *names ? names[bit] : NULL;
}

const char *scry_improvement_name(scry_improvement_verdict v)
{
    static const char *const names[] = {[SCRY_IMPROVABLE] = "improvable",
                                        [SCRY_ONLY_NOISE] = "only noise",
                                        [SCRY_SHARPER_THAN_PSF] = "sharper than the psf"};
    return names[v];
}

/* ---- figures ---- */

/* Residuals are shown up to this many sd. */
#define SPREAD 4.0

struct shown {
    const char *title, *unit;
    const float *values;
    scry_picture_range range;
    scry_colour_map map;
    bool maxima; /* of a volume: seen from the side */
};

/* Input, result and, where they are there, sd and residual; their count. */
static size_t list_shown(struct shown *list, const scry_image_page *p)
{
    const scry_restore_result *r = p->result;
    const size_t n = scry_space_count(&p->image->space);
    const float *sd = p->maps ? scry_output_maps_sd(p->maps, r->maps, n) : NULL;
    size_t count = 0;
    list[count++] = (struct shown){
        "Input", "grey values", p->image->pixels, SCRY_PICTURE_PERCENTILES, SCRY_MAP_GREY, true};
    list[count++] = (struct shown){r->samples > 1 ? "Result: mean of the draws" : "Result",
                                   "grey values",
                                   r->mean,
                                   SCRY_PICTURE_PERCENTILES,
                                   SCRY_MAP_GREY,
                                   true};
    if (sd)
        list[count++] = (struct shown){"Standard deviation of the draws",
                                       "grey values",
                                       sd,
                                       SCRY_PICTURE_FROM_ZERO,
                                       SCRY_MAP_HEAT,
                                       false};
    if (p->residual)
        list[count++] =
            (struct shown){"Residual: input \xe2\x88\x92 blurred result, in sd of the noise",
                           "sd",
                           p->residual,
                           SCRY_PICTURE_GIVEN,
                           SCRY_MAP_DIVERGING,
                           false};
    return count;
}

static void write_fit(scry_html *to, const scry_image_page *p)
{
    const scry_restore_result *r = p->result;
    const scry_diagnosis *d = &r->diagnosis;
    scry_html_markup(to, "<h3>How well it fits</h3>\n");
    scry_page_facts_begin(to);
    if (r->options.method) scry_page_fact(to, "Method", "%s", r->options.method->name);
    if (!isnan(d->chi2))
        scry_page_fact(to, "chi2 per pixel", "%.3g of the mean%s", d->chi2,
                       d->chi2 > 2 ? ": it misses the measurement by more than its noise" : "");
    if (d->draws_chi2 >= 0) scry_page_fact(to, "chi2 of the draws", "%.3g", d->draws_chi2);
    if (p->residual) {
        const scry_residual_summary s =
            scry_residual_summarise(p->residual, scry_space_count(&p->image->space));
        if (s.pixels)
            scry_page_fact(to, "Residual",
                           "mean %.3g, variance %.3g in units of the noise; 0 and 1 "
                           "where image and noise are right",
                           s.mean, s.mean_square - s.mean * s.mean);
    }
    if (r->flux_in > 0 || r->flux_in < 0)
        scry_page_fact(to, "Flux", "%.4g in, %.4g out: ratio %.4f", r->flux_in, r->flux_out,
                       r->flux_out / r->flux_in);
    if (d->solves)
        scry_page_fact(to, "Data steps", "%zu, of which %zu did not converge", d->solves,
                       d->unconverged);
    if (r->samples > 1 || r->failed)
        scry_page_fact(to, "Chains", "%zu, and %zu that diverged", r->samples, r->failed);
    if (r->excluded) scry_page_fact(to, "Pixels left out", "%zu", r->excluded);
    scry_page_facts_end(to);
}

static scry_status write_figures(scry_html *to, const scry_image_page *p, const struct shown *list,
                                 size_t count, scry_error *err)
{
    const scry_space *s = &p->image->space;
    const double *voxel = p->image->voxel_um;
    const double aspect = voxel[0] > 0 && voxel[2] > 0 ? voxel[0] / voxel[2] : 1;
    scry_status st = SCRY_OK;
    scry_html_markup(to, "<div class=\"figures\">\n");
    for (size_t k = 0; k < count && st == SCRY_OK; k++) {
        scry_picture figure = {.values = list[k].values,
                               .ny = s->dims[s->rank - 2],
                               .nx = s->dims[s->rank - 1],
                               .range = list[k].range,
                               .map = list[k].map,
                               .title = list[k].title,
                               .unit = list[k].unit,
                               .pixel_um = voxel[2],
                               .side = p->side};
        float *views = NULL;
        const size_t longer = figure.ny > figure.nx ? figure.ny : figure.nx;
        /* the mean of k x k pixels of white noise scatters k times less */
        figure.high = SPREAD / (double)scry_picture_binning(longer, p->side);
        figure.low = -figure.high;
        if (s->rank == 3 && s->dims[0] > 1)
            st = scry_picture_views(&views, &figure.ny, &figure.nx, list[k].values, s, aspect,
                                    list[k].maxima, err);
        if (views) figure.values = views;
        if (st == SCRY_OK) st = scry_picture_write(to, &figure, err);
        scry_free(views);
    }
    if (count % 2) { /* the place beside the last figure */
        scry_html_markup(to, "<div>");
        write_fit(to, p);
        scry_html_markup(to, "</div>");
    }
    scry_html_markup(to, "</div>\n");
    if (s->rank == 3 && s->dims[0] > 1)
        scry_html_markupf(
            to,
            "<p class=\"sub\">The middle plane of %zu; beside and below it the volume "
            "from the side: largest values of input and result, the middle of the "
            "other maps.</p>\n",
            s->dims[0]);
    return st;
}

enum { DETAIL = 128 };

/* The corner of the DETAIL x DETAIL pixels of the middle plane in which the result varies most. */
static void image_page_find_detail(size_t *top, size_t *left, const float *plane, size_t ny,
                                   size_t nx)
{
    double best = -1;
    *top = *left = 0;
    for (size_t y0 = 0; y0 + DETAIL <= ny; y0 += DETAIL / 2)
        for (size_t x0 = 0; x0 + DETAIL <= nx; x0 += DETAIL / 2) {
            double sum = 0, squares = 0, count = 0;
            for (size_t i = 0; i < DETAIL * DETAIL; i++) {
                const double v = (double)plane[(y0 + i / DETAIL) * nx + x0 + i % DETAIL];
                if (!isfinite(v)) continue;
                sum += v;
                squares += v * v;
                count++;
            }
            const double variance = count > 0 ? squares / count - sum * sum / (count * count) : 0;
            if (variance <= best) continue;
            best = variance;
            *top = y0;
            *left = x0;
        }
}

/* A piece of the same, pixel by pixel, where the figures are too small to show it. */
static scry_status write_details(scry_html *to, const scry_image_page *p, const struct shown *list,
                                 size_t count, scry_error *err)
{
    const scry_space *s = &p->image->space;
    const size_t ny = s->dims[s->rank - 2], nx = s->dims[s->rank - 1];
    const size_t middle = scry_space_count(s) / (ny * nx) / 2 * ny * nx;
    size_t top, left;
    if (ny < 2 * DETAIL || nx < 2 * DETAIL) return SCRY_OK;
    float *cut = scry_alloc(DETAIL * DETAIL, sizeof *cut);
    if (!cut) return SCRY_FAIL(err, SCRY_ENOMEM, "a detail");
    image_page_find_detail(&top, &left, p->result->mean + middle, ny, nx);
    scry_html_markupf(to,
                      "<h3>Detail, pixel by pixel, from row %zu and column %zu</h3>\n"
                      "<div class=\"figures details\">\n",
                      top, left);
    scry_status st = SCRY_OK;
    for (size_t k = 0; k < count && st == SCRY_OK; k++) {
        for (size_t i = 0; i < DETAIL * DETAIL; i++)
            cut[i] = list[k].values[middle + (top + i / DETAIL) * nx + left + i % DETAIL];
        const scry_picture figure = {.values = cut,
                                     .ny = DETAIL,
                                     .nx = DETAIL,
                                     .range = list[k].range,
                                     .low = -SPREAD,
                                     .high = SPREAD,
                                     .map = list[k].map,
                                     .title = k == 0                         ? "Input"
                                              : k == 1                       ? "Result"
                                              : list[k].map == SCRY_MAP_HEAT ? "Standard deviation"
                                                                             : "Residual",
                                     .unit = "",
                                     .pixel_um = p->image->voxel_um[2],
                                     .side = DETAIL};
        st = scry_picture_write(to, &figure, err);
    }
    scry_html_markup(to, "</div>\n");
    scry_free(cut);
    return st;
}

/* ---- findings ---- */

/* Electrons, or multiples of the noise, of the mean and of the brightest thousandth. */
static scry_status write_light(scry_html *to, const scry_image_page *p, scry_error *err)
{
    const scry_noise *n = &p->result->noise;
    const size_t count = scry_space_count(&p->image->space);
    const double r = n->kind == SCRY_NOISE_POISSON_GAUSSIAN ? n->read_noise : 0;
    double sum = 0;
    size_t finite = 0;
    float *v = scry_alloc(count, sizeof *v);
    if (!v) return SCRY_FAIL(err, SCRY_ENOMEM, "light of %zu pixels", count);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(p->image->pixels[i])) continue;
        v[finite++] = (float)scry_noise_to_physical(n, (double)p->image->pixels[i]);
        sum += (double)v[finite - 1];
    }
    const double mean = finite ? sum / (double)finite : 0;
    const double high = finite ? scry_quantile(v, finite, .999, v) : 0;
    scry_free(v);
    if (n->kind == SCRY_NOISE_GAUSSIAN)
        scry_page_fact(to, "Light",
                       "mean %.3g, brightest 0.1 %% %.3g: %.3g and %.3g times the noise", mean,
                       high, mean / n->sigma, high / n->sigma);
    else
        scry_page_fact(to, "Light",
                       "mean %.3g e-, brightest 0.1 %% %.3g e-: signal to noise %.3g and %.3g",
                       mean, high, fmax(mean, 0) / sqrt(fmax(mean + r * r, SCRY_MIN_VARIANCE)),
                       fmax(high, 0) / sqrt(fmax(high + r * r, SCRY_MIN_VARIANCE)));
    return SCRY_OK;
}

static void write_noise_model(scry_html *to, const scry_noise_model *m)
{
    char words[160] = "", treatment[120];
    size_t used = 0;
    if (!m->line[0]) {
        scry_page_fact(to, "Estimate", "none: the noise was given");
        return;
    }
    scry_page_fact(to, "Estimate", "%s", m->line);
    for (size_t bit = 0; scry_noise_finding_name(bit) && used < sizeof words; bit++)
        if (m->findings >> bit & 1)
            used += (size_t)snprintf(words + used, sizeof words - used, "%s%s", used ? ", " : "",
                                     scry_noise_finding_name(bit));
    scry_page_fact(to, "Findings", "%s", used ? words : "as of a raw camera image");
    if (m->treatment.name) {
        scry_noise_treatment_words(treatment, sizeof treatment, &m->treatment);
        scry_page_fact(to, "Treatment of the image", "%s", treatment);
    }
    scry_page_fact(to, "Correlation", "%s, over %.3g px",
                   m->correlation > 1 ? "correlated between pixels" : "white", m->correlation);
    if (m->step > 0) scry_page_fact(to, "Quantisation", "steps of %.4g", m->step);
    scry_page_fact(to, "Pixels used", "%zu of %zu", m->good, m->pixels);
}

static scry_status write_noise(scry_html *to, const scry_image_page *p, scry_error *err)
{
    const scry_noise *n = &p->result->noise;
    if (n->kind == SCRY_NOISE_GAUSSIAN && !(n->sigma > 0)) return SCRY_OK; /* handed on */
    scry_html_markup(to, "<h3>Light and noise</h3>\n");
    scry_page_facts_begin(to);
    if (n->kind == SCRY_NOISE_GAUSSIAN)
        scry_page_fact(to, "Noise", "Gaussian, sd %.4g", n->sigma);
    else
        scry_page_fact(to, "Noise", "%s: gain %.4g e-/ADU, offset %.5g ADU, read noise %.3g e-",
                       n->kind == SCRY_NOISE_POISSON ? "counts" : "counts and read noise", n->gain,
                       n->offset, n->kind == SCRY_NOISE_POISSON ? 0 : n->read_noise);
    if (n->background > 0 || n->background < 0)
        scry_page_fact(to, "Background", "%.4g", n->background);
    const scry_status st = write_light(to, p, err);
    write_noise_model(to, &p->result->noise_model);
    scry_page_facts_end(to);
    return st;
}

static void write_filling(scry_html *to, const scry_filling *f)
{
    char words[400];
    if (!f->draws) return;
    scry_html_markupf(to,
                      "<h3>How the holes were filled</h3>\n<p>%zu copies of the holes were cut "
                      "where the image is known, %zu pixels, and filled: ",
                      f->copies, f->pixels);
    scry_html_text(to, scry_filling_print(f, words, sizeof words));
    scry_html_markup(to, ".</p>\n");
}

static void write_judgement(scry_html *to, const scry_restore_result *r)
{
    const scry_judgement *j = &r->judgement;
    char words[400];
    if (!j->count) return;
    scry_html_markupf(
        to,
        "<h3>How the method was chosen</h3>\n<p>%.0f %% of the light was held back, %zu "
        "times, on %zu pixels; the best predictor restores the whole: ",
        100 * j->share, j->splits, j->pixels);
    scry_html_text(to, scry_judgement_print(j, words, sizeof words));
    if (j->kept[0]) {
        scry_html_markup(to, ". ");
        scry_html_text(to, j->kept);
    }
    scry_html_markup(to, ".</p>\n<table><thead><tr><th>method</th><th>weight in the result</th>"
                         "<th>behind the best by (nats per 1000 pixels)</th><th>seconds to judge"
                         "</th></tr></thead><tbody>\n");
    for (size_t k = 0; k < j->count; k++) {
        const scry_judged *m = &j->of[k];
        scry_html_markup(to, "<tr><td>");
        scry_html_text(to, m->name);
        if (m->failure[0]) {
            scry_html_markup(to, "</td><td colspan=\"2\">failed: ");
            scry_html_text(to, m->failure);
        } else if (m->weight < 1) {
            scry_html_markupf(to, "</td><td>%.2g</td><td>%.3g &plusmn; %.2g", m->weight,
                              1000 * m->behind.mean, 1000 * m->behind.error);
        } else {
            scry_html_markupf(to, "</td><td>%.2g</td><td>0", m->weight);
        }
        scry_html_markupf(to, "</td><td>%.1f</td></tr>\n", m->seconds);
    }
    scry_html_markup(to, "</tbody></table>\n");
}

static void write_improvement(scry_html *to, const scry_improvement *i)
{
    if (!i->verdict) return;
    scry_html_markup(to, "<div class=\"verdict warning\"><strong>Returned unchanged.</strong> ");
    scry_html_text(to, i->line[0] ? i->line : scry_improvement_name(i->verdict));
    scry_html_markup(to, ".</div>\n");
}

scry_status scry_image_page_write(scry_html *to, const scry_image_page *p, scry_error *err)
{
    struct shown list[SCRY_IMAGE_PAGE_FIGURES];
    const size_t count = list_shown(list, p);
    scry_html_markup(to, "<section>\n<h2>");
    scry_html_text(to, p->heading[0] ? p->heading : "Image");
    scry_html_markup(to, "</h2>\n");
    write_improvement(to, &p->result->improvement);
    scry_status st = write_figures(to, p, list, count, err);
    if (st == SCRY_OK) st = write_details(to, p, list, count, err);
    if (count % 2 == 0) write_fit(to, p);
    write_filling(to, &p->result->filling);
    write_judgement(to, p->result);
    if (st == SCRY_OK) st = write_noise(to, p, err);
    if (st == SCRY_OK) st = scryi_image_page_optics(to, p, err);
    scry_html_markup(to, "</section>\n");
    return st;
}
