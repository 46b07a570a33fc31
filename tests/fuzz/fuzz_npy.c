#include "lib/io/npy.h"
#include "lib/memory.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Parse, and read every array that is not much larger than the input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scry_npy *f;
    if (size > 65536) return 0;
    if (scry_npy_parse(&f, data, size, "fuzz", NULL) != SCRY_OK) return 0;
    for (size_t i = 0; i < scry_npy_count(f); i++) {
        const scry_npy_info *info = scry_npy_get(f, i);
        if (info->count > 1u << 20) continue;
        float *out = scry_alloc(info->count, sizeof *out);
        if (out) scry_npy_read(f, i, out, NULL);
        scry_free(out);
    }
    scry_npy_close(f);
    return 0;
}
