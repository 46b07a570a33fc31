#include "priors/complex.h"

#include "priors/gaussian_impl.h"

#include "lib/given.h"
#include "lib/memory.h"

/* Complex images are pairs; the priors inside want planes: all real parts, then all imaginary ones.
 * Two of them take a plane each, a single one takes both as channels. */
struct complex_prior {
    struct scryi_gaussian base; /* the Gaussian members are filled when every part is one */
    struct scry_prior_ops ops;  /* only the hooks that all parts have */
    size_t count;               /* parts: 2 or 1 */
    size_t pixels, floats;      /* of an image; floats of a part */
    scry_prior *plane[2];
    float *mean; /* Gaussian: pairs */
};

static const struct complex_prior *complex_of(const scry_prior *P)
{
    return (const struct complex_prior *)P;
}

/* Work: `PLANES` images as planes, then the work of a part. */
enum { PLANES = 4 };

static float *complex_planes(const struct complex_prior *p, void *work, size_t i)
{
    return (float *)(void *)((char *)work + i * scry_align_up(2 * p->pixels * sizeof(float)));
}

static void *complex_plane_work(const struct complex_prior *p, void *work)
{
    return complex_planes(p, work, PLANES);
}

static void complex_to_planes(const struct complex_prior *p, float *out, const float *u)
{
    for (size_t i = 0; i < p->pixels; i++) {
        out[i] = u[2 * i];
        out[p->pixels + i] = u[2 * i + 1];
    }
}

static void to_pairs(const struct complex_prior *p, float *u, const float *in)
{
    for (size_t i = 0; i < p->pixels; i++) {
        u[2 * i] = in[i];
        u[2 * i + 1] = in[p->pixels + i];
    }
}

static scry_status complex_denoise(const scry_prior *P, float *x0, const float *x, float sigma,
                                   void *work, scry_error *err)
{
    const struct complex_prior *p = complex_of(P);
    float *u = complex_planes(p, work, 0);
    scry_status st = SCRY_OK;
    complex_to_planes(p, u, x);
    for (size_t k = 0; k < p->count && st == SCRY_OK; k++) {
        float *plane = u + k * p->floats;
        st = scry_prior_denoise(p->plane[k], plane, plane, sigma, complex_plane_work(p, work), err);
    }
    if (st == SCRY_OK) to_pairs(p, x0, u);
    return st;
}

static scry_status complex_vjp(const scry_prior *P, float *g, float *x0, const float *x,
                               const float *v, float sigma, void *work, scry_error *err)
{
    const struct complex_prior *p = complex_of(P);
    float *gs = complex_planes(p, work, 0), *x0s = complex_planes(p, work, 1);
    float *xs = complex_planes(p, work, 2), *vs = complex_planes(p, work, 3);
    scry_status st = SCRY_OK;
    complex_to_planes(p, xs, x);
    complex_to_planes(p, vs, v);
    for (size_t k = 0; k < p->count && st == SCRY_OK; k++) {
        const size_t at = k * p->floats;
        st = scry_prior_vjp(p->plane[k], gs + at, x0 ? x0s + at : NULL, xs + at, vs + at, sigma,
                            complex_plane_work(p, work), err);
    }
    if (st != SCRY_OK) return st;
    to_pairs(p, g, gs);
    if (x0) to_pairs(p, x0, x0s);
    return SCRY_OK;
}

static scry_status complex_prox(const scry_prior *P, float *z, const float *v, double t, void *work,
                                scry_error *err)
{
    const struct complex_prior *p = complex_of(P);
    float *u = complex_planes(p, work, 0);
    scry_status st = SCRY_OK;
    complex_to_planes(p, u, v);
    for (size_t k = 0; k < p->count && st == SCRY_OK; k++) {
        float *plane = u + k * p->floats;
        st = scry_prior_prox(p->plane[k], plane, plane, t, complex_plane_work(p, work), err);
    }
    if (st == SCRY_OK) to_pairs(p, z, u);
    return st;
}

