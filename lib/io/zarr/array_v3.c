/* The description of a zarr array of format 3. */

#include "lib/io/zarr/zarr_impl.h"

#include <stdio.h>
#include <string.h>

/* A thing with a name and a configuration, which may be its name alone; *in NULL: no configuration.
 */
static scry_status v3_named(const scry_json *doc, const scry_json_node *node, const char **name,
                            const scry_json_node **in, scry_error *err)
{
    *in = NULL;
    if (!scry_json_is_object(node)) return scry_json_to_string(doc, node, name, err);
    const scry_status st = scry_json_string(doc, node, "name", SCRY_JSON_REQUIRED, name, err);
    if (st != SCRY_OK) return st;
    return scry_json_object(doc, node, "configuration", SCRY_JSON_OPTIONAL, in, err);
}

static scry_status v3_type(struct scryi_zarr_array *a, const scry_json *doc,
                           const scry_json_node *root, scry_error *err)
{
    const char *name = NULL;
    const scry_status st = scry_json_string(doc, root, "data_type", SCRY_JSON_REQUIRED, &name, err);
    if (st != SCRY_OK) return st;
    a->type = !strcmp(name, "bool") ? SCRY_TIFF_U8 : scry_tiff_type_parse(name);
    /* "u8", 8-bit to the parser, is no name of this format */
    if (a->type != SCRY_TIFF_KEEP && (strlen(name) > 3 || !strcmp(name, "bool"))) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EUNSUP,
                     "data_type \"%.40s\", expected integers of 8 to 32 bits or floats of 32 or 64",
                     name);
}

static scry_status v3_separator(struct scryi_zarr_array *a, const scry_json *doc,
                                const scry_json_node *root, scry_error *err)
{
    const scry_json_node *node = NULL, *in = NULL;
    const char *name = NULL, *separator;
    scry_status st =
        scry_json_object(doc, root, "chunk_key_encoding", SCRY_JSON_REQUIRED, &node, err);
    if (st == SCRY_OK) st = v3_named(doc, node, &name, &in, err);
    if (st != SCRY_OK) return st;
    a->prefixed = !strcmp(name, "default");
    if (!a->prefixed && strcmp(name, "v2") != 0)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "chunk_key_encoding \"%.40s\", expected \"default\" or \"v2\"", name);
    separator = a->prefixed ? "/" : ".";
    if (in) st = scry_json_string(doc, in, "separator", SCRY_JSON_OPTIONAL, &separator, err);
    if (st != SCRY_OK) return st;
    if (strcmp(separator, ".") != 0 && strcmp(separator, "/") != 0)
        return SCRY_FAIL(err, SCRY_EFORMAT, "separator \"%.20s\", expected \".\" or \"/\"",
                         separator);
    a->separator = *separator;
    return st;
}

static scry_status v3_grid(struct scryi_zarr_array *a, const scry_json *doc,
                           const scry_json_node *root, scry_error *err)
{
    const scry_json_node *node = NULL, *in = NULL;
    const char *name = NULL;
    scry_status st = scry_json_object(doc, root, "chunk_grid", SCRY_JSON_REQUIRED, &node, err);
    if (st == SCRY_OK) st = v3_named(doc, node, &name, &in, err);
    if (st != SCRY_OK) return st;
    if (strcmp(name, "regular") != 0 || !in)
        return SCRY_FAIL(err, SCRY_EUNSUP, "chunk_grid \"%.40s\", expected \"regular\"%s", name,
                         in ? "" : " with a configuration");
    return scryi_zarr_sizes(doc, in, "chunk_shape", &a->rank, a->chunk, err);
}

/* ---- codecs ---- */

static scry_status v3_transpose(struct scryi_zarr_array *a, const scry_json *doc,
                                const scry_json_node *in, scry_error *err)
{
    const scry_json_node *list = NULL;
    bool seen[SCRYI_ZARR_RANK] = {false};
    int n = 0;
    scry_status st =
        in ? scry_json_array(doc, in, "order", SCRY_JSON_REQUIRED, &list, err) : SCRY_EFORMAT;
    for (const scry_json_node *i = st == SCRY_OK ? scry_json_first(list) : NULL; i;
         i = scry_json_next(i), n++) {
        int64_t axis = 0;
        st = scry_json_to_integer(doc, i, 0, a->rank - 1, &axis, err);
        if (st != SCRY_OK || n == a->rank || seen[axis]) break;
        seen[axis] = true;
        a->stored[n] = (int)axis;
    }
    if (st == SCRY_OK && n == a->rank) return st;
    return SCRY_FAIL(err, SCRY_EFORMAT, "transpose, expected an order of each of %d axes once",
                     a->rank);
}

