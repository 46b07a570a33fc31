#ifndef SCRY_LIB_IO_TIFF_TIFF_H
#define SCRY_LIB_IO_TIFF_TIFF_H

#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TIFF images of up to five dimensions (t, z, c, y, x), plain, ImageJ or OME-TIFF, read and written
 * one plane (or a rectangle of it) at a time, so that a stack need not fit in memory.
 *
 * Pixels cross this interface as float in the unit of the file (a camera's grey values stay grey
 * values). Planes are numbered (c, z, t) from 0, whatever their order in the file. The samples of
 * an RGB pixel count as channels.
 *
 * A reader or writer belongs to one thread at a time; different ones are independent. */

typedef enum scry_tiff_type {
    SCRY_TIFF_KEEP = 0, /* as an option: the type of the file that the output is modelled on */
    SCRY_TIFF_U8,
    SCRY_TIFF_U16,
    SCRY_TIFF_U32,
    SCRY_TIFF_I8,
    SCRY_TIFF_I16,
    SCRY_TIFF_I32,
    SCRY_TIFF_F32,
    SCRY_TIFF_F64
} scry_tiff_type;

/* "uint16", "float32": as in OME-XML and numpy; never NULL */
const char *scry_tiff_type_name(scry_tiff_type type);
size_t scry_tiff_type_bytes(scry_tiff_type type);
/* The range that a pixel of this type can hold; [-FLT_MAX, FLT_MAX] for both float types. */
void scry_tiff_type_range(scry_tiff_type type, double *low, double *high);
/* SCRY_TIFF_KEEP when no type has this name; besides the names above "u8", "i16", "f32", "float",
 * "double" are known. */
scry_tiff_type scry_tiff_type_parse(const char *name);

typedef enum scry_tiff_flavour {
    SCRY_TIFF_PLAIN = 0, /* pages are slices z */
    SCRY_TIFF_IMAGEJ,    /* axes and calibration in "ImageJ=..." lines */
    SCRY_TIFF_OME        /* axes, calibration and instrument in XML */
} scry_tiff_flavour;
const char *scry_tiff_flavour_name(scry_tiff_flavour flavour); /* "plain", "ImageJ", "OME" */

enum { SCRY_TIFF_EXTRA = 4 }; /* samples beyond the colours whose meaning is kept */

typedef struct scry_tiff_channel {
    char name[64];                     /* UTF-8, "" unknown */
    double emission_nm, excitation_nm; /* 0 unknown */
    double pinhole_um;                 /* diameter as in the file, 0 unknown */
} scry_tiff_channel;

/* The description of a file. A plain struct: copy it, change sizes or calibration, and pass it to
 * scry_tiff_create. Pointers belong to the reader and live until it is closed. Lengths that are not
 * known are 0. */
typedef struct scry_tiff_info {
    scry_tiff_flavour flavour;
    scry_tiff_type type;  /* of the values: 1..8-bit unsigned are U8, 9..16-bit U16 */
    int bits;             /* stored bits per sample */
    int significant_bits; /* of these, used according to OME; otherwise = bits */
    size_t c, z, t, y, x; /* every one >= 1; c counts samples */
    size_t samples;       /* per pixel: 3 or 4 for RGB(A); c is a multiple of it */
    size_t pages;         /* planes stored: c z t / samples, unless planes are missing */
    char order[4];        /* of pages, fastest first: "czt", "zct", ... */
    bool rgb;             /* the samples are colours */
    uint16_t orientation; /* the TIFF tag, 1 to 8: which corner the first pixel is; kept, not
                             applied: rows and columns are those of the file */
    uint8_t extra[SCRY_TIFF_EXTRA]; /* ExtraSamples, of those beyond the colours: 0 unspecified, 1
                                       alpha that colours were multiplied with, 2 alpha */
    bool big_endian, bigtiff, tiled, planar;
    bool one_ifd;         /* planes beyond the first have no directory (ImageJ above 4 GB) */
    uint16_t compression; /* the TIFF tag; scry_tiff_compression_name words it */
    uint16_t predictor;   /* 1 none, 2 horizontal, 3 floating point */
    size_t levels;        /* reduced copies (pyramid levels, thumbnails) that were passed over */
    size_t series;        /* OME: images in the file, of which one is read; else 1 */
    size_t series_at;     /* which, from 0 */
    size_t files;         /* of an OME-TIFF that is spread over several; else 1 */

    double pixel_um[3]; /* z, y, x in micrometres */
    char unit[16];      /* of length, as in the file (UTF-8), "" none */
    double frame_s;     /* time between frames in seconds */

    double na;               /* numerical aperture of the objective */
    double refractive_index; /* of the immersion medium */
    double magnification;
    char immersion[24];                /* "Oil", "Water", ... "" unknown */
    const scry_tiff_channel *channels; /* channel_count of them, at most c; NULL when 0 */
    size_t channel_count;

    bool display_known;
    double display_min, display_max;   /* ImageJ: the range shown as black to white */
    double x_resolution, y_resolution; /* as in the tags; see resolution_unit */
    uint16_t resolution_unit;          /* 1 none, 2 inch, 3 cm */
    const uint16_t *colormap;          /* ImageJ 8-bit LUT: 256 red, green, blue; or NULL */
    const char *description;           /* ImageDescription of the first page, as is; or NULL */
    const void *imagej_luts;           /* per-channel LUTs of ImageJ, 768 bytes each; or NULL */
    size_t imagej_lut_count;
} scry_tiff_info;

