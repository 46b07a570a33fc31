/* The life of a TIFF being written: planned, given plane by plane, completed and moved in place.
 *
 * Planes come in any order (a volume a channel, say). Uncompressed files are laid out by
 * lib/io/tiff/layout.c, compressed ones by libtiff in lib/io/tiff/chain.c. The description of the
 * first page states the range of the pixels and, for OME, their hash, so it is written at the end.
 */

#include "lib/io/tiff/write_impl.h"

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

enum { STRIP_BYTES = 1 << 20 };

/* ---- the plan ---- */

static scry_status check_model(const char *path, const scry_tiff_info *like, scry_tiff_type type,
                               scry_error *err)
{
    size_t n = 1;
    const size_t sizes[5] = {like->c, like->z, like->t, like->y, like->x};
    for (size_t i = 0; i < 5; i++)
        if (!sizes[i] || !scry_mul(&n, n, sizes[i]))
            return SCRY_FAIL(err, SCRY_EINVAL, "%s: sizes c=%zu z=%zu t=%zu y=%zu x=%zu: %s", path,
                             like->c, like->z, like->t, like->y, like->x,
                             sizes[i] ? "too many pixels" : "none may be zero");
    if (like->y > INT32_MAX || like->x > INT32_MAX || n / like->y / like->x > UINT32_MAX)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: %zu planes of %zu x %zu do not fit in a TIFF", path,
                         n / like->y / like->x, like->y, like->x);
    if (!like->samples || like->samples > UINT8_MAX || like->c % like->samples)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: %zu channels with %zu samples per pixel, expected a multiple", path,
                         like->c, like->samples);
    if (like->rgb && like->samples < 3)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: RGB with %zu samples per pixel, expected 3 or more",
                         path, like->samples);
    if (!scry_tiff_type_bytes(type))
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: sample type %d is not known", path, (int)type);
    return SCRY_OK;
}

/* ImageJ opens 8- and 16-bit unsigned, calibrated signed 16-bit and 32-bit float, and 8-bit RGB. */
static void plan_for_imagej(scry_tiff_writer *w)
{
    scry_tiff_info *info = &w->info;
    if (info->type == SCRY_TIFF_U32 || info->type == SCRY_TIFF_I8 || info->type == SCRY_TIFF_I32 ||
        info->type == SCRY_TIFF_F64)
        info->type = SCRY_TIFF_F32;
    w->stored = info->type;
    if (info->type == SCRY_TIFF_I16) {
        w->stored = SCRY_TIFF_U16;
        w->shift = 32768;
    }
    if (info->samples > 1 && !(info->rgb && info->samples == 3 && info->type == SCRY_TIFF_U8)) {
        info->samples = 1;
        info->rgb = false;
    }
    snprintf(info->order, sizeof info->order, "czt");
    const double unit = scryi_unit_um(info->unit), um = unit > 0 ? unit : 1;
    if (info->pixel_um[1] > 0 && info->pixel_um[2] > 0) {
        info->y_resolution = um / info->pixel_um[1];
        info->x_resolution = um / info->pixel_um[2];
        info->resolution_unit = RESUNIT_NONE;
    }
}

static void plan_for_ome(scry_tiff_info *info)
{
    if (!(info->pixel_um[1] > 0 && info->pixel_um[2] > 0)) return;
    info->y_resolution = 1e4 / info->pixel_um[1];
    info->x_resolution = 1e4 / info->pixel_um[2];
    info->resolution_unit = RESUNIT_CENTIMETER;
}

/* Predictors help where neighbours are alike; ImageJ does not undo them for Deflate, and
 * Bio-Formats not that for floats. */
static void plan_packing(scry_tiff_writer *w, scry_tiff_packing packing)
{
    const bool real = w->stored == SCRY_TIFF_F32 || w->stored == SCRY_TIFF_F64;
    w->info.compression = packing == SCRY_TIFF_DEFLATE ? COMPRESSION_ADOBE_DEFLATE
                          : packing == SCRY_TIFF_LZW   ? COMPRESSION_LZW
                                                       : COMPRESSION_NONE;
    w->info.predictor = 1;
    if (packing != SCRY_TIFF_UNPACKED && !real &&
        (w->info.flavour != SCRY_TIFF_IMAGEJ || packing == SCRY_TIFF_LZW))
        w->info.predictor = PREDICTOR_HORIZONTAL;
}

