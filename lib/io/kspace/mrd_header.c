/* The XML header of ISMRMRD files. The text comes from a file that may be hostile: documents with a
 * DTD are refused before parsing (so there are no entities to expand), libxml2 is kept from the
 * network and within its own limits on depth and size. */

#include "lib/io/kspace/mrd_header_impl.h"

#include "lib/memory.h"

#include <ctype.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_TEXT = 1 << 24, MAX_COUNT = 65535 /* xs:unsignedShort */ };

static const char namespace_uri[] = "http://www.ismrm.org/ISMRMRD";
static const char axis_name[3][2] = {"z", "y", "x"};

/* In the order of scryi_mrd_counter. */
static const char *const counter_name[SCRYI_MRD_COUNTERS] = {"kspace_encoding_step_1",
                                                             "kspace_encoding_step_2",
                                                             "slice",
                                                             "repetition",
                                                             "contrast",
                                                             "phase",
                                                             "set",
                                                             "average"};

/* The schema lists limits in this order; its xs:all does not ask for it, some readers do. */
static const scryi_mrd_counter written_order[SCRYI_MRD_COUNTERS] = {
    SCRYI_MRD_STEP_1,   SCRYI_MRD_STEP_2, SCRYI_MRD_AVERAGE,    SCRYI_MRD_SLICE,
    SCRYI_MRD_CONTRAST, SCRYI_MRD_PHASE,  SCRYI_MRD_REPETITION, SCRYI_MRD_SET};

/* ---- reading ---- */

static bool mrd_header_is(const xmlNode *n, const char *name)
{
    if (n->type != XML_ELEMENT_NODE) return false;
    /* a prefix that was never declared stays part of the name */
    const char *own = (const char *)n->name, *colon = strrchr(own, ':');
    return !strcasecmp(colon ? colon + 1 : own, name);
}

static const xmlNode *mrd_header_first(const xmlNode *n, const char *name)
{
    while (n && !mrd_header_is(n, name))
        n = n->next;
    return n;
}

static const xmlNode *mrd_header_child(const xmlNode *parent, const char *name)
{
    return parent ? mrd_header_first(parent->children, name) : NULL;
}

/* Text of a node without the blanks around it; false when there is none. */
static bool text_of(const xmlNode *n, char *out, size_t size)
{
    out[0] = '\0';
    xmlChar *value = n ? xmlNodeGetContent(n) : NULL;
    if (!value) return false;
    const char *from = (const char *)value;
    while (isspace((unsigned char)*from))
        from++;
    size_t count = strlen(from);
    while (count && isspace((unsigned char)from[count - 1]))
        count--;
    if (count >= size) {
        count = size - 1;
        while (count && (from[count] & 0xc0) == 0x80)
            count--; /* whole UTF-8 characters */
    }
    snprintf(out, size, "%.*s", (int)count, from);
    xmlFree(value);
    return out[0] != '\0';
}

/* Messages name elements by their path, of which this is the end: "encoding/reconSpace/x". */
static scry_status mrd_header_wrong(const xmlNode *n, const char *found, const char *expected,
                                    const char *name, scry_error *err)
{
    const char *names[4] = {NULL};
    size_t depth = 0;
    for (; n && n->type == XML_ELEMENT_NODE && depth < 4; n = n->parent)
        names[depth++] = (const char *)n->name;
    char path[128] = "";
    while (depth--) {
        const size_t at = strlen(path);
        snprintf(path + at, sizeof path - at, "%.30s%s", names[depth], depth ? "/" : "");
    }
    return SCRY_FAIL(err, SCRY_EFORMAT, "%s: %s is \"%.40s\", expected %s", name, path, found,
                     expected);
}

static bool to_number(const char *text, double *out)
{
    char *end;
    if (text[strspn(text, "+-.0123456789eE")]) return false; /* no hexadecimal, no nan */
    const double v = strtod(text, &end);
    if (end == text || *end || !isfinite(v)) return false;
    *out = v;
    return true;
}

