/* The chain of directories of a TIFF file, and which of its pages can be read.
 *
 * libtiff reports a chain that breaks off, or bites its tail, merely as a shorter chain. So it is
 * walked with TIFFReadDirectory, and when that stops although the last directory names a successor,
 * planes are lost and the file is refused. TIFFSetDirectory(i) is not used: in libtiff 4.5 it walks
 * from the start (5453 directories in 20 s, measured); jumps by offset take constant time. */

#include "lib/io/tiff/tiff_impl.h"

#include "lib/memory.h"
#include "lib/space.h"

#include <math.h>
#include <string.h>

uint64_t scryi_tiff_page_bytes(const struct scryi_tiff_page *p)
{
    const uint64_t row_bits = (uint64_t)p->x * p->bits * p->samples; /* below 2^64: 32 + 16 + 16 */
    const uint64_t row = row_bits / 8 + (row_bits % 8 != 0);
    return row > UINT64_MAX / p->y ? UINT64_MAX : row * p->y;
}

static scry_tiff_type page_type(uint16_t bits, uint16_t format)
{
    switch (format) {
    case SAMPLEFORMAT_UINT:
    case SAMPLEFORMAT_VOID: /* "untyped": every writer that leaves it so means unsigned */
        if (bits >= 1 && bits <= 8) return SCRY_TIFF_U8;
        if (bits <= 16) return bits ? SCRY_TIFF_U16 : SCRY_TIFF_KEEP;
        return bits == 32 ? SCRY_TIFF_U32 : SCRY_TIFF_KEEP;
    case SAMPLEFORMAT_INT:
        return bits == 8    ? SCRY_TIFF_I8
               : bits == 16 ? SCRY_TIFF_I16
               : bits == 32 ? SCRY_TIFF_I32
                            : SCRY_TIFF_KEEP;
    case SAMPLEFORMAT_IEEEFP:
        return bits == 32 ? SCRY_TIFF_F32 : bits == 64 ? SCRY_TIFF_F64 : SCRY_TIFF_KEEP;
    default:
        return SCRY_TIFF_KEEP;
    }
}