static void tiff_write_plan(scry_tiff_writer *w, const scry_tiff_info *like,
                            const scry_tiff_options *opts)
{
    const uint16_t endian = 1;
    scry_tiff_info *info = &w->info;
    *info = *like;
    if (opts->type != SCRY_TIFF_KEEP) info->type = opts->type;
    w->stored = info->type;
    if (info->order[0] == '\0') snprintf(info->order, sizeof info->order, "czt");
    if (info->flavour == SCRY_TIFF_IMAGEJ) plan_for_imagej(w);
    if (info->flavour == SCRY_TIFF_OME) plan_for_ome(info);
    if (info->flavour == SCRY_TIFF_PLAIN) snprintf(info->order, sizeof info->order, "czt");
    plan_packing(w, opts->packing);
    if (w->stored != SCRY_TIFF_U8 || info->samples > 1) info->colormap = NULL;
    info->bits = 8 * (int)scry_tiff_type_bytes(w->stored);
    if (info->type != like->type || info->significant_bits < 1 ||
        info->significant_bits > info->bits)
        info->significant_bits = info->bits;
    info->big_endian = *(const unsigned char *)&endian == 0;
    info->tiled = info->planar = info->one_ifd = false;
    info->levels = 0;
    info->series = 1;
    info->pages = w->pages = info->c / info->samples * info->z * info->t;
    w->planes = w->pages * info->samples;
    w->row_bytes = info->x * info->samples * scry_tiff_type_bytes(w->stored);
    w->strip_rows = STRIP_BYTES / w->row_bytes ? STRIP_BYTES / w->row_bytes : 1;
    if (w->strip_rows > info->y) w->strip_rows = info->y;
    /* 1024 a page for its directory, 16 a strip, deflate grows noise by at most a thousandth */
    const double page = (double)w->row_bytes * (double)info->y * 1.001 + 1024 +
                        16 * (double)(info->y / w->strip_rows);
    const double total = page * (double)w->pages + 0x1p20 +
                         2 * (info->description ? (double)strlen(info->description) : 0);
    info->bigtiff = opts->size == SCRY_TIFF_SIZE_BIG || total > 4e9;
}

/* A deep copy, so that the model may go. */
static bool tiff_write_own(const void **field, size_t bytes)
{
    if (!*field) return true;
    *field = scry_copy(*field, bytes);
    return *field != NULL;
}

static bool own_all(scry_tiff_info *info)
{
    const void *owned[4] = {info->description, info->channels, info->colormap, info->imagej_luts};
    const size_t bytes[4] = {info->description ? strlen(info->description) + 1 : 0,
                             info->channel_count * sizeof *info->channels,
                             3 * 256 * sizeof *info->colormap, info->imagej_lut_count * 768};
    bool good = true;
    for (size_t i = 0; i < 4; i++)
        good = tiff_write_own(&owned[i], bytes[i]) && good; /* all, to free all */
    info->description = owned[0];
    info->channels = owned[1];
    info->colormap = owned[2];
    info->imagej_luts = owned[3];
    return good;
}

/* ---- create ---- */

static scry_status check_target(const char *path, bool force, scry_error *err)
{
    struct stat info;
    if (force || lstat(path, &info)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "%s: exists, and replacing it was not asked for", path);
}

static scry_status open_temp(scry_tiff_writer *w, scry_error *err)
{
    const scry_status st = scryi_atomic_file_open(&w->file, &w->fd, w->path, "", err);
    if (st != SCRY_OK) return st;
    if (w->info.compression == COMPRESSION_NONE) return scryi_tiff_lay_out(w, err);
    w->tif = scryi_tiff_handle(w->fd, w->path, w->info.bigtiff ? "w8" : "w", 0, &w->log);
    if (!w->tif)
        return SCRY_FAIL(err, SCRY_EIO, "%s: %s", w->path,
                         w->log.errors ? w->log.text : "libtiff refused to write");
    return SCRY_OK;
}

