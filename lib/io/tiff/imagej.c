/* Metadata of ImageJ in TIFF files: "key=value" lines in the description of the first page
 * (ij.io.FileInfo.getDescriptionString, ij.io.TiffDecoder) and LUTs in tags 50838 and 50839. */

#include "lib/io/tiff/tiff_impl.h"

#include "lib/memory.h"
#include "lib/space.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool scryi_imagej_detect(const char *description)
{
    return description &&
           (!strncmp(description, "ImageJ=", 7) || !strncmp(description, "SCIFIO=", 7));
}

/* The text after "key=" at the start of a line and its length; NULL when there is no such line. */
static const char *imagej_find(const char *text, const char *key, size_t *n)
{
    const size_t k = strlen(key);
    while (text && *text) {
        if (!strncmp(text, key, k) && text[k] == '=') {
            *n = strcspn(text + k + 1, "\r\n");
            return text + k + 1;
        }
        text = strchr(text, '\n');
        if (text) text++;
    }
    return NULL;
}

static bool find_number(const char *text, const char *key, double *value)
{
    size_t n;
    char *end;
    const char *at = imagej_find(text, key, &n);
    if (!at || !n) return false;
    const double v = strtod(at, &end);
    if (end == at || end > at + n || !isfinite(v)) return false;
    *value = v;
    return true;
}

/* A length of an axis: absent is 1. */
static scry_status find_count(const scry_tiff_reader *r, const char *key, size_t *value,
                              scry_error *err)
{
    double v = 1;
    *value = 1;
    if (!find_number(r->description, key, &v)) return SCRY_OK;
    if (v < 1 || v > 0x1p40 || v != floor(v))
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: ImageJ's %s is %g, expected a count of at least 1",
                         r->path, key, v);
    *value = (size_t)v;
    return SCRY_OK;
}

