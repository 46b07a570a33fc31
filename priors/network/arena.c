#include "priors/network/arena_impl.h"

#include "lib/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static int by_size(const void *a, const void *b)
{
    const scryi_buffer *p = *(scryi_buffer *const *)a, *q = *(scryi_buffer *const *)b;
    if (p->floats != q->floats) return p->floats < q->floats ? 1 : -1;
    return (p > q) - (p < q);
}

/* Largest first, each at the lowest place that is free for its whole life. */
scry_status scryi_arrange(scryi_buffer *buffers, size_t count, size_t *floats, scry_error *err)
{
    scryi_buffer **order = scry_alloc(count, sizeof(*order));
    if (!order) return SCRY_FAIL(err, SCRY_ENOMEM, "plan of the network");
    for (size_t i = 0; i < count; i++)
        order[i] = &buffers[i];
    qsort(order, count, sizeof(*order), by_size);
    *floats = 0;
    for (size_t i = 0; i < count; i++) {
        scryi_buffer *b = order[i];
        for (size_t j = 0; j < i; j++) {
            const scryi_buffer *o = order[j];
            const bool meet = o->first <= b->last && b->first <= o->last;
            if (!meet || o->offset >= b->offset + b->floats || b->offset >= o->offset + o->floats)
                continue;
            b->offset = o->offset + o->floats;
            j = SIZE_MAX; /* from the start: this may collide with an earlier one */
        }
        if (*floats < b->offset + b->floats) *floats = b->offset + b->floats;
    }
    scry_free(order);
    return SCRY_OK;
}
