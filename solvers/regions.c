#include "solvers/regions_impl.h"

#include "lib/memory.h"
#include "lib/stats/mixing.h"

#include <math.h>
#include <string.h>

/* An image as planes of ny x nx pixels of `parts` floats. */
struct layout {
    size_t planes, ny, nx, parts;
    size_t down, across; /* blocks of a plane */
};

static struct layout regions_layout_of(const scry_space *s, size_t side)
{
    struct layout l = {1, 1, 1, s->cplx ? 2 : 1, 0, 0};
    for (int a = 0; a + 2 < s->rank; a++)
        l.planes *= s->dims[a];
    if (s->rank > 1) l.ny = s->dims[s->rank - 2];
    if (s->rank > 0) l.nx = s->dims[s->rank - 1];
    l.down = (l.ny - 1) / side + 1;
    l.across = (l.nx - 1) / side + 1;
    return l;
}

size_t scryi_regions_count(const scry_space *space, size_t side)
{
    const struct layout l = regions_layout_of(space, side);
    return l.planes * l.down * l.across * l.parts;
}

scry_status scryi_regions_init(struct scryi_regions *r, const scry_space *space, size_t side,
                               scry_error *err)
{
    const struct layout l = regions_layout_of(space, side);
    r->n = scry_space_floats(space);
    r->count = scryi_regions_count(space, side);
    if (r->count > UINT32_MAX)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu regions, expected fewer than 2^32", r->count);
    r->of = scry_alloc(r->n, sizeof *r->of);
    r->pixels = scry_alloc(r->count, sizeof *r->pixels);
    if (!r->of || !r->pixels)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu regions of %zu values", r->count, r->n);
    for (size_t i = 0; i < r->n; i++) {
        const size_t part = i % l.parts, x = i / l.parts % l.nx, y = i / l.parts / l.nx % l.ny;
        const size_t plane = i / l.parts / l.nx / l.ny;
        const size_t block = (plane * l.down + y / side) * l.across + x / side;
        r->of[i] = (uint32_t)(block * l.parts + part);
        r->pixels[r->of[i]]++;
    }
    return SCRY_OK;
}

void scryi_regions_clear(struct scryi_regions *r)
{
    scry_free(r->of);
    scry_free(r->pixels);
}

void scryi_regions_follow(const struct scryi_regions *r, double *row, const float *x)
{
    double *mean = row, *square = row + r->count;
    memset(row, 0, 2 * r->count * sizeof *row);
    for (size_t i = 0; i < r->n; i++) {
        mean[r->of[i]] += x[i];
        square[r->of[i]] += (double)x[i] * x[i];
    }
    for (size_t k = 0; k < r->count; k++) {
        mean[k] /= r->pixels[k];
        square[k] /= r->pixels[k];
    }
}

scry_status scryi_regions_mixing(const struct scryi_regions *r, const double *rows, size_t chains,
                                 size_t draws, float *rhat, float *ess, double *worst_rhat,
                                 double *min_ess, scry_error *err)
{
    const size_t all = chains * draws;
    double *trace = scry_alloc(all, sizeof *trace);
    scry_mixing *of = scry_alloc(r->count, sizeof *of);
    scry_status st = SCRY_OK;
    if (!trace || !of)
        st = SCRY_FAIL(err, SCRY_ENOMEM, "traces of %zu draws in %zu regions", all, r->count);
    *worst_rhat = draws < 4 ? NAN : 0;
    *min_ess = INFINITY;
    for (size_t k = 0; k < 2 * r->count && st == SCRY_OK; k++) {
        for (size_t t = 0; t < all; t++)
            trace[t] = rows[t * 2 * r->count + k];
        const scry_mixing m = scry_mixing_measure(trace, chains, draws);
        scry_mixing *region = &of[k % r->count];
        if (k < r->count || m.rhat > region->rhat) region->rhat = m.rhat;
        if (k < r->count || m.ess < region->ess) region->ess = m.ess;
        if (m.rhat > *worst_rhat) *worst_rhat = m.rhat;
        if (m.ess < *min_ess) *min_ess = m.ess;
    }
    for (size_t i = 0; i < r->n && st == SCRY_OK; i++) {
        rhat[i] = (float)of[r->of[i]].rhat;
        ess[i] = (float)of[r->of[i]].ess;
    }
    scry_free(trace);
    scry_free(of);
    return st;
}
