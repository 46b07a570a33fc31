#include "lib/io/npy.h"

#include "lib/atomic_file_impl.h"
#include "lib/memory.h"
#include "lib/space.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* The zip is read by its central directory (PKWARE's APPNOTE 6.3, sections 4.3.12 to 4.3.16, with
 * the 64-bit fields that numpy writes for large arrays). A header of an array is a Python literal
 * whose keys numpy always writes in one way (numpy.lib.format). */

typedef struct npy_entry {
    scry_npy_info info;
    const unsigned char *from; /* of the file: the array with its header, or its compressed form */
    size_t packed, whole;      /* bytes in the file; bytes of the array with its header */
    bool deflated, checked;
    uint32_t crc;
    size_t data; /* where values begin */
    bool fortran, big;
    char kind; /* numpy's letter */
    size_t bytes;
} npy_entry;

struct scry_npy {
    const unsigned char *bytes;
    size_t size;
    bool mapped;
    npy_entry *entries;
    size_t count;
    char name[256];
};

static uint64_t npy_little(const unsigned char *p, int n)
{
    uint64_t v = 0;
    for (int i = n - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* ---- the header of an array ---- */

static scry_status npy_bad(const scry_npy *f, const npy_entry *e, const char *what, scry_error *err)
{
    return SCRY_FAIL(err, SCRY_EFORMAT, "%s%s%s: %s", f->name, e->info.name[0] ? ", array " : "",
                     e->info.name, what);
}

static scry_status read_type(const scry_npy *f, npy_entry *e, const char *text, scry_error *err)
{
    static const struct {
        char kind;
        size_t bytes;
    } known[] = {{'b', 1}, {'u', 1}, {'u', 2}, {'u', 4}, {'u', 8}, {'i', 1}, {'i', 2},
                 {'i', 4}, {'i', 8}, {'f', 2}, {'f', 4}, {'f', 8}, {'c', 8}, {'c', 16}};
    const char *descr = strstr(text, "'descr':");
    const char *quote = descr ? strchr(descr + 8, '\'') : NULL;
    const char *end = quote ? strchr(quote + 1, '\'') : NULL;
    if (!end || (size_t)(end - quote) > sizeof e->info.type)
        return npy_bad(f, e, "its header names no plain type", err);
    memcpy(e->info.type, quote + 1, (size_t)(end - quote) - 1);
    e->big = e->info.type[0] == '>';
    e->kind = e->info.type[1];
    e->bytes = strtoul(e->info.type + 2, NULL, 10);
    for (size_t i = 0; i < sizeof known / sizeof *known && strchr("<>|=", e->info.type[0]); i++)
        if (e->kind == known[i].kind && e->bytes == known[i].bytes) {
            e->info.cplx = e->kind == 'c';
            return SCRY_OK;
        }
    return SCRY_FAIL(err, SCRY_EUNSUP, "%s%s%s: type '%s' is not read, expected numbers", f->name,
                     e->info.name[0] ? ", array " : "", e->info.name, e->info.type);
}

static scry_status read_shape(const scry_npy *f, npy_entry *e, const char *text, scry_error *err)
{
    const char *at = strstr(text, "'shape':");
    at = at ? strchr(at, '(') : NULL;
    if (!at) return npy_bad(f, e, "its header names no shape", err);
    e->info.count = 1;
    for (at++; *at == ' ' || *at == ','; at++) {
    }
    while (*at >= '0' && *at <= '9') {
        char *end;
        errno = 0;
        const unsigned long long n = strtoull(at, &end, 10);
        if (e->info.rank == SCRY_NPY_RANK)
            return SCRY_FAIL(err, SCRY_EUNSUP, "%s: more than %d axes", f->name, SCRY_NPY_RANK);
        if (errno || n > SIZE_MAX / 16 || (n && e->info.count > SIZE_MAX / 16 / n))
            return npy_bad(f, e, "its shape is too large", err);
        e->info.dims[e->info.rank++] = (size_t)n;
        e->info.count *= (size_t)n;
        for (at = end; *at == ' ' || *at == ','; at++) {
        }
    }
    return *at == ')' ? SCRY_OK : npy_bad(f, e, "its shape is no list of numbers", err);
}

/* head: the first `got` of `whole` bytes. */
static scry_status read_array_header(const scry_npy *f, npy_entry *e, const unsigned char *head,
                                     size_t got, scry_error *err)
{
    char text[4096];
    if (got < 12 || memcmp(head, "\x93NUMPY", 6))
        return npy_bad(f, e, "does not begin as numpy's arrays do", err);
    const size_t prefix = head[6] < 2 ? 10 : 12;
    const size_t length = (size_t)npy_little(head + 8, head[6] < 2 ? 2 : 4);
    if (head[6] < 1 || head[6] > 3)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s: version %d of numpy's format, expected 1 to 3",
                         f->name, head[6]);
    if (length >= sizeof text || length > got - prefix)
        return npy_bad(f, e, "its header is truncated or over 4095 bytes", err);
    memcpy(text, head + prefix, length);
    text[length] = '\0';
    e->data = prefix + length;
    e->fortran = strstr(text, "'fortran_order': True") != NULL;
    scry_status st = read_type(f, e, text, err);
    if (st == SCRY_OK) st = read_shape(f, e, text, err);
    if (st != SCRY_OK) return st;
    if (e->whole - e->data == e->info.count * e->bytes) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EFORMAT, "%s%s%s: %zu bytes of values, its header promises %zu",
                     f->name, e->info.name[0] ? ", array " : "", e->info.name, e->whole - e->data,
                     e->info.count * e->bytes);
}

