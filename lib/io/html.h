#ifndef SCRY_LIB_IO_HTML_H
#define SCRY_LIB_IO_HTML_H

#include "lib/status.h"

#include <stddef.h>
#include <stdint.h>

/* Pages of HTML, written piece by piece into memory. Text is escaped, images are part of the page,
 * and nothing is fetched. A refused allocation marks the page, and scry_html_write reports it: a
 * page is built without a check per line. */
typedef struct scry_html scry_html;

scry_status scry_html_create(scry_html **out, scry_error *err);
void scry_html_free(scry_html *page); /* accepts NULL */

/* Markup as it stands: for the program's own words, never for anything that a user or a file says.
 * The formatted one is for numbers. */
void scry_html_markup(scry_html *page, const char *markup);
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void scry_html_markupf(scry_html *page, const char *fmt, ...);

/* Text, also within the quotes of an attribute: & < > " ' are escaped, control characters are left
 * out, and bytes that are not UTF-8 become U+FFFD. At most 4000 bytes of formatted text. */
void scry_html_text(scry_html *page, const char *text);
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void scry_html_textf(scry_html *page, const char *fmt, ...);

/* <img> of a PNG of nx x ny pixels, shown `width` CSS pixels wide. alt is text. */
void scry_html_png(scry_html *page, const uint8_t *png, size_t bytes, size_t ny, size_t nx,
                   size_t width, const char *alt);

/* All of another page. */
void scry_html_append(scry_html *page, const scry_html *other);

size_t scry_html_bytes(const scry_html *page);
/* The text so far, ends with a 0; valid until the next call. */
const char *scry_html_content(const scry_html *page);

/* Into a file, which appears whole by rename or not at all; an existing one is replaced.
 * errors  ENOMEM, also that of any call before; EIO */
scry_status scry_html_write(const scry_html *page, const char *path, scry_error *err);

#endif
