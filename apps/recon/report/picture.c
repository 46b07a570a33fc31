#include "apps/recon/report/picture.h"

#include "lib/io/png.h"
#include "lib/memory.h"
#include "lib/vector.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { COLOURS = 255, NOTHING = 255, GAP = 2, TALLEST = 8 };
static const scry_colour nothing = {223, 228, 234};

size_t scry_picture_binning(size_t n, size_t side)
{
    return n > side ? (n + side - 1) / side : 1;
}

/* Means of the finite values of k x k pixels, NaN where there is none. */
static void bin_pixels(float *out, const float *in, size_t ny, size_t nx, size_t k)
{
    const size_t my = (ny + k - 1) / k, mx = (nx + k - 1) / k;
    for (size_t i = 0; i < my * mx; i++) {
        double sum = 0, count = 0;
        for (size_t y = i / mx * k; y < i / mx * k + k && y < ny; y++)
            for (size_t x = i % mx * k; x < i % mx * k + k && x < nx; x++) {
                if (!isfinite(in[y * nx + x])) continue;
                sum += (double)in[y * nx + x];
                count++;
            }
        out[i] = count > 0 ? (float)(sum / count) : NAN;
    }
}

/* The range to show, of n values. */
static scry_status find_range(double *low, double *high, const scry_picture *p, const float *values,
                              size_t n, scry_error *err)
{
    float *finite = scry_alloc(n, sizeof *finite);
    size_t count = 0;
    if (!finite) return SCRY_FAIL(err, SCRY_ENOMEM, "display range of %zu pixels", n);
    for (size_t i = 0; i < n; i++)
        if (isfinite(values[i])) finite[count++] = values[i];
    *low = p->range == SCRY_PICTURE_GIVEN ? p->low : 0;
    *high = p->range == SCRY_PICTURE_GIVEN ? p->high : 1;
    if (p->range == SCRY_PICTURE_PERCENTILES && count)
        *low = scry_quantile(finite, count, .001, finite);
    if (p->range != SCRY_PICTURE_GIVEN && count) *high = scry_quantile(finite, count, .999, finite);
    if (!(*low < *high)) *high = *low + 1;
    scry_free(finite);
    return SCRY_OK;
}

/* ---- parts of a figure ---- */

static void write_title(scry_html *page, const char *title)
{
    scry_html_markup(page, "<figure><p class=\"title\">");
    scry_html_text(page, title);
    scry_html_markup(page, "</p><div class=\"frame\">");
}

/* The largest of 1, 2, 5 x 10^k that is at most `limit`. */
static double round_length(double limit)
{
    const double decade = pow(10, floor(log10(limit)));
    return limit >= 5 * decade ? 5 * decade : limit >= 2 * decade ? 2 * decade : decade;
}

/* Over the lower right corner of an image that is `width` um wide. */
static void write_scale_bar(scry_html *page, double width)
{
    if (!(width > 0) || !isfinite(width)) return;
    const double length = round_length(width / 4);
    const bool nm = length < 1;
    scry_html_markupf(page,
                      "<span class=\"scale\" style=\"width:%.4g%%\"><i></i>%g&thinsp;%s</span>",
                      100 * length / width, nm ? 1000 * length : length, nm ? "nm" : "&micro;m");
}

static void write_colour_bar(scry_html *page, scry_colour_map map, double low, double high,
                             const char *unit)
{
    enum { STOPS = 12 };
    scry_html_markup(page, "</div><div class=\"bar\" style=\"background:linear-gradient(90deg");
    for (int i = 0; i <= STOPS; i++) {
        const scry_colour c = scry_colour_map_at(map, (double)i / STOPS);
        scry_html_markupf(page, ",rgb(%d,%d,%d)", c.r, c.g, c.b);
    }
    scry_html_markupf(page, ")\"></div><div class=\"ticks\"><span>%.4g</span><span>%.4g ", low,
                      (low + high) / 2);
    scry_html_text(page, unit);
    scry_html_markupf(page, "</span><span>%.4g</span></div>", high);
}

static void write_caption(scry_html *page, size_t ny, size_t nx, size_t k)
{
    scry_html_markup(page, "<figcaption>");
    if (k > 1)
        scry_html_markupf(page, "%zu &times; %zu pixels, shown by the means of %zu &times; %zu", ny,
                          nx, k, k);
    else
        scry_html_markupf(page, "%zu &times; %zu pixels", ny, nx);
    scry_html_markup(page, "</figcaption></figure>\n");
}

/* ---- figures ---- */

static scry_status write_indexed(scry_html *page, const float *values, size_t ny, size_t nx,
                                 const scry_picture *p, double low, double high, scry_error *err)
{
    scry_colour palette[COLOURS + 1];
    uint8_t *png = NULL, *pixels = scry_alloc(ny * nx, 1);
    size_t bytes;
    if (!pixels) return SCRY_FAIL(err, SCRY_ENOMEM, "figure of %zu pixels", ny * nx);
    for (int i = 0; i < COLOURS; i++)
        palette[i] = scry_colour_map_at(p->map, (double)i / (COLOURS - 1));
    palette[NOTHING] = nothing;
    for (size_t i = 0; i < ny * nx; i++) {
        const double t = ((double)values[i] - low) / (high - low);
        pixels[i] = isfinite(t) ? (uint8_t)lrint((COLOURS - 1) * fmin(fmax(t, 0), 1)) : NOTHING;
    }
    const scry_status st =
        scry_png_encode_indexed(&png, &bytes, pixels, ny, nx, palette, COLOURS + 1, err);
    if (st == SCRY_OK) scry_html_png(page, png, bytes, ny, nx, nx, p->title);
    scry_free(png);
    scry_free(pixels);
    return st;
}

