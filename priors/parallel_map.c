#include "priors/parallel_map_impl.h"

scry_status scryi_parallel_map(scryi_parallel_task *task, void *ctx, size_t first, size_t count,
                               void *work, size_t slot_bytes, scry_error *err)
{
    scry_status status[SCRYI_MAX_WORKERS];
    scry_error errors[SCRYI_MAX_WORKERS];
    if (count == 1) return task(ctx, first, work, err);
#pragma omp parallel for schedule(static, 1) num_threads((int)count)
    for (size_t i = 0; i < count; i++) {
        errors[i] = (scry_error){0};
        status[i] = task(ctx, first + i, (char *)work + i * slot_bytes, &errors[i]);
    }
    for (size_t i = 0; i < count; i++)
        if (status[i] != SCRY_OK)
            return scry_fail(err, status[i], errors[i].where, "%s", errors[i].text);
    return SCRY_OK;
}

scry_status scryi_parallel_map_check(size_t workers, scry_error *err)
{
    if (workers >= 1 && workers <= SCRYI_MAX_WORKERS) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "%zu workers, expected 1 to %d", workers, SCRYI_MAX_WORKERS);
}
