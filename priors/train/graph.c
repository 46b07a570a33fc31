#include "priors/train/graph_impl.h"

#include "lib/cancel.h"
#include "lib/memory.h"

#include <string.h>

/* As priors/network/plan.c: the forward pass is written down operation by operation, and the
 * gradient is the same list read backwards. Here each convolution is answered twice, to its input
 * and to its weights. */

typedef struct scryi_train_builder {
    scryi_graph *g;
    scry_error *err;
    scry_status st;
    size_t op_capacity, tensor_capacity, buffer_capacity;
} scryi_train_builder;

#define NONE 0 /* tensor 0 is nobody's */

static void train_failed(scryi_train_builder *b, scry_status st)
{
    if (b->st == SCRY_OK) b->st = st;
}

/* Room for one more; false, and the builder failed, when memory is refused. */
static bool train_grow(scryi_train_builder *b, void *list, size_t *capacity, size_t count,
                       size_t size)
{
    if (b->st != SCRY_OK) return false;
    if (scryi_memory_grow(list, capacity, count, size)) return true;
    train_failed(b, SCRY_FAIL(b->err, SCRY_ENOMEM, "graph of the training"));
    return false;
}

static scryi_train_tensor *train_tensor(const scryi_train_builder *b, int t)
{
    return &b->g->tensors[t];
}

static int train_vector(scryi_train_builder *b, size_t floats)
{
    scryi_graph *g = b->g;
    if (!train_grow(b, &g->buffers, &b->buffer_capacity, g->buffer_count, sizeof *g->buffers) ||
        !train_grow(b, &g->tensors, &b->tensor_capacity, g->tensor_count, sizeof *g->tensors))
        return NONE;
    g->buffers[g->buffer_count] =
        (scryi_buffer){.floats = scry_align_up(floats * g->batch * sizeof(float)) / sizeof(float),
                       .first = SCRYI_UNTOUCHED};
    g->tensors[g->tensor_count] =
        (scryi_train_tensor){.floats = floats, .buffer = (int)g->buffer_count++};
    return (int)g->tensor_count++;
}

static int train_image(scryi_train_builder *b, size_t channels, size_t height, size_t width)
{
    const int t = train_vector(b, channels * height * width);
    if (b->st != SCRY_OK) return NONE;
    scryi_train_tensor *to = train_tensor(b, t);
    to->channels = channels;
    to->height = height;
    to->width = width;
    return t;
}

static int train_like(scryi_train_builder *b, int other)
{
    if (b->st != SCRY_OK) return NONE;
    const scryi_train_tensor t = *train_tensor(b, other);
    return train_image(b, t.channels, t.height, t.width);
}

static void train_touch(scryi_graph *g, int t)
{
    if (t == NONE) return;
    scryi_buffer *buffer = &g->buffers[g->tensors[t].buffer];
    if (buffer->first == SCRYI_UNTOUCHED) buffer->first = (int)g->op_count;
    buffer->last = (int)g->op_count;
}

static void train_emit(scryi_train_builder *b, scryi_train_op op)
{
    scryi_graph *g = b->g;
    if (!train_grow(b, &g->ops, &b->op_capacity, g->op_count, sizeof *g->ops)) return;
    train_touch(g, op.out);
    train_touch(g, op.in);
    train_touch(g, op.in2);
    train_touch(g, op.in3);
    g->ops[g->op_count++] = op;
}

#define OP(...) ((scryi_train_op){__VA_ARGS__})

/* Room among the gradients of a group. */
static size_t train_slot(scryi_train_builder *b, size_t floats)
{
    const size_t at = b->g->gradient_floats;
    b->g->gradient_floats += scry_align_up(floats * sizeof(float)) / sizeof(float);
    return at;
}

