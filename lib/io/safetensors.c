#include "lib/io/safetensors.h"

#include "lib/io/json.h"
#include "lib/memory.h"
#include "lib/space.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HEADER_LIMIT 100000000u /* of the reference implementation */

struct scry_safetensors {
    FILE *file; /* NULL: from memory */
    const unsigned char *bytes;
    uint64_t size, data; /* of the whole; where the data starts */
    scry_json *header;   /* owns the names */
    scry_tensor_info *tensors;
    size_t count;
    char name[256];
};

static const struct {
    const char *name;
    scry_dtype dtype;
    size_t bytes;
} dtypes[] = {
    {"F32", SCRY_DTYPE_F32, 4},       {"F16", SCRY_DTYPE_F16, 2},
    {"BF16", SCRY_DTYPE_BF16, 2},     {"F64", SCRY_DTYPE_F64, 8},
    {"I64", SCRY_DTYPE_OTHER, 8},     {"U64", SCRY_DTYPE_OTHER, 8},
    {"I32", SCRY_DTYPE_OTHER, 4},     {"U32", SCRY_DTYPE_OTHER, 4},
    {"I16", SCRY_DTYPE_OTHER, 2},     {"U16", SCRY_DTYPE_OTHER, 2},
    {"I8", SCRY_DTYPE_OTHER, 1},      {"U8", SCRY_DTYPE_OTHER, 1},
    {"BOOL", SCRY_DTYPE_OTHER, 1},    {"F8_E4M3", SCRY_DTYPE_OTHER, 1},
    {"F8_E5M2", SCRY_DTYPE_OTHER, 1},
};

void scry_safetensors_free(scry_safetensors *s)
{
    if (!s) return;
    if (s->file) fclose(s->file);
    scry_json_free(s->header);
    scry_free(s->tensors);
    scry_free(s);
}

static scry_status safetensors_fetch(const scry_safetensors *s, uint64_t at, void *to, size_t bytes,
                                     scry_error *err)
{
    if (at > s->size || bytes > s->size - at)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: truncated: bytes %" PRIu64 " to %" PRIu64 " are needed, %" PRIu64
                         " are there",
                         s->name, at, at + bytes, s->size);
    if (!s->file) {
        memcpy(to, s->bytes + at, bytes);
        return SCRY_OK;
    }
    if (fseeko(s->file, (off_t)at, SEEK_SET) || fread(to, 1, bytes, s->file) != bytes)
        return SCRY_FAIL(err, SCRY_EIO, "%s: could not read %zu bytes at %" PRIu64, s->name, bytes,
                         at);
    return SCRY_OK;
}

static scry_status parse_shape(const scry_safetensors *s, const scry_json_node *entry,
                               scry_tensor_info *t, scry_error *err)
{
    const scry_json_node *shape;
    scry_status st = scry_json_array(s->header, entry, "shape", SCRY_JSON_REQUIRED, &shape, err);
    if (st != SCRY_OK) return st;
    t->count = 1;
    for (const scry_json_node *n = scry_json_first(shape); n; n = scry_json_next(n)) {
        int64_t length;
        if (t->rank == SCRY_TENSOR_RANK)
            return SCRY_FAIL(err, SCRY_EFORMAT, "%s: tensor %s has more than %d axes", s->name,
                             t->name, SCRY_TENSOR_RANK);
        st = scry_json_to_integer(s->header, n, 0, INT64_C(1) << 53, &length, err);
        if (st != SCRY_OK) return st;
        t->dims[t->rank++] = (size_t)length;
        if (!scry_mul(&t->count, t->count, (size_t)length))
            return SCRY_FAIL(err, SCRY_EFORMAT, "%s: the shape of tensor %s overflows", s->name,
                             t->name);
    }
    return SCRY_OK;
}

static scry_status parse_offsets(const scry_safetensors *s, const scry_json_node *entry,
                                 scry_tensor_info *t, scry_error *err)
{
    const scry_json_node *pair;
    int64_t at[2] = {0, 0};
    scry_status st =
        scry_json_array(s->header, entry, "data_offsets", SCRY_JSON_REQUIRED, &pair, err);
    if (st != SCRY_OK) return st;
    if (scry_json_count(pair) != 2)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: tensor %s has %zu data_offsets, expected 2",
                         s->name, t->name, scry_json_count(pair));
    const scry_json_node *n = scry_json_first(pair);
    for (int i = 0; i < 2; i++, n = scry_json_next(n))
        if ((st = scry_json_to_integer(s->header, n, 0, INT64_C(1) << 53, &at[i], err)) != SCRY_OK)
            return st;
    t->begin = (uint64_t)at[0];
    t->end = (uint64_t)at[1];
    if (t->begin > t->end || t->end > s->size - s->data)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: tensor %s lies at bytes %" PRIu64 " to %" PRIu64 " of %" PRIu64
                         " (truncated?)",
                         s->name, t->name, t->begin, t->end, s->size - s->data);
    return SCRY_OK;
}

