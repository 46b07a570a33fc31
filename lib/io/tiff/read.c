/* Opening a TIFF: axes from the metadata, planes to pages, and reading by plane. */

#include "lib/io/tiff/tiff_impl.h"

#include "lib/memory.h"
#include "lib/space.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TAG_STK_PLANES = 33629,   /* MetaMorph UIC2: one entry a plane */
    TAG_LSM = 34412,          /* Zeiss LSM */
    LIBTIFF_SLACK = 64 << 20, /* beyond the size of the file, for libtiff's own blocks */
    LARGEST_DESCRIPTION = 32 << 20
};

void scryi_tiff_warn(scry_tiff_reader *r, const char *fmt, ...)
{
    va_list args;
    if (r->warning_count == SCRYI_TIFF_WARNINGS) return;
    va_start(args, fmt);
    vsnprintf(r->warnings[r->warning_count++], sizeof r->warnings[0], fmt, args);
    va_end(args);
}

static scry_status tiff_read_open_file(scry_tiff_reader *r, const char *path, scry_error *err)
{
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO shall not hang us */
    if (fd < 0) return SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(errno));
    if (fstat(fd, &info) || !S_ISREG(info.st_mode)) {
        close(fd);
        return SCRY_FAIL(err, SCRY_EIO, "%s: not a regular file", path);
    }
    r->file_bytes = (uint64_t)info.st_size;
    r->fd = fd;
    /* r read, m no mmap (a file that shrinks would kill us), c strips as they are in the file */
    r->tif = scryi_tiff_handle(fd, path, "rmc", (tmsize_t)r->file_bytes + LIBTIFF_SLACK, &r->log);
    if (!r->tif) {
        close(fd);
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: not a TIFF file, or damaged: %s", path,
                         r->log.errors ? r->log.text : "no first directory");
    }
    return SCRY_OK;
}

/* ---- the first page ---- */

static scry_status keep_description(scry_tiff_reader *r, scry_error *err)
{
    const char *text = NULL;
    if (!TIFFGetField(r->tif, TIFFTAG_IMAGEDESCRIPTION, &text) || !text) return SCRY_OK;
    const size_t n = strlen(text);
    if (n > LARGEST_DESCRIPTION)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s: ImageDescription of %zu bytes, at most %d are read",
                         r->path, n, (int)LARGEST_DESCRIPTION);
    r->description = scry_copy(text, n + 1);
    if (!r->description) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: description", r->path);
    r->info.description = r->description;
    return SCRY_OK;
}

static scry_status keep_colormap(scry_tiff_reader *r, scry_error *err)
{
    uint16_t *map[3];
    if (r->base->photometric != PHOTOMETRIC_PALETTE || r->base->bits != 8) return SCRY_OK;
    if (!TIFFGetField(r->tif, TIFFTAG_COLORMAP, &map[0], &map[1], &map[2])) return SCRY_OK;
    r->colormap = scry_alloc(3 * 256, sizeof *r->colormap);
    if (!r->colormap) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: colour map", r->path);
    for (size_t k = 0; k < 3; k++)
        memcpy(r->colormap + 256 * k, map[k], 256 * sizeof **map);
    r->info.colormap = r->colormap;
    return SCRY_OK;
}

/* Resolution in prints ("72 dpi") is no pixel size: beyond this many micrometres it is not believed
 * when the unit is the inch or the centimetre. */
static const double largest_pixel_um = 20;

static void keep_resolution(scry_tiff_reader *r)
{
    float xres = 0, yres = 0;
    scry_tiff_info *info = &r->info;
    TIFFGetFieldDefaulted(r->tif, TIFFTAG_RESOLUTIONUNIT, &info->resolution_unit);
    if (TIFFGetField(r->tif, TIFFTAG_XRESOLUTION, &xres) && isfinite(xres) && xres > 0)
        info->x_resolution = (double)xres;
    if (TIFFGetField(r->tif, TIFFTAG_YRESOLUTION, &yres) && isfinite(yres) && yres > 0)
        info->y_resolution = (double)yres;
    const double um = info->resolution_unit == RESUNIT_INCH         ? 25400
                      : info->resolution_unit == RESUNIT_CENTIMETER ? 10000
                                                                    : 0;
    if (um == 0 || info->x_resolution == 0 || info->y_resolution == 0) return;
    if (um / info->x_resolution > largest_pixel_um || um / info->y_resolution > largest_pixel_um)
        return;
    info->pixel_um[1] = um / info->y_resolution;
    info->pixel_um[2] = um / info->x_resolution;
    snprintf(info->unit, sizeof info->unit, "%s", um > 20000 ? "inch" : "cm");
}

