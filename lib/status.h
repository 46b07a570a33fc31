#ifndef SCRY_LIB_STATUS_H
#define SCRY_LIB_STATUS_H

#include "lib/api.h"

SCRY_BEGIN

/* How every part of scry reports failure: a code is returned, the words and numbers go in `err`. */

typedef enum scry_status {
    SCRY_OK = 0,
    SCRY_EINVAL,   /* an argument is outside its documented range */
    SCRY_ESHAPE,   /* spaces or dims do not fit together */
    SCRY_ENOMEM,   /* memory was refused */
    SCRY_EIO,      /* the system refused to read or write */
    SCRY_EFORMAT,  /* a file is not what it should be */
    SCRY_ENUMERIC, /* NaN, infinity, or a breakdown of an algorithm */
    SCRY_EUNSUP,   /* legal, but this object cannot do it */
    SCRY_ESTOP     /* the caller asked to stop */
} scry_status;

typedef struct scry_error {
    scry_status code;
    char where[48], text[512]; /* who detected it; the values: "axis 1: psf 65 exceeds image 64" */
} scry_error;

/* Keeps the first failure, so start from {0}; err may be NULL. Returns code for the caller. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
scry_status
scry_fail(scry_error *err, scry_status code, const char *where, const char *fmt, ...);

#define SCRY_FAIL(err, code, ...) scry_fail((err), (code), __func__, __VA_ARGS__)

/* Puts "name: " before the words of a failure that does not hold the name already: whoever found
 * the fault may not know the file. err, name may be NULL. */
void scry_error_name(scry_error *err, const char *name);

/* A short name for a code: "invalid argument". Never NULL. */
const char *scry_status_name(scry_status code);

SCRY_END

#endif