static scry_status layer_create(scryi_train_builder *b, scryi_train_layer *l,
                                const scryi_conv_weights *weights, const scryi_train_tensor *in,
                                size_t stride)
{
    scryi_graph *g = b->g;
    const size_t taps = weights->kernel * weights->kernel;
    l->weights = weights;
    l->in = in->channels;
    l->out = scryi_padded(weights->out);
    const scryi_train_conv_shape shape = {.batch = g->batch,
                                          .in = l->in,
                                          .out = l->out,
                                          .height = in->height,
                                          .width = in->width,
                                          .kernel = weights->kernel,
                                          .stride = stride};
    scry_status st = scry_cancel_check(b->err);
    if (st == SCRY_OK) st = scryi_train_conv_create(&l->conv, &shape, g->workers, b->err);
    if (st != SCRY_OK) return st;
    l->at = train_slot(b, scryi_train_conv_gradient(l->conv));
    l->bias_at = train_slot(b, l->out);
    g->flops += 6. * (double)(weights->out * weights->in * taps) *
                (double)(in->height * in->width) / (double)(stride * stride);
    if (l->in == weights->in && l->out == weights->out) return SCRY_OK;
    l->spread = scry_alloc(l->out * l->in * taps, sizeof *l->spread);
    l->spread_bias = scry_alloc(l->out, sizeof *l->spread_bias);
    if (l->spread && l->spread_bias) return SCRY_OK;
    return SCRY_FAIL(b->err, SCRY_ENOMEM, "graph of the training");
}

static int train_convolve(scryi_train_builder *b, int in, const scryi_conv_weights *weights,
                          size_t stride)
{
    scryi_graph *g = b->g;
    if (b->st != SCRY_OK) return NONE;
    scryi_train_layer *l = &g->layers[g->layer_count++];
    train_failed(b, layer_create(b, l, weights, train_tensor(b, in), stride));
    if (b->st != SCRY_OK) return NONE;
    const scryi_train_tensor t = *train_tensor(b, in);
    const int out = train_image(b, l->out, t.height / stride, t.width / stride);
    train_emit(b, OP(.kind = SCRYI_TRAIN_CONV, .out = out, .in = in, .layer = l));
    return out;
}

static int train_normalise(scryi_train_builder *b, int in, const scryi_norm_weights *weights)
{
    if (b->st != SCRY_OK) return NONE;
    /* scale, shift, mean, rstd of each channel, then sums in double */
    const int statistics = train_vector(b, 8 * weights->channels + 4 * weights->groups);
    const int out = train_like(b, in);
    const size_t at = train_slot(b, weights->channels);
    train_emit(b, OP(.kind = SCRYI_TRAIN_NORM, .out = out, .in = in, .in2 = statistics,
                     .norm = weights, .norm_at = at,
                     .norm_bias_at = train_slot(b, weights->channels), .silu = true));
    return out;
}

static scryi_train_linear train_linear(scryi_train_builder *b, const scryi_conv_weights *weights)
{
    const size_t at = train_slot(b, weights->in * weights->out);
    return (scryi_train_linear){
        .weights = weights, .at = at, .bias_at = train_slot(b, weights->out)};
}

static int train_residual(scryi_train_builder *b, int x, const scryi_resnet *r)
{
    scryi_graph *g = b->g;
    if (b->st != SCRY_OK) return NONE;
    const size_t row_at = g->row_floats;
    g->rows[g->row_count] = train_linear(b, &r->time);
    g->rows[g->row_count++].row_at = row_at;
    g->row_floats += r->conv1.out;
    int h = train_normalise(b, x, &r->norm1);
    h = train_convolve(b, h, &r->conv1, 1);
    train_emit(b, OP(.kind = SCRYI_TRAIN_ROWS, .out = h, .in = g->embedding, .row_at = row_at));
    h = train_normalise(b, h, &r->norm2);
    h = train_convolve(b, h, &r->conv2, 1);
    if (r->shortcut.weight) x = train_convolve(b, x, &r->shortcut, 1);
    const int out = train_like(b, h);
    train_emit(b, OP(.kind = SCRYI_TRAIN_ADD, .out = out, .in = h, .in2 = x));
    return out;
}

