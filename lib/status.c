#include "lib/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

void scry_error_name(scry_error *err, const char *name)
{
    if (!err || err->code == SCRY_OK || !name || strstr(err->text, name)) return;
    const scry_error found = *err;
    size_t used = strlen(name), rest = strlen(found.text);
    if (used + 2 >= sizeof err->text) return;
    memcpy(err->text, name, used);
    memcpy(err->text + used, ": ", 2);
    used += 2;
    if (rest >= sizeof err->text - used) rest = sizeof err->text - used - 1;
    memcpy(err->text + used, found.text, rest);
    err->text[used + rest] = '\0';
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
    case SCRY_ESTOP:
        return "stopped";
    }
    return "unknown status";
}
