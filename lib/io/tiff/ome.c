/* Reading the XML of OME-TIFF: axes, calibration, instrument, and which page holds which plane.
 * Schema: Open Microscopy Environment, OME 2016-06. The first Image is read.
 *
 * The text comes from a file that may be hostile: documents with a DTD are refused before parsing
 * (so there are no entities to expand), libxml2 is kept from the network and within its own limits
 * on depth and size, and the length is bounded by the caller. */

#include "lib/io/tiff/ome_impl.h"

#include "lib/memory.h"
#include "lib/space.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool scryi_ome_detect(const char *description)
{
    if (!description) return false;
    size_t n = strlen(description);
    while (n && strchr(" \t\r\n", description[n - 1]))
        n--;
    return n > 8 && !strncmp(description + n - 4, "OME>", 4) && strchr(description, '<') != NULL;
}

xmlDoc *scryi_ome_parse(const char *xml, scry_error *err, const char *path)
{
    const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING;
    const size_t n = strlen(xml);
    if (strstr(xml, "<!DOCTYPE") || strstr(xml, "<!ENTITY")) {
        SCRY_FAIL(err, SCRY_EFORMAT, "%s: the OME-XML has a document type declaration", path);
        return NULL;
    }
    /* the encoding is given, so that a declared one cannot hide a DTD; older writers used
     * Latin-1 */
    xmlDoc *doc = xmlReadMemory(xml, (int)n, "ome.xml", "UTF-8", options);
    if (!doc) doc = xmlReadMemory(xml, (int)n, "ome.xml", "ISO-8859-1", options);
    if (!doc || !xmlDocGetRootElement(doc) || doc->intSubset || doc->extSubset) {
        const xmlError *e = xmlGetLastError();
        SCRY_FAIL(err, SCRY_EFORMAT, "%s: the OME-XML does not parse: line %d: %.100s", path,
                  e ? e->line : 0, e && e->message ? e->message : "no element");
        xmlFreeDoc(doc);
        return NULL;
    }
    return doc;
}

static bool is(const xmlNode *n, const char *name)
{
    return n->type == XML_ELEMENT_NODE && !strcmp((const char *)n->name, name);
}

xmlNode *scryi_ome_child(const xmlNode *parent, const char *name)
{
    for (xmlNode *n = parent ? parent->children : NULL; n; n = n->next)
        if (is(n, name)) return n;
    return NULL;
}

xmlNode *scryi_ome_next(const xmlNode *node, const char *name)
{
    for (xmlNode *n = node ? node->next : NULL; n; n = n->next)
        if (is(n, name)) return n;
    return NULL;
}

bool scryi_ome_text(const xmlNode *node, const char *name, char *out, size_t size)
{
    if (size) out[0] = '\0';
    xmlChar *value = node ? xmlGetNoNsProp(node, (const xmlChar *)name) : NULL;
    if (!value) return false;
    snprintf(out, size, "%s", (const char *)value);
    xmlFree(value);
    return true;
}

bool scryi_ome_number(const xmlNode *node, const char *name, double *out)
{
    char text[64], *end;
    if (!scryi_ome_text(node, name, text, sizeof text)) return false;
    const double v = strtod(text, &end);
    if (end == text || !isfinite(v)) return false;
    *out = v;
    return true;
}

/* A length attribute in units of `per_um` to the micrometre (1000: nm); its unit is in NameUnit and
 * defaults to `unit`. 0 when it is absent, not positive, or in no unit of length. */
double scryi_ome_length(const xmlNode *node, const char *name, const char *unit, double per_um)
{
    char key[48], text[16];
    double v = 0;
    if (!scryi_ome_number(node, name, &v) || v <= 0) return 0;
    snprintf(key, sizeof key, "%sUnit", name);
    if (!scryi_ome_text(node, key, text, sizeof text)) snprintf(text, sizeof text, "%s", unit);
    return v * scryi_unit_um(text) * per_um;
}

static double seconds(const xmlNode *pixels)
{
    static const struct {
        const char *name;
        double s;
    } units[] = {{"s", 1},    {"ms", 1e-3}, {"\xc2\xb5s", 1e-6}, {"ns", 1e-9},
                 {"min", 60}, {"h", 3600},  {"d", 86400}};
    char unit[16];
    double v = 0;
    if (!scryi_ome_number(pixels, "TimeIncrement", &v) || v <= 0) return 0;
    if (!scryi_ome_text(pixels, "TimeIncrementUnit", unit, sizeof unit)) return v;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (!strcmp(unit, units[i].name)) return v * units[i].s;
    return 0;
}

