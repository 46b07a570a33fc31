#ifndef SCRY_PRIORS_NETWORK_ARENA_IMPL_H
#define SCRY_PRIORS_NETWORK_ARENA_IMPL_H

#include "lib/status.h"

#include <stddef.h>

/* Tensors of a list of operations in one block of memory: those that are never needed at the same
 * time share a place. */

#define SCRYI_UNTOUCHED (-1)

typedef struct scryi_buffer {
    size_t floats, offset;
    int first, last; /* operations that touch it; first SCRYI_UNTOUCHED: none yet */
} scryi_buffer;

/* Fills the offsets; *floats: of the whole block. ENOMEM. */
scry_status scryi_arrange(scryi_buffer *buffers, size_t count, size_t *floats, scry_error *err);

#endif
