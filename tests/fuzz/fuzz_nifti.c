#include "lib/io/nifti.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A header: an accepted one has axes to read and values of a known size. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scry_nifti n;
    scry_nifti_layout layout;
    if (size < SCRY_NIFTI_HEADER) return 0;
    if (scry_nifti_parse(&n, &layout, data, "fuzz", NULL) != SCRY_OK) return 0;
    if (!n.nt || !n.nz || !n.ny || !n.nx || !layout.bytes || layout.offset < SCRY_NIFTI_HEADER)
        abort();
    return 0;
}
