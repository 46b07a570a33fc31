#ifndef SCRY_LIB_IO_HDF5_H
#define SCRY_LIB_IO_HDF5_H

#include "lib/status.h"

#include <complex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* HDF5 files of numbers, as h5py writes and reads them. The HDF5 library is serial: calls on any
 * file must come from one thread at a time. In all functions
 *   name    of a dataset or group from the root: "kspace", "dataset/xml"
 *   errors  EIO: the system refused; EFORMAT: no such dataset, or another shape or type than the
 *           call reads, damaged or truncated: the message says which; ENOMEM */

typedef struct scry_hdf5 scry_hdf5;

#define SCRY_HDF5_RANK 8

typedef enum scry_hdf5_class {
    SCRY_HDF5_NUMBER = 0, /* integer, floating point, or an enumeration (bool of h5py) */
    SCRY_HDF5_COMPLEX,    /* compound of two floats named r, i or real, imag */
    SCRY_HDF5_TEXT,
    SCRY_HDF5_OTHER
} scry_hdf5_class;

typedef struct scry_hdf5_info {
    char name[256];
    scry_hdf5_class kind;
    int rank; /* 0: a scalar */
    size_t dims[SCRY_HDF5_RANK], count;
    char type[48];  /* as text: "float32", "complex64 {r, i}", "bool", "compound of 3" */
    char shape[96]; /* as text: "1 x 16 x 128 x 128", "scalar" */
} scry_hdf5_info;

/* True if the file begins (after a user block, if any) like an HDF5 file. */
bool scry_hdf5_recognise(const char *path);

/* For reading. */
scry_status scry_hdf5_open(scry_hdf5 **out, const char *path, scry_error *err);
const char *scry_hdf5_path(const scry_hdf5 *f);
void scry_hdf5_close(scry_hdf5 *f); /* NULL is accepted; a file being written is abandoned */

bool scry_hdf5_has_dataset(const scry_hdf5 *f, const char *name);
bool scry_hdf5_has_group(const scry_hdf5 *f, const char *name);

/* Rank at most SCRY_HDF5_RANK, and no more values than a file of its size can hold. */
scry_status scry_hdf5_describe(scry_hdf5_info *out, const scry_hdf5 *f, const char *name,
                               scry_error *err);

/* Every dataset of the file, at any depth, by name; *out is released with scry_free. At most 4096.
 * A dataset that cannot be described is listed as OTHER, with the reason as its type. */
scry_status scry_hdf5_list(scry_hdf5_info **out, size_t *count, const scry_hdf5 *f,
                           scry_error *err);

/* The box of `count` entries that begins at `start`, both with the dataset's rank, last axis
 * contiguous; both NULL: everything. Numbers are converted to float; complex128 to complex64. */
scry_status scry_hdf5_read_float(const scry_hdf5 *f, const char *name, const size_t *start,
                                 const size_t *count, float *out, scry_error *err);
scry_status scry_hdf5_read_complex(const scry_hdf5 *f, const char *name, const size_t *start,
                                   const size_t *count, float complex *out, scry_error *err);
/* A scalar, or the only entry of a (1,) dataset; fixed or variable length; *out is 0-terminated and
 * released with scry_free. */
scry_status scry_hdf5_read_text(char **out, const scry_hdf5 *f, const char *name, scry_error *err);

/* Attributes of the root ("" or "/") or of an object; false where there is none or it is of another
 * type. Text is cut to size. */
bool scry_hdf5_attribute_text(const scry_hdf5 *f, const char *object, const char *name, char *out,
                              size_t size);
bool scry_hdf5_attribute_number(const scry_hdf5 *f, const char *object, const char *name,
                                double *out);

/* Writing: to a name beside path, which finish renames to path; an existing file is replaced. */
typedef enum scry_hdf5_type {
    SCRY_HDF5_F32 = 0,
    SCRY_HDF5_C64, /* compound {r, i} of float32: complex64 of h5py */
    SCRY_HDF5_BOOL /* enumeration {FALSE, TRUE} of int8: bool of h5py */
} scry_hdf5_type;

scry_status scry_hdf5_create(scry_hdf5 **out, const char *path, scry_error *err);
scry_status scry_hdf5_add(scry_hdf5 *f, const char *name, scry_hdf5_type type, int rank,
                          const size_t *dims, scry_error *err);
/* A box, as for reading, in the type it was added with. */
scry_status scry_hdf5_write_float(scry_hdf5 *f, const char *name, const size_t *start,
                                  const size_t *count, const float *in, scry_error *err);
scry_status scry_hdf5_write_complex(scry_hdf5 *f, const char *name, const size_t *start,
                                    const size_t *count, const float complex *in, scry_error *err);
scry_status scry_hdf5_write_bool(scry_hdf5 *f, const char *name, const unsigned char *in,
                                 scry_error *err); /* the whole; not 0: true */
/* A dataset of one variable-length string: a scalar (fastMRI), or of shape (1,) (ISMRMRD). */
scry_status scry_hdf5_add_text(scry_hdf5 *f, const char *name, bool scalar, const char *text,
                               scry_error *err);
scry_status scry_hdf5_put_text(scry_hdf5 *f, const char *object, const char *name, const char *text,
                               scry_error *err); /* attributes */
scry_status scry_hdf5_put_number(scry_hdf5 *f, const char *object, const char *name, double value,
                                 scry_error *err);
/* commit false: leaves no trace. f is freed either way; NULL is accepted. */
scry_status scry_hdf5_finish(scry_hdf5 *f, bool commit, scry_error *err);

#endif
