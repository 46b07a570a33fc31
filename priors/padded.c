#include "priors/padded.h"

#include "priors/prior_impl.h"

#include "lib/given.h"
#include "lib/memory.h"

#include <string.h>

struct padded {
    scry_prior base;
    struct scry_prior_ops ops; /* without vjp when the inner prior has none */
    scry_prior *inner;
    size_t *source[SCRY_MAX_RANK]; /* of each index of the padded axis, the index it shows */
    size_t before[SCRY_MAX_RANK];  /* of the image in the padded axis */
    size_t per, padded_floats;     /* floats an entry; floats of the padded space */
};

/* Reflection without repeating the border, for any distance: a triangle wave of period 2 (n - 1).
 * */
static size_t padded_reflect(ptrdiff_t i, size_t n)
{
    const ptrdiff_t period = 2 * ((ptrdiff_t)n - 1);
    if (!period) return 0;
    i %= period;
    if (i < 0) i += period;
    return (size_t)(i < (ptrdiff_t)n ? i : period - i);
}

/* Rows of the padded array, and the offset in entries of the row of the image that row r shows. */
static size_t padded_rows(const struct padded *p)
{
    const scry_space *s = &p->inner->space;
    return scry_space_count(s) / s->dims[s->rank - 1];
}

static size_t source_row(const struct padded *p, size_t r)
{
    const scry_space *small = &p->base.space, *large = &p->inner->space;
    size_t at = 0, stride = small->dims[small->rank - 1];
    for (int a = small->rank - 2; a >= 0; a--) {
        at += p->source[a][r % large->dims[a]] * stride;
        r /= large->dims[a];
        stride *= small->dims[a];
    }
    return at;
}

/* Where row r of the image lies in the padded array, in entries. */
static size_t target_row(const struct padded *p, size_t r)
{
    const scry_space *small = &p->base.space, *large = &p->inner->space;
    const int last = small->rank - 1;
    size_t at = p->before[last], stride = large->dims[last];
    for (int a = last - 1; a >= 0; a--) {
        at += (r % small->dims[a] + p->before[a]) * stride;
        r /= small->dims[a];
        stride *= large->dims[a];
    }
    return at;
}

/* E x */
static void padded_extend(const struct padded *p, float *out, const float *x)
{
    const int last = p->base.space.rank - 1;
    const size_t width = p->inner->space.dims[last], rows = padded_rows(p), per = p->per;
    for (size_t r = 0; r < rows; r++) {
        const float *from = x + per * source_row(p, r);
        float *to = out + per * r * width;
        for (size_t i = 0; i < width; i++)
            for (size_t c = 0; c < per; c++)
                to[per * i + c] = from[per * p->source[last][i] + c];
    }
}

/* E^T v: every shown copy adds to its source. One thread, in order: a sum that does not depend on
 * how many there are, and small beside any inner prior. */
static void extend_adjoint(const struct padded *p, float *out, const float *v)
{
    const int last = p->base.space.rank - 1;
    const size_t width = p->inner->space.dims[last], rows = padded_rows(p), per = p->per;
    memset(out, 0, scry_space_floats(&p->base.space) * sizeof *out);
    for (size_t r = 0; r < rows; r++) {
        float *to = out + per * source_row(p, r);
        const float *from = v + per * r * width;
        for (size_t i = 0; i < width; i++)
            for (size_t c = 0; c < per; c++)
                to[per * p->source[last][i] + c] += from[per * i + c];
    }
}

/* R x when the image is the output, R^T v when it is the input. */
static void padded_crop(const struct padded *p, float *image, const float *large)
{
    const size_t row = p->base.space.dims[p->base.space.rank - 1] * p->per;
    const size_t rows = scry_space_floats(&p->base.space) / row;
    for (size_t r = 0; r < rows; r++)
        memcpy(image + r * row, large + p->per * target_row(p, r), row * sizeof *image);
}

static void crop_adjoint(const struct padded *p, float *large, const float *image)
{
    const size_t row = p->base.space.dims[p->base.space.rank - 1] * p->per;
    const size_t rows = scry_space_floats(&p->base.space) / row;
    memset(large, 0, p->padded_floats * sizeof *large);
    for (size_t r = 0; r < rows; r++)
        memcpy(large + p->per * target_row(p, r), image + r * row, row * sizeof *image);
}

static size_t buffer_bytes(const struct padded *p)
{
    return scry_align_up(p->padded_floats * sizeof(float));
}

static scry_status padded_denoise(const scry_prior *P, float *x0, const float *x, float sigma,
                                  void *work, scry_error *err)
{
    const struct padded *p = (const struct padded *)P;
    float *large = work;
    char *rest = (char *)work + buffer_bytes(p);
    padded_extend(p, large, x);
    const scry_status st = scry_prior_denoise(p->inner, large, large, sigma, rest, err);
    if (st == SCRY_OK) padded_crop(p, x0, large);
    return st;
}