/* Tags that say how a viewer shows the pixels; they change no value. */
static void keep_presentation(scry_tiff_reader *r)
{
    scry_tiff_info *info = &r->info;
    uint16_t count = 0;
    const uint16_t *kinds = NULL;
    const size_t extra = info->samples - (info->rgb ? 3 : 1);
    info->orientation = ORIENTATION_TOPLEFT;
    TIFFGetField(r->tif, TIFFTAG_ORIENTATION, &info->orientation);
    if (info->orientation < ORIENTATION_TOPLEFT || info->orientation > ORIENTATION_LEFTBOT)
        info->orientation = ORIENTATION_TOPLEFT;
    if (!TIFFGetField(r->tif, TIFFTAG_EXTRASAMPLES, &count, &kinds) || count > extra) return;
    for (size_t i = 0; i < count && i < SCRY_TIFF_EXTRA; i++)
        info->extra[i] = kinds[i] <= EXTRASAMPLE_UNASSALPHA ? (uint8_t)kinds[i] : 0;
}

void scryi_tiff_take_base(scry_tiff_reader *r, const struct scryi_tiff_page *p)
{
    scry_tiff_info *info = &r->info;
    r->base = p;
    info->type = p->type;
    info->bits = info->significant_bits = p->bits;
    info->samples = p->samples;
    info->y = p->y;
    info->x = p->x;
    /* a colour needs three samples, whatever a file with fewer says of itself */
    info->rgb = p->samples >= 3 &&
                (p->photometric == PHOTOMETRIC_RGB || p->photometric == PHOTOMETRIC_YCBCR);
    info->tiled = p->tiled;
    info->planar = p->planar == PLANARCONFIG_SEPARATE && p->samples > 1;
    info->compression = p->compression;
    info->predictor = p->predictor;
}

static scry_status describe_base(scry_tiff_reader *r, scry_error *err)
{
    const struct scryi_tiff_page *p = r->base;
    scry_tiff_info *info = &r->info;
    uint16_t levels = 0;
    const toff_t *offsets = NULL;
    scry_status st = scryi_tiff_seek(r, p, err);
    if (st != SCRY_OK) return st;
    scryi_tiff_take_base(r, p);
    if (TIFFGetField(r->tif, TIFFTAG_SUBIFD, &levels, &offsets)) r->sub_levels = levels;
    info->big_endian = TIFFIsBigEndian(r->tif) != 0;
    info->bigtiff = TIFFIsBigTIFF(r->tif) != 0;
    info->series = info->files = 1;
    snprintf(info->order, sizeof info->order, "czt");
    keep_resolution(r);
    keep_presentation(r);
    if ((st = keep_description(r, err)) != SCRY_OK) return st;
    return keep_colormap(r, err);
}

/* ---- axes of files without metadata of their own ---- */

/* Planes by the JSON that tifffile leaves in plain files, {"shape": [5, 64, 64], ...}: it may write
 * one directory for all of them. 0: no such description. */
static size_t shaped_planes(const scry_tiff_reader *r)
{
    const char *at = r->description ? strstr(r->description, "\"shape\": [") : NULL;
    size_t total = 1, plane;
    if (!at || r->description[0] != '{') return 0;
    at = strchr(at, '[');
    do {
        char *end;
        const unsigned long long n = strtoull(at + 1, &end, 10);
        if (end == at + 1 || !n || n > SIZE_MAX || !scry_mul(&total, total, (size_t)n)) return 0;
        at = end;
    } while (*at == ',');
    plane = (size_t)r->base->x * r->base->y * r->base->samples;
    return *at == ']' && total % plane == 0 ? total / plane : 0;
}

static size_t stk_planes(scry_tiff_reader *r)
{
    uint32_t count = 0;
    const void *data = NULL;
    if (scryi_tiff_seek(r, r->base, NULL) != SCRY_OK) return 0;
    const TIFFField *field = TIFFFindField(r->tif, TAG_STK_PLANES, TIFF_ANY);
    if (!field || !TIFFFieldPassCount(field) || TIFFFieldReadCount(field) != TIFF_VARIABLE2)
        return 0; /* not in this file, or not as libtiff registers an unknown tag */
    return TIFFGetField(r->tif, TAG_STK_PLANES, &count, &data) ? count : 0;
}

