/* From the files of an array to decoded chunks. */

#include "lib/io/zarr/zarr_impl.h"

#include "lib/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CACHE_BYTES = 256 << 20 };

scry_status scryi_zarr_inside(char *out, const char *folder, const char *name, scry_error *err)
{
    for (const char *at = name; at; at = (at = strchr(at, '/')) ? at + 1 : at) {
        const size_t n = strcspn(at, "/");
        if (!n || (n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
            return SCRY_FAIL(err, SCRY_EFORMAT,
                             "%s: path \"%.80s\" in its metadata, expected one inside the folder",
                             folder, name);
    }
    if (snprintf(out, SCRYI_ZARR_PATH, "%s/%s", folder, name) >= SCRYI_ZARR_PATH)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%.80s...: a path of more than %d bytes", folder,
                         SCRYI_ZARR_PATH - 1);
    return SCRY_OK;
}

scry_status scryi_zarr_chunk_path(char *out, const struct scryi_zarr_array *a, const char *folder,
                                  const size_t *at, scry_error *err)
{
    char name[SCRYI_ZARR_RANK * 24];
    const char separator[2] = {a->separator, '\0'};
    size_t n = a->prefixed ? (size_t)snprintf(name, sizeof name, "c") : 0;
    for (int i = 0; i < a->rank; i++)
        n += (size_t)snprintf(name + n, sizeof name - n, "%s%zu", n ? separator : "", at[i]);
    return scryi_zarr_inside(out, folder, name, err);
}

/* ---- files ---- */

struct piece {
    int fd; /* -1: the file is not there */
    uint64_t size;
};

static scry_status chunk_open(struct piece *file, const char *path, scry_error *err)
{
    struct stat info;
    *file = (struct piece){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (file->fd < 0)
        return errno == ENOENT ? SCRY_OK
                               : SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(errno));
    if (fstat(file->fd, &info) || !S_ISREG(info.st_mode)) {
        close(file->fd);
        file->fd = -1;
        return SCRY_FAIL(err, SCRY_EIO, "%s: not a regular file", path);
    }
    file->size = (uint64_t)info.st_size;
    return SCRY_OK;
}

static scry_status chunk_pread(const struct piece *file, unsigned char *out, size_t n, uint64_t at,
                               const char *path, scry_error *err)
{
    while (n) {
        const ssize_t got = pread(file->fd, out, n, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return SCRY_FAIL(err, SCRY_EIO, "%s: reading %zu bytes at %llu: %s", path, n,
                             (unsigned long long)at, got ? strerror(errno) : "end of file");
        out += got;
        n -= (size_t)got;
        at += (uint64_t)got;
    }
    return SCRY_OK;
}

static uint64_t chunk_little(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

/* Where inner chunk `number` of a shard lies: *size 0, *at all ones: it is missing. */
static scry_status chunk_in_shard(uint64_t *at, uint64_t *size, const struct piece *file,
                                  const struct scryi_zarr_array *a, size_t number, const char *path,
                                  scry_error *err)
{
    size_t count = 1;
    unsigned char *index = NULL;
    scry_status st = SCRY_OK;
    for (int i = 0; i < a->rank; i++)
        count *= a->shard[i] / a->chunk[i];
    const size_t bytes = 16 * count + (a->index_crc ? 4 : 0);
    if (bytes > file->size)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: %llu bytes, expected at least the %zu of its index: cut short", path,
                         (unsigned long long)file->size, bytes);
    if (!(index = scry_alloc(bytes, 1)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: an index of %zu chunks", path, count);
    st = chunk_pread(file, index, bytes, a->index_first ? 0 : file->size - bytes, path, err);
    if (st == SCRY_OK && a->index_crc &&
        scryi_zarr_crc32c(index, 16 * count) != chunk_little(index + 16 * count, 4))
        st =
            SCRY_FAIL(err, SCRY_EFORMAT, "%s: the checksum of its index is another: damaged", path);
    *at = chunk_little(index + 16 * number, 8);
    *size = chunk_little(index + 16 * number + 8, 8);
    scry_free(index);
    const bool missing = *at == UINT64_MAX && *size == UINT64_MAX;
    if (missing) *size = 0;
    if (st == SCRY_OK && !missing && (*at > file->size || *size > file->size - *at))
        st = SCRY_FAIL(err, SCRY_EFORMAT,
                       "%s: chunk %zu at byte %llu with %llu, but the file has %llu", path, number,
                       (unsigned long long)*at, (unsigned long long)*size,
                       (unsigned long long)file->size);
    return st;
}

/* ---- decoding ---- */

static void chunk_swap(unsigned char *p, size_t n, size_t width)
{
    for (size_t i = 0; i + width <= n; i += width)
        for (size_t k = 0; k < width / 2; k++) {
            const unsigned char b = p[i + k];
            p[i + k] = p[i + width - 1 - k];
            p[i + width - 1 - k] = b;
        }
}

static bool chunk_sum_holds(const unsigned char *p, size_t n)
{
    return n >= 4 && scryi_zarr_crc32c(p, n - 4) == chunk_little(p + n - 4, 4);
}

/* *out = the chunk that `in` encodes. */
static scry_status chunk_decode(unsigned char **out, const struct scryi_zarr_array *a,
                                const unsigned char *in, size_t bytes, const char *path,
                                scry_error *err)
{
    const uint16_t one = 1;
    const bool big_machine = *(const unsigned char *)&one == 0;
    const size_t n = a->chunk_bytes + (a->crc_inside ? 4 : 0);
    const char *damaged = "%s: the checksum of a chunk is another: damaged";
    if (a->crc_outside) {
        if (!chunk_sum_holds(in, bytes)) return SCRY_FAIL(err, SCRY_EFORMAT, damaged, path);
        bytes -= 4;
    }
    if (scryi_zarr_decodable(a->codec, n, in, bytes) && !(*out = scry_alloc(n, 1)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: a chunk of %zu bytes", path, n);
    scry_status st = scryi_zarr_decode(a->codec, *out, n, in, bytes, path, err);
    if (st == SCRY_OK && a->crc_inside && !chunk_sum_holds(*out, n))
        st = SCRY_FAIL(err, SCRY_EFORMAT, damaged, path);
    if (st == SCRY_OK && a->big_endian != big_machine)
        chunk_swap(*out, a->chunk_bytes, scry_tiff_type_bytes(a->type));
    if (st == SCRY_OK) return st;
    scry_free(*out);
    *out = NULL;
    return st;
}

/* *out: the decoded chunk, or NULL where it is missing. */
static scry_status chunk_read(unsigned char **out, const struct scryi_zarr_array *a,
                              const char *folder, const size_t *at, scry_error *err)
{
    char path[SCRYI_ZARR_PATH];
    size_t file_at[SCRYI_ZARR_RANK], number = 0;
    struct piece file;
    unsigned char *in = NULL;
    *out = NULL;
    for (int i = 0; i < a->rank; i++) {
        const size_t per = a->shard[i] / a->chunk[i];
        file_at[i] = at[i] / per;
        number = number * per + at[i] % per;
    }
    scry_status st = scryi_zarr_chunk_path(path, a, folder, file_at, err);
    if (st == SCRY_OK) st = chunk_open(&file, path, err);
    if (st != SCRY_OK || file.fd < 0) return st;
    uint64_t from = 0, bytes = file.size;
    if (a->sharded) st = chunk_in_shard(&from, &bytes, &file, a, number, path, err);
    if (st != SCRY_OK || (a->sharded && from == UINT64_MAX)) goto done;
    if (bytes > 2ull * SCRYI_ZARR_CHUNK) {
        st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: %llu bytes, expected a chunk of %zu", path,
                       (unsigned long long)bytes, a->chunk_bytes);
        goto done;
    }
    if (!(in = scry_alloc((size_t)bytes, 1))) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: %llu bytes", path, (unsigned long long)bytes);
        goto done;
    }
    st = chunk_pread(&file, in, (size_t)bytes, from, path, err);
    if (st == SCRY_OK) st = chunk_decode(out, a, in, (size_t)bytes, path, err);
done:
    scry_free(in);
    close(file.fd);
    return st;
}

/* ---- the cache ---- */

scry_status scryi_zarr_cache_plan(struct scryi_zarr_cache *cache, const struct scryi_zarr_array *a,
                                  size_t across, bool deep, const char *name, scry_error *err)
{
    const size_t fit = CACHE_BYTES / a->chunk_bytes;
    size_t count = !deep ? 1 : across < fit ? across : fit;
    if (!count) count = 1;
    cache->slots = scry_alloc(count, sizeof *cache->slots);
    if (!cache->slots) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: a cache of %zu chunks", name, count);
    cache->count = count;
    return SCRY_OK;
}

void scryi_zarr_cache_free(struct scryi_zarr_cache *cache)
{
    for (size_t i = 0; i < cache->count; i++)
        scry_free(cache->slots[i].bytes);
    scry_free(cache->slots);
    *cache = (struct scryi_zarr_cache){0};
}

scry_status scryi_zarr_chunk(const unsigned char **bytes, struct scryi_zarr_cache *cache,
                             const struct scryi_zarr_array *a, const char *folder, const size_t *at,
                             size_t slot, scry_error *err)
{
    struct scryi_zarr_slot *s = &cache->slots[slot % cache->count];
    size_t number = 0;
    for (int i = 0; i < a->rank; i++)
        number = number * ((a->shape[i] - 1) / a->chunk[i] + 1) + at[i];
    if (s->chunk != number + 1) {
        scry_free(s->bytes);
        *s = (struct scryi_zarr_slot){0};
        const scry_status st = chunk_read(&s->bytes, a, folder, at, err);
        if (st != SCRY_OK) return st;
        s->chunk = number + 1;
        cache->read++;
        cache->missing += !s->bytes;
    }
    *bytes = s->bytes;
    return SCRY_OK;
}
