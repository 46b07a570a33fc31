#include "lib/io/cfl.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The text of a header: an accepted one has a count of values that is the product of its dims. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scry_cfl_header h;
    char text[400];
    if (size > 8192) return 0;
    if (scry_cfl_parse(&h, (const char *)data, size, "fuzz", NULL) != SCRY_OK) return 0;
    size_t count = 1;
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        count *= h.dims[d];
    if (count != h.count || !count) abort();
    scry_cfl_print(h.dims, text, sizeof text);
    return 0;
}