/* ---- the zip ---- */

/* out[size] of an entry; as much as there is when `partial`. */
static scry_status npy_inflate(const scry_npy *f, const npy_entry *e, unsigned char *out,
                               size_t *size, bool partial, scry_error *err)
{
    z_stream z = {0};
    int code = Z_OK;
    size_t in = 0, done = 0;
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: inflating", f->name);
    while (code == Z_OK && done < *size) {
        const size_t a = e->packed - in < 1u << 30 ? e->packed - in : 1u << 30;
        const size_t b = *size - done < 1u << 30 ? *size - done : 1u << 30;
        z.next_in = (unsigned char *)e->from + in;
        z.avail_in = (uInt)a;
        z.next_out = out + done;
        z.avail_out = (uInt)b;
        code = inflate(&z, Z_NO_FLUSH);
        in += a - z.avail_in;
        done += b - z.avail_out;
    }
    inflateEnd(&z);
    if ((code != Z_OK && code != Z_STREAM_END) || (!partial && done != *size))
        return npy_bad(f, e, "its compressed data are damaged", err);
    *size = done;
    return SCRY_OK;
}

#define HEAD 4096

static scry_status npy_add_entry(scry_npy *f, npy_entry *e, scry_error *err)
{
    unsigned char head[HEAD];
    size_t got = e->whole < HEAD ? e->whole : HEAD;
    scry_status st = SCRY_OK;
    if (e->deflated)
        st = npy_inflate(f, e, head, &got, true, err);
    else if (e->packed != e->whole)
        st = npy_bad(f, e, "stored with two different sizes", err);
    else
        memcpy(head, e->from, got);
    return st == SCRY_OK ? read_array_header(f, e, head, got, err) : st;
}

/* The end of the central directory: where it starts, and its number of entries. */
static bool find_directory(const scry_npy *f, size_t *at, size_t *count)
{
    if (f->size < 22) return false;
    for (size_t i = f->size - 22; i + 22 + 65535 >= f->size; i--) {
        const unsigned char *e = f->bytes + i;
        if (npy_little(e, 4) == 0x06054b50) {
            *count = (size_t)npy_little(e + 10, 2);
            *at = (size_t)npy_little(e + 16, 4);
            if (*at != 0xffffffff && *count != 0xffff) return true;
            if (i < 20 || npy_little(e - 20, 4) != 0x07064b50) return false;
            const uint64_t far = npy_little(e - 20 + 8, 8);
            if (far > f->size - 22 || f->size - far < 56) return false;
            e = f->bytes + far;
            if (npy_little(e, 4) != 0x06064b50) return false;
            *count = (size_t)npy_little(e + 32, 8);
            *at = (size_t)npy_little(e + 48, 8);
            return true;
        }
        if (!i) break;
    }
    return false;
}

/* 64-bit fields take the place of those that are all ones, in their order. */
static void wide_fields(const unsigned char *extra, size_t length, uint64_t *const *fields)
{
    for (size_t i = 0; i + 4 <= length;) {
        const size_t id = (size_t)npy_little(extra + i, 2),
                     n = (size_t)npy_little(extra + i + 2, 2);
        size_t at = i + 4;
        for (int k = 0; id == 1 && k < 3; k++)
            if (*fields[k] == 0xffffffff && at + 8 <= i + 4 + n && at + 8 <= length) {
                *fields[k] = npy_little(extra + at, 8);
                at += 8;
            }
        i += 4 + n;
    }
}

