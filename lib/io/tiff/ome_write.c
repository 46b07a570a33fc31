/* Writing the XML of OME-TIFF: that of the model with everything that is no longer true rewritten,
 * or a fresh document. Unchanged XML would claim the slices, type and files of another file. */

#include "lib/io/tiff/ome_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const ome_namespace = "http://www.openmicroscopy.org/Schemas/OME/2016-06";

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static void
ome_write_set(xmlNode *node, const char *name, const char *fmt, ...)
{
    char text[160];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (node) xmlSetProp(node, (const xmlChar *)name, (const xmlChar *)text);
}

static xmlNode *tiff_ome_write_add(xmlNode *parent, const char *name)
{
    return parent ? xmlNewChild(parent, parent->ns, (const xmlChar *)name, NULL) : NULL;
}

static void ome_write_drop(xmlNode *node)
{
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

static void drop_all(xmlNode *parent, const char *name)
{
    for (xmlNode *n = scryi_ome_child(parent, name), *next; n; n = next) {
        next = scryi_ome_next(n, name);
        ome_write_drop(n);
    }
}

/* ---- a document for a file without a model ---- */

static void fresh_instrument(xmlNode *root, const scry_tiff_info *info)
{
    if (!(info->na > 0) && !(info->magnification > 0) && !info->immersion[0]) return;
    xmlNode *instrument = tiff_ome_write_add(root, "Instrument");
    ome_write_set(instrument, "ID", "Instrument:0");
    xmlNode *objective = tiff_ome_write_add(instrument, "Objective");
    ome_write_set(objective, "ID", "Objective:0:0");
    if (info->immersion[0]) ome_write_set(objective, "Immersion", "%s", info->immersion);
    if (info->na > 0) ome_write_set(objective, "LensNA", "%.9g", info->na);
    if (info->magnification > 0)
        ome_write_set(objective, "NominalMagnification", "%.9g", info->magnification);
}

static xmlDoc *fresh_document(const scry_tiff_info *info)
{
    xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
    xmlNode *root = doc ? xmlNewNode(NULL, (const xmlChar *)"OME") : NULL;
    if (!root) {
        xmlFreeDoc(doc);
        return NULL;
    }
    xmlDocSetRootElement(doc, root);
    xmlSetNs(root, xmlNewNs(root, (const xmlChar *)ome_namespace, NULL));
    fresh_instrument(root, info);
    const bool instrument = scryi_ome_child(root, "Instrument") != NULL;
    xmlNode *image = tiff_ome_write_add(root, "Image");
    ome_write_set(image, "ID", "Image:0");
    if (instrument) {
        ome_write_set(tiff_ome_write_add(image, "InstrumentRef"), "ID", "Instrument:0");
        xmlNode *settings = tiff_ome_write_add(image, "ObjectiveSettings");
        ome_write_set(settings, "ID", "Objective:0:0");
        if (info->refractive_index > 0)
            ome_write_set(settings, "RefractiveIndex", "%.9g", info->refractive_index);
    }
    ome_write_set(tiff_ome_write_add(image, "Pixels"), "ID", "Pixels:0");
    return doc;
}

/* ---- making it true ---- */

static void true_sizes(xmlNode *pixels, const scry_tiff_info *info)
{
    char was[16];
    const char *type = info->type == SCRY_TIFF_F32   ? "float"
                       : info->type == SCRY_TIFF_F64 ? "double"
                                                     : scry_tiff_type_name(info->type);
    const bool changed = !scryi_ome_text(pixels, "Type", was, sizeof was) || strcmp(was, type);
    ome_write_set(pixels, "DimensionOrder", "XY%c%c%c", info->order[0] - 32, info->order[1] - 32,
                  info->order[2] - 32);
    ome_write_set(pixels, "Type", "%s", type);
    ome_write_set(pixels, "SizeX", "%zu", info->x);
    ome_write_set(pixels, "SizeY", "%zu", info->y);
    ome_write_set(pixels, "SizeC", "%zu", info->c);
    ome_write_set(pixels, "SizeZ", "%zu", info->z);
    ome_write_set(pixels, "SizeT", "%zu", info->t);
    if (changed) xmlUnsetProp(pixels, (const xmlChar *)"SignificantBits");
    xmlUnsetProp(pixels, (const xmlChar *)"BigEndian"); /* the TIFF header says it */
    if (info->samples > 1)
        ome_write_set(pixels, "Interleaved", "true");
    else
        xmlUnsetProp(pixels, (const xmlChar *)"Interleaved");
}

/* Sizes that did not change keep the digits and the unit of the document. */
static void true_calibration(xmlNode *pixels, const scry_tiff_info *info)
{
    static const char *const names[3] = {"PhysicalSizeZ", "PhysicalSizeY", "PhysicalSizeX"};
    char unit[32];
    for (size_t i = 0; i < 3; i++) {
        const double um = info->pixel_um[i], was = scryi_ome_length(pixels, names[i], "um", 1);
        if (!(um > 0) || fabs(was - um) <= 1e-9 * um) continue;
        snprintf(unit, sizeof unit, "%sUnit", names[i]);
        ome_write_set(pixels, names[i], "%.12g", um);
        ome_write_set(pixels, unit, "\xc2\xb5m");
    }
    double interval = 0;
    if (info->frame_s > 0 && !scryi_ome_number(pixels, "TimeIncrement", &interval)) {
        ome_write_set(pixels, "TimeIncrement", "%.12g", info->frame_s);
        ome_write_set(pixels, "TimeIncrementUnit", "s");
    }
}

static void fill_channel(xmlNode *channel, const scry_tiff_info *info, size_t i)
{
    ome_write_set(channel, "ID", "Channel:0:%zu", i);
    if (i >= info->channel_count) return;
    const scry_tiff_channel *c = &info->channels[i];
    if (c->name[0]) ome_write_set(channel, "Name", "%s", c->name);
    if (c->emission_nm > 0) ome_write_set(channel, "EmissionWavelength", "%.9g", c->emission_nm);
    if (c->excitation_nm > 0)
        ome_write_set(channel, "ExcitationWavelength", "%.9g", c->excitation_nm);
    if (c->pinhole_um > 0) ome_write_set(channel, "PinholeSize", "%.9g", c->pinhole_um);
}

/* One Channel for each page that a (z, t) has; TiffData follows them, as the schema orders. */
static void true_channels(xmlNode *pixels, const scry_tiff_info *info)
{
    const size_t count = info->c / info->samples;
    xmlNode *last = NULL, *next;
    size_t i = 0;
    for (xmlNode *c = scryi_ome_child(pixels, "Channel"); c; c = next) {
        next = scryi_ome_next(c, "Channel");
        if (i++ >= count)
            ome_write_drop(c);
        else
            last = c;
    }
    for (; i < count; i++) {
        xmlNode *c = tiff_ome_write_add(pixels, "Channel");
        if (!c) return;
        fill_channel(c, info, i);
        if (last) xmlAddNextSibling(last, c);
        last = c;
    }
    for (xmlNode *c = scryi_ome_child(pixels, "Channel"); c; c = scryi_ome_next(c, "Channel"))
        ome_write_set(c, "SamplesPerPixel", "%zu", info->samples);
    xmlNode *data = tiff_ome_write_add(pixels, "TiffData");
    ome_write_set(data, "IFD", "0");
    ome_write_set(data, "PlaneCount", "%zu", info->c / info->samples * info->z * info->t);
    if (last && data) xmlAddNextSibling(last, data);
}

/* Times and positions of planes that are not in this file. */
static void true_planes(xmlNode *pixels, const scry_tiff_info *info)
{
    xmlNode *next;
    for (xmlNode *p = scryi_ome_child(pixels, "Plane"); p; p = next) {
        double c = 0, z = 0, t = 0;
        next = scryi_ome_next(p, "Plane");
        scryi_ome_number(p, "TheC", &c);
        scryi_ome_number(p, "TheZ", &z);
        scryi_ome_number(p, "TheT", &t);
        if (c >= (double)info->c || z >= (double)info->z || t >= (double)info->t) ome_write_drop(p);
    }
}

static bool make_true(xmlDoc *doc, const scry_tiff_info *info, const unsigned char uuid[16])
{
    char text[48] = "urn:uuid:";
    size_t at = strlen(text);
    xmlNode *root = xmlDocGetRootElement(doc), *image = scryi_ome_child(root, "Image"), *next;
    for (size_t i = 0; i < info->series_at && image; i++) { /* images that are not written */
        next = scryi_ome_next(image, "Image");
        ome_write_drop(image);
        image = next;
    }
    xmlNode *pixels = scryi_ome_child(image, "Pixels");
    if (!pixels) return false;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
        at += (size_t)snprintf(text + at, sizeof text - at, "%02x", uuid[i]);
    }
    ome_write_set(root, "UUID", "%s", text);
    ome_write_set(root, "Creator", "scry %s", SCRY_VERSION);
    for (xmlNode *i = scryi_ome_next(image, "Image"); i; i = next) {
        next = scryi_ome_next(i, "Image");
        ome_write_drop(i);
    }
    drop_all(pixels, "TiffData");
    drop_all(pixels, "BinData");
    drop_all(pixels, "MetadataOnly");
    true_sizes(pixels, info);
    true_calibration(pixels, info);
    true_channels(pixels, info);
    true_planes(pixels, info);
    return true;
}

char *scryi_ome_describe(const scry_tiff_info *info, const unsigned char uuid[16], scry_error *err)
{
    xmlChar *text = NULL;
    char *out = NULL;
    int n = 0;
    const bool model = scryi_ome_detect(info->description);
    xmlDoc *doc = model ? scryi_ome_parse(info->description, err,
                                          "the file that the output is "
                                          "modelled on")
                        : fresh_document(info);
    if (!doc) {
        if (!model) SCRY_FAIL(err, SCRY_ENOMEM, "OME-XML");
        return NULL;
    }
    if (!make_true(doc, info, uuid)) {
        SCRY_FAIL(err, SCRY_EFORMAT,
                  "the OME-XML of the file that the output is modelled on has no "
                  "Image with Pixels");
        goto done;
    }
    xmlDocDumpFormatMemoryEnc(doc, &text, &n, "UTF-8", 0);
    out = text ? strdup((const char *)text) : NULL;
    if (!out) SCRY_FAIL(err, SCRY_ENOMEM, "OME-XML");
done:
    if (text) xmlFree(text);
    xmlFreeDoc(doc);
    return out;
}