static scry_status v3_bytes(bool *big_endian, const scry_json *doc, const scry_json_node *in,
                            scry_error *err)
{
    const char *endian = "little";
    scry_status st =
        in ? scry_json_string(doc, in, "endian", SCRY_JSON_OPTIONAL, &endian, err) : SCRY_OK;
    if (st != SCRY_OK) return st;
    *big_endian = !strcmp(endian, "big");
    if (*big_endian || !strcmp(endian, "little")) return st;
    return SCRY_FAIL(err, SCRY_EFORMAT, "endian \"%.20s\", expected \"little\" or \"big\"", endian);
}

static scry_status v3_codecs(struct scryi_zarr_array *a, const scry_json *doc,
                             const scry_json_node *list, scry_error *err);

static scry_status v3_index_codecs(struct scryi_zarr_array *a, const scry_json *doc,
                                   const scry_json_node *in, scry_error *err)
{
    const scry_json_node *list = NULL, *inside;
    const char *name = NULL;
    bool big = false;
    size_t n = 0;
    scry_status st = scry_json_array(doc, in, "index_codecs", SCRY_JSON_REQUIRED, &list, err);
    for (const scry_json_node *i = st == SCRY_OK ? scry_json_first(list) : NULL; st == SCRY_OK && i;
         i = scry_json_next(i), n++) {
        if ((st = v3_named(doc, i, &name, &inside, err)) != SCRY_OK) return st;
        if (n == 0 && !strcmp(name, "bytes"))
            st = v3_bytes(&big, doc, inside, err);
        else if (n == 1 && !strcmp(name, "crc32c"))
            a->index_crc = true;
        else
            st = SCRY_FAIL(err, SCRY_EUNSUP,
                           "codec \"%.40s\" of the index of shards, expected bytes and crc32c",
                           name);
    }
    if (st == SCRY_OK && (!n || big))
        st = SCRY_FAIL(err, SCRY_EUNSUP, "an index of shards that is not little-endian bytes");
    return st;
}

/* Chunks of the grid are files with several chunks of their own in them, and an index of these. */
static scry_status v3_sharding(struct scryi_zarr_array *a, const scry_json *doc,
                               const scry_json_node *in, scry_error *err)
{
    const scry_json_node *list = NULL;
    const char *location = "end";
    scry_status st = SCRY_OK;
    if (a->sharded) return SCRY_FAIL(err, SCRY_EUNSUP, "shards inside of shards");
    if (!in) return SCRY_FAIL(err, SCRY_EFORMAT, "sharding_indexed without a configuration");
    a->sharded = true;
    memcpy(a->shard, a->chunk, sizeof a->shard);
    if ((st = scryi_zarr_sizes(doc, in, "chunk_shape", &a->rank, a->chunk, err)) != SCRY_OK)
        return st;
    for (int i = 0; i < a->rank; i++)
        if (a->shard[i] % a->chunk[i])
            return SCRY_FAIL(err, SCRY_EFORMAT,
                             "shards of %zu along axis %d, no multiple of their chunks of %zu",
                             a->shard[i], i, a->chunk[i]);
    st = scry_json_string(doc, in, "index_location", SCRY_JSON_OPTIONAL, &location, err);
    if (st != SCRY_OK) return st;
    a->index_first = !strcmp(location, "start");
    if (!a->index_first && strcmp(location, "end") != 0)
        return SCRY_FAIL(err, SCRY_EFORMAT, "index_location \"%.20s\", expected start or end",
                         location);
    if ((st = v3_index_codecs(a, doc, in, err)) != SCRY_OK) return st;
    if ((st = scry_json_array(doc, in, "codecs", SCRY_JSON_REQUIRED, &list, err)) != SCRY_OK)
        return st;
    return v3_codecs(a, doc, list, err);
}

