#include "priors/network/dnnl_train_impl.h"

#include "lib/memory.h"
#include "priors/network/loops_impl.h"

#include <dnnl.h>
#include <omp.h>
#include <string.h>

/* Calls of oneDNN for training; dnnl.c has inference. */

typedef enum scryi_direction { FORWARD, DATA, WEIGHTS, DIRECTIONS } scryi_direction;

#define ARGUMENTS 5

/* One direction: a primitive, and its memory objects for each worker. */
typedef struct scryi_pass {
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_memory_t *memory; /* ARGUMENTS a worker */
    size_t scratch;
} scryi_pass;

struct scryi_train_conv {
    scryi_train_conv_shape shape;
    size_t workers, gradient_bytes;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    scryi_pass pass[DIRECTIONS];
    void *weights[2]; /* of FORWARD and DATA */
    dnnl_memory_t plain, blocked[DIRECTIONS];
    dnnl_primitive_t reorder[DIRECTIONS]; /* plain to blocked, for WEIGHTS back */
};

#define TRY(call)                                                                                  \
    do {                                                                                           \
        if ((status = (call)) != dnnl_success) goto done;                                          \
    } while (0)

static scry_status train_worded(dnnl_status_t status, const scryi_train_conv_shape *s,
                                scry_error *err)
{
    if (status == dnnl_success) return SCRY_OK;
    if (status == dnnl_out_of_memory)
        return SCRY_FAIL(err, SCRY_ENOMEM, "training of a convolution of %zu to %zu channels",
                         s->in, s->out);
    return SCRY_FAIL(err, SCRY_ENUMERIC,
                     "oneDNN refused to train a %zux%zu convolution of %zu to %zu channels, "
                     "%zu x %zu: status %d",
                     s->kernel, s->kernel, s->in, s->out, s->height, s->width, (int)status);
}

/* As in dnnl.c: the library sums in an order that depends on the number of threads. Images are what
 * threads share here. */
static int onednn_train_one_thread(void)
{
    const int before = omp_get_max_threads();
    omp_set_num_threads(1);
    return before;
}

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t md_ref;
#define MD(mds, which) ((mds)->at[which])
#else
typedef const dnnl_memory_desc_t *md_ref;
#define MD(mds, which) (&(mds)->at[which])
#endif

/* Input, weights in any layout and in PyTorch's, bias, output. */
enum { MD_X, MD_W, MD_PLAIN, MD_B, MD_Y, MDS };

typedef struct scryi_train_mds {
    dnnl_memory_desc_t at[MDS];
} scryi_train_mds;

static dnnl_status_t train_md(scryi_train_mds *m, int which, int rank, const size_t *dims,
                              dnnl_format_tag_t tag)
{
    dnnl_dims_t d;
    for (int i = 0; i < rank; i++)
        d[i] = (dnnl_dim_t)dims[i];
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_tag(&m->at[which], rank, d, dnnl_f32, tag);
#else
    return dnnl_memory_desc_init_by_tag(&m->at[which], rank, d, dnnl_f32, tag);
#endif
}

static dnnl_status_t train_mds(scryi_train_mds *m, const scryi_train_conv_shape *s)
{
    dnnl_status_t status;
    const dnnl_format_tag_t blocked = scryi_lanes() == 16 ? dnnl_nChw16c : dnnl_nChw8c;
    const size_t x[] = {s->batch, s->in, s->height, s->width};
    const size_t y[] = {s->batch, s->out, s->height / s->stride, s->width / s->stride};
    const size_t w[] = {s->out, s->in, s->kernel, s->kernel};
    TRY(train_md(m, MD_X, 4, x, blocked));
    TRY(train_md(m, MD_W, 4, w, dnnl_format_tag_any));
    TRY(train_md(m, MD_PLAIN, 4, w, dnnl_oihw));
    TRY(train_md(m, MD_B, 1, &s->out, dnnl_x));
    TRY(train_md(m, MD_Y, 4, y, blocked));
done:
    return status;
}

static void train_mds_free(scryi_train_mds *m)
{
#if DNNL_VERSION_MAJOR >= 3
    for (int i = 0; i < MDS; i++)
        dnnl_memory_desc_destroy(m->at[i]);
#else
    (void)m;
#endif
}

