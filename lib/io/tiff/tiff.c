#include "lib/io/tiff/tiff_impl.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *alias;
    size_t bytes;
    double low, high;
} types[] = {
    [SCRY_TIFF_KEEP] = {"unknown", "keep", 0, 0, 0},
    [SCRY_TIFF_U8] = {"uint8", "u8", 1, 0, UINT8_MAX},
    [SCRY_TIFF_U16] = {"uint16", "u16", 2, 0, UINT16_MAX},
    [SCRY_TIFF_U32] = {"uint32", "u32", 4, 0, UINT32_MAX},
    [SCRY_TIFF_I8] = {"int8", "i8", 1, INT8_MIN, INT8_MAX},
    [SCRY_TIFF_I16] = {"int16", "i16", 2, INT16_MIN, INT16_MAX},
    [SCRY_TIFF_I32] = {"int32", "i32", 4, INT32_MIN, INT32_MAX},
    [SCRY_TIFF_F32] = {"float32", "f32", 4, -FLT_MAX, FLT_MAX},
    [SCRY_TIFF_F64] = {"float64", "f64", 8, -FLT_MAX, FLT_MAX},
};

static size_t type_index(scry_tiff_type type)
{
    const size_t i = (size_t)type;
    return i < sizeof types / sizeof types[0] ? i : SCRY_TIFF_KEEP;
}

const char *scry_tiff_type_name(scry_tiff_type type)
{
    return types[type_index(type)].name;
}

size_t scry_tiff_type_bytes(scry_tiff_type type)
{
    return types[type_index(type)].bytes;
}

void scry_tiff_type_range(scry_tiff_type type, double *low, double *high)
{
    *low = types[type_index(type)].low;
    *high = types[type_index(type)].high;
}

scry_tiff_type scry_tiff_type_parse(const char *name)
{
    if (!strcmp(name, "float")) return SCRY_TIFF_F32;
    if (!strcmp(name, "double")) return SCRY_TIFF_F64;
    for (size_t i = SCRY_TIFF_U8; i < sizeof types / sizeof types[0]; i++)
        if (!strcmp(name, types[i].name) || !strcmp(name, types[i].alias)) return (scry_tiff_type)i;
    return SCRY_TIFF_KEEP;
}

const char *scry_tiff_flavour_name(scry_tiff_flavour flavour)
{
    return flavour == SCRY_TIFF_IMAGEJ ? "ImageJ" : flavour == SCRY_TIFF_OME ? "OME" : "plain";
}

const char *scry_tiff_compression_name(uint16_t compression)
{
    switch (compression) {
    case COMPRESSION_NONE:
        return "none";
    case COMPRESSION_CCITTRLE:
        return "CCITT RLE";
    case COMPRESSION_CCITTFAX3:
        return "CCITT Group 3";
    case COMPRESSION_CCITTFAX4:
        return "CCITT Group 4";
    case COMPRESSION_LZW:
        return "LZW";
    case COMPRESSION_OJPEG:
        return "old-style JPEG";
    case COMPRESSION_JPEG:
        return "JPEG";
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_DEFLATE:
        return "Deflate";
    case COMPRESSION_PACKBITS:
        return "PackBits";
    case COMPRESSION_LZMA:
        return "LZMA";
    case COMPRESSION_ZSTD:
        return "Zstandard";
    case COMPRESSION_WEBP:
        return "WebP";
    case COMPRESSION_LERC:
        return "LERC";
    case 33003:
    case 33005:
    case 34712:
        return "JPEG 2000";
    case 50002:
    case 52546:
        return "JPEG XL";
    default:
        return "unknown";
    }
}

void scry_tiff_info_init(scry_tiff_info *info, scry_tiff_flavour flavour, scry_tiff_type type,
                         const scry_tiff_axes *size)
{
    const int bits = 8 * (int)scry_tiff_type_bytes(type);
    *info = (scry_tiff_info){.flavour = flavour,
                             .type = type,
                             .bits = bits,
                             .significant_bits = bits,
                             .c = size->c ? size->c : 1,
                             .z = size->z ? size->z : 1,
                             .t = size->t ? size->t : 1,
                             .y = size->y,
                             .x = size->x,
                             .samples = 1,
                             .order = "czt",
                             .orientation = ORIENTATION_TOPLEFT,
                             .compression = COMPRESSION_NONE,
                             .predictor = 1,
                             .series = 1,
                             .files = 1,
                             .resolution_unit = 1};
}

bool scry_tiff_is_alpha(const scry_tiff_info *info, size_t c)
{
    const size_t sample = c % info->samples, colours = info->rgb ? 3 : 1;
    if (sample < colours || sample - colours >= SCRY_TIFF_EXTRA) return false;
    const uint8_t kind = info->extra[sample - colours];
    return kind == EXTRASAMPLE_ASSOCALPHA || kind == EXTRASAMPLE_UNASSALPHA;
}

static int note_error(TIFF *tif, void *user, const char *module, const char *fmt, va_list args)
{
    struct scryi_tiff_log *log = user;
    (void)tif;
    (void)module;
    if (!log->errors++) vsnprintf(log->text, sizeof log->text, fmt, args);
    return 1; /* handled: libtiff shall not print */
}

static int drop_warning(TIFF *tif, void *user, const char *module, const char *fmt, va_list args)
{
    (void)tif;
    (void)user;
    (void)module;
    (void)fmt;
    (void)args;
    return 1;
}

TIFF *scryi_tiff_handle(int fd, const char *path, const char *mode, tmsize_t limit,
                        struct scryi_tiff_log *log)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) return NULL;
    if (limit) TIFFOpenOptionsSetMaxSingleMemAlloc(options, limit);
    TIFFOpenOptionsSetErrorHandlerExtR(options, note_error, log);
    TIFFOpenOptionsSetWarningHandlerExtR(options, drop_warning, log);
    TIFF *tif = TIFFFdOpenExt(fd, path, mode, options);
    TIFFOpenOptionsFree(options);
    return tif;
}
