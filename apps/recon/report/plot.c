#include "apps/recon/report/plot.h"

#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/numbers.h"

#include <math.h>

/* In units of the SVG. */
enum { WIDTH = 560, HEIGHT = 260, LEFT = 62, RIGHT = 16, TOP = 14, BOTTOM = 46 };

struct axes {
    const scry_plot *plot;
    double low, high; /* of y, decades on a logarithmic axis */
};

static double place_x(const struct axes *a, double x)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * x / a->plot->x_high;
}

static double place_y(const struct axes *a, double y)
{
    const double v = a->plot->log_y ? log10(y) : y;
    return TOP + (HEIGHT - TOP - BOTTOM) * (a->high - v) / (a->high - a->low);
}

static bool can_show(const scry_plot *p, double y)
{
    return isfinite(y) && (!p->log_y || y > 0);
}

/* false: no curve has a point. */
static bool plot_find_axes(struct axes *a, const scry_plot *p)
{
    *a = (struct axes){p, INFINITY, -INFINITY};
    for (size_t c = 0; c < p->count; c++)
        for (size_t i = 0; i < p->points; i++) {
            if (!can_show(p, p->curves[c].y[i])) continue;
            const double v = p->log_y ? log10(p->curves[c].y[i]) : 0;
            a->low = fmin(a->low, v);
            a->high = fmax(a->high, v);
        }
    if (!(a->low <= a->high)) return false;
    a->low = p->log_y ? floor(a->low) : 0;
    a->high = p->log_y ? ceil(a->high) : p->y_high;
    if (!(a->low < a->high)) a->high = a->low + 1;
    return true;
}

static void write_grid(scry_html *page, const struct axes *a)
{
    const scry_plot *p = a->plot;
    const double step = p->log_y ? fmax(1, ceil((a->high - a->low) / 6)) : (a->high - a->low) / 4;
    for (double v = a->low; v <= a->high + 1e-9; v += step) {
        const double y = TOP + (HEIGHT - TOP - BOTTOM) * (a->high - v) / (a->high - a->low);
        scry_html_markupf(page, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, y, WIDTH - RIGHT);
        if (p->log_y)
            scry_html_markupf(page,
                              "<text class=\"y\" x=\"%d\" y=\"%.1f\">10<tspan class=\"up\" "
                              "dy=\"-5\">%.0f</tspan></text>",
                              LEFT - 8, y + 5, v);
        else
            scry_html_markupf(page, "<text class=\"y\" x=\"%d\" y=\"%.1f\">%.3g</text>", LEFT - 8,
                              y + 4, v);
    }
    for (int i = 0; i <= 5; i++)
        scry_html_markupf(page, "<text class=\"x\" x=\"%.1f\" y=\"%d\">%.2g</text>",
                          place_x(a, p->x_high * i / 5), HEIGHT - BOTTOM + 18, p->x_high * i / 5);
    scry_html_markupf(page, "<text class=\"x\" x=\"%d\" y=\"%d\">",
                      LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 8);
    scry_html_text(page, p->x_label);
    scry_html_markupf(page, "</text><text class=\"x\" transform=\"translate(13 %d) rotate(-90)\">",
                      TOP + (HEIGHT - TOP - BOTTOM) / 2);
    scry_html_text(page, p->y_label);
    scry_html_markup(page, "</text>");
}

static void write_curve(scry_html *page, const struct axes *a, const scry_plot_curve *c)
{
    bool pen = false;
    scry_html_markup(page, "<path fill=\"none\" stroke-width=\"1.8\" stroke=\"");
    scry_html_text(page, c->colour);
    scry_html_markupf(page, "\"%s d=\"", c->dashed ? " stroke-dasharray=\"6 4\"" : "");
    for (size_t i = 0; i < a->plot->points; i++) {
        const bool shown = can_show(a->plot, c->y[i]) && a->plot->x[i] <= a->plot->x_high;
        if (shown)
            scry_html_markupf(page, "%c%.1f %.1f", pen ? 'L' : 'M', place_x(a, a->plot->x[i]),
                              place_y(a, c->y[i]));
        pen = shown;
    }
    scry_html_markup(page, "\"/>");
}

