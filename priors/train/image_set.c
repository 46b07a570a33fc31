#include "priors/train/image_set_impl.h"

#include "lib/memory.h"
#include "lib/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_MAX 1024 /* pixels of the widest window of a crop */

void scry_image_set_opts_init(scry_image_set_opts *opts)
{
    *opts = (scry_image_set_opts){
        .crop = 64, .zoom_low = .45, .zoom_high = 1, .gain_low = .5, .gain_high = 1, .clean = true};
}

scry_status scry_image_set_create(scry_image_set **out, const scry_image_set_opts *o,
                                  scry_error *err)
{
    *out = NULL;
    if (!(o->zoom_low > 0 && o->zoom_low <= o->zoom_high && o->zoom_high <= 1 && o->crop &&
          (double)o->crop / o->zoom_low <= WINDOW_MAX))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "zoom %g to %g of crops of %zu, expected 0 < low <= high <= 1 and windows "
                         "of at most %d pixels",
                         o->zoom_low, o->zoom_high, o->crop, WINDOW_MAX);
    if (!(o->gain_low > 0 && o->gain_low <= o->gain_high && o->gain_high <= 1))
        return SCRY_FAIL(err, SCRY_EINVAL, "gain %g to %g, expected 0 < low <= high <= 1",
                         o->gain_low, o->gain_high);
    scry_image_set *s = scry_alloc(1, sizeof *s);
    if (!s) return SCRY_FAIL(err, SCRY_ENOMEM, "set of images");
    s->opts = *o;
    *out = s;
    return SCRY_OK;
}

void scry_image_set_free(scry_image_set *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->count; i++)
        scry_free(s->pictures[i].pixels);
    scry_free(s->pictures);
    scry_free(s->classes);
    scry_free(s);
}

static scry_status class_index(scry_image_set *s, size_t *index, const char *name, scry_error *err)
{
    for (*index = 0; *index < s->class_count; ++*index)
        if (!strncmp(s->classes[*index], name, SCRYI_CLASS_NAME - 1)) return SCRY_OK;
    if (!scryi_memory_grow(&s->classes, &s->class_capacity, s->class_count, sizeof *s->classes))
        return SCRY_FAIL(err, SCRY_ENOMEM, "class %s", name);
    snprintf(s->classes[s->class_count++], SCRYI_CLASS_NAME, "%s", name);
    return SCRY_OK;
}

scry_status scry_image_set_add(scry_image_set *s, scry_image_report *report, const float *pixels,
                               size_t ny, size_t nx, const char *class, bool held_out,
                               scry_error *err)
{
    scryi_picture p = {.ny = ny, .nx = nx, .held_out = held_out};
    scry_status st = SCRY_OK;
    float *copy = scry_copy(pixels, ny * nx * sizeof *copy);
    if (!copy) return SCRY_FAIL(err, SCRY_ENOMEM, "image of %zu x %zu pixels", ny, nx);
    if ((st = scryi_picture_examine(report, copy, &p.ny, &p.nx, s->opts.clean, err)) != SCRY_OK ||
        (st = class_index(s, &p.class, class, err)) != SCRY_OK)
        goto done;
    p.weight = report->weight;
    p.pixels = scry_alloc(p.ny * p.nx, sizeof *p.pixels);
    if (!p.pixels ||
        !scryi_memory_grow(&s->pictures, &s->capacity, s->count, sizeof *s->pictures)) {
        scry_free(p.pixels);
        st = SCRY_FAIL(err, SCRY_ENOMEM, "image of %zu x %zu pixels", ny, nx);
        goto done;
    }
    for (size_t i = 0; i < p.ny * p.nx; i++)
        p.pixels[i] = (uint16_t)(65535 * copy[i] + .5f);
    s->pictures[s->count++] = p;
done:
    scry_free(copy);
    return st;
}