static scry_status complex_value(const scry_prior *P, double *value, const float *u, void *work,
                                 scry_error *err)
{
    const struct complex_prior *p = complex_of(P);
    float *us = complex_planes(p, work, 0);
    double sum = 0, one;
    complex_to_planes(p, us, u);
    for (size_t k = 0; k < p->count; k++) {
        const scry_status st = scry_prior_value(p->plane[k], &one, us + k * p->floats,
                                                complex_plane_work(p, work), err);
        if (st != SCRY_OK) return st;
        sum += one;
    }
    *value = sum;
    return SCRY_OK;
}

/* Gaussian parts: the covariance is block-diagonal, so every function of it acts part by part. */

static const struct scryi_gaussian *complex_gaussian(const struct complex_prior *p, size_t k)
{
    return (const struct scryi_gaussian *)p->plane[k];
}

static void pair_filter(const struct scryi_gaussian *G, float *out, const float *in,
                        enum scryi_gaussian_gain kind, double t, bool about_mean, void *work)
{
    const struct complex_prior *p = (const struct complex_prior *)G;
    float *u = complex_planes(p, work, 0);
    complex_to_planes(p, u, in);
    for (size_t k = 0; k < p->count; k++) {
        const struct scryi_gaussian *plane = complex_gaussian(p, k);
        float *at = u + k * p->floats;
        plane->filter(plane, at, at, kind, t, about_mean, complex_plane_work(p, work));
    }
    to_pairs(p, out, u);
}

static double pair_energy(const struct scryi_gaussian *G, const float *u, void *work)
{
    const struct complex_prior *p = (const struct complex_prior *)G;
    float *us = complex_planes(p, work, 0);
    double energy = 0;
    complex_to_planes(p, us, u);
    for (size_t k = 0; k < p->count; k++) {
        const struct scryi_gaussian *plane = complex_gaussian(p, k);
        energy += plane->energy(plane, us + k * p->floats, complex_plane_work(p, work));
    }
    return energy;
}

static void pair_mean(const struct scryi_gaussian *G, float *mean)
{
    const struct complex_prior *p = (const struct complex_prior *)G;
    for (size_t i = 0; i < 2 * p->pixels; i++)
        mean[i] = p->mean[i];
}

/* Gives up `p` and leaves its parts alone. */
static void complex_release(struct complex_prior *p)
{
    if (!p) return;
    scry_free(p->mean);
    scry_free(p);
}

static void complex_destroy(scry_prior *P)
{
    struct complex_prior *p = (struct complex_prior *)P;
    if (!p) return;
    if (p->plane[1] != p->plane[0]) scry_prior_free(p->plane[1]);
    scry_prior_free(p->plane[0]);
    complex_release(p);
}

static const struct scry_prior_ops complex_ops = {
    .name = "complex",
    .denoise = complex_denoise,
    .vjp = complex_vjp,
    .prox = complex_prox,
    .value = complex_value,
    .destroy = complex_destroy,
};

static bool complex_has_gaussian_hooks(const scry_prior *P)
{
    return P->ops->denoise == scryi_gaussian_denoise;
}

static void choose_hooks(struct complex_prior *p, const char *name)
{
    bool gaussian = true;
    p->ops = complex_ops;
    p->ops.name = name;
    for (size_t k = 0; k < p->count; k++) {
        if (!scry_prior_has_denoise(p->plane[k])) p->ops.denoise = NULL;
        if (!scry_prior_has_vjp(p->plane[k])) p->ops.vjp = NULL;
        if (!scry_prior_has_prox(p->plane[k])) p->ops.prox = NULL;
        if (!scry_prior_has_value(p->plane[k])) p->ops.value = NULL;
        gaussian = gaussian && complex_has_gaussian_hooks(p->plane[k]);
    }
    if (!gaussian) return;
    p->ops.denoise = scryi_gaussian_denoise;
    p->ops.vjp = scryi_gaussian_vjp;
    p->ops.prox = scryi_gaussian_prox;
    p->ops.value = scryi_gaussian_value;
}

