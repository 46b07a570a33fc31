#include "apps/recon/report/page.h"

#include "lib/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LISTED = 12, LINES = 400, INDENT = 16 };

struct scry_page {
    scry_html *body, *warnings, *notes;
    size_t warned, noted;
    scry_log next;
};

scry_status scry_page_create(scry_page **out, scry_error *err)
{
    scry_page *p = *out = scry_alloc(1, sizeof *p);
    if (!p) return SCRY_FAIL(err, SCRY_ENOMEM, "a report");
    scry_status st = scry_html_create(&p->body, err);
    if (st == SCRY_OK) st = scry_html_create(&p->warnings, err);
    if (st == SCRY_OK) st = scry_html_create(&p->notes, err);
    if (st == SCRY_OK) return st;
    scry_page_free(p);
    *out = NULL;
    return st;
}

void scry_page_free(scry_page *p)
{
    if (!p) return;
    scry_html_free(p->body);
    scry_html_free(p->warnings);
    scry_html_free(p->notes);
    scry_free(p);
}

scry_html *scry_page_body(scry_page *p)
{
    return p->body;
}

static void take_line(scry_log_kind kind, const char *text, void *ctx)
{
    scry_page *p = ctx;
    const bool warning = kind == SCRY_LOG_WARNING;
    scry_html *to = warning ? p->warnings : p->notes;
    if ((*(warning ? &p->warned : &p->noted))++ < LINES) {
        scry_html_markup(to, "<li>");
        scry_html_text(to, text);
        scry_html_markup(to, "</li>\n");
    }
    if (p->next.write) p->next.write(kind, text, p->next.ctx);
}

scry_log scry_page_log(scry_page *p, scry_log next)
{
    p->next = next;
    return (scry_log){take_line, p};
}

/* ---- facts ---- */

void scry_page_facts_begin(scry_html *to)
{
    scry_html_markup(to, "<table class=\"facts\">\n");
}

void scry_page_facts_end(scry_html *to)
{
    scry_html_markup(to, "</table>\n");
}

void scry_page_fact(scry_html *to, const char *term, const char *fmt, ...)
{
    char text[2000];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    scry_html_markup(to, "<tr><th>");
    scry_html_text(to, term);
    scry_html_markup(to, "</th><td>");
    scry_html_text(to, text);
    scry_html_markup(to, "</td></tr>\n");
}

/* "gain_e_per_adu" with blanks; number 0: of no list. */
static void write_key(scry_html *to, const char *key, size_t depth, size_t number)
{
    char text[128];
    snprintf(text, sizeof text, "%s", key ? key : "");
    for (char *c = text; *c; c++)
        if (*c == '_') *c = ' ';
    scry_html_markupf(to, "<th style=\"padding-left:%zupx\">", INDENT * depth);
    scry_html_text(to, text);
    if (number) scry_html_markupf(to, " %zu", number);
    scry_html_markup(to, "</th>");
}

static void write_members(scry_html *to, const scry_json_node *object, size_t depth);

/* An object has a row for its name, and its members below it, further to the right. */
static void write_object(scry_html *to, const scry_json_node *object, const char *key, size_t depth,
                         size_t number)
{
    scry_html_markup(to, "<tr class=\"group\">");
    write_key(to, key, depth, number);
    scry_html_markup(to, "<td></td></tr>\n");
    write_members(to, object, depth + 1);
}

static void write_values(scry_html *to, const scry_json_node *list)
{
    char number[32];
    size_t count = 0;
    for (const scry_json_node *n = scry_json_first(list); n; n = scry_json_next(n)) {
        if (count++) scry_html_markup(to, ", ");
        scry_html_text(to, scry_json_print(n, number, sizeof number));
    }
}

static void write_objects(scry_html *to, const scry_json_node *list, size_t depth)
{
    const size_t count = scry_json_count(list);
    size_t shown = 0;
    for (const scry_json_node *n = scry_json_first(list); n; n = scry_json_next(n)) {
        if (shown++ == LISTED) break;
        write_object(to, n, scry_json_key(list), depth, count > 1 ? shown : 0);
    }
    if (count > LISTED)
        scry_html_markupf(to,
                          "<tr><th></th><td>&hellip; and %zu more: in the report as JSON"
                          "</td></tr>\n",
                          count - LISTED);
}

static void write_members(scry_html *to, const scry_json_node *object, size_t depth)
{
    char number[32];
    for (const scry_json_node *n = scry_json_first(object); n; n = scry_json_next(n)) {
        const char *key = scry_json_key(n);
        const bool array = scry_json_is_array(n);
        if (scry_json_is_object(n)) {
            write_object(to, n, key, depth, 0);
        } else if (array && scry_json_first(n) && scry_json_is_object(scry_json_first(n))) {
            write_objects(to, n, depth);
        } else {
            scry_html_markup(to, "<tr>");
            write_key(to, key, depth, 0);
            scry_html_markup(to, "<td>");
            if (array)
                write_values(to, n);
            else
                scry_html_text(to, scry_json_print(n, number, sizeof number));
            scry_html_markup(to, "</td></tr>\n");
        }
    }
}

void scry_page_facts_json(scry_html *to, const scry_json_node *object)
{
    scry_page_facts_begin(to);
    write_members(to, object, 0);
    scry_page_facts_end(to);
}

/* ---- the whole ---- */

