/* Uncompressed files, laid out by us: header, all pixels in one piece, then the directories.
 *
 * Why not by libtiff: ImageJ looks at no directory after the first of an uncompressed stack and
 * takes the pixels of all planes to follow the first (ij.io.TiffDecoder), and tifffile does the
 * same when the second directory lies far enough back. libtiff puts a directory after the pixels of
 * each page, so its stacks read as garbage there. With the place of every pixel known beforehand,
 * planes and rectangles can also come in any order without being copied. */

#include "lib/io/tiff/write_impl.h"

#include "lib/memory.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static scry_status tiff_layout_failed(const scry_tiff_writer *w, scry_error *err)
{
    return SCRY_FAIL(err, SCRY_EIO, "%s: writing: %s", w->path,
                     errno ? strerror(errno) : "nothing was written");
}

static scry_status tiff_layout_put(const scry_tiff_writer *w, const void *data, size_t n,
                                   uint64_t at, scry_error *err)
{
    for (const unsigned char *p = data; n;) {
        errno = 0;
        const ssize_t done = pwrite(w->fd, p, n, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return tiff_layout_failed(w, err);
        p += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
    return SCRY_OK;
}

static scry_status tiff_layout_get(const scry_tiff_writer *w, void *data, size_t n, uint64_t at,
                                   scry_error *err)
{
    for (unsigned char *p = data; n;) {
        errno = 0;
        const ssize_t done = pread(w->fd, p, n, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return tiff_layout_failed(w, err);
        p += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
    return SCRY_OK;
}

static uint64_t data_start(const scry_tiff_writer *w)
{
    return w->info.bigtiff ? 16 : 8;
}

static uint64_t page_start(const scry_tiff_writer *w, size_t page)
{
    return data_start(w) + (uint64_t)page * w->row_bytes * w->info.y;
}

scry_status scryi_tiff_lay_out(scry_tiff_writer *w, scry_error *err)
{
    errno = 0;
    return ftruncate(w->fd, (off_t)page_start(w, w->pages)) ? tiff_layout_failed(w, err) : SCRY_OK;
}

/* `rows` encoded rows of sample s, at (y, x) of a page. Samples of a pixel are neighbours in the
 * file, but come one after another: those that are there are read back and kept. */
static scry_status put_rows(scry_tiff_writer *w, size_t page, size_t s, size_t y, size_t x,
                            size_t rows, size_t width, scry_error *err)
{
    const size_t bytes = scry_tiff_type_bytes(w->stored), samples = w->info.samples;
    const uint64_t at = page_start(w, page) + y * w->row_bytes + x * samples * bytes;
    scry_status st;
    if (samples == 1) return tiff_layout_put(w, w->line, rows * width * bytes, at, err);
    if ((st = tiff_layout_get(w, w->strip, rows * width * samples * bytes, at, err)) != SCRY_OK)
        return st;
    scryi_tiff_interleave(w, s, rows * width);
    return tiff_layout_put(w, w->strip, rows * width * samples * bytes, at, err);
}

scry_status scryi_tiff_lay(scry_tiff_writer *w, size_t plane, size_t c, size_t y0, size_t x0,
                           size_t h, size_t width, const float *in, scry_error *err)
{
    const size_t samples = w->info.samples;
    scry_status st;
    for (size_t y = 0; y < h;) {
        size_t rows = width == w->info.x ? w->strip_rows : 1;
        if (rows > h - y) rows = h - y;
        if ((st = scryi_tiff_encode(w, w->line, in + y * width, rows * width, c, err)) != SCRY_OK)
            return st;
        scryi_tiff_hash(w, plane, y0 + y, x0, rows * width);
        if ((st = put_rows(w, plane / samples, plane % samples, y0 + y, x0, rows, width, err)) !=
            SCRY_OK)
            return st;
        y += rows;
    }
    return SCRY_OK;
}

/* ---- directories ---- */

enum { MAX_ENTRIES = 24 };

struct entry {
    uint16_t tag, type; /* a TIFFDataType */
    uint64_t count;
    const void *data;
    size_t bytes;
};

struct directory {
    struct entry entries[MAX_ENTRIES];
    size_t count;
    uint32_t longs[MAX_ENTRIES]; /* values of one number each */
    uint64_t offset, stored;     /* of the pixels: widened or narrowed when written */
    uint16_t bits[UINT8_MAX], formats[UINT8_MAX], extra[UINT8_MAX];
    uint32_t resolution[4];
};

/* Entries have to be added in ascending order of tags. */
static void tiff_layout_add(struct directory *d, uint16_t tag, TIFFDataType type, uint64_t count,
                            const void *data)
{
    d->entries[d->count++] = (struct entry){tag, (uint16_t)type, count, data,
                                            (size_t)count * (size_t)TIFFDataWidth(type)};
}

static void add_number(struct directory *d, uint16_t tag, TIFFDataType type, uint32_t value)
{
    const uint16_t narrow = (uint16_t)value;
    uint32_t *place = &d->longs[d->count];
    if (type == TIFF_SHORT)
        memcpy(place, &narrow, sizeof narrow);
    else
        *place = value;
    tiff_layout_add(d, tag, type, 1, place);
}

/* The nearest fraction: over a round denominator where that is as good as it gets. */
static void tiff_layout_fraction(uint32_t out[2], double v)
{
    double den = 1e6;
    if (v * den > UINT32_MAX || fabs(nearbyint(v * den) / den - v) > 1e-9 * v)
        den = v >= 1 ? floor(UINT32_MAX / v) : 4e9;
    if (den < 1) den = 1;
    out[0] = (uint32_t)fmin(nearbyint(v * den), UINT32_MAX);
    out[1] = (uint32_t)den;
}

static void add_resolution(struct directory *d, const scry_tiff_info *info)
{
    if (!(info->x_resolution > 0 && info->y_resolution > 0)) return;
    tiff_layout_fraction(d->resolution, info->x_resolution);
    tiff_layout_fraction(d->resolution + 2, info->y_resolution);
    tiff_layout_add(d, TIFFTAG_XRESOLUTION, TIFF_RATIONAL, 1, d->resolution);
    tiff_layout_add(d, TIFFTAG_YRESOLUTION, TIFF_RATIONAL, 1, d->resolution + 2);
}

static void add_text(struct directory *d, uint16_t tag, const char *text)
{
    if (text) tiff_layout_add(d, tag, TIFF_ASCII, strlen(text) + 1, text);
}

/* tags: of the first page, else NULL */
static void tiff_layout_fill(struct directory *d, const scry_tiff_writer *w, size_t page,
                             const struct scryi_tiff_tags *tags)
{
    const scry_tiff_info *info = &w->info;
    const size_t samples = info->samples, extra = samples - (info->rgb ? 3 : 1);
    const TIFFDataType offset = info->bigtiff ? TIFF_LONG8 : TIFF_LONG;
    d->count = 0;
    d->offset = page_start(w, page);
    d->stored = (uint64_t)w->row_bytes * info->y;
    for (size_t s = 0; s < samples; s++) {
        d->bits[s] = (uint16_t)info->bits;
        d->formats[s] = scryi_tiff_sample_format(w);
    }
    add_number(d, TIFFTAG_IMAGEWIDTH, TIFF_LONG, (uint32_t)info->x);
    add_number(d, TIFFTAG_IMAGELENGTH, TIFF_LONG, (uint32_t)info->y);
    tiff_layout_add(d, TIFFTAG_BITSPERSAMPLE, TIFF_SHORT, samples, d->bits);
    add_number(d, TIFFTAG_COMPRESSION, TIFF_SHORT, COMPRESSION_NONE);
    add_number(d, TIFFTAG_PHOTOMETRIC, TIFF_SHORT, scryi_tiff_photometric(w));
    if (tags) add_text(d, TIFFTAG_IMAGEDESCRIPTION, tags->description);
    tiff_layout_add(d, TIFFTAG_STRIPOFFSETS, offset, 1, &d->offset);
    if (info->orientation > ORIENTATION_TOPLEFT)
        add_number(d, TIFFTAG_ORIENTATION, TIFF_SHORT, info->orientation);
    add_number(d, TIFFTAG_SAMPLESPERPIXEL, TIFF_SHORT, (uint32_t)samples);
    add_number(d, TIFFTAG_ROWSPERSTRIP, TIFF_LONG, (uint32_t)info->y);
    tiff_layout_add(d, TIFFTAG_STRIPBYTECOUNTS, offset, 1, &d->stored);
    add_resolution(d, info);
    add_number(d, TIFFTAG_PLANARCONFIG, TIFF_SHORT, PLANARCONFIG_CONTIG);
    if (d->resolution[1]) add_number(d, TIFFTAG_RESOLUTIONUNIT, TIFF_SHORT, info->resolution_unit);
    if (tags) add_text(d, TIFFTAG_SOFTWARE, tags->software);
    if (info->colormap) tiff_layout_add(d, TIFFTAG_COLORMAP, TIFF_SHORT, 768, info->colormap);
    for (size_t s = 0; s < extra && s < SCRY_TIFF_EXTRA; s++)
        d->extra[s] = info->extra[s];
    if (extra) tiff_layout_add(d, TIFFTAG_EXTRASAMPLES, TIFF_SHORT, extra, d->extra);
    tiff_layout_add(d, TIFFTAG_SAMPLEFORMAT, TIFF_SHORT, samples, d->formats);
    if (tags && tags->block) {
        tiff_layout_add(d, SCRYI_TAG_IJ_COUNTS, TIFF_LONG, tags->count_count, tags->counts);
        tiff_layout_add(d, SCRYI_TAG_IJ_METADATA, TIFF_BYTE, tags->block_bytes, tags->block);
    }
}

static size_t tiff_layout_align8(size_t n)
{
    return (n + 7) / 8 * 8;
}

static void tiff_layout_put16(unsigned char *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}

/* An offset or count: four bytes in a classic file, eight in a BigTIFF, in native byte order. */
static void put_wide(unsigned char *p, uint64_t v, bool big)
{
    const uint32_t narrow = (uint32_t)v;
    memcpy(p, big ? (const void *)&v : (const void *)&narrow, big ? sizeof v : sizeof narrow);
}

/* Writes d at `at` and returns where the next one goes. */
static scry_status put_directory(const scry_tiff_writer *w, const struct directory *d, bool last,
                                 uint64_t *at, scry_error *err)
{
    const bool big = w->info.bigtiff;
    const size_t wide = big ? 8 : 4, head = big ? 8 : 2, each = big ? 20 : 12;
    size_t size = tiff_layout_align8(head + each * d->count + wide);
    size_t value = size;
    for (size_t i = 0; i < d->count; i++)
        if (d->entries[i].bytes > wide) size = tiff_layout_align8(size + d->entries[i].bytes);
    unsigned char *out = scry_alloc(1, size), *p = out + head;
    if (!out) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: directory of %zu bytes", w->path, size);
    if (big)
        put_wide(out, d->count, true);
    else
        tiff_layout_put16(out, (uint16_t)d->count);
    for (size_t i = 0; i < d->count; i++, p += each) {
        const struct entry *e = &d->entries[i];
        const bool offset = e->data == &d->offset || e->data == &d->stored;
        tiff_layout_put16(p, e->tag);
        tiff_layout_put16(p + 2, e->type);
        put_wide(p + 4, e->count, big);
        if (offset) {
            put_wide(p + 4 + wide, *(const uint64_t *)e->data, big);
        } else if (e->bytes <= wide) {
            memcpy(p + 4 + wide, e->data, e->bytes);
        } else {
            put_wide(p + 4 + wide, *at + value, big);
            memcpy(out + value, e->data, e->bytes);
            value = tiff_layout_align8(value + e->bytes);
        }
    }
    put_wide(p, last ? 0 : *at + size, big);
    const scry_status st = tiff_layout_put(w, out, size, *at, err);
    scry_free(out);
    *at += size;
    return st;
}

static scry_status tiff_layout_put_header(const scry_tiff_writer *w, uint64_t first,
                                          scry_error *err)
{
    unsigned char head[16] = {0};
    const bool big = w->info.bigtiff;
    memcpy(head, w->info.big_endian ? "MM" : "II", 2);
    tiff_layout_put16(head + 2, big ? TIFF_VERSION_BIG : TIFF_VERSION_CLASSIC);
    if (big) tiff_layout_put16(head + 4, 8);
    put_wide(head + (big ? 8 : 4), first, big);
    return tiff_layout_put(w, head, big ? 16 : 8, 0, err);
}

scry_status scryi_tiff_lay_directories(scry_tiff_writer *w, const struct scryi_tiff_tags *tags,
                                       scry_error *err)
{
    uint64_t at = (page_start(w, w->pages) + 7) / 8 * 8;
    scry_status st = tiff_layout_put_header(w, at, err);
    struct directory *d = scry_alloc(1, sizeof *d);
    if (!d) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: directory", w->path);
    for (size_t page = 0; page < w->pages && st == SCRY_OK; page++) {
        tiff_layout_fill(d, w, page, page ? NULL : tags);
        st = put_directory(w, d, page + 1 == w->pages, &at, err);
    }
    scry_free(d);
    return st;
}
