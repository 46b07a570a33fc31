#ifndef SCRY_LIB_STATUS_H
#define SCRY_LIB_STATUS_H

#include "lib/api.h"

SCRY_BEGIN

/* How every part of scry reports a failure: the function returns a code, and puts words and numbers
 * into `err`. A pointer that is NULL where the header does not allow it is EINVAL, with the name
 * of the argument. */

typedef enum scry_status {
    SCRY_OK = 0,
    SCRY_EINVAL,   /* an argument is outside its documented range */
    SCRY_ESHAPE,   /* spaces or dims do not fit together */
    SCRY_ENOMEM,   /* memory was refused */
    SCRY_EIO,      /* the system refused to read or write */
    SCRY_EFORMAT,  /* a file is damaged, or of another format */
    SCRY_ENUMERIC, /* NaN, infinity, or a breakdown of an algorithm */
    SCRY_EUNSUP,   /* a legal request that this object cannot serve */
    SCRY_ESTOP     /* the caller asked to stop */
} scry_status;

typedef struct scry_error {
    scry_status code;
    char where[48], text[512]; /* who detected it; the values: "axis 1: psf 65 exceeds image 64" */
} scry_error;

/* Records a failure in `err` and returns `code`. A struct that holds a failure keeps it, so start
 * from {0}. err may be NULL. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
scry_status
scry_fail(scry_error *err, scry_status code, const char *where, const char *fmt, ...);

#define SCRY_FAIL(err, code, ...) scry_fail((err), (code), __func__, __VA_ARGS__)

/* Puts "name: " before the text of a failure unless the text holds the name already: the function
 * that found the fault may not know which file it read. err, name may be NULL. */
void scry_error_name(scry_error *err, const char *name);

/* A short name for a code: "invalid argument". Never NULL. */
const char *scry_status_name(scry_status code);

SCRY_END

#endif
