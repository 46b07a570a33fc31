/* Reading an image of a zarr folder by plane. */

#include "lib/io/samples_impl.h"
#include "lib/io/tiff/ome_instrument_impl.h"
#include "lib/io/zarr/zarr_impl.h"

#include "lib/memory.h"
#include "lib/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scry_zarr_reader {
    struct scryi_zarr_image image;
    struct scryi_zarr_array array;
    struct scryi_zarr_cache cache;
    scry_tiff_channel *channels; /* from OME-XML; NULL: those of the image */
    scry_tiff_info info;
    int axis_t, axis_c, axis_z, axis_y, axis_x; /* of the array; -1: it has no such */
    uint64_t rounded;
    char layout[256];
    char warnings[SCRYI_ZARR_WARNINGS][192];
    size_t warning_count;
    bool told_missing;
};

bool scry_zarr_is(const char *path)
{
    static const char *const marks[] = {"zarr.json", ".zgroup", ".zarray", ".zattrs"};
    char inside[SCRYI_ZARR_PATH];
    struct stat info;
    if (stat(path, &info) || !S_ISDIR(info.st_mode)) return false;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (scryi_zarr_inside(inside, path, marks[i], NULL) == SCRY_OK && !access(inside, F_OK))
            return true;
    return false;
}

bool scry_zarr_is_name(const char *path)
{
    return scry_text_ends_with(path, ".zarr") || scry_text_ends_with(path, ".zarr/");
}

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
zarr_warn(scry_zarr_reader *r, const char *fmt, ...)
{
    va_list args;
    if (r->warning_count == SCRYI_ZARR_WARNINGS) return;
    va_start(args, fmt);
    vsnprintf(r->warnings[r->warning_count++], sizeof r->warnings[0], fmt, args);
    va_end(args);
}

/* ---- the axes ---- */

/* Of an array without an image around it: its own names of axes, or the last of t, c, z, y, x. */
static void zarr_guess_axes(scry_zarr_reader *r)
{
    struct scryi_zarr_image *m = &r->image;
    const struct scryi_zarr_array *a = &r->array;
    bool named = true;
    m->rank = a->rank;
    for (int i = 0; i < a->rank; i++) {
        const char *name = a->axis_names[i];
        named = named && strlen(name) == 1 && strchr("tczyx", *name);
        for (int k = 0; named && k < i; k++)
            named = *name != *a->axis_names[k];
    }
    for (int i = 0; i < a->rank; i++)
        m->axis[i] = named ? *a->axis_names[i] : "tczyx"[SCRYI_ZARR_RANK - a->rank + i];
    if (!memchr(m->axis, 'y', (size_t)m->rank) || !memchr(m->axis, 'x', (size_t)m->rank))
        memcpy(m->axis, &"tczyx"[SCRYI_ZARR_RANK - a->rank], (size_t)a -> rank);
    zarr_warn(r, "an array without OME metadata: its axes are taken as %.*s", m->rank, m->axis);
}

static int zarr_axis(const scry_zarr_reader *r, char name)
{
    for (int i = 0; i < r->image.rank; i++)
        if (r->image.axis[i] == name) return i;
    return -1;
}

static scry_status zarr_check_axes(const scry_zarr_reader *r, scry_error *err)
{
    const struct scryi_zarr_image *m = &r->image;
    if (m->rank != r->array.rank)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: an array of %d axes, \"axes\" names %d", m->folder,
                         r->array.rank, m->rank);
    for (int i = 0; i < m->rank; i++)
        if (m->axis[i] == '?' && r->array.shape[i] > 1)
            return SCRY_FAIL(err, SCRY_EUNSUP,
                             "%s: axis %d has %zu places and is none of t, c, z, y, x", m->folder,
                             i, r->array.shape[i]);
    return SCRY_OK;
}

static double zarr_length(const scry_zarr_reader *r, int axis)
{
    return axis >= 0 && r->image.known[axis] ? r->image.scale[axis] : 0;
}

