#include "priors/perplane.h"

#include "priors/parallel_map_impl.h"
#include "priors/prior_impl.h"

#include "lib/given.h"
#include "lib/memory.h"

struct perplane {
    scry_prior base;
    struct scry_prior_ops ops; /* only the hooks that the inner prior has */
    scry_prior *inner;
    size_t planes, floats, workers, slot_bytes;
};

struct call {
    const struct perplane *p;
    float *a, *b;       /* outputs: x0, g or z; x0 of vjp */
    const float *x, *v; /* inputs */
    float sigma;
    double t;
};

static scry_status each_plane(scryi_parallel_task *task, struct call *call, void *work,
                              scry_error *err)
{
    const struct perplane *p = call->p;
    for (size_t first = 0; first < p->planes; first += p->workers) {
        const size_t left = p->planes - first, count = left < p->workers ? left : p->workers;
        const scry_status st =
            scryi_parallel_map(task, call, first, count, work, p->slot_bytes, err);
        if (st != SCRY_OK) return st;
    }
    return SCRY_OK;
}

static scry_status denoise_plane(void *ctx, size_t plane, void *work, scry_error *err)
{
    const struct call *c = ctx;
    const size_t at = plane * c->p->floats;
    return scry_prior_denoise(c->p->inner, c->a + at, c->x + at, c->sigma, work, err);
}

static scry_status vjp_plane(void *ctx, size_t plane, void *work, scry_error *err)
{
    const struct call *c = ctx;
    const size_t at = plane * c->p->floats;
    return scry_prior_vjp(c->p->inner, c->a + at, c->b ? c->b + at : NULL, c->x + at, c->v + at,
                          c->sigma, work, err);
}

static scry_status prox_plane(void *ctx, size_t plane, void *work, scry_error *err)
{
    const struct call *c = ctx;
    const size_t at = plane * c->p->floats;
    return scry_prior_prox(c->p->inner, c->a + at, c->x + at, c->t, work, err);
}

static scry_status perplane_denoise(const scry_prior *P, float *x0, const float *x, float sigma,
                                    void *work, scry_error *err)
{
    struct call call = {.p = (const struct perplane *)P, .a = x0, .x = x, .sigma = sigma};
    return each_plane(denoise_plane, &call, work, err);
}

static scry_status perplane_vjp(const scry_prior *P, float *g, float *x0, const float *x,
                                const float *v, float sigma, void *work, scry_error *err)
{
    struct call call = {
        .p = (const struct perplane *)P, .a = g, .b = x0, .x = x, .v = v, .sigma = sigma};
    return each_plane(vjp_plane, &call, work, err);
}

static scry_status perplane_prox(const scry_prior *P, float *z, const float *v, double t,
                                 void *work, scry_error *err)
{
    struct call call = {.p = (const struct perplane *)P, .a = z, .x = v, .t = t};
    return each_plane(prox_plane, &call, work, err);
}

static scry_status perplane_value(const scry_prior *P, double *value, const float *u, void *work,
                                  scry_error *err)
{
    const struct perplane *p = (const struct perplane *)P;
    double sum = 0, one;
    for (size_t plane = 0; plane < p->planes; plane++) {
        const scry_status st = scry_prior_value(p->inner, &one, u + plane * p->floats, work, err);
        if (st != SCRY_OK) return st;
        sum += one;
    }
    *value = sum;
    return SCRY_OK;
}

static void perplane_destroy(scry_prior *P)
{
    struct perplane *p = (struct perplane *)P;
    if (!p) return;
    scry_prior_free(p->inner);
    scry_free(p);
}

static const struct scry_prior_ops perplane_ops = {
    .name = "perplane",
    .denoise = perplane_denoise,
    .vjp = perplane_vjp,
    .prox = perplane_prox,
    .value = perplane_value,
    .destroy = perplane_destroy,
};

static scry_status check_trailing(const scry_space *space, const scry_prior *inner, scry_error *err)
{
    char whole[128], plane[128];
    const scry_space *s = scry_prior_space(inner);
    const scry_status st = scry_space_check(space, err);
    int skip = 0;
    if (st != SCRY_OK) return st;
    while (skip < s->rank - 1 && s->dims[skip] == 1)
        skip++;
    const int rank = s->rank - skip;
    bool fits = space->rank >= rank && space->cplx == s->cplx;
    for (int a = 1; fits && a <= rank; a++)
        fits = space->dims[space->rank - a] == s->dims[s->rank - a];
    if (fits) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ESHAPE, "image %s is not a stack of planes %s of the prior %s",
                     scry_space_print(space, whole, sizeof whole),
                     scry_space_print(s, plane, sizeof plane), scry_prior_name(inner));
}

scry_status scry_perplane_create(scry_prior **out, const scry_space *space, scry_prior *inner,
                                 size_t workers, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, space, inner)) return SCRY_EINVAL;
    scry_status st = check_trailing(space, inner, err);
    if (st != SCRY_OK || (st = scryi_parallel_map_check(workers, err)) != SCRY_OK) return st;
    struct perplane *p = scry_alloc(1, sizeof *p);
    if (!p) return SCRY_FAIL(err, SCRY_ENOMEM, "perplane prior");
    p->ops = perplane_ops;
    if (!scry_prior_has_denoise(inner)) p->ops.denoise = NULL;
    if (!scry_prior_has_vjp(inner)) p->ops.vjp = NULL;
    if (!scry_prior_has_prox(inner)) p->ops.prox = NULL;
    if (!scry_prior_has_value(inner)) p->ops.value = NULL;
    p->base = (scry_prior){.ops = &p->ops,
                           .space = *space,
                           .sigma_low = inner->sigma_low,
                           .sigma_high = inner->sigma_high,
                           .batch = inner->batch};
    p->floats = scry_space_floats(&inner->space);
    p->planes = scry_space_floats(space) / p->floats;
    p->workers = workers < p->planes ? workers : p->planes;
    p->slot_bytes = scry_align_up(inner->work_bytes);
    p->base.work_bytes = p->workers * p->slot_bytes;
    p->inner = inner;
    *out = &p->base;
    return SCRY_OK;
}
