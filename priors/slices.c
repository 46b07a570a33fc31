#include "priors/slices.h"

#include "priors/prior_impl.h"

#include "lib/given.h"
#include "lib/memory.h"

#include <stdint.h>
#include <string.h>

struct slices {
    scry_prior base;
    struct scry_prior_ops ops; /* without vjp when an inner prior has none */
    scry_prior *inner[3];
    size_t bytes; /* of a volume, aligned */
};

int scry_slices_direction(float sigma)
{
    uint32_t bits;
    memcpy(&bits, &sigma, sizeof bits);
    uint64_t h = bits + 0x9e3779b97f4a7c15u; /* SplitMix64: Steele et al. 2014, OOPSLA */
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return (int)((h ^ (h >> 31)) % 3);
}

/* (z, y, x) -> (y, z, x), or (x, z, y); or back. */
static void slices_turn(const scry_space *s, int direction, float *to, const float *from, bool back)
{
    const size_t nz = s->dims[0], ny = s->dims[1], nx = s->dims[2];
    for (size_t z = 0; z < nz; z++)
        for (size_t y = 0; y < ny; y++) {
            const size_t row = (z * ny + y) * nx;
            if (direction == 1) {
                const size_t turned = (y * nz + z) * nx;
                memcpy(to + (back ? row : turned), from + (back ? turned : row), nx * sizeof *to);
                continue;
            }
            for (size_t x = 0; x < nx; x++) {
                const size_t turned = (x * nz + z) * ny + y;
                to[back ? row + x : turned] = from[back ? turned : row + x];
            }
        }
}

static float *slices_part(const struct slices *p, void *work, size_t part)
{
    return (float *)((char *)work + part * p->bytes);
}

static scry_status slices_denoise(const scry_prior *P, float *x0, const float *x, float sigma,
                                  void *work, scry_error *err)
{
    const struct slices *p = (const struct slices *)P;
    const int d = scry_slices_direction(sigma);
    if (d == 0) return scry_prior_denoise(p->inner[0], x0, x, sigma, work, err);
    float *turned = slices_part(p, work, 0);
    slices_turn(&P->space, d, turned, x, false);
    const scry_status st =
        scry_prior_denoise(p->inner[d], turned, turned, sigma, slices_part(p, work, 1), err);
    if (st == SCRY_OK) slices_turn(&P->space, d, x0, turned, true);
    return st;
}

static scry_status slices_vjp(const scry_prior *P, float *g, float *x0, const float *x,
                              const float *v, float sigma, void *work, scry_error *err)
{
    const struct slices *p = (const struct slices *)P;
    const int d = scry_slices_direction(sigma);
    if (d == 0) return scry_prior_vjp(p->inner[0], g, x0, x, v, sigma, work, err);
    float *part[4];
    for (size_t i = 0; i < 4; i++)
        part[i] = slices_part(p, work, i);
    slices_turn(&P->space, d, part[0], x, false);
    slices_turn(&P->space, d, part[1], v, false);
    const scry_status st = scry_prior_vjp(p->inner[d], part[2], x0 ? part[3] : NULL, part[0],
                                          part[1], sigma, slices_part(p, work, 4), err);
    if (st == SCRY_OK) slices_turn(&P->space, d, g, part[2], true);
    if (st == SCRY_OK && x0) slices_turn(&P->space, d, x0, part[3], true);
    return st;
}

static void slices_destroy(scry_prior *P)
{
    struct slices *p = (struct slices *)P;
    if (!p) return;
    for (int d = 0; d < 3; d++)
        scry_prior_free(p->inner[d]);
    scry_free(p);
}

static const struct scry_prior_ops slices_ops = {
    .name = "slices",
    .denoise = slices_denoise,
    .vjp = slices_vjp,
    .destroy = slices_destroy,
};

static scry_status slices_check(const scry_space *space, scry_prior *const inner[3],
                                scry_error *err)
{
    char expected[128], got[128];
    const scry_status st = scry_space_check(space, err);
    if (st != SCRY_OK) return st;
    if (space->rank != 3 || space->cplx)
        return SCRY_FAIL(err, SCRY_ESHAPE, "slices of %s, expected a real volume (z, y, x)",
                         scry_space_print(space, got, sizeof got));
    const size_t *n = space->dims;
    const scry_space turned[3] = {*space, SCRY_SPACE(n[1], n[0], n[2]),
                                  SCRY_SPACE(n[2], n[0], n[1])};
    for (int d = 0; d < 3; d++) {
        if (SCRY_MISSING(err, inner[d])) return SCRY_EINVAL;
        if (!scry_space_equal(&turned[d], &inner[d]->space))
            return SCRY_FAIL(err, SCRY_ESHAPE, "direction %d: a prior on %s, expected %s", d,
                             scry_space_print(&inner[d]->space, got, sizeof got),
                             scry_space_print(&turned[d], expected, sizeof expected));
        if (!scry_prior_has_denoise(inner[d]))
            return SCRY_FAIL(err, SCRY_EUNSUP, "%s cannot denoise", scry_prior_name(inner[d]));
    }
    return SCRY_OK;
}

scry_status scry_slices_create(scry_prior **out, const scry_space *space, scry_prior *inner[3],
                               scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, space, inner)) return SCRY_EINVAL;
    const scry_status st = slices_check(space, inner, err);
    if (st != SCRY_OK) return st;
    struct slices *p = scry_alloc(1, sizeof *p);
    if (!p) return SCRY_FAIL(err, SCRY_ENOMEM, "slices prior");
    p->ops = slices_ops;
    p->base = (scry_prior){.ops = &p->ops, .space = *space, .sigma_high = SCRYI_SIGMA_HIGH};
    p->bytes = scry_align_up(scry_space_count(space) * sizeof(float));
    size_t work = 0;
    for (int d = 0; d < 3; d++) {
        const scry_prior *in = p->inner[d] = inner[d];
        if (!scry_prior_has_vjp(in)) p->ops.vjp = NULL;
        if (in->work_bytes > work) work = in->work_bytes;
        if (in->sigma_low > p->base.sigma_low) p->base.sigma_low = in->sigma_low;
        if (in->sigma_high < p->base.sigma_high) p->base.sigma_high = in->sigma_high;
    }
    p->base.work_bytes = (p->ops.vjp ? 4 : 1) * p->bytes + work;
    *out = &p->base;
    return SCRY_OK;
}
