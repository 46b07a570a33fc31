#include "lib/io/png.h"

#include "lib/atomic_file_impl.h"
#include "lib/memory.h"
#include "lib/space.h"
#include "lib/vector.h"

#include <errno.h>
#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

/* A few bytes of PNG can claim any size: memory is taken for up to PIXELS_MAX bytes and no more. */
enum { SIDE_MAX = 1 << 20, PIXELS_MAX = 1 << 28 };

/* libpng reports failure by a longjmp out of its callback; the words are kept for the user. */
struct report {
    jmp_buf jump;
    char text[128];
};

static void on_error(png_structp png, png_const_charp text)
{
    struct report *r = png_get_error_ptr(png);
    snprintf(r->text, sizeof r->text, "%s", text);
    longjmp(r->jump, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png; /* libraries do not print */
    (void)text;
}

/* No local changes between setjmp and longjmp: all that the cleanup needs is set before. */
static scry_status png_encode(FILE *f, const char *path, const uint8_t *px, size_t ny, size_t nx,
                              int channels, scry_error *err)
{
    struct report report = {.text = ""};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &report, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_write_struct(&png, NULL);
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: PNG encoder", path);
    }
    if (setjmp(report.jump)) {
        png_destroy_write_struct(&png, &info);
        return SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, report.text);
    }
    png_init_io(png, f);
    png_set_IHDR(png, info, (png_uint_32)nx, (png_uint_32)ny, 8,
                 channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (size_t y = 0; y < ny; y++)
        png_write_row(png, px + y * nx * (size_t)channels);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return SCRY_OK;
}

static scry_status write_file(const char *path, const uint8_t *px, size_t ny, size_t nx,
                              int channels, scry_error *err)
{
    if (!ny || !nx || ny > SIDE_MAX || nx > SIDE_MAX)
        return SCRY_FAIL(err, SCRY_ESHAPE, "%s: %zu x %zu pixels, expected 1 to %d a side", path,
                         ny, nx, SIDE_MAX);
    scryi_atomic_file file;
    scry_status st = scryi_atomic_file_create(&file, path, "", err);
    if (st != SCRY_OK) return st;
    FILE *f = fopen(file.temp, "wb");
    st = f ? png_encode(f, path, px, ny, nx, channels, err)
           : SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(errno));
    if (f && fclose(f) && st == SCRY_OK)
        st = SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(errno));
    if (st == SCRY_OK) st = scryi_atomic_file_commit(&file, err);
    scryi_atomic_file_abandon(&file);
    return st;
}

scry_status scry_png_write_grey(const char *path, const uint8_t *grey, size_t ny, size_t nx,
                                scry_error *err)
{
    return write_file(path, grey, ny, nx, 1, err);
}

scry_status scry_png_write_rgb(const char *path, const uint8_t *rgb, size_t ny, size_t nx,
                               scry_error *err)
{
    return write_file(path, rgb, ny, nx, 3, err);
}

/* ---- into memory ---- */

/* In one place that a longjmp does not roll back. */
struct encoder {
    struct report report;
    png_structp png;
    png_infop info;
    uint8_t *bytes;
    size_t count, capacity;
};

static void take_bytes(png_structp png, png_bytep data, size_t n)
{
    struct encoder *e = png_get_io_ptr(png);
    if (e->count + n > e->capacity) {
        const size_t capacity = 2 * (e->count + n) + 1024;
        uint8_t *larger = scry_alloc(1, capacity);
        if (!larger) png_error(png, "no memory");
        if (e->count) memcpy(larger, e->bytes, e->count);
        scry_free(e->bytes);
        e->bytes = larger;
        e->capacity = capacity;
    }
    memcpy(e->bytes + e->count, data, n);
    e->count += n;
}

static void flush_nothing(png_structp png)
{
    (void)png;
}

static scry_status encode_memory(struct encoder *e, const uint8_t *pixels, size_t ny, size_t nx,
                                 const png_color *palette, int colours, scry_error *err)
{
    const size_t row = palette ? nx : 3 * nx;
    if (setjmp(e->report.jump)) return SCRY_FAIL(err, SCRY_ENOMEM, "PNG: %s", e->report.text);
    png_set_write_fn(e->png, e, take_bytes, flush_nothing);
    png_set_compression_level(e->png, 9);
    png_set_IHDR(e->png, e->info, (png_uint_32)nx, (png_uint_32)ny, 8,
                 palette ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (palette) png_set_PLTE(e->png, e->info, palette, colours);
    png_write_info(e->png, e->info);
    for (size_t y = 0; y < ny; y++)
        png_write_row(e->png, pixels + y * row);
    png_write_end(e->png, e->info);
    return SCRY_OK;
}

static scry_status encode_to(uint8_t **png, size_t *bytes, const uint8_t *pixels, size_t ny,
                             size_t nx, const png_color *palette, int colours, scry_error *err)
{
    scry_status st = SCRY_OK;
    *png = NULL;
    *bytes = 0;
    if (!ny || !nx || ny > SIDE_MAX || nx > SIDE_MAX)
        return SCRY_FAIL(err, SCRY_ESHAPE, "%zu x %zu pixels, expected 1 to %d a side", ny, nx,
                         SIDE_MAX);
    struct encoder *e = scry_alloc(1, sizeof *e);
    if (!e) return SCRY_FAIL(err, SCRY_ENOMEM, "PNG encoder");
    e->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &e->report, on_error, on_warning);
    e->info = e->png ? png_create_info_struct(e->png) : NULL;
    st = e->info ? encode_memory(e, pixels, ny, nx, palette, colours, err)
                 : SCRY_FAIL(err, SCRY_ENOMEM, "PNG encoder");
    png_destroy_write_struct(&e->png, &e->info);
    if (st == SCRY_OK) {
        *png = e->bytes;
        *bytes = e->count;
    } else {
        scry_free(e->bytes);
    }
    scry_free(e);
    return st;
}