static int train_join(scryi_train_builder *b, int x, int skip)
{
    if (b->st != SCRY_OK) return NONE;
    const scryi_train_tensor s = *train_tensor(b, skip);
    const int out = train_image(b, train_tensor(b, x)->channels + s.channels, s.height, s.width);
    train_emit(b, OP(.kind = SCRYI_TRAIN_JOIN, .out = out, .in = x, .in2 = skip));
    return out;
}

static int train_up(scryi_train_builder *b, int x)
{
    if (b->st != SCRY_OK) return NONE;
    const scryi_train_tensor t = *train_tensor(b, x);
    const int out = train_image(b, t.channels, 2 * t.height, 2 * t.width);
    train_emit(b, OP(.kind = SCRYI_TRAIN_UP, .out = out, .in = x));
    return out;
}

static void train_forward(scryi_train_builder *b)
{
    const scry_network *net = b->g->net;
    const size_t levels = net->config.levels;
    int skip[SCRYI_LEVELS * SCRYI_LAYERS + 1];
    size_t s = 0;
    int x = skip[s++] = train_convolve(b, b->g->input, &net->conv_in, 1);
    for (size_t i = 0; i < levels; i++) {
        for (size_t j = 0; j < net->down[i].count; j++)
            x = skip[s++] = train_residual(b, x, &net->down[i].resnet[j]);
        if (net->down[i].resamples) x = skip[s++] = train_convolve(b, x, &net->down[i].sampler, 2);
    }
    for (size_t j = 0; j < net->mid.count; j++)
        x = train_residual(b, x, &net->mid.resnet[j]);
    for (size_t i = 0; i < levels; i++) {
        for (size_t j = 0; j < net->up[i].count; j++)
            x = train_residual(b, train_join(b, x, skip[--s]), &net->up[i].resnet[j]);
        if (net->up[i].resamples) x = train_convolve(b, train_up(b, x), &net->up[i].sampler, 1);
    }
    x = train_normalise(b, x, &net->norm_out);
    b->g->output = train_convolve(b, x, &net->conv_out, 1);
}

/* The tensor of dL/dt, and whether it holds something already. */
static int train_gradient(scryi_train_builder *b, int t, bool *has)
{
    *has = true;
    if (b->st != SCRY_OK) return NONE;
    if (train_tensor(b, t)->grad != NONE) return train_tensor(b, t)->grad;
    *has = false;
    const int g = train_like(b, t);
    if (b->st == SCRY_OK) train_tensor(b, t)->grad = g;
    return g;
}

/* dL/dt gains g itself; where nothing was before, g is taken over without a copy, for the reason
 * given in plan.c. */
static void train_pass_on(scryi_train_builder *b, int t, int g)
{
    if (b->st != SCRY_OK) return;
    const int before = train_tensor(b, t)->grad;
    if (before == NONE)
        train_tensor(b, t)->grad = g;
    else
        train_emit(b, OP(.kind = SCRYI_TRAIN_ADD, .out = before, .in = before, .in2 = g));
}

static void train_answer_convolution(scryi_train_builder *b, const scryi_train_op *op, int g)
{
    bool has;
    train_emit(b, OP(.kind = SCRYI_TRAIN_CONV_WEIGHTS, .in = op->in, .in2 = g, .layer = op->layer));
    if (op->in == b->g->input) return;
    const int to = train_gradient(b, op->in, &has), fresh = has ? train_like(b, to) : to;
    train_emit(b, OP(.kind = SCRYI_TRAIN_CONV_DATA, .out = fresh, .in = g, .layer = op->layer));
    if (has) train_emit(b, OP(.kind = SCRYI_TRAIN_ADD, .out = to, .in = to, .in2 = fresh));
}

static void train_answer_join(scryi_train_builder *b, const scryi_train_op *op, int g)
{
    bool has;
    int to = train_gradient(b, op->in, &has);
    train_emit(b, OP(.kind = SCRYI_TRAIN_SPLIT, .out = to, .in = g, .add = has));
    to = train_gradient(b, op->in2, &has);
    if (b->st != SCRY_OK) return;
    train_emit(b, OP(.kind = SCRYI_TRAIN_SPLIT, .out = to, .in = g, .add = has,
                     .start = train_tensor(b, op->in)->channels));
}

