#include "priors/affine.h"

#include "priors/prior_impl.h"

#include "lib/memory.h"

#include <math.h>

struct affine {
    scry_prior base;
    struct scry_prior_ops ops; /* only the hooks that the inner prior has */
    scry_prior *inner;
    size_t floats;
    double scale, shift;
};

/* Work: the mapped input, then the inner prior's. */
static void *inner_work(const struct affine *p, void *work)
{
    return (char *)work + scry_align_up(p->floats * sizeof(float));
}

static void map_in(const struct affine *p, float *u, const float *x)
{
    for (size_t i = 0; i < p->floats; i++)
        u[i] = (float)(p->scale * x[i] + p->shift);
}

static void map_out(const struct affine *p, float *x, const float *u)
{
    for (size_t i = 0; i < p->floats; i++)
        x[i] = (float)((u[i] - p->shift) / p->scale);
}

static scry_status affine_denoise(const scry_prior *P, float *x0, const float *x, float sigma,
                                  void *work, scry_error *err)
{
    const struct affine *p = (const struct affine *)P;
    float *u = work;
    map_in(p, u, x);
    const scry_status st =
        scry_prior_denoise(p->inner, u, u, (float)(p->scale * sigma), inner_work(p, work), err);
    if (st == SCRY_OK) map_out(p, x0, u);
    return st;
}

static scry_status affine_vjp(const scry_prior *P, float *g, float *x0, const float *x,
                              const float *v, float sigma, void *work, scry_error *err)
{
    const struct affine *p = (const struct affine *)P;
    float *u = work;
    map_in(p, u, x);
    const scry_status st =
        scry_prior_vjp(p->inner, g, x0, u, v, (float)(p->scale * sigma), inner_work(p, work), err);
    if (st == SCRY_OK && x0) map_out(p, x0, x0);
    return st;
}

static scry_status affine_prox(const scry_prior *P, float *z, const float *v, double t, void *work,
                               scry_error *err)
{
    const struct affine *p = (const struct affine *)P;
    float *u = work;
    map_in(p, u, v);
    const scry_status st =
        scry_prior_prox(p->inner, u, u, p->scale * p->scale * t, inner_work(p, work), err);
    if (st == SCRY_OK) map_out(p, z, u);
    return st;
}

static scry_status affine_value(const scry_prior *P, double *value, const float *x, void *work,
                                scry_error *err)
{
    const struct affine *p = (const struct affine *)P;
    map_in(p, work, x);
    return scry_prior_value(p->inner, value, work, inner_work(p, work), err);
}

static void affine_destroy(scry_prior *P)
{
    struct affine *p = (struct affine *)P;
    if (!p) return;
    scry_prior_free(p->inner);
    scry_free(p);
}

static const struct scry_prior_ops affine_ops = {
    .name = "affine",
    .denoise = affine_denoise,
    .vjp = affine_vjp,
    .prox = affine_prox,
    .value = affine_value,
    .destroy = affine_destroy,
};

scry_status scry_affine_prior_create(scry_prior **out, scry_prior *inner, double scale,
                                     double shift, scry_error *err)
{
    *out = NULL;
    if (!(scale > 0 && isfinite(scale)))
        return SCRY_FAIL(err, SCRY_EINVAL, "intensity scale %g, expected > 0 and finite", scale);
    if (!isfinite(shift))
        return SCRY_FAIL(err, SCRY_EINVAL, "intensity shift %g, expected a number", shift);
    struct affine *p = scry_alloc(1, sizeof *p);
    if (!p) return SCRY_FAIL(err, SCRY_ENOMEM, "affine prior");
    p->ops = affine_ops;
    if (!scry_prior_has_denoise(inner)) p->ops.denoise = NULL;
    if (!scry_prior_has_vjp(inner)) p->ops.vjp = NULL;
    if (!scry_prior_has_prox(inner)) p->ops.prox = NULL;
    if (!scry_prior_has_value(inner)) p->ops.value = NULL;
    p->floats = scry_space_floats(&inner->space);
    p->base =
        (scry_prior){.ops = &p->ops,
                     .space = inner->space,
                     .work_bytes = scry_align_up(p->floats * sizeof(float)) + inner->work_bytes,
                     .sigma_low = inner->sigma_low / scale,
                     .sigma_high = inner->sigma_high / scale,
                     .batch = inner->batch};
    p->scale = scale;
    p->shift = shift;
    p->inner = inner;
    *out = &p->base;
    return SCRY_OK;
}
