/* Writing an image as OME-Zarr: one level, axes t c z y x. */

#include "lib/atomic_folder_impl.h"
#include "lib/io/samples_impl.h"
#include "lib/io/zarr/write_impl.h"

#include "lib/memory.h"
#include "lib/space.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_SIDE = 1024 };

/* ---- create ---- */

static scry_status zarr_check_model(const char *path, const scry_tiff_info *like,
                                    const scry_tiff_options *opts, scry_error *err)
{
    size_t n = 1;
    const size_t sizes[SCRYI_ZARR_RANK] = {like->t, like->c, like->z, like->y, like->x};
    const scry_tiff_type type = opts->type == SCRY_TIFF_KEEP ? like->type : opts->type;
    for (int i = 0; i < SCRYI_ZARR_RANK; i++)
        if (!sizes[i] || sizes[i] > INT32_MAX || !scry_mul(&n, n, sizes[i]))
            return SCRY_FAIL(err, SCRY_EINVAL, "%s: sizes c=%zu z=%zu t=%zu y=%zu x=%zu: %s", path,
                             like->c, like->z, like->t, like->y, like->x,
                             sizes[i] ? "too many pixels" : "none may be zero");
    if (!scry_tiff_type_bytes(type))
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: sample type %d is not known", path, (int)type);
    if (opts->packing == SCRY_TIFF_LZW)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: LZW in OME-Zarr, expected deflate, or none for blosc", path);
    return SCRY_OK;
}

static void zarr_plan(scry_zarr_writer *w, const scry_tiff_info *like,
                      const scry_tiff_options *opts)
{
    const scry_tiff_axes size = {
        .c = like->c, .z = like->z, .t = like->t, .y = like->y, .x = like->x};
    scry_tiff_info_init(&w->info, SCRY_TIFF_OME,
                        opts->type == SCRY_TIFF_KEEP ? like->type : opts->type, &size);
    memcpy(w->info.pixel_um, like->pixel_um, sizeof w->info.pixel_um);
    w->info.frame_s = like->frame_s;
    w->info.rgb = like->rgb;
    w->codec = opts->packing == SCRY_TIFF_DEFLATE ? SCRYI_ZARR_ZLIB : SCRYI_ZARR_BLOSC;
    w->chunk_y = like->y < CHUNK_SIDE ? like->y : CHUNK_SIDE;
    w->chunk_x = like->x < CHUNK_SIDE ? like->x : CHUNK_SIDE;
}

static scry_status zarr_allocate(scry_zarr_writer *w, const scry_tiff_info *like,
                                 const scry_tiff_options *opts, scry_error *err)
{
    const size_t pixels = w->chunk_y * w->chunk_x;
    const size_t bytes = pixels * scry_tiff_type_bytes(w->info.type);
    const char *note = opts->provenance ? opts->provenance : "";
    w->written = scry_alloc(like->c * like->z * like->t, sizeof *w->written);
    w->ranges = scry_alloc(2 * like->c, sizeof *w->ranges);
    w->values = scry_alloc(pixels, sizeof *w->values);
    w->bytes = scry_alloc(bytes, 1);
    w->packed_size = scryi_zarr_encoded_bound(w->codec, bytes);
    w->packed = scry_alloc(w->packed_size, 1);
    w->provenance = scry_copy(note, strlen(note) + 1);
    w->channels = scry_alloc(like->c, sizeof *w->channels);
    if (!w->written || !w->ranges || !w->values || !w->bytes || !w->packed || !w->provenance ||
        !w->channels)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: writer of planes of %zu x %zu", w->folder.path,
                         like->y, like->x);
    for (size_t c = 0; c < like->c; c++) {
        w->ranges[2 * c] = INFINITY;
        w->ranges[2 * c + 1] = -INFINITY;
        if (c < like->channel_count) w->channels[c] = like->channels[c];
    }
    w->info.channels = w->channels;
    w->info.channel_count = like->channel_count < like->c ? like->channel_count : like->c;
    return SCRY_OK;
}