static scry_status plain_axes(scry_tiff_reader *r, size_t full, scry_error *err)
{
    size_t planes = shaped_planes(r);
    const char *by = "the \"shape\" in its description";
    if (!planes && (planes = stk_planes(r)) > 0) by = "its MetaMorph tag";
    r->info.c = r->info.samples;
    r->info.t = 1;
    r->info.z = full;
    if (planes > full) {
        if (full != 1 || !scryi_tiff_contiguous(r, planes))
            return SCRY_FAIL(err, SCRY_EFORMAT,
                             "%s: %s promises %zu planes, but %zu are in the "
                             "file: truncated?",
                             r->path, by, planes, full);
        r->info.one_ifd = true;
        r->info.z = planes;
    }
    if (r->base->photometric == PHOTOMETRIC_PALETTE)
        scryi_tiff_warn(r, "palette colours are not used: the values are palette indices");
    if (r->base->type != SCRY_TIFF_KEEP && TIFFFindField(r->tif, TAG_LSM, TIFF_ANY) && full > 1)
        scryi_tiff_warn(r, "Zeiss LSM dimensions are not read: all %zu pages are slices", full);
    return SCRY_OK;
}

static scry_status check_pages(scry_tiff_reader *r, scry_error *err)
{
    for (size_t i = 0; i < r->page_count; i++) {
        const struct scryi_tiff_page *p = &r->pages[i];
        /* of an OME file, pages beside the image may be anything; its reader names those it
         * needs */
        if (p->reduced || (r->info.flavour == SCRY_TIFF_OME && p != r->base)) continue;
        const scry_status st = scryi_tiff_check_page(r, p, err);
        if (st != SCRY_OK) return st;
    }
    return SCRY_OK;
}

/* Reduced copies leave the list, so that plane k is page k; OME counts every directory. */
static void drop_reduced(scry_tiff_reader *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->page_count; i++)
        if (!r->pages[i].reduced) r->pages[kept++] = r->pages[i];
    r->page_count = r->current = kept; /* tif stands nowhere */
    r->base = r->pages;
}

static scry_status find_axes(scry_tiff_reader *r, size_t series, scry_error *err)
{
    scry_status st;
    if (scryi_ome_detect(r->description))
        r->info.flavour = SCRY_TIFF_OME;
    else if (scryi_imagej_detect(r->description))
        r->info.flavour = SCRY_TIFF_IMAGEJ;
    if (r->info.flavour != SCRY_TIFF_OME) scryi_tiff_find_levels(r);
    const size_t full = r->page_count - r->info.levels;
    if (series && r->info.flavour != SCRY_TIFF_OME)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: 1 image in the file, numbered from 0: there is no number %zu",
                         r->path, series);
    if ((st = check_pages(r, err)) != SCRY_OK) return st;
    if (r->info.flavour != SCRY_TIFF_OME) drop_reduced(r);
    r->info.pages = full;
    st = r->info.flavour == SCRY_TIFF_OME      ? scryi_ome_read(r, series, err)
         : r->info.flavour == SCRY_TIFF_IMAGEJ ? scryi_imagej_read(r, err)
                                               : plain_axes(r, full, err);
    if (st != SCRY_OK) return st;
    r->info.levels += r->sub_levels;
    if (r->info.one_ifd) r->info.pages = r->info.c / r->info.samples * r->info.z * r->info.t;
    return SCRY_OK;
}

static void general_warnings(scry_tiff_reader *r)
{
    const struct scryi_tiff_page *p = r->base;
    if (p->type == SCRY_TIFF_F64)
        scryi_tiff_warn(r, "64-bit floats are rounded to single precision (24 bits)");
    if (p->type == SCRY_TIFF_U32 || p->type == SCRY_TIFF_I32)
        scryi_tiff_warn(r, "32-bit integers beyond 16777216 are rounded to single precision");
    if (p->photometric == PHOTOMETRIC_MINISWHITE)
        scryi_tiff_warn(r, p->format == SAMPLEFORMAT_UINT || p->format == SAMPLEFORMAT_VOID
                               ? "WhiteIsZero: values are inverted, v -> maximum - v"
                               : "WhiteIsZero is not applied to signed or floating-point values");
    if (p->compression == COMPRESSION_JPEG)
        scryi_tiff_warn(r, "JPEG compression has altered the noise of this image");
    if (r->info.levels)
        scryi_tiff_warn(r,
                        "%zu reduced copies (levels of a pyramid, thumbnails) or masks: the full "
                        "resolution is read, and files written from it are flat",
                        r->info.levels);
    if (r->info.series > 1)
        scryi_tiff_warn(r, "%zu images (series) in the file: number %zu is read, from 0 on",
                        r->info.series, r->info.series_at);
}