static scry_status parse_tensor(const scry_safetensors *s, const scry_json_node *entry,
                                scry_tensor_info *t, scry_error *err)
{
    const char *dtype;
    size_t bytes, k = 0, kinds = sizeof dtypes / sizeof *dtypes;
    t->name = scry_json_key(entry);
    scry_status st = scry_json_string(s->header, entry, "dtype", SCRY_JSON_REQUIRED, &dtype, err);
    if (st != SCRY_OK) return st;
    while (k < kinds && strcmp(dtypes[k].name, dtype))
        k++;
    if (k == kinds)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: tensor %s has unknown dtype \"%.40s\"", s->name,
                         t->name, dtype);
    t->dtype = dtypes[k].dtype;
    if ((st = parse_shape(s, entry, t, err)) != SCRY_OK) return st;
    if ((st = parse_offsets(s, entry, t, err)) != SCRY_OK) return st;
    if (!scry_mul(&bytes, t->count, dtypes[k].bytes) || bytes != t->end - t->begin)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: tensor %s occupies %" PRIu64 " bytes, its shape needs %zu of %s",
                         s->name, t->name, t->end - t->begin, bytes, dtype);
    return SCRY_OK;
}

static int by_offset(const void *a, const void *b)
{
    const scry_tensor_info *p = a, *q = b;
    if (p->begin != q->begin) return p->begin < q->begin ? -1 : 1;
    return (p->end > q->end) - (p->end < q->end);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const scry_tensor_info *)a)->name, ((const scry_tensor_info *)b)->name);
}

/* The format asks for a gapless tiling; a hole would be room for hidden content. */
static scry_status check_tiling(const scry_safetensors *s, scry_error *err)
{
    uint64_t at = 0;
    qsort(s->tensors, s->count, sizeof *s->tensors, by_offset);
    for (size_t i = 0; i < s->count; i++) {
        const scry_tensor_info *t = &s->tensors[i];
        if (t->begin != at)
            return SCRY_FAIL(err, SCRY_EFORMAT,
                             "%s: tensor %s starts at byte %" PRIu64 ", expected %" PRIu64 " (%s)",
                             s->name, t->name, t->begin, at, t->begin < at ? "overlap" : "hole");
        at = t->end;
    }
    if (at != s->size - s->data)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: %" PRIu64 " bytes of data, the tensors cover %" PRIu64, s->name,
                         s->size - s->data, at);
    qsort(s->tensors, s->count, sizeof *s->tensors, by_name);
    return SCRY_OK;
}

