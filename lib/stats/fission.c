#include "lib/stats/fission.h"

#include "lib/rng.h"

#include <math.h>

scry_status scry_fission_split(float *seen, float *held, const float *y, const float *variance,
                               size_t n, double share, uint64_t seed, uint32_t fold,
                               scry_error *err)
{
    if (!(share > 0) || !(share < 1))
        return SCRY_FAIL(err, SCRY_EINVAL, "held-out share %g, expected a number between 0 and 1",
                         share);
    for (size_t i = 0; i < n; i++)
        if (!(variance[i] >= 0) || !isfinite(variance[i]))
            return SCRY_FAIL(err, SCRY_EINVAL, "variance %g of pixel %zu, expected a number >= 0",
                             (double)variance[i], i);
    const double t = sqrt(share / (1 - share));
    scry_rng_normal(held, 0, n, seed, fold, 0);
    for (size_t i = 0; i < n; i++) {
        const double noise = sqrt((double)variance[i]) * held[i], value = y[i];
        seen[i] = (float)(value + t * noise);
        held[i] = (float)(value - noise / t);
    }
    return SCRY_OK;
}

scry_margin scry_margin_of(const double *a, const double *b, size_t count)
{
    scry_margin m = {0, NAN};
    double squares = 0;
    for (size_t i = 0; i < count; i++)
        m.mean += (a[i] - b[i]) / (double)count;
    for (size_t i = 0; i < count; i++) {
        const double d = a[i] - b[i] - m.mean;
        squares += d * d;
    }
    if (count > 1) m.error = sqrt(squares / (double)(count - 1) / (double)count);
    return m;
}
