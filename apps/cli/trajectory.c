#include "apps/cli/trajectory.h"

#include "lib/canvas.h"
#include "lib/io/json.h"
#include "lib/io/png.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

scry_status trajectory_json_path(char *out, size_t size, const char *png, scry_error *err)
{
    const size_t n = strlen(png);
    if (n < 5 || strcmp(png + n - 4, ".png") || n + 2 > size)
        return SCRY_FAIL(err, SCRY_EINVAL, "--trajectory %s, expected a name that ends in .png",
                         png);
    snprintf(out, size, "%.*s.json", (int)(n - 4), png);
    return SCRY_OK;
}

/* ---- numbers ---- */

static void put_numbers(scry_json *doc, scry_json_node *to, const char *key, const double *values,
                        size_t count)
{
    scry_json_node *list = scry_json_put_array(doc, to, key);
    for (size_t i = 0; i < count; i++)
        scry_json_put_number(doc, list, NULL, values[i]);
}

static void put_bands(scry_json *doc, scry_json_node *root, const scry_trajectory *t)
{
    scry_json_put_bool(doc, root, "coarse_to_fine", t->coarse_to_fine);
    scry_json_node *list = scry_json_put_array(doc, root, "bands");
    for (size_t b = 0; b < t->band_count; b++) {
        scry_json_node *band = scry_json_put_object(doc, list, NULL);
        scry_json_put_number(doc, band, "low", t->band[b].low);
        scry_json_put_number(doc, band, "high", t->band[b].high);
        scry_json_put_number(doc, band, "sigma_half", t->band[b].sigma);
        scry_json_put_number(doc, band, "sigma_half_gaussian", t->band[b].gaussian);
        put_numbers(doc, band, "share", t->band[b].share, t->levels + 1);
    }
}

scry_status trajectory_write_json(const char *path, const scry_trajectory *t,
                                  const scry_trajectory_request *q, const char *prior,
                                  scry_error *err)
{
    scry_json *doc;
    scry_status st = scry_json_create(&doc, err);
    if (st != SCRY_OK) return st;
    scry_json_node *root = scry_json_root(doc);
    scry_json_put_string(doc, root, "prior", prior);
    scry_json_put_unsigned(doc, root, "seed", q->seed);
    scry_json_put_number(doc, root, "mean", q->mean);
    scry_json_put_number(doc, root, "std", q->std);
    put_numbers(doc, root, "sigma", t->sigma, t->levels + 1);
    put_numbers(doc, root, "explained_by_axes", t->explained, SCRY_TRAJECTORY_AXES);
    scry_json_put_number(doc, root, "explained_by_rotation", t->rotation);
    put_numbers(doc, root, "rotation_share", t->turned, t->levels + 1);
    put_numbers(doc, root, "image_coefficient", t->a, t->levels + 1);
    put_numbers(doc, root, "noise_coefficient", t->b, t->levels + 1);
    put_numbers(doc, root, "distance_to_gaussian", t->apart, t->levels + 1);
    put_bands(doc, root, t);
    scry_json_node *list = scry_json_put_array(doc, root, "perturbations");
    for (size_t i = 0; i < t->push_count; i++) {
        scry_json_node *push = scry_json_put_object(doc, list, NULL);
        scry_json_put_number(doc, push, "sigma", t->push[i].sigma);
        scry_json_put_number(doc, push, "gain", t->push[i].gain);
        scry_json_put_number(doc, push, "gain_gaussian", t->push[i].gaussian);
    }
    st = scry_json_write(doc, path, err);
    scry_json_free(doc);
    return st;
}

/* ---- the figure ---- */

enum { COLUMNS = 8, THUMB = 128, GAP = 6, TEXT = 14, PLOT = 300, LEFT = 40, DOT = 2 };
enum { PAGE_X = LEFT + COLUMNS * (THUMB + GAP), PLOT_Y = PLOT + 3 * TEXT };

