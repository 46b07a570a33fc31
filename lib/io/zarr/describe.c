/* The metadata of an image that is written as OME-Zarr. */

#include "lib/io/zarr/write_impl.h"

#include "lib/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void put_numbers(scry_json *doc, scry_json_node *to, const char *key, const size_t *values)
{
    scry_json_node *list = scry_json_put_array(doc, to, key);
    for (int i = 0; i < SCRYI_ZARR_RANK; i++)
        scry_json_put_unsigned(doc, list, NULL, values[i]);
}

/* {"name": name, "configuration": {}}, whose configuration is returned. */
static scry_json_node *put_named(scry_json *doc, scry_json_node *to, const char *key,
                                 const char *name)
{
    scry_json_node *object = scry_json_put_object(doc, to, key);
    scry_json_put_string(doc, object, "name", name);
    return scry_json_put_object(doc, object, "configuration");
}

static bool describe_big_machine(void)
{
    const uint16_t one = 1;
    return *(const unsigned char *)&one == 0;
}

/* ---- the array ---- */

static void describe_v2(scry_json *doc, const scry_zarr_writer *w, const size_t *shape,
                        const size_t *chunk)
{
    static const char kinds[] = {
        [SCRY_TIFF_U8] = 'u',  [SCRY_TIFF_U16] = 'u', [SCRY_TIFF_U32] = 'u', [SCRY_TIFF_I8] = 'i',
        [SCRY_TIFF_I16] = 'i', [SCRY_TIFF_I32] = 'i', [SCRY_TIFF_F32] = 'f', [SCRY_TIFF_F64] = 'f'};
    const size_t bytes = scry_tiff_type_bytes(w->info.type);
    scry_json_node *root = scry_json_root(doc);
    char type[8];
    snprintf(type, sizeof type, "%c%c%zu",
             bytes == 1               ? '|'
             : describe_big_machine() ? '>'
                                      : '<',
             kinds[w->info.type], bytes);
    scry_json_put_integer(doc, root, "zarr_format", 2);
    put_numbers(doc, root, "shape", shape);
    put_numbers(doc, root, "chunks", chunk);
    scry_json_put_string(doc, root, "dtype", type);
    scry_json_node *packing = scry_json_put_object(doc, root, "compressor");
    scry_json_put_string(doc, packing, "id", scryi_zarr_codec_name(w->codec));
    if (w->codec == SCRYI_ZARR_BLOSC) {
        scry_json_put_string(doc, packing, "cname", "lz4");
        scry_json_put_integer(doc, packing, "clevel", 5);
        scry_json_put_integer(doc, packing, "shuffle", 1);
        scry_json_put_integer(doc, packing, "blocksize", 0);
    } else {
        scry_json_put_integer(doc, packing, "level", 6);
    }
    scry_json_put_integer(doc, root, "fill_value", 0);
    scry_json_put_string(doc, root, "order", "C");
    scry_json_put_number(doc, root, "filters", (double)NAN); /* null */
    scry_json_put_string(doc, root, "dimension_separator", "/");
}

static void describe_v3(scry_json *doc, const scry_zarr_writer *w, const size_t *shape,
                        const size_t *chunk)
{
    scry_json_node *root = scry_json_root(doc), *in;
    scry_json_put_integer(doc, root, "zarr_format", 3);
    scry_json_put_string(doc, root, "node_type", "array");
    put_numbers(doc, root, "shape", shape);
    scry_json_put_string(doc, root, "data_type", scry_tiff_type_name(w->info.type));
    put_numbers(doc, put_named(doc, root, "chunk_grid", "regular"), "chunk_shape", chunk);
    in = put_named(doc, root, "chunk_key_encoding", "default");
    scry_json_put_string(doc, in, "separator", "/");
    scry_json_put_integer(doc, root, "fill_value", 0);
    scry_json_node *codecs = scry_json_put_array(doc, root, "codecs");
    in = put_named(doc, codecs, NULL, "bytes");
    scry_json_put_string(doc, in, "endian", describe_big_machine() ? "big" : "little");
    in = put_named(doc, codecs, NULL, w->codec == SCRYI_ZARR_BLOSC ? "blosc" : "gzip");
    if (w->codec == SCRYI_ZARR_BLOSC) {
        scry_json_put_string(doc, in, "cname", "lz4");
        scry_json_put_integer(doc, in, "clevel", 5);
        scry_json_put_string(doc, in, "shuffle", "shuffle");
        scry_json_put_unsigned(doc, in, "typesize", scry_tiff_type_bytes(w->info.type));
        scry_json_put_integer(doc, in, "blocksize", 0);
    } else {
        scry_json_put_integer(doc, in, "level", 6);
    }
    scry_json_node *names = scry_json_put_array(doc, root, "dimension_names");
    for (const char *axis = "tczyx"; *axis; axis++)
        scry_json_put_string(doc, names, NULL, (const char[2]){*axis, '\0'});
    scry_json_put_object(doc, root, "attributes");
}

/* Writes doc to temp/name, and frees it. */
static scry_status describe_write(scry_json *doc, const scry_zarr_writer *w, const char *name,
                                  scry_error *err)
{
    char path[SCRYI_ZARR_PATH];
    scry_status st = scryi_zarr_inside(path, w->folder.temp, name, err);
    if (st == SCRY_OK) st = scry_json_write(doc, path, err);
    scry_json_free(doc);
    return st;
}

