#include "apps/recon/report/image_page_impl.h"

#include "apps/recon/image/residual.h"
#include "apps/recon/report/page.h"
#include "apps/recon/report/picture.h"
#include "apps/recon/report/plot.h"
#include "apps/recon/transfer.h"
#include "lib/memory.h"

#include <math.h>

enum { RINGS = 80 };

struct spectra {
    double f[RINGS], input[RINGS], result[RINGS], noise[RINGS], transfer[RINGS];
};

static double image_page_optics_noise_level(const scry_image_page *p)
{
    const size_t n = scry_space_count(&p->image->space);
    double sum = 0, count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(p->image->pixels[i])) continue;
        sum += scry_noise_variance(&p->result->noise, (double)p->image->pixels[i]);
        count++;
    }
    return count > 0 ? sum / count : NAN;
}

static scry_status find_spectra(struct spectra *s, const scry_image_page *p, scry_error *err)
{
    const scry_space *space = &p->image->space;
    const size_t ny = space->dims[space->rank - 2], nx = space->dims[space->rank - 1];
    const size_t middle = scry_space_count(space) / (ny * nx) / 2 * ny * nx;
    const double level = image_page_optics_noise_level(p);
    scry_transfer transfer = {0};
    scry_status st = scry_plot_spectrum(s->input, RINGS, p->image->pixels + middle, ny, nx, err);
    if (st == SCRY_OK)
        st = scry_plot_spectrum(s->result, RINGS, p->result->mean + middle, ny, nx, err);
    if (st == SCRY_OK && p->result->psf)
        st = scry_transfer_create_lateral(&transfer, p->result->psf, &p->result->psf_space, err);
    for (size_t k = 0; k < RINGS; k++) {
        s->f[k] = ((double)k + 0.5) * 0.5 / RINGS;
        s->noise[k] = level;
        s->transfer[k] = transfer.count ? sqrt(scry_transfer_at(s->f[k], &transfer)) : NAN;
    }
    scry_transfer_free(&transfer);
    return st;
}

/* Where the spectrum of the input first comes down to twice that of the noise. */
static double meet_noise(const struct spectra *s)
{
    for (size_t k = 1; k < RINGS; k++)
        if (s->input[k] < 2 * s->noise[k]) return s->f[k];
    return NAN;
}

static scry_status write_spectra(scry_html *to, const scry_image_page *p, scry_error *err)
{
    struct spectra *s = scry_alloc(1, sizeof *s);
    if (!s) return SCRY_FAIL(err, SCRY_ENOMEM, "spectra");
    const scry_status st = find_spectra(s, p, err);
    const scry_plot_curve curves[] = {{"input", "#79828c", false, s->input},
                                      {"result", "#17548f", false, s->result},
                                      {"noise of the input", "#b4532a", true, s->noise}};
    const scry_plot_curve optics[] = {{"|H|, transfer of the PSF", "#4d7a37", false, s->transfer}};
    scry_plot plot = {.title = "Power spectra, averaged over directions",
                      .x_label = "spatial frequency (cycles per pixel)",
                      .y_label = "power (grey values\xc2\xb2)",
                      .x = s->f,
                      .points = RINGS,
                      .x_high = 0.5,
                      .log_y = true,
                      .curves = curves,
                      .count = 3};
    if (st == SCRY_OK) {
        scry_html_markup(to, "<h3>Spectra</h3>\n<div class=\"figures\">\n");
        scry_plot_write(to, &plot);
        plot.title = "Passband of the optics";
        plot.y_label = "amplitude";
        plot.log_y = false;
        plot.y_high = 1;
        plot.curves = optics;
        plot.count = 1;
        if (p->result->psf) scry_plot_write(to, &plot);
        scry_html_markup(to, "</div>\n");
        const double f = meet_noise(s), um = p->image->voxel_um[2];
        if (f > 0 && um > 0)
            scry_html_markupf(to,
                              "<p class=\"sub\">The input comes down to twice its noise at %.2g "
                              "cycles per pixel, a period of %.2g px or %.3g nm.</p>\n",
                              f, 1 / f, 1000 * um / f);
        else if (f > 0)
            scry_html_markupf(to,
                              "<p class=\"sub\">The input comes down to twice its noise at %.2g "
                              "cycles per pixel, a period of %.2g px.</p>\n",
                              f, 1 / f);
    }
    scry_free(s);
    return st;
}

/* ---- the psf ---- */

