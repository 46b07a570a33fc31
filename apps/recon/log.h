#ifndef SCRY_APPS_RECON_LOG_H
#define SCRY_APPS_RECON_LOG_H

#include "lib/api.h"

SCRY_BEGIN

/* The messages of a reconstruction. The library prints nothing: a program that wants the messages
 * passes a function. */

typedef enum scry_log_kind {
    SCRY_LOG_NOTE,   /* a finding, a choice or a measured number */
    SCRY_LOG_WARNING /* the result may surprise the user */
} scry_log_kind;

/* text is one line, or several with '\n' between them, and valid during the call only. Calls come
 * from the thread that called the library. */
typedef struct scry_log {
    void (*write)(scry_log_kind kind, const char *text, void *ctx); /* NULL: silent */
    void *ctx;
} scry_log;

SCRY_END

/* log NULL: silent. A line is lost if there is no memory for it. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void scry_log_note(const scry_log *log, const char *fmt, ...);
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void scry_log_warn(const scry_log *log, const char *fmt, ...);

#endif