/* Classes in the order of their names, whatever the order of the files. */
static void sort_classes(scry_image_set *s)
{
    for (size_t i = 0; i < s->class_count; i++)
        for (size_t j = i + 1; j < s->class_count; j++) {
            char swap[SCRYI_CLASS_NAME];
            if (strcmp(s->classes[i], s->classes[j]) <= 0) continue;
            memcpy(swap, s->classes[i], sizeof swap);
            memcpy(s->classes[i], s->classes[j], sizeof swap);
            memcpy(s->classes[j], swap, sizeof swap);
            for (size_t k = 0; k < s->count; k++) {
                size_t *c = &s->pictures[k].class;
                *c = *c == i ? j : *c == j ? i : *c;
            }
        }
}

static void hold_out(scry_image_set *s, bool *borrowed)
{
    for (size_t c = 0; c < s->class_count; c++) {
        const size_t all = scry_image_set_class_count(s, c, false);
        size_t seen = 0;
        for (size_t i = 0; i < s->count && all >= 4; i++)
            if (s->pictures[i].class == c) s->pictures[i].held_out = seen++ % 10 == 3;
    }
    *borrowed = !scry_image_set_count(s, true);
}

scry_status scry_image_set_seal(scry_image_set *s, bool *borrowed, scry_error *err)
{
    double total = 0, m1 = 0, m2 = 0;
    const double gain = (s->opts.gain_low + s->opts.gain_high) / 2;
    sort_classes(s);
    *borrowed = false;
    if (!scry_image_set_count(s, true)) hold_out(s, borrowed);
    for (size_t c = 0; c < s->class_count; c++) {
        double roots = 0, area = 0;
        for (int pass = 0; pass < 2; pass++)
            for (size_t i = 0; i < s->count; i++) {
                scryi_picture *p = &s->pictures[i];
                p->drawn = !p->held_out && p->ny >= s->opts.crop && p->nx >= s->opts.crop;
                if (!p->drawn || p->class != c) continue;
                const double pixels = (double)(p->ny * p->nx), root = p->weight * sqrt(pixels);
                if (pass) {
                    p->share = root / roots * sqrt(area);
                    total += p->share;
                }
                roots += pass ? 0 : root;
                area += pass ? 0 : pixels;
            }
    }
    if (!(total > 0))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "no image of the %zu is left to train on, expected at least one with "
                         "sides of %zu pixels",
                         s->count, s->opts.crop);
    double sum = 0;
    for (size_t i = 0; i < s->count; i++) {
        scryi_picture *p = &s->pictures[i];
        if (!p->drawn) continue;
        const size_t n = p->ny * p->nx;
        double a = 0, b = 0;
        for (size_t k = 0; k < n; k++) {
            const double x = 2 * gain * p->pixels[k] / 65535. - 1;
            a += x / (double)n;
            b += x * x / (double)n;
        }
        m1 += p->share / total * a;
        m2 += p->share / total * b;
        sum += p->share / total;
        p->share = sum;
    }
    s->mean = m1;
    s->std = sqrt(fmax(m2 - m1 * m1, 1e-12));
    return SCRY_OK;
}

size_t scry_image_set_classes(const scry_image_set *s)
{
    return s->class_count;
}

const char *scry_image_set_class(const scry_image_set *s, size_t c)
{
    return s->classes[c];
}

size_t scry_image_set_class_count(const scry_image_set *s, size_t c, bool held_out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += s->pictures[i].class == c && s->pictures[i].held_out == held_out;
    return n;
}

size_t scry_image_set_class_pixels(const scry_image_set *s, size_t c, bool held_out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->pictures[i].class == c && s->pictures[i].held_out == held_out)
            n += s->pictures[i].ny * s->pictures[i].nx;
    return n;
}

size_t scry_image_set_count(const scry_image_set *s, bool held_out)
{
    size_t n = 0;
    for (size_t c = 0; c < s->class_count; c++)
        n += scry_image_set_class_count(s, c, held_out);
    return n;
}

size_t scry_image_set_pixels(const scry_image_set *s, bool held_out)
{
    size_t n = 0;
    for (size_t c = 0; c < s->class_count; c++)
        n += scry_image_set_class_pixels(s, c, held_out);
    return n;
}

void scry_image_set_moments(const scry_image_set *s, double *mean, double *std)
{
    *mean = s->mean;
    *std = s->std;
}

/* ---- crops ---- */

