#ifndef SCRY_LIB_IO_CFL_H
#define SCRY_LIB_IO_CFL_H

#include "lib/status.h"

#include <complex.h>
#include <stdbool.h>
#include <stddef.h>

/* The pair of files of the BART toolbox: name.hdr, a few lines of text with the dims, and name.cfl,
 * complex64 little-endian without a header. Dim 0 is the fastest in the file, so the dims of a C
 * array (slowest first) are the same dims read backwards, and the order of the values is the same:
 * a file of dims 320 160 1 8 holds data[coil 8][1][ph1 160][read 320].
 *
 * In all functions path is name, name.cfl or name.hdr. */
enum { SCRY_CFL_RANK = 16 };
enum {
    SCRY_CFL_READ = 0,
    SCRY_CFL_PH1 = 1,
    SCRY_CFL_PH2 = 2,
    SCRY_CFL_COIL = 3,
    SCRY_CFL_MAPS = 4,
    SCRY_CFL_TE = 5,
    SCRY_CFL_TIME = 10,
    SCRY_CFL_SLICE = 13,
    SCRY_CFL_AVERAGE = 14
};

/* The contents of a header. data: the name of the file of values where `# Data` gives one, else "".
 */
typedef struct scry_cfl_header {
    size_t dims[SCRY_CFL_RANK], count; /* count: their product, which fits a file in bytes */
    char data[256];
} scry_cfl_header;

/* text of n bytes, named `name` in messages. Any number of dims is read: missing dims are 1, and
 * dims beyond 16 must be 1. Unknown sections are skipped.
 * errors  EFORMAT: no text, no `# Dimensions`, dims that are not whole numbers >= 1, a product
 *         that overflows, a `# Data` that is not a plain file name, more than 4096 bytes;
 *         EUNSUP: several arrays in one file */
scry_status scry_cfl_parse(scry_cfl_header *out, const char *text, size_t n, const char *name,
                           scry_error *err);

/* True if the name ends in .cfl or .hdr, or if name.hdr exists and begins like such a header. */
bool scry_cfl_recognise(const char *path);

/* For reading. errors as above; EIO; EFORMAT: the length of the file of values does not fit the
 * dims. */
typedef struct scry_cfl scry_cfl;
scry_status scry_cfl_open(scry_cfl **out, const char *path, scry_error *err);
const size_t *scry_cfl_dims(const scry_cfl *f); /* SCRY_CFL_RANK of them */
const char *scry_cfl_path(const scry_cfl *f);   /* of the values */
/* The box of `count` entries that begins at `start`, dim 0 fastest; both NULL: everything.
 * ESHAPE: the box is not within the dims; EIO */
scry_status scry_cfl_read(scry_cfl *f, const size_t *start, const size_t *count, float complex *out,
                          scry_error *err);
void scry_cfl_close(scry_cfl *f); /* NULL is accepted */

/* Writing, to names beside the targets; finish renames, values first: an existing pair is
 * replaced. Entries that are never written are 0.
 * errors  EINVAL: a dim is 0, path is a folder; ESHAPE; EIO; ENOMEM */
typedef struct scry_cfl_writer scry_cfl_writer;
scry_status scry_cfl_create(scry_cfl_writer **out, const char *path, const size_t *dims,
                            scry_error *err);
scry_status scry_cfl_write(scry_cfl_writer *w, const size_t *start, const size_t *count,
                           const float complex *in, scry_error *err); /* a box, as for reading */
/* commit false: leaves no trace. w is freed either way; NULL is accepted. */
scry_status scry_cfl_finish(scry_cfl_writer *w, bool commit, scry_error *err);

/* "320 x 160 x 1 x 2": without the ones at the end, but at least four; returns buf. */
const char *scry_cfl_print(const size_t *dims, char *buf, size_t size);

#endif
