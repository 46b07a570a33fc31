#include "operators/series.h"
#include "operators/op_impl.h"

#include "lib/given.h"
#include "lib/memory.h"

#include <string.h>

/* Work: a frame and its data where they begin on a cache line (inside x and y they need not), one
 * more frame, then the work of the neediest part. */
struct series_op {
    scry_op base;
    size_t count, frame, frame_bytes, data_bytes; /* frame: floats */
    scry_op *operators[];
};

static void *series_after(void *work, size_t bytes)
{
    return (char *)work + bytes;
}

static scry_status series_forward(const scry_op *A, float *y, const float *x, void *work,
                                  scry_error *err)
{
    const struct series_op *S = (const struct series_op *)A;
    float *frame = work, *data = series_after(work, 2 * S->frame_bytes);
    void *rest = series_after(data, S->data_bytes);
    for (size_t f = 0; f < S->count; f++, x += S->frame) {
        const size_t m = scry_space_floats(&S->operators[f]->cod);
        memcpy(frame, x, S->frame * sizeof *frame);
        const scry_status st = scry_op_forward(S->operators[f], data, frame, rest, err);
        if (st != SCRY_OK) return st;
        memcpy(y, data, m * sizeof *y);
        y += m;
    }
    return SCRY_OK;
}

static scry_status series_adjoint(const scry_op *A, float *x, const float *y, void *work,
                                  scry_error *err)
{
    const struct series_op *S = (const struct series_op *)A;
    float *frame = work, *data = series_after(work, 2 * S->frame_bytes);
    void *rest = series_after(data, S->data_bytes);
    for (size_t f = 0; f < S->count; f++, x += S->frame) {
        const size_t m = scry_space_floats(&S->operators[f]->cod);
        memcpy(data, y, m * sizeof *data);
        const scry_status st = scry_op_adjoint(S->operators[f], frame, data, rest, err);
        if (st != SCRY_OK) return st;
        memcpy(x, frame, S->frame * sizeof *x);
        y += m;
    }
    return SCRY_OK;
}

static scry_status series_normal(const scry_op *A, float *out, const float *x, void *work,
                                 scry_error *err)
{
    const struct series_op *S = (const struct series_op *)A;
    float *frame = work, *result = series_after(work, S->frame_bytes);
    void *rest = series_after(work, 2 * S->frame_bytes + S->data_bytes);
    for (size_t f = 0; f < S->count; f++) {
        memcpy(frame, x + f * S->frame, S->frame * sizeof *frame);
        const scry_status st = scry_op_normal(S->operators[f], result, frame, rest, err);
        if (st != SCRY_OK) return st;
        memcpy(out + f * S->frame, result, S->frame * sizeof *out);
    }
    return SCRY_OK;
}

static void series_destroy(scry_op *A)
{
    struct series_op *S = (struct series_op *)A;
    if (!S) return;
    for (size_t f = 0; f < S->count; f++)
        scry_op_free(S->operators[f]);
    scry_free(S);
}

static const struct scry_op_ops series_ops = {
    .name = "series",
    .forward = series_forward,
    .adjoint = series_adjoint,
    .normal = series_normal,
    .destroy = series_destroy,
};

static scry_status series_check(scry_op *const *operators, size_t count, scry_error *err)
{
    const scry_space *first = &operators[0]->dom;
    char a[96], b[96];
    if (first->rank >= SCRY_MAX_RANK)
        return SCRY_FAIL(err, SCRY_ESHAPE, "frames of %d axes, expected %d at most", first->rank,
                         SCRY_MAX_RANK - 1);
    for (size_t f = 0; f < count; f++)
        if (!scry_space_equal(&operators[f]->dom, first) ||
            operators[f]->cod.cplx != operators[0]->cod.cplx)
            return SCRY_FAIL(err, SCRY_ESHAPE,
                             "frame %zu takes %s and gives %s data, expected %s and %s as frame 0",
                             f, scry_space_print(&operators[f]->dom, a, sizeof a),
                             operators[f]->cod.cplx ? "complex" : "real",
                             scry_space_print(first, b, sizeof b),
                             operators[0]->cod.cplx ? "complex" : "real");
    return SCRY_OK;
}

scry_status scry_series_create(scry_op **out, scry_op *const *operators, size_t count,
                               scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, operators)) return SCRY_EINVAL;
    if (!count) return SCRY_FAIL(err, SCRY_EINVAL, "a series of no frames");
    scry_status st = series_check(operators, count, err);
    if (st != SCRY_OK) return st;
    size_t entries = 0, work = 0, data = 0;
    for (size_t f = 0; f < count; f++) {
        const size_t bytes = scry_align_up(scry_space_floats(&operators[f]->cod) * sizeof(float));
        entries += scry_space_count(&operators[f]->cod);
        if (scry_op_work_bytes(operators[f]) > work) work = scry_op_work_bytes(operators[f]);
        if (bytes > data) data = bytes;
    }
    struct series_op *S = scry_alloc(1, sizeof *S + count * sizeof *S->operators);
    if (!S) return SCRY_FAIL(err, SCRY_ENOMEM, "series of %zu frames", count);
    const scry_space *frame = &operators[0]->dom;
    S->base = (scry_op){.ops = &series_ops, .dom = *frame, .cod = SCRY_SPACE(entries)};
    S->base.cod.cplx = operators[0]->cod.cplx;
    S->base.dom.rank = frame->rank + 1;
    S->base.dom.dims[0] = count;
    memcpy(S->base.dom.dims + 1, frame->dims, (size_t)frame->rank * sizeof *frame->dims);
    S->count = count;
    S->frame = scry_space_floats(frame);
    S->frame_bytes = scry_align_up(S->frame * sizeof(float));
    S->data_bytes = data;
    S->base.work_bytes = 2 * S->frame_bytes + data + work;
    memcpy(S->operators, operators, count * sizeof *operators);
    *out = &S->base;
    return SCRY_OK;
}