/* One after the other: axes, then bytes or shards, then what compresses bytes. */
static scry_status v3_codec(struct scryi_zarr_array *a, const scry_json *doc,
                            const scry_json_node *node, int *stage, scry_error *err)
{
    const scry_json_node *in = NULL;
    const char *name = NULL;
    scryi_zarr_codec codec;
    const scry_status st = v3_named(doc, node, &name, &in, err);
    if (st != SCRY_OK) return st;
    if (!strcmp(name, "transpose") && *stage == 0) {
        for (int i = 0; i < a->rank; i++)
            if (a->stored[i] != i) return SCRY_FAIL(err, SCRY_EUNSUP, "two transpose codecs");
        return v3_transpose(a, doc, in, err);
    }
    if (!strcmp(name, "bytes") && *stage == 0 && (*stage = 1))
        return v3_bytes(&a->big_endian, doc, in, err);
    if (!strcmp(name, "sharding_indexed") && *stage == 0 && (*stage = 3)) {
        for (int i = 0; i < a->rank; i++)
            if (a->stored[i] != i) return SCRY_FAIL(err, SCRY_EUNSUP, "shards of transposed axes");
        return v3_sharding(a, doc, in, err);
    }
    if (scryi_zarr_codec_find(&codec, name) && *stage == 1 && (*stage = 2)) {
        a->codec = codec;
        return st;
    }
    if (!strcmp(name, "crc32c") && *stage == 1 && !a->crc_inside) {
        a->crc_inside = 1;
        return st;
    }
    if (!strcmp(name, "crc32c") && *stage == 2 && !a->crc_outside) {
        a->crc_outside = 1;
        return st;
    }
    return SCRY_FAIL(err, SCRY_EUNSUP,
                     "codec \"%.40s\" at this place, expected bytes, then blosc, gzip or zstd",
                     name);
}

static scry_status v3_codecs(struct scryi_zarr_array *a, const scry_json *doc,
                             const scry_json_node *list, scry_error *err)
{
    int stage = 0;
    scry_status st = SCRY_OK;
    for (int i = 0; i < a->rank; i++)
        a->stored[i] = i;
    for (const scry_json_node *i = scry_json_first(list); st == SCRY_OK && i; i = scry_json_next(i))
        st = v3_codec(a, doc, i, &stage, err);
    if (st == SCRY_OK && !stage)
        st = SCRY_FAIL(err, SCRY_EFORMAT, "codecs without \"bytes\" or \"sharding_indexed\"");
    return st;
}

/* ---- the whole ---- */

static scry_status v3_axis_names(struct scryi_zarr_array *a, const scry_json *doc,
                                 const scry_json_node *root, scry_error *err)
{
    const scry_json_node *list = NULL;
    int n = 0;
    const scry_status st =
        scry_json_array(doc, root, "dimension_names", SCRY_JSON_OPTIONAL, &list, err);
    for (const scry_json_node *i = list ? scry_json_first(list) : NULL; i && n < a->rank;
         i = scry_json_next(i), n++) {
        const char *name = "";
        scry_json_to_string(doc, i, &name, NULL); /* null: no name */
        snprintf(a->axis_names[n], sizeof a->axis_names[n], "%s", name);
    }
    return st;
}

scry_status scryi_zarr_array_v3(struct scryi_zarr_array *a, const scry_json *doc, scry_error *err)
{
    const scry_json_node *root = scry_json_root(doc), *list = NULL;
    int64_t version = 0;
    scry_status st =
        scry_json_integer(doc, root, "zarr_format", SCRY_JSON_REQUIRED, 3, 3, &version, err);
    if (st == SCRY_OK) st = scryi_zarr_sizes(doc, root, "shape", &a->rank, a->shape, err);
    if (st == SCRY_OK) st = v3_type(a, doc, root, err);
    if (st == SCRY_OK) st = v3_grid(a, doc, root, err);
    if (st == SCRY_OK) st = v3_separator(a, doc, root, err);
    if (st == SCRY_OK) st = scry_json_array(doc, root, "codecs", SCRY_JSON_REQUIRED, &list, err);
    if (st == SCRY_OK) memcpy(a->shard, a->chunk, sizeof a->shard);
    if (st == SCRY_OK) st = v3_codecs(a, doc, list, err);
    if (st == SCRY_OK) st = scryi_zarr_fill(a, doc, root, err);
    if (st == SCRY_OK) st = v3_axis_names(a, doc, root, err);
    if (st != SCRY_OK) return st;
    const scry_json_node *others = NULL;
    st = scry_json_array(doc, root, "storage_transformers", SCRY_JSON_OPTIONAL, &others, err);
    if (st == SCRY_OK && others && scry_json_count(others))
        st = SCRY_FAIL(err, SCRY_EUNSUP, "storage_transformers, expected none");
    return st;
}