static void train_answer(scryi_train_builder *b, scryi_train_op op)
{
    bool has;
    if (op.kind == SCRYI_TRAIN_EMBED) {
        train_emit(b,
                   OP(.kind = SCRYI_TRAIN_EMBED_BACK, .out = b->g->embedding_grad, .in = op.out));
        return;
    }
    const int g = train_gradient(b, op.out, &has);
    int to;
    switch (op.kind) {
    case SCRYI_TRAIN_CONV:
        train_answer_convolution(b, &op, g);
        break;
    case SCRYI_TRAIN_ROWS:
        train_emit(b, OP(.kind = SCRYI_TRAIN_ROWS_BACK, .out = b->g->embedding_grad, .in = g,
                         .row_at = op.row_at));
        break;
    case SCRYI_TRAIN_NORM:
        to = train_gradient(b, op.in, &has);
        train_emit(b, OP(.kind = SCRYI_TRAIN_NORM_BACK, .out = to, .in = op.in, .in2 = op.in2,
                         .in3 = g, .norm = op.norm, .norm_at = op.norm_at,
                         .norm_bias_at = op.norm_bias_at, .silu = op.silu, .add = has));
        break;
    case SCRYI_TRAIN_ADD:
        train_pass_on(b, op.in, g);
        train_pass_on(b, op.in2, g);
        break;
    case SCRYI_TRAIN_JOIN:
        train_answer_join(b, &op, g);
        break;
    case SCRYI_TRAIN_UP:
        to = train_gradient(b, op.in, &has);
        train_emit(b, OP(.kind = SCRYI_TRAIN_UP_BACK, .out = to, .in = g));
        break;
    default:
        break;
    }
}

static scry_status graph_check(const scry_network *net, size_t height, size_t width,
                               scry_error *err)
{
    const scryi_config *c = &net->config;
    const size_t multiple = (size_t)1 << (c->levels - 1);
    for (size_t i = 0; i < c->levels; i++) {
        if (c->down_attends[i] || c->up_attends[i])
            return SCRY_FAIL(err, SCRY_EUNSUP,
                             "training of a network with attention (level %zu) is not supported",
                             i);
        if (c->width[i] % 16)
            return SCRY_FAIL(err, SCRY_EUNSUP,
                             "training of %zu channels at level %zu, expected a multiple of 16",
                             c->width[i], i);
    }
    for (size_t i = 0; i < c->levels; i++)
        if (c->down_by_resnet[i] || c->up_by_resnet[i])
            return SCRY_FAIL(err, SCRY_EUNSUP,
                             "training of a network whose residual blocks resample (level %zu) is "
                             "not supported",
                             i);
    if (c->scale_shift || c->outputs != c->channels)
        return SCRY_FAIL(err, SCRY_EUNSUP, "training of a network with %s is not supported",
                         c->scale_shift ? "scale_shift" : "a learned variance");
    if (c->has_mid && c->mid_attends)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "training of a network with attention (in the middle) is not supported");
    if (c->downsample_padding != 1 || c->center_input)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "training with downsample_padding %zu and center_input_sample %d, "
                         "expected 1 and 0",
                         c->downsample_padding, (int)c->center_input);
    if (!height || !width || height % multiple || width % multiple)
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "crops of %zu x %zu blocks, expected multiples of %zu blocks", height,
                         width, multiple);
    return SCRY_OK;
}

