#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/sort.h"
#include "operators/fourier.h"

#include <math.h>
#include <string.h>

/* Samples nearer to the centre are never held out: they carry most of the energy and give the coil
 * maps. A share of the axis, to either side: the middle sixteenth of k-space. */
static const double MIDDLE_HALF = 0.125;

/* Whether sample i is far enough from the middle; its line, or itself where there are none. Off the
 * grid readouts are lines, and the middle is in all of them. */
static bool may_be_held(size_t *unit, const struct scryi_plane *p, size_t i)
{
    if (p->scattered) {
        *unit = i / p->scattered->line;
        return true;
    }
    const size_t y = i / p->nx, x = i % p->nx;
    const double fy = fabs((double)y - (double)(p->ny / 2)) / (double)p->ny;
    const double fx = fabs((double)x - (double)(p->nx / 2)) / (double)p->nx;
    *unit = p->axes == SCRY_FOURIER_Y ? y : p->axes == SCRY_FOURIER_X ? x : i;
    if (p->axes == SCRY_FOURIER_Y) return fy >= MIDDLE_HALF;
    if (p->axes == SCRY_FOURIER_X) return fx >= MIDDLE_HALF;
    return fy >= MIDDLE_HALF || fx >= MIDDLE_HALF;
}

static size_t hold_out_units(const struct scryi_plane *p)
{
    if (p->scattered) return (p->places + p->scattered->line - 1) / p->scattered->line;
    return p->axes == SCRY_FOURIER_Y ? p->ny : p->axes == SCRY_FOURIER_X ? p->nx : p->places;
}

/* Draws for every unit that may be held out; of the others, 2. Returns how many may. */
static size_t draw_units(float *draw, size_t units, const unsigned char *mask,
                         const struct scryi_plane *p, uint64_t seed)
{
    size_t count = 0, unit;
    scry_rng_uniform(draw, 0, units, seed, UINT32_MAX, 0);
    for (size_t k = 0; k < units; k++)
        draw[k] += 2;
    for (size_t i = 0; i < p->places; i++)
        if (mask[i] && may_be_held(&unit, p, i) && draw[unit] >= 2) {
            draw[unit] -= 2;
            count++;
        }
    for (size_t k = 0; k < units; k++)
        draw[k] = fminf(draw[k], 2);
    return count;
}

scry_status scryi_hold_out(unsigned char **held, unsigned char *mask, const struct scryi_plane *p,
                           double share, uint64_t seed, scry_error *err)
{
    const size_t n = p->places;
    const size_t units = hold_out_units(p);
    size_t unit;
    float *draw = scry_alloc(units, sizeof *draw), *sorted = scry_alloc(units, sizeof *sorted);
    scry_status st = SCRY_OK;
    *held = scry_alloc(n, 1);
    if (!draw || !sorted || !*held) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "samples to hold out");
        goto done;
    }
    const size_t may = draw_units(draw, units, mask, p, seed);
    if (may < 2) {
        st = SCRY_FAIL(err, SCRY_EINVAL,
                       "--holdout %g: %zu lines or samples lie outside of the middle quarter of "
                       "k-space, expected 2 or more to judge by",
                       share, may);
        goto done;
    }
    const size_t want = (size_t)fmax(1, fmin(round(share * (double)may), (double)(may - 1)));
    memcpy(sorted, draw, units * sizeof *sorted);
    scry_sort_float(sorted, units);
    for (size_t i = 0; i < n; i++)
        if (mask[i] && may_be_held(&unit, p, i) && draw[unit] <= sorted[want - 1]) {
            (*held)[i] = 1;
            mask[i] = 0;
        }
done:
    scry_free(draw);
    scry_free(sorted);
    return st;
}
