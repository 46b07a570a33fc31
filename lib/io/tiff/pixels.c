/* From the bytes of strips and tiles to floats. */

#include "lib/io/tiff/tiff_impl.h"

#include "lib/io/samples_impl.h"
#include "lib/memory.h"
#include "lib/space.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { BAND_BYTES = 1 << 20 }; /* read at once from uncompressed strips */

/* Samples of 1 to 16 bits, packed most significant bit first whatever the byte order (TIFF 6.0,
 * section 8); rows start on bytes. */
static void load_packed(float *out, const unsigned char *row, size_t first, size_t n, size_t step,
                        unsigned bits)
{
    for (size_t i = 0; i < n; i++) {
        const size_t bit = (first + i * step) * bits, byte = bit / 8;
        const unsigned spans = (unsigned)(bit % 8 + bits + 7) / 8; /* 1 to 3 bytes */
        uint32_t v = 0;
        for (unsigned k = 0; k < spans; k++)
            v = v << 8 | row[byte + k];
        v >>= spans * 8 - (unsigned)(bit % 8) - bits;
        out[i] = (float)(v & ((1u << bits) - 1));
    }
}

/* out[0..n) = sample s of the pixels from column x on in a row of `per` samples a pixel. */
static scry_status load_row(scry_tiff_reader *r, const struct scryi_tiff_page *p, float *out,
                            const unsigned char *row, size_t x, size_t n, size_t s, size_t per,
                            scry_error *err)
{
    const size_t bytes = p->bits / 8u, step = per * bytes;
    const unsigned char *in = row + (x * per + s) * bytes;
    bool overflow = false;
    if (p->bits < 8 || (p->bits > 8 && p->bits < 16)) {
        load_packed(out, row, x * per + s, n, per, p->bits);
        return SCRY_OK;
    }
    scryi_samples_to_floats(p->type, out, in, n, step, &r->content.rounded, &overflow);
    return overflow ? SCRY_FAIL(err, SCRY_ENUMERIC,
                                "%s: a value exceeds the range of single "
                                "precision, 3.4e38",
                                r->path)
                    : SCRY_OK;
}

static scry_status want_buffer(scry_tiff_reader *r, size_t bytes, scry_error *err)
{
    if (bytes <= r->buffer_bytes) return SCRY_OK;
    scry_free(r->buffer);
    r->buffer_bytes = 0;
    r->cached = NULL;
    r->buffer = scry_alloc(1, bytes);
    if (!r->buffer)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu bytes for a strip or tile", r->path, bytes);
    r->buffer_bytes = bytes;
    return SCRY_OK;
}