scry_status scryi_zarr_describe_array(const scry_zarr_writer *w, scry_error *err)
{
    const scry_tiff_info *i = &w->info;
    const size_t shape[SCRYI_ZARR_RANK] = {i->t, i->c, i->z, i->y, i->x};
    const size_t chunk[SCRYI_ZARR_RANK] = {1, 1, 1, w->chunk_y, w->chunk_x};
    scry_json *doc = NULL;
    const scry_status st = scry_json_create(&doc, err);
    if (st != SCRY_OK) return st;
    if (w->version == 3)
        describe_v3(doc, w, shape, chunk);
    else
        describe_v2(doc, w, shape, chunk);
    return describe_write(doc, w, w->version == 3 ? "0/zarr.json" : "0/.zarray", err);
}

/* ---- the image ---- */

static void put_axis(scry_json *doc, scry_json_node *axes, const char *name, const char *type,
                     const char *unit)
{
    scry_json_node *axis = scry_json_put_object(doc, axes, NULL);
    scry_json_put_string(doc, axis, "name", name);
    scry_json_put_string(doc, axis, "type", type);
    if (unit) scry_json_put_string(doc, axis, "unit", unit);
}

/* An axis whose scale is not known has no unit, and the scale 1. */
static void put_multiscales(scry_json *doc, scry_json_node *to, const scry_zarr_writer *w)
{
    static const char *const space[] = {"z", "y", "x"};
    const scry_tiff_info *i = &w->info;
    scry_json_node *image =
        scry_json_put_object(doc, scry_json_put_array(doc, to, "multiscales"), NULL);
    if (w->version == 2) scry_json_put_string(doc, image, "version", "0.4");
    scry_json_node *axes = scry_json_put_array(doc, image, "axes");
    put_axis(doc, axes, "t", "time", i->frame_s > 0 ? "second" : NULL);
    put_axis(doc, axes, "c", "channel", NULL);
    for (int k = 0; k < 3; k++)
        put_axis(doc, axes, space[k], "space", i->pixel_um[k] > 0 ? "micrometer" : NULL);
    scry_json_node *set =
        scry_json_put_object(doc, scry_json_put_array(doc, image, "datasets"), NULL);
    scry_json_put_string(doc, set, "path", "0");
    scry_json_node *transform =
        scry_json_put_object(doc, scry_json_put_array(doc, set, "coordinateTransformations"), NULL);
    scry_json_put_string(doc, transform, "type", "scale");
    scry_json_node *scale = scry_json_put_array(doc, transform, "scale");
    scry_json_put_number(doc, scale, NULL, i->frame_s > 0 ? i->frame_s : 1);
    scry_json_put_number(doc, scale, NULL, 1);
    for (int k = 0; k < 3; k++)
        scry_json_put_number(doc, scale, NULL, i->pixel_um[k] > 0 ? i->pixel_um[k] : 1);
}

/* How a viewer shows the channels: from their lowest to their highest value. */
static void put_channels(scry_json *doc, scry_json_node *to, const scry_zarr_writer *w)
{
    static const char *const colours[] = {"FF0000", "00FF00", "0000FF"};
    double low, high;
    scry_json_node *list =
        scry_json_put_array(doc, scry_json_put_object(doc, to, "omero"), "channels");
    scry_tiff_type_range(w->info.type, &low, &high);
    for (size_t c = 0; c < w->info.c; c++) {
        double from = w->ranges[2 * c], until = w->ranges[2 * c + 1];
        if (!(from < until)) from = 0, until = 1;
        const bool integer = w->info.type != SCRY_TIFF_F32 && w->info.type != SCRY_TIFF_F64;
        scry_json_node *channel = scry_json_put_object(doc, list, NULL);
        scry_json_put_bool(doc, channel, "active", true);
        scry_json_put_string(doc, channel, "label", w->channels[c].name);
        scry_json_put_string(doc, channel, "color", w->info.rgb && c < 3 ? colours[c] : "FFFFFF");
        scry_json_node *window = scry_json_put_object(doc, channel, "window");
        scry_json_put_number(doc, window, "start", from);
        scry_json_put_number(doc, window, "end", until);
        scry_json_put_number(doc, window, "min", integer ? low : from);
        scry_json_put_number(doc, window, "max", integer ? high : until);
    }
}

scry_status scryi_zarr_describe_image(const scry_zarr_writer *w, scry_error *err)
{
    scry_json *doc = NULL;
    scry_status st = SCRY_OK;
    if (w->version == 2) {
        if ((st = scry_json_create(&doc, err)) != SCRY_OK) return st;
        scry_json_put_integer(doc, scry_json_root(doc), "zarr_format", 2);
        if ((st = describe_write(doc, w, ".zgroup", err)) != SCRY_OK) return st;
    }
    if ((st = scry_json_create(&doc, err)) != SCRY_OK) return st;
    scry_json_node *to = scry_json_root(doc);
    if (w->version == 3) {
        scry_json_put_integer(doc, to, "zarr_format", 3);
        scry_json_put_string(doc, to, "node_type", "group");
        to = scry_json_put_object(doc, scry_json_put_object(doc, to, "attributes"), "ome");
        scry_json_put_string(doc, to, "version", "0.5");
    }
    put_multiscales(doc, to, w);
    put_channels(doc, to, w);
    scry_json_node *creator = scry_json_put_object(doc, to, "_creator");
    scry_json_put_string(doc, creator, "name", "scry");
    scry_json_put_string(doc, creator, "version", SCRY_VERSION);
    if (*w->provenance) scry_json_put_string(doc, creator, "details", w->provenance);
    return describe_write(doc, w, w->version == 3 ? "zarr.json" : ".zattrs", err);
}
