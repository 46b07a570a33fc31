#include "priors/network/dnnl_impl.h"

#include "lib/memory.h"
#include "priors/network/loops_impl.h"

#include <dnnl.h>
#include <omp.h>
#include <string.h>

/* Every call of oneDNN is in this file. Version 2 describes an operation first and 3 does not; the
 * other functions used here are common to both. */

struct scryi_conv {
    scryi_conv_shape shape;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_primitive_desc_t desc;
    dnnl_memory_t weights;
    void *weight_data;
    size_t weight_bytes, scratch_bytes;
    bool winograd;
};

#define TRY(call)                                                                                  \
    do {                                                                                           \
        if ((status = (call)) != dnnl_success) goto done;                                          \
    } while (0)

static scry_status onednn_failed(dnnl_status_t status, const scryi_conv_shape *s, scry_error *err)
{
    if (status == dnnl_success) return SCRY_OK;
    if (status == dnnl_out_of_memory)
        return SCRY_FAIL(err, SCRY_ENOMEM, "convolution %zu to %zu channels, %zu x %zu", s->in,
                         s->out, s->height, s->width);
    return SCRY_FAIL(err, SCRY_ENUMERIC,
                     "oneDNN refused a %zux%zu convolution of %zu to %zu channels, %zu x %zu: "
                     "status %d",
                     s->kernel, s->kernel, s->in, s->out, s->height, s->width, (int)status);
}

static dnnl_format_tag_t blocked_tag(void)
{
    return scryi_lanes() == 16 ? dnnl_nChw16c : dnnl_nChw8c;
}

/* Descriptions of input, weights, bias and output. */
typedef struct scryi_mds {
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_t x, w, b, y;
#else
    dnnl_memory_desc_t x_, w_, b_, y_, *x, *w, *b, *y;
#endif
} scryi_mds;

static dnnl_status_t create_md(scryi_mds *m, int which, int rank, const size_t *dims,
                               dnnl_format_tag_t tag)
{
    dnnl_dims_t d;
    for (int i = 0; i < rank; i++)
        d[i] = (dnnl_dim_t)dims[i];
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_t *to[] = {&m->x, &m->w, &m->b, &m->y};
    return dnnl_memory_desc_create_with_tag(to[which], rank, d, dnnl_f32, tag);
#else
    dnnl_memory_desc_t *at[] = {&m->x_, &m->w_, &m->b_, &m->y_};
    dnnl_memory_desc_t **to[] = {&m->x, &m->w, &m->b, &m->y};
    *to[which] = at[which];
    return dnnl_memory_desc_init_by_tag(at[which], rank, d, dnnl_f32, tag);
#endif
}

static dnnl_status_t create_mds(scryi_mds *m, const scryi_conv_shape *s)
{
    dnnl_status_t status;
    const size_t x[] = {1, s->in, s->height, s->width};
    const size_t y[] = {1, s->out, s->out_height, s->out_width};
    const size_t w[] = {s->out, s->in, s->kernel, s->kernel};
    TRY(create_md(m, 0, 4, x, blocked_tag()));
    TRY(create_md(m, 1, 4, w, dnnl_format_tag_any));
    if (s->bias) TRY(create_md(m, 2, 1, &s->out, dnnl_x));
    TRY(create_md(m, 3, 4, y, blocked_tag()));
done:
    return status;
}

static void free_mds(scryi_mds *m)
{
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_destroy(m->x);
    dnnl_memory_desc_destroy(m->w);
    dnnl_memory_desc_destroy(m->b);
    dnnl_memory_desc_destroy(m->y);
#else
    (void)m;
#endif
}