scry_status scry_picture_write(scry_html *page, const scry_picture *p, scry_error *err)
{
    const size_t longer = p->ny > p->nx ? p->ny : p->nx;
    if (!p->values || !longer || !p->side)
        return SCRY_FAIL(err, SCRY_EINVAL, "figure of %zu x %zu pixels, %zu shown", p->ny, p->nx,
                         p->side);
    const size_t k = scry_picture_binning(longer, p->side);
    const size_t ny = (p->ny + k - 1) / k, nx = (p->nx + k - 1) / k;
    double low = 0, high = 1;
    float *values = scry_alloc(ny * nx, sizeof *values);
    if (!values) return SCRY_FAIL(err, SCRY_ENOMEM, "figure of %zu pixels", ny * nx);
    bin_pixels(values, p->values, p->ny, p->nx, k);
    scry_status st = find_range(&low, &high, p, values, ny * nx, err);
    if (st == SCRY_OK) {
        write_title(page, p->title);
        st = write_indexed(page, values, ny, nx, p, low, high, err);
        write_scale_bar(page, p->pixel_um * (double)p->nx);
        write_colour_bar(page, p->map, low, high, p->unit);
        write_caption(page, p->ny, p->nx, k);
    }
    scry_free(values);
    return st;
}

scry_status scry_picture_colour(scry_html *page, const float *const planes[3], size_t ny, size_t nx,
                                double white, const scry_picture *look, scry_error *err)
{
    const size_t k = scry_picture_binning(ny > nx ? ny : nx, look->side);
    const size_t my = (ny + k - 1) / k, mx = (nx + k - 1) / k;
    float *values = scry_alloc(my * mx, sizeof *values);
    uint8_t *rgb = scry_alloc(my * mx, 3), *png = NULL;
    size_t bytes;
    scry_status st = SCRY_OK;
    if (!values || !rgb) st = SCRY_FAIL(err, SCRY_ENOMEM, "figure of %zu pixels", my * mx);
    for (size_t c = 0; c < 3 && st == SCRY_OK; c++) {
        bin_pixels(values, planes[c], ny, nx, k);
        for (size_t i = 0; i < my * mx; i++) {
            const double t = isfinite(values[i]) ? (double)values[i] / white : 0;
            rgb[3 * i + c] = (uint8_t)lrint(255 * fmin(fmax(t, 0), 1));
        }
    }
    if (st == SCRY_OK) st = scry_png_encode_rgb(&png, &bytes, rgb, my, mx, err);
    if (st == SCRY_OK) {
        write_title(page, look->title);
        scry_html_png(page, png, bytes, my, mx, mx, look->title);
        write_scale_bar(page, look->pixel_um * (double)nx);
        scry_html_markupf(page, "</div><div class=\"ticks\"><span>0 is black</span><span>%.4g ",
                          white);
        scry_html_text(page, look->unit);
        scry_html_markup(page, " is white</span></div>");
        write_caption(page, ny, nx, k);
    }
    scry_free(values);
    scry_free(rgb);
    scry_free(png);
    return st;
}

/* ---- volumes ---- */

static float seen_along(const float *from, size_t n, size_t stride, bool maxima)
{
    if (!maxima) return from[n / 2 * stride];
    float most = NAN;
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, from[i * stride]); /* passes over NaN */
    return most;
}

scry_status scry_picture_views(float **out, size_t *ny, size_t *nx, const float *volume,
                               const scry_space *space, double aspect, bool maxima, scry_error *err)
{
    const size_t Z = space->dims[0], Y = space->dims[1], X = space->dims[2];
    const size_t tall = aspect > 1.5 ? (size_t)lrint(fmin(aspect, TALLEST)) : 1;
    *ny = Y + GAP + Z * tall;
    *nx = X + GAP + Z * tall;
    float *v = *out = scry_alloc(*ny * *nx, sizeof *v);
    if (!v) return SCRY_FAIL(err, SCRY_ENOMEM, "views of %zu voxels", Z * Y * X);
    for (size_t i = 0; i < *ny * *nx; i++) {
        const size_t y = i / *nx, x = i % *nx;
        v[i] = NAN;
        if (y < Y && x < X)
            v[i] = volume[(Z / 2 * Y + y) * X + x];
        else if (y < Y && x >= X + GAP)
            v[i] = seen_along(volume + ((x - X - GAP) / tall * Y + y) * X, X, 1, maxima);
        else if (x < X && y >= Y + GAP)
            v[i] = seen_along(volume + (y - Y - GAP) / tall * Y * X + x, Y, X, maxima);
    }
    return SCRY_OK;
}