enum { PSF_SIDE = 65 };

/* The square root of the middle plane of the psf, or of the plane of z and x through its middle. */
static scry_status write_psf_figure(scry_html *to, const scry_image_page *p, bool from_the_side,
                                    scry_error *err)
{
    const scry_space *s = &p->result->psf_space;
    const size_t Y = s->dims[s->rank - 2], X = s->dims[s->rank - 1];
    const size_t Z = s->rank == 3 ? s->dims[0] : 1, rows = from_the_side ? Z : Y;
    const size_t ny = rows < PSF_SIDE ? rows : PSF_SIDE, nx = X < PSF_SIDE ? X : PSF_SIDE;
    double most = 0;
    float *v = scry_alloc(ny * nx, sizeof *v);
    if (!v) return SCRY_FAIL(err, SCRY_ENOMEM, "figure of the psf");
    for (size_t i = 0; i < ny * nx; i++) {
        const size_t row = rows / 2 - ny / 2 + i / nx, x = X / 2 - nx / 2 + i % nx;
        const size_t z = from_the_side ? row : Z / 2, y = from_the_side ? Y / 2 : row;
        v[i] = (float)sqrt(fmax((double)p->result->psf[(z * Y + y) * X + x], 0));
        most = fmax(most, (double)v[i]);
    }
    for (size_t i = 0; i < ny * nx; i++)
        v[i] = (float)((double)v[i] / most);
    const scry_picture figure = {.values = v,
                                 .ny = ny,
                                 .nx = nx,
                                 .range = SCRY_PICTURE_GIVEN,
                                 .high = 1,
                                 .map = SCRY_MAP_HEAT,
                                 .title = from_the_side ? "PSF along z (down) and x"
                                                        : "PSF in the plane of focus",
                                 .unit = "of the peak, square root",
                                 .pixel_um = p->image->voxel_um[2],
                                 .side = PSF_SIDE};
    const scry_status st = scry_picture_write(to, &figure, err);
    scry_free(v);
    return st;
}

static void write_width(scry_html *to, const scry_restore_result *r)
{
    const scry_psf_width *w = &r->psf_width;
    if (!(r->psf_factor > 0)) return;
    scry_page_fact(to, "Width that was used", "%.3g times that of the PSF as given", r->psf_factor);
    if (r->psf_depth > 0) scry_page_fact(to, "Length along z", "%.3g times that", r->psf_depth);
    if (!(w->sigma > 0)) return;
    if (w->determined)
        scry_page_fact(to, "Width found in the image", "%.3g times, %.3g to %.3g%s", w->factor,
                       w->low, w->high,
                       scry_psf_width_contradicts(w) ? ": it contradicts the PSF as given" : "");
    else
        scry_page_fact(to, "Width found in the image", "only that it is below %.3g times", w->high);
}

static scry_status write_psf(scry_html *to, const scry_image_page *p, scry_error *err)
{
    const scry_restore_result *r = p->result;
    scry_psf_stats stats;
    scry_status st = scry_psf_measure(&stats, r->psf, &r->psf_space, err);
    if (st != SCRY_OK) return st;
    scry_html_markup(to, "<h3>Point-spread function</h3>\n<div class=\"figures details\">\n");
    st = write_psf_figure(to, p, false, err);
    if (st == SCRY_OK && r->psf_space.rank == 3) st = write_psf_figure(to, p, true, err);
    scry_html_markup(to, "</div>\n");
    scry_page_facts_begin(to);
    for (int a = 0; a < r->psf_space.rank; a++) {
        const char term[] = {'F', 'W', 'H', 'M', ' ', "zyx"[3 - r->psf_space.rank + a], '\0'};
        const double um = p->image->voxel_um[3 - r->psf_space.rank + a];
        if (um > 0)
            scry_page_fact(to, term, "%.3g px, %.3g nm", stats.fwhm[a], 1000 * um * stats.fwhm[a]);
        else
            scry_page_fact(to, term, "%.3g px", stats.fwhm[a]);
    }
    char size[64];
    scry_page_fact(to, "Support", "%s", scry_space_print(&r->psf_space, size, sizeof size));
    write_width(to, r);
    scry_page_facts_end(to);
    return st;
}

scry_status scryi_image_page_optics(scry_html *to, const scry_image_page *p, scry_error *err)
{
    scry_status st = write_spectra(to, p, err);
    if (st == SCRY_OK && p->result->psf) st = write_psf(to, p, err);
    return st;
}
