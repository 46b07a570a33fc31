/* Reading the XML of OME-TIFF: axes, calibration, instrument, and which page holds which plane.
 * Schema: Open Microscopy Environment, OME 2016-06. One Image is read.
 *
 * The text comes from a file that may be hostile: documents with a DTD are refused before parsing
 * (so there are no entities to expand), libxml2 is kept from the network and within its own limits
 * on depth and size, and the length is bounded by the caller. */

#include "lib/io/tiff/ome_impl.h"
#include "lib/io/tiff/ome_instrument_impl.h"

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

static bool ome_is(const xmlNode *n, const char *name)
{
    return n->type == XML_ELEMENT_NODE && !strcmp((const char *)n->name, name);
}

xmlNode *scryi_ome_child(const xmlNode *parent, const char *name)
{
    for (xmlNode *n = parent ? parent->children : NULL; n; n = n->next)
        if (ome_is(n, name)) return n;
    return NULL;
}

xmlNode *scryi_ome_next(const xmlNode *node, const char *name)
{
    for (xmlNode *n = node ? node->next : NULL; n; n = n->next)
        if (ome_is(n, name)) return n;
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

static double ome_seconds(const xmlNode *pixels)
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

static scry_status read_channels(scry_tiff_info *info, scry_tiff_channel **channels,
                                 const xmlNode *pixels, const char *path, scry_error *err)
{
    const size_t max = info->c / info->samples;
    size_t n = 0;
    for (const xmlNode *c = scryi_ome_child(pixels, "Channel"); c && n < max;
         c = scryi_ome_next(c, "Channel"))
        n++;
    *channels = NULL;
    if (!n) return SCRY_OK;
    *channels = scry_alloc(n, sizeof **channels);
    if (!*channels) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu channels", path, n);
    const xmlNode *c = scryi_ome_child(pixels, "Channel");
    for (size_t i = 0; i < n; i++, c = scryi_ome_next(c, "Channel")) {
        scry_tiff_channel *out = &(*channels)[i];
        if (!scryi_ome_text(c, "Name", out->name, sizeof out->name))
            scryi_ome_text(c, "Fluor", out->name, sizeof out->name);
        out->emission_nm = scryi_ome_length(c, "EmissionWavelength", "nm", 1000);
        out->excitation_nm = scryi_ome_length(c, "ExcitationWavelength", "nm", 1000);
        out->pinhole_um = scryi_ome_length(c, "PinholeSize", "um", 1);
    }
    info->channels = *channels;
    info->channel_count = n;
    return SCRY_OK;
}

scry_status scryi_ome_instrument(scry_tiff_info *info, scry_tiff_channel **channels,
                                 const char *xml, size_t series, const char *path, scry_error *err)
{
    *channels = NULL;
    xmlDoc *doc = scryi_ome_parse(xml, err, path);
    if (!doc) return SCRY_EFORMAT;
    const xmlNode *root = xmlDocGetRootElement(doc), *image = scryi_ome_child(root, "Image");
    for (size_t i = 0; image && i < series; i++)
        image = scryi_ome_next(image, "Image");
    scry_status st;
    if (image) {
        st = read_channels(info, channels, scryi_ome_child(image, "Pixels"), path, err);
        if (st == SCRY_OK) read_objective(info, root, image);
    } else {
        st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: the OME-XML has no Image number %zu", path, series);
    }
    xmlFreeDoc(doc);
    return st;
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
    info->frame_s = ome_seconds(pixels);
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

/* ---- the document ---- */

/* The Image that was asked for; counts and names all. */
static scry_status find_image(const xmlNode **out, scry_tiff_reader *r, const xmlNode *root,
                              size_t series, scry_error *err)
{
    size_t n = 0;
    for (const xmlNode *i = scryi_ome_child(root, "Image"); i; i = scryi_ome_next(i, "Image"))
        n++;
    if (!n) return SCRY_FAIL(err, SCRY_EFORMAT, "%s: the OME-XML has no Image element", r->path);
    if (series >= n)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: %zu image%s in the file, numbered from 0: there is no number %zu",
                         r->path, n, n == 1 ? "" : "s", series);
    r->series_names = scry_alloc(n, sizeof *r->series_names);
    if (!r->series_names) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu names", r->path, n);
    r->info.series = n;
    r->info.series_at = series;
    n = 0;
    for (const xmlNode *i = scryi_ome_child(root, "Image"); i;
         i = scryi_ome_next(i, "Image"), n++) {
        scryi_ome_text(i, "Name", r->series_names[n], sizeof r->series_names[n]);
        if (n == series) *out = i;
    }
    return SCRY_OK;
}

static scry_status read_document(scry_tiff_reader *r, const xmlNode *root, size_t series,
                                 scry_error *err)
{
    const xmlNode *image = NULL, *pixels;
    scry_status st = find_image(&image, r, root, series, err);
    if (st != SCRY_OK) return st;
    pixels = scryi_ome_child(image, "Pixels");
    if (!pixels)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: the OME-XML has no Pixels element", r->path);
    if ((st = scryi_ome_find_base(r, root, pixels, err)) != SCRY_OK) return st;
    if ((st = read_axes(r, pixels, err)) != SCRY_OK) return st;
    if ((st = scryi_ome_place_planes(r, root, pixels, err)) != SCRY_OK) return st;
    tiff_ome_read_calibration(&r->info, pixels);
    read_objective(&r->info, root, image);
    return read_channels(&r->info, &r->channels, pixels, r->path, err);
}

/* A file that holds only pixels names another one, whose metadata take the place of its own. */
static scry_status follow_master(scry_tiff_reader *r, const xmlNode *only, scry_error *err)
{
    char name[256], *text = NULL;
    scryi_ome_text(only, "MetadataFile", name, sizeof name);
    const scry_status st = scryi_tiff_text_beside(&text, r, name, err);
    if (st != SCRY_OK) {
        scry_error inner = err ? *err : (scry_error){0};
        if (err) *err = (scry_error){0};
        return SCRY_FAIL(err, st, "%s: holds only pixels; its metadata should be in %.80s", r->path,
                         inner.text);
    }
    scry_free(r->description);
    r->info.description = r->description = text;
    r->followed = true;
    return SCRY_OK;
}

scry_status scryi_ome_read(scry_tiff_reader *r, size_t series, scry_error *err)
{
    scry_status st;
    xmlDoc *doc = scryi_ome_parse(r->description, err, r->path);
    if (!doc) return SCRY_EFORMAT;
    const xmlNode *only = scryi_ome_child(xmlDocGetRootElement(doc), "BinaryOnly");
    if (only) {
        st = follow_master(r, only, err);
        xmlFreeDoc(doc);
        if (st != SCRY_OK) return st;
        if (!(doc = scryi_ome_parse(r->description, err, r->path))) return SCRY_EFORMAT;
    }
    st = read_document(r, xmlDocGetRootElement(doc), series, err);
    xmlFreeDoc(doc);
    return st;
}