/* ---- instrument ---- */

static void read_objective(scry_tiff_info *info, const xmlNode *root, const xmlNode *image)
{
    char wanted[80] = "", id[80];
    const xmlNode *objective = NULL;
    const xmlNode *settings = scryi_ome_child(image, "ObjectiveSettings");
    scryi_ome_text(settings, "ID", wanted, sizeof wanted);
    scryi_ome_number(settings, "RefractiveIndex", &info->refractive_index);
    for (const xmlNode *i = scryi_ome_child(root, "Instrument"); i;
         i = scryi_ome_next(i, "Instrument"))
        for (const xmlNode *o = scryi_ome_child(i, "Objective"); o;
             o = scryi_ome_next(o, "Objective")) {
            if (!objective) objective = o; /* the first, when none is named */
            scryi_ome_text(o, "ID", id, sizeof id);
            if (*wanted && !strcmp(id, wanted)) {
                objective = o;
                *wanted = '\0';
            }
        }
    if (!objective) return;
    scryi_ome_number(objective, "LensNA", &info->na);
    if (!scryi_ome_number(objective, "NominalMagnification", &info->magnification))
        scryi_ome_number(objective, "CalibratedMagnification", &info->magnification);
    scryi_ome_text(objective, "Immersion", info->immersion, sizeof info->immersion);
    if (info->na < 0) info->na = 0;
    if (info->refractive_index < 0) info->refractive_index = 0;
}

static scry_status read_channels(scry_tiff_reader *r, const xmlNode *pixels, scry_error *err)
{
    const size_t most = r->info.c / r->info.samples;
    size_t n = 0;
    for (const xmlNode *c = scryi_ome_child(pixels, "Channel"); c && n < most;
         c = scryi_ome_next(c, "Channel"))
        n++;
    if (!n) return SCRY_OK;
    r->channels = scry_alloc(n, sizeof *r->channels);
    if (!r->channels) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu channels", r->path, n);
    const xmlNode *c = scryi_ome_child(pixels, "Channel");
    for (size_t i = 0; i < n; i++, c = scryi_ome_next(c, "Channel")) {
        scry_tiff_channel *out = &r->channels[i];
        if (!scryi_ome_text(c, "Name", out->name, sizeof out->name))
            scryi_ome_text(c, "Fluor", out->name, sizeof out->name);
        out->emission_nm = scryi_ome_length(c, "EmissionWavelength", "nm", 1000);
        out->excitation_nm = scryi_ome_length(c, "ExcitationWavelength", "nm", 1000);
        out->pinhole_um = scryi_ome_length(c, "PinholeSize", "um", 1);
    }
    r->info.channels = r->channels;
    r->info.channel_count = n;
    return SCRY_OK;
}

static void tiff_ome_read_calibration(scry_tiff_info *info, const xmlNode *pixels)
{
    static const char *const names[3] = {"PhysicalSizeZ", "PhysicalSizeY", "PhysicalSizeX"};
    double bits = 0;
    for (size_t i = 0; i < 3; i++)
        info->pixel_um[i] = scryi_ome_length(pixels, names[i], "um", 1);
    info->unit[0] = '\0';
    if (info->pixel_um[2] > 0 &&
        !scryi_ome_text(pixels, "PhysicalSizeXUnit", info->unit, sizeof info->unit))
        snprintf(info->unit, sizeof info->unit, "\xc2\xb5m");
    info->frame_s = seconds(pixels);
    if (scryi_ome_number(pixels, "SignificantBits", &bits) && bits >= 1 && bits <= info->bits)
        info->significant_bits = (int)bits;
}

/* ---- axes ---- */

static scry_status read_size(const scry_tiff_reader *r, const xmlNode *pixels, const char *name,
                             size_t *out, scry_error *err)
{
    double v = 0;
    if (!scryi_ome_number(pixels, name, &v) || v < 1 || v > INT32_MAX || v != floor(v))
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: OME %s is %g, expected a count of at least 1",
                         r->path, name, v);
    *out = (size_t)v;
    return SCRY_OK;
}