/* A whole number; an element that is absent or empty leaves *out, as does a NULL node. */
static scry_status read_count(const xmlNode *n, size_t low, size_t *out, const char *name,
                              scry_error *err)
{
    char text[64], expected[64];
    double v = 0;
    if (!text_of(n, text, sizeof text)) return SCRY_OK;
    if (to_number(text, &v) && v == floor(v) && v >= (double)low && v <= MAX_COUNT) {
        *out = (size_t)v;
        return SCRY_OK;
    }
    snprintf(expected, sizeof expected, "a whole number from %zu to %d", low, MAX_COUNT);
    return mrd_header_wrong(n, text, expected, name, err);
}

static scry_status read_positive(const xmlNode *n, double *out, const char *name, scry_error *err)
{
    char text[64];
    double v = 0;
    if (!text_of(n, text, sizeof text)) return SCRY_OK;
    if (!to_number(text, &v) || v < 0)
        return mrd_header_wrong(n, text, "a number that is not negative", name, err);
    *out = v;
    return SCRY_OK;
}

static scry_status read_space(const xmlNode *encoding, const char *which, size_t size[3],
                              double fov[3], const char *name, scry_error *err)
{
    scry_status st = SCRY_OK;
    const xmlNode *space = mrd_header_child(encoding, which);
    const xmlNode *matrix = mrd_header_child(space, "matrixSize"),
                  *mm = mrd_header_child(space, "fieldOfView_mm");
    if (!mrd_header_child(matrix, "x") || !mrd_header_child(matrix, "y"))
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: encoding/%s/matrixSize with x and y is missing",
                         name, which);
    for (int i = 0; i < 3 && st == SCRY_OK; i++) {
        size[i] = 1; /* the default of the schema; 0 planes are written by some converters */
        st = read_count(mrd_header_child(matrix, axis_name[i]), i ? 1 : 0, &size[i], name, err);
        if (!size[i]) size[i] = 1;
        if (st == SCRY_OK)
            st = read_positive(mrd_header_child(mm, axis_name[i]), &fov[i], name, err);
    }
    return st;
}

static scry_status read_limit(const xmlNode *n, scryi_mrd_limit *l, const char *name,
                              scry_error *err)
{
    scry_status st = SCRY_OK;
    if (!n) return SCRY_OK;
    l->stated = true;
    if ((st = read_count(mrd_header_child(n, "minimum"), 0, &l->minimum, name, err)) != SCRY_OK ||
        (st = read_count(mrd_header_child(n, "maximum"), 0, &l->maximum, name, err)) != SCRY_OK ||
        (st = read_count(mrd_header_child(n, "center"), 0, &l->center, name, err)) != SCRY_OK)
        return st;
    if (l->minimum > l->maximum)
        st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: encodingLimits/%s: minimum %zu exceeds maximum %zu",
                       name, (const char *)n->name, l->minimum, l->maximum);
    return st;
}