static dnnl_status_t conv_describe(scryi_conv *c, const scryi_mds *m, dnnl_primitive_attr_t attr,
                                   dnnl_alg_kind_t alg)
{
    const scryi_conv_shape *s = &c->shape;
    const dnnl_dim_t step = (dnnl_dim_t)s->stride, pad = (dnnl_dim_t)s->pad;
    const dnnl_dims_t strides = {step, step}, before = {pad, pad};
    const dnnl_dims_t after = {
        (dnnl_dim_t)((s->out_height - 1) * s->stride + s->kernel - s->height) - pad,
        (dnnl_dim_t)((s->out_width - 1) * s->stride + s->kernel - s->width) - pad,
    };
#if DNNL_VERSION_MAJOR >= 3
    const dnnl_dims_t dense = {0, 0};
    if (s->transposed)
        return dnnl_convolution_backward_data_primitive_desc_create(
            &c->desc, c->engine, alg, m->x, m->w, m->y, strides, dense, before, after, NULL, attr);
    return dnnl_convolution_forward_primitive_desc_create(
        &c->desc, c->engine, dnnl_forward_inference, alg, m->x, m->w, m->b, m->y, strides, dense,
        before, after, attr);
#else
    dnnl_convolution_desc_t op;
    const dnnl_status_t status =
        s->transposed
            ? dnnl_convolution_backward_data_desc_init(&op, alg, m->x, m->w, m->y, strides, before,
                                                       after)
            : dnnl_convolution_forward_desc_init(&op, dnnl_forward_inference, alg, m->x, m->w, m->b,
                                                 m->y, strides, before, after);
    if (status != dnnl_success) return status;
    return dnnl_primitive_desc_create(&c->desc, &op, attr, c->engine, NULL);
#endif
}

/* The library asks for the number of threads when a primitive is described and again when it runs,
 * and must hear the same both times. It hears one: with more, its Winograd sums in another order,
 * and the bytes of a result would depend on the machine. */
static int onednn_one_thread(void)
{
    const int before = omp_get_max_threads();
    omp_set_num_threads(1);
    return before;
}

static dnnl_status_t create_primitive(scryi_conv *c, const scryi_mds *m)
{
    dnnl_status_t status;
    dnnl_primitive_attr_t attr = NULL;
    const int before = onednn_one_thread();
    TRY(dnnl_primitive_attr_create(&attr));
    TRY(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
    status = dnnl_unimplemented;
    if (c->shape.winograd) status = conv_describe(c, m, attr, dnnl_convolution_winograd);
    c->winograd = status == dnnl_success;
    if (!c->winograd) TRY(conv_describe(c, m, attr, dnnl_convolution_direct));
    TRY(dnnl_primitive_create(&c->primitive, c->desc));
done:
    omp_set_num_threads(before);
    dnnl_primitive_attr_destroy(attr);
    return status;
}

static dnnl_status_t onednn_reorder(scryi_conv *c, const float *weights)
{
    dnnl_status_t status;
    dnnl_memory_t from = NULL;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t copy = NULL;
    scryi_mds plain = {0};
    const size_t dims[] = {c->shape.out, c->shape.in, c->shape.kernel, c->shape.kernel};
    TRY(create_md(&plain, 1, 4, dims, dnnl_oihw));
#if DNNL_VERSION_MAJOR >= 3
    const_dnnl_memory_desc_t from_md = plain.w;
    const_dnnl_memory_desc_t to_md =
        dnnl_primitive_desc_query_md(c->desc, dnnl_query_weights_md, 0);
#else
    const dnnl_memory_desc_t *from_md = plain.w;
    const dnnl_memory_desc_t *to_md =
        dnnl_primitive_desc_query_md(c->desc, dnnl_query_weights_md, 0);
#endif
    c->weight_bytes = dnnl_memory_desc_get_size(to_md);
    status = dnnl_out_of_memory;
    if (!(c->weight_data = scry_alloc(c->weight_bytes, 1))) goto done;
    TRY(dnnl_memory_create(&from, from_md, c->engine, (void *)weights));
    TRY(dnnl_memory_create(&c->weights, to_md, c->engine, c->weight_data));
    TRY(dnnl_reorder_primitive_desc_create(&desc, from_md, c->engine, to_md, c->engine, NULL));
    TRY(dnnl_primitive_create(&copy, desc));
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, c->weights}};
    TRY(dnnl_primitive_execute(copy, c->stream, 2, args));
    TRY(dnnl_stream_wait(c->stream));