/* libtiff would hand out YCbCr; the setting is forgotten with every change of directory. */
static void want_rgb(TIFF *tif, const struct scryi_tiff_page *p)
{
    if (p->compression == COMPRESSION_JPEG && p->photometric == PHOTOMETRIC_YCBCR)
        TIFFSetField(tif, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
}

static void segment_layout(TIFF *tif, struct scryi_tiff_page *p)
{
    const bool whole_bytes = p->bits == 8 || p->bits == 16 || p->bits == 32 || p->bits == 64;
    p->seg_x = p->x;
    p->seg_y = p->y;
    if (p->tiled) {
        TIFFGetField(tif, TIFFTAG_TILEWIDTH, &p->seg_x);
        TIFFGetField(tif, TIFFTAG_TILELENGTH, &p->seg_y);
    } else {
        uint32_t rows = 0;
        TIFFGetFieldDefaulted(tif, TIFFTAG_ROWSPERSTRIP, &rows);
        if (rows && rows < p->y) p->seg_y = rows;
    }
    p->direct = !p->tiled && whole_bytes && p->compression == COMPRESSION_NONE &&
                p->fill_order == FILLORDER_MSB2LSB;
    if (!p->seg_x || !p->seg_y) return; /* scryi_tiff_check_page refuses it */
    p->across = p->x / p->seg_x + (p->x % p->seg_x != 0);
    p->down = p->y / p->seg_y + (p->y % p->seg_y != 0);
    const uint64_t samples = p->planar == PLANARCONFIG_SEPARATE ? 1 : p->samples;
    p->row_bytes = (size_t)(((uint64_t)p->seg_x * samples * p->bits + 7) / 8);
}

static void read_layout(TIFF *tif, struct scryi_tiff_page *p)
{
    uint32_t subfile = 0;
    uint16_t old_subfile = 0;
    *p = (struct scryi_tiff_page){.dir = TIFFCurrentDirOffset(tif)};
    TIFFGetField(tif, TIFFTAG_IMAGEWIDTH, &p->x);
    TIFFGetField(tif, TIFFTAG_IMAGELENGTH, &p->y);
    TIFFGetFieldDefaulted(tif, TIFFTAG_BITSPERSAMPLE, &p->bits);
    TIFFGetFieldDefaulted(tif, TIFFTAG_SAMPLEFORMAT, &p->format);
    TIFFGetFieldDefaulted(tif, TIFFTAG_SAMPLESPERPIXEL, &p->samples);
    TIFFGetFieldDefaulted(tif, TIFFTAG_PLANARCONFIG, &p->planar);
    TIFFGetFieldDefaulted(tif, TIFFTAG_COMPRESSION, &p->compression);
    TIFFGetFieldDefaulted(tif, TIFFTAG_FILLORDER, &p->fill_order);
    p->predictor = 1;
    if (p->compression == COMPRESSION_LZW || p->compression == COMPRESSION_DEFLATE ||
        p->compression == COMPRESSION_ADOBE_DEFLATE || p->compression == COMPRESSION_ZSTD ||
        p->compression == COMPRESSION_LZMA)
        TIFFGetFieldDefaulted(tif, TIFFTAG_PREDICTOR, &p->predictor);
    p->photometric = PHOTOMETRIC_MINISBLACK; /* as every reader assumes when it is missing */
    TIFFGetField(tif, TIFFTAG_PHOTOMETRIC, &p->photometric);
    p->tiled = TIFFIsTiled(tif) != 0;
    if (TIFFGetField(tif, TIFFTAG_SUBFILETYPE, &subfile))
        p->reduced = (subfile & (FILETYPE_REDUCEDIMAGE | FILETYPE_MASK)) != 0;
    else if (TIFFGetField(tif, TIFFTAG_OSUBFILETYPE, &old_subfile))
        p->reduced = old_subfile == OFILETYPE_REDUCEDIMAGE;
    p->type = page_type(p->bits, p->format);
    segment_layout(tif, p);
}

static scry_status push_page(scry_tiff_reader *r, scry_error *err)
{
    if (r->page_count == r->page_capacity) {
        const size_t capacity = r->page_capacity ? 2 * r->page_capacity : 16;
        struct scryi_tiff_page *grown = scry_alloc(capacity, sizeof *grown);
        if (!grown) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: list of %zu pages", r->path, capacity);
        if (r->page_count) memcpy(grown, r->pages, r->page_count * sizeof *grown);
        scry_free(r->pages);
        r->pages = grown;
        r->page_capacity = capacity;
    }
    struct scryi_tiff_page *p = &r->pages[r->page_count++];
    read_layout(r->tif, p);
    p->number = r->page_count;
    return SCRY_OK;
}

/* Strips and tiles that the file is too short for, before any pixel is asked for. */
static scry_status pages_check_extent(scry_tiff_reader *r, const struct scryi_tiff_page *p,
                                      scry_error *err)
{
    const char *what = p->tiled ? "tile" : "strip";
    const uint32_t count = p->tiled ? TIFFNumberOfTiles(r->tif) : TIFFNumberOfStrips(r->tif);
    const size_t planes = p->planar == PLANARCONFIG_SEPARATE ? p->samples : 1;
    if (count / planes / p->across < p->down)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: page %zu has %u %ss, expected %zu", r->path,
                         p->number, count, what, p->across * p->down * planes);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t at = TIFFGetStrileOffset(r->tif, i);
        const uint64_t stored = TIFFGetStrileByteCount(r->tif, i);
        uint64_t need = stored;
        if (p->direct) {
            const uint64_t first = (uint64_t)(i % p->down) * p->seg_y;
            need = p->row_bytes * (p->y - first < p->seg_y ? p->y - first : p->seg_y);
            if (stored < need)
                return SCRY_FAIL(err, SCRY_EFORMAT,
                                 "%s: page %zu, strip %u holds %llu bytes, "
                                 "expected %llu",
                                 r->path, p->number, i, (unsigned long long)stored,
                                 (unsigned long long)need);
        }
        if (!at || !stored)
            return SCRY_FAIL(err, SCRY_EFORMAT, "%s: page %zu, %s %u has no data", r->path,
                             p->number, what, i);
        if (at > r->file_bytes || need > r->file_bytes - at)
            return SCRY_FAIL(err, SCRY_EFORMAT,
                             "%s: page %zu, %s %u ends at byte %llu, but the "
                             "file has %llu: truncated",
                             r->path, p->number, what, i, (unsigned long long)(at + need),
                             (unsigned long long)r->file_bytes);
    }
    return SCRY_OK;
}

/* Pages that are not flagged as reduced, but each smaller than the one before and all of the first
 * one's form (whole slides of some makers): the levels of a pyramid. */
