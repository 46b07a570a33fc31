#ifndef SCRY_LIB_IO_TIFF_TIFF_IMPL_H
#define SCRY_LIB_IO_TIFF_TIFF_IMPL_H

/* Declarations that the sources of lib/io/tiff share. libtiff and libxml2 stay behind them. */

#include "lib/io/tiff/tiff.h"

#include <tiffio.h>

/* Messages of libtiff through its handlers: the first error since it was cleared, and a count. */
struct scryi_tiff_log {
    unsigned errors;
    char text[256];
};

/* A handle on a file descriptor that is already open: mode as TIFFOpen, messages into log. The
 * descriptor stays the caller's when this fails (NULL), else the handle closes it. limit bounds
 * each block that libtiff allocates for itself. */
TIFF *scryi_tiff_handle(int fd, const char *path, const char *mode, tmsize_t limit,
                        struct scryi_tiff_log *log);

/* ---- pages ---- */

/* How the pixels of one page lie in the file. A segment is a strip or a tile. */
struct scryi_tiff_page {
    uint64_t dir;  /* offset of its directory */
    size_t number; /* in the main chain, from 1 */
    uint32_t x, y;
    uint16_t bits, format, samples, photometric, planar, compression, predictor, fill_order;
    scry_tiff_type type;   /* KEEP: not one that is read */
    bool tiled, reduced;   /* reduced: a pyramid level, thumbnail or mask */
    bool direct;           /* uncompressed strips of whole bytes: read without libtiff */
    uint32_t seg_x, seg_y; /* size of a segment, cut to the page for strips */
    size_t across, down;   /* segments along x and y */
    size_t row_bytes;      /* of one segment */
};

enum { SCRYI_TIFF_WARNINGS = 24 };

/* Files that lie beside the first one and hold planes of its image. */
struct scryi_tiff_set {
    struct scryi_tiff_member {
        char *path;
        scry_tiff_reader *reader; /* its chain of pages, nothing else; NULL: closed at present */
        uint64_t used;            /* the turn of its last use */
    } * files;
    size_t count, capacity, open;
    uint64_t turn;
};

struct scry_tiff_reader {
    TIFF *tif;
    int fd; /* of tif, for reading beside it; never moved */
    uint64_t file_bytes;
    const char *path;
    struct scryi_tiff_log log;

    struct scryi_tiff_page *pages; /* the main chain, in file order */
    size_t page_count, page_capacity;
    size_t current; /* the page that tif stands on */

    scry_tiff_info info;
    uint32_t *map;      /* plane (c/samples, z, t), c fastest -> page + 1, 0 missing; or NULL */
    uint32_t *map_file; /* plane -> file of the set + 1, 0 this one; NULL: one file */
    struct scryi_tiff_set set;          /* the other files of an OME-TIFF */
    const struct scryi_tiff_page *base; /* the first full page of the image */
    struct scryi_tiff_page foreign;     /* base, when it is in another file */
    bool followed;                      /* the metadata come from another file */
    size_t sub_levels;                  /* reduced copies that hang on the base page */
    char (*series_names)[64];           /* info.series of them; NULL: none is known */
    bool signed16;                      /* ImageJ: value = stored - 32768 */
    bool checked_sign;                  /* the first plane was looked at for signed data */
    char *description;
    uint16_t *colormap;
    unsigned char *luts;
    scry_tiff_channel *channels;

    unsigned char *buffer; /* one decoded segment, or a band of rows */
    size_t buffer_bytes;
    const struct scryi_tiff_page *cached; /* whose segment the buffer holds; NULL: none */
    uint32_t cached_segment;

    scry_tiff_content content;
    char warnings[SCRYI_TIFF_WARNINGS][192];
    size_t warning_count;
};

/* Opens a file and reads its chain of pages, no metadata. */
scry_status scryi_tiff_open_chain(scry_tiff_reader **out, const char *path, scry_error *err);

/* Takes the image's shape and type from page p, of this file or of a member of the set. */
void scryi_tiff_take_base(scry_tiff_reader *r, const struct scryi_tiff_page *p);

/* ---- files beside this one: lib/io/tiff/set.c ---- */

