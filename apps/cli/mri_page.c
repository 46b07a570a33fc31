#include "apps/cli/mri_page.h"

#include "apps/recon/report/page.h"
#include "apps/recon/report/picture.h"
#include "apps/recon/report/plot.h"
#include "lib/instructions.h"
#include "lib/memory.h"
#include "lib/vector.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SIDE = 512, RINGS = 64, ROWS = 40 };

/* The middle plane of the middle slice. */
struct middle {
    size_t ny, nx;
    const float *zero_filled, *sd; /* sd NULL: none */
    float *image;                  /* magnitude, ours */
    double high;                   /* to show it up to */
};

static scry_status take_middle(struct middle *m, const scry_mri_volume *v, scry_error *err)
{
    const size_t plane = v->dims[1] * v->dims[2], z = v->dims[0] / 2;
    const size_t first = (v->slices / 2 * v->dims[0] + z) * plane;
    const float *sd = scry_output_maps_sd(v->asked, v->maps, v->count);
    *m = (struct middle){.ny = v->dims[1],
                         .nx = v->dims[2],
                         .zero_filled = v->zero_filled + z * plane,
                         .sd = sd ? sd + first : NULL};
    float *scratch = scry_alloc(2 * plane, sizeof *scratch);
    if (!scratch) return SCRY_FAIL(err, SCRY_ENOMEM, "figures of %zu pixels", plane);
    m->image = scratch;
    size_t finite = 0;
    for (size_t i = 0; i < plane; i++) {
        const float *value = v->mean + (first + i) * (v->cplx ? 2 : 1);
        m->image[i] = v->cplx ? hypotf(value[0], value[1]) : value[0];
        if (isfinite(m->image[i])) scratch[plane + finite++] = m->image[i];
    }
    m->high = finite ? scry_quantile(scratch + plane, finite, .999, scratch + plane) : 1;
    if (!(m->high > 0)) m->high = 1;
    return SCRY_OK;
}

static scry_status mri_page_figures(scry_html *to, const struct middle *m, const mri_work *work,
                                    scry_error *err)
{
    char title[96];
    scry_picture figure = {.values = m->zero_filled,
                           .ny = m->ny,
                           .nx = m->nx,
                           .range = SCRY_PICTURE_GIVEN,
                           .high = m->high,
                           .title = "Zero-filled",
                           .unit = "",
                           .side = SIDE};
    scry_html_markup(to, "<h2>The middle slice</h2>\n<div class=\"figures\">\n");
    scry_status st = scry_picture_write(to, &figure, err);
    snprintf(title, sizeof title, "Reconstruction by %s", work->options.method->name);
    figure.values = m->image;
    figure.title = title;
    if (st == SCRY_OK) st = scry_picture_write(to, &figure, err);
    if (st == SCRY_OK && m->sd) {
        figure.values = m->sd;
        figure.title = "Standard deviation of the draws";
        figure.range = SCRY_PICTURE_FROM_ZERO;
        figure.map = SCRY_MAP_HEAT;
        st = scry_picture_write(to, &figure, err);
    }
    return st;
}

static scry_status mri_page_spectra(scry_html *to, const struct middle *m, scry_error *err)
{
    double f[RINGS], before[RINGS], after[RINGS];
    const scry_plot_curve curves[] = {{"zero-filled", "#79828c", false, before},
                                      {"reconstruction", "#17548f", false, after}};
    const scry_plot plot = {.title = "Power spectra of the magnitudes",
                            .x_label = "spatial frequency (cycles per pixel)",
                            .y_label = "power",
                            .x = f,
                            .points = RINGS,
                            .x_high = 0.5,
                            .log_y = true,
                            .curves = curves,
                            .count = 2};
    for (size_t k = 0; k < RINGS; k++)
        f[k] = ((double)k + 0.5) * 0.5 / RINGS;
    scry_status st = scry_plot_spectrum(before, RINGS, m->zero_filled, m->ny, m->nx, err);
    if (st == SCRY_OK) st = scry_plot_spectrum(after, RINGS, m->image, m->ny, m->nx, err);
    if (st == SCRY_OK) scry_plot_write(to, &plot);
    scry_html_markup(to, "</div>\n");
    return st;
}

