/* The description of a zarr array: what both formats share, and format 2. */

#include "lib/io/zarr/zarr_impl.h"

#include "lib/space.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

scry_status scryi_zarr_sizes(const scry_json *doc, const scry_json_node *from, const char *key,
                             int *rank, size_t *sizes, scry_error *err)
{
    const scry_json_node *list = NULL;
    scry_status st = scry_json_array(doc, from, key, SCRY_JSON_REQUIRED, &list, err);
    if (st != SCRY_OK) return st;
    const size_t n = scry_json_count(list);
    if (n < 2 || n > SCRYI_ZARR_RANK)
        return SCRY_FAIL(err, SCRY_EUNSUP, "\"%s\" has %zu axes, expected an image of 2 to %d", key,
                         n, SCRYI_ZARR_RANK);
    if (*rank && n != (size_t)*rank)
        return SCRY_FAIL(err, SCRY_EFORMAT, "\"%s\" has %zu axes, the shape has %d", key, n, *rank);
    *rank = 0;
    for (const scry_json_node *i = scry_json_first(list); i; i = scry_json_next(i)) {
        int64_t size = 0;
        if ((st = scry_json_to_integer(doc, i, 1, INT32_MAX, &size, err)) != SCRY_OK) return st;
        sizes[(*rank)++] = (size_t)size;
    }
    return SCRY_OK;
}

/* Numbers, and the words of both formats for those that JSON has not. */
static bool array_fill_word(double *out, const char *word)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(word, words[i].word)) {
            *out = words[i].value;
            return true;
        }
    return false;
}

scry_status scryi_zarr_fill(struct scryi_zarr_array *a, const scry_json *doc,
                            const scry_json_node *root, scry_error *err)
{
    const char *word = NULL;
    bool truth = false;
    double low, high;
    a->fill = 0;
    if (!scry_json_has(root, "fill_value")) return SCRY_OK;
    scry_tiff_type_range(a->type, &low, &high);
    const bool real = a->type == SCRY_TIFF_F32 || a->type == SCRY_TIFF_F64;
    if (scry_json_string(doc, root, "fill_value", SCRY_JSON_REQUIRED, &word, NULL) == SCRY_OK) {
        if (real && array_fill_word(&a->fill, word)) return SCRY_OK;
        return SCRY_FAIL(err, SCRY_EUNSUP, "fill_value \"%.40s\", expected a number%s", word,
                         real ? ", \"NaN\", \"Infinity\" or \"-Infinity\"" : "");
    }
    if (scry_json_bool(doc, root, "fill_value", SCRY_JSON_REQUIRED, &truth, NULL) == SCRY_OK) {
        a->fill = truth;
        return SCRY_OK;
    }
    const scry_status st =
        scry_json_number(doc, root, "fill_value", SCRY_JSON_REQUIRED, &a->fill, err);
    if (st != SCRY_OK || (a->fill >= low && a->fill <= high)) return st;
    return SCRY_FAIL(err, SCRY_EFORMAT, "fill_value %g, expected a value of %s", a->fill,
                     scry_tiff_type_name(a->type));
}

/* ---- format 2 ---- */

/* "<u2", "|u1", ">f4": as numpy writes them. */
static scry_status array_type_v2(struct scryi_zarr_array *a, const scry_json *doc,
                                 const scry_json_node *root, scry_error *err)
{
    static const struct {
        const char *name;
        scry_tiff_type type;
    } types[] = {{"u1", SCRY_TIFF_U8},  {"b1", SCRY_TIFF_U8},  {"u2", SCRY_TIFF_U16},
                 {"u4", SCRY_TIFF_U32}, {"i1", SCRY_TIFF_I8},  {"i2", SCRY_TIFF_I16},
                 {"i4", SCRY_TIFF_I32}, {"f4", SCRY_TIFF_F32}, {"f8", SCRY_TIFF_F64}};
    const char *name = NULL;
    scry_status st = scry_json_string(doc, root, "dtype", SCRY_JSON_REQUIRED, &name, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (*name && strchr("<>|", *name) && !strcmp(name + 1, types[i].name)) {
            a->type = types[i].type;
            a->big_endian = *name == '>';
            return SCRY_OK;
        }
    return SCRY_FAIL(err, SCRY_EUNSUP,
                     "dtype \"%.40s\", expected integers of 8 to 32 bits or floats of 32 or 64",
                     name);
}

static scry_status array_codec_v2(struct scryi_zarr_array *a, const scry_json *doc,
                                  const scry_json_node *root, scry_error *err)
{
    const scry_json_node *filters = NULL, *packing = NULL;
    const char *id = NULL;
    scry_status st = scry_json_array(doc, root, "filters", SCRY_JSON_OPTIONAL, &filters, err);
    if (st != SCRY_OK) return st;
    if (filters && scry_json_count(filters)) {
        scry_json_string(doc, scry_json_first(filters), "id", SCRY_JSON_REQUIRED, &id, NULL);
        return SCRY_FAIL(err, SCRY_EUNSUP, "filter \"%.40s\", expected none", id ? id : "?");
    }
    if ((st = scry_json_object(doc, root, "compressor", SCRY_JSON_OPTIONAL, &packing, err)) !=
            SCRY_OK ||
        !packing)
        return st;
    if ((st = scry_json_string(doc, packing, "id", SCRY_JSON_REQUIRED, &id, err)) != SCRY_OK)
        return st;
    if (scryi_zarr_codec_find(&a->codec, id)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EUNSUP, "compressor \"%.40s\", expected blosc, zlib, gzip or zstd",
                     id);
}

static scry_status array_layout_v2(struct scryi_zarr_array *a, const scry_json *doc,
                                   const scry_json_node *root, scry_error *err)
{
    const char *order = "C", *separator = ".";
    scry_status st = scry_json_string(doc, root, "order", SCRY_JSON_OPTIONAL, &order, err);
    if (st == SCRY_OK)
        st =
            scry_json_string(doc, root, "dimension_separator", SCRY_JSON_OPTIONAL, &separator, err);
    if (st != SCRY_OK) return st;
    if (strcmp(order, "C") != 0 && strcmp(order, "F") != 0)
        return SCRY_FAIL(err, SCRY_EFORMAT, "order \"%.20s\", expected \"C\" or \"F\"", order);
    if (strcmp(separator, ".") != 0 && strcmp(separator, "/") != 0)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "dimension_separator \"%.20s\", expected \".\" or \"/\"", separator);
    a->separator = *separator;
    for (int i = 0; i < a->rank; i++)
        a->stored[i] = *order == 'C' ? i : a->rank - 1 - i;
    return SCRY_OK;
}