double scryi_unit_um(const char *unit)
{
    static const struct {
        const char *name;
        double um;
    } units[] = {{"um", 1},        {"\xc2\xb5m", 1},   {"\xce\xbcm", 1},  {"micron", 1},
                 {"microns", 1},   {"micrometer", 1},  {"micrometre", 1}, {"nm", 1e-3},
                 {"pm", 1e-6},     {"\xc3\x85", 1e-4}, {"mm", 1e3},       {"cm", 1e4},
                 {"dm", 1e5},      {"m", 1e6},         {"inch", 25400},   {"in", 25400},
                 {"inches", 25400}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (!strcmp(unit, units[i].name)) return units[i].um;
    return 0;
}

/* ImageJ writes the micro sign as the six characters \u00B5 or as the Latin-1 byte; here UTF-8. */
static void find_unit(const char *text, const char *key, char *unit, size_t size)
{
    size_t n, out = 0;
    const char *at = imagej_find(text, key, &n);
    if (!at) return;
    for (size_t i = 0; i < n && out + 3 < size; i++) {
        if (n - i >= 6 && at[i] == '\\' && at[i + 1] == 'u' &&
            (!strncasecmp(at + i + 2, "00b5", 4) || !strncasecmp(at + i + 2, "03bc", 4))) {
            unit[out++] = '\xc2';
            unit[out++] = '\xb5';
            i += 5;
        } else if (at[i] == '\xb5' && (!i || (at[i - 1] != '\xc2'))) {
            unit[out++] = '\xc2';
            unit[out++] = '\xb5';
        } else if (isprint((unsigned char)at[i]) || (unsigned char)at[i] >= 0x80) {
            unit[out++] = at[i];
        }
    }
    unit[out] = '\0';
}

static void find_calibration(scry_tiff_reader *r)
{
    const char *text = r->description;
    scry_tiff_info *info = &r->info;
    double spacing = 1, interval = 0, c0 = 0, c1 = 0, cf = -1;
    char unit[16] = "", tunit[16] = "";
    find_unit(text, "unit", unit, sizeof unit);
    const double um = scryi_unit_um(unit);
    if (*unit && strcmp(unit, "pixel")) memcpy(info->unit, unit, sizeof info->unit);
    if (*unit) info->pixel_um[1] = info->pixel_um[2] = 0;
    if (um > 0) { /* ImageJ counts its unit per pixel whatever ResolutionUnit says */
        if (info->y_resolution > 0) info->pixel_um[1] = um / info->y_resolution;
        if (info->x_resolution > 0) info->pixel_um[2] = um / info->x_resolution;
        if (find_number(text, "spacing", &spacing) || info->z > 1)
            info->pixel_um[0] = fabs(spacing) * um; /* not written when it is 1 */
    }
    if (find_number(text, "finterval", &interval) && interval > 0)
        info->frame_s = interval;
    else if (find_number(text, "fps", &interval) && interval > 0)
        info->frame_s = 1 / interval;
    find_unit(text, "tunit", tunit, sizeof tunit);
    if (!strcmp(tunit, "ms") || !strcmp(tunit, "msec")) info->frame_s *= 1e-3;
    if (!strcmp(tunit, "min")) info->frame_s *= 60;
    info->display_known = find_number(text, "min", &info->display_min) &&
                          find_number(text, "max", &info->display_max);
    if (find_number(text, "cf", &cf) && cf == 0 && find_number(text, "c0", &c0) &&
        find_number(text, "c1", &c1)) {
        r->signed16 = info->type == SCRY_TIFF_U16 && c0 == -32768 && c1 == 1;
        if (r->signed16) {
            info->type = SCRY_TIFF_I16;
            info->display_min -= 32768;
            info->display_max -= 32768;
        } else if (c0 != 0 || c1 != 1) {
            scryi_tiff_warn(r, "values are calibrated, %g + %g v: scry works on v as stored", c0,
                            c1);
        }
    } else if (cf > 0) {
        scryi_tiff_warn(r,
                        "values have a non-linear calibration (function %g): scry works on them "
                        "as stored",
                        cf);
    }
}

/* order= names the axes, fastest first, as "czt"; without it c, z, t. */
static void find_order(scry_tiff_reader *r)
{
    size_t n;
    const char *at = imagej_find(r->description, "order", &n);
    char order[4] = "";
    if (!at) return;
    for (size_t i = 0, k = 0; i < n && k < 3; i++) /* "xyczt" occurs, too */
        if (strchr("czt", tolower((unsigned char)at[i])))
            order[k++] = (char)tolower((unsigned char)at[i]);
    if (strchr(order, 'c') && strchr(order, 'z') && strchr(order, 't'))
        memcpy(r->info.order, order, sizeof order);
    else
        scryi_tiff_warn(r, "ImageJ's order=%.*s is not known: c, z, t is assumed", (int)n, at);
}

/* Planes of the stack against pages in the file. */
static scry_status imagej_place_planes(scry_tiff_reader *r, size_t c, size_t z, size_t t,
                                       scry_error *err)
{
    scry_tiff_info *info = &r->info;
    const size_t pages = r->page_count;
    size_t images, planes;
    scry_status st;
    if ((st = find_count(r, "images", &images, err)) != SCRY_OK) return st;
    if (!scry_mul(&planes, c, z) || !scry_mul(&planes, planes, t))
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: ImageJ's %zu channels x %zu slices x %zu frames "
                         "overflow",
                         r->path, c, z, t);
    if (planes == 1 && images > 1) planes = z = images;
    /* ImageJ reads a stack as one block and looks at no later directory */
    if (planes > 1 && pages != planes && scryi_tiff_contiguous(r, planes)) {
        info->one_ifd = true;
    } else if (planes > pages) {
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: ImageJ's description promises %zu planes "
                         "(%zu channels, %zu slices, %zu frames), but %zu are in the file: "
                         "truncated?",
                         r->path, planes, c, z, t, pages);
    } else if (planes < pages) {
        scryi_tiff_warn(r,
                        "ImageJ's %zu channels x %zu slices x %zu frames are not the %zu pages: "
                        "all pages are taken as slices",
                        c, z, t, pages);
        c = t = 1;
        z = pages;
    }
    info->c = c * info->samples;
    info->z = z;
    info->t = t;
    return SCRY_OK;
}

scry_status scryi_imagej_read(scry_tiff_reader *r, scry_error *err)
{
    size_t c, z, t;
    scry_status st;
    if ((st = find_count(r, "channels", &c, err)) != SCRY_OK) return st;
    if ((st = find_count(r, "slices", &z, err)) != SCRY_OK) return st;
    if ((st = find_count(r, "frames", &t, err)) != SCRY_OK) return st;
    if (r->info.samples > 1 && c == r->info.samples) c = 1; /* RGB declared as channels */
    find_order(r);
    if ((st = imagej_place_planes(r, c, z, t, err)) != SCRY_OK) return st;
    find_calibration(r);
    return scryi_imagej_luts(r, err);
}