static scry_status read_axes(scry_tiff_reader *r, const xmlNode *pixels, scry_error *err)
{
    scry_tiff_info *info = &r->info;
    size_t x = 0, y = 0;
    char order[8], type[16];
    scry_status st;
    if ((st = read_size(r, pixels, "SizeX", &x, err)) != SCRY_OK) return st;
    if ((st = read_size(r, pixels, "SizeY", &y, err)) != SCRY_OK) return st;
    if ((st = read_size(r, pixels, "SizeC", &info->c, err)) != SCRY_OK) return st;
    if ((st = read_size(r, pixels, "SizeZ", &info->z, err)) != SCRY_OK) return st;
    if ((st = read_size(r, pixels, "SizeT", &info->t, err)) != SCRY_OK) return st;
    if (x != info->x || y != info->y)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: OME says %zu x %zu pixels, the page has %zu x %zu",
                         r->path, y, x, info->y, info->x);
    if (info->c % info->samples)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: OME SizeC %zu is no multiple of the %zu samples "
                         "per pixel",
                         r->path, info->c, info->samples);
    scryi_ome_text(pixels, "DimensionOrder", order, sizeof order);
    if (strlen(order) != 5 || strncmp(order, "XY", 2) || !strchr(order, 'C') ||
        !strchr(order, 'Z') || !strchr(order, 'T'))
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: OME DimensionOrder is \"%s\", expected XY and a "
                         "permutation of CZT",
                         r->path, order);
    for (size_t i = 0; i < 3; i++)
        info->order[i] = (char)(order[i + 2] + 'a' - 'A');
    scryi_ome_text(pixels, "Type", type, sizeof type);
    if (scry_tiff_type_parse(type) != info->type)
        scryi_tiff_warn(r, "OME Type \"%s\" is not that of the pixels, %s, which is used", type,
                        scry_tiff_type_name(info->type));
    return SCRY_OK;
}

/* ---- planes ---- */

struct plane_walk {
    size_t size[3], at[3]; /* in the order of the file, fastest first */
    char order[4];
};

static size_t walk_slot(const struct plane_walk *w, const scry_tiff_info *info)
{
    size_t c = 0, z = 0, t = 0;
    for (size_t i = 0; i < 3; i++)
        *(w->order[i] == 'c' ? &c : w->order[i] == 'z' ? &z : &t) = w->at[i];
    return c + info->c / info->samples * (z + info->z * t);
}

static bool walk_on(struct plane_walk *w)
{
    for (size_t i = 0; i < 3; i++) {
        if (++w->at[i] < w->size[i]) return true;
        w->at[i] = 0;
    }
    return false;
}

/* Multi-file sets name the file of each block. A file that was renamed is still itself by its
 * UUID. */
static scry_status check_file(const scry_tiff_reader *r, const xmlNode *root, const xmlNode *data,
                              scry_error *err)
{
    char name[256], own[80];
    const xmlNode *uuid = scryi_ome_child(data, "UUID");
    const char *slash = strrchr(r->path, '/');
    if (!uuid || !scryi_ome_text(uuid, "FileName", name, sizeof name)) return SCRY_OK;
    if (!strcmp(name, slash ? slash + 1 : r->path)) return SCRY_OK;
    xmlChar *content = xmlNodeGetContent(uuid);
    const bool same = content && scryi_ome_text(root, "UUID", own, sizeof own) &&
                      !strcmp((const char *)content, own);
    xmlFree(content);
    if (same) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EUNSUP,
                     "%s: part of an OME-TIFF set over several files (here \"%s\"); "
                     "only sets in one file are read: export it as a single OME-TIFF",
                     r->path, name);
}

static scry_status place_block(scry_tiff_reader *r, const xmlNode *data, size_t *skipped,
                               scry_error *err)
{
    static const char *const keys[3] = {"FirstC", "FirstZ", "FirstT"};
    scry_tiff_info *info = &r->info;
    struct plane_walk w = {0};
    double ifd = 0, count = -1, first;
    const bool placed = scryi_ome_number(data, "IFD", &ifd);
    if (!scryi_ome_number(data, "PlaneCount", &count) || count < 0)
        count = placed ? 1 : (double)r->page_count;
    memcpy(w.order, info->order, sizeof w.order);
    for (size_t i = 0; i < 3; i++) {
        const size_t axis = (size_t)(strchr("czt", w.order[i]) - "czt");
        w.size[i] = axis == 0 ? info->c / info->samples : axis == 1 ? info->z : info->t;
        first = 0;
        scryi_ome_number(data, keys[axis], &first);
        if (first < 0 || first >= (double)w.size[i]) { /* left behind by cropping in ImageJ */
            ++*skipped;
            return SCRY_OK;
        }
        w.at[i] = (size_t)first;
    }
    for (double k = 0; k < count; k++) {
        const double page = ifd + k;
        if (page < 0 || page >= (double)r->page_count) {
            if (placed || k > 0) ++*skipped;
            break;
        }
        const struct scryi_tiff_page *p = &r->pages[(size_t)page];
        if (!p->reduced) {
            const size_t slot = walk_slot(&w, info);
            scry_status st;
            if (r->map[slot]) /* also bounds the work that a hostile list can ask for */
                return SCRY_FAIL(err, SCRY_EFORMAT,
                                 "%s: two TiffData blocks of the OME-XML place "
                                 "pages %u and %.0f at one plane",
                                 r->path, r->map[slot], page + 1);
            if ((st = scryi_tiff_check_page(r, p, err)) != SCRY_OK) return st;
            r->map[slot] = (uint32_t)page + 1;
        }
        if (!walk_on(&w)) break;
    }
    return SCRY_OK;
}

