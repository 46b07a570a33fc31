#include "apps/verify/verify.h"

#include "lib/canvas.h"
#include "lib/io/png.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* One page: per part a heat map with the numbers in it, methods downwards and problems across, what
 * the columns are, and histograms of ranks where there are some. */

enum { WIDTH = 1800, MARGIN = 16, DOT = 2, LINE = 20, TITLE = 36 };
enum { CELL_X = 44, CELL_Y = 16, GROUP_GAP = 12 };                /* heat map */
enum { BAR = 13, BARS_Y = 60, BARS_GAP_X = 22, BARS_GAP_Y = 12 }; /* histograms */
enum { LETTER = SCRY_GLYPH_ADVANCE * DOT, TALL = SCRY_GLYPH_HEIGHT * DOT };
enum { MAX_AXIS = 64 }; /* methods of a plot, and problems */

/* Ratio at the top of a histogram; steps of tolerance at the ends of the colours; half the width of
 * a 95 % band in standard errors. */
static const double TOP = 2.5, STEPS = 4, BAND = 1.96;

static const scry_colour paper = {255, 255, 255}, ink = {20, 20, 20}, faint = {120, 120, 120},
                         empty = {226, 226, 226}, band = {205, 214, 226}, even = {92, 124, 162},
                         uneven = {190, 70, 60}, light = {250, 250, 250};

/* Drawn twice: the first time the canvas has no rows, and y counts the rows that it needs. */
struct page {
    scry_canvas canvas;
    size_t y;
};

/* The rows and columns of a plot: a row of the table for each. */
struct axis {
    const verify_row *first[MAX_AXIS];
    size_t count;
};

static bool same_method(const verify_row *a, const verify_row *b)
{
    return !strcmp(a->method, b->method) && !strcmp(a->options, b->options);
}

static bool same_problem(const verify_row *a, const verify_row *b)
{
    return !strcmp(a->operator_, b->operator_) && !strcmp(a->problem, b->problem);
}

static void axis_fill(struct axis *axis, const verify_table *table,
                      bool (*same)(const verify_row *, const verify_row *))
{
    axis->count = 0;
    for (size_t r = 0; r < table->count; r++) {
        size_t k = 0;
        while (k < axis->count && !same(axis->first[k], &table->rows[r]))
            k++;
        if (k == axis->count && k < MAX_AXIS) axis->first[axis->count++] = &table->rows[r];
    }
}

static const verify_row *find_row(const verify_table *table, const verify_row *method,
                                  const verify_row *problem)
{
    for (size_t r = 0; r < table->count; r++)
        if (same_method(&table->rows[r], method) && same_problem(&table->rows[r], problem))
            return &table->rows[r];
    return NULL;
}

static void plot_text(const struct page *p, size_t y, size_t x, size_t length, scry_colour colour,
                      const char *label)
{
    scry_canvas_text(&p->canvas, y, x, length, DOT, SCRY_TEXT_RIGHT, colour, label);
}

/* A line of text at the left, and the next one below it. */
static void plot_say(struct page *p, const char *label)
{
    plot_text(p, p->y, MARGIN, WIDTH - 2 * MARGIN, ink, label);
    p->y += LINE;
}

static void plot_title(struct page *p, const char *label)
{
    p->y += TITLE / 2;
    scry_canvas_text(&p->canvas, p->y, MARGIN, WIDTH - 2 * MARGIN, DOT + 1, SCRY_TEXT_RIGHT, ink,
                     label);
    p->y += TITLE;
}

static size_t label_width(const struct axis *methods)
{
    size_t longest = 0;
    for (size_t k = 0; k < methods->count; k++) {
        const size_t letters =
            strlen(methods->first[k]->method) + strlen(methods->first[k]->options) + 1;
        longest = letters > longest ? letters : longest;
    }
    return (longest + 1) * LETTER;
}

static void write_method(const struct page *p, size_t y, const verify_row *row)
{
    plot_text(p, y, MARGIN, 0, ink, row->method);
    plot_text(p, y, MARGIN + (strlen(row->method) + 1) * LETTER, 0, faint, row->options);
}

/* ---- heat map ---- */

/* With as many decimals as have room. */
static void write_number(const struct page *p, size_t y, size_t x, double value, int decimals,
                         scry_colour colour)
{
    char label[32];
    do {
        snprintf(label, sizeof label, "%.*f", decimals, value);
    } while (decimals-- > 0 && scry_canvas_text_length(label, DOT) > CELL_X - 5);
    plot_text(p, y, x, CELL_X - 2, colour, label);
}

