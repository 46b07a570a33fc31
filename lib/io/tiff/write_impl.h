#ifndef SCRY_LIB_IO_TIFF_WRITE_IMPL_H
#define SCRY_LIB_IO_TIFF_WRITE_IMPL_H

/* Declarations that the sources of the TIFF writer share. */

#include "lib/atomic_file_impl.h"
#include "lib/io/tiff/tiff_impl.h"

struct scry_tiff_writer {
    scry_tiff_info info;     /* planned; its members are ours */
    char *path, *provenance; /* path: as it was given, for messages */
    scryi_atomic_file file;
    bool force;
    TIFF *tif; /* of compressed files; others are laid out by lib/io/tiff/layout.c */
    int fd;
    struct scryi_tiff_log log;
    scry_status failed; /* status of an earlier call: the file is lost */

    scry_tiff_type stored;      /* on disk; differs from info.type for ImageJ's signed 16-bit */
    double shift;               /* stored = value + shift */
    size_t planes, pages, next; /* next: the page that libtiff gets next */
    uint64_t *covered;          /* pixels given so far, by plane */
    uint32_t *slot;             /* place in the spool + 1, by plane; 0 none */
    uint32_t *free_slots;       /* places that were emptied */
    size_t slot_count, free_count;
    int spool; /* an unlinked file for planes before their turn, -1 none yet */

    size_t strip_rows, row_bytes; /* of a page */
    unsigned char *strip;         /* one strip of a page */
    unsigned char *line;          /* one strip of one sample */
    uint64_t hash[2];             /* of the pixels: see scryi_tiff_hash */
    double *ranges;               /* min, max for each channel */
    scry_tiff_written result;
};

/* out = n values in the stored type; counts into result and the range of channel c. ENUMERIC: NaN
 * or infinity for an integer type. */
scry_status scryi_tiff_encode(scry_tiff_writer *w, unsigned char *out, const float *in, size_t n,
                              size_t c, scry_error *err);

/* Adds n encoded values in w->line, placed at (y, x) of a plane, to w->hash: a sum, so that the
 * order of planes does not matter. */
void scryi_tiff_hash(scry_tiff_writer *w, size_t plane, size_t y, size_t x, size_t n);

/* Puts n values in w->line between the other samples in w->strip. */
void scryi_tiff_interleave(scry_tiff_writer *w, size_t s, size_t n);

/* Plane (c, z, t) to its page. Planes are numbered page by page, the samples of one as neighbours:
 * plane = page * samples + s. */
size_t scryi_tiff_page_of(const scry_tiff_writer *w, size_t c, size_t z, size_t t);

uint16_t scryi_tiff_photometric(const scry_tiff_writer *w);
uint16_t scryi_tiff_sample_format(const scry_tiff_writer *w);

/* Tags of the first page that are known only at the end. */
struct scryi_tiff_tags {
    char *description; /* from malloc; NULL none */
    char *software;
    uint32_t *counts; /* of ImageJ's block of display ranges and LUTs */
    unsigned char *block;
    size_t count_count, block_bytes;
};
scry_status scryi_tiff_tags_make(struct scryi_tiff_tags *tags, scry_tiff_writer *w,
                                 scry_error *err);
void scryi_tiff_tags_free(struct scryi_tiff_tags *tags);

/* ---- uncompressed: lib/io/tiff/layout.c ---- */

scry_status scryi_tiff_lay_out(scry_tiff_writer *w, scry_error *err); /* the space for pixels */
scry_status scryi_tiff_lay(scry_tiff_writer *w, size_t plane, size_t c, size_t y0, size_t x0,
                           size_t h, size_t width, const float *in, scry_error *err);
scry_status scryi_tiff_lay_directories(scry_tiff_writer *w, const struct scryi_tiff_tags *tags,
                                       scry_error *err);

/* ---- compressed: lib/io/tiff/chain.c ---- */

/* A rectangle of a plane: to libtiff when its page is next, else to the spool; and all pages that
 * are complete and next. */
scry_status scryi_tiff_chain(scry_tiff_writer *w, size_t plane, size_t c, size_t y0, size_t x0,
                             size_t h, size_t width, const float *in, scry_error *err);
/* Writes the directory of the first page again, with its tags, and flushes. */
scry_status scryi_tiff_chain_end(scry_tiff_writer *w, const struct scryi_tiff_tags *tags,
                                 scry_error *err);

#endif
