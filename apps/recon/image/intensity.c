#include "apps/recon/image/intensity.h"

#include "apps/recon/image/noise.h"
#include "lib/memory.h"
#include "lib/vector.h"

/* Middle of the range of g in training (priors/train). */
static const double GAIN = 0.75;
static const double PERCENTILE_LOW = 0.005, PERCENTILE_HIGH = 0.999;

scry_status scry_intensity_map(scry_affine *map, const float *v, size_t n, const scry_noise *noise,
                               double low, double high, scry_error *err)
{
    if (low < high) {
        low = scry_noise_to_physical(noise, low);
        high = scry_noise_to_physical(noise, high);
    } else {
        float *scratch = scry_alloc(n, sizeof *scratch);
        if (!scratch) return SCRY_FAIL(err, SCRY_ENOMEM, "percentiles of %zu pixels", n);
        low = scry_quantile(v, n, PERCENTILE_LOW, scratch);
        high = scry_quantile(v, n, PERCENTILE_HIGH, scratch);
        scry_free(scratch);
        if (!(high > low))
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "the 0.5 and 99.9 percentiles are %g and %g: give --range", low, high);
    }
    map->scale = (high - low) / (2 * GAIN);
    map->shift = low + map->scale;
    return SCRY_OK;
}
