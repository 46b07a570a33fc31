#include "operators/compose.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/op_impl.h"
#include "operators/op_sampled.h"

#include <math.h>
#include <string.h>

static size_t compose_largest(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void *compose_after(void *work, size_t bytes)
{
    return (char *)work + bytes;
}

/* Pairs that scry_op_sampled_transfer writes. */
static size_t sampled_bins(const scry_op *A)
{
    const int rank = scry_op_sampled_rank(A), last = A->dom.rank - 1;
    size_t bins = rank ? A->dom.dims[last] / 2 + 1 : 1;
    for (int a = last - 1; a > last - rank; a--)
        bins *= A->dom.dims[a];
    return bins;
}

/* Work: one vector between the two, a second for the normal, then the work of either. */
struct chain {
    scry_op base;
    scry_op *first, *second;
    size_t middle_bytes;
};

static scry_status chain_forward(const scry_op *A, float *y, const float *x, void *work,
                                 scry_error *err)
{
    const struct chain *C = (const struct chain *)A;
    void *rest = compose_after(work, 2 * C->middle_bytes);
    scry_status st = scry_op_forward(C->first, work, x, rest, err);
    return st != SCRY_OK ? st : scry_op_forward(C->second, y, work, rest, err);
}

static scry_status chain_adjoint(const scry_op *A, float *x, const float *y, void *work,
                                 scry_error *err)
{
    const struct chain *C = (const struct chain *)A;
    void *rest = compose_after(work, 2 * C->middle_bytes);
    scry_status st = scry_op_adjoint(C->second, work, y, rest, err);
    return st != SCRY_OK ? st : scry_op_adjoint(C->first, x, work, rest, err);
}

/* The normal of `second` inside: a mask gathers and scatters nothing, it selects. */
static scry_status chain_normal(const scry_op *A, float *out, const float *x, void *work,
                                scry_error *err)
{
    const struct chain *C = (const struct chain *)A;
    float *other = compose_after(work, C->middle_bytes);
    void *rest = compose_after(work, 2 * C->middle_bytes);
    scry_status st = scry_op_forward(C->first, work, x, rest, err);
    if (st == SCRY_OK) st = scry_op_normal(C->second, other, work, rest, err);
    return st != SCRY_OK ? st : scry_op_adjoint(C->first, out, other, rest, err);
}

/* R2 c2 R1 C1 =(R2 R1)(c2 C1): the second one has to be a choice of entries. */
static int chain_rank(const scry_op *A)
{
    const struct chain *C = (const struct chain *)A;
    return scry_op_sampled_rank(C->second) == 0 ? scry_op_sampled_rank(C->first) : -1;
}

static void chain_transfer(const scry_op *A, float *pairs)
{
    const struct chain *C = (const struct chain *)A;
    float factor[2];
    C->second->ops->sampled->transfer(C->second, factor);
    C->first->ops->sampled->transfer(C->first, pairs);
    if (factor[0] != 1) scry_scale(pairs, factor[0], 2 * sampled_bins(C->first));
}

static scry_status chain_sample(const scry_op *A, float *y, const float *x, void *work,
                                scry_error *err)
{
    const struct chain *C = (const struct chain *)A;
    void *rest = compose_after(work, 2 * C->middle_bytes);
    scry_status st = scry_op_sample(C->first, work, x, rest, err);
    return st != SCRY_OK ? st : scry_op_sample(C->second, y, work, rest, err);
}

static scry_status chain_scatter(const scry_op *A, float *x, const float *y, void *work,
                                 scry_error *err)
{
    const struct chain *C = (const struct chain *)A;
    void *rest = compose_after(work, 2 * C->middle_bytes);
    scry_status st = scry_op_scatter(C->second, work, y, rest, err);
    return st != SCRY_OK ? st : scry_op_scatter(C->first, x, work, rest, err);
}

static void chain_destroy(scry_op *A)
{
    struct chain *C = (struct chain *)A;
    if (!C) return;
    scry_op_free(C->first);
    scry_op_free(C->second);
    scry_free(C);
}

static const struct scry_sampled_ops chain_sampled = {.rank = chain_rank,
                                                      .transfer = chain_transfer,
                                                      .sample = chain_sample,
                                                      .scatter = chain_scatter};
static const struct scry_op_ops chain_ops = {
    .name = "chain",
    .forward = chain_forward,
    .adjoint = chain_adjoint,
    .normal = chain_normal,
    .sampled = &chain_sampled,
    .destroy = chain_destroy,
};

scry_status scry_chain_create(scry_op **out, scry_op *second, scry_op *first, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, second, first)) return SCRY_EINVAL;
    char a[96], b[96];
    if (!scry_space_equal(&first->cod, &second->dom))
        return SCRY_FAIL(err, SCRY_ESHAPE, "%s gives %s, but %s takes %s", first->ops->name,
                         scry_space_print(&first->cod, a, sizeof a), second->ops->name,
                         scry_space_print(&second->dom, b, sizeof b));
    struct chain *C = scry_alloc(1, sizeof *C);
    if (!C) return SCRY_FAIL(err, SCRY_ENOMEM, "chain of operators");
    C->base = (scry_op){.ops = &chain_ops, .dom = first->dom, .cod = second->cod};
    C->first = first;
    C->second = second;
    C->middle_bytes = scry_align_up(scry_space_floats(&first->cod) * sizeof(float));
    C->base.work_bytes = 2 * C->middle_bytes +
                         compose_largest(scry_op_work_bytes(first), scry_op_work_bytes(second));
    *out = &C->base;
    return SCRY_OK;
}