static void zarr_fill_info(scry_zarr_reader *r)
{
    const struct scryi_zarr_image *m = &r->image;
    const struct scryi_zarr_array *a = &r->array;
    scry_tiff_axes size;
    r->axis_t = zarr_axis(r, 't');
    r->axis_c = zarr_axis(r, 'c');
    r->axis_z = zarr_axis(r, 'z');
    r->axis_y = zarr_axis(r, 'y');
    r->axis_x = zarr_axis(r, 'x');
    size.t = r->axis_t < 0 ? 1 : a->shape[r->axis_t];
    size.c = r->axis_c < 0 ? 1 : a->shape[r->axis_c];
    size.z = r->axis_z < 0 ? 1 : a->shape[r->axis_z];
    size.y = a->shape[r->axis_y];
    size.x = a->shape[r->axis_x];
    scry_tiff_info_init(&r->info, SCRY_TIFF_OME, a->type, &size);
    scry_tiff_info *info = &r->info;
    info->pages = info->c * info->z * info->t;
    info->big_endian = a->big_endian;
    info->levels = m->levels;
    info->series = m->series;
    info->series_at = m->series_at;
    info->pixel_um[0] = zarr_length(r, r->axis_z);
    info->pixel_um[1] = zarr_length(r, r->axis_y);
    info->pixel_um[2] = zarr_length(r, r->axis_x);
    info->frame_s = zarr_length(r, r->axis_t);
    if (info->pixel_um[2] > 0) snprintf(info->unit, sizeof info->unit, "\xc2\xb5m");
    info->channels = m->channels;
    info->channel_count = m->channel_count < info->c ? m->channel_count : info->c;
}

static void zarr_describe_layout(scry_zarr_reader *r)
{
    const struct scryi_zarr_array *a = &r->array;
    char sizes[SCRYI_ZARR_RANK * 24];
    size_t n = 0;
    for (int i = 0; i < a->rank; i++)
        n += (size_t)snprintf(sizes + n, sizeof sizes - n, "%s%zu", i ? " x " : "", a->chunk[i]);
    snprintf(r->layout, sizeof r->layout, "%s%s%szarr %d%s, %s-endian, chunks of %s, %s%s",
             *r->image.ome ? "OME-Zarr " : "", r->image.ome, *r->image.ome ? " (" : "", a->version,
             *r->image.ome ? ")" : "", a->big_endian ? "big" : "little", sizes,
             scryi_zarr_codec_name(a->codec), a->sharded ? ", in shards" : "");
}

static void zarr_general_warnings(scry_zarr_reader *r)
{
    if (r->array.type == SCRY_TIFF_F64)
        zarr_warn(r, "64-bit floats are rounded to single precision (24 bits)");
    if (r->array.type == SCRY_TIFF_U32 || r->array.type == SCRY_TIFF_I32)
        zarr_warn(r, "32-bit integers beyond 16777216 are rounded to single precision");
    if (r->image.levels)
        zarr_warn(r,
                  "%zu reduced levels of a pyramid: the full resolution is read, and files written "
                  "from it are flat",
                  r->image.levels);
    if (r->image.several) zarr_warn(r, "several multiscales in the group: the first is read");
    if (r->image.assumed)
        zarr_warn(r, "no unit of length: %g x %g x %g is taken as micrometres (z, y, x)",
                  r->info.pixel_um[0], r->info.pixel_um[1], r->info.pixel_um[2]);
    if (r->image.series > 1)
        zarr_warn(r, "%zu images (series) in the folder: number %zu is read, from 0 on",
                  r->image.series, r->image.series_at);
}

/* ---- OME-XML ---- */