done:
    dnnl_primitive_destroy(copy);
    dnnl_primitive_desc_destroy(desc);
    dnnl_memory_destroy(from);
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_destroy(plain.w);
#endif
    return status;
}

scry_status scryi_conv_create(scryi_conv **out, const scryi_conv_shape *shape, const float *weights,
                              scry_error *err)
{
    dnnl_status_t status = dnnl_out_of_memory;
    scryi_mds mds = {0};
    *out = NULL;
    scryi_conv *c = scry_alloc(1, sizeof *c);
    if (!c) return onednn_failed(status, shape, err);
    c->shape = *shape;
    TRY(dnnl_engine_create(&c->engine, dnnl_cpu, 0));
    TRY(dnnl_stream_create(&c->stream, c->engine, dnnl_stream_default_flags));
    TRY(create_mds(&mds, shape));
    TRY(create_primitive(c, &mds));
    TRY(onednn_reorder(c, weights));
    c->scratch_bytes = dnnl_memory_desc_get_size(
        dnnl_primitive_desc_query_md(c->desc, dnnl_query_scratchpad_md, 0));
    *out = c;
    c = NULL;
done:
    free_mds(&mds);
    scryi_conv_free(c);
    return onednn_failed(status, shape, err);
}

void scryi_conv_free(scryi_conv *c)
{
    if (!c) return;
    dnnl_memory_destroy(c->weights);
    scry_free(c->weight_data);
    dnnl_primitive_destroy(c->primitive);
    dnnl_primitive_desc_destroy(c->desc);
    dnnl_stream_destroy(c->stream);
    dnnl_engine_destroy(c->engine);
    scry_free(c);
}

size_t scryi_conv_scratch(const scryi_conv *c)
{
    return c->scratch_bytes;
}

size_t scryi_conv_weight_bytes(const scryi_conv *c)
{
    return c->weight_bytes;
}

bool scryi_conv_is_winograd(const scryi_conv *c)
{
    return c->winograd;
}

static dnnl_status_t onednn_wrap(const scryi_conv *c, dnnl_memory_t *memory, dnnl_query_t what,
                                 int index, const void *data)
{
    return dnnl_memory_create(memory, dnnl_primitive_desc_query_md(c->desc, what, index), c->engine,
                              (void *)data);
}

/* The memory objects are handles of a hundred bytes around the caller's arrays. They are made for
 * each run because they are not thread-safe, and a primitive is. */
scry_status scryi_conv_run(const scryi_conv *c, float *dst, const float *src, const float *bias,
                           void *scratch, scry_error *err)
{
    dnnl_status_t status;
    dnnl_memory_t from = NULL, to = NULL, b = NULL, pad = NULL;
    const bool back = c->shape.transposed;
    TRY(onednn_wrap(c, &from, back ? dnnl_query_diff_dst_md : dnnl_query_src_md, 0, src));
    TRY(onednn_wrap(c, &to, back ? dnnl_query_diff_src_md : dnnl_query_dst_md, 0, dst));
    TRY(onednn_wrap(c, &pad, dnnl_query_scratchpad_md, 0, scratch));
    if (c->shape.bias) TRY(onednn_wrap(c, &b, dnnl_query_weights_md, 1, bias));
    const dnnl_exec_arg_t args[] = {
        {back ? DNNL_ARG_DIFF_DST : DNNL_ARG_SRC, from},
        {back ? DNNL_ARG_DIFF_SRC : DNNL_ARG_DST, to},
        {DNNL_ARG_WEIGHTS, c->weights},
        {DNNL_ARG_SCRATCHPAD, pad},
        {DNNL_ARG_BIAS, b},
    };
    const int before = onednn_one_thread();
    status = dnnl_primitive_execute(c->primitive, c->stream, c->shape.bias ? 5 : 4, args);
    if (status == dnnl_success) status = dnnl_stream_wait(c->stream);
    omp_set_num_threads(before);
done:
    dnnl_memory_destroy(b);
    dnnl_memory_destroy(pad);
    dnnl_memory_destroy(to);
    dnnl_memory_destroy(from);
    return onednn_failed(status, &c->shape, err);
}
