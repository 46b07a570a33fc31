#ifndef SCRY_PRIORS_PARALLEL_MAP_IMPL_H
#define SCRY_PRIORS_PARALLEL_MAP_IMPL_H

#include "lib/status.h"

#include <stddef.h>

enum { SCRYI_MAX_WORKERS = 64 };

/* Independent evaluations of an inner prior: job(ctx, first + i, slot i, ...) for i < count <=
 * SCRYI_MAX_WORKERS, side by side, each with its own slot_bytes of work. With count 1, or inside a
 * parallel region of the caller, they run one after the other, and with count 1 the threads are the
 * inner prior's to use. A failure is reported as by a loop in order. */
typedef scry_status scryi_parallel_task(void *ctx, size_t task, void *slot, scry_error *err);
scry_status scryi_parallel_map(scryi_parallel_task *task, void *ctx, size_t first, size_t count,
                               void *work, size_t slot_bytes, scry_error *err);

/* 1 to SCRYI_MAX_WORKERS: EINVAL otherwise. */
scry_status scryi_parallel_map_check(size_t workers, scry_error *err);

#endif