/* ---- tags 50838 and 50839 ---- */

enum { LUT_BYTES = 768, ENTRY = 8 }; /* a LUT; an entry of the header: type and count */

static uint32_t imagej_word(const unsigned char *p, bool swapped)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    if (swapped) TIFFSwabLong(&v);
    return v;
}

/* Counts: [0] bytes of the header, then one for each item. Header: "IJIJ", then for each kind its
 * name and the number of its items, in the byte order of the file; the items follow in that
 * order. */
scry_status scryi_imagej_luts(scry_tiff_reader *r, scry_error *err)
{
    uint32_t count_count = 0, bytes = 0;
    uint32_t *counts = NULL;
    unsigned char *data = NULL;
    const bool swapped = TIFFIsByteSwapped(r->tif) != 0;
    scry_status st = scryi_tiff_seek(r, r->base, err);
    if (st != SCRY_OK) return st;
    const TIFFField *cf = TIFFFindField(r->tif, SCRYI_TAG_IJ_COUNTS, TIFF_LONG);
    const TIFFField *df = TIFFFindField(r->tif, SCRYI_TAG_IJ_METADATA, TIFF_BYTE);
    if (!cf || !df || TIFFFieldReadCount(cf) != TIFF_VARIABLE2 ||
        TIFFFieldReadCount(df) != TIFF_VARIABLE2)
        return SCRY_OK;
    if (!TIFFGetField(r->tif, SCRYI_TAG_IJ_COUNTS, &count_count, &counts) ||
        !TIFFGetField(r->tif, SCRYI_TAG_IJ_METADATA, &bytes, &data) || !count_count)
        return SCRY_OK;
    const uint32_t header = counts[0];
    if (header < 4 + ENTRY || header > bytes || (header - 4) % ENTRY) return SCRY_OK;
    size_t at = header, item = 1;
    for (uint32_t e = 4; e < header; e += ENTRY) {
        const uint32_t kind = imagej_word(data + e, swapped),
                       items = imagej_word(data + e + 4, swapped);
        const bool luts = kind == 0x6c757473; /* 'luts' */
        for (uint32_t k = 0; k < items; k++, item++) {
            if (item >= count_count || counts[item] > bytes - at) return SCRY_OK; /* damaged */
            if (luts && counts[item] == LUT_BYTES && r->info.imagej_lut_count < r->info.c) {
                if (!r->luts) r->luts = scry_alloc(count_count, LUT_BYTES);
                if (!r->luts) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: LUTs", r->path);
                memcpy(r->luts + LUT_BYTES * r->info.imagej_lut_count++, data + at, LUT_BYTES);
                r->info.imagej_luts = r->luts;
            }
            at += counts[item];
        }
    }
    return SCRY_OK;
}

static size_t tiff_imagej_put(unsigned char *out, size_t at, const void *p, size_t n)
{
    memcpy(out + at, p, n);
    return at + n;
}

size_t scryi_imagej_metadata(unsigned char *out, uint32_t *counts, size_t *count_count,
                             const scry_tiff_info *info, const double *ranges)
{
    const uint32_t magic = 0x494a494a, rang = 0x72616e67, luts = 0x6c757473, one = 1;
    const uint32_t lut_count = (uint32_t)info->imagej_lut_count;
    size_t at = tiff_imagej_put(out, 0, &magic, 4), n = 1;
    at = tiff_imagej_put(out, tiff_imagej_put(out, at, &rang, 4), &one, 4);
    if (lut_count) at = tiff_imagej_put(out, tiff_imagej_put(out, at, &luts, 4), &lut_count, 4);
    counts[0] = (uint32_t)at;
    counts[n++] = (uint32_t)(2 * sizeof *ranges * info->c);
    at = tiff_imagej_put(out, at, ranges, 2 * sizeof *ranges * info->c);
    for (uint32_t i = 0; i < lut_count; i++)
        counts[n++] = LUT_BYTES;
    if (lut_count) at = tiff_imagej_put(out, at, info->imagej_luts, (size_t)LUT_BYTES * lut_count);
    *count_count = n;
    return at;
}

/* ---- writing the description ---- */