static scry_status read_bytes(scry_tiff_reader *r, unsigned char *out, size_t n, uint64_t at,
                              scry_error *err)
{
    if (at > r->file_bytes || n > r->file_bytes - at)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: pixels end at byte %llu, but the file has %llu",
                         r->path, (unsigned long long)(at + n), (unsigned long long)r->file_bytes);
    while (n) {
        const ssize_t got = pread(r->fd, out, n, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return SCRY_FAIL(err, SCRY_EIO, "%s: reading %zu bytes at %llu: %s", r->path, n,
                             (unsigned long long)at, got ? strerror(errno) : "end of file");
        out += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return SCRY_OK;
}

static void swap_bytes(unsigned char *data, size_t n, unsigned bits)
{
    if (bits == 16) TIFFSwabArrayOfShort((uint16_t *)(void *)data, (tmsize_t)(n / 2));
    if (bits == 32) TIFFSwabArrayOfLong((uint32_t *)(void *)data, (tmsize_t)(n / 4));
    if (bits == 64) TIFFSwabArrayOfLong8((uint64_t *)(void *)data, (tmsize_t)(n / 8));
}

/* Uncompressed strips, read past libtiff: only the rows asked for, and planes without a
 * directory. */
static scry_status direct_rect(scry_tiff_reader *r, const struct scryi_tiff_page *p, uint64_t shift,
                               size_t s, size_t y0, size_t x0, size_t h, size_t w, float *out,
                               scry_error *err)
{
    const bool separate = p->planar == PLANARCONFIG_SEPARATE;
    const size_t per = separate ? 1 : p->samples, sample = separate ? 0 : s;
    const size_t pixel = per * p->bits / 8, row = w * pixel;
    size_t band = w == p->x ? BAND_BYTES / row : 1;
    scry_status st;
    if (!band) band = 1;
    if (band > h) band = h;
    if ((st = want_buffer(r, band * row, err)) != SCRY_OK) return st;
    r->cached = NULL;
    for (size_t y = y0; y < y0 + h;) {
        const size_t strip = y / p->seg_y, inside = y % p->seg_y;
        size_t rows = p->seg_y - inside;
        if (rows > y0 + h - y) rows = y0 + h - y;
        if (rows > band) rows = band;
        const uint64_t at =
            TIFFGetStrileOffset(r->tif, (uint32_t)(strip + (separate ? s : 0) * p->down)) + shift +
            (uint64_t)inside * p->row_bytes + x0 * pixel;
        if ((st = read_bytes(r, r->buffer, rows * row, at, err)) != SCRY_OK) return st;
        if (TIFFIsByteSwapped(r->tif)) swap_bytes(r->buffer, rows * row, p->bits);
        for (size_t k = 0; k < rows; k++)
            if ((st = load_row(r, p, out + (y - y0 + k) * w, r->buffer + k * row, 0, w, sample, per,
                               err)) != SCRY_OK)
                return st;
        y += rows;
    }
    return SCRY_OK;
}

/* Decodes a strip or tile into the buffer, unless it is there. */
static scry_status pixels_decode(scry_tiff_reader *r, const struct scryi_tiff_page *p,
                                 uint32_t segment, size_t rows, scry_error *err)
{
    size_t bytes;
    scry_status st;
    if (r->cached == p && r->cached_segment == segment) return SCRY_OK;
    if (!scry_mul(&bytes, p->row_bytes, p->seg_y) || bytes > PTRDIFF_MAX)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: %s of %u x %u", r->path,
                         p->tiled ? "tiles" : "strips", p->seg_x, p->seg_y);
    if ((st = want_buffer(r, bytes, err)) != SCRY_OK) return st;
    const tmsize_t expected = (tmsize_t)(p->row_bytes * (p->tiled ? p->seg_y : rows));
    r->cached = NULL;
    r->log.errors = 0;
    const tmsize_t got = p->tiled ? TIFFReadEncodedTile(r->tif, segment, r->buffer, expected)
                                  : TIFFReadEncodedStrip(r->tif, segment, r->buffer, expected);
    if (got != expected || r->log.errors)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: page %zu, %s %u does not decode: %s", r->path,
                         p->number, p->tiled ? "tile" : "strip", segment,
                         r->log.errors ? r->log.text : "too few bytes");
    r->cached = p;
    r->cached_segment = segment;
    return SCRY_OK;
}

static size_t pixels_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static scry_status decoded_rect(scry_tiff_reader *r, const struct scryi_tiff_page *p, size_t s,
                                size_t y0, size_t x0, size_t h, size_t w, float *out,
                                scry_error *err)
{
    const bool separate = p->planar == PLANARCONFIG_SEPARATE;
    const size_t per = separate ? 1 : p->samples, sample = separate ? 0 : s;
    const size_t plane = separate ? s * p->across * p->down : 0;
    scry_status st;
    for (size_t j = y0 / p->seg_y; j <= (y0 + h - 1) / p->seg_y; j++) {
        const size_t top = j * p->seg_y, rows = pixels_min(p->seg_y, p->y - top);
        const size_t ya = y0 > top ? y0 : top, yb = pixels_min(y0 + h, top + rows);
        for (size_t i = x0 / p->seg_x; i <= (x0 + w - 1) / p->seg_x; i++) {
            const size_t left = i * p->seg_x;
            const size_t xa = x0 > left ? x0 : left, xb = pixels_min(x0 + w, left + p->seg_x);
            const uint32_t segment = (uint32_t)(plane + j * p->across + i);
            if ((st = pixels_decode(r, p, segment, rows, err)) != SCRY_OK) return st;
            for (size_t y = ya; y < yb; y++)
                if ((st = load_row(r, p, out + (y - y0) * w + (xa - x0),
                                   r->buffer + (y - top) * p->row_bytes, xa - left, xb - xa, sample,
                                   per, err)) != SCRY_OK)
                    return st;
        }
    }
    return SCRY_OK;
}

scry_status scryi_tiff_pixels(scry_tiff_reader *r, const struct scryi_tiff_page *p, uint64_t shift,
                              size_t s, size_t y0, size_t x0, size_t h, size_t w, float *out,
                              scry_error *err)
{
    scry_status st = scryi_tiff_seek(r, p, err);
    if (st != SCRY_OK) return st;
    return p->direct ? direct_rect(r, p, shift, s, y0, x0, h, w, out, err)
                     : decoded_rect(r, p, s, y0, x0, h, w, out, err);
}