static scry_status read_entry(scry_npy *f, size_t *at, npy_entry *entry, scry_error *err)
{
    const unsigned char *e = f->bytes + *at;
    if (*at > f->size || f->size - *at < 46 || npy_little(e, 4) != 0x02014b50)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: its directory of arrays is damaged", f->name);
    const size_t name = (size_t)npy_little(e + 28, 2), extra = (size_t)npy_little(e + 30, 2);
    const size_t note = (size_t)npy_little(e + 32, 2), method = (size_t)npy_little(e + 10, 2);
    uint64_t packed = npy_little(e + 20, 4), whole = npy_little(e + 24, 4),
             local = npy_little(e + 42, 4);
    if (f->size - *at - 46 < name + extra + note)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: its directory of arrays is truncated", f->name);
    wide_fields(e + 46 + name, extra, (uint64_t *const[]){&whole, &packed, &local});
    *at += 46 + name + extra + note;
    size_t kept = name > 4 && !memcmp(e + 46 + name - 4, ".npy", 4) ? name - 4 : name;
    if (kept >= sizeof entry->info.name) kept = sizeof entry->info.name - 1;
    memcpy(entry->info.name, e + 46, kept);
    if (method != 0 && method != 8)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s, array %s: compression %zu, expected 0 or 8",
                         f->name, entry->info.name, method);
    if (local > f->size || f->size - local < 30 || npy_little(f->bytes + local, 4) != 0x04034b50)
        return npy_bad(f, entry, "is not where the directory says", err);
    const unsigned char *l = f->bytes + local;
    const uint64_t data = local + 30 + npy_little(l + 26, 2) + npy_little(l + 28, 2);
    if (data > f->size || packed > f->size - data) return npy_bad(f, entry, "is truncated", err);
    if (whole / 1100 > packed) return npy_bad(f, entry, "its sizes cannot be", err);
    entry->from = f->bytes + data;
    entry->packed = (size_t)packed;
    entry->whole = (size_t)whole;
    entry->deflated = method == 8;
    entry->checked = true;
    entry->crc = (uint32_t)npy_little(e + 16, 4);
    return npy_add_entry(f, entry, err);
}

static scry_status read_zip(scry_npy *f, scry_error *err)
{
    size_t at, count;
    scry_status st = SCRY_OK;
    if (!find_directory(f, &at, &count) || count > f->size / 46)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: a zip without its end, truncated?", f->name);
    if (!(f->entries = scry_alloc(count, sizeof *f->entries)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu arrays", f->name, count);
    for (; f->count < count && st == SCRY_OK; f->count++)
        st = read_entry(f, &at, &f->entries[f->count], err);
    return st;
}

static scry_status read_single(scry_npy *f, scry_error *err)
{
    if (!(f->entries = scry_alloc(1, sizeof *f->entries)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: array", f->name);
    f->count = 1;
    f->entries[0].from = f->bytes;
    f->entries[0].packed = f->entries[0].whole = f->size;
    return npy_add_entry(f, &f->entries[0], err);
}

scry_status scry_npy_parse(scry_npy **out, const void *bytes, size_t size, const char *name,
                           scry_error *err)
{
    scry_status st;
    *out = NULL;
    scry_npy *f = scry_alloc(1, sizeof *f);
    if (!f) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", name);
    f->bytes = bytes;
    f->size = size;
    snprintf(f->name, sizeof f->name, "%s", name);
    if (size >= 6 && !memcmp(bytes, "\x93NUMPY", 6))
        st = read_single(f, err);
    else if (size >= 4 && (!memcmp(bytes, "PK\3\4", 4) || !memcmp(bytes, "PK\5\6", 4)))
        st = read_zip(f, err);
    else
        st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: neither .npy nor .npz", name);
    if (st == SCRY_OK)
        *out = f;
    else
        scry_npy_close(f);
    return st;
}

scry_status scry_npy_open(scry_npy **out, const char *path, scry_error *err)
{
    struct stat info;
    void *bytes = MAP_FAILED;
    *out = NULL;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) || !S_ISREG(info.st_mode)) {
        const char *why = fd < 0 ? strerror(errno) : "not a regular file";
        if (fd >= 0) close(fd);
        return SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, why);
    }
    const size_t size = (size_t)info.st_size;
    if (size) bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED)
        return SCRY_FAIL(err, size ? SCRY_EIO : SCRY_EFORMAT, "%s: %s", path,
                         size ? strerror(errno) : "empty");
    const scry_status st = scry_npy_parse(out, bytes, size, path, err);
    if (st == SCRY_OK)
        (*out)->mapped = true;
    else
        munmap(bytes, size);
    return st;
}