static scry_status parse_header(scry_safetensors *s, scry_error *err)
{
    unsigned char word[8];
    uint64_t length = 0;
    scry_status st = safetensors_fetch(s, 0, word, sizeof word, err);
    if (st != SCRY_OK) return st;
    for (int i = 7; i >= 0; i--)
        length = length << 8 | word[i];
    if (length > HEADER_LIMIT || length > s->size - 8)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: header of %" PRIu64 " bytes announced, %" PRIu64
                         " are there (truncated, or not safetensors)",
                         s->name, length, s->size - 8);
    char *text = scry_alloc((size_t)length, 1);
    if (!text) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: header", s->name);
    s->data = 8 + length;
    if ((st = safetensors_fetch(s, 8, text, (size_t)length, err)) == SCRY_OK)
        st = scry_json_parse(&s->header, text, (size_t)length, s->name, err);
    scry_free(text);
    if (st != SCRY_OK) return st;

    const scry_json_node *root = scry_json_root(s->header);
    if (!scry_json_is_object(root))
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: the header is not a JSON object", s->name);
    if (!(s->tensors = scry_alloc(scry_json_count(root), sizeof *s->tensors)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: table of tensors", s->name);
    for (const scry_json_node *n = scry_json_first(root); n; n = scry_json_next(n)) {
        if (!strcmp(scry_json_key(n), "__metadata__")) continue;
        if ((st = parse_tensor(s, n, &s->tensors[s->count], err)) != SCRY_OK) return st;
        s->count++;
    }
    return check_tiling(s, err);
}

static scry_safetensors *safetensors_create(const char *name)
{
    scry_safetensors *s = scry_alloc(1, sizeof *s);
    if (s) snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

scry_status scry_safetensors_open(scry_safetensors **out, const char *path, scry_error *err)
{
    scry_status st = SCRY_OK;
    struct stat info;
    *out = NULL;
    scry_safetensors *s = safetensors_create(path);
    if (!s) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", path);
    if (!(s->file = fopen(path, "rb"))) {
        st = SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(errno));
        goto done;
    }
    if (fstat(fileno(s->file), &info) || !S_ISREG(info.st_mode)) {
        st = SCRY_FAIL(err, SCRY_EIO, "%s: not a regular file", path);
        goto done;
    }
    s->size = (uint64_t)info.st_size;
    if ((st = parse_header(s, err)) != SCRY_OK) goto done;
    *out = s;
    s = NULL;
done:
    scry_safetensors_free(s);
    return st;
}

scry_status scry_safetensors_parse(scry_safetensors **out, const void *bytes, size_t size,
                                   const char *name, scry_error *err)
{
    *out = NULL;
    scry_safetensors *s = safetensors_create(name);
    if (!s) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", name);
    s->bytes = bytes;
    s->size = size;
    const scry_status st = parse_header(s, err);
    if (st == SCRY_OK)
        *out = s;
    else
        scry_safetensors_free(s);
    return st;
}

size_t scry_safetensors_count(const scry_safetensors *s)
{
    return s->count;
}

const scry_tensor_info *scry_safetensors_info(const scry_safetensors *s, size_t i)
{
    return &s->tensors[i];
}

const scry_tensor_info *scry_safetensors_find(const scry_safetensors *s, const char *name)
{
    const scry_tensor_info key = {.name = name};
    return s->count ? bsearch(&key, s->tensors, s->count, sizeof key, by_name) : NULL;
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16: the significand scaled by a power of two covers the subnormals too. */
static float from_half(uint32_t h)
{
    const uint32_t sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31, significand = h & 0x3ffu;
    if (exponent == 31) return from_bits(sign | 0x7f800000u | significand << 13);
    if (exponent) return from_bits(sign | (exponent + 112) << 23 | significand << 13);
    const float magnitude = (float)significand * 0x1p-24f;
    return sign ? -magnitude : magnitude;
}

static uint32_t safetensors_little(const unsigned char *p, int bytes)
{
    uint32_t value = 0;
    while (bytes--)
        value = value << 8 | p[bytes];
    return value;
}

static float safetensors_convert(const unsigned char *p, scry_dtype dtype)
{
    switch (dtype) {
    case SCRY_DTYPE_F32:
        return from_bits(safetensors_little(p, 4));
    case SCRY_DTYPE_BF16:
        return from_bits(safetensors_little(p, 2) << 16);
    case SCRY_DTYPE_F16:
        return from_half(safetensors_little(p, 2));
    default:
        break;
    }
    const uint64_t bits = (uint64_t)safetensors_little(p + 4, 4) << 32 | safetensors_little(p, 4);
    double value;
    memcpy(&value, &bits, sizeof value);
    return (float)value;
}

scry_status scry_safetensors_float(const scry_safetensors *s, const scry_tensor_info *tensor,
                                   float *out, scry_error *err)
{
    static const size_t sizes[] = {
        [SCRY_DTYPE_F64] = 8, [SCRY_DTYPE_F32] = 4, [SCRY_DTYPE_F16] = 2, [SCRY_DTYPE_BF16] = 2};
    unsigned char buffer[16384];
    if (tensor->dtype == SCRY_DTYPE_OTHER)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s: tensor %s does not hold floating-point numbers",
                         s->name, tensor->name);
    const size_t bytes = sizes[tensor->dtype], chunk = sizeof buffer / bytes;
    for (size_t i = 0; i < tensor->count; i += chunk) {
        const size_t n = tensor->count - i < chunk ? tensor->count - i : chunk;
        const uint64_t at = s->data + tensor->begin + i * bytes;
        const scry_status st = safetensors_fetch(s, at, buffer, n * bytes, err);
        if (st != SCRY_OK) return st;
        for (size_t k = 0; k < n; k++)
            out[i + k] = safetensors_convert(buffer + k * bytes, tensor->dtype);
    }
    return SCRY_OK;
}