static const char style[] =
    ":root{color-scheme:light}"
    "body{margin:0;background:#fff;color:#1d2329;font:15px/1.5 system-ui,-apple-system,'Segoe UI',"
    "'Helvetica Neue',Arial,sans-serif}"
    "main{max-width:1000px;margin:0 auto;padding:36px 28px 60px}"
    "h1,h2,h3{font-weight:600;line-height:1.25;overflow-wrap:anywhere}"
    "h1{font-size:27px;margin:0 0 4px}"
    "h2{font-size:19px;margin:40px 0 12px;padding-top:14px;border-top:1px solid #d5dae0}"
    "h3{font-size:15px;margin:26px 0 8px}"
    ".sub{color:#5b6570;margin:0 0 8px}"
    ".verdict{font-size:16px;margin:14px 0;padding:10px 14px;background:#f3f5f7;border-left:3px "
    "solid #17548f}"
    ".warning{border-left-color:#b4532a;background:#faf4f0}"
    ".warning ul,.verdict ul{margin:4px 0 0;padding-left:20px}"
    ".figures{display:grid;grid-template-columns:1fr 1fr;gap:22px 26px;margin:10px 0}"
    ".details{grid-template-columns:repeat(4,1fr);gap:14px}"
    "figure{margin:0;min-width:0;break-inside:avoid}"
    "figure .title{font-weight:600;margin:0 0 5px}"
    ".details .title{font-size:13px}"
    ".frame{position:relative;line-height:0}"
    ".frame img{width:100%;height:auto;image-rendering:pixelated}"
    ".scale{position:absolute;right:10px;bottom:9px;color:#fff;font-size:12px;line-height:1.2;"
    "text-align:center;text-shadow:0 0 3px #000,0 0 3px #000}"
    ".scale i{display:block;height:3px;background:#fff;margin-bottom:2px;box-shadow:0 0 2px #000}"
    ".bar{height:8px;margin-top:6px;border-radius:1px;print-color-adjust:exact;"
    "-webkit-print-color-adjust:exact}"
    ".ticks{display:flex;justify-content:space-between;font-size:12px;color:#414a54;"
    "font-variant-numeric:tabular-nums}"
    "figcaption{font-size:12px;color:#5b6570}"
    ".plot svg{width:100%;height:auto}"
    ".plot text{font-size:12px;fill:#414a54}.plot text.x{text-anchor:middle}"
    ".plot text.y{text-anchor:end}.plot .up{font-size:9px}"
    ".plot .grid{stroke:#e3e7ec;fill:none}"
    ".legend{margin:2px 0 0;font-size:12px;color:#414a54}.legend span{margin-right:16px}"
    ".plot .legend svg{width:24px;height:8px;margin-right:5px;vertical-align:middle}"
    "table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:4px 14px 4px 0;border-bottom:1px solid "
    "#e8ebef;overflow-wrap:anywhere}"
    "thead th{color:#5b6570;font-size:12px}"
    ".facts>tbody>tr>th,.facts>tr>th{font-weight:400;color:#5b6570;width:200px}"
    ".figures .facts>tbody>tr>th{width:120px}.figures h3{margin-top:0}"
    ".group>th{padding-top:9px;color:#1d2329!important}"
    ".settings table{font-size:12.5px}.settings .facts>tbody>tr>th{width:300px}"
    ".log{font-size:12.5px;color:#414a54;padding-left:20px}.log li{white-space:pre-wrap}"
    "footer{margin-top:40px;color:#5b6570;font-size:12px}"
    "@media(max-width:700px){.figures{grid-template-columns:1fr}"
    ".details{grid-template-columns:1fr 1fr}}"
    "@page{margin:16mm 14mm}"
    "@media print{body{font-size:10pt}main{max-width:none;padding:0}"
    "h2,h3{break-after:avoid}.figures{gap:12px 16px}tr{break-inside:avoid}}";

static void page_write_log(scry_html *to, const scry_page *p)
{
    if (p->warned) {
        scry_html_markupf(to, "<div class=\"verdict warning\"><strong>%zu warning%s</strong><ul>",
                          p->warned, p->warned == 1 ? "" : "s");
        scry_html_append(to, p->warnings);
        scry_html_markup(to, "</ul></div>\n");
    }
}

static void write_settings(scry_html *to, const scry_page *p, const scry_json_node *settings)
{
    scry_html_markup(to, "<h2>Log</h2>\n<ul class=\"log\">");
    scry_html_append(to, p->notes);
    scry_html_markup(to, "</ul>\n");
    if (p->noted > LINES)
        scry_html_markupf(to, "<p>&hellip; and %zu more lines</p>\n", p->noted - LINES);
    scry_html_markup(to, "<h2>All settings and figures</h2>\n<div class=\"settings\">\n");
    scry_page_facts_json(to, settings);
    scry_html_markup(to, "</div>\n");
}

scry_status scry_page_write(const scry_page *p, const char *title, const char *subtitle,
                            const scry_json_node *settings, const char *path, scry_error *err)
{
    scry_html *all;
    scry_status st = scry_html_create(&all, err);
    if (st != SCRY_OK) return st;
    scry_html_markup(all, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
                          "'none'; img-src data:; style-src 'unsafe-inline'\">\n"
                          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                          "\n<link rel=\"icon\" href=\"data:,\">\n<title>");
    scry_html_text(all, title);
    scry_html_markup(all, "</title>\n<style>");
    scry_html_markup(all, style);
    scry_html_markup(all, "</style>\n</head>\n<body>\n<main>\n<h1>");
    scry_html_text(all, title);
    scry_html_markup(all, "</h1>\n<p class=\"sub\">");
    scry_html_text(all, subtitle);
    scry_html_markup(all, "</p>\n");
    page_write_log(all, p);
    scry_html_append(all, p->body);
    write_settings(all, p, settings);
    scry_html_markup(all, "<footer>Written by scry " SCRY_VERSION
                          ". This page holds all that it shows: it fetches nothing and runs no "
                          "script.</footer>\n</main>\n</body>\n</html>\n");
    st = scry_html_write(all, path, err);
    scry_html_free(all);
    return st;
}
