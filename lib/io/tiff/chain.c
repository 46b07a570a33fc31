/* Compressed files, written by libtiff, which chains directories in the order of the file. A plane
 * whose turn it is goes straight to it; others wait in a spool. */

#include "lib/io/tiff/write_impl.h"

#include "lib/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void begin_page(scry_tiff_writer *w)
{
    const scry_tiff_info *info = &w->info;
    TIFF *tif = w->tif;
    const size_t colours = info->rgb ? 3 : 1;
    TIFFSetField(tif, TIFFTAG_IMAGEWIDTH, (uint32_t)info->x);
    TIFFSetField(tif, TIFFTAG_IMAGELENGTH, (uint32_t)info->y);
    TIFFSetField(tif, TIFFTAG_BITSPERSAMPLE, info->bits);
    TIFFSetField(tif, TIFFTAG_SAMPLESPERPIXEL, (int)info->samples);
    TIFFSetField(tif, TIFFTAG_SAMPLEFORMAT, scryi_tiff_sample_format(w));
    TIFFSetField(tif, TIFFTAG_COMPRESSION, info->compression);
    if (info->predictor != 1) TIFFSetField(tif, TIFFTAG_PREDICTOR, info->predictor);
    TIFFSetField(tif, TIFFTAG_PHOTOMETRIC, scryi_tiff_photometric(w));
    TIFFSetField(tif, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tif, TIFFTAG_ROWSPERSTRIP, (uint32_t)w->strip_rows);
    if (info->samples > colours) {
        uint16_t extra[UINT8_MAX] = {0}; /* EXTRASAMPLE_UNSPECIFIED */
        for (size_t s = 0; s < SCRY_TIFF_EXTRA; s++)
            extra[s] = info->extra[s];
        TIFFSetField(tif, TIFFTAG_EXTRASAMPLES, (int)(info->samples - colours), extra);
    }
    if (info->orientation > ORIENTATION_TOPLEFT)
        TIFFSetField(tif, TIFFTAG_ORIENTATION, info->orientation);
    if (info->colormap)
        TIFFSetField(tif, TIFFTAG_COLORMAP, info->colormap, info->colormap + 256,
                     info->colormap + 512);
    if (info->x_resolution > 0 && info->y_resolution > 0) {
        TIFFSetField(tif, TIFFTAG_XRESOLUTION, info->x_resolution);
        TIFFSetField(tif, TIFFTAG_YRESOLUTION, info->y_resolution);
        TIFFSetField(tif, TIFFTAG_RESOLUTIONUNIT, info->resolution_unit);
    }
}

static scry_status write_failed(scry_tiff_writer *w, const char *what, scry_error *err)
{
    return SCRY_FAIL(err, SCRY_EIO, "%s: writing %s %zu: %s", w->path, what, w->next + 1,
                     errno           ? strerror(errno)
                     : w->log.errors ? w->log.text
                                     : "refused");
}

static scry_status put_strip(scry_tiff_writer *w, size_t strip, size_t rows, scry_error *err)
{
    const size_t bytes = rows * w->row_bytes;
    errno = 0;
    w->log.errors = 0;
    if (TIFFWriteEncodedStrip(w->tif, (uint32_t)strip, w->strip, (tmsize_t)bytes) < 0 ||
        w->log.errors)
        return write_failed(w, "page", err);
    return SCRY_OK;
}

static scry_status end_page(scry_tiff_writer *w, scry_error *err)
{
    errno = 0;
    w->log.errors = 0;
    if (!TIFFWriteDirectory(w->tif) || w->log.errors)
        return write_failed(w, "the directory of page", err);
    w->next++;
    return SCRY_OK;
}

static size_t rows_of(const scry_tiff_writer *w, size_t strip)
{
    const size_t first = strip * w->strip_rows, left = w->info.y - first;
    return left < w->strip_rows ? left : w->strip_rows;
}

/* The next page straight from the values of a whole plane, one sample a pixel. */
static scry_status page_from(scry_tiff_writer *w, size_t c, const float *in, scry_error *err)
{
    scry_status st;
    begin_page(w);
    for (size_t strip = 0; strip * w->strip_rows < w->info.y; strip++) {
        const size_t rows = rows_of(w, strip), n = rows * w->info.x;
        const float *from = in + strip * w->strip_rows * w->info.x;
        if ((st = scryi_tiff_encode(w, w->line, from, n, c, err)) != SCRY_OK) return st;
        scryi_tiff_hash(w, w->next, strip * w->strip_rows, 0, n);
        scryi_tiff_interleave(w, 0, n);
        if ((st = put_strip(w, strip, rows, err)) != SCRY_OK) return st;
    }
    return end_page(w, err);
}

/* ---- the spool ---- */

static scry_status open_spool(scry_tiff_writer *w, scry_error *err)
{
    const size_t n = strlen(w->file.temp) + 8;
    char *name = scry_alloc(1, n);
    if (!name) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: name of a temporary file", w->path);
    snprintf(name, n, "%s.spool", w->file.temp);
    w->spool = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const int reason = errno;
    if (w->spool >= 0) unlink(name); /* it vanishes with us, however we end */
    scry_free(name);
    return w->spool >= 0 ? SCRY_OK
                         : SCRY_FAIL(err, SCRY_EIO, "%s: temporary file beside it: %s", w->path,
                                     strerror(reason));
}