typedef struct scry_tiff_axes {
    size_t c, z, t; /* 0: 1 */
    size_t y, x;
} scry_tiff_axes;

/* An info for a file that is modelled on no other: `like` for scry_tiff_create. */
void scry_tiff_info_init(scry_tiff_info *info, scry_tiff_flavour flavour, scry_tiff_type type,
                         const scry_tiff_axes *size);

/* Whether channel c holds transparency, which is no light. */
bool scry_tiff_is_alpha(const scry_tiff_info *info, size_t c);

/* "none", "LZW", "Deflate", ...; "compression 34712" style names are not made: "unknown" */
const char *scry_tiff_compression_name(uint16_t compression);

/* ---- reading ---- */

typedef struct scry_tiff_reader scry_tiff_reader;

/* Opens and checks the whole chain of pages, reads no pixels.
 * EIO     the file cannot be opened or is not a regular file
 * EFORMAT not a TIFF; truncated or looping chain of directories; a page whose shape or type differs
 *         from the first; fewer planes than the metadata promise; a size of zero; sizes that the
 *         file is too short for
 * EUNSUP  legal, but not read: the codec, colour space or sample type is named
 * An OME-TIFF spread over several files is opened by any of them; the others must lie beside it
 * (EIO names the one that does not). Reduced copies (NewSubfileType, SubIFDs, and pages that follow
 * the first one at shrinking sizes) never become slices: the full resolution is read. */
scry_status scry_tiff_open(scry_tiff_reader **out, const char *path, scry_error *err);

/* The same for one of the images that an OME-TIFF may hold, from 0. EINVAL: the file has no such.
 */
scry_status scry_tiff_open_series(scry_tiff_reader **out, const char *path, size_t series,
                                  scry_error *err);
/* The name of image i, "" when it has none. */
const char *scry_tiff_series_name(const scry_tiff_reader *r, size_t i);

void scry_tiff_close(scry_tiff_reader *r); /* accepts NULL */

/* Borrowed until scry_tiff_close. */
const scry_tiff_info *scry_tiff_describe(const scry_tiff_reader *r);

/* Things a user should know although the file could be read ("planes are missing", "values look
 * signed but are stored unsigned", ...). The list may grow with each read. */
size_t scry_tiff_warnings(const scry_tiff_reader *r);
const char *scry_tiff_warning(const scry_tiff_reader *r, size_t i);

/* out[y][x] = the plane (c, z, t), in the unit of the file; out holds info.y * info.x floats.
 * WhiteIsZero samples are inverted (v -> max - v), ImageJ's signed 16-bit calibration is applied,
 * palette indices are returned as they are. Integers beyond 2^24 and doubles are rounded to float:
 * counted in the content and named in a warning at open.
 * EINVAL   the plane is outside the axes
 * EFORMAT  data end early or do not decode
 * ENUMERIC a double exceeds the range of float */
scry_status scry_tiff_read_plane(scry_tiff_reader *r, size_t c, size_t z, size_t t, float *out,
                                 scry_error *err);

/* The same for rows y0 .. y0 + h - 1 and columns x0 .. x0 + w - 1; out holds h * w floats. Reads
 * only the strips or tiles that it needs. h, w >= 1. */
scry_status scry_tiff_read_rect(scry_tiff_reader *r, size_t c, size_t z, size_t t, size_t y0,
                                size_t x0, size_t h, size_t w, float *out, scry_error *err);

