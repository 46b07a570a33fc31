#ifndef SCRY_LIB_GIVEN_H
#define SCRY_LIB_GIVEN_H

#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>

/* The first check of a public function: that no needed argument is missing. True, with EINVAL and
 * the name of the argument in err, when one of the pointers is NULL:
 *
 *     if (SCRY_MISSING(err, A, y, x, work)) return SCRY_EINVAL;
 *
 * The second form is for functions that create: *out is NULL after a failure of any kind. */
#define SCRY_MISSING(err, ...)                                                                     \
    scry_missing((const void *const[]){__VA_ARGS__},                                               \
                 sizeof((const void *const[]){__VA_ARGS__}) / sizeof(void *), #__VA_ARGS__,        \
                 __func__, err)
#define SCRY_MISSING_OUT(err, out, ...)                                                            \
    ((void)((out) ? *(out) = NULL : NULL), SCRY_MISSING(err, out, __VA_ARGS__))

/* names: of the pointers, in their order, with commas between them. */
bool scry_missing(const void *const *pointers, size_t count, const char *names, const char *where,
                  scry_error *err);

#endif
