#include "apps/recon/log.h"

#include "lib/memory.h"

#include <stdarg.h>
#include <stdio.h>

static void log_write_line(const scry_log *log, scry_log_kind kind, const char *fmt, va_list args)
{
    va_list again;
    if (!log || !log->write) return;
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    char *text = length < 0 ? NULL : scry_alloc((size_t)length + 1, 1);
    if (!text) return;
    vsnprintf(text, (size_t)length + 1, fmt, args);
    log->write(kind, text, log->ctx);
    scry_free(text);
}

void scry_log_note(const scry_log *log, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_write_line(log, SCRY_LOG_NOTE, fmt, args);
    va_end(args);
}

void scry_log_warn(const scry_log *log, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_write_line(log, SCRY_LOG_WARNING, fmt, args);
    va_end(args);
}