static bool pages_shrinking(const scry_tiff_reader *r)
{
    const struct scryi_tiff_page *a = r->pages;
    for (size_t i = 0; i < r->page_count; i++) {
        const struct scryi_tiff_page *p = &r->pages[i];
        const double lean = fabs((double)p->x * a->y - (double)p->y * a->x);
        if (p->reduced || p->bits != a->bits || p->samples != a->samples) return false;
        if (i && (p->x >= p[-1].x || p->y >= p[-1].y)) return false;
        if (lean > (double)a->x + (double)a->y) return false; /* a pixel, from rounding */
    }
    return r->page_count > 1;
}

void scryi_tiff_find_levels(scry_tiff_reader *r)
{
    if (!pages_shrinking(r)) return;
    for (size_t i = 1; i < r->page_count; i++)
        r->pages[i].reduced = true;
    r->info.levels = r->page_count - 1;
}

scry_status scryi_tiff_walk(scry_tiff_reader *r, scry_error *err)
{
    scry_status st;
    for (;;) {
        if ((st = push_page(r, err)) != SCRY_OK) return st;
        const struct scryi_tiff_page *p = &r->pages[r->page_count - 1];
        if (p->reduced) r->info.levels++;
        if (TIFFLastDirectory(r->tif)) break;
        r->log.errors = 0;
        if (!TIFFReadDirectory(r->tif))
            return SCRY_FAIL(err, SCRY_EFORMAT,
                             "%s: the chain of pages breaks or loops after page "
                             "%zu%s%s: truncated or damaged",
                             r->path, r->page_count, r->log.errors ? ": " : "",
                             r->log.errors ? r->log.text : "");
    }
    r->current = r->page_count;            /* nowhere: the first jump also applies want_rgb */
    if (r->info.levels == r->page_count) { /* some writers flag everything: nothing to prefer */
        for (size_t i = 0; i < r->page_count; i++)
            r->pages[i].reduced = false;
        r->info.levels = 0;
        scryi_tiff_warn(r, "every page is flagged as a reduced copy: the flags are ignored");
    }
    for (r->base = r->pages; r->base->reduced; r->base++)
        continue;
    return SCRY_OK;
}

/* No codec makes more than this many bytes from one: deflate 1032 (zlib's documentation), LZW 4096
 * entries of at most 4096 bytes from 1.5 each, PackBits 64; the others have no useful bound, and
 * get one above that of a constant image. It stops a tiny file from asking for terabytes. */
static uint64_t largest_ratio(uint16_t compression)
{
    switch (compression) {
    case COMPRESSION_NONE:
        return 1;
    case COMPRESSION_PACKBITS:
        return 64;
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_DEFLATE:
        return 1032;
    case COMPRESSION_LZW:
        return 2731;
    default:
        return 20000;
    }
}

static scry_status tiff_pages_check_size(const scry_tiff_reader *r, const struct scryi_tiff_page *p,
                                         scry_error *err)
{
    size_t floats;
    if (!p->x || !p->y || !p->samples || !p->seg_x || !p->seg_y)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: page %zu is %u x %u with %u samples in pieces of "
                         "%u x %u: a size is zero",
                         r->path, p->number, p->x, p->y, p->samples, p->seg_x, p->seg_y);
    const uint64_t bytes = scryi_tiff_page_bytes(p), ratio = largest_ratio(p->compression);
    if (bytes / ratio > r->file_bytes || !scry_mul(&floats, p->x, p->y) ||
        !scry_mul(&floats, floats, sizeof(float)))
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: page %zu claims %u x %u pixels, %llu bytes, more "
                         "than a file of %llu bytes can hold",
                         r->path, p->number, p->x, p->y, (unsigned long long)bytes,
                         (unsigned long long)r->file_bytes);
    /* tiles may be larger than the page, but not absurdly */
    if (p->row_bytes / ratio > r->file_bytes / p->seg_y + 1)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: page %zu has tiles of %u x %u, more than the file "
                         "can hold",
                         r->path, p->number, p->seg_x, p->seg_y);
    return SCRY_OK;
}

static scry_status check_codec(const scry_tiff_reader *r, const struct scryi_tiff_page *p,
                               scry_error *err)
{
    static const uint16_t known[] = {
        COMPRESSION_NONE,          COMPRESSION_CCITTRLE, COMPRESSION_CCITTFAX3,
        COMPRESSION_CCITTFAX4,     COMPRESSION_LZW,      COMPRESSION_JPEG,
        COMPRESSION_ADOBE_DEFLATE, COMPRESSION_DEFLATE,  COMPRESSION_PACKBITS,
        COMPRESSION_LZMA,          COMPRESSION_ZSTD};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (p->compression == known[i] && TIFFIsCODECConfigured(p->compression)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EUNSUP,
                     "%s: page %zu is compressed with %s (tag %u), which this "
                     "build does not decode; save it uncompressed or with LZW or Deflate",
                     r->path, p->number, scry_tiff_compression_name(p->compression),
                     p->compression);
}