static void write_entry(scry_html *to, const scry_mri_volume *v, size_t i)
{
    const scry_mri_entry *e = &v->entries[i];
    char place[96];
    scry_mri_volume_place(v, i, place, sizeof place);
    scry_html_markup(to, "<tr><td>");
    scry_html_text(to, place[0] ? place : "the slice");
    if (e->failure[0]) {
        scry_html_markup(to, "</td><td colspan=\"6\">failed: ");
        scry_html_text(to, e->failure);
    } else {
        scry_html_markup(to, "</td><td>");
        if (!isnan(e->diagnosis.chi2)) scry_html_markupf(to, "%.3g", e->diagnosis.chi2);
        scry_html_markup(to, "</td><td>");
        if (e->holdout >= 0) scry_html_markupf(to, "%.4g (chi2 %.3g)", e->holdout, e->holdout_chi2);
        scry_html_markupf(to,
                          "</td><td>%zu, %zu failed</td><td>%zu of %zu</td><td>%zu</td>"
                          "<td>%.1f",
                          e->samples, e->failed_chains, e->diagnosis.unconverged,
                          e->diagnosis.solves, e->coils, e->seconds);
    }
    scry_html_markup(to, "</td></tr>\n");
}

static void mri_page_slices(scry_html *to, const scry_mri_volume *v)
{
    const size_t all = scry_mri_volume_entries(v);
    scry_html_markup(to,
                     "<h2>Slices</h2>\n<table><thead><tr><th>slice</th><th>chi2 of the mean</th>"
                     "<th>held-out residual</th><th>chains</th><th>unconverged data steps</th>"
                     "<th>coils</th><th>seconds</th></tr></thead><tbody>\n");
    size_t shown = 0;
    for (size_t i = 0; i < all && shown < ROWS; i++) {
        if (!v->entries[i].done) continue;
        write_entry(to, v, i);
        shown++;
    }
    scry_html_markup(to, "</tbody></table>\n");
    if (all > ROWS)
        scry_html_markupf(to,
                          "<p class=\"sub\">The first %d of %zu; all in the report as JSON.</p>\n",
                          ROWS, all);
}

static void write_facts(scry_html *to, const scry_mri_volume *v, const mri_work *work)
{
    const scry_kspace_info *i = scry_scan_file_info(work->file);
    const scry_diagnosis_summary t = scry_mri_volume_summary(v);
    double sd;
    scry_page_facts_begin(to);
    scry_page_fact(to, "Scan", "%s: frames %zu, slices %zu, coils %zu, samples %zu x %zu x %zu",
                   scry_kspace_format_name(i->format), i->frames, i->slices, i->coils, i->nz, i->ny,
                   i->nx);
    scry_page_fact(to, "Image", "%zu x %zu x %zu, slices %zu to %zu", v->dims[0], v->dims[1],
                   v->dims[2], v->first, v->first + v->slices - 1);
    scry_page_fact(to, "Method", "%s: %s", work->options.method->name,
                   work->options.method->exact ? work->options.method->exact : "");
    if (scry_reconstructor_choice(work->rec)[0])
        scry_page_fact(to, "Chosen", "%s", scry_reconstructor_choice(work->rec));
    scry_page_fact(to, "Coil maps", "from %s",
                   mri_maps_from_file(work->settings) ? work->settings->maps
                                                      : scry_reconstructor_maps_from(work->rec));
    const char *from = scry_reconstructor_noise(work->rec, &sd);
    if (isnan(sd))
        scry_page_fact(to, "Noise of the coils", "guessed; coils as they are");
    else
        scry_page_fact(to, "Noise of the coils", "sd %.4g a complex sample, from %s; whitened", sd,
                       from);
    if (t.judged)
        scry_page_fact(to, "chi2 of the mean", "%.3g (%.3g to %.3g)", scry_diagnosis_chi2(&t),
                       t.low, t.high);
    if (t.solves)
        scry_page_fact(to, "Data steps", "%zu, of which %zu did not converge", t.solves,
                       t.unconverged);
    scry_page_facts_end(to);
}

scry_status mri_page_write(const scry_mri_volume *v, const mri_work *work, const char *in,
                           const scry_json_node *settings, scry_error *err)
{
    char subtitle[160], date[32] = "";
    const time_t now = time(NULL);
    struct tm utc;
    struct middle m;
    scry_html *to = scry_page_body(work->page);
    if (gmtime_r(&now, &utc)) strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &utc);
    snprintf(subtitle, sizeof subtitle, "scry mri, version %s (%s), %s", SCRY_VERSION,
             scry_instructions(), date);
    write_facts(to, v, work);
    scry_status st = take_middle(&m, v, err);
    if (st == SCRY_OK) st = mri_page_figures(to, &m, work, err);
    if (st == SCRY_OK) st = mri_page_spectra(to, &m, err);
    scry_free(m.image);
    if (st != SCRY_OK) return st;
    mri_page_slices(to, v);
    return scry_page_write(work->page, strrchr(in, '/') ? strrchr(in, '/') + 1 : in, subtitle,
                           settings, work->settings->report, err);
}
