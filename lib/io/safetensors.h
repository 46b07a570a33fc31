#ifndef SCRY_LIB_IO_SAFETENSORS_H
#define SCRY_LIB_IO_SAFETENSORS_H

#include "lib/status.h"

#include <stddef.h>
#include <stdint.h>

/* Files of named tensors: a little-endian 64-bit header length, a JSON header
 * {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}, then the data
 * (https://huggingface.co/docs/safetensors). Opening reads and checks the header only: lengths,
 * names and types, that every tensor has as many bytes as its shape needs, and that the tensors
 * tile the data without overlap, hole or excess. Immutable once open, except that reads share one
 * file position: one thread at a time. */
typedef struct scry_safetensors scry_safetensors;

#define SCRY_TENSOR_RANK 8

typedef enum scry_dtype {
    SCRY_DTYPE_F64,
    SCRY_DTYPE_F32,
    SCRY_DTYPE_F16,
    SCRY_DTYPE_BF16,
    SCRY_DTYPE_OTHER /* integers, booleans, 8-bit floats: listed, not readable as float */
} scry_dtype;

typedef struct scry_tensor_info {
    const char *name;
    scry_dtype dtype;
    int rank; /* 0: a scalar */
    size_t dims[SCRY_TENSOR_RANK], count;
    uint64_t begin, end; /* bytes from the start of the data */
} scry_tensor_info;

/* EIO: not readable; EFORMAT: one of these checks failed: the message names the tensor and the
 * numbers. */
scry_status scry_safetensors_open(scry_safetensors **out, const char *path, scry_error *err);

/* The same from memory, borrowed until free; `name` is used in messages. */
scry_status scry_safetensors_parse(scry_safetensors **out, const void *bytes, size_t size,
                                   const char *name, scry_error *err);

void scry_safetensors_free(scry_safetensors *s); /* accepts NULL */

size_t scry_safetensors_count(const scry_safetensors *s);
const scry_tensor_info *scry_safetensors_info(const scry_safetensors *s, size_t i); /* by name */
/* NULL when there is no such tensor. */
const scry_tensor_info *scry_safetensors_find(const scry_safetensors *s, const char *name);

/* out[count], converted to float32. EUNSUP: dtype OTHER; EIO: the file could not be read. */
scry_status scry_safetensors_float(const scry_safetensors *s, const scry_tensor_info *tensor,
                                   float *out, scry_error *err);

/* float32 tensors in the order given, names distinct. The file appears whole, by rename, once its
 * bytes are on the disk; an existing one is replaced. EIO; ENOMEM. */
typedef struct scry_tensor_out {
    const char *name;
    int rank;
    const size_t *dims;
    const float *values;
} scry_tensor_out;
scry_status scry_safetensors_write(const char *path, const scry_tensor_out *tensors, size_t count,
                                   scry_error *err);

#endif
