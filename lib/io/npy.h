#ifndef SCRY_LIB_IO_NPY_H
#define SCRY_LIB_IO_NPY_H

#include "lib/status.h"

#include <complex.h>
#include <stdbool.h>
#include <stddef.h>

/* Arrays as numpy saves them: .npy (one array; format versions 1 to 3) and .npz (a zip of such,
 * stored or deflated). Booleans, integers of 8 to 64 bits, floats of 16 to 64 and complex numbers
 * of these (complex64, complex128), of either byte order, in C or Fortran order. Immutable once
 * open; threads may read at the same time. */
typedef struct scry_npy scry_npy;

#define SCRY_NPY_RANK 8

typedef struct scry_npy_info {
    char name[256]; /* in a .npz, without ".npy"; "" otherwise */
    int rank;       /* 0: a scalar */
    size_t dims[SCRY_NPY_RANK], count;
    char type[8]; /* as numpy writes it: "<f4", "|u1" */
    bool cplx;
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

/* out[count], in C order, converted to float. EUNSUP: complex numbers; EFORMAT: the data do not
 * inflate to the size in the header, or the checksum does not match; ENOMEM. */
scry_status scry_npy_read(const scry_npy *f, size_t i, float *out, scry_error *err);
/* `count` values of a .npy from number `first` on, in C order, as complex numbers whatever they
 * are. EINVAL: beyond its end, or a .npz */
scry_status scry_npy_read_complex(const scry_npy *f, size_t first, size_t count, float complex *out,
                                  scry_error *err);

/* A .npy of float32, or complex64 in pairs, in C order: whole or not at all, by rename. Parts may
 * come in any order. EIO, ENOMEM */
typedef struct scry_npy_writer scry_npy_writer;
scry_status scry_npy_create(scry_npy_writer **out, const char *path, int rank, const size_t *dims,
                            bool cplx, scry_error *err);
/* `count` values from number `first` on. */
scry_status scry_npy_write(scry_npy_writer *w, size_t first, size_t count, const float *values,
                           scry_error *err);
/* commit false: leaves no trace. The writer is freed either way; NULL is accepted. */
scry_status scry_npy_finish(scry_npy_writer *w, bool commit, scry_error *err);

#endif
