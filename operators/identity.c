#include "operators/identity.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "operators/op_impl.h"

#include <string.h>

struct identity {
    scry_op base;
    size_t count;
    float *ones; /* singular values */
};

static scry_status identity_copy(const scry_op *A, float *out, const float *in, void *work,
                                 scry_error *err)
{
    (void)work;
    (void)err;
    memcpy(out, in, scry_space_floats(&A->dom) * sizeof *out);
    return SCRY_OK;
}

static void identity_describe(const scry_op *A, scry_svd *out)
{
    const struct identity *I = (const struct identity *)A;
    *out = (scry_svd){.count = I->count, .floats_per = A->dom.cplx ? 2 : 1, .values = I->ones};
}

static void identity_destroy(scry_op *A)
{
    struct identity *I = (struct identity *)A;
    if (!I) return;
    scry_free(I->ones);
    scry_free(I);
}

static int identity_rank(const scry_op *A)
{
    (void)A;
    return 0;
}

static void identity_transfer(const scry_op *A, float *pair)
{
    (void)A;
    pair[0] = 1;
    pair[1] = 0;
}

static const struct scry_sampled_ops identity_sampled = {.rank = identity_rank,
                                                         .transfer = identity_transfer,
                                                         .sample = identity_copy,
                                                         .scatter = identity_copy};
static const struct scry_svd_ops identity_svd = {
    .v = identity_copy, .vh = identity_copy, .uh = identity_copy, .describe = identity_describe};
static const struct scry_op_ops identity_ops = {
    .name = "identity",
    .forward = identity_copy,
    .adjoint = identity_copy,
    .normal = identity_copy,
    .svd = &identity_svd,
    .sampled = &identity_sampled,
    .destroy = identity_destroy,
};

scry_status scry_identity_create(scry_op **out, const scry_space *space, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, space)) return SCRY_EINVAL;
    scry_status st = scry_space_check(space, err);
    if (st != SCRY_OK) return st;
    const size_t n = scry_space_count(space);
    struct identity *I = scry_alloc(1, sizeof *I);
    float *ones = scry_alloc(n, sizeof *ones);
    if (!I || !ones) {
        scry_free(I);
        scry_free(ones);
        return SCRY_FAIL(err, SCRY_ENOMEM, "identity on %zu entries", n);
    }
    for (size_t i = 0; i < n; i++)
        ones[i] = 1;
    I->base = (scry_op){.ops = &identity_ops, .dom = *space, .cod = *space};
    I->count = n;
    I->ones = ones;
    *out = &I->base;
    return SCRY_OK;
}