static scry_status tiff_write_allocate(scry_tiff_writer *w, const char *path,
                                       const scry_tiff_options *opts, scry_error *err)
{
    const size_t sample_strip = w->strip_rows * w->info.x * scry_tiff_type_bytes(w->stored);
    const bool copied = own_all(&w->info);
    w->path = scry_copy(path, strlen(path) + 1);
    w->covered = scry_alloc(w->planes, sizeof *w->covered);
    w->slot = scry_alloc(w->planes, sizeof *w->slot);
    w->free_slots = scry_alloc(w->planes, sizeof *w->free_slots);
    w->strip = scry_alloc(w->strip_rows, w->row_bytes);
    w->line = scry_alloc(1, sample_strip);
    w->ranges = scry_alloc(2 * w->info.c, sizeof *w->ranges);
    if (opts->provenance) w->provenance = scry_copy(opts->provenance, strlen(opts->provenance) + 1);
    if (!copied || !w->path || !w->covered || !w->slot || !w->free_slots || !w->strip || !w->line ||
        !w->ranges || (opts->provenance && !w->provenance))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: writer of %zu planes of %zu x %zu", path, w->planes,
                         w->info.y, w->info.x);
    for (size_t c = 0; c < w->info.c; c++) {
        w->ranges[2 * c] = INFINITY;
        w->ranges[2 * c + 1] = -INFINITY;
    }
    return SCRY_OK;
}

scry_status scry_tiff_create(scry_tiff_writer **out, const char *path, const scry_tiff_info *like,
                             const scry_tiff_options *opts, scry_error *err)
{
    const scry_tiff_options defaults = {0};
    scry_status st;
    scry_tiff_writer *w;
    *out = NULL;
    if (!opts) opts = &defaults;
    st = check_model(path, like, opts->type == SCRY_TIFF_KEEP ? like->type : opts->type, err);
    if (st != SCRY_OK) return st;
    if ((st = check_target(path, opts->force, err)) != SCRY_OK) return st;
    w = scry_alloc(1, sizeof *w);
    if (!w) return SCRY_FAIL(err, SCRY_ENOMEM, "TIFF writer");
    w->fd = w->spool = -1;
    w->force = opts->force;
    tiff_write_plan(w, like, opts);
    if ((st = tiff_write_allocate(w, path, opts, err)) != SCRY_OK) goto done;
    if ((st = open_temp(w, err)) != SCRY_OK) goto done;
    *out = w;
    w = NULL;
done:
    scry_tiff_abort(w);
    return st;
}

const scry_tiff_info *scry_tiff_planned(const scry_tiff_writer *w)
{
    return &w->info;
}

/* ---- writing ---- */

scry_status scry_tiff_write_rect(scry_tiff_writer *w, size_t c, size_t z, size_t t, size_t y0,
                                 size_t x0, size_t h, size_t width, const float *in,
                                 scry_error *err)
{
    const scry_tiff_info *info = &w->info;
    if (w->failed) return SCRY_FAIL(err, w->failed, "%s: writing has failed before", w->path);
    if (c >= info->c || z >= info->z || t >= info->t)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: plane c=%zu z=%zu t=%zu, but the sizes are %zu, "
                         "%zu, %zu",
                         w->path, c, z, t, info->c, info->z, info->t);
    if (!h || !width || y0 >= info->y || h > info->y - y0 || x0 >= info->x || width > info->x - x0)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: rectangle of %zu x %zu at (%zu, %zu) in a plane of "
                         "%zu x %zu",
                         w->path, h, width, y0, x0, info->y, info->x);
    const size_t plane = scryi_tiff_page_of(w, c, z, t) * info->samples + c % info->samples;
    if ((uint64_t)h * width > (uint64_t)info->y * info->x - w->covered[plane])
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: plane c=%zu z=%zu t=%zu was written before, or its "
                         "rectangles overlap",
                         w->path, c, z, t);
    w->covered[plane] += (uint64_t)h * width;
    w->failed = w->tif ? scryi_tiff_chain(w, plane, c, y0, x0, h, width, in, err)
                       : scryi_tiff_lay(w, plane, c, y0, x0, h, width, in, err);
    return w->failed;
}