/* The vectors that exist apart from the list of operations. */
static void train_frame(scryi_train_builder *b)
{
    scryi_graph *g = b->g;
    const size_t width = g->net->config.width[0];
    size_t rows = 0;
    for (size_t i = 0; i < g->net->config.levels; i++) {
        for (size_t j = 0; j < g->net->down[i].count; j++)
            rows += g->net->down[i].resnet[j].conv1.out;
        for (size_t j = 0; j < g->net->up[i].count; j++)
            rows += g->net->up[i].resnet[j].conv1.out;
    }
    for (size_t j = 0; j < g->net->mid.count; j++)
        rows += g->net->mid.resnet[j].conv1.out;
    g->time1 = train_linear(b, &g->net->time1);
    g->time2 = train_linear(b, &g->net->time2);
    if (g->net->config.classes) g->class_at = train_slot(b, g->net->config.classes * 4 * width);
    train_vector(b, 0); /* number 0: NONE */
    /* wave, and hidden layers before and after their activations; then the rows */
    g->embedding = train_vector(b, 17 * width + rows);
    g->embedding_grad = train_vector(b, 17 * width + rows);
    train_emit(b, OP(.kind = SCRYI_TRAIN_EMBED, .out = g->embedding));
    g->input = train_image(b, scryi_padded(g->net->config.channels), g->height, g->width);
    if (b->st == SCRY_OK) train_touch(g, g->input);
    if (b->st == SCRY_OK) g->buffers[g->tensors[g->input].buffer].first = 0;
}

static scry_status train_groups(scryi_train_builder *b)
{
    scryi_graph *g = b->g;
    size_t total = 0;
    for (size_t i = 0; i < g->op_count; i++)
        if (g->ops[i].norm) total += g->ops[i].norm->channels;
    int *to = g->group = scry_alloc(total, sizeof *to);
    if (!to) return SCRY_FAIL(b->err, SCRY_ENOMEM, "graph of the training");
    for (size_t i = 0; i < g->op_count; i++) {
        const scryi_norm_weights *n = g->ops[i].norm;
        if (!n) continue;
        g->ops[i].group = to;
        for (size_t c = 0; c < n->channels; c++)
            *to++ = (int)(c / (n->channels / n->groups));
    }
    return SCRY_OK;
}

static scry_status train_place(scryi_train_builder *b)
{
    scryi_graph *g = b->g;
    size_t scratch = 0;
    for (size_t i = 0; i < g->layer_count; i++) {
        const size_t bytes = scryi_train_conv_scratch(g->layers[i].conv);
        if (scratch < bytes) scratch = bytes;
    }
    g->scratch = train_vector(b, (scratch / sizeof(float) + g->batch) / g->batch);
    if (b->st == SCRY_OK) b->st = train_groups(b);
    if (b->st != SCRY_OK) return b->st;
    scryi_buffer *whole = &g->buffers[g->tensors[g->scratch].buffer];
    whole->first = 0;
    whole->last = (int)g->op_count;
    return scryi_arrange(g->buffers, g->buffer_count, &g->floats, b->err);
}

scry_status scryi_graph_create(scryi_graph **out, scry_network *net,
                               const struct scryi_graph_params *params, scry_error *err)
{
    bool has;
    scryi_train_builder b = {.err = err};
    *out = NULL;
    scry_status st = graph_check(net, params->height, params->width, err);
    if (st != SCRY_OK) return st;
    scryi_graph *g = b.g = scry_alloc(1, sizeof *g);
    if (!g) return SCRY_FAIL(err, SCRY_ENOMEM, "graph of the training");
    g->net = net;
    g->batch = params->batch;
    g->height = params->height;
    g->width = params->width;
    g->workers = params->workers;
    g->layers = scry_alloc(SCRYI_TRAIN_LAYERS, sizeof *g->layers);
    g->rows = scry_alloc(SCRYI_TRAIN_LAYERS, sizeof *g->rows);
    if (!g->layers || !g->rows) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "graph of the training");
        goto done;
    }
    train_frame(&b);
    train_forward(&b);
    g->forward_count = g->op_count;
    g->output_grad = b.st == SCRY_OK ? train_gradient(&b, g->output, &has) : NONE;
    if (b.st == SCRY_OK) train_touch(g, g->output);
    for (size_t i = g->forward_count; i-- > 0 && b.st == SCRY_OK;)
        train_answer(&b, g->ops[i]);
    st = b.st == SCRY_OK ? train_place(&b) : b.st;
    if (st != SCRY_OK) goto done;
    *out = g;
    g = NULL;