static void draw_cell(const struct page *p, size_t y, size_t x, const verify_value *v,
                      const verify_metric *m)
{
    const double steps = (v->value - m->ideal) / m->tolerance;
    if (isnan(v->value)) {
        scry_canvas_fill(&p->canvas, y, x, CELL_Y - 1, CELL_X - 1, empty);
        plot_text(p, y + 3, x + CELL_X / 2, CELL_X, faint, "-");
        return;
    }
    scry_canvas_fill(&p->canvas, y, x, CELL_Y - 1, CELL_X - 1,
                     scry_colour_map_at(SCRY_MAP_DIVERGING, 0.5 + steps / (2 * STEPS)));
    write_number(p, y + 3, x + 2, v->value, m->decimals, fabs(steps) > 0.7 * STEPS ? light : ink);
}

static void draw_group_row(const struct page *p, size_t y, size_t x, const verify_row *row,
                           const verify_metric *metrics, size_t count)
{
    static const char refusal[] = "not measured: ";
    if (row && row->served) {
        for (size_t i = 0; i < count; i++)
            draw_cell(p, y, x + i * CELL_X, &row->value[i], &metrics[i]);
        return;
    }
    const char *why = row ? row->note : "";
    if (!strncmp(why, refusal, strlen(refusal))) why += strlen(refusal);
    scry_canvas_fill(&p->canvas, y, x, CELL_Y - 1, count * CELL_X - 1, empty);
    plot_text(p, y + 3, x + 2, count * CELL_X - 4, faint, why);
}

static void draw_group_head(const struct page *p, size_t y, size_t x, const verify_row *problem,
                            const verify_metric *metrics, size_t count, size_t height)
{
    char label[64];
    snprintf(label, sizeof label, "%s, %s", problem->operator_, problem->problem);
    plot_text(p, y, x, count * CELL_X, ink, label);
    for (size_t i = 0; i < count; i++)
        scry_canvas_text(&p->canvas, y + height - 6, x + i * CELL_X + CELL_X / 2 - 6, height - LINE,
                         DOT, SCRY_TEXT_UP, ink, metrics[i].title);
}

/* Problems from .. to - 1, all methods. */
static void draw_band(struct page *p, const verify_table *table, const struct axis *methods,
                      const struct axis *problems, size_t from, size_t to)
{
    const verify_metric *metrics = table->part->metrics;
    const size_t left = MARGIN + label_width(methods);
    size_t count = 0, longest = 0;
    for (; metrics[count].key; count++)
        longest = strlen(metrics[count].title) > longest ? strlen(metrics[count].title) : longest;
    const size_t head = LINE + (longest + 1) * LETTER, group = count * CELL_X + GROUP_GAP;
    for (size_t c = from; c < to; c++)
        draw_group_head(p, p->y, left + (c - from) * group, problems->first[c], metrics, count,
                        head);
    p->y += head;
    for (size_t r = 0; r < methods->count; r++, p->y += CELL_Y) {
        write_method(p, p->y + 3, methods->first[r]);
        for (size_t c = from; c < to; c++)
            draw_group_row(p, p->y, left + (c - from) * group,
                           find_row(table, methods->first[r], problems->first[c]), metrics, count);
    }
    p->y += LINE;
}

static void draw_map(struct page *p, const verify_table *table, const struct axis *methods,
                     const struct axis *problems)
{
    size_t count = 0;
    while (table->part->metrics[count].key)
        count++;
    const size_t width = WIDTH - 2 * MARGIN - label_width(methods) + GROUP_GAP;
    const size_t fit = width / (count * CELL_X + GROUP_GAP), max = fit ? fit : 1;
    const size_t bands = (problems->count + max - 1) / max;
    for (size_t b = 0; b < bands; b++)
        draw_band(p, table, methods, problems, b * problems->count / bands,
                  (b + 1) * problems->count / bands);
    for (const verify_metric *m = table->part->metrics; m->key; m++) {
        char label[256];
        snprintf(label, sizeof label, "%-10s  %s; ideal %g, a step of colour %g", m->title, m->help,
                 m->ideal, m->tolerance);
        plot_say(p, label);
    }
}

/* ---- histograms of ranks ---- */

static size_t height_of(double ratio)
{
    return (size_t)lrint(BARS_Y * fmin(fmax(ratio, 0), TOP) / TOP);
}

/* Bars over the band in which 95 of 100 would lie; those that stand out are red. */
static void draw_bars(const struct page *p, size_t y, size_t x, const verify_row *row)
{
    const double wide = BAND * row->rank_error;
    const size_t low = height_of(1 - wide), high = height_of(1 + wide), floor = y + BARS_Y;
    scry_canvas_fill(&p->canvas, floor - high, x, high - low, VERIFY_BINS * BAR, band);
    for (size_t b = 0; b < VERIFY_BINS; b++) {
        const size_t tall = height_of(row->rank[b]);
        scry_canvas_fill(&p->canvas, floor - tall, x + b * BAR + 2, tall, BAR - 4,
                         fabs(row->rank[b] - 1) > wide ? uneven : even);
    }
    scry_canvas_fill(&p->canvas, floor - high, x, 1, VERIFY_BINS * BAR, faint);
    scry_canvas_fill(&p->canvas, floor - low, x, 1, VERIFY_BINS * BAR, faint);
    scry_canvas_fill(&p->canvas, floor - height_of(1), x, 1, VERIFY_BINS * BAR, ink);
    scry_canvas_fill(&p->canvas, floor, x, 1, VERIFY_BINS * BAR, faint);
}