scry_status scry_zarr_create(scry_zarr_writer **out, const char *path, int version,
                             const scry_tiff_info *like, const scry_tiff_options *opts,
                             scry_error *err)
{
    const scry_tiff_options defaults = {0};
    *out = NULL;
    if (!opts) opts = &defaults;
    scry_status st = zarr_check_model(path, like, opts, err);
    if (st != SCRY_OK) return st;
    scry_zarr_writer *w = scry_alloc(1, sizeof *w);
    if (!w) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: writer", path);
    w->version = version;
    zarr_plan(w, like, opts);
    st = scryi_atomic_folder_create(&w->folder, path, opts->force ? scry_zarr_is : NULL, err);
    if (st == SCRY_OK) st = zarr_allocate(w, like, opts, err);
    if (st == SCRY_OK)
        *out = w;
    else
        scry_zarr_abort(w);
    return st;
}

const scry_tiff_info *scry_zarr_planned(const scry_zarr_writer *w)
{
    return &w->info;
}

/* ---- planes ---- */

/* Makes the folders that lead to `path`, behind the first `from` characters. */
static scry_status zarr_make_folders(char *path, size_t from, scry_error *err)
{
    for (char *at = path + from; (at = strchr(at + 1, '/'));) {
        *at = '\0';
        const bool failed = mkdir(path, 0777) && errno != EEXIST;
        if (failed) return SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(errno));
        *at = '/';
    }
    return SCRY_OK;
}

static scry_status zarr_write_file(scry_zarr_writer *w, char *path, const unsigned char *bytes,
                                   size_t n, scry_error *err)
{
    scry_status st = zarr_make_folders(path, strlen(w->folder.temp), err);
    if (st != SCRY_OK) return st;
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return SCRY_FAIL(err, SCRY_EIO, "%s: %s", w->folder.path, strerror(errno));
    w->result.bytes += n;
    while (n && st == SCRY_OK) {
        const ssize_t got = write(fd, bytes, n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            st = SCRY_FAIL(err, SCRY_EIO, "%s: %s", w->folder.path, strerror(errno));
        } else {
            bytes += got;
            n -= (size_t)got;
        }
    }
    if (close(fd) && st == SCRY_OK)
        st = SCRY_FAIL(err, SCRY_EIO, "%s: %s", w->folder.path, strerror(errno));
    return st;
}

/* Values of one chunk, filled up with 0 at the right and lower end of the image. */
static void zarr_gather(scry_zarr_writer *w, const float *in, size_t y0, size_t x0)
{
    const size_t nx = w->info.x, h = w->info.y - y0 < w->chunk_y ? w->info.y - y0 : w->chunk_y;
    const size_t n = nx - x0 < w->chunk_x ? nx - x0 : w->chunk_x;
    memset(w->values, 0, w->chunk_y * w->chunk_x * sizeof *w->values);
    for (size_t y = 0; y < h; y++)
        memcpy(w->values + y * w->chunk_x, in + (y0 + y) * nx + x0, n * sizeof *in);
}

static scry_status zarr_write_chunk(scry_zarr_writer *w, const size_t *at, scry_error *err)
{
    char path[SCRYI_ZARR_PATH];
    struct scryi_sample_counts padded = {.low = INFINITY, .high = -INFINITY};
    const size_t n = w->chunk_y * w->chunk_x, width = scry_tiff_type_bytes(w->info.type);
    struct scryi_zarr_array a = {
        .rank = SCRYI_ZARR_RANK, .separator = '/', .prefixed = w->version == 3};
    size_t bytes = 0;
    scryi_samples_from_floats(w->info.type, w->bytes, w->values, n, 0, &padded);
    scry_status st = scryi_zarr_encode(w->codec, w->packed, &bytes, w->bytes, n * width, width,
                                       w->folder.path, err);
    if (st != SCRY_OK) return st;
    if ((st = scryi_zarr_inside(path, w->folder.temp, "0", err)) != SCRY_OK) return st;
    char level[SCRYI_ZARR_PATH];
    memcpy(level, path, sizeof level);
    if ((st = scryi_zarr_chunk_path(path, &a, level, at, err)) != SCRY_OK) return st;
    return zarr_write_file(w, path, w->packed, bytes, err);
}

