#include "datasets/camera.h"

#include <gsl/gsl_randist.h>
#include <math.h>

#include "lib/given.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"

void scry_camera_init(scry_camera *c)
{
    *c = (scry_camera){.gain = 1, .offset = 100, .read_noise = 1.5, .bits = 16};
}

static scry_status camera_check(const float *mean, size_t n, const scry_camera *c, scry_error *err)
{
    if (!(c->gain > 0) || !isfinite(c->gain) || !isfinite(c->offset))
        return SCRY_FAIL(err, SCRY_EINVAL, "gain %g e-/ADU and offset %g ADU, expected a gain > 0",
                         c->gain, c->offset);
    if (!(c->read_noise >= 0) || !isfinite(c->read_noise) || !(c->full_well >= 0))
        return SCRY_FAIL(err, SCRY_EINVAL, "read noise %g e- and full well %g e-, expected >= 0",
                         c->read_noise, c->full_well);
    if (c->bits < 0 || c->bits > 16)
        return SCRY_FAIL(err, SCRY_EINVAL, "%d bits, expected 0 to 16", c->bits);
    if (n > (size_t)1 << 30) /* the elements that scry_rng_gsl_seek can distinguish */
        return SCRY_FAIL(err, SCRY_ESHAPE, "%zu pixels in one exposure, at most 2^30", n);
    for (size_t i = 0; i < n; i++)
        if (!(mean[i] >= 0 && mean[i] <= 1e9f)) /* GSL counts in unsigned int */
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "pixel %zu expects %g electrons, which is not in "
                             "0..1e9",
                             i, (double)mean[i]);
    return SCRY_OK;
}

scry_status scry_camera_expose(float *adu, const float *mean, size_t n, const scry_camera *c,
                               uint64_t seed, uint32_t chain, scry_error *err)
{
    if (SCRY_MISSING(err, adu, mean, c)) return SCRY_EINVAL;
    scry_status st = camera_check(mean, n, c, err);
    if (st != SCRY_OK) return st;
    const double top = ldexp(1, c->bits) - 1;
    int failed = 0;
#pragma omp parallel if (n > 4096)
    {
        gsl_rng *r = gsl_rng_alloc(scry_rng_gsl());
        if (!r) {
#pragma omp atomic write
            failed = 1;
        }
#pragma omp for schedule(static)
        for (size_t i = 0; i < n; i++) {
            if (!r) continue;
            scry_rng_gsl_seek(r, seed, chain, 0, (uint32_t)i);
            double e = mean[i] > 0 ? gsl_ran_poisson(r, mean[i]) : 0;
            if (c->full_well > 0 && e > c->full_well) e = c->full_well;
            double v = (e + gsl_ran_gaussian(r, c->read_noise)) / c->gain + c->offset;
            if (c->bits) v = fmin(fmax(rint(v), 0), top);
            adu[i] = (float)v;
        }
        gsl_rng_free(r);
    }
    return failed ? SCRY_FAIL(err, SCRY_ENOMEM, "random numbers of a thread") : SCRY_OK;
}
