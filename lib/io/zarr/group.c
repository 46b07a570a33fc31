/* From a folder to the array that holds the pixels of an image, and to what its axes mean. */

#include "lib/io/zarr/zarr_impl.h"

#include "lib/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SERIES_MAX = 1 << 16 };

void scryi_zarr_image_free(struct scryi_zarr_image *m)
{
    scry_free(m->channels);
    scry_free(m->series_names);
    m->channels = NULL;
    m->series_names = NULL;
}

scry_status scryi_zarr_attributes(scry_json **doc, const scry_json_node **attributes, int *version,
                                  const char *folder, scry_error *err)
{
    char path[SCRYI_ZARR_PATH];
    scry_error inner = {0};
    const scry_json_node *ome = NULL;
    *doc = NULL;
    *attributes = NULL;
    scry_status st = scryi_zarr_inside(path, folder, "zarr.json", err);
    if (st != SCRY_OK) return st;
    *version = !access(path, F_OK) ? 3 : 2;
    if (*version == 2 && (st = scryi_zarr_inside(path, folder, ".zattrs", err)) != SCRY_OK)
        return st;
    if (access(path, F_OK)) return SCRY_OK;
    st = scry_json_read(doc, path, SCRYI_ZARR_JSON, &inner);
    const scry_json_node *node = *doc ? scry_json_root(*doc) : NULL;
    if (st == SCRY_OK && !scry_json_is_object(node))
        st = SCRY_FAIL(&inner, SCRY_EFORMAT, "expected a JSON object");
    if (st == SCRY_OK && *version == 3) {
        st = scry_json_object(*doc, node, "attributes", SCRY_JSON_OPTIONAL, attributes, &inner);
        if (st == SCRY_OK && *attributes)
            st = scry_json_object(*doc, *attributes, "ome", SCRY_JSON_OPTIONAL, &ome, &inner);
        if (ome) *attributes = ome;
    } else if (st == SCRY_OK) {
        *attributes = node;
    }
    if (st == SCRY_OK) return st;
    scry_json_free(*doc);
    *doc = NULL;
    scry_error_name(&inner, path);
    return SCRY_FAIL(err, st, "%s", inner.text);
}

/* ---- axes ---- */

/* Micrometres or seconds in a unit of the specification; 0: none of them. */
static double group_unit(const char *unit)
{
    static const struct {
        const char *name;
        double value;
    } units[] = {{"micrometer", 1},
                 {"micrometre", 1},
                 {"um", 1},
                 {"\xc2\xb5m", 1},
                 {"micron", 1},
                 {"nanometer", 1e-3},
                 {"nm", 1e-3},
                 {"angstrom", 1e-4},
                 {"picometer", 1e-6},
                 {"millimeter", 1e3},
                 {"mm", 1e3},
                 {"centimeter", 1e4},
                 {"meter", 1e6},
                 {"inch", 25400},
                 {"second", 1},
                 {"s", 1},
                 {"millisecond", 1e-3},
                 {"ms", 1e-3},
                 {"microsecond", 1e-6},
                 {"nanosecond", 1e-9},
                 {"minute", 60},
                 {"hour", 3600},
                 {"day", 86400}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(unit, units[i].name)) return units[i].value;
    return 0;
}

static scry_status group_place_axis(struct scryi_zarr_image *m, const char *name, const char *type,
                                    scry_error *err)
{
    char axis = '?';
    if (!strcmp(type, "time") || !strcmp(name, "t"))
        axis = 't';
    else if (!strcmp(type, "channel") || !strcmp(name, "c"))
        axis = 'c';
    else if (strlen(name) == 1 && strchr("zyxZYX", *name))
        axis = (char)(*name | 32);
    for (int i = 0; i < m->rank; i++)
        if (axis != '?' && m->axis[i] == axis)
            return SCRY_FAIL(err, SCRY_EFORMAT, "two axes are '%c'", axis);
    m->axis[m->rank++] = axis;
    return SCRY_OK;
}

