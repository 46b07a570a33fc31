#include "apps/cli/cli.h"

#include "apps/cli/outputs.h"
#include "apps/cli/expression.h"
#include "apps/cli/image.h"
#include "lib/memory.h"
#include "lib/io/png.h"
#include "lib/vector.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PANELS = 24 };

struct settings {
    const char *map, *window;
    int64_t columns, slice;
    bool force;
};

/* One word "label=a.tif" or "label=a.tif-b.tif" (a difference, shown blue to red). */
struct panel {
    char *label, *path, *minus;
    image im, other;
    bool spread; /* a standard deviation: its own window and colours */
};

static scry_status figure_load(struct panel *p, const char *word, const struct settings *s,
                               double a, double b, scry_error *err)
{
    const char *equal = strchr(word, '=');
    p->label = equal ? strndup(word, (size_t)(equal - word)) : strdup("");
    p->path = strdup(equal ? equal + 1 : word);
    if (!p->label || !p->path) return SCRY_FAIL(err, SCRY_ENOMEM, "panel %s", word);
    char *minus = strstr(p->path, ".tif-");
    if (minus) {
        minus[4] = '\0';
        p->minus = minus + 5;
    }
    p->spread = !strcmp(p->label, "sd");
    scry_status st = image_load(&p->im, p->path, err);
    if (st == SCRY_OK && p->minus) st = image_load(&p->other, p->minus, err);
    if (st != SCRY_OK) return st;
    if (p->minus && p->other.count != p->im.count)
        return SCRY_FAIL(err, SCRY_ESHAPE, "%s has %zu pixels, %s %zu", p->path, p->im.count,
                         p->minus, p->other.count);
    const size_t planes = p->im.count / (p->im.info.y * p->im.info.x);
    if (s->slice < 0 || (size_t)s->slice >= planes)
        return SCRY_FAIL(err, SCRY_EINVAL, "--slice %lld, expected 0 to %zu (%s)",
                         (long long)s->slice, planes - 1, p->path);
    for (size_t i = 0; i < p->im.count; i++) {
        const double v = (p->spread ? a * p->im.pixels[i] : a * p->im.pixels[i] + b);
        p->im.pixels[i] = (float)(p->minus ? v - p->other.pixels[i] : v);
    }
    return SCRY_OK;
}

static void free_panel(struct panel *p)
{
    free(p->label);
    free(p->path);
    image_free(&p->im);
    image_free(&p->other);
}

static scry_status figure_draw(const struct settings *s, const char *const *paths, int count,
                               scry_error *err)
{
    struct panel *p = scry_alloc(MAX_PANELS, sizeof *p);
    scry_panel panels[MAX_PANELS] = {{0}};
    double a = 1, b = 0, low = 0, high = 0;
    char end;
    scry_status st = SCRY_OK;
    if (!p) return SCRY_FAIL(err, SCRY_ENOMEM, "figure");
    if (s->window && (sscanf(s->window, "%lf,%lf%c", &low, &high, &end) != 2 || !(low < high))) {
        st = SCRY_FAIL(err, SCRY_EINVAL, "--window '%s', expected LOW,HIGH with LOW < HIGH",
                       s->window);
        goto done;
    }
    if (s->map && (st = affine_parse(s->map, &a, &b, err)) != SCRY_OK) goto done;
    for (int i = 0; i < count; i++) {
        if ((st = figure_load(&p[i], paths[i], s, a, b, err)) != SCRY_OK) goto done;
        const size_t plane = p[i].im.info.y * p[i].im.info.x;
        panels[i] = (scry_panel){.values = p[i].im.pixels + (size_t)s->slice * plane,
                                 .ny = p[i].im.info.y,
                                 .nx = p[i].im.info.x,
                                 .low = low,
                                 .high = high,
                                 .label = p[i].label};
        if (p[i].spread) panels[i].map = SCRY_MAP_HEAT;
        if (p[i].spread || p[i].minus) panels[i].low = panels[i].high = 0;
        if (p[i].minus) {
            double max = 0;
            for (size_t k = 0; k < plane; k++)
                max = fmax(max, fabs((double)panels[i].values[k]));
            panels[i].map = SCRY_MAP_DIVERGING;
            panels[i].low = -max / 2;
            panels[i].high = max / 2;
        }
    }
    st = scry_png_panels(paths[-1], panels, (size_t)count, (size_t)s->columns, err);
done:
    for (int i = 0; i < MAX_PANELS; i++)
        free_panel(&p[i]);
    scry_free(p);
    return st;
}

static int figure_run(const cli_command *self, int argc, char **argv)
{
    struct settings s = {0};
    const cli_option options[] = {
        {"map", CLI_TEXT, &s.map, "EXPR", "applied to every image, as in 'scry compare': a*x+b"},
        {"window", CLI_TEXT, &s.window, "LOW,HIGH",
         "values shown black and white [percentiles of each]"},
        {"columns", CLI_INTEGER, &s.columns, "N", "panels in a row [all]"},
        {"slice", CLI_INTEGER, &s.slice, "K", "which plane of a stack [0]"},
        {"force", CLI_FLAG, &s.force, NULL, "replace an existing output"},
        {0},
    };
    cli_parse p;
    scry_error err = {0};
    int status = cli_begin(&p, self, argc, argv, options, NULL, 0);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    if (p.count < 2 || p.count > MAX_PANELS + 1)
        status = cli_usage(self, "%d files named, expected a PNG and 1 to %d images", p.count,
                           MAX_PANELS);
    else if (s.columns < 0)
        status = cli_usage(self, "--columns %lld, expected 0 or more", (long long)s.columns);
    else if (outputs_check(&(output_names){p.args, p.args + 1, 1, (size_t)p.count - 1}, s.force,
                           &err) != SCRY_OK ||
             figure_draw(&s, p.args + 1, p.count - 1, &err) != SCRY_OK)
        status = cli_failed(self, &err) + (err.code == SCRY_EINVAL ? 1 : 0);
    cli_end(&p);
    return status;
}

const cli_command cli_figure = {
    "figure",
    "[options] out.png label=a.tif error=a.tif-b.tif...",
    "put images side by side in a PNG",
    "A difference of two files is shown from blue to red; a panel with the label 'sd' has its own "
    "window and colours, and --map only scales it.",
    figure_run,
};