struct scaled {
    scry_op base;
    scry_op *B;
    double factor;
    float *values; /* |factor| times B's; NULL: no SVD */
};

static scry_status scaled_forward(const scry_op *A, float *y, const float *x, void *work,
                                  scry_error *err)
{
    const struct scaled *S = (const struct scaled *)A;
    scry_status st = scry_op_forward(S->B, y, x, work, err);
    if (st == SCRY_OK) scry_scale(y, S->factor, scry_space_floats(&A->cod));
    return st;
}

static scry_status scaled_adjoint(const scry_op *A, float *x, const float *y, void *work,
                                  scry_error *err)
{
    const struct scaled *S = (const struct scaled *)A;
    scry_status st = scry_op_adjoint(S->B, x, y, work, err);
    if (st == SCRY_OK) scry_scale(x, S->factor, scry_space_floats(&A->dom));
    return st;
}

static scry_status scaled_normal(const scry_op *A, float *out, const float *x, void *work,
                                 scry_error *err)
{
    const struct scaled *S = (const struct scaled *)A;
    scry_status st = scry_op_normal(S->B, out, x, work, err);
    if (st == SCRY_OK) scry_scale(out, S->factor * S->factor, scry_space_floats(&A->dom));
    return st;
}

static scry_status scaled_v(const scry_op *A, float *x, const float *c, void *work, scry_error *err)
{
    return scry_op_svd_v(((const struct scaled *)A)->B, x, c, work, err);
}

static scry_status scaled_vh(const scry_op *A, float *c, const float *x, void *work,
                             scry_error *err)
{
    return scry_op_svd_vh(((const struct scaled *)A)->B, c, x, work, err);
}

static void scaled_describe(const scry_op *A, scry_svd *out)
{
    const struct scaled *S = (const struct scaled *)A;
    S->B->ops->svd->describe(S->B, out);
    out->values = S->values;
}

/* Singular values are positive: the sign of the factor goes to U. */
static scry_status scaled_uh(const scry_op *A, float *c, const float *y, void *work,
                             scry_error *err)
{
    const struct scaled *S = (const struct scaled *)A;
    scry_svd svd;
    scry_status st = scry_op_svd_uh(S->B, c, y, work, err);
    scaled_describe(A, &svd);
    if (st == SCRY_OK && S->factor < 0) scry_scale(c, -1, svd.count * (size_t)svd.floats_per);
    return st;
}