static const scryi_picture *set_pick(const scry_image_set *s, double u)
{
    const scryi_picture *last = NULL;
    for (size_t i = 0; i < s->count; i++) {
        if (!s->pictures[i].drawn) continue;
        last = &s->pictures[i];
        if (last->share >= u) break;
    }
    return last;
}

/* Weight of the pixel at distance d, in pixels, from the centre of an output pixel `scale` wide: a
 * triangle, as the linear filters of image libraries have it when they reduce. */
static float set_triangle(double d, double scale)
{
    return (float)fmax(0, 1 - fabs(d) / scale);
}

/* to[i] = sum_j w_j from[j * step] / sum_j w_j for output i of `side` pixels reduced to `crop`. */
static float set_reduce(const float *from, size_t side, double scale, size_t i)
{
    const double centre = ((double)i + .5) * scale;
    const size_t begin = (size_t)fmax(0, floor(centre - scale)),
                 end = (size_t)fmin((double)side, ceil(centre + scale));
    float sum = 0, weights = 0;
    for (size_t j = begin; j < end; j++) {
        const float w = set_triangle((double)j + .5 - centre, scale);
        sum += w * from[j];
        weights += w;
    }
    return sum / weights;
}

/* Row i of the crop before its columns are reduced: `side` values. */
static void reduce_rows(float *row, const scryi_picture *p, size_t top, size_t left, size_t side,
                        double scale, size_t i)
{
    const double centre = ((double)i + .5) * scale;
    const size_t begin = (size_t)fmax(0, floor(centre - scale)),
                 end = (size_t)fmin((double)side, ceil(centre + scale));
    float weights = 0;
    memset(row, 0, side * sizeof *row);
    for (size_t j = begin; j < end; j++) {
        const float w = set_triangle((double)j + .5 - centre, scale);
        const uint16_t *from = p->pixels + (top + j) * p->nx + left;
        weights += w;
        for (size_t k = 0; k < side; k++)
            row[k] += w * (float)from[k];
    }
    for (size_t k = 0; k < side; k++)
        row[k] /= weights;
}

/* Where pixel (i, j) lands after one of the eight turns and mirrors of a square. */
static size_t set_turned(size_t i, size_t j, size_t n, unsigned turn)
{
    if (turn & 1) j = n - 1 - j;
    if (turn & 2) i = n - 1 - i;
    return turn & 4 ? j * n + i : i * n + j;
}

size_t scry_image_set_label(void *context, size_t step, size_t index)
{
    const scry_image_set *s = context;
    float u;
    scry_rng_uniform(&u, 0, 1, s->opts.seed, (uint32_t)index, scry_rng_step(step, 2));
    return set_pick(s, (double)u)->class;
}

scry_status scry_image_set_crop(void *context, float *x, size_t step, size_t index, scry_error *err)
{
    (void)err;
    const scry_image_set *s = context;
    const scry_image_set_opts *o = &s->opts;
    float u[8], row[WINDOW_MAX + 1];
    scry_rng_uniform(u, 0, 8, o->seed, (uint32_t)index, scry_rng_step(step, 2));
    const scryi_picture *p = set_pick(s, (double)u[0]);
    const double zoom = o->zoom_low + (o->zoom_high - o->zoom_low) * (double)u[1];
    const size_t min = p->ny < p->nx ? p->ny : p->nx, wish = (size_t)((double)o->crop / zoom + .5);
    const size_t side = wish < o->crop ? o->crop : wish < min ? wish : min;
    const size_t top = (size_t)((double)u[2] * (double)(p->ny - side + 1));
    const size_t left = (size_t)((double)u[3] * (double)(p->nx - side + 1));
    const unsigned turn = (unsigned)(8 * u[4]);
    const float gain = (float)(o->gain_low + (o->gain_high - o->gain_low) * (double)u[5]);
    const double scale = (double)side / (double)o->crop;
    for (size_t i = 0; i < o->crop; i++) {
        reduce_rows(row, p, top, left, side, scale, i);
        for (size_t j = 0; j < o->crop; j++)
            x[set_turned(i, j, o->crop, turn)] =
                2 * gain / 65535 * set_reduce(row, side, scale, j) - 1;
    }
    return SCRY_OK;
}
