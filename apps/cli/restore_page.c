#include "apps/cli/restore_page.h"

#include "apps/recon/report/image_page.h"
#include "apps/recon/report/picture.h"
#include "lib/instructions.h"
#include "lib/memory.h"
#include "lib/progress.h"
#include "lib/vector.h"

#include <math.h>
#include <string.h>
#include <time.h>

/* A page stays below 3 MB: a pixel of noise takes a byte of PNG, which is 4/3 of text. */
enum { PIXELS = 1500000, SIDE_MAX = 640, SIDE_MIN = 96, CHANNELS = 4, FILES = 6, ROWS = 24 };

bool report_is_page(const char *path)
{
    const char *dot = path ? strrchr(path, '.') : NULL;
    return dot && (!strcmp(dot, ".html") || !strcmp(dot, ".htm"));
}

scry_status restore_page_open(restore_page *p, const char *path, size_t files, scry_error *err)
{
    *p = (restore_page){.files = files};
    return report_is_page(path) ? scry_page_create(&p->page, err) : SCRY_OK;
}

static void forget_file(restore_page *p)
{
    scry_html_free(p->images);
    scry_html_free(p->rows);
    scry_free(p->colour);
    p->images = p->rows = NULL;
    p->colour = NULL;
    p->listed = 0;
}

void restore_page_close(restore_page *p)
{
    forget_file(p);
    scry_page_free(p->page);
    *p = (restore_page){0};
}

scry_log restore_page_log(restore_page *p, scry_log next)
{
    return p->page ? scry_page_log(p->page, next) : next;
}

static bool has_colour(const scry_tiff_info *info)
{
    return info->rgb && info->c >= 3;
}

scry_status restore_page_file_begin(restore_page *p, const char *in, const char *out,
                                    const scry_image_stack *stack, scry_error *err)
{
    const scry_tiff_info *info = stack->info;
    if (!p->page) return SCRY_OK;
    forget_file(p);
    p->in = in;
    p->out = out;
    p->stack = stack;
    p->began = scry_clock();
    p->shown++;
    scry_status st = scry_html_create(&p->images, err);
    if (st == SCRY_OK) st = scry_html_create(&p->rows, err);
    if (st != SCRY_OK || !has_colour(info) || p->shown > FILES) return st;
    p->colour = scry_alloc(6 * info->y * info->x, sizeof *p->colour);
    return p->colour ? st : SCRY_FAIL(err, SCRY_ENOMEM, "colours of %zu pixels", info->y * info->x);
}

/* ---- an image ---- */

static size_t channels_shown(const scry_tiff_info *info)
{
    size_t shown = 0;
    for (size_t c = 0; c < info->c && shown < CHANNELS; c++)
        shown += !scry_tiff_is_alpha(info, c);
    return shown;
}

/* Of the middle slice and frame, since ends of a stack are often empty. */
static bool is_shown(const restore_page *p, const scry_stack_image *at)
{
    const scry_tiff_info *info = p->stack->info;
    return p->shown <= FILES && at->c < CHANNELS && !scry_tiff_is_alpha(info, at->c) &&
           at->t == info->t / 2 && (p->stack->rank == 3 || at->z == info->z / 2);
}

static size_t figure_side(const restore_page *p)
{
    const scry_tiff_info *info = p->stack->info;
    const size_t files = p->files < FILES ? p->files : FILES;
    /* three bytes a pixel, twice, for the colours */
    const size_t figures =
        files * (channels_shown(info) * SCRY_IMAGE_PAGE_FIGURES + (has_colour(info) ? 6 : 0));
    const double side = sqrt((double)PIXELS / (double)figures);
    return side > SIDE_MAX ? SIDE_MAX : side < SIDE_MIN ? SIDE_MIN : (size_t)side;
}

static void list_image(restore_page *p, const scry_stack_image *at, const scry_restore_result *r)
{
    char place[96];
    if (p->listed++ >= ROWS) return;
    scry_html_markup(p->rows, "<tr><td>");
    scry_image_stack_place(p->stack, at, place, sizeof place);
    scry_html_text(p->rows, place[0] ? place : "the image");
    scry_html_markup(p->rows, "</td><td>");
    scry_html_text(p->rows, r->improvement.verdict ? "returned unchanged"
                            : r->options.method    ? r->options.method->name
                                                   : "handed on");
    if (r->judgement.count && !r->improvement.verdict)
        for (size_t k = 0; k < r->judgement.count; k++)
            if (r->judgement.of[k].weight > 0 && r->judgement.of[k].method != r->options.method) {
                scry_html_markup(p->rows, " and ");
                scry_html_text(p->rows, r->judgement.of[k].name);
            }
    scry_html_markup(p->rows, "</td><td>");
    if (!isnan(r->diagnosis.chi2)) scry_html_textf(p->rows, "%.3g", r->diagnosis.chi2);
    scry_html_markup(p->rows, "</td><td>");
    if (r->flux_in > 0 || r->flux_in < 0)
        scry_html_textf(p->rows, "%.4f", r->flux_out / r->flux_in);
    scry_html_markupf(p->rows, "</td><td>%zu</td><td>%zu</td></tr>\n", r->diagnosis.unconverged,
                      r->excluded);
}