static scry_status padded_vjp(const scry_prior *P, float *g, float *x0, const float *x,
                              const float *v, float sigma, void *work, scry_error *err)
{
    const struct padded *p = (const struct padded *)P;
    const size_t step = buffer_bytes(p);
    char *w = work;
    float *large_x = (float *)w, *large_v = (float *)(w + step), *large_g = (float *)(w + 2 * step),
          *large_x0 = x0 ? (float *)(w + 3 * step) : NULL;
    padded_extend(p, large_x, x);
    crop_adjoint(p, large_v, v);
    const scry_status st =
        scry_prior_vjp(p->inner, large_g, large_x0, large_x, large_v, sigma, w + 4 * step, err);
    if (st != SCRY_OK) return st;
    extend_adjoint(p, g, large_g);
    if (x0) padded_crop(p, x0, large_x0);
    return SCRY_OK;
}

static void padded_destroy(scry_prior *P)
{
    struct padded *p = (struct padded *)P;
    if (!p) return;
    for (int a = 0; a < SCRY_MAX_RANK; a++)
        scry_free(p->source[a]);
    scry_prior_free(p->inner);
    scry_free(p);
}

static const struct scry_prior_ops padded_ops = {
    .name = "padded",
    .denoise = padded_denoise,
    .vjp = padded_vjp,
    .destroy = padded_destroy,
};

static scry_status padded_check_spaces(const scry_space *space, const scry_prior *inner,
                                       scry_error *err)
{
    char small[128], large[128];
    const scry_space *s = scry_prior_space(inner);
    const scry_status st = scry_space_check(space, err);
    bool fits = st == SCRY_OK && space->rank == s->rank && space->cplx == s->cplx;
    if (st != SCRY_OK) return st;
    for (int a = 0; fits && a < space->rank; a++)
        fits = space->dims[a] <= s->dims[a];
    if (!fits)
        return SCRY_FAIL(err, SCRY_ESHAPE, "image %s does not fit in %s of the prior %s",
                         scry_space_print(space, small, sizeof small),
                         scry_space_print(s, large, sizeof large), scry_prior_name(inner));
    if (!scry_prior_has_denoise(inner))
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s cannot denoise", scry_prior_name(inner));
    return SCRY_OK;
}

scry_status scry_padded_space(scry_space *out, const scry_space *space, int axes, size_t multiple,
                              scry_error *err)
{
    if (SCRY_MISSING(err, out, space)) return SCRY_EINVAL;
    scry_space s = *space;
    scry_status st = scry_space_check(space, err);
    if (st != SCRY_OK) return st;
    if (axes < 1 || axes > s.rank)
        return SCRY_FAIL(err, SCRY_EINVAL, "%d axes to pad, expected 1 to %d", axes, s.rank);
    if (!multiple) return SCRY_FAIL(err, SCRY_EINVAL, "multiple 0, expected > 0");
    for (int a = s.rank - axes; a < s.rank; a++) {
        const size_t blocks = (s.dims[a] - 1) / multiple + 1;
        if (!scry_mul(&s.dims[a], blocks, multiple))
            return SCRY_FAIL(err, SCRY_ESHAPE, "axis %d: %zu blocks of %zu overflow", a, blocks,
                             multiple);
    }
    if ((st = scry_space_check(&s, err)) == SCRY_OK) *out = s;
    return st;
}

scry_status scry_padded_create(scry_prior **out, const scry_space *space, scry_prior *inner,
                               scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, space, inner)) return SCRY_EINVAL;
    struct padded *p = NULL;
    scry_status st = padded_check_spaces(space, inner, err);
    if (st != SCRY_OK) goto done;
    p = scry_alloc(1, sizeof *p);
    if (!p) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "padded prior");
        goto done;
    }
    const scry_space *large = &inner->space;
    p->ops = padded_ops;
    if (!scry_prior_has_vjp(inner)) p->ops.vjp = NULL;
    p->base = (scry_prior){.ops = &p->ops,
                           .space = *space,
                           .sigma_low = inner->sigma_low,
                           .sigma_high = inner->sigma_high,
                           .batch = inner->batch};
    p->per = space->cplx ? 2 : 1;
    p->padded_floats = scry_space_floats(large);
    p->base.work_bytes = 4 * buffer_bytes(p) + inner->work_bytes;
    for (int a = 0; a < space->rank; a++) {
        p->before[a] = (large->dims[a] - space->dims[a]) / 2;
        p->source[a] = scry_alloc(large->dims[a], sizeof *p->source[a]);
        if (!p->source[a]) {
            st = SCRY_FAIL(err, SCRY_ENOMEM, "padding table of %zu", large->dims[a]);
            goto done;
        }
        for (size_t i = 0; i < large->dims[a]; i++)
            p->source[a][i] =
                padded_reflect((ptrdiff_t)i - (ptrdiff_t)p->before[a], space->dims[a]);
    }
    p->inner = inner;
    *out = &p->base;
    p = NULL;
done:
    padded_destroy((scry_prior *)p); /* inner is not in it yet, and stays the caller's */
    return st;
}