/* Names in files may come with a path, which is that of another computer: it is not followed. */
const char *scryi_tiff_base_name(const char *path);
/* Path of a file in the folder of r, from scry_alloc. */
char *scryi_tiff_beside(const scry_tiff_reader *r, const char *name);
/* The metadata that another file keeps: an XML document, or the description of a TIFF. From
 * scry_alloc. */
scry_status scryi_tiff_text_beside(char **out, const scry_tiff_reader *r, const char *name,
                                   scry_error *err);
/* The member of this name, added when it is new. EIO: it is not there. */
scry_status scryi_tiff_set_find(scry_tiff_reader *r, const char *name, size_t *member,
                                scry_error *err);
/* Its reader, opened when it is not; few are open at a time. Valid until the next call. */
scry_status scryi_tiff_set_open(scry_tiff_reader *r, size_t member, scry_tiff_reader **out,
                                scry_error *err);
void scryi_tiff_set_free(struct scryi_tiff_set *set);

/* Adds a warning; those beyond SCRYI_TIFF_WARNINGS are dropped. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void scryi_tiff_warn(scry_tiff_reader *r, const char *fmt, ...);

/* Reads the chain of directories into r->pages and picks r->base. */
scry_status scryi_tiff_walk(scry_tiff_reader *r, scry_error *err);

/* Marks the pages behind the first as reduced when their sizes say that they are levels of a
 * pyramid. Not for OME, whose images may differ in size. */
void scryi_tiff_find_levels(scry_tiff_reader *r);

/* Whether page p can be read: codec, colours, type, sizes against the file, equal to r->base. */
scry_status scryi_tiff_check_page(scry_tiff_reader *r, const struct scryi_tiff_page *p,
                                  scry_error *err);

/* Makes tif stand on this page. */
scry_status scryi_tiff_seek(scry_tiff_reader *r, const struct scryi_tiff_page *p, scry_error *err);

/* Bytes of one page without compression or padding between rows. */
uint64_t scryi_tiff_page_bytes(const struct scryi_tiff_page *p);

/* Whether `planes` planes can lie one after another from the first strip of the base page on: it is
 * uncompressed and in one piece, the file is long enough, and no directory lies among them. */
bool scryi_tiff_contiguous(scry_tiff_reader *r, size_t planes);

/* out[h][w] = sample s of the rectangle of page p, in stored values. shift: bytes added to the
 * offsets of the page (one_ifd). */
scry_status scryi_tiff_pixels(scry_tiff_reader *r, const struct scryi_tiff_page *p, uint64_t shift,
                              size_t s, size_t y0, size_t x0, size_t h, size_t w, float *out,
                              scry_error *err);

/* ---- metadata ---- */

/* Both set the axes of r->info, the order, calibration and, where needed, r->map from
 * r->description. */
bool scryi_imagej_detect(const char *description);
scry_status scryi_imagej_read(scry_tiff_reader *r, scry_error *err);
bool scryi_ome_detect(const char *description);
/* series: the Image to read. */
scry_status scryi_ome_read(scry_tiff_reader *r, size_t series, scry_error *err);

/* Micrometres in one unit of length: "um", "micron", "nm", "inch", ...; 0 when not a length. */
double scryi_unit_um(const char *unit);

/* A new ImageDescription for the image of `info`; low and high are the range to show. Released
 * with free(). NULL: no memory, or (OME) XML that cannot be written, worded in err. */
char *scryi_imagej_describe(const scry_tiff_info *info, double low, double high, bool signed16,
                            scry_error *err);
char *scryi_ome_describe(const scry_tiff_info *info, const unsigned char uuid[16], scry_error *err);

/* The block of tag 50839 with display ranges (c pairs) and LUTs, in native byte order; counts are
 * the values of tag 50838. Returns the bytes written to out, at most 24 + 16 c + 768 luts. */
size_t scryi_imagej_metadata(unsigned char *out, uint32_t *counts, size_t *count_count,
                             const scry_tiff_info *info, const double *ranges);
/* Finds the LUTs in such a block. */
scry_status scryi_imagej_luts(scry_tiff_reader *r, scry_error *err);

enum { SCRYI_TAG_IJ_COUNTS = 50838, SCRYI_TAG_IJ_METADATA = 50839 };

#endif