static int scaled_rank(const scry_op *A)
{
    return scry_op_sampled_rank(((const struct scaled *)A)->B);
}

static void scaled_transfer(const scry_op *A, float *pairs)
{
    const struct scaled *S = (const struct scaled *)A;
    S->B->ops->sampled->transfer(S->B, pairs);
    scry_scale(pairs, S->factor, 2 * sampled_bins(S->B));
}

static scry_status scaled_sample(const scry_op *A, float *y, const float *x, void *work,
                                 scry_error *err)
{
    return scry_op_sample(((const struct scaled *)A)->B, y, x, work, err);
}

static scry_status scaled_scatter(const scry_op *A, float *x, const float *y, void *work,
                                  scry_error *err)
{
    return scry_op_scatter(((const struct scaled *)A)->B, x, y, work, err);
}

static void scaled_destroy(scry_op *A)
{
    struct scaled *S = (struct scaled *)A;
    if (!S) return;
    scry_op_free(S->B);
    scry_free(S->values);
    scry_free(S);
}

static const struct scry_sampled_ops scaled_sampled = {.rank = scaled_rank,
                                                       .transfer = scaled_transfer,
                                                       .sample = scaled_sample,
                                                       .scatter = scaled_scatter};
static const struct scry_svd_ops scaled_svd = {
    .v = scaled_v, .vh = scaled_vh, .uh = scaled_uh, .describe = scaled_describe};
static const struct scry_op_ops scaled_ops = {
    .name = "scaled",
    .forward = scaled_forward,
    .adjoint = scaled_adjoint,
    .normal = scaled_normal,
    .sampled = &scaled_sampled,
    .destroy = scaled_destroy,
};
static const struct scry_op_ops scaled_svd_ops = {
    .name = "scaled",
    .forward = scaled_forward,
    .adjoint = scaled_adjoint,
    .normal = scaled_normal,
    .sampled = &scaled_sampled,
    .svd = &scaled_svd,
    .destroy = scaled_destroy,
};

scry_status scry_scaled_create(scry_op **out, scry_op *B, double factor, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, B)) return SCRY_EINVAL;
    const bool svd = scry_op_has_svd(B);
    scry_svd inner = {0};
    if (!isfinite(factor))
        return SCRY_FAIL(err, SCRY_EINVAL, "factor %g, expected a finite number", factor);
    if (svd) B->ops->svd->describe(B, &inner);
    struct scaled *S = scry_alloc(1, sizeof *S);
    float *values = svd ? scry_alloc(inner.count, sizeof *values) : NULL;
    if (!S || (svd && !values)) {
        scry_free(S);
        scry_free(values);
        return SCRY_FAIL(err, SCRY_ENOMEM, "scaled operator");
    }
    for (size_t i = 0; i < inner.count; i++)
        values[i] = (float)(fabs(factor) * inner.values[i]);
    S->base = (scry_op){.ops = svd ? &scaled_svd_ops : &scaled_ops,
                        .dom = B->dom,
                        .cod = B->cod,
                        .work_bytes = scry_op_work_bytes(B)};
    S->B = B;
    S->factor = factor;
    S->values = values;
    *out = &S->base;
    return SCRY_OK;
}

/* Work: one image to add up, one part's data where they begin on a cache line (inside y they need
 * not), then the work of the neediest part. */
struct stack {
    scry_op base;
    size_t count, image_bytes, data_bytes;
    scry_op *operators[];
};

static scry_status stack_forward(const scry_op *A, float *y, const float *x, void *work,
                                 scry_error *err)
{
    const struct stack *S = (const struct stack *)A;
    float *data = compose_after(work, S->image_bytes);
    void *rest = compose_after(data, S->data_bytes);
    for (size_t i = 0; i < S->count; i++) {
        const size_t m = scry_space_floats(&S->operators[i]->cod);
        scry_status st = scry_op_forward(S->operators[i], data, x, rest, err);
        if (st != SCRY_OK) return st;
        memcpy(y, data, m * sizeof *y);
        y += m;
    }
    return SCRY_OK;
}