static scry_status array_v2(struct scryi_zarr_array *a, const scry_json *doc, scry_error *err)
{
    const scry_json_node *root = scry_json_root(doc);
    int64_t version = 0;
    scry_status st =
        scry_json_integer(doc, root, "zarr_format", SCRY_JSON_REQUIRED, 2, 2, &version, err);
    if (st == SCRY_OK) st = scryi_zarr_sizes(doc, root, "shape", &a->rank, a->shape, err);
    if (st == SCRY_OK) st = scryi_zarr_sizes(doc, root, "chunks", &a->rank, a->chunk, err);
    if (st == SCRY_OK) st = array_type_v2(a, doc, root, err);
    if (st == SCRY_OK) st = array_codec_v2(a, doc, root, err);
    if (st == SCRY_OK) st = array_layout_v2(a, doc, root, err);
    if (st == SCRY_OK) st = scryi_zarr_fill(a, doc, root, err);
    memcpy(a->shard, a->chunk, sizeof a->shard);
    return st;
}

/* ---- both ---- */

/* Sizes whose products fit, and chunks that are not absurd. */
static scry_status array_check_sizes(struct scryi_zarr_array *a, scry_error *err)
{
    size_t pixels = 1, bytes = scry_tiff_type_bytes(a->type), inner = 1;
    for (int i = 0; i < a->rank; i++) {
        if (!scry_mul(&pixels, pixels, a->shape[i]) || pixels > SIZE_MAX / 64)
            return SCRY_FAIL(err, SCRY_EFORMAT, "its shape has more pixels than can be addressed");
        if (!scry_mul(&bytes, bytes, a->chunk[i]) || bytes > SCRYI_ZARR_CHUNK)
            return SCRY_FAIL(err, SCRY_EUNSUP, "chunks of more than %d bytes", SCRYI_ZARR_CHUNK);
        if (!scry_mul(&inner, inner, a->shard[i] / a->chunk[i]) || inner > SCRYI_ZARR_CHUNK / 16)
            return SCRY_FAIL(err, SCRY_EUNSUP, "shards of more than %d chunks",
                             SCRYI_ZARR_CHUNK / 16);
    }
    a->chunk_bytes = bytes;
    return SCRY_OK;
}

scry_status scryi_zarr_array_read(struct scryi_zarr_array *a, const char *folder, bool *found,
                                  scry_error *err)
{
    char path[SCRYI_ZARR_PATH];
    scry_json *doc = NULL;
    const char *type = "array";
    scry_error inner = {0};
    *a = (struct scryi_zarr_array){.separator = '.'};
    *found = false;
    scry_status st = scryi_zarr_inside(path, folder, "zarr.json", err);
    if (st != SCRY_OK) return st;
    a->version = !access(path, F_OK) ? 3 : 2;
    if (a->version == 2) st = scryi_zarr_inside(path, folder, ".zarray", err);
    if (st != SCRY_OK || (access(path, F_OK) && errno == ENOENT)) return st;
    if ((st = scry_json_read(&doc, path, SCRYI_ZARR_JSON, &inner)) != SCRY_OK) goto done;
    const scry_json_node *root = scry_json_root(doc);
    if (!scry_json_is_object(root)) {
        st = SCRY_FAIL(&inner, SCRY_EFORMAT, "expected a JSON object");
        goto done;
    }
    if (a->version == 3)
        st = scry_json_string(doc, root, "node_type", SCRY_JSON_REQUIRED, &type, &inner);
    if (st != SCRY_OK || strcmp(type, "array") != 0) goto done;
    st = a->version == 3 ? scryi_zarr_array_v3(a, doc, &inner) : array_v2(a, doc, &inner);
    if (st == SCRY_OK) st = array_check_sizes(a, &inner);
    *found = st == SCRY_OK;
done:
    scry_json_free(doc);
    if (st == SCRY_OK) return st;
    scry_error_name(&inner, path);
    return SCRY_FAIL(err, st, "%s", inner.text);
}
