#ifndef SCRY_LIB_SPACE_H
#define SCRY_LIB_SPACE_H

#include "lib/api.h"
#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>

SCRY_BEGIN

#define SCRY_MAX_RANK 6

/* Where a vector lives: dims slowest first, the last contiguous; (re, im) pairs when cplx. */
typedef struct scry_space {
    int rank;
    size_t dims[SCRY_MAX_RANK];
    bool cplx;
} scry_space;

/* A space from a list of dims: SCRY_SPACE(37, 53), real. */
#define SCRY_SPACE(...)                                                                            \
    ((scry_space){.rank = (int)(sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t)),                 \
                  .dims = {__VA_ARGS__}})

/* rank in 1..SCRY_MAX_RANK, every dim > 0, and the count of floats fits in ptrdiff_t. */
scry_status scry_space_check(const scry_space *s, scry_error *err);

/* Entries (complex ones count once). The space must have passed scry_space_check. */
size_t scry_space_count(const scry_space *s);

/* Floats: twice the entries when complex. */
size_t scry_space_floats(const scry_space *s);

bool scry_space_equal(const scry_space *a, const scry_space *b);

/* "37 x 53" or "2 x 37 x 53 complex", into a caller's buffer; returns it. */
const char *scry_space_print(const scry_space *s, char *buf, size_t size);

/* *out = a * b; false when the product overflows. */
bool scry_mul(size_t *out, size_t a, size_t b);

SCRY_END

#endif