void scry_plot_write(scry_html *page, const scry_plot *p)
{
    struct axes a;
    if (!plot_find_axes(&a, p)) return;
    scry_html_markup(page, "<figure class=\"plot\"><p class=\"title\">");
    scry_html_text(page, p->title);
    scry_html_markupf(page, "</p><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH,
                      HEIGHT);
    scry_html_text(page, p->title);
    scry_html_markup(page, "\">");
    write_grid(page, &a);
    for (size_t c = 0; c < p->count; c++)
        write_curve(page, &a, &p->curves[c]);
    scry_html_markup(page, "</svg><p class=\"legend\">");
    for (size_t c = 0; c < p->count; c++) {
        scry_html_markupf(page,
                          "<span><svg viewBox=\"0 0 24 8\"><path stroke-width=\"2\"%s "
                          "stroke=\"",
                          p->curves[c].dashed ? " stroke-dasharray=\"6 4\"" : "");
        scry_html_text(page, p->curves[c].colour);
        scry_html_markup(page, "\" d=\"M0 4H24\"/></svg>");
        scry_html_text(page, p->curves[c].name);
        scry_html_markup(page, "</span>");
    }
    scry_html_markup(page, "</p></figure>\n");
}

/* ---- spectra ---- */

/* *power_of_window: the mean of its square. */
static void take_window(float *out, const float *plane, size_t ny, size_t nx,
                        double *power_of_window)
{
    double sum = 0, count = 0;
    *power_of_window = 0;
    for (size_t i = 0; i < ny * nx; i++) {
        if (!isfinite(plane[i])) continue;
        sum += (double)plane[i];
        count++;
    }
    const double mean = count > 0 ? sum / count : 0;
    for (size_t i = 0; i < ny * nx; i++) {
        const double wy = sin(SCRY_PI * ((double)(i / nx) + 0.5) / (double)ny);
        const double wx = sin(SCRY_PI * ((double)(i % nx) + 0.5) / (double)nx);
        const double w = wy * wy * wx * wx;
        out[i] = isfinite(plane[i]) ? (float)(((double)plane[i] - mean) * w) : 0;
        *power_of_window += w * w / (double)(ny * nx);
    }
}

static void average_rings(double *power, size_t rings, double *count, const float complex *F,
                          size_t ny, size_t nx, double unit)
{
    const size_t half = nx / 2 + 1;
    for (size_t i = 0; i < ny * half; i++) {
        const size_t ky = i / half, kx = i % half;
        const double fy = (double)(ky > ny / 2 ? ny - ky : ky) / (double)ny;
        const double f = hypot(fy, (double)kx / (double)nx);
        const double twice = kx && 2 * kx != nx ? 2 : 1; /* the half that is not stored */
        const size_t ring = (size_t)(2 * (double)rings * f);
        if (ring >= rings || !i) continue;
        const double a = (double)cabsf(F[i]);
        power[ring] += twice * a * a / unit;
        count[ring] += twice;
    }
    for (size_t k = 0; k < rings; k++)
        power[k] = count[k] > 0 ? power[k] / count[k] : NAN;
}

scry_status scry_plot_spectrum(double *power, size_t rings, const float *plane, size_t ny,
                               size_t nx, scry_error *err)
{
    scry_fft *fft = NULL;
    double window, *count = NULL;
    float *y = NULL;
    float complex *F = NULL;
    void *work = NULL;
    scry_status st = scry_fft_create_real(&fft, 2, (const size_t[]){ny, nx}, err);
    if (st != SCRY_OK) return st;
    y = scry_alloc(ny * nx, sizeof *y);
    F = scry_alloc(scry_fft_bins(fft), sizeof *F);
    work = scry_alloc(1, scry_fft_work_bytes(fft));
    count = scry_alloc(rings, sizeof *count);
    if (!y || !F || !work || !count) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "spectrum of %zu pixels", ny * nx);
        goto done;
    }
    take_window(y, plane, ny, nx, &window);
    scry_fft_forward_real(fft, F, y, work);
    for (size_t k = 0; k < rings; k++)
        power[k] = 0;
    average_rings(power, rings, count, F, ny, nx, window * (double)(ny * nx));
done:
    scry_fft_free(fft);
    scry_free(y);
    scry_free(F);
    scry_free(work);
    scry_free(count);
    return st;
}