/* The whole file, from scry_alloc; NULL: it is not there, or too large. */
static char *zarr_text(const char *path)
{
    struct stat info;
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    if (f && !fstat(fileno(f), &info) && S_ISREG(info.st_mode) && info.st_size < SCRYI_ZARR_JSON)
        text = scry_alloc((size_t)info.st_size + 1, 1);
    if (text && fread(text, 1, (size_t)info.st_size, f) != (size_t)info.st_size) text[0] = '\0';
    if (f) fclose(f);
    return text;
}

/* The objective and the channels of an image that bioformats2raw has converted: what a PSF is
 * computed from, and OME-Zarr itself has no place for. */
static void zarr_read_instrument(scry_zarr_reader *r)
{
    char path[SCRYI_ZARR_PATH];
    scry_error err = {0};
    if (!*r->image.root ||
        scryi_zarr_inside(path, r->image.root, "OME/METADATA.ome.xml", NULL) != SCRY_OK ||
        access(path, F_OK))
        return;
    char *xml = zarr_text(path);
    if (!xml || scryi_ome_instrument(&r->info, &r->channels, xml, r->image.series_at, path, &err) !=
                    SCRY_OK)
        zarr_warn(r, "its OME-XML is not used: %.140s", xml ? err.text : path);
    scry_free(xml);
}

/* ---- open ---- */

static scry_status zarr_open(scry_zarr_reader *r, const char *path, size_t series, scry_error *err)
{
    const struct scryi_zarr_array *a = &r->array;
    char folder[SCRYI_ZARR_PATH];
    bool found;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n >= sizeof folder)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%.80s...: a path of %zu bytes", path, n);
    snprintf(folder, sizeof folder, "%.*s", (int)n, path);
    scry_status st = scryi_zarr_image_find(&r->image, folder, series, err);
    if (st != SCRY_OK) return st;
    if ((st = scryi_zarr_array_read(&r->array, r->image.folder, &found, err)) != SCRY_OK) return st;
    if (!found)
        return SCRY_FAIL(err, *r->image.ome ? SCRY_EFORMAT : SCRY_EUNSUP, "%s: %s", r->image.folder,
                         *r->image.ome ? "no array there, which \"datasets\" names"
                                       : "a zarr group without \"multiscales\", expected OME-Zarr, "
                                         "or an array of the group");
    if (!*r->image.ome) zarr_guess_axes(r);
    if ((st = zarr_check_axes(r, err)) != SCRY_OK) return st;
    zarr_fill_info(r);
    zarr_read_instrument(r);
    zarr_describe_layout(r);
    zarr_general_warnings(r);
    const size_t across =
        ((r->info.y - 1) / a->chunk[r->axis_y] + 1) * ((r->info.x - 1) / a->chunk[r->axis_x] + 1);
    bool deep = false;
    for (int i = 0; i < a->rank; i++)
        deep = deep || (i != r->axis_y && i != r->axis_x && a->chunk[i] > 1);
    return scryi_zarr_cache_plan(&r->cache, a, across, deep, path, err);
}

scry_status scry_zarr_open(scry_zarr_reader **out, const char *path, size_t series, scry_error *err)
{
    scry_zarr_reader *r = scry_alloc(1, sizeof *r);
    *out = NULL;
    if (!r) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: reader", path);
    const scry_status st = zarr_open(r, path, series, err);
    if (st == SCRY_OK)
        *out = r;
    else
        scry_zarr_close(r);
    return st;
}

void scry_zarr_close(scry_zarr_reader *r)
{
    if (!r) return;
    scryi_zarr_cache_free(&r->cache);
    scryi_zarr_image_free(&r->image);
    scry_free(r->channels);
    scry_free(r);
}

const scry_tiff_info *scry_zarr_describe(const scry_zarr_reader *r)
{
    return &r->info;
}

const char *scry_zarr_layout(const scry_zarr_reader *r)
{
    return r->layout;
}

const char *scry_zarr_series_name(const scry_zarr_reader *r, size_t i)
{
    return r->image.series_names && i < r->image.series ? r->image.series_names[i] : "";
}