static dnnl_status_t train_describe(scryi_train_conv *c, scryi_direction d, scryi_train_mds *m,
                                    dnnl_primitive_attr_t attr, dnnl_alg_kind_t alg)
{
    const scryi_train_conv_shape *s = &c->shape;
    const dnnl_dim_t step = (dnnl_dim_t)s->stride, pad = (dnnl_dim_t)(s->kernel / 2);
    const dnnl_dim_t end = s->kernel > 1 ? pad - step + 1 : 0;
    const dnnl_dims_t strides = {step, step}, before = {pad, pad}, after = {end, end};
    dnnl_primitive_desc_t *desc = &c->pass[d].desc;
#if DNNL_VERSION_MAJOR >= 3
    const dnnl_dims_t dense = {0, 0};
    switch (d) {
    case FORWARD:
        return dnnl_convolution_forward_primitive_desc_create(
            desc, c->engine, dnnl_forward_training, alg, MD(m, MD_X), MD(m, MD_W), MD(m, MD_B),
            MD(m, MD_Y), strides, dense, before, after, attr);
    case DATA:
        return dnnl_convolution_backward_data_primitive_desc_create(
            desc, c->engine, alg, MD(m, MD_X), MD(m, MD_W), MD(m, MD_Y), strides, dense, before,
            after, NULL, attr);
    default:
        return dnnl_convolution_backward_weights_primitive_desc_create(
            desc, c->engine, alg, MD(m, MD_X), MD(m, MD_W), MD(m, MD_B), MD(m, MD_Y), strides,
            dense, before, after, NULL, attr);
    }
#else
    dnnl_status_t status;
    dnnl_convolution_desc_t op;
    if (d == FORWARD)
        status = dnnl_convolution_forward_desc_init(&op, dnnl_forward_training, alg, MD(m, MD_X),
                                                    MD(m, MD_W), MD(m, MD_B), MD(m, MD_Y), strides,
                                                    before, after);
    else if (d == DATA)
        status = dnnl_convolution_backward_data_desc_init(&op, alg, MD(m, MD_X), MD(m, MD_W),
                                                          MD(m, MD_Y), strides, before, after);
    else
        status = dnnl_convolution_backward_weights_desc_init(
            &op, alg, MD(m, MD_X), MD(m, MD_W), MD(m, MD_B), MD(m, MD_Y), strides, before, after);
    if (status != dnnl_success) return status;
    return dnnl_primitive_desc_create(desc, &op, attr, c->engine, NULL);
#endif
}

/* Winograd's tiles of 4 x 4 outputs are half empty on 8 x 8 images, which only the gradient of the
 * weights bears. A rule and not a timing, so that one seed gives one training. */
static bool wants_winograd(const scryi_train_conv_shape *s, scryi_direction d)
{
    return s->kernel == 3 && s->stride == 1 && s->in > scryi_lanes() && s->out > scryi_lanes() &&
           (d == WEIGHTS || s->height >= 16);
}

static dnnl_status_t train_primitive(scryi_train_conv *c, scryi_direction d, scryi_train_mds *m,
                                     dnnl_primitive_attr_t attr)
{
    dnnl_status_t status = dnnl_unimplemented;
    scryi_pass *p = &c->pass[d];
    if (wants_winograd(&c->shape, d))
        status = train_describe(c, d, m, attr, dnnl_convolution_winograd);
    if (status != dnnl_success) TRY(train_describe(c, d, m, attr, dnnl_convolution_direct));
    TRY(dnnl_primitive_create(&p->primitive, p->desc));
    p->scratch = dnnl_memory_desc_get_size(
        dnnl_primitive_desc_query_md(p->desc, dnnl_query_scratchpad_md, 0));
done:
    return status;
}

/* The kind of each argument of a direction, and the query for its description. */
typedef struct scryi_argument {
    int name;
    dnnl_query_t query;
    int index;
} scryi_argument;

static const scryi_argument arguments[DIRECTIONS][ARGUMENTS] = {
    [FORWARD] = {{DNNL_ARG_DST, dnnl_query_dst_md, 0},
                 {DNNL_ARG_SRC, dnnl_query_src_md, 0},
                 {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0},
                 {DNNL_ARG_BIAS, dnnl_query_weights_md, 1},
                 {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md, 0}},
    [DATA] = {{DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, 0},
              {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0},
              {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0},
              {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md, 0}},
    [WEIGHTS] = {{DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md, 0},
                 {DNNL_ARG_DIFF_BIAS, dnnl_query_diff_weights_md, 1},
                 {DNNL_ARG_SRC, dnnl_query_src_md, 0},
                 {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0},
                 {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md, 0}},
};

