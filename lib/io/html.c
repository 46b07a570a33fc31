#include "lib/io/html.h"

#include "lib/atomic_file_impl.h"
#include "lib/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct scry_html {
    char *text; /* ends with a 0 */
    size_t bytes, capacity;
    bool refused; /* an allocation was */
};

scry_status scry_html_create(scry_html **out, scry_error *err)
{
    *out = scry_alloc(1, sizeof **out);
    return *out ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "a page");
}

void scry_html_free(scry_html *page)
{
    if (page) scry_free(page->text);
    scry_free(page);
}

static void html_put(scry_html *page, const char *text, size_t bytes)
{
    if (page->refused) return;
    if (page->bytes + bytes + 1 > page->capacity) {
        const size_t capacity = 2 * (page->bytes + bytes) + 4096;
        char *larger = scry_alloc(1, capacity);
        if (!larger) {
            page->refused = true;
            return;
        }
        if (page->bytes) memcpy(larger, page->text, page->bytes);
        scry_free(page->text);
        page->text = larger;
        page->capacity = capacity;
    }
    memcpy(page->text + page->bytes, text, bytes);
    page->bytes += bytes;
    page->text[page->bytes] = '\0';
}

void scry_html_markup(scry_html *page, const char *markup)
{
    html_put(page, markup, strlen(markup));
}

enum { FORMATTED = 4000 };

void scry_html_markupf(scry_html *page, const char *fmt, ...)
{
    char text[FORMATTED];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    scry_html_markup(page, text);
}

/* Bytes of the UTF-8 character at `s`, 0 where none begins: overlong forms, surrogates and codes
 * that lie beyond U+10FFFF are none (RFC 3629). */
static size_t utf8_length(const unsigned char *s)
{
    const size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    unsigned code = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    if ((s[0] >= 0x80 && s[0] < 0xc2) || s[0] > 0xf4) return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (s[i] & 0x3fu);
    }
    return code < least[n] || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff ? 0 : n;
}

void scry_html_text(scry_html *page, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        const size_t n = utf8_length(s);
        if (*s == '&')
            scry_html_markup(page, "&amp;");
        else if (*s == '<')
            scry_html_markup(page, "&lt;");
        else if (*s == '>')
            scry_html_markup(page, "&gt;");
        else if (*s == '"')
            scry_html_markup(page, "&quot;");
        else if (*s == '\'')
            scry_html_markup(page, "&#39;");
        else if (!n)
            scry_html_markup(page, "\xef\xbf\xbd");
        else if (*s >= 0x20 ? *s != 0x7f : *s == '\n' || *s == '\t')
            html_put(page, (const char *)s, n);
        s += n ? n : 1;
    }
}

void scry_html_textf(scry_html *page, const char *fmt, ...)
{
    char text[FORMATTED];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    scry_html_text(page, text);
}

/* RFC 4648. */
static void put_base64(scry_html *page, const uint8_t *data, size_t bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char line[4 * 256];
    size_t used = 0;
    for (size_t i = 0; i < bytes; i += 3) {
        const unsigned more = (unsigned)(bytes - i);
        const uint32_t v = (uint32_t)data[i] << 16 | (more > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                           (more > 2 ? data[i + 2] : 0);
        line[used++] = digits[v >> 18];
        line[used++] = digits[v >> 12 & 63];
        line[used++] = more > 1 ? digits[v >> 6 & 63] : '=';
        line[used++] = more > 2 ? digits[v & 63] : '=';
        if (used < sizeof line && i + 3 < bytes) continue;
        html_put(page, line, used);
        used = 0;
    }
}

void scry_html_png(scry_html *page, const uint8_t *png, size_t bytes, size_t ny, size_t nx,
                   size_t width, const char *alt)
{
    const size_t height = nx ? (width * ny + nx / 2) / nx : 0;
    scry_html_markupf(page, "<img width=\"%zu\" height=\"%zu\" alt=\"", width, height);
    scry_html_text(page, alt);
    scry_html_markup(page, "\" src=\"data:image/png;base64,");
    put_base64(page, png, bytes);
    scry_html_markup(page, "\">");
}

void scry_html_append(scry_html *page, const scry_html *other)
{
    if (other->refused) page->refused = true;
    if (other->bytes) html_put(page, other->text, other->bytes);
}

size_t scry_html_bytes(const scry_html *page)
{
    return page->bytes;
}

const char *scry_html_content(const scry_html *page)
{
    return page->text ? page->text : "";
}

scry_status scry_html_write(const scry_html *page, const char *path, scry_error *err)
{
    scryi_atomic_file file;
    if (page->refused) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: a page of its size", path);
    scry_status st = scryi_atomic_file_create(&file, path, ".html", err);
    if (st != SCRY_OK) return st;
    FILE *f = fopen(file.temp, "wb");
    bool bad = !f || fwrite(scry_html_content(page), 1, page->bytes, f) != page->bytes;
    if (f && fclose(f)) bad = true;
    if (!bad) return scryi_atomic_file_commit(&file, err);
    st = SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(errno));
    scryi_atomic_file_abandon(&file);
    return st;
}
