/* The tags of the first page that are known only when every pixel has been written. */

#include "lib/io/tiff/write_impl.h"

#include "lib/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Version 8 of RFC 9562, "custom": from the pixels and the provenance, so that equal runs give
 * equal files. */
static void make_uuid(const scry_tiff_writer *w, unsigned char uuid[16])
{
    uint64_t h[2] = {w->hash[0], w->hash[1]};
    for (const char *p = w->provenance; p && *p; p++) {
        h[0] = (h[0] ^ (unsigned char)*p) * 0x9e3779b97f4a7c15u;
        h[1] = (h[1] ^ h[0] >> 32) * 0xbf58476d1ce4e5b9u;
    }
    for (size_t i = 0; i < 16; i++)
        uuid[i] = (unsigned char)(h[i / 8] >> 8 * (i % 8));
    uuid[6] = (unsigned char)((uuid[6] & 0x0f) | 0x80);
    uuid[8] = (unsigned char)((uuid[8] & 0x3f) | 0x80);
}

/* NULL with err untouched: the file gets no description. */
static char *tiff_metadata_describe(const scry_tiff_writer *w, scry_error *err)
{
    const scry_tiff_info *info = &w->info;
    unsigned char uuid[16];
    if (info->flavour == SCRY_TIFF_IMAGEJ)
        return scryi_imagej_describe(info, w->result.min, w->result.max, w->shift > 0, err);
    if (info->flavour == SCRY_TIFF_OME) {
        make_uuid(w, uuid);
        return scryi_ome_describe(info, uuid, err);
    }
    /* one that other software would take for the axes of this file must not stay */
    if (!info->description || scryi_imagej_detect(info->description) ||
        scryi_ome_detect(info->description) || !strncmp(info->description, "{\"shape\"", 8))
        return NULL;
    char *text = strdup(info->description);
    if (!text) SCRY_FAIL(err, SCRY_ENOMEM, "description");
    return text;
}

static scry_status make_imagej_block(struct scryi_tiff_tags *tags, const scry_tiff_writer *w,
                                     scry_error *err)
{
    const scry_tiff_info *info = &w->info;
    if (info->c / info->samples < 2 || w->result.min > w->result.max) return SCRY_OK;
    double *ranges = scry_copy(w->ranges, 2 * info->c * sizeof *ranges);
    tags->counts = scry_alloc(2 + info->imagej_lut_count, sizeof *tags->counts);
    tags->block = scry_alloc(1, 24 + 16 * info->c + 768 * info->imagej_lut_count);
    if (!ranges || !tags->counts || !tags->block) {
        scry_free(ranges);
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: display ranges", w->path);
    }
    for (size_t c = 0; c < info->c; c++) {
        if (ranges[2 * c] > ranges[2 * c + 1]) ranges[2 * c] = ranges[2 * c + 1] = 0; /* all NaN */
        ranges[2 * c] += w->shift;
        ranges[2 * c + 1] += w->shift;
    }
    tags->block_bytes =
        scryi_imagej_metadata(tags->block, tags->counts, &tags->count_count, info, ranges);
    scry_free(ranges);
    return SCRY_OK;
}

static scry_status make_software(struct scryi_tiff_tags *tags, const scry_tiff_writer *w,
                                 scry_error *err)
{
    const size_t size = (w->provenance ? strlen(w->provenance) : 0) + 64;
    tags->software = scry_alloc(1, size);
    if (!tags->software) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: Software tag", w->path);
    snprintf(tags->software, size, "scry %s%s%s", SCRY_VERSION, w->provenance ? ": " : "",
             w->provenance ? w->provenance : "");
    return SCRY_OK;
}

scry_status scryi_tiff_tags_make(struct scryi_tiff_tags *tags, scry_tiff_writer *w, scry_error *err)
{
    scry_error why = {0};
    scry_status st;
    *tags = (struct scryi_tiff_tags){.description = tiff_metadata_describe(w, &why)};
    if (why.code != SCRY_OK) return SCRY_FAIL(err, why.code, "%s: %s", w->path, why.text);
    if ((st = make_software(tags, w, err)) != SCRY_OK) return st;
    return w->info.flavour == SCRY_TIFF_IMAGEJ ? make_imagej_block(tags, w, err) : SCRY_OK;
}

void scryi_tiff_tags_free(struct scryi_tiff_tags *tags)
{
    free(tags->description);
    scry_free(tags->software);
    scry_free(tags->counts);
    scry_free(tags->block);
}