static dnnl_status_t train_memory(scryi_train_conv *c, scryi_direction d)
{
    dnnl_status_t status = dnnl_out_of_memory;
    scryi_pass *p = &c->pass[d];
    if (!(p->memory = scry_alloc(c->workers * ARGUMENTS, sizeof(*p->memory)))) goto done;
    for (size_t w = 0; w < c->workers; w++)
        for (int i = 0; i < ARGUMENTS && arguments[d][i].name; i++) {
            const scryi_argument *a = &arguments[d][i];
            TRY(dnnl_memory_create(&p->memory[w * ARGUMENTS + (size_t)i],
                                   dnnl_primitive_desc_query_md(p->desc, a->query, a->index),
                                   c->engine, DNNL_MEMORY_NONE));
        }
    status = dnnl_success;
done:
    return status;
}

/* Between PyTorch's layout and that of a direction's weights. */
static dnnl_status_t train_reorder(scryi_train_conv *c, scryi_direction d, scryi_train_mds *m)
{
    dnnl_status_t status = dnnl_out_of_memory;
    dnnl_primitive_desc_t desc = NULL;
    md_ref plain = MD(m, MD_PLAIN);
    md_ref blocked = dnnl_primitive_desc_query_md(
        c->pass[d].desc, d == WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    const size_t bytes = dnnl_memory_desc_get_size(blocked);
    if (d == WEIGHTS)
        c->gradient_bytes = bytes;
    else if (!(c->weights[d] = scry_alloc(bytes, 1)))
        goto done;
    TRY(dnnl_memory_create(&c->blocked[d], blocked, c->engine,
                           d == WEIGHTS ? DNNL_MEMORY_NONE : c->weights[d]));
    TRY(d == WEIGHTS
            ? dnnl_reorder_primitive_desc_create(&desc, blocked, c->engine, plain, c->engine, NULL)
            : dnnl_reorder_primitive_desc_create(&desc, plain, c->engine, blocked, c->engine,
                                                 NULL));
    TRY(dnnl_primitive_create(&c->reorder[d], desc));
done:
    dnnl_primitive_desc_destroy(desc);
    return status;
}

scry_status scryi_train_conv_create(scryi_train_conv **out, const scryi_train_conv_shape *shape,
                                    size_t workers, scry_error *err)
{
    dnnl_status_t status = dnnl_out_of_memory;
    dnnl_primitive_attr_t attr = NULL;
    scryi_train_mds mds = {0};
    const int before = onednn_train_one_thread();
    *out = NULL;
    scryi_train_conv *c = scry_alloc(1, sizeof *c);
    if (!c) goto done;
    c->shape = *shape;
    c->workers = workers;
    TRY(dnnl_engine_create(&c->engine, dnnl_cpu, 0));
    TRY(dnnl_stream_create(&c->stream, c->engine, dnnl_stream_default_flags));
    TRY(train_mds(&mds, shape));
    TRY(dnnl_primitive_attr_create(&attr));
    TRY(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
    TRY(dnnl_memory_create(&c->plain, MD(&mds, MD_PLAIN), c->engine, DNNL_MEMORY_NONE));
    for (scryi_direction d = FORWARD; d < DIRECTIONS; d++) {
        TRY(train_primitive(c, d, &mds, attr));
        TRY(train_memory(c, d));
        TRY(train_reorder(c, d, &mds));
    }
    *out = c;
    c = NULL;
done:
    omp_set_num_threads(before);
    dnnl_primitive_attr_destroy(attr);
    train_mds_free(&mds);
    scryi_train_conv_free(c);
    return train_worded(status, shape, err);
}

void scryi_train_conv_free(scryi_train_conv *c)
{
    if (!c) return;
    for (scryi_direction d = FORWARD; d < DIRECTIONS; d++) {
        for (size_t i = 0; c->pass[d].memory && i < c->workers * ARGUMENTS; i++)
            dnnl_memory_destroy(c->pass[d].memory[i]);
        scry_free(c->pass[d].memory);
        dnnl_primitive_destroy(c->pass[d].primitive);
        dnnl_primitive_desc_destroy(c->pass[d].desc);
        dnnl_memory_destroy(c->blocked[d]);
        dnnl_primitive_destroy(c->reorder[d]);
    }
    dnnl_memory_destroy(c->plain);
    scry_free(c->weights[FORWARD]);
    scry_free(c->weights[DATA]);
    dnnl_stream_destroy(c->stream);
    dnnl_engine_destroy(c->engine);
    scry_free(c);
}

size_t scryi_train_conv_scratch(const scryi_train_conv *c)
{
    size_t bytes = 0;
    for (scryi_direction d = FORWARD; d < DIRECTIONS; d++)
        if (bytes < c->pass[d].scratch) bytes = c->pass[d].scratch;
    return bytes;
}

size_t scryi_train_conv_gradient(const scryi_train_conv *c)
{
    return c->gradient_bytes / sizeof(float);
}

static dnnl_status_t onednn_train_move(scryi_train_conv *c, scryi_direction d, bool back)
{
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, back ? c->blocked[d] : c->plain},
                                    {DNNL_ARG_TO, back ? c->plain : c->blocked[d]}};
    const int before = onednn_train_one_thread();
    dnnl_status_t status = dnnl_primitive_execute(c->reorder[d], c->stream, 2, args);
    if (status == dnnl_success) status = dnnl_stream_wait(c->stream);
    omp_set_num_threads(before);
    return status;
}