static void mrd_header_lower(char *text)
{
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

static scry_status read_encoding(const xmlNode *n, scryi_mrd_encoding *e, const char *name,
                                 scry_error *err)
{
    scry_status st = read_space(n, "encodedSpace", e->encoded, e->encoded_fov, name, err);
    if (st == SCRY_OK) st = read_space(n, "reconSpace", e->recon, e->recon_fov, name, err);
    const xmlNode *limits = mrd_header_child(n, "encodingLimits");
    for (int i = 0; i < SCRYI_MRD_COUNTERS && st == SCRY_OK; i++)
        st = read_limit(mrd_header_child(limits, counter_name[i]), &e->limits[i], name, err);
    text_of(mrd_header_child(n, "trajectory"), e->trajectory, sizeof e->trajectory);
    text_of(mrd_header_child(mrd_header_child(n, "parallelImaging"), "calibrationMode"),
            e->calibration, sizeof e->calibration);
    mrd_header_lower(e->trajectory);
    mrd_header_lower(e->calibration);
    return st;
}

static scry_status read_root(const xmlNode *root, scryi_mrd_header *h, const char *name,
                             scry_error *err)
{
    scry_status st = SCRY_OK;
    const xmlNode *system = mrd_header_child(root, "acquisitionSystemInformation");
    const xmlNode *sequence = mrd_header_child(root, "sequenceParameters");
    for (const xmlNode *n = mrd_header_child(root, "encoding"); n;
         n = mrd_header_first(n->next, "encoding")) {
        if (h->encodings == SCRYI_MRD_MAX_ENCODINGS)
            return SCRY_FAIL(err, SCRY_EUNSUP, "%s: more than %d <encoding> blocks", name,
                             SCRYI_MRD_MAX_ENCODINGS);
        if ((st = read_encoding(n, &h->encoding[h->encodings], name, err)) != SCRY_OK) return st;
        h->encodings++;
    }
    if (!h->encodings) return SCRY_FAIL(err, SCRY_EFORMAT, "%s: no <encoding> block", name);
    text_of(mrd_header_child(system, "systemVendor"), h->vendor, sizeof h->vendor);
    text_of(mrd_header_child(system, "systemModel"), h->model, sizeof h->model);
    if (!text_of(mrd_header_child(mrd_header_child(root, "measurementInformation"), "protocolName"),
                 h->protocol, sizeof h->protocol))
        text_of(mrd_header_child(mrd_header_child(root, "studyInformation"), "studyDescription"),
                h->protocol, sizeof h->protocol);
    const struct {
        const xmlNode *node;
        double *to;
    } numbers[] = {
        {mrd_header_child(system, "systemFieldStrength_T"), &h->field_strength},
        {mrd_header_child(system, "relativeReceiverNoiseBandwidth"), &h->noise_bandwidth},
        {mrd_header_child(sequence, "TR"), &h->tr},
        {mrd_header_child(sequence, "TE"), &h->te}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && st == SCRY_OK; i++)
        st = read_positive(numbers[i].node, numbers[i].to, name, err);
    if (st != SCRY_OK) return st;
    return read_count(mrd_header_child(system, "receiverChannels"), 0, &h->channels, name, err);
}

static bool mrd_header_holds(const char *text, size_t bytes, const char *word)
{
    const size_t n = strlen(word);
    for (size_t i = 0; i + n <= bytes; i++)
        if (text[i] == '<' && !memcmp(text + i, word, n)) return true;
    return false;
}

scry_status scryi_mrd_parse(scryi_mrd_header *h, const char *text, size_t bytes, const char *name,
                            scry_error *err)
{
    const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING;
    scry_status st = SCRY_OK;
    *h = (scryi_mrd_header){0};
    while (bytes && text[bytes - 1] == '\0')
        bytes--; /* fixed-length strings are padded */
    if (bytes > MAX_TEXT)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: %zu characters, expected at most %d", name, bytes,
                         MAX_TEXT);
    if (mrd_header_holds(text, bytes, "<!DOCTYPE") || mrd_header_holds(text, bytes, "<!ENTITY"))
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: has a document type declaration", name);
    /* the encoding is given, so that a declared one cannot hide a DTD */
    xmlDoc *doc = xmlReadMemory(text, (int)bytes, "ismrmrd.xml", "UTF-8", options);
    if (!doc) doc = xmlReadMemory(text, (int)bytes, "ismrmrd.xml", "ISO-8859-1", options);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    if (!root || doc->intSubset || doc->extSubset) {
        const xmlError *e = xmlGetLastError();
        st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: is not XML: line %d: %.*s", name, e ? e->line : 0,
                       e && e->message ? (int)strcspn(e->message, "\n") : 10,
                       e && e->message ? e->message : "no element");
    } else if (!mrd_header_is(root, "ismrmrdHeader")) {
        st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: the root element is <%.40s>, expected ismrmrdHeader",
                       name, (const char *)root->name);
    } else {
        st = read_root(root, h, name, err);
    }
    xmlFreeDoc(doc);
    return st;
}

/* ---- writing ---- */

/* Libxml2 reports refused memory by NULL; one flag for the whole document. */
typedef struct pen {
    xmlNs *ns;
    bool broken;
} pen;