scry_status restore_page_image(restore_page *p, const scry_stack_image *at,
                               const scry_restore_result *result, const float *residual,
                               const scry_output_maps *maps, scry_error *err)
{
    char place[96];
    if (!p->page) return SCRY_OK;
    list_image(p, at, result);
    if (!is_shown(p, at)) return SCRY_OK;
    const size_t plane = p->stack->info->y * p->stack->info->x;
    const size_t middle = at->planes / 2 * plane;
    if (p->colour && at->c < 3) {
        memcpy(p->colour + at->c * plane, at->image.pixels + middle, plane * sizeof *p->colour);
        memcpy(p->colour + (3 + at->c) * plane, result->mean + middle, plane * sizeof *p->colour);
    }
    const scry_image_page page = {.heading =
                                      scry_image_stack_place(p->stack, at, place, sizeof place),
                                  .image = &at->image,
                                  .result = result,
                                  .residual = residual,
                                  .maps = maps,
                                  .side = figure_side(p)};
    return scry_image_page_write(p->images, &page, err);
}

/* ---- a file ---- */

static scry_status write_colours(const restore_page *p, scry_html *to, scry_error *err)
{
    const scry_tiff_info *info = p->stack->info;
    const size_t plane = info->y * info->x;
    scry_picture look = {.title = "Input, in its colours",
                         .unit = "in the three channels",
                         .pixel_um = info->pixel_um[2],
                         .side = figure_side(p)};
    double white = 0;
    float *scratch = scry_alloc(plane, sizeof *scratch);
    if (!scratch) return SCRY_FAIL(err, SCRY_ENOMEM, "colours of %zu pixels", plane);
    for (size_t c = 0; c < 3; c++)
        white = fmax(white, scry_quantile(p->colour + c * plane, plane, .999, scratch));
    scry_free(scratch);
    if (!(white > 0)) white = 1;
    const float *const before[] = {p->colour, p->colour + plane, p->colour + 2 * plane};
    const float *const after[] = {p->colour + 3 * plane, p->colour + 4 * plane,
                                  p->colour + 5 * plane};
    scry_html_markup(to, "<div class=\"figures\">\n");
    scry_status st = scry_picture_colour(to, before, info->y, info->x, white, &look, err);
    look.title = "Result, in the same colours";
    if (st == SCRY_OK) st = scry_picture_colour(to, after, info->y, info->x, white, &look, err);
    scry_html_markup(to, "</div>\n");
    return st;
}

static void write_table(const restore_page *p, scry_html *to)
{
    scry_html_markup(to, "<h3>Images</h3>\n<table><thead><tr><th>image</th><th>method</th>"
                         "<th>chi2 of the mean</th><th>flux out / in</th><th>unconverged data "
                         "steps</th><th>pixels left out</th></tr></thead><tbody>\n");
    scry_html_append(to, p->rows);
    scry_html_markup(to, "</tbody></table>\n");
    if (p->listed > ROWS)
        scry_html_markupf(to,
                          "<p class=\"sub\">&hellip; and %zu more: in the report as JSON.</p>\n",
                          p->listed - ROWS);
}

scry_status restore_page_file_end(restore_page *p, const scry_tiff_written *written,
                                  scry_error *err)
{
    if (!p->page) return SCRY_OK;
    scry_html *to = scry_page_body(p->page);
    const scry_tiff_info *info = p->stack->info;
    scry_status st = SCRY_OK;
    if (p->files > 1) {
        scry_html_markup(to, "<h2>");
        scry_html_text(to, p->in);
        scry_html_markup(to, "</h2>\n");
    }
    scry_page_facts_begin(to);
    scry_page_fact(to, "Image", "%zu x %zu pixels, %zu slice%s, %zu channel%s, %zu frame%s, %s, %s",
                   info->y, info->x, info->z, info->z == 1 ? "" : "s", info->c,
                   info->c == 1 ? "" : "s", info->t, info->t == 1 ? "" : "s",
                   scry_tiff_type_name(info->type), scry_tiff_flavour_name(info->flavour));
    if (info->pixel_um[2] > 0)
        scry_page_fact(to, "Pixel", "%.4g um%s", info->pixel_um[2],
                       p->stack->rank == 3 ? ", restored as a volume" : "");
    scry_page_fact(to, "Written", "%s, %s, %.3g %% of the pixels clipped", p->out,
                   scry_tiff_type_name(written->type),
                   written->pixels ? 100 * (double)written->clipped / (double)written->pixels : 0);
    scry_page_fact(to, "Time", "%.1f s", scry_clock() - p->began);
    scry_page_facts_end(to);
    write_table(p, to);
    if (p->colour) st = write_colours(p, to, err);
    if (p->shown <= FILES)
        scry_html_append(to, p->images);
    else
        scry_html_markupf(to, "<p class=\"sub\">Figures are shown of the first %d files.</p>\n",
                          FILES);
    forget_file(p);
    return st;
}

scry_status restore_page_write(const restore_page *p, const char *command,
                               const scry_json_node *settings, const char *path, scry_error *err)
{
    char title[512], subtitle[160], date[32] = "";
    const time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc)) strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &utc);
    if (p->files == 1 && p->in)
        snprintf(title, sizeof title, "%s", strrchr(p->in, '/') ? strrchr(p->in, '/') + 1 : p->in);
    else
        snprintf(title, sizeof title, "%zu files", p->files);
    snprintf(subtitle, sizeof subtitle, "scry %s, version %s (%s), %s", command, SCRY_VERSION,
             scry_instructions(), date);
    return scry_page_write(p->page, title, subtitle, settings, path, err);
}