void scry_npy_close(scry_npy *f)
{
    if (!f) return;
    if (f->mapped) munmap((void *)f->bytes, f->size);
    scry_free(f->entries);
    scry_free(f);
}

size_t scry_npy_count(const scry_npy *f)
{
    return f->count;
}

const scry_npy_info *scry_npy_get(const scry_npy *f, size_t i)
{
    return &f->entries[i].info;
}

/* ---- values ---- */

static float npy_half(uint64_t bits)
{
    const int exponent = (int)(bits >> 10 & 31);
    const float fraction = (float)(bits & 1023), sign = bits >> 15 ? -1.f : 1.f;
    if (exponent == 31) return fraction > 0 ? NAN : sign * INFINITY;
    if (!exponent) return sign * ldexpf(fraction, -24);
    return sign * ldexpf(1024 + fraction, exponent - 25);
}

/* A number, or one of the two of a complex number. */
static float value_at(const npy_entry *e, const unsigned char *p)
{
    uint64_t v = 0;
    const size_t bytes = e->kind == 'c' ? e->bytes / 2 : e->bytes;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | p[e->big ? i : bytes - 1 - i];
    if (e->kind == 'f' || e->kind == 'c') {
        const uint32_t low = (uint32_t)v;
        float f;
        double d;
        memcpy(&f, &low, sizeof f);
        memcpy(&d, &v, sizeof d);
        return bytes == 2 ? npy_half(v) : bytes == 4 ? f : (float)d;
    }
    if (e->kind != 'i') return (float)v;
    const unsigned unused = 64 - 8 * (unsigned)e->bytes;
    return (float)((int64_t)(v << unused) / ((int64_t)1 << unused));
}

/* Where entry i of C order is in Fortran's. */
static size_t fortran_place(const scry_npy_info *n, size_t i)
{
    size_t at = 0, stride = n->count;
    for (int a = n->rank - 1; a >= 0; a--) {
        stride /= n->dims[a];
        at += i % n->dims[a] * stride;
        i /= n->dims[a];
    }
    return at;
}

scry_status scry_npy_read(const scry_npy *f, size_t i, float *out, scry_error *err)
{
    const npy_entry *e = &f->entries[i];
    const unsigned char *bytes = e->from;
    unsigned char *own = NULL;
    scry_status st = SCRY_OK;
    if (e->info.cplx)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s%s%s: complex numbers ('%s'), expected real ones",
                         f->name, e->info.name[0] ? ", array " : "", e->info.name, e->info.type);
    if (e->deflated) {
        size_t size = e->whole;
        if (!(own = scry_alloc(size, 1)))
            return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu bytes", f->name, size);
        if ((st = npy_inflate(f, e, own, &size, false, err)) != SCRY_OK) goto done;
        bytes = own;
    }
    uLong crc = crc32(0, NULL, 0);
    for (size_t at = 0; e->checked && at < e->whole; at += 1u << 30)
        crc = crc32(crc, bytes + at, (uInt)(e->whole - at < 1u << 30 ? e->whole - at : 1u << 30));
    if (e->checked && (uint32_t)crc != e->crc) {
        st = npy_bad(f, e, "its checksum is another, damaged", err);
        goto done;
    }
    for (size_t k = 0; k < e->info.count; k++)
        out[k] =
            value_at(e, bytes + e->data + (e->fortran ? fortran_place(&e->info, k) : k) * e->bytes);
done:
    scry_free(own);
    return st;
}

