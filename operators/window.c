#include "operators/window.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "operators/op_impl.h"

#include <string.h>

scry_status scry_window_check(const scry_window *w, scry_error *err)
{
    scry_status st;
    char inner[96], outer[96];
    if ((st = scry_space_check(&w->inner, err)) != SCRY_OK) return st;
    if ((st = scry_space_check(&w->outer, err)) != SCRY_OK) return st;
    if (w->inner.rank != w->outer.rank || w->inner.cplx != w->outer.cplx)
        return SCRY_FAIL(err, SCRY_ESHAPE, "image %s and domain %s are of different kinds",
                         scry_space_print(&w->inner, inner, sizeof inner),
                         scry_space_print(&w->outer, outer, sizeof outer));
    for (int a = 0; a < w->inner.rank; a++)
        if (w->inner.dims[a] > w->outer.dims[a] ||
            w->offset[a] > w->outer.dims[a] - w->inner.dims[a])
            return SCRY_FAIL(err, SCRY_ESHAPE,
                             "axis %d: image %zu at offset %zu exceeds domain %zu", a,
                             w->inner.dims[a], w->offset[a], w->outer.dims[a]);
    return SCRY_OK;
}

static size_t floats_per(const scry_window *w)
{
    return w->inner.cplx ? 2 : 1;
}

/* Rows of the inner array: all axes but the last. */
static size_t inner_rows(const scry_window *w)
{
    return scry_space_count(&w->inner) / w->inner.dims[w->inner.rank - 1];
}

/* Where row `row` of inner begins in outer, in floats. */
static size_t outer_start(const scry_window *w, size_t row)
{
    const int last = w->inner.rank - 1;
    size_t at = w->offset[last], stride = w->outer.dims[last];
    for (int a = last - 1; a >= 0; a--) {
        at += (row % w->inner.dims[a] + w->offset[a]) * stride;
        row /= w->inner.dims[a];
        stride *= w->outer.dims[a];
    }
    return at * floats_per(w);
}

void scry_window_crop(const scry_window *w, float *inner, const float *outer)
{
    const size_t rows = inner_rows(w), n = w->inner.dims[w->inner.rank - 1] * floats_per(w);
    for (size_t r = 0; r < rows; r++)
        memcpy(inner + r * n, outer + outer_start(w, r), n * sizeof *inner);
}

void scry_window_pad(const scry_window *w, float *outer, const float *inner)
{
    const size_t rows = inner_rows(w), n = w->inner.dims[w->inner.rank - 1] * floats_per(w);
    size_t done = 0;
    for (size_t r = 0; r < rows; r++) { /* one pass: zeros between rows as they come */
        const size_t at = outer_start(w, r);
        memset(outer + done, 0, (at - done) * sizeof *outer);
        memcpy(outer + at, inner + r * n, n * sizeof *outer);
        done = at + n;
    }
    memset(outer + done, 0, (scry_space_floats(&w->outer) - done) * sizeof *outer);
}

void scry_window_clear_margin(const scry_window *w, float *outer)
{
    const size_t rows = inner_rows(w), n = w->inner.dims[w->inner.rank - 1] * floats_per(w);
    size_t done = 0;
    for (size_t r = 0; r < rows; r++) {
        const size_t at = outer_start(w, r);
        memset(outer + done, 0, (at - done) * sizeof *outer);
        done = at + n;
    }
    memset(outer + done, 0, (scry_space_floats(&w->outer) - done) * sizeof *outer);
}

void scry_window_extend(const scry_window *w, float *outer, const float *inner)
{
    const size_t n = scry_space_count(&w->outer), per = floats_per(w);
    for (size_t i = 0; i < n; i++) {
        size_t rest = i, from = 0, stride = 1;
        for (int a = w->outer.rank - 1; a >= 0; a--) {
            const size_t k = rest % w->outer.dims[a], low = w->offset[a];
            const size_t d = w->inner.dims[a];
            from += (k < low ? 0 : k - low < d ? k - low : d - 1) * stride;
            rest /= w->outer.dims[a];
            stride *= d;
        }
        memcpy(outer + per * i, inner + per * from, per * sizeof *outer);
    }
}

struct crop {
    scry_op base;
    scry_window w;
    float *values; /* 1 inside the window, 0 outside */
};

static scry_status window_forward(const scry_op *A, float *y, const float *x, void *work,
                                  scry_error *err)
{
    (void)work;
    (void)err;
    scry_window_crop(&((const struct crop *)A)->w, y, x);
    return SCRY_OK;
}

static scry_status window_adjoint(const scry_op *A, float *x, const float *y, void *work,
                                  scry_error *err)
{
    (void)work;
    (void)err;
    scry_window_pad(&((const struct crop *)A)->w, x, y);
    return SCRY_OK;
}

static scry_status window_copy(const scry_op *A, float *out, const float *in, void *work,
                               scry_error *err)
{
    (void)work;
    (void)err;
    memcpy(out, in, scry_space_floats(&A->dom) * sizeof *out);
    return SCRY_OK;
}

static scry_status window_normal(const scry_op *A, float *out, const float *x, void *work,
                                 scry_error *err)
{
    window_copy(A, out, x, work, err);
    scry_window_clear_margin(&((const struct crop *)A)->w, out);
    return SCRY_OK;
}

static void window_describe(const scry_op *A, scry_svd *out)
{
    const struct crop *C = (const struct crop *)A;
    *out = (scry_svd){
        .count = scry_space_count(&A->dom), .floats_per = A->dom.cplx ? 2 : 1, .values = C->values};
}

static void window_destroy(scry_op *A)
{
    struct crop *C = (struct crop *)A;
    if (!C) return;
    scry_free(C->values);
    scry_free(C);
}

static int window_rank(const scry_op *A)
{
    (void)A;
    return 0;
}

static void window_transfer(const scry_op *A, float *pair)
{
    (void)A;
    pair[0] = 1;
    pair[1] = 0;
}

static const struct scry_sampled_ops crop_sampled = {.rank = window_rank,
                                                     .transfer = window_transfer,
                                                     .sample = window_forward,
                                                     .scatter = window_adjoint};
static const struct scry_svd_ops crop_svd = {
    .v = window_copy, .vh = window_copy, .uh = window_adjoint, .describe = window_describe};
static const struct scry_op_ops crop_ops = {
    .name = "crop",
    .forward = window_forward,
    .adjoint = window_adjoint,
    .normal = window_normal,
    .svd = &crop_svd,
    .sampled = &crop_sampled,
    .destroy = window_destroy,
};

scry_status scry_crop_create(scry_op **out, const scry_window *w, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, w)) return SCRY_EINVAL;
    scry_status st = scry_window_check(w, err);
    if (st != SCRY_OK) return st;
    const size_t n = scry_space_count(&w->outer);
    struct crop *C = scry_alloc(1, sizeof *C);
    float *values = scry_alloc(n, sizeof *values);
    if (!C || !values) {
        scry_free(C);
        scry_free(values);
        return SCRY_FAIL(err, SCRY_ENOMEM, "crop of %zu entries", n);
    }
    for (size_t i = 0; i < n; i++)
        values[i] = 1;
    scry_window real = *w; /* values are real, one an entry */
    real.inner.cplx = real.outer.cplx = false;
    scry_window_clear_margin(&real, values);
    C->base = (scry_op){.ops = &crop_ops, .dom = w->outer, .cod = w->inner};
    C->w = *w;
    C->values = values;
    *out = &C->base;
    return SCRY_OK;
}