scry_status scry_png_encode_indexed(uint8_t **png, size_t *bytes, const uint8_t *pixels, size_t ny,
                                    size_t nx, const scry_colour *palette, size_t colours,
                                    scry_error *err)
{
    png_color entries[256] = {{0}};
    if (!colours || colours > 256)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu colours, expected 1 to 256", colours);
    for (size_t i = 0; i < colours; i++)
        entries[i] = (png_color){palette[i].r, palette[i].g, palette[i].b};
    return encode_to(png, bytes, pixels, ny, nx, entries, (int)colours, err);
}

scry_status scry_png_encode_rgb(uint8_t **png, size_t *bytes, const uint8_t *rgb, size_t ny,
                                size_t nx, scry_error *err)
{
    return encode_to(png, bytes, rgb, ny, nx, NULL, 0, err);
}

/* ---- reading ---- */

/* Memory of decode, in one place that a longjmp does not roll back. */
struct decoder {
    struct report report;
    png_structp png;
    png_infop info;
    uint8_t *bytes;
    png_bytep *rows;
    scry_png_image image;
};

static scry_status png_decode(struct decoder *d, FILE *f, const char *path, scry_error *err)
{
    if (setjmp(d->report.jump))
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: broken PNG: %s", path, d->report.text);
    png_init_io(d->png, f);
    png_read_info(d->png, d->info);
    png_set_expand(d->png);
    png_set_strip_alpha(d->png);
    png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    scry_png_image *m = &d->image;
    m->ny = png_get_image_height(d->png, d->info);
    m->nx = png_get_image_width(d->png, d->info);
    m->channels = png_get_channels(d->png, d->info);
    m->bits = png_get_bit_depth(d->png, d->info);
    const size_t row = png_get_rowbytes(d->png, d->info);
    size_t total;
    if (!scry_mul(&total, row, m->ny) || total > PIXELS_MAX ||
        (m->channels != 1 && m->channels != 3))
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: %zu x %zu pixels of %zu channels, expected 1 or 3 "
                         "channels and at most %d bytes",
                         path, m->ny, m->nx, m->channels, PIXELS_MAX);
    d->bytes = scry_alloc(total, 1);
    d->rows = scry_alloc(m->ny, sizeof *d->rows);
    m->pixels = scry_alloc(m->channels * m->ny * m->nx, sizeof *m->pixels);
    if (!d->bytes || !d->rows || !m->pixels)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu x %zu pixels", path, m->ny, m->nx);
    for (size_t y = 0; y < m->ny; y++)
        d->rows[y] = d->bytes + y * row;
    png_read_image(d->png, d->rows);
    png_read_end(d->png, NULL); /* checks the last checksum */
    for (size_t i = 0; i < m->ny * m->nx; i++)
        for (size_t c = 0; c < m->channels; c++) {
            const uint8_t *p =
                d->rows[i / m->nx] + (i % m->nx * m->channels + c) * (size_t)(m->bits / 8);
            m->pixels[c * m->ny * m->nx + i] = m->bits == 16 ? (float)(p[0] << 8 | p[1]) : p[0];
        }
    return SCRY_OK;
}

scry_status scry_png_read(scry_png_image *out, const char *path, scry_error *err)
{
    *out = (scry_png_image){0};
    FILE *f = fopen(path, "rb");
    if (!f) return SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(errno));
    struct decoder *d = scry_alloc(1, sizeof *d);
    scry_status st = SCRY_OK;
    if (d) {
        d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d->report, on_error, on_warning);
        d->info = d->png ? png_create_info_struct(d->png) : NULL;
    }
    if (!d || !d->info)
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: PNG decoder", path);
    else
        st = png_decode(d, f, path, err);
    fclose(f);
    if (d) {
        if (st == SCRY_OK)
            *out = d->image;
        else
            scry_free(d->image.pixels);
        scry_free(d->rows);
        scry_free(d->bytes);
        png_destroy_read_struct(&d->png, &d->info, NULL);
    }
    scry_free(d);
    return st;
}

