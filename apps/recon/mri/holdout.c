#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "operators/fourier.h"

#include <math.h>

/* Samples nearer to the centre are never held out: they carry most of the energy and give the coil
 * maps. A share of the axis, to either side: the middle sixteenth of k-space. */
static const double MIDDLE_HALF = 0.125;

scry_status scryi_hold_out(unsigned char **held, unsigned char *mask, const struct scryi_plane *p,
                           double share, uint64_t seed, scry_error *err)
{
    const size_t n = p->ny * p->nx;
    const bool lines = p->axes != SCRY_FOURIER_YX;
    const bool along_y = p->axes == SCRY_FOURIER_Y;
    const size_t units = !lines ? n : along_y ? p->ny : p->nx;
    size_t count = 0;
    float *draw = scry_alloc(units, sizeof *draw);
    *held = scry_alloc(n, 1);
    if (!draw || !*held) {
        scry_free(draw);
        return SCRY_FAIL(err, SCRY_ENOMEM, "samples to hold out");
    }
    scry_rng_uniform(draw, 0, units, seed, UINT32_MAX, 0);
    for (size_t i = 0; i < n; i++) {
        const size_t y = i / p->nx, x = i % p->nx;
        const double fy =
            p->axes & SCRY_FOURIER_Y ? fabs((double)y - (double)(p->ny / 2)) / (double)p->ny : 0.5;
        const double fx =
            p->axes & SCRY_FOURIER_X ? fabs((double)x - (double)(p->nx / 2)) / (double)p->nx : 0.5;
        if (!mask[i] || (fy < MIDDLE_HALF && lines && along_y) ||
            (fx < MIDDLE_HALF && lines && !along_y) ||
            (!lines && fy < MIDDLE_HALF && fx < MIDDLE_HALF))
            continue;
        if (draw[!lines ? i : along_y ? y : x] >= (float)share) continue;
        (*held)[i] = 1;
        mask[i] = 0;
        count++;
    }
    scry_free(draw);
    if (count) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL,
                     "--holdout %g leaves nothing to judge by: expected a larger share", share);
}