static const scry_colour white = {255, 255, 255}, black = {20, 20, 20}, grey = {170, 170, 170};
static const scry_colour colours[] = {{23, 84, 143},  {42, 140, 130}, {120, 160, 60},
                                      {200, 150, 40}, {200, 90, 40},  {150, 40, 90}};

/* An image in THUMB x THUMB pixels, -1 to 1 in units of `spread` around `mean` twice over. */
static void draw_thumb(const scry_canvas *c, size_t top, size_t left, const float *image,
                       const scry_trajectory *t, double mean, double spread)
{
    for (size_t y = 0; y < THUMB; y++)
        for (size_t x = 0; x < THUMB; x++) {
            const size_t iy = y * t->ny / THUMB, ix = x * t->nx / THUMB;
            const double v = ((double)image[iy * t->nx + ix] - mean) / spread;
            scry_canvas_fill(c, top + y, left + x, 1, 1,
                             scry_colour_map_at(SCRY_MAP_GREY, (v + 2) / 5));
        }
}

static void draw_rows(const scry_canvas *c, const scry_trajectory *t,
                      const scry_trajectory_request *q)
{
    const float *const rows[] = {t->x, t->D, t->model};
    const char *const names[] = {"STATE", "ESTIMATE", "GAUSSIAN"};
    const size_t n = t->ny * t->nx;
    for (size_t i = 0; i < COLUMNS; i++) {
        const size_t k = i * t->levels / (COLUMNS - 1), left = LEFT + i * (THUMB + GAP);
        char label[32];
        snprintf(label, sizeof label, "SIGMA %.3g", t->sigma[k]);
        scry_canvas_text(c, GAP, left, THUMB, DOT, SCRY_TEXT_RIGHT, black, label);
        for (size_t row = 0; row < 3 && rows[row]; row++) {
            const double spread = row == 1 ? q->std : hypot(q->std, t->sigma[k]);
            draw_thumb(c, TEXT + GAP + row * (THUMB + GAP), left, rows[row] + k * n, t, q->mean,
                       spread);
        }
    }
    for (size_t row = 0; row < 3 && rows[row]; row++)
        scry_canvas_text(c, TEXT + GAP + row * (THUMB + GAP) + THUMB, GAP, THUMB, DOT, SCRY_TEXT_UP,
                         black, names[row]);
}

/* Axes from 0 to 1 upwards; the place of a point in them. */
typedef struct plot_frame {
    const scry_canvas *canvas;
    size_t top, left;
    double low, high; /* of ln sigma */
} plot_frame;

static void plot_dot(const plot_frame *f, double x, double y, size_t size, scry_colour colour)
{
    if (!(x >= 0 && x <= 1)) return;
    y = fmin(1.02, fmax(-.02, y));
    scry_canvas_fill(f->canvas, f->top + (size_t)((1.02 - y) * (PLOT - 8)) - size / 2 + 4,
                     f->left + (size_t)(x * (PLOT - 8)) + 4 - size / 2, size, size, colour);
}

static void plot_line(const plot_frame *f, double x0, double y0, double x1, double y1,
                      scry_colour colour)
{
    for (int i = 0; i <= 100 && isfinite(y0 + y1); i++)
        plot_dot(f, x0 + (x1 - x0) * i / 100, y0 + (y1 - y0) * i / 100, 2, colour);
}

/* 0 at the highest level, 1 at the lowest. */
static double plot_along(const plot_frame *f, double sigma)
{
    return (f->high - log(sigma)) / (f->high - f->low);
}

static plot_frame plot_begin(const scry_canvas *c, size_t top, size_t number, const char *title,
                             const char *below, const scry_trajectory *t)
{
    const plot_frame f = {c, top + TEXT, LEFT + number * (PLOT + 60), log(t->sigma[t->levels - 1]),
                          log(t->sigma[0])};
    scry_canvas_text(c, top, f.left, PLOT + 50, DOT, SCRY_TEXT_RIGHT, black, title);
    scry_canvas_fill(c, f.top, f.left, PLOT, 1, grey);
    scry_canvas_fill(c, f.top + PLOT, f.left, 1, PLOT, grey);
    scry_canvas_text(c, f.top, f.left - 10, 10, DOT, SCRY_TEXT_RIGHT, grey, "1");
    scry_canvas_text(c, f.top + PLOT - 10, f.left - 10, 10, DOT, SCRY_TEXT_RIGHT, grey, "0");
    scry_canvas_text(c, f.top + PLOT + 4, f.left, PLOT + 50, DOT, SCRY_TEXT_RIGHT, grey, below);
    return f;
}