scry_status scry_npy_read_complex(const scry_npy *f, size_t first, size_t count, float complex *out,
                                  scry_error *err)
{
    const npy_entry *e = f->entries;
    if (f->count != 1 || e->checked)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: parts are read of a .npy only", f->name);
    if (first > e->info.count || count > e->info.count - first)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: values %zu to %zu of %zu", f->name, first,
                         first + count, e->info.count);
    for (size_t k = 0; k < count; k++) {
        const size_t at = e->fortran ? fortran_place(&e->info, first + k) : first + k;
        const unsigned char *p = e->from + e->data + at * e->bytes;
        const float re = value_at(e, p), im = e->info.cplx ? value_at(e, p + e->bytes / 2) : 0;
        out[k] = re + im * I;
    }
    return SCRY_OK;
}

/* ---- writing ---- */

struct scry_npy_writer {
    scryi_atomic_file file;
    int fd;
    size_t head, bytes, count; /* bytes of the header and of a value; values */
};

/* The literal that numpy writes, padded so that values begin at a multiple of 64 bytes. */
static scry_status npy_write_head(scry_npy_writer *w, int rank, const size_t *dims, bool cplx,
                                  scry_error *err)
{
    char text[512] = "\x93NUMPY\x01";
    size_t used = 10;
    used +=
        (size_t)snprintf(text + used, sizeof text - used,
                         "{'descr': '<%s', 'fortran_order': False, 'shape': (", cplx ? "c8" : "f4");
    for (int a = 0; a < rank; a++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%zu,%s", dims[a],
                                 a + 1 < rank ? " " : "");
    used += (size_t)snprintf(text + used, sizeof text - used, "), }");
    w->head = (used + 1 + 63) / 64 * 64;
    memset(text + used, ' ', w->head - used);
    text[w->head - 1] = '\n';
    text[7] = '\0';
    text[8] = (char)((w->head - 10) & 255);
    text[9] = (char)((w->head - 10) >> 8);
    if (pwrite(w->fd, text, w->head, 0) == (ssize_t)w->head) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EIO, "%s: %s", w->file.path, strerror(errno));
}

scry_status scry_npy_create(scry_npy_writer **out, const char *path, int rank, const size_t *dims,
                            bool cplx, scry_error *err)
{
    *out = NULL;
    scry_npy_writer *w = scry_alloc(1, sizeof *w);
    if (!w) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: writer", path);
    w->fd = -1;
    w->bytes = cplx ? 8 : 4;
    w->count = 1;
    scry_status st = SCRY_OK;
    for (int a = 0; a < rank && st == SCRY_OK; a++)
        if (!scry_mul(&w->count, w->count, dims[a]) || w->count > SIZE_MAX / 16)
            st = SCRY_FAIL(err, SCRY_ESHAPE, "%s: more values than memory can hold", path);
    if (st == SCRY_OK) st = scryi_atomic_file_open(&w->file, &w->fd, path, ".npy", err);
    if (st == SCRY_OK) st = npy_write_head(w, rank, dims, cplx, err);
    if (st == SCRY_OK)
        *out = w;
    else
        scry_npy_finish(w, false, NULL);
    return st;
}

scry_status scry_npy_write(scry_npy_writer *w, size_t first, size_t count, const float *values,
                           scry_error *err)
{
    const char *at = (const char *)values;
    size_t left = count * w->bytes, place = w->head + first * w->bytes;
    if (first > w->count || count > w->count - first)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: values %zu to %zu of %zu", w->file.path, first,
                         first + count, w->count);
    while (left) {
        const ssize_t n = pwrite(w->fd, at, left < 1u << 30 ? left : 1u << 30, (off_t)place);
        if (n <= 0) return SCRY_FAIL(err, SCRY_EIO, "%s: %s", w->file.path, strerror(errno));
        at += n;
        place += (size_t)n;
        left -= (size_t)n;
    }
    return SCRY_OK;
}

scry_status scry_npy_finish(scry_npy_writer *w, bool commit, scry_error *err)
{
    scry_status st = SCRY_OK;
    if (!w) return SCRY_OK;
    if (commit && ftruncate(w->fd, (off_t)(w->head + w->count * w->bytes)))
        st = SCRY_FAIL(err, SCRY_EIO, "%s: %s", w->file.path, strerror(errno));
    if (w->fd >= 0 && close(w->fd) && commit && st == SCRY_OK)
        st = SCRY_FAIL(err, SCRY_EIO, "%s: %s", w->file.path, strerror(errno));
    if (commit && st == SCRY_OK)
        st = scryi_atomic_file_commit(&w->file, err);
    else
        scryi_atomic_file_abandon(&w->file);
    scry_free(w);
    return st;
}