static scry_status complex_fill_gaussian(struct complex_prior *p, scry_error *err)
{
    struct scryi_gaussian *G = &p->base;
    float *u = scry_alloc(2 * p->pixels, sizeof *u);
    p->mean = scry_alloc(2 * p->pixels, sizeof *p->mean);
    if (!u || !p->mean) {
        scry_free(u);
        return SCRY_FAIL(err, SCRY_ENOMEM, "complex Gaussian prior of %zu pixels", p->pixels);
    }
    G->proper = true;
    G->filter = pair_filter;
    G->energy = pair_energy;
    G->mean = pair_mean;
    for (size_t k = 0; k < p->count; k++) {
        const struct scryi_gaussian *plane = complex_gaussian(p, k);
        G->proper = G->proper && plane->proper;
        plane->mean(plane, u + k * p->floats);
    }
    to_pairs(p, p->mean, u);
    scry_free(u);
    return SCRY_OK;
}

/* `space` is that of the complex image; count parts of equal size. */
static scry_status complex_create(scry_prior **out, const char *name, const scry_space *space,
                                  scry_prior *const plane[], size_t count, scry_error *err)
{
    struct complex_prior *p = scry_alloc(1, sizeof *p);
    if (!p) return SCRY_FAIL(err, SCRY_ENOMEM, "%s prior", name);
    scry_prior *base = &p->base.base;
    size_t bytes = 0;
    p->count = count;
    p->pixels = scry_space_floats(space) / 2;
    p->floats = 2 * p->pixels / count;
    *base = (scry_prior){.ops = &p->ops, .space = *space, .sigma_high = INFINITY};
    for (size_t k = 0; k < count; k++) {
        p->plane[k] = plane[k];
        bytes = plane[k]->work_bytes > bytes ? plane[k]->work_bytes : bytes;
        base->sigma_low = fmax(base->sigma_low, plane[k]->sigma_low);
        base->sigma_high = fmin(base->sigma_high, plane[k]->sigma_high);
        base->batch = plane[k]->batch > base->batch ? plane[k]->batch : base->batch;
    }
    base->work_bytes = PLANES * scry_align_up(2 * p->pixels * sizeof(float)) + bytes;
    choose_hooks(p, name);
    const scry_status st =
        complex_has_gaussian_hooks(base) ? complex_fill_gaussian(p, err) : SCRY_OK;
    if (st == SCRY_OK)
        *out = base;
    else
        complex_release(p);
    return st;
}

scry_status scry_complex_create(scry_prior **out, scry_prior *real, scry_prior *imaginary,
                                scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, real, imaginary)) return SCRY_EINVAL;
    char re[96], im[96];
    scry_prior *const plane[2] = {real, imaginary};
    scry_space space = real->space;
    if (space.cplx || !scry_space_equal(&space, &imaginary->space))
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "real part %s, imaginary part %s: expected two real priors of one shape",
                         scry_space_print(&space, re, sizeof re),
                         scry_space_print(&imaginary->space, im, sizeof im));
    const bool ranges = scry_prior_has_denoise(real) && scry_prior_has_denoise(imaginary);
    if (ranges &&
        fmax(real->sigma_low, imaginary->sigma_low) > fmin(real->sigma_high, imaginary->sigma_high))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "no noise level serves both parts: %s knows %g to %g, %s %g to %g",
                         real->ops->name, real->sigma_low, real->sigma_high, imaginary->ops->name,
                         imaginary->sigma_low, imaginary->sigma_high);
    space.cplx = true;
    return complex_create(out, "complex", &space, plane, 2, err);
}

scry_status scry_channels_create(scry_prior **out, scry_prior *inner, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, inner)) return SCRY_EINVAL;
    char text[96];
    const scry_space *s = &inner->space;
    scry_prior *const plane[1] = {inner};
    if (s->cplx || s->rank != 3 || s->dims[0] != 2)
        return SCRY_FAIL(err, SCRY_ESHAPE, "%s prior of %s, expected real channels 2 x y x x",
                         inner->ops->name, scry_space_print(s, text, sizeof text));
    scry_space space = SCRY_SPACE(s->dims[1], s->dims[2]);
    space.cplx = true;
    return complex_create(out, "channels", &space, plane, 1, err);
}