scry_status scryi_tiff_open_chain(scry_tiff_reader **out, const char *path, scry_error *err)
{
    scry_status st;
    scry_tiff_reader *r = scry_alloc(1, sizeof *r);
    *out = NULL;
    if (!r) return SCRY_FAIL(err, SCRY_ENOMEM, "TIFF reader");
    r->content.min = INFINITY;
    r->content.max = -INFINITY;
    r->path = scry_copy(path, strlen(path) + 1);
    if (!r->path) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "TIFF reader");
        goto done;
    }
    if ((st = tiff_read_open_file(r, path, err)) != SCRY_OK) goto done;
    if ((st = scryi_tiff_walk(r, err)) != SCRY_OK) goto done;
    *out = r;
    r = NULL;
done:
    scry_tiff_close(r);
    return st;
}

scry_status scry_tiff_open_series(scry_tiff_reader **out, const char *path, size_t series,
                                  scry_error *err)
{
    scry_tiff_reader *r = NULL;
    scry_status st = scryi_tiff_open_chain(&r, path, err);
    *out = NULL;
    if (st != SCRY_OK) return st;
    if ((st = scryi_tiff_check_page(r, r->base, err)) != SCRY_OK) goto done;
    if ((st = describe_base(r, err)) != SCRY_OK) goto done;
    if ((st = find_axes(r, series, err)) != SCRY_OK) goto done;
    general_warnings(r);
    *out = r;
    r = NULL;
done:
    scry_tiff_close(r);
    return st;
}

scry_status scry_tiff_open(scry_tiff_reader **out, const char *path, scry_error *err)
{
    return scry_tiff_open_series(out, path, 0, err);
}

const char *scry_tiff_series_name(const scry_tiff_reader *r, size_t i)
{
    return r->series_names && i < r->info.series ? r->series_names[i] : "";
}

void scry_tiff_close(scry_tiff_reader *r)
{
    if (!r) return;
    if (r->tif) TIFFClose(r->tif); /* closes fd */
    scry_free(r->pages);
    scry_free(r->map);
    scry_free(r->map_file);
    scry_free(r->series_names);
    scryi_tiff_set_free(&r->set);
    scry_free(r->description);
    scry_free(r->colormap);
    scry_free(r->luts);
    scry_free(r->channels);
    scry_free(r->buffer);
    scry_free((char *)r->path);
    scry_free(r);
}

const scry_tiff_info *scry_tiff_describe(const scry_tiff_reader *r)
{
    return &r->info;
}

size_t scry_tiff_warnings(const scry_tiff_reader *r)
{
    return r->warning_count;
}

const char *scry_tiff_warning(const scry_tiff_reader *r, size_t i)
{
    return i < r->warning_count ? r->warnings[i] : "";
}

scry_tiff_content scry_tiff_content_of(const scry_tiff_reader *r)
{
    return r->content;
}

/* ---- reading ---- */

/* The position of a plane in file order; order lists the axes, fastest first. */
static size_t plane_index(const scry_tiff_info *info, size_t c, size_t z, size_t t)
{
    size_t index = 0, stride = 1;
    for (size_t i = 0; i < 3; i++) {
        const char axis = info->order[i];
        index += stride * (axis == 'c' ? c : axis == 'z' ? z : t);
        stride *= axis == 'c' ? info->c / info->samples : axis == 'z' ? info->z : info->t;
    }
    return index;
}

/* Where a plane is: *page in *owner, which is r or a member of its set; NULL: missing. */
static scry_status find_page(scry_tiff_reader *r, size_t c, size_t z, size_t t,
                             scry_tiff_reader **owner, const struct scryi_tiff_page **page,
                             uint64_t *shift, scry_error *err)
{
    const scry_tiff_info *info = &r->info;
    scry_status st = SCRY_OK;
    *shift = 0;
    *owner = r;
    if (r->map) {
        const size_t plane = c + info->c / info->samples * (z + info->z * t);
        const uint32_t at = r->map[plane], file = r->map_file ? r->map_file[plane] : 0;
        *page = NULL;
        if (at && file) st = scryi_tiff_set_open(r, file - 1, owner, err);
        if (!at || st != SCRY_OK) return st;
        if (at <= (*owner)->page_count) *page = &(*owner)->pages[at - 1];
        if (!*page || (*page)->x != r->base->x || (*page)->y != r->base->y ||
            (*page)->bits != r->base->bits || (*page)->samples != r->base->samples)
            return SCRY_FAIL(err, SCRY_EFORMAT, "%s: has changed since it was opened",
                             (*owner)->path); /* only a file that was closed in between can */
        return SCRY_OK;
    }
    const size_t index = plane_index(info, c, z, t);
    *page = info->one_ifd ? r->base : &r->pages[index];
    if (info->one_ifd) *shift = index * scryi_tiff_page_bytes(r->base);
    return SCRY_OK;
}