static scry_status spool_io(scry_tiff_writer *w, bool write, unsigned char *data, size_t n,
                            uint64_t at, scry_error *err)
{
    while (n) {
        errno = 0;
        const ssize_t done =
            write ? pwrite(w->spool, data, n, (off_t)at) : pread(w->spool, data, n, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0)
            return SCRY_FAIL(err, SCRY_EIO, "%s: temporary file beside it: %s", w->path,
                             errno ? strerror(errno) : "too short");
        data += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
    return SCRY_OK;
}

/* Rows are kept where they will be asked for; emptied places are used again, so that the spool is
 * no larger than the waiting rows. */
static uint64_t spool_at(const scry_tiff_writer *w, size_t plane, size_t y, size_t x)
{
    const uint64_t pixel = scry_tiff_type_bytes(w->stored);
    return ((uint64_t)(w->slot[plane] - 1) * w->info.y * w->info.x + y * w->info.x + x) * pixel;
}

static scry_status chain_spool(scry_tiff_writer *w, size_t plane, size_t c, size_t y0, size_t x0,
                               size_t h, size_t width, const float *in, scry_error *err)
{
    const size_t pixel = scry_tiff_type_bytes(w->stored);
    const bool whole = width == w->info.x;
    scry_status st;
    if (w->spool < 0 && (st = open_spool(w, err)) != SCRY_OK) return st;
    if (!w->slot[plane])
        w->slot[plane] = w->free_count ? w->free_slots[--w->free_count] : (uint32_t)++w->slot_count;
    for (size_t y = 0; y < h;) {
        size_t rows = whole ? w->strip_rows : 1;
        if (rows > h - y) rows = h - y;
        if ((st = scryi_tiff_encode(w, w->line, in + y * width, rows * width, c, err)) != SCRY_OK)
            return st;
        scryi_tiff_hash(w, plane, y0 + y, x0, rows * width);
        if ((st = spool_io(w, true, w->line, rows * width * pixel, spool_at(w, plane, y0 + y, x0),
                           err)) != SCRY_OK)
            return st;
        y += rows;
    }
    return SCRY_OK;
}

static scry_status page_spooled(scry_tiff_writer *w, scry_error *err)
{
    const size_t bytes = scry_tiff_type_bytes(w->stored);
    scry_status st;
    begin_page(w);
    for (size_t strip = 0; strip * w->strip_rows < w->info.y; strip++) {
        const size_t rows = rows_of(w, strip), pixels = rows * w->info.x;
        for (size_t s = 0; s < w->info.samples; s++) {
            const size_t plane = w->next * w->info.samples + s;
            if ((st = spool_io(w, false, w->line, pixels * bytes,
                               spool_at(w, plane, strip * w->strip_rows, 0), err)) != SCRY_OK)
                return st;
            scryi_tiff_interleave(w, s, pixels);
        }
        if ((st = put_strip(w, strip, rows, err)) != SCRY_OK) return st;
    }
    for (size_t s = 0; s < w->info.samples; s++) {
        const size_t plane = w->next * w->info.samples + s;
        w->free_slots[w->free_count++] = w->slot[plane];
        w->slot[plane] = 0;
    }
    return end_page(w, err);
}

static bool page_complete(const scry_tiff_writer *w, size_t page)
{
    const uint64_t full = (uint64_t)w->info.y * w->info.x;
    for (size_t s = 0; s < w->info.samples; s++)
        if (w->covered[page * w->info.samples + s] != full) return false;
    return true;
}

scry_status scryi_tiff_chain(scry_tiff_writer *w, size_t plane, size_t c, size_t y0, size_t x0,
                             size_t h, size_t width, const float *in, scry_error *err)
{
    const bool whole = h == w->info.y && width == w->info.x;
    scry_status st = whole && w->info.samples == 1 && plane == w->next
                         ? page_from(w, c, in, err)
                         : chain_spool(w, plane, c, y0, x0, h, width, in, err);
    while (st == SCRY_OK && w->next < w->pages && page_complete(w, w->next))
        st = page_spooled(w, err);
    return st;
}

scry_status scryi_tiff_chain_end(scry_tiff_writer *w, const struct scryi_tiff_tags *tags,
                                 scry_error *err)
{
    static const TIFFFieldInfo imagej[] = {
        {SCRYI_TAG_IJ_COUNTS, TIFF_VARIABLE2, TIFF_VARIABLE2, TIFF_LONG, FIELD_CUSTOM, 1, 1,
         "IJMetadataByteCounts"},
        {SCRYI_TAG_IJ_METADATA, TIFF_VARIABLE2, TIFF_VARIABLE2, TIFF_BYTE, FIELD_CUSTOM, 1, 1,
         "IJMetadata"},
    };
    errno = 0;
    w->log.errors = 0;
    if (!TIFFSetDirectory(w->tif, 0))
        return SCRY_FAIL(err, SCRY_EIO, "%s: returning to the first page: %s", w->path,
                         w->log.text);
    if (tags->description) TIFFSetField(w->tif, TIFFTAG_IMAGEDESCRIPTION, tags->description);
    TIFFSetField(w->tif, TIFFTAG_SOFTWARE, tags->software);
    if (tags->block) {
        TIFFMergeFieldInfo(w->tif, imagej, 2);
        TIFFSetField(w->tif, SCRYI_TAG_IJ_COUNTS, (uint32_t)tags->count_count, tags->counts);
        TIFFSetField(w->tif, SCRYI_TAG_IJ_METADATA, (uint32_t)tags->block_bytes, tags->block);
    }
    if (!TIFFRewriteDirectory(w->tif) || !TIFFFlush(w->tif) || w->log.errors)
        return SCRY_FAIL(err, SCRY_EIO, "%s: completing the first page: %s", w->path,
                         errno ? strerror(errno) : w->log.text);
    return SCRY_OK;
}
