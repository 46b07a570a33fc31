#include "solvers/moments_impl.h"

#include "lib/memory.h"

#include <string.h>

scry_status scryi_moments_init(struct scryi_moments *t, size_t n, bool one, size_t thresholds,
                               const double *threshold, scry_error *err)
{
    t->n = n;
    t->thresholds = thresholds;
    t->threshold = threshold;
    t->mean = scry_alloc(n, sizeof *t->mean);
    if (!one) t->spread = scry_alloc(n, sizeof *t->spread);
    if (thresholds) t->above = scry_alloc(thresholds, n * sizeof *t->above);
    if (t->mean && (one || t->spread) && (!thresholds || t->above)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "moments of %zu values, %zu thresholds", n, thresholds);
}

void scryi_moments_clear(struct scryi_moments *t)
{
    scry_free(t->mean);
    scry_free(t->spread);
    scry_free(t->above);
}

size_t scryi_moments_bytes(size_t n, bool one, size_t thresholds)
{
    return n * ((one ? 1 : 2) * sizeof(double) + thresholds * sizeof(uint32_t));
}

void scryi_moments_forget(struct scryi_moments *t)
{
    t->draws = 0;
    memset(t->mean, 0, t->n * sizeof *t->mean);
    if (t->spread) memset(t->spread, 0, t->n * sizeof *t->spread);
    if (t->above) memset(t->above, 0, t->thresholds * t->n * sizeof *t->above);
}

void scryi_moments_add(struct scryi_moments *t, const float *x0, const float *x)
{
    if (!x) x = x0;
    const double count = (double)++t->draws;
    for (size_t i = 0; i < t->n; i++) { /* Welford 1962, Technometrics 4:419 */
        const double before = x0[i] - t->mean[i], own = (double)x[i] - x0[i];
        t->mean[i] += before / count;
        if (t->spread) t->spread[i] += before * (x0[i] - t->mean[i]) + t->share * own * own;
    }
    for (size_t k = 0; k < t->thresholds; k++)
        for (size_t i = 0; i < t->n; i++)
            t->above[k * t->n + i] += x[i] > t->threshold[k];
}

void scryi_moments_merge(struct scryi_moments *into, const struct scryi_moments *from)
{
    const double share = (double)from->draws;
    into->draws += from->draws;
    for (size_t i = 0; i < into->n; i++) {
        const double before = from->mean[i] - into->mean[i];
        into->mean[i] += before * share / (double)into->draws;
        into->spread[i] += before * share * (from->mean[i] - into->mean[i]);
        if (from->spread) into->spread[i] += from->spread[i];
    }
    for (size_t i = 0; i < into->thresholds * into->n; i++)
        into->above[i] += from->above[i];
}