static xmlNode *mrd_header_put(pen *p, xmlNode *to, const char *name, const char *text)
{
    xmlNode *n =
        to ? xmlNewTextChild(to, p->ns, (const xmlChar *)name, (const xmlChar *)text) : NULL;
    if (!n) p->broken = true;
    return n;
}

/* Text from other files: XML has no control characters, and takes UTF-8 only. */
static void put_text(pen *p, xmlNode *to, const char *name, const char *text)
{
    char clean[64];
    snprintf(clean, sizeof clean, "%s", text);
    const bool utf8 = xmlCheckUTF8((const xmlChar *)clean);
    for (char *c = clean; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127 || (!utf8 && (unsigned char)*c > 127)) *c = '?';
    mrd_header_put(p, to, name, clean);
}

static void put_count(pen *p, xmlNode *to, const char *name, size_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%zu", value);
    mrd_header_put(p, to, name, text);
}

static void put_number(pen *p, xmlNode *to, const char *name, double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.9g", value);
    mrd_header_put(p, to, name, text);
}

static void put_space(pen *p, xmlNode *encoding, const char *which, const size_t size[3],
                      const double fov[3])
{
    xmlNode *space = mrd_header_put(p, encoding, which, NULL);
    xmlNode *matrix = mrd_header_put(p, space, "matrixSize", NULL);
    for (int i = 2; i >= 0; i--)
        put_count(p, matrix, axis_name[i], size[i]);
    xmlNode *mm = mrd_header_put(p, space, "fieldOfView_mm", NULL);
    for (int i = 2; i >= 0; i--)
        put_number(p, mm, axis_name[i], fov[i]);
}

static void put_encoding(pen *p, xmlNode *root, const scryi_mrd_encoding *e)
{
    xmlNode *n = mrd_header_put(p, root, "encoding", NULL);
    put_space(p, n, "encodedSpace", e->encoded, e->encoded_fov);
    put_space(p, n, "reconSpace", e->recon, e->recon_fov);
    xmlNode *limits = mrd_header_put(p, n, "encodingLimits", NULL);
    for (int i = 0; i < SCRYI_MRD_COUNTERS; i++) {
        const scryi_mrd_limit *l = &e->limits[written_order[i]];
        if (!l->stated) continue;
        xmlNode *limit = mrd_header_put(p, limits, counter_name[written_order[i]], NULL);
        put_count(p, limit, "minimum", l->minimum);
        put_count(p, limit, "maximum", l->maximum);
        put_count(p, limit, "center", l->center);
    }
    put_text(p, n, "trajectory", e->trajectory[0] ? e->trajectory : "cartesian");
}

static void put_system(pen *p, xmlNode *root, const scryi_mrd_header *h)
{
    xmlNode *n = mrd_header_put(p, root, "acquisitionSystemInformation", NULL);
    if (h->vendor[0]) put_text(p, n, "systemVendor", h->vendor);
    if (h->model[0]) put_text(p, n, "systemModel", h->model);
    if (h->field_strength > 0) put_number(p, n, "systemFieldStrength_T", h->field_strength);
    if (h->noise_bandwidth > 0)
        put_number(p, n, "relativeReceiverNoiseBandwidth", h->noise_bandwidth);
    if (h->channels) put_count(p, n, "receiverChannels", h->channels);
    /* Required. Proton, CODATA 2018: 42.577 478 518 MHz/T; 0 when the field is not known. */
    n = mrd_header_put(p, root, "experimentalConditions", NULL);
    put_count(p, n, "H1resonanceFrequency_Hz", (size_t)lround(42.577478518e6 * h->field_strength));
}

