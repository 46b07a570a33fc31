#include "lib/memory.h"
#include "lib/io/safetensors.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Parse, and convert every tensor: all that the header promises must be there. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scry_safetensors *s;
    if (size > 65536) return 0;
    if (scry_safetensors_parse(&s, data, size, "fuzz", NULL) != SCRY_OK) return 0;
    for (size_t i = 0; i < scry_safetensors_count(s); i++) {
        const scry_tensor_info *t = scry_safetensors_info(s, i);
        if (t->dtype == SCRY_DTYPE_OTHER) continue;
        if (t->count > size) abort();
        float *out = scry_alloc(t->count, sizeof *out);
        if (out) scry_safetensors_float(s, t, out, NULL);
        scry_free(out);
    }
    scry_safetensors_free(s);
    return 0;
}