static scry_status place_planes(scry_tiff_reader *r, const xmlNode *root, const xmlNode *pixels,
                                scry_error *err)
{
    scry_tiff_info *info = &r->info;
    size_t planes, skipped = 0, present = 0;
    scry_status st;
    /* a plane a page, and room for acquisitions that were broken off, but no bomb */
    if (!scry_mul(&planes, info->c / info->samples, info->z) ||
        !scry_mul(&planes, planes, info->t) || planes / 4096 > r->page_count)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: OME sizes %zu channels x %zu slices x %zu frames, "
                         "but the file has %zu pages",
                         r->path, info->c, info->z, info->t, r->page_count);
    r->map = scry_alloc(planes, sizeof *r->map);
    if (!r->map) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: list of %zu planes", r->path, planes);
    const xmlNode *data = scryi_ome_child(pixels, "TiffData");
    if (!data && (st = place_block(r, NULL, &skipped, err)) != SCRY_OK) return st;
    for (; data; data = scryi_ome_next(data, "TiffData")) {
        if ((st = check_file(r, root, data, err)) != SCRY_OK) return st;
        if ((st = place_block(r, data, &skipped, err)) != SCRY_OK) return st;
    }
    for (size_t i = 0; i < planes; i++)
        present += r->map[i] != 0;
    if (skipped)
        scryi_tiff_warn(r, "%zu TiffData blocks of the OME-XML point outside the image", skipped);
    if (!present)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: the OME-XML places no page in the image", r->path);
    if (present < planes)
        scryi_tiff_warn(r, "%zu of %zu planes are missing in the file: they are read as 0",
                        planes - present, planes);
    info->pages = present;
    return SCRY_OK;
}

static scry_status binary_only(const scry_tiff_reader *r, const xmlNode *node, scry_error *err)
{
    char name[256];
    scryi_ome_text(node, "MetadataFile", name, sizeof name);
    return SCRY_FAIL(err, SCRY_EUNSUP,
                     "%s: this OME-TIFF holds only pixels; its metadata, and the "
                     "names of the other files of the set, are in \"%s\"; sets over several files "
                     "are not read",
                     r->path, name);
}

static scry_status read_document(scry_tiff_reader *r, const xmlNode *root, scry_error *err)
{
    scry_status st;
    const xmlNode *only = scryi_ome_child(root, "BinaryOnly");
    const xmlNode *image = scryi_ome_child(root, "Image");
    const xmlNode *pixels = scryi_ome_child(image, "Pixels");
    if (only) return binary_only(r, only, err);
    if (!pixels)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: the OME-XML has no %s element", r->path,
                         image ? "Pixels" : "Image");
    r->info.series = 0;
    for (const xmlNode *i = image; i; i = scryi_ome_next(i, "Image"))
        r->info.series++;
    if ((st = read_axes(r, pixels, err)) != SCRY_OK) return st;
    if ((st = place_planes(r, root, pixels, err)) != SCRY_OK) return st;
    tiff_ome_read_calibration(&r->info, pixels);
    read_objective(&r->info, root, image);
    return read_channels(r, pixels, err);
}

scry_status scryi_ome_read(scry_tiff_reader *r, scry_error *err)
{
    xmlDoc *doc = scryi_ome_parse(r->description, err, r->path);
    if (!doc) return SCRY_EFORMAT;
    const scry_status st = read_document(r, xmlDocGetRootElement(doc), err);
    xmlFreeDoc(doc);
    return st;
}