scry_status scryi_mrd_format(char **text, const scryi_mrd_header *h, scry_error *err)
{
    pen p = {0};
    xmlChar *dumped = NULL;
    int bytes = 0;
    *text = NULL;
    xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
    xmlNode *root = doc ? xmlNewNode(NULL, (const xmlChar *)"ismrmrdHeader") : NULL;
    if (!root) goto done;
    xmlDocSetRootElement(doc, root);
    p.ns = xmlNewNs(root, (const xmlChar *)namespace_uri, NULL);
    p.broken = !p.ns;
    xmlSetNs(root, p.ns);
    if (h->protocol[0])
        put_text(&p, mrd_header_put(&p, root, "studyInformation", NULL), "studyDescription",
                 h->protocol);
    put_system(&p, root, h);
    for (size_t i = 0; i < h->encodings; i++)
        put_encoding(&p, root, &h->encoding[i]);
    if (h->tr > 0 || h->te > 0) {
        xmlNode *sequence = mrd_header_put(&p, root, "sequenceParameters", NULL);
        if (h->tr > 0) put_number(&p, sequence, "TR", h->tr);
        if (h->te > 0) put_number(&p, sequence, "TE", h->te);
    }
    if (!p.broken) xmlDocDumpFormatMemoryEnc(doc, &dumped, &bytes, "US-ASCII", 1);
    if (dumped) *text = scry_alloc((size_t)bytes + 1, 1);
    if (*text) memcpy(*text, dumped, (size_t)bytes);
done:
    xmlFree(dumped);
    xmlFreeDoc(doc);
    return *text ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "ISMRMRD header");
}

/* ---- to and from info ---- */

/* Axis of the image that the header's axis i is. */
static int image_axis(const scry_kspace_info *info, int i)
{
    return info->readout == 1 && i ? 3 - i : i;
}

void scryi_mrd_describe(scry_kspace_info *info, const scryi_mrd_header *h, size_t encoding)
{
    const scryi_mrd_encoding *e = &h->encoding[encoding];
    /* vendors tend to repeat their name in the model */
    const bool both = h->vendor[0] && h->model[0] && !strstr(h->model, h->vendor);
    snprintf(info->system, sizeof info->system, "%.31s%s%.31s",
             both || !h->model[0] ? h->vendor : "", both ? " " : "", h->model);
    snprintf(info->trajectory, sizeof info->trajectory, "%s", e->trajectory);
    if (!info->acquisition[0])
        snprintf(info->acquisition, sizeof info->acquisition, "%s", h->protocol);
    info->field_strength = h->field_strength;
    info->tr = h->tr;
    info->te = h->te;
    for (int i = 0; i < 3; i++) {
        info->encoded_fov[image_axis(info, i)] = e->encoded_fov[i];
        info->recon_fov[image_axis(info, i)] = e->recon_fov[i];
    }
}

static scryi_mrd_limit mrd_header_whole(size_t n, size_t center)
{
    return (scryi_mrd_limit){.stated = true, .maximum = n ? n - 1 : 0, .center = center};
}

void scryi_mrd_from_info(scryi_mrd_header *h, const scry_kspace_info *info)
{
    const size_t size[3] = {info->nz, info->ny, info->nx};
    *h = (scryi_mrd_header){.encodings = 1,
                            .channels = info->coils,
                            .tr = info->tr,
                            .te = info->te,
                            .field_strength = info->field_strength};
    scryi_mrd_encoding *e = &h->encoding[0];
    for (int i = 0; i < 3; i++) {
        const int axis = image_axis(info, i);
        e->encoded[i] = size[axis];
        e->recon[i] = info->recon[axis];
        e->encoded_fov[i] = info->encoded_fov[axis];
        e->recon_fov[i] = info->recon_fov[axis];
    }
    e->limits[SCRYI_MRD_STEP_1] = mrd_header_whole(e->encoded[1], e->encoded[1] / 2);
    e->limits[SCRYI_MRD_STEP_2] = mrd_header_whole(e->encoded[0], e->encoded[0] / 2);
    for (int i = SCRYI_MRD_SLICE; i < SCRYI_MRD_COUNTERS; i++)
        e->limits[i] = mrd_header_whole(i == SCRYI_MRD_SLICE        ? info->slices
                                        : i == SCRYI_MRD_REPETITION ? info->frames
                                                                    : 1,
                                        0);
    snprintf(e->trajectory, sizeof e->trajectory, "cartesian");
    snprintf(h->model, sizeof h->model, "%s", info->system);
    snprintf(h->protocol, sizeof h->protocol, "%s", info->acquisition);
}