/* out[z][y][x] = all slices of channel c at frame t. */
scry_status scry_tiff_read_volume(scry_tiff_reader *r, size_t c, size_t t, float *out,
                                  scry_error *err);

/* Counts of the pixels that were read so far. */
typedef struct scry_tiff_content {
    uint64_t pixels;
    uint64_t rounded;   /* not exactly representable as float */
    uint64_t nonfinite; /* NaN or infinite: the caller decides */
    uint64_t missing;   /* planes that the metadata promise and no page holds: read as 0 */
    double min, max;    /* of the finite ones; min > max when there were none */
} scry_tiff_content;
scry_tiff_content scry_tiff_content_of(const scry_tiff_reader *r);

/* ---- writing ---- */

typedef enum scry_tiff_packing {
    SCRY_TIFF_UNPACKED = 0,
    SCRY_TIFF_DEFLATE,
    SCRY_TIFF_LZW
} scry_tiff_packing;
typedef enum scry_tiff_size { SCRY_TIFF_SIZE_AUTO = 0, SCRY_TIFF_SIZE_BIG } scry_tiff_size;

typedef struct scry_tiff_options {
    scry_tiff_type type;       /* KEEP: that of `like` */
    scry_tiff_packing packing; /* default: uncompressed */
    scry_tiff_size size;       /* AUTO: BigTIFF when the file could exceed 4 GB */
    bool force;                /* an existing file may be replaced */
    const char *provenance;    /* follows "scry <version>" in the Software tag; NULL none */
} scry_tiff_options;           /* {0} is the default */

typedef struct scry_tiff_writer scry_tiff_writer;

/* Starts a file modelled on `like`: its flavour, axes c z t y x, RGB layout, calibration and
 * instrument. `like` and all that it points at are copied. Nothing appears at `path` before
 * scry_tiff_finish: planes go to a temporary file beside it.
 *   ImageJ  c, z, t, unit, spacing, interval, display range and LUTs are rewritten to be true;
 *           other lines are kept. Signed 16-bit is written as ImageJ does (unsigned, calibrated);
 *           types that ImageJ cannot open become f32 (u32, i8, i32, f64) or channels (RGB beyond
 * 8-bit) OME     the XML of `like` with true sizes, type, order, channels and a new UUID (a hash of
 *           the pixels, so that equal runs give equal bytes); instrument and annotations are kept
 *   plain   resolution is kept; pages in the order c, z, t, c fastest
 * opts may be NULL. EINVAL: a size is zero, c not a multiple of samples, RGB with fewer than three,
 * or path exists and force is not set; EIO: the system refused. */
scry_status scry_tiff_create(scry_tiff_writer **out, const char *path, const scry_tiff_info *like,
                             const scry_tiff_options *opts, scry_error *err);

/* The planned file: type, flavour and samples after the rules above. */
const scry_tiff_info *scry_tiff_planned(const scry_tiff_writer *w);

/* Writes plane (c, z, t) from in[y][x]. Each plane once, in any order: packed planes that come
 * before their turn (order of scry_tiff_planned) are kept in a second temporary file until then.
 * Integer types round to nearest (ties to even) and clip to their range, both counted.
 * EINVAL: outside the axes, or written before; ENUMERIC: NaN or infinity for an integer type; EIO:
 * disk full. */
scry_status scry_tiff_write_plane(scry_tiff_writer *w, size_t c, size_t z, size_t t,
                                  const float *in, scry_error *err);

/* The same for a rectangle in[h][w]. Rectangles of one plane must not overlap and must cover it. */
scry_status scry_tiff_write_rect(scry_tiff_writer *w, size_t c, size_t z, size_t t, size_t y0,
                                 size_t x0, size_t h, size_t width, const float *in,
                                 scry_error *err);

typedef struct scry_tiff_written {
    scry_tiff_type type;
    bool bigtiff;
    uint64_t bytes; /* size of the file */
    uint64_t pixels, clipped, rounded, nonfinite;
    double min, max; /* of the finite values written */
} scry_tiff_written;

/* Completes the file, moves it to `path` and frees w, whatever it returns. result may be NULL.
 * EINVAL when a plane was not written whole; on any failure nothing is left behind, and the file at
 * `path` is untouched. */
scry_status scry_tiff_finish(scry_tiff_writer *w, scry_tiff_written *result, scry_error *err);

/* Gives up: removes the temporary file and frees w. Accepts NULL. */
void scry_tiff_abort(scry_tiff_writer *w);

#endif
