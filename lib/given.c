#include "lib/given.h"

#include <string.h>

bool scry_missing(const void *const *pointers, size_t count, const char *names, const char *where,
                  scry_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const size_t length = strcspn(names, ",");
        if (!pointers[i]) {
            scry_fail(err, SCRY_EINVAL, where, "%.*s is NULL", (int)length, names);
            return true;
        }
        names += length + strspn(names + length, ", ");
    }
    return false;
}