scry_status scry_tiff_write_plane(scry_tiff_writer *w, size_t c, size_t z, size_t t,
                                  const float *in, scry_error *err)
{
    return scry_tiff_write_rect(w, c, z, t, 0, 0, w->info.y, w->info.x, in, err);
}

/* ---- finish ---- */

static scry_status tiff_write_check_complete(const scry_tiff_writer *w, scry_error *err)
{
    const scry_tiff_info *info = &w->info;
    if (w->failed) return SCRY_FAIL(err, w->failed, "%s: writing has failed before", w->path);
    for (size_t t = 0; t < info->t; t++)
        for (size_t z = 0; z < info->z; z++)
            for (size_t c = 0; c < info->c; c++) {
                const size_t plane =
                    scryi_tiff_page_of(w, c, z, t) * info->samples + c % info->samples;
                if (w->covered[plane] != (uint64_t)info->y * info->x)
                    return SCRY_FAIL(err, SCRY_EINVAL,
                                     "%s: plane c=%zu z=%zu t=%zu has %llu of %zu "
                                     "pixels: not every plane was written",
                                     w->path, c, z, t, (unsigned long long)w->covered[plane],
                                     info->y * info->x);
            }
    return SCRY_OK;
}

static void range_of_all(scry_tiff_writer *w)
{
    w->result.min = INFINITY;
    w->result.max = -INFINITY;
    for (size_t c = 0; c < w->info.c; c++) {
        w->result.min = fmin(w->result.min, w->ranges[2 * c]);
        w->result.max = fmax(w->result.max, w->ranges[2 * c + 1]);
    }
}

/* On disk, so that a full disk is known now, and whole. */
static scry_status settle_temp(scry_tiff_writer *w, scry_error *err)
{
    struct stat info;
    if (fsync(w->fd) || fstat(w->fd, &info))
        return SCRY_FAIL(err, SCRY_EIO, "%s: completing the file: %s", w->path, strerror(errno));
    w->result.bytes = (uint64_t)info.st_size;
    return SCRY_OK;
}

scry_status scry_tiff_finish(scry_tiff_writer *w, scry_tiff_written *result, scry_error *err)
{
    struct scryi_tiff_tags tags = {0};
    scry_status st;
    if ((st = tiff_write_check_complete(w, err)) != SCRY_OK) goto done;
    range_of_all(w);
    w->result.type = w->info.type;
    w->result.bigtiff = w->info.bigtiff;
    if ((st = scryi_tiff_tags_make(&tags, w, err)) != SCRY_OK) goto done;
    st = w->tif ? scryi_tiff_chain_end(w, &tags, err) : scryi_tiff_lay_directories(w, &tags, err);
    if (st != SCRY_OK) goto done;
    if ((st = settle_temp(w, err)) != SCRY_OK) goto done;
    st = w->force ? scryi_atomic_file_commit(&w->file, err)
                  : scryi_atomic_file_commit_new(&w->file, err);
    if (st != SCRY_OK) goto done;
    if (result) *result = w->result;
done:
    scryi_tiff_tags_free(&tags);
    scry_tiff_abort(w);
    return st;
}

void scry_tiff_abort(scry_tiff_writer *w)
{
    if (!w) return;
    if (w->tif)
        TIFFClose(w->tif); /* closes fd */
    else if (w->fd >= 0)
        close(w->fd);
    if (w->spool >= 0) close(w->spool);
    scryi_atomic_file_abandon(&w->file);
    scry_free((char *)w->info.description);
    scry_free((scry_tiff_channel *)w->info.channels);
    scry_free((uint16_t *)w->info.colormap);
    scry_free((void *)w->info.imagej_luts);
    scry_free(w->path);
    scry_free(w->provenance);
    scry_free(w->covered);
    scry_free(w->slot);
    scry_free(w->free_slots);
    scry_free(w->strip);
    scry_free(w->line);
    scry_free(w->ranges);
    scry_free(w);
}