static scry_status check_colour(const scry_tiff_reader *r, const struct scryi_tiff_page *p,
                                scry_error *err)
{
    switch (p->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_PALETTE:
        return SCRY_OK;
    case PHOTOMETRIC_YCBCR:
        if (p->compression == COMPRESSION_JPEG && p->bits == 8 && p->samples == 3) return SCRY_OK;
        break;
    default:
        break;
    }
    return SCRY_FAIL(err, SCRY_EUNSUP,
                     "%s: page %zu has photometric interpretation %u, expected "
                     "0 or 1 (grey), 2 (RGB) or 3 (palette)",
                     r->path, p->number, p->photometric);
}

scry_status scryi_tiff_check_page(scry_tiff_reader *r, const struct scryi_tiff_page *p,
                                  scry_error *err)
{
    static const char *const formats[] = {"",        "unsigned",        "signed",       "float",
                                          "untyped", "complex integer", "complex float"};
    const struct scryi_tiff_page *b = r->base;
    uint32_t depth = 1;
    scry_status st;
    if (p->type == SCRY_TIFF_KEEP)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: page %zu has %u-bit %s samples (format %u); "
                         "unsigned 1..16 and 32, signed 8, 16, 32 and float 32, 64 are read",
                         r->path, p->number, p->bits,
                         p->format <= 6 ? formats[p->format] : "unknown", p->format);
    if ((st = tiff_pages_check_size(r, p, err)) != SCRY_OK) return st;
    if (p->x != b->x || p->y != b->y || p->type != b->type || p->bits != b->bits ||
        p->samples != b->samples || p->photometric != b->photometric)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: page %zu is %u x %u x %u of %u-bit %s (colours "
                         "%u), but the first is %u x %u x %u of %u-bit %s (colours %u)",
                         r->path, p->number, p->x, p->y, p->samples, p->bits,
                         scry_tiff_type_name(p->type), p->photometric, b->x, b->y, b->samples,
                         b->bits, scry_tiff_type_name(b->type), b->photometric);
    if ((st = check_codec(r, p, err)) != SCRY_OK) return st;
    if ((st = check_colour(r, p, err)) != SCRY_OK) return st;
    if ((st = scryi_tiff_seek(r, p, err)) != SCRY_OK) return st;
    TIFFGetFieldDefaulted(r->tif, TIFFTAG_IMAGEDEPTH, &depth);
    if (depth > 1)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s: page %zu has ImageDepth %u, expected 1", r->path,
                         p->number, depth);
    return pages_check_extent(r, p, err);
}

scry_status scryi_tiff_seek(scry_tiff_reader *r, const struct scryi_tiff_page *p, scry_error *err)
{
    const size_t index = (size_t)(p - r->pages);
    if (r->current == index) return SCRY_OK;
    r->log.errors = 0;
    r->current = r->page_count; /* nowhere, until the jump has succeeded */
    if (!TIFFSetSubDirectory(r->tif, p->dir))
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: page %zu cannot be read again: %s", r->path,
                         p->number, r->log.errors ? r->log.text : "unknown reason");
    want_rgb(r->tif, p);
    r->current = index;
    return SCRY_OK;
}

bool scryi_tiff_contiguous(scry_tiff_reader *r, size_t planes)
{
    const struct scryi_tiff_page *p = r->base;
    const uint64_t bytes = scryi_tiff_page_bytes(p);
    if (!p->direct || planes > UINT64_MAX / bytes ||
        (p->planar == PLANARCONFIG_SEPARATE && p->samples > 1) ||
        scryi_tiff_seek(r, p, NULL) != SCRY_OK)
        return false;
    const uint64_t start = TIFFGetStrileOffset(r->tif, 0);
    for (uint32_t i = 1; i < p->down; i++)
        if (TIFFGetStrileOffset(r->tif, i) != start + (uint64_t)i * p->row_bytes * p->seg_y)
            return false;
    if (!start || start > r->file_bytes || planes * bytes > r->file_bytes - start) return false;
    for (size_t i = 0; i < r->page_count; i++)
        if (r->pages[i].dir >= start && r->pages[i].dir - start < planes * bytes) return false;
    return true;
}