static void tiff_read_calibrate(scry_tiff_reader *r, float *out, size_t n)
{
    const struct scryi_tiff_page *p = r->base;
    const bool integer = p->format == SAMPLEFORMAT_UINT || p->format == SAMPLEFORMAT_VOID;
    if (p->photometric == PHOTOMETRIC_MINISWHITE && integer) {
        const double white = ldexp(1, p->bits) - 1;
        for (size_t i = 0; i < n; i++)
            out[i] = (float)(white - (double)out[i]);
    }
    if (r->signed16)
        for (size_t i = 0; i < n; i++)
            out[i] -= 32768.0f;
}

static void tiff_read_count(scry_tiff_reader *r, const float *v, size_t n, float *low, float *high)
{
    size_t nonfinite = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i])) {
            nonfinite++;
            continue;
        }
        if (v[i] < *low) *low = v[i];
        if (v[i] > *high) *high = v[i];
    }
    r->content.pixels += n;
    r->content.nonfinite += nonfinite;
    if ((double)*low < r->content.min) r->content.min = (double)*low;
    if ((double)*high > r->content.max) r->content.max = (double)*high;
}

/* 16-bit files whose calibration got lost: every value in the upper half (the signed zero is
 * 32768). A camera never leaves a whole plane there without saturating some of it. */
static void suspect_sign(scry_tiff_reader *r, float low, float high)
{
    if (r->checked_sign) return;
    r->checked_sign = true;
    if (r->base->type == SCRY_TIFF_U16 && r->base->bits == 16 && !r->signed16 && low >= 32768.0f &&
        high < 65535.0f)
        scryi_tiff_warn(r,
                        "looks like signed data stored unsigned: values %.0f to %.0f; an offset "
                        "of 32768 may have to be subtracted",
                        (double)low, (double)high);
}

scry_status scry_tiff_read_rect(scry_tiff_reader *r, size_t c, size_t z, size_t t, size_t y0,
                                size_t x0, size_t h, size_t w, float *out, scry_error *err)
{
    const scry_tiff_info *info = &r->info;
    uint64_t shift;
    float low = INFINITY, high = -INFINITY;
    if (c >= info->c || z >= info->z || t >= info->t)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: plane c=%zu z=%zu t=%zu, but the sizes are %zu, "
                         "%zu, %zu",
                         r->path, c, z, t, info->c, info->z, info->t);
    if (!h || !w || y0 >= info->y || h > info->y - y0 || x0 >= info->x || w > info->x - x0)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: rectangle of %zu x %zu at (%zu, %zu) in a plane of "
                         "%zu x %zu",
                         r->path, h, w, y0, x0, info->y, info->x);
    scry_tiff_reader *owner;
    const struct scryi_tiff_page *p;
    scry_status st = find_page(r, c / info->samples, z, t, &owner, &p, &shift, err);
    if (st != SCRY_OK) return st;
    if (!p) {
        memset(out, 0, h * w * sizeof *out);
        r->content.missing++;
        return SCRY_OK;
    }
    st = scryi_tiff_pixels(owner, p, shift, c % info->samples, y0, x0, h, w, out, err);
    if (st != SCRY_OK) return st;
    if (owner != r) {
        r->content.rounded += owner->content.rounded;
        owner->content.rounded = 0;
    }
    tiff_read_calibrate(r, out, h * w);
    tiff_read_count(r, out, h * w, &low, &high);
    suspect_sign(r, low, high);
    return SCRY_OK;
}

scry_status scry_tiff_read_plane(scry_tiff_reader *r, size_t c, size_t z, size_t t, float *out,
                                 scry_error *err)
{
    return scry_tiff_read_rect(r, c, z, t, 0, 0, r->info.y, r->info.x, out, err);
}

scry_status scry_tiff_read_volume(scry_tiff_reader *r, size_t c, size_t t, float *out,
                                  scry_error *err)
{
    const size_t plane = r->info.y * r->info.x;
    for (size_t z = 0; z < r->info.z; z++) {
        const scry_status st = scry_tiff_read_plane(r, c, z, t, out + z * plane, err);
        if (st != SCRY_OK) return st;
    }
    return SCRY_OK;
}