/* An axis is a name (0.3), or an object; older files have none: t, c, z, y, x. */
static scry_status group_axes(struct scryi_zarr_image *m, const scry_json *doc,
                              const scry_json_node *scales, double *factor, scry_error *err)
{
    const scry_json_node *list = NULL;
    scry_status st = scry_json_array(doc, scales, "axes", SCRY_JSON_OPTIONAL, &list, err);
    if (st != SCRY_OK) return st;
    m->rank = 0;
    if (!list) {
        memcpy(m->axis, "tczyx", SCRYI_ZARR_RANK);
        m->rank = SCRYI_ZARR_RANK;
        return st;
    }
    if (scry_json_count(list) < 2 || scry_json_count(list) > SCRYI_ZARR_RANK)
        return SCRY_FAIL(err, SCRY_EUNSUP, "\"axes\" has %zu entries, expected 2 to %d",
                         scry_json_count(list), SCRYI_ZARR_RANK);
    for (const scry_json_node *i = scry_json_first(list); i; i = scry_json_next(i)) {
        const char *name = "", *type = "", *unit = "";
        if (!scry_json_is_object(i))
            st = scry_json_to_string(doc, i, &name, err);
        else if ((st = scry_json_string(doc, i, "name", SCRY_JSON_REQUIRED, &name, err)) == SCRY_OK)
            st = scry_json_string(doc, i, "type", SCRY_JSON_OPTIONAL, &type, err);
        if (st == SCRY_OK && scry_json_is_object(i))
            st = scry_json_string(doc, i, "unit", SCRY_JSON_OPTIONAL, &unit, err);
        if (st != SCRY_OK) return st;
        factor[m->rank] = group_unit(unit);
        if ((st = group_place_axis(m, name, type, err)) != SCRY_OK) return st;
    }
    if (!memchr(m->axis, 'y', (size_t)m->rank) || !memchr(m->axis, 'x', (size_t)m->rank))
        return SCRY_FAIL(err, SCRY_EUNSUP, "\"axes\" has no y or no x");
    return st;
}

/* ---- scales ---- */

/* Multiplies m->scale with the scales of a list of transformations. */
static scry_status group_scale(struct scryi_zarr_image *m, const scry_json *doc,
                               const scry_json_node *from, scry_error *err)
{
    const scry_json_node *list = NULL, *numbers;
    const char *type = "";
    scry_status st =
        scry_json_array(doc, from, "coordinateTransformations", SCRY_JSON_OPTIONAL, &list, err);
    for (const scry_json_node *i = list ? scry_json_first(list) : NULL; st == SCRY_OK && i;
         i = scry_json_next(i)) {
        int n = 0;
        numbers = NULL;
        st = scry_json_string(doc, i, "type", SCRY_JSON_REQUIRED, &type, err);
        if (st != SCRY_OK || strcmp(type, "scale") != 0) continue;
        st = scry_json_array(doc, i, "scale", SCRY_JSON_OPTIONAL, &numbers, err);
        if (st != SCRY_OK || !numbers) continue; /* a file of its own: not followed */
        if (scry_json_count(numbers) != (size_t)m->rank)
            return SCRY_FAIL(err, SCRY_EFORMAT, "a scale of %zu numbers for %d axes",
                             scry_json_count(numbers), m->rank);
        for (const scry_json_node *k = scry_json_first(numbers); st == SCRY_OK && k;
             k = scry_json_next(k), n++) {
            double s = 1;
            st = scry_json_to_number(doc, k, &s, err);
            if (st == SCRY_OK && !(isfinite(s) && s > 0))
                st = SCRY_FAIL(err, SCRY_EFORMAT, "a scale of %g, expected more than 0", s);
            m->scale[n] *= s;
        }
    }
    return st;
}

/* Without a single unit, scales other than 1 are micrometres and seconds, as writers mean them. */
static void group_units(struct scryi_zarr_image *m, const double *factor)
{
    bool any = false;
    for (int i = 0; i < m->rank; i++)
        any = any || factor[i] > 0;
    for (int i = 0; i < m->rank; i++) {
        const bool given = m->scale[i] < 1 || m->scale[i] > 1;
        m->known[i] = factor[i] > 0 || (!any && given);
        m->assumed = m->assumed || (!any && given && strchr("zyx", m->axis[i]));
        if (factor[i] > 0) m->scale[i] *= factor[i];
    }
}

/* ---- channels ---- */