done:
    scryi_graph_free(g);
    return st;
}

void scryi_graph_free(scryi_graph *g)
{
    if (!g) return;
    for (size_t i = 0; i < g->layer_count; i++) {
        scryi_train_conv_free(g->layers[i].conv);
        scry_free(g->layers[i].spread);
        scry_free(g->layers[i].spread_bias);
    }
    scry_free(g->layers);
    scry_free(g->rows);
    scry_free(g->group);
    scry_free(g->ops);
    scry_free(g->tensors);
    scry_free(g->buffers);
    scry_free(g);
}

/* Weights between their places without and with padding; back: the other way. */
static void spread_weights(float *padded, float *plain, const scryi_train_layer *l, bool back)
{
    const scryi_conv_weights *w = l->weights;
    const size_t taps = w->kernel * w->kernel, row = w->in * taps;
    for (size_t o = 0; o < w->out; o++) {
        float *a = padded + o * l->in * taps, *b = plain + o * row;
        memcpy(back ? b : a, back ? a : b, row * sizeof(float));
    }
}

scry_status scryi_graph_load(scryi_graph *g, int threads, scry_error *err)
{
    scry_status all = SCRY_OK;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (size_t i = 0; i < g->layer_count; i++) {
        scryi_train_layer *l = &g->layers[i];
        if (l->spread) {
            spread_weights(l->spread, l->weights->weight, l, false);
            memcpy(l->spread_bias, l->weights->bias, l->weights->out * sizeof(float));
        }
        const scry_status st =
            scryi_train_conv_load(l->conv, l->spread ? l->spread : l->weights->weight, NULL);
        if (st != SCRY_OK)
#pragma omp critical
            all = st;
    }
    return all == SCRY_OK ? SCRY_OK : SCRY_FAIL(err, all, "weights of the training's network");
}

static void unload_linear(const scryi_graph *g, float *pool, const float *gradient,
                          const scryi_train_linear *l)
{
    const scryi_conv_weights *w = l->weights;
    memcpy(pool + (w->weight - g->net->pool), gradient + l->at, w->in * w->out * sizeof(float));
    memcpy(pool + (w->bias - g->net->pool), gradient + l->bias_at, w->out * sizeof(float));
}

scry_status scryi_graph_unload(const scryi_graph *g, float *pool, const float *gradient,
                               int threads, scry_error *err)
{
    scry_status all = SCRY_OK;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (size_t i = 0; i < g->layer_count; i++) {
        const scryi_train_layer *l = &g->layers[i];
        float *to = pool + (l->weights->weight - g->net->pool);
        const scry_status st =
            scryi_train_conv_unload(l->conv, l->spread ? l->spread : to, gradient + l->at, NULL);
        if (st != SCRY_OK)
#pragma omp critical
            all = st;
        if (l->spread) spread_weights(l->spread, to, l, true);
        memcpy(pool + (l->weights->bias - g->net->pool), gradient + l->bias_at,
               l->weights->out * sizeof(float));
    }
    for (size_t i = 0; i < g->forward_count; i++) {
        const scryi_train_op *op = &g->ops[i];
        if (op->kind != SCRYI_TRAIN_NORM) continue;
        const size_t n = op->norm->channels;
        memcpy(pool + (op->norm->weight - g->net->pool), gradient + op->norm_at, n * sizeof(float));
        memcpy(pool + (op->norm->bias - g->net->pool), gradient + op->norm_bias_at,
               n * sizeof(float));
    }
    if (g->net->class_embedding)
        memcpy(pool + (g->net->class_embedding - g->net->pool), gradient + g->class_at,
               g->net->config.classes * g->net->time2.out * sizeof(float));
    unload_linear(g, pool, gradient, &g->time1);
    unload_linear(g, pool, gradient, &g->time2);
    for (size_t i = 0; i < g->row_count; i++)
        unload_linear(g, pool, gradient, &g->rows[i]);
    return all == SCRY_OK ? SCRY_OK : SCRY_FAIL(err, all, "gradients of the training's network");
}