/* What the type does to the values of the plane, without those that fill up its chunks. */
static scry_status zarr_count(scry_zarr_writer *w, size_t c, const float *in, scry_error *err)
{
    struct scryi_sample_counts k = {.low = INFINITY, .high = -INFINITY};
    const size_t n = w->info.y * w->info.x;
    const size_t most = w->chunk_y * w->chunk_x;
    for (size_t i = 0; i < n; i += most)
        scryi_samples_from_floats(w->info.type, w->bytes, in + i, n - i < most ? n - i : most, 0,
                                  &k);
    if (k.nonfinite && w->info.type != SCRY_TIFF_F32 && w->info.type != SCRY_TIFF_F64)
        return SCRY_FAIL(err, SCRY_ENUMERIC,
                         "%s: %zu of %zu values are NaN or infinite and cannot be written as %s",
                         w->folder.path, k.nonfinite, n, scry_tiff_type_name(w->info.type));
    w->result.pixels += n;
    w->result.clipped += k.clipped;
    w->result.rounded += k.rounded;
    w->result.nonfinite += k.nonfinite;
    w->ranges[2 * c] = fmin(w->ranges[2 * c], k.low);
    w->ranges[2 * c + 1] = fmax(w->ranges[2 * c + 1], k.high);
    return SCRY_OK;
}

scry_status scry_zarr_write_plane(scry_zarr_writer *w, size_t c, size_t z, size_t t,
                                  const float *in, scry_error *err)
{
    const scry_tiff_info *info = &w->info;
    if (w->failed)
        return SCRY_FAIL(err, w->failed, "%s: writing has failed before", w->folder.path);
    if (c >= info->c || z >= info->z || t >= info->t)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: plane c=%zu z=%zu t=%zu, but the sizes are %zu, %zu, %zu",
                         w->folder.path, c, z, t, info->c, info->z, info->t);
    bool *written = &w->written[(t * info->c + c) * info->z + z];
    if (*written)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: plane c=%zu z=%zu t=%zu was written before",
                         w->folder.path, c, z, t);
    *written = true;
    w->failed = zarr_count(w, c, in, err);
    const size_t down = (info->y - 1) / w->chunk_y + 1, across = (info->x - 1) / w->chunk_x + 1;
    for (size_t i = 0; w->failed == SCRY_OK && i < down * across; i++) {
        const size_t at[SCRYI_ZARR_RANK] = {t, c, z, i / across, i % across};
        zarr_gather(w, in, at[3] * w->chunk_y, at[4] * w->chunk_x);
        w->failed = zarr_write_chunk(w, at, err);
    }
    return w->failed;
}

/* ---- finish ---- */

static scry_status zarr_check_complete(const scry_zarr_writer *w, scry_error *err)
{
    const scry_tiff_info *info = &w->info;
    if (w->failed)
        return SCRY_FAIL(err, w->failed, "%s: writing has failed before", w->folder.path);
    for (size_t i = 0; i < info->t * info->c * info->z; i++)
        if (!w->written[i])
            return SCRY_FAIL(
                err, SCRY_EINVAL, "%s: plane c=%zu z=%zu t=%zu: not every plane was written",
                w->folder.path, i / info->z % info->c, i % info->z, i / info->z / info->c);
    return SCRY_OK;
}

scry_status scry_zarr_finish(scry_zarr_writer *w, scry_tiff_written *result, scry_error *err)
{
    scry_status st = zarr_check_complete(w, err);
    w->result.type = w->info.type;
    w->result.min = INFINITY;
    w->result.max = -INFINITY;
    for (size_t c = 0; c < w->info.c; c++) {
        w->result.min = fmin(w->result.min, w->ranges[2 * c]);
        w->result.max = fmax(w->result.max, w->ranges[2 * c + 1]);
    }
    if (st == SCRY_OK) st = scryi_zarr_describe_array(w, err);
    if (st == SCRY_OK) st = scryi_zarr_describe_image(w, err);
    if (st == SCRY_OK) st = scryi_atomic_folder_commit(&w->folder, err);
    if (st == SCRY_OK && result) *result = w->result;
    scry_zarr_abort(w);
    return st;
}

void scry_zarr_abort(scry_zarr_writer *w)
{
    if (!w) return;
    scryi_atomic_folder_abandon(&w->folder);
    scry_free(w->written);
    scry_free(w->ranges);
    scry_free(w->values);
    scry_free(w->bytes);
    scry_free(w->packed);
    scry_free(w->provenance);
    scry_free(w->channels);
    scry_free(w);
}