static scry_status group_channels(struct scryi_zarr_image *m, const scry_json *doc,
                                  const scry_json_node *attributes, scry_error *err)
{
    const scry_json_node *omero = NULL, *list = NULL;
    /* transitional metadata of a viewer: what is not as it should be is not used */
    scry_json_object(doc, attributes, "omero", SCRY_JSON_OPTIONAL, &omero, NULL);
    if (omero) scry_json_array(doc, omero, "channels", SCRY_JSON_OPTIONAL, &list, NULL);
    const size_t n = list ? scry_json_count(list) : 0;
    if (!n || n > UINT16_MAX) return SCRY_OK;
    if (!(m->channels = scry_alloc(n, sizeof *m->channels)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu channels", n);
    for (const scry_json_node *i = scry_json_first(list); i; i = scry_json_next(i)) {
        const char *label = "";
        if (scry_json_is_object(i))
            scry_json_string(doc, i, "label", SCRY_JSON_OPTIONAL, &label, NULL);
        snprintf(m->channels[m->channel_count].name, sizeof m->channels->name, "%s", label);
        m->channel_count++;
    }
    return SCRY_OK;
}

/* ---- the image of a group ---- */

static scry_status group_multiscales(struct scryi_zarr_image *m, const scry_json *doc,
                                     const scry_json_node *attributes, const char *folder,
                                     scry_error *err)
{
    const scry_json_node *list = NULL, *sets = NULL;
    const char *path = NULL, *version = "";
    double factor[SCRYI_ZARR_RANK] = {0};
    scry_status st =
        scry_json_array(doc, attributes, "multiscales", SCRY_JSON_REQUIRED, &list, err);
    if (st != SCRY_OK) return st;
    const scry_json_node *scales = scry_json_first(list);
    if (!scales || !scry_json_is_object(scales))
        return SCRY_FAIL(err, SCRY_EFORMAT, "\"multiscales\" has no image, expected one");
    m->several = scry_json_next(scales) != NULL;
    st = scry_json_string(doc, attributes, "version", SCRY_JSON_OPTIONAL, &version, err);
    if (st == SCRY_OK && !*version)
        st = scry_json_string(doc, scales, "version", SCRY_JSON_OPTIONAL, &version, err);
    if (st == SCRY_OK)
        st = scry_json_array(doc, scales, "datasets", SCRY_JSON_REQUIRED, &sets, err);
    if (st != SCRY_OK) return st;
    snprintf(m->ome, sizeof m->ome, "%s", *version ? version : "?");
    const scry_json_node *first = scry_json_first(sets);
    if (!first || !scry_json_is_object(first))
        return SCRY_FAIL(err, SCRY_EFORMAT, "\"datasets\" is empty, expected the full resolution");
    m->levels = scry_json_count(sets) - 1;
    if ((st = scry_json_string(doc, first, "path", SCRY_JSON_REQUIRED, &path, err)) != SCRY_OK)
        return st;
    if ((st = scryi_zarr_inside(m->folder, folder, path, err)) != SCRY_OK) return st;
    for (int i = 0; i < SCRYI_ZARR_RANK; i++)
        m->scale[i] = 1;
    if ((st = group_axes(m, doc, scales, factor, err)) != SCRY_OK) return st;
    if ((st = group_scale(m, doc, first, err)) != SCRY_OK) return st;
    if ((st = group_scale(m, doc, scales, err)) != SCRY_OK) return st;
    group_units(m, factor);
    return group_channels(m, doc, attributes, err);
}

/* ---- groups of several images ---- */

/* The names of the images: a list of names, or of objects with a path. */
static scry_status group_names(struct scryi_zarr_image *m, const scry_json *doc,
                               const scry_json_node *list, scry_error *err)
{
    const size_t n = scry_json_count(list);
    scry_status st = SCRY_OK;
    if (n > SERIES_MAX)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%zu images, expected at most %d", n, SERIES_MAX);
    scry_free(m->series_names);
    if (!(m->series_names = scry_alloc(n ? n : 1, sizeof *m->series_names)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu names of images", n);
    m->series = 0;
    for (const scry_json_node *i = scry_json_first(list); st == SCRY_OK && i;
         i = scry_json_next(i)) {
        const char *name = "";
        st = scry_json_is_object(i)
                 ? scry_json_string(doc, i, "path", SCRY_JSON_REQUIRED, &name, err)
                 : scry_json_to_string(doc, i, &name, err);
        if (st == SCRY_OK && strlen(name) >= sizeof *m->series_names)
            st = SCRY_FAIL(err, SCRY_EUNSUP, "an image of the name \"%.40s...\"", name);
        snprintf(m->series_names[m->series++], sizeof *m->series_names, "%s", name);
    }
    return st;
}

/* bioformats2raw: the names are in OME/, or they are the numbers from 0. */
static scry_status group_raw_layout(struct scryi_zarr_image *m, const char *folder, scry_error *err)
{
    char path[SCRYI_ZARR_PATH];
    scry_json *doc = NULL;
    const scry_json_node *attributes = NULL, *list = NULL;
    int version;
    scry_status st = scryi_zarr_inside(path, folder, "OME", err);
    if (st == SCRY_OK) st = scryi_zarr_attributes(&doc, &attributes, &version, path, err);
    if (st == SCRY_OK && attributes)
        st = scry_json_array(doc, attributes, "series", SCRY_JSON_OPTIONAL, &list, err);
    if (st == SCRY_OK && list) st = group_names(m, doc, list, err);
    scry_json_free(doc);
    if (st != SCRY_OK || list) return st;
    scry_free(m->series_names);
    if (!(m->series_names = scry_alloc(SERIES_MAX, sizeof *m->series_names)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%d names of images", SERIES_MAX);
    for (m->series = 0; m->series < SERIES_MAX; m->series++) {
        char *name = m->series_names[m->series];
        snprintf(name, sizeof *m->series_names, "%zu", m->series);
        if ((st = scryi_zarr_inside(path, folder, name, err)) != SCRY_OK) return st;
        if (access(path, F_OK)) break;
    }
    return SCRY_OK;
}

static scry_status group_plate(const scry_json *doc, const scry_json_node *plate,
                               const char *folder, scry_error *err)
{
    const scry_json_node *wells = NULL, *first;
    const char *path = "A/1";
    scry_json_array(doc, plate, "wells", SCRY_JSON_OPTIONAL, &wells, NULL);
    first = wells ? scry_json_first(wells) : NULL;
    if (first && scry_json_is_object(first))
        scry_json_string(doc, first, "path", SCRY_JSON_OPTIONAL, &path, NULL);
    return SCRY_FAIL(err, SCRY_EUNSUP, "a plate of %zu wells, expected one of them: %s/%.40s",
                     wells ? scry_json_count(wells) : 0, folder, path);
}

/* *more: m names several images, and one of them is to be found. */
static scry_status group_read(struct scryi_zarr_image *m, bool *more, const scry_json *doc,
                              const scry_json_node *attributes, const char *folder, scry_error *err)
{
    const scry_json_node *node = NULL, *list = NULL;
    scry_status st = SCRY_OK;
    *more = false;
    if (scry_json_has(attributes, "multiscales"))
        return group_multiscales(m, doc, attributes, folder, err);
    if (scry_json_has(attributes, "plate")) {
        st = scry_json_object(doc, attributes, "plate", SCRY_JSON_REQUIRED, &node, err);
        return st == SCRY_OK ? group_plate(doc, node, folder, err) : st;
    }
    *more = true;
    if (scry_json_has(attributes, "bioformats2raw.layout")) return group_raw_layout(m, folder, err);
    if (scry_json_has(attributes, "well")) {
        st = scry_json_object(doc, attributes, "well", SCRY_JSON_REQUIRED, &node, err);
        if (st == SCRY_OK)
            st = scry_json_array(doc, node, "images", SCRY_JSON_REQUIRED, &list, err);
        return st == SCRY_OK ? group_names(m, doc, list, err) : st;
    }
    *more = false;
    return SCRY_OK;
}

/* The group `folder`; *found false: it is no image, and names none. */
static scry_status group_open(struct scryi_zarr_image *m, bool *found, bool *more,
                              const char *folder, scry_error *err)
{
    scry_json *doc = NULL;
    const scry_json_node *attributes = NULL;
    scry_error inner = {0};
    int version;
    *found = *more = false;
    scry_status st = scryi_zarr_attributes(&doc, &attributes, &version, folder, err);
    if (st != SCRY_OK || !attributes) goto done;
    st = group_read(m, more, doc, attributes, folder, &inner);
    *found = st == SCRY_OK && (*more || m->rank);
    if (st != SCRY_OK) {
        scry_error_name(&inner, folder);
        SCRY_FAIL(err, st, "%s", inner.text);
    }
done:
    scry_json_free(doc);
    return st;
}

scry_status scryi_zarr_image_find(struct scryi_zarr_image *out, const char *path, size_t series,
                                  scry_error *err)
{
    char folder[SCRYI_ZARR_PATH];
    bool found, more;
    *out = (struct scryi_zarr_image){.series = 1, .series_at = series};
    scry_status st = group_open(out, &found, &more, path, err);
    if (st == SCRY_OK && series >= out->series)
        st = SCRY_FAIL(err, SCRY_EINVAL,
                       "%s: %zu image%s in the folder, numbered from 0: there is no number %zu",
                       path, out->series, out->series == 1 ? "" : "s", series);
    if (st == SCRY_OK && found && more) {
        snprintf(out->root, sizeof out->root, "%s", path);
        st = scryi_zarr_inside(folder, path, out->series_names[series], err);
        if (st == SCRY_OK) st = group_open(out, &found, &more, folder, err);
        if (st == SCRY_OK && (!found || more))
            st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: no \"multiscales\", expected an image", folder);
    }
    /* a bare array, if there is one: its own metadata decide */
    if (st == SCRY_OK && !found &&
        snprintf(out->folder, sizeof out->folder, "%s", path) >= (int)sizeof out->folder)
        st = SCRY_FAIL(err, SCRY_EUNSUP, "%.80s...: a path of more than %d bytes", path,
                       SCRYI_ZARR_PATH - 1);
    if (st != SCRY_OK) scryi_zarr_image_free(out);
    return st;
}
