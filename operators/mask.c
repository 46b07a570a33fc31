#include "operators/mask.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "operators/op_impl.h"

#include <math.h>
#include <string.h>

struct mask {
    scry_op base;
    size_t count, known;
    size_t *index; /* of the known entries, ascending */
    float *values; /* 1 known, 0 not: the singular values, and the multiplier of A^T A */
};

static scry_status mask_forward(const scry_op *A, float *y, const float *x, void *work,
                                scry_error *err)
{
    (void)work;
    (void)err;
    const struct mask *M = (const struct mask *)A;
    if (!A->dom.cplx) {
        for (size_t j = 0; j < M->known; j++)
            y[j] = x[M->index[j]];
        return SCRY_OK;
    }
    for (size_t j = 0; j < M->known; j++)
        memcpy(y + 2 * j, x + 2 * M->index[j], 2 * sizeof *y);
    return SCRY_OK;
}

static scry_status mask_adjoint(const scry_op *A, float *x, const float *y, void *work,
                                scry_error *err)
{
    (void)work;
    (void)err;
    const struct mask *M = (const struct mask *)A;
    memset(x, 0, scry_space_floats(&A->dom) * sizeof *x);
    if (!A->dom.cplx) {
        for (size_t j = 0; j < M->known; j++)
            x[M->index[j]] = y[j];
        return SCRY_OK;
    }
    for (size_t j = 0; j < M->known; j++)
        memcpy(x + 2 * M->index[j], y + 2 * j, 2 * sizeof *x);
    return SCRY_OK;
}

/* A select, not a product: an unknown pixel may hold a NaN. */
static scry_status mask_normal(const scry_op *A, float *out, const float *x, void *work,
                               scry_error *err)
{
    (void)work;
    (void)err;
    const struct mask *M = (const struct mask *)A;
    const size_t per = A->dom.cplx ? 2 : 1;
    for (size_t i = 0; i < M->count; i++)
        for (size_t k = 0; k < per; k++)
            out[per * i + k] = M->values[i] != 0 ? x[per * i + k] : 0;
    return SCRY_OK;
}

static scry_status mask_copy(const scry_op *A, float *out, const float *in, void *work,
                             scry_error *err)
{
    (void)work;
    (void)err;
    memcpy(out, in, scry_space_floats(&A->dom) * sizeof *out);
    return SCRY_OK;
}

static void mask_describe(const scry_op *A, scry_svd *out)
{
    const struct mask *M = (const struct mask *)A;
    *out = (scry_svd){.count = M->count, .floats_per = A->dom.cplx ? 2 : 1, .values = M->values};
}

static void mask_destroy(scry_op *A)
{
    struct mask *M = (struct mask *)A;
    if (!M) return;
    scry_free(M->index);
    scry_free(M->values);
    scry_free(M);
}

static int mask_rank(const scry_op *A)
{
    (void)A;
    return 0;
}

static void mask_transfer(const scry_op *A, float *pair)
{
    (void)A;
    pair[0] = 1;
    pair[1] = 0;
}

static const struct scry_sampled_ops mask_sampled = {
    .rank = mask_rank, .transfer = mask_transfer, .sample = mask_forward, .scatter = mask_adjoint};
static const struct scry_svd_ops mask_svd = {
    .v = mask_copy, .vh = mask_copy, .uh = mask_adjoint, .describe = mask_describe};
static const struct scry_op_ops mask_ops = {
    .name = "mask",
    .forward = mask_forward,
    .adjoint = mask_adjoint,
    .normal = mask_normal,
    .svd = &mask_svd,
    .sampled = &mask_sampled,
    .destroy = mask_destroy,
};

/* values (0 or 1, one an entry) becomes the operator's. */
static scry_status mask_create(scry_op **out, const scry_space *space, float *values,
                               scry_error *err)
{
    scry_status st = SCRY_OK;
    char text[96];
    const size_t n = scry_space_count(space);
    size_t known = 0, at = 0;
    struct mask *M = scry_alloc(1, sizeof *M);
    if (!M) {
        scry_free(values);
        return SCRY_FAIL(err, SCRY_ENOMEM, "mask operator");
    }
    M->base = (scry_op){.ops = &mask_ops, .dom = *space, .cod = *space};
    M->values = values;
    for (size_t i = 0; i < n; i++)
        known += values[i] != 0;
    if (!known) {
        st = SCRY_FAIL(err, SCRY_EINVAL,
                       "the mask of %s knows no pixel, expected at least one nonzero entry",
                       scry_space_print(space, text, sizeof text));
        goto done;
    }
    M->count = n;
    M->known = known;
    M->index = scry_alloc(known, sizeof *M->index);
    if (!M->index) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "index of %zu known pixels", known);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        if (values[i] != 0) M->index[at++] = i;
    M->base.cod = SCRY_SPACE(known);
    M->base.cod.cplx = space->cplx;
    *out = &M->base;
    M = NULL;
done:
    mask_destroy((scry_op *)M);
    return st;
}

scry_status scry_mask_create(scry_op **out, const scry_space *space, const unsigned char *known,
                             scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, space, known)) return SCRY_EINVAL;
    scry_status st = scry_space_check(space, err);
    if (st != SCRY_OK) return st;
    const size_t n = scry_space_count(space);
    float *values = scry_alloc(n, sizeof *values);
    if (!values) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    for (size_t i = 0; i < n; i++)
        values[i] = known[i] ? 1 : 0;
    return mask_create(out, space, values, err);
}

scry_status scry_mask_create_float(scry_op **out, const scry_space *space, const float *known,
                                   scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, space, known)) return SCRY_EINVAL;
    scry_status st = scry_space_check(space, err);
    if (st != SCRY_OK) return st;
    const size_t n = scry_space_count(space);
    for (size_t i = 0; i < n; i++)
        if (isnan(known[i]))
            return SCRY_FAIL(err, SCRY_EINVAL, "the mask holds NaN at entry %zu, expected numbers",
                             i);
    float *values = scry_alloc(n, sizeof *values);
    if (!values) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    for (size_t i = 0; i < n; i++)
        values[i] = known[i] != 0 ? 1 : 0;
    return mask_create(out, space, values, err);
}