enum { DOT = 2, LABEL = 9 * DOT, GAP = 6 };
static const scry_colour BACKGROUND = {24, 24, 24}, INK = {235, 235, 235};

/* Percentiles of the finite values. */
static scry_status png_window(const scry_panel *p, double *low, double *high, scry_error *err)
{
    *low = p->low;
    *high = p->high;
    if (*low < *high) return SCRY_OK;
    size_t n = 0;
    float *finite = scry_alloc(p->ny * p->nx, sizeof *finite);
    if (!finite) return SCRY_FAIL(err, SCRY_ENOMEM, "display range of %zu pixels", p->ny * p->nx);
    for (size_t i = 0; i < p->ny * p->nx; i++)
        if (isfinite(p->values[i])) finite[n++] = p->values[i];
    *low = n ? scry_quantile(finite, n, .001, finite) : 0;
    *high = n ? scry_quantile(finite, n, .999, finite) : 1;
    if (!(*low < *high)) *high = *low + 1;
    scry_free(finite);
    return SCRY_OK;
}

/* Sizes of all cells: `up` times larger or `down` times smaller. */
struct layout {
    size_t columns, rows, up, down, ny, nx;
};

static size_t png_shown(size_t n, const struct layout *l)
{
    return n * l->up / l->down > 0 ? n * l->up / l->down : 1;
}

static void draw_panel(const scry_canvas *c, const struct layout *l, const scry_panel *p, size_t y0,
                       size_t x0, double low, double high)
{
    const size_t ny = png_shown(p->ny, l), nx = png_shown(p->nx, l);
    for (size_t y = 0; y < ny; y++)
        for (size_t x = 0; x < nx; x++) {
            double sum = 0;
            size_t count = 0;
            const size_t sy = y * l->down / l->up, sx = x * l->down / l->up;
            for (size_t i = 0; i < l->down && sy + i < p->ny; i++)
                for (size_t j = 0; j < l->down && sx + j < p->nx; j++, count++)
                    sum += p->values[(sy + i) * p->nx + sx + j];
            const double t = (sum / (double)count - low) / (high - low);
            scry_canvas_fill(c, y0 + y, x0 + x, 1, 1, scry_colour_map_at(p->map, t));
        }
}

static scry_status check_panels(const scry_panel *panels, size_t count, struct layout *l,
                                scry_error *err)
{
    size_t ny = 0, nx = 0;
    if (!count) return SCRY_FAIL(err, SCRY_EINVAL, "a preview of 0 panels");
    for (size_t k = 0; k < count; k++) {
        const scry_panel *p = &panels[k];
        if (!p->ny || !p->nx || p->ny > SIDE_MAX || p->nx > SIDE_MAX)
            return SCRY_FAIL(err, SCRY_ESHAPE, "panel %zu: %zu x %zu pixels", k, p->ny, p->nx);
        if (!p->values || p->map < SCRY_MAP_GREY || p->map > SCRY_MAP_DIVERGING)
            return SCRY_FAIL(err, SCRY_EINVAL, "panel %zu: no values, or colour map %d", k, p->map);
        ny = p->ny > ny ? p->ny : ny;
        nx = p->nx > nx ? p->nx : nx;
    }
    const size_t side = ny > nx ? ny : nx;
    l->columns = l->columns && l->columns < count ? l->columns : count;
    l->rows = (count + l->columns - 1) / l->columns;
    l->up = side < 256 ? (256 + side - 1) / side : 1;
    l->down = side > 1024 ? (side + 1023) / 1024 : 1;
    l->ny = png_shown(ny, l);
    l->nx = png_shown(nx, l);
    return SCRY_OK;
}

scry_status scry_png_panels(const char *path, const scry_panel *panels, size_t count,
                            size_t columns, scry_error *err)
{
    struct layout l = {.columns = columns};
    scry_status st = check_panels(panels, count, &l, err);
    if (st != SCRY_OK) return st;
    const size_t cy = l.ny + LABEL + GAP, cx = l.nx + GAP;
    scry_canvas c;
    st = scry_canvas_create(&c, l.rows * cy + GAP, l.columns * cx + GAP, BACKGROUND, err);
    if (st != SCRY_OK) return st;
    for (size_t k = 0; k < count && st == SCRY_OK; k++) {
        const size_t y0 = GAP + k / l.columns * cy, x0 = GAP + k % l.columns * cx;
        double low, high;
        if ((st = png_window(&panels[k], &low, &high, err)) != SCRY_OK) break;
        draw_panel(&c, &l, &panels[k], y0, x0, low, high);
        if (panels[k].label)
            scry_canvas_text(&c, y0 + l.ny + 2 * DOT, x0, l.nx, DOT, SCRY_TEXT_RIGHT, INK,
                             panels[k].label);
    }
    if (st == SCRY_OK) st = scry_png_write_rgb(path, c.rgb, c.ny, c.nx, err);
    scry_canvas_free(&c);
    return st;
}