size_t scry_zarr_warnings(const scry_zarr_reader *r)
{
    return r->warning_count;
}

const char *scry_zarr_warning(const scry_zarr_reader *r, size_t i)
{
    return i < r->warning_count ? r->warnings[i] : "";
}

/* ---- pixels ---- */

/* Copies what chunk `at` has of the plane. place: of the plane along each axis. */
static scry_status zarr_copy(scry_zarr_reader *r, const unsigned char *bytes, const size_t *at,
                             const size_t *place, float *out, scry_error *err)
{
    const struct scryi_zarr_array *a = &r->array;
    const size_t width = scry_tiff_type_bytes(a->type), nx = r->info.x;
    size_t stride[SCRYI_ZARR_RANK], step = width, first = 0;
    bool overflow = false;
    for (int k = a->rank; k-- > 0; step *= a->chunk[a->stored[k]])
        stride[a->stored[k]] = step;
    for (int i = 0; i < a->rank; i++)
        if (i != r->axis_y && i != r->axis_x) first += place[i] % a->chunk[i] * stride[i];
    const size_t cy = a->chunk[r->axis_y], cx = a->chunk[r->axis_x];
    const size_t y0 = at[r->axis_y] * cy, x0 = at[r->axis_x] * cx;
    const size_t h = r->info.y - y0 < cy ? r->info.y - y0 : cy;
    const size_t w = nx - x0 < cx ? nx - x0 : cx;
    for (size_t y = 0; y < h; y++) {
        float *row = out + (y0 + y) * nx + x0;
        if (bytes)
            scryi_samples_to_floats(a->type, row, bytes + first + y * stride[r->axis_y], w,
                                    stride[r->axis_x], &r->rounded, &overflow);
        for (size_t x = 0; !bytes && x < w; x++)
            row[x] = (float)a->fill;
    }
    return overflow ? SCRY_FAIL(err, SCRY_ENUMERIC,
                                "%s: a value exceeds the range of single precision, 3.4e38",
                                r->image.folder)
                    : SCRY_OK;
}

scry_status scry_zarr_read_plane(scry_zarr_reader *r, size_t c, size_t z, size_t t, float *out,
                                 scry_error *err)
{
    const struct scryi_zarr_array *a = &r->array;
    size_t place[SCRYI_ZARR_RANK] = {0}, at[SCRYI_ZARR_RANK] = {0}, slot = 0;
    scry_status st = SCRY_OK;
    if (c >= r->info.c || z >= r->info.z || t >= r->info.t)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: plane c=%zu z=%zu t=%zu, but the sizes are %zu, %zu, %zu",
                         r->image.folder, c, z, t, r->info.c, r->info.z, r->info.t);
    if (r->axis_c >= 0) place[r->axis_c] = c;
    if (r->axis_z >= 0) place[r->axis_z] = z;
    if (r->axis_t >= 0) place[r->axis_t] = t;
    for (int i = 0; i < a->rank; i++)
        at[i] = place[i] / a->chunk[i];
    const size_t down = (r->info.y - 1) / a->chunk[r->axis_y] + 1;
    const size_t across = (r->info.x - 1) / a->chunk[r->axis_x] + 1;
    for (size_t i = 0; st == SCRY_OK && i < down; i++)
        for (size_t k = 0; st == SCRY_OK && k < across; k++, slot++) {
            const unsigned char *bytes = NULL;
            at[r->axis_y] = i;
            at[r->axis_x] = k;
            st = scryi_zarr_chunk(&bytes, &r->cache, a, r->image.folder, at, slot, err);
            if (st == SCRY_OK) st = zarr_copy(r, bytes, at, place, out, err);
        }
    if (r->cache.missing && !r->told_missing && st == SCRY_OK) {
        zarr_warn(r, "chunks are missing: they are read as the fill value, %g", a->fill);
        r->told_missing = true;
    }
    return st;
}