/* Lines that are written anew, or are no longer true. */
static bool imagej_rewritten(const char *line, size_t n, const scry_tiff_info *info,
                             bool drop_values)
{
    static const char *const keys[] = {"ImageJ",    "SCIFIO",     "images", "channels", "slices",
                                       "frames",    "hyperstack", "order",  "mode",     "unit",
                                       "finterval", "fps",        "tunit",  "min",      "max"};
    static const char *const values[] = {"cf", "c0", "c1", "c2", "c3", "c4", "vunit"};
    const size_t key = strcspn(line, "=\r\n");
    if (!n || key >= n) return true;                /* no line of ours */
    if (key == 7 && !strncmp(line, "spacing", key)) /* in a unit that is no length: as it was */
        return info->pixel_um[0] > 0;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (key == strlen(keys[i]) && !strncmp(line, keys[i], key)) return true;
    for (size_t i = 0; drop_values && i < sizeof values / sizeof values[0]; i++)
        if (key == strlen(values[i]) && !strncmp(line, values[i], key)) return true;
    return false;
}

static void write_counts(FILE *f, const scry_tiff_info *info)
{
    const size_t c = info->c / info->samples, planes = c * info->z * info->t;
    size_t n = 0;
    const char *mode = NULL;
    if (planes > 1) fprintf(f, "images=%zu\n", planes);
    if (c > 1) fprintf(f, "channels=%zu\n", c);
    if (info->z > 1) fprintf(f, "slices=%zu\n", info->z);
    if (info->t > 1) fprintf(f, "frames=%zu\n", info->t);
    if (c > 1 || info->t > 1) fprintf(f, "hyperstack=true\n");
    if (info->description && scryi_imagej_detect(info->description))
        mode = imagej_find(info->description, "mode", &n);
    if (c > 1 && mode)
        fprintf(f, "mode=%.*s\n", (int)n, mode);
    else if (c > 1)
        fprintf(f, "mode=composite\n");
}

/* As few digits as give the number back. */
static void imagej_write_number(FILE *f, const char *key, double v)
{
    char text[32];
    snprintf(text, sizeof text, "%.12g", v);
    if (strtod(text, NULL) != v) snprintf(text, sizeof text, "%.17g", v);
    fprintf(f, "%s=%s\n", key, text);
}

static void write_calibration(FILE *f, const scry_tiff_info *info)
{
    const bool known = info->pixel_um[1] > 0 && info->pixel_um[2] > 0;
    const double um = scryi_unit_um(info->unit);
    if (um > 0 && strstr(info->unit, "\xc2\xb5"))
        fprintf(f, "unit=\\u00B5m\n");
    else if (um > 0 || (!known && *info->unit))
        fprintf(f, "unit=%s\n", info->unit);
    else if (known)
        fprintf(f, "unit=micron\n");
    if (info->pixel_um[0] > 0)
        imagej_write_number(f, "spacing", info->pixel_um[0] / (um > 0 ? um : 1));
    if (info->frame_s > 0) imagej_write_number(f, "finterval", info->frame_s);
}

char *scryi_imagej_describe(const scry_tiff_info *info, double low, double high, bool signed16,
                            scry_error *err)
{
    char *text = NULL;
    size_t size, n = 0;
    double c0 = 0;
    const bool model = scryi_imagej_detect(info->description);
    const char *version = model ? imagej_find(info->description, "ImageJ", &n) : NULL;
    FILE *f = open_memstream(&text, &size);
    if (!f) {
        SCRY_FAIL(err, SCRY_ENOMEM, "ImageJ description");
        return NULL;
    }
    if (version)
        fprintf(f, "ImageJ=%.*s\n", (int)n, version);
    else
        fprintf(f, "ImageJ=1.53t\n"); /* a version that reads everything written here */
    write_counts(f, info);
    write_calibration(f, info);
    if (low <= high) { /* ImageJ shows signed 16-bit data by their stored, unsigned values */
        const double shift = signed16 ? 32768 : 0;
        fprintf(f, "min=%.9g\nmax=%.9g\n", low + shift, high + shift);
    }
    if (signed16) fprintf(f, "cf=0\nc0=-32768\nc1=1\n");
    /* the values were read through the signed calibration, so it holds for them no more */
    const bool drop = model && find_number(info->description, "c0", &c0) && c0 == -32768;
    for (const char *at = model ? info->description : ""; *at;) {
        const size_t line = strcspn(at, "\n");
        if (!imagej_rewritten(at, line, info, drop)) fprintf(f, "%.*s\n", (int)line, at);
        at += line + (at[line] == '\n');
    }
    if (fclose(f)) {
        free(text);
        text = NULL;
        SCRY_FAIL(err, SCRY_ENOMEM, "ImageJ description");
    }
    return text;
}