static void draw_rotation(const scry_canvas *c, size_t top, const scry_trajectory *t)
{
    char title[64];
    snprintf(title, sizeof title, "ROTATION: %.1f%%, TWO AXES %.1f%%", 100 * t->rotation,
             100 * (t->explained[0] + t->explained[1]));
    const plot_frame f = plot_begin(c, top, 0, title, "NOISE TO THE RIGHT, IMAGE UPWARDS", t);
    for (int i = 0; i <= 400; i++)
        plot_dot(&f, sin(i * .0039269908), cos(i * .0039269908), 1, grey);
    for (size_t k = 0; k <= t->levels; k++)
        plot_dot(&f, fmin(1, fmax(0, t->b[k])), t->a[k], 5, colours[0]);
}

static void draw_bands(const scry_canvas *c, size_t top, const scry_trajectory *t)
{
    const plot_frame f =
        plot_begin(c, top, 1, "SHARE OF THE IMAGE BY OCTAVE", "SIGMA FALLS; BARS: GAUSSIAN", t);
    for (size_t b = 0; b < t->band_count; b++) {
        const scry_trajectory_band *band = &t->band[b];
        const scry_colour colour = colours[b % 6];
        char label[32];
        for (size_t k = 0; k + 1 < t->levels; k++)
            plot_line(&f, plot_along(&f, t->sigma[k]), band->share[k],
                      plot_along(&f, t->sigma[k + 1]), band->share[k + 1], colour);
        if (band->gaussian > 0)
            plot_line(&f, plot_along(&f, band->gaussian), .47, plot_along(&f, band->gaussian), .53,
                      colour);
        snprintf(label, sizeof label, "%.3g", band->high);
        scry_canvas_text(c, f.top + 20 + 14 * b, f.left + 8, 60, DOT, SCRY_TEXT_RIGHT, colour,
                         label);
    }
}

static void draw_pushes(const scry_canvas *c, size_t top, const scry_trajectory *t)
{
    const plot_frame f = plot_begin(c, top, 2, "WHAT IS LEFT OF A PUSH OF .1 SIGMA",
                                    "SIGMA FALLS; GREY: GAUSSIAN", t);
    for (size_t i = 0; i < t->push_count; i++) {
        const scry_trajectory_push *p = &t->push[i], *n = &t->push[i + 1];
        plot_dot(&f, plot_along(&f, p->sigma), p->gain, 7, colours[4]);
        if (i + 1 == t->push_count) break;
        plot_line(&f, plot_along(&f, p->sigma), p->gain, plot_along(&f, n->sigma), n->gain,
                  colours[4]);
        plot_line(&f, plot_along(&f, p->sigma), p->gaussian, plot_along(&f, n->sigma), n->gaussian,
                  grey);
    }
}

scry_status trajectory_write_figure(const char *path, const scry_trajectory *t,
                                    const scry_trajectory_request *q, scry_error *err)
{
    scry_canvas c = {0};
    const size_t rows = t->model ? 3 : 2, top = TEXT + 2 * GAP + rows * (THUMB + GAP) + GAP;
    scry_status st = scry_canvas_create(&c, top + PLOT_Y, PAGE_X, white, err);
    if (st != SCRY_OK) return st;
    draw_rows(&c, t, q);
    draw_rotation(&c, top, t);
    draw_bands(&c, top, t);
    draw_pushes(&c, top, t);
    st = scry_png_write_rgb(path, c.rgb, c.ny, c.nx, err);
    scry_canvas_free(&c);
    return st;
}
