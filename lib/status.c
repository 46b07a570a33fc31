#include "lib/status.h"

#include <stdarg.h>
#include <stdio.h>

scry_status scry_fail(scry_error *err, scry_status code, const char *where, const char *fmt, ...)
{
    if (!err || err->code != SCRY_OK) return code;
    err->code = code;
    snprintf(err->where, sizeof err->where, "%s", where ? where : "");
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return code;
}

const char *scry_status_name(scry_status code)
{
    switch (code) {
    case SCRY_OK:
        return "ok";
    case SCRY_EINVAL:
        return "invalid argument";
    case SCRY_ESHAPE:
        return "shapes do not fit";
    case SCRY_ENOMEM:
        return "out of memory";
    case SCRY_EIO:
        return "input or output failed";
    case SCRY_EFORMAT:
        return "malformed file";
    case SCRY_ENUMERIC:
        return "numerical failure";
    case SCRY_EUNSUP:
        return "not supported";
    }
    return "unknown status";
}