static scry_status stack_adjoint(const scry_op *A, float *x, const float *y, void *work,
                                 scry_error *err)
{
    const struct stack *S = (const struct stack *)A;
    const size_t n = scry_space_floats(&A->dom);
    float *image = work, *data = compose_after(work, S->image_bytes);
    void *rest = compose_after(data, S->data_bytes);
    for (size_t i = 0; i < S->count; i++) {
        const size_t m = scry_space_floats(&S->operators[i]->cod);
        memcpy(data, y, m * sizeof *data);
        scry_status st = scry_op_adjoint(S->operators[i], i ? image : x, data, rest, err);
        if (st != SCRY_OK) return st;
        if (i) scry_axpy(x, 1, image, n);
        y += m;
    }
    return SCRY_OK;
}

static scry_status stack_normal(const scry_op *A, float *out, const float *x, void *work,
                                scry_error *err)
{
    const struct stack *S = (const struct stack *)A;
    const size_t n = scry_space_floats(&A->dom);
    float *image = work;
    void *rest = compose_after(work, S->image_bytes + S->data_bytes);
    for (size_t i = 0; i < S->count; i++) {
        scry_status st = scry_op_normal(S->operators[i], i ? image : out, x, rest, err);
        if (st != SCRY_OK) return st;
        if (i) scry_axpy(out, 1, image, n);
    }
    return SCRY_OK;
}

static void stack_destroy(scry_op *A)
{
    struct stack *S = (struct stack *)A;
    if (!S) return;
    for (size_t i = 0; i < S->count; i++)
        scry_op_free(S->operators[i]);
    scry_free(S);
}

static const struct scry_op_ops stack_ops = {
    .name = "stack",
    .forward = stack_forward,
    .adjoint = stack_adjoint,
    .normal = stack_normal,
    .destroy = stack_destroy,
};

scry_status scry_stack_create(scry_op **out, scry_op *const *operators, size_t count,
                              scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, operators)) return SCRY_EINVAL;
    size_t entries = 0, work = 0, data = 0;
    char a[96], b[96];
    if (!count) return SCRY_FAIL(err, SCRY_EINVAL, "a stack of no operators");
    for (size_t i = 0; i < count; i++) {
        if (!scry_space_equal(&operators[i]->dom, &operators[0]->dom) ||
            operators[i]->cod.cplx != operators[0]->cod.cplx)
            return SCRY_FAIL(err, SCRY_ESHAPE,
                             "part %zu takes %s and gives %s data, expected %s and %s as part 0", i,
                             scry_space_print(&operators[i]->dom, a, sizeof a),
                             operators[i]->cod.cplx ? "complex" : "real",
                             scry_space_print(&operators[0]->dom, b, sizeof b),
                             operators[0]->cod.cplx ? "complex" : "real");
        entries += scry_space_count(&operators[i]->cod);
        work = compose_largest(work, scry_op_work_bytes(operators[i]));
        data = compose_largest(
            data, scry_align_up(scry_space_floats(&operators[i]->cod) * sizeof(float)));
    }
    struct stack *S = scry_alloc(1, sizeof *S + count * sizeof *S->operators);
    if (!S) return SCRY_FAIL(err, SCRY_ENOMEM, "stack of %zu operators", count);
    S->base = (scry_op){.ops = &stack_ops, .dom = operators[0]->dom, .cod = SCRY_SPACE(entries)};
    S->base.cod.cplx = operators[0]->cod.cplx;
    S->count = count;
    S->image_bytes = scry_align_up(scry_space_floats(&operators[0]->dom) * sizeof(float));
    S->data_bytes = data;
    S->base.work_bytes = S->image_bytes + data + work;
    memcpy(S->operators, operators, count * sizeof *operators);
    *out = &S->base;
    return SCRY_OK;
}
