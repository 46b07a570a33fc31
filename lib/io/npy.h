#ifndef SCRY_LIB_IO_NPY_H
#define SCRY_LIB_IO_NPY_H

#include "lib/status.h"

#include <stddef.h>

/* Arrays as numpy saves them: .npy (one array; format versions 1 to 3) and .npz (a zip of such,
 * stored or deflated). Booleans, integers of 8 to 64 bits and floats of 16 to 64, of either byte
 * order, in C or Fortran order. Immutable once open; threads may read at the same time. */
typedef struct scry_npy scry_npy;

#define SCRY_NPY_RANK 8

typedef struct scry_npy_info {
    char name[256]; /* in a .npz, without ".npy"; "" otherwise */
    int rank;       /* 0: a scalar */
    size_t dims[SCRY_NPY_RANK], count;
    char type[8]; /* as numpy writes it: "<f4", "|u1" */
} scry_npy_info;

/* EIO: not readable. EFORMAT: neither format, truncated or damaged: the message says which was
 * found. EUNSUP: a type, compression or rank that is not supported, named in the message. ENOMEM.
 */
scry_status scry_npy_open(scry_npy **out, const char *path, scry_error *err);
/* The same from memory, borrowed until close; `name` is used in messages. */
scry_status scry_npy_parse(scry_npy **out, const void *bytes, size_t size, const char *name,
                           scry_error *err);
void scry_npy_close(scry_npy *f); /* accepts NULL */

size_t scry_npy_count(const scry_npy *f);
const scry_npy_info *scry_npy_get(const scry_npy *f, size_t i);

/* out[count], in C order, converted to float. EFORMAT: the data do not inflate to the size in the
 * header, or the checksum does not match; ENOMEM. */
scry_status scry_npy_read(const scry_npy *f, size_t i, float *out, scry_error *err);

#endif