static void draw_bars_or_not(const struct page *p, size_t y, size_t x, const verify_row *row)
{
    if (row && row->ranked) {
        draw_bars(p, y, x, row);
        return;
    }
    scry_canvas_fill(&p->canvas, y, x, BARS_Y, VERIFY_BINS * BAR, empty);
    plot_text(p, y + BARS_Y / 2 - TALL / 2, x + 2, VERIFY_BINS * BAR, faint, "not measured");
}

static void draw_histograms(struct page *p, const verify_table *table, const struct axis *methods,
                            const struct axis *problems)
{
    const size_t left = MARGIN + label_width(methods), step = VERIFY_BINS * BAR + BARS_GAP_X;
    bool any = false;
    for (size_t r = 0; r < table->count; r++)
        any = any || table->rows[r].ranked;
    if (!any) return;
    plot_title(p, "ranks of the truth among the samples");
    plot_say(p,
             "tenths of the ranks, from below all samples (left) to above all (right), against the "
             "line: 1, as many truths as there should be; top of a box: 2.5");
    plot_say(
        p, "samples that are right: even bars; 95 of 100 lie in the band, which knows how alike "
           "the entries of an image are. high ends: spread too small; a hump: too large; a slope: "
           "bias");
    p->y += LINE / 2;
    for (size_t c = 0; c < problems->count; c++) {
        plot_text(p, p->y, left + c * step, step, ink, problems->first[c]->operator_);
        plot_text(p, p->y + TALL + 4, left + c * step, step, ink, problems->first[c]->problem);
    }
    p->y += 2 * LINE;
    for (size_t r = 0; r < methods->count; r++, p->y += BARS_Y + BARS_GAP_Y) {
        write_method(p, p->y + BARS_Y / 2, methods->first[r]);
        for (size_t c = 0; c < problems->count; c++)
            draw_bars_or_not(p, p->y, left + c * step,
                             find_row(table, methods->first[r], problems->first[c]));
    }
}

/* ---- the page ---- */

static void draw_legend(struct page *p)
{
    enum { STEP = 60 };
    plot_say(
        p,
        "the number in a cell is the measured value; its colour is (number - ideal) / step, both "
        "below each map; grey: not measured, and why");
    for (int k = -4; k <= 4; k++) {
        const size_t x = MARGIN + (size_t)(k + 4) * STEP;
        char label[16];
        snprintf(label, sizeof label, "%+d", k);
        scry_canvas_fill(&p->canvas, p->y, x, CELL_Y, STEP,
                         scry_colour_map_at(SCRY_MAP_DIVERGING, 0.5 + k / (2 * STEPS)));
        plot_text(p, p->y + 3, x + STEP / 2 - LETTER, STEP, k > 2 || k < -2 ? light : ink, label);
    }
    p->y += CELL_Y + LINE / 2;
}

static void verify_plot_draw(struct page *p, const verify_table *tables, size_t count)
{
    p->y = MARGIN;
    plot_title(p, "scry verify " SCRY_VERSION);
    draw_legend(p);
    for (size_t i = 0; i < count; i++) {
        struct axis methods, problems;
        char label[256];
        axis_fill(&methods, &tables[i], same_method);
        axis_fill(&problems, &tables[i], same_problem);
        snprintf(label, sizeof label, "%s: %s", tables[i].part->name, tables[i].part->summary);
        plot_title(p, label);
        draw_map(p, &tables[i], &methods, &problems);
        draw_histograms(p, &tables[i], &methods, &problems);
    }
    p->y += MARGIN;
}

scry_status verify_write_plot(const char *path, const verify_table *tables, size_t count,
                              scry_error *err)
{
    struct page p = {.canvas = {.nx = WIDTH}};
    size_t rows = 0;
    for (size_t i = 0; i < count; i++)
        rows += tables[i].count;
    if (!rows)
        return SCRY_FAIL(err, SCRY_EINVAL, "no method was measured: there is nothing to plot");
    verify_plot_draw(&p, tables, count);
    scry_status st = scry_canvas_create(&p.canvas, p.y, WIDTH, paper, err);
    if (st != SCRY_OK) return st;
    verify_plot_draw(&p, tables, count);
    st = scry_png_write_rgb(path, p.canvas.rgb, p.canvas.ny, p.canvas.nx, err);
    scry_canvas_free(&p.canvas);
    return st;
}
