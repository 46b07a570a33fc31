#ifndef SCRY_APPS_RECON_REPORT_PAGE_H
#define SCRY_APPS_RECON_REPORT_PAGE_H

#include "apps/recon/log.h"
#include "lib/io/html.h"
#include "lib/io/json.h"

/* The report of a run as one page: nothing is fetched, no script runs, and it prints well. What
 * figures and findings it holds is written into its body; this puts title, log and settings around
 * it. */
typedef struct scry_page scry_page;

scry_status scry_page_create(scry_page **out, scry_error *err);
void scry_page_free(scry_page *page); /* accepts NULL */

/* Where to write; valid until the page is freed. */
scry_html *scry_page_body(scry_page *page);

/* A log that the page keeps to show, and that hands all on to `next`. */
scry_log scry_page_log(scry_page *page, scry_log next);

/* The whole page.
 *   title, subtitle  text
 *   settings         object of a JSON report: all of it is shown in tables
 * errors  those of scry_html_write */
scry_status scry_page_write(const scry_page *page, const char *title, const char *subtitle,
                            const scry_json_node *settings, const char *path, scry_error *err);

/* ---- pieces of a body ---- */

/* Rows of a table of facts, between scry_page_facts_begin and _end: a term, and the text about
 * it. */
void scry_page_facts_begin(scry_html *to);
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void scry_page_fact(scry_html *to, const char *term, const char *fmt, ...);
void scry_page_facts_end(scry_html *to);

/* The members of a JSON object as a table, those of objects in it further to the right; of a list
 * of objects the first dozen. */
void scry_page_facts_json(scry_html *to, const scry_json_node *object);

#endif
