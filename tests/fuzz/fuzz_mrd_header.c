/* The XML header of ISMRMRD on arbitrary text; an accepted header survives being written. Run with
 * -max_len=8000. */

#include "lib/io/kspace/mrd_header_impl.h"
#include "lib/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scry_error err = {0};
    scryi_mrd_header h, back;
    char *text;
    if (scryi_mrd_parse(&h, (const char *)data, size, "fuzz", &err) != SCRY_OK) {
        if (err.text[0] == '\0') abort(); /* a failure without words */
        return 0;
    }
    if (scryi_mrd_format(&text, &h, &err) != SCRY_OK) return 0;
    if (scryi_mrd_parse(&back, text, strlen(text), "again", &err) != SCRY_OK) abort();
    if (memcmp(h.encoding[0].encoded, back.encoding[0].encoded, sizeof h.encoding[0].encoded))
        abort();
    scry_free(text);
    return 0;
}