scry_status scryi_train_conv_load(scryi_train_conv *c, const float *weights, scry_error *err)
{
    dnnl_status_t status;
    TRY(dnnl_memory_set_data_handle(c->plain, (void *)weights));
    TRY(onednn_train_move(c, FORWARD, false));
    TRY(onednn_train_move(c, DATA, false));
done:
    return train_worded(status, &c->shape, err);
}

scry_status scryi_train_conv_unload(scryi_train_conv *c, float *plain, const float *gw,
                                    scry_error *err)
{
    dnnl_status_t status;
    TRY(dnnl_memory_set_data_handle(c->plain, plain));
    TRY(dnnl_memory_set_data_handle(c->blocked[WEIGHTS], (void *)gw));
    TRY(onednn_train_move(c, WEIGHTS, true));
done:
    return train_worded(status, &c->shape, err);
}

/* data: in the order of the direction's arguments. */
static scry_status onednn_train_execute(scryi_train_conv *c, scryi_direction d, void *const *data,
                                        size_t worker, scry_error *err)
{
    dnnl_status_t status;
    dnnl_exec_arg_t args[ARGUMENTS];
    dnnl_memory_t *memory = c->pass[d].memory + worker * ARGUMENTS;
    int n = 0;
    const int before = onednn_train_one_thread();
    for (; n < ARGUMENTS && arguments[d][n].name; n++) {
        TRY(dnnl_memory_set_data_handle(memory[n], data[n]));
        args[n] = (dnnl_exec_arg_t){arguments[d][n].name, memory[n]};
    }
    TRY(dnnl_primitive_execute(c->pass[d].primitive, c->stream, n, args));
    TRY(dnnl_stream_wait(c->stream));
done:
    omp_set_num_threads(before);
    return train_worded(status, &c->shape, err);
}

scry_status scryi_train_conv_forward(scryi_train_conv *c, float *y, const float *x, const float *b,
                                     void *scratch, size_t worker, scry_error *err)
{
    void *const data[] = {y, (void *)x, c->weights[FORWARD], (void *)b, scratch};
    return onednn_train_execute(c, FORWARD, data, worker, err);
}

scry_status scryi_train_conv_data(scryi_train_conv *c, float *gx, const float *g, void *scratch,
                                  size_t worker, scry_error *err)
{
    void *const data[] = {gx, (void *)g, c->weights[DATA], scratch};
    return onednn_train_execute(c, DATA, data, worker, err);
}

scry_status scryi_train_conv_weights(scryi_train_conv *c, float *gw, float *gb, const float *x,
                                     const float *g, void *scratch, size_t worker, scry_error *err)
{
    void *const data[] = {gw, gb, (void *)x, (void *)g, scratch};
    return onednn_train_execute(c, WEIGHTS, data, worker, err);
}

scry_status scryi_matrix_product(float *C, const float *A, bool a_transposed, const float *B,
                                 bool b_transposed, size_t m, size_t n, size_t k, float alpha,
                                 float beta, scry_error *err)
{
    const dnnl_dim_t M = (dnnl_dim_t)m, N = (dnnl_dim_t)n, K = (dnnl_dim_t)k;
    const int before = onednn_train_one_thread();
    const dnnl_status_t status =
        dnnl_sgemm(a_transposed ? 'T' : 'N', b_transposed ? 'T' : 'N', M, N, K, alpha, A,
                   a_transposed ? M : K, B, b_transposed ? K : N, beta, C, N);
    omp_set_num_threads(before);
    if (status == dnnl_success) return SCRY_OK;
    return SCRY_FAIL(err, status == dnnl_out_of_memory ? SCRY_ENOMEM : SCRY_ENUMERIC,
                     "oneDNN refused a product of matrices of %zu x %zu x %zu: status %d", m, k, n,
                     (int)status);
}
