#include "priors/network/model_impl.h"

#include "lib/memory.h"
#include "priors/network/attention_impl.h"

#include <string.h>

/* The forward pass is written down operation by operation; the gradient is the same list read
 * backwards, each operation answered by its transpose. Values that the gradient needs (the inputs
 * of normalisations, queries, keys and values) live until then because an operation there names
 * them: the arena is laid out from nothing but first and last mention.
 *
 * A concatenation is no copy. Its tensor is made before its parts, and the operation that produces
 * a part writes straight into its place; the gradient is split the same way. */

typedef struct scryi_builder {
    scryi_model *m;
    scryi_plan *plan;
    scry_error *err;
    scry_status st;
    size_t op_capacity, tensor_capacity, buffer_capacity;
    int embedding;
    size_t time_at; /* rows of the embedding given out so far */
} scryi_builder;

static void plan_failed(scryi_builder *b, scry_status st)
{
    if (b->st == SCRY_OK) b->st = st;
}

/* Room for one more; false, and the builder failed, when memory is refused. */
static bool plan_grow(scryi_builder *b, void *list, size_t *capacity, size_t count, size_t size)
{
    if (b->st != SCRY_OK) return false;
    if (scryi_memory_grow(list, capacity, count, size)) return true;
    plan_failed(b, SCRY_FAIL(b->err, SCRY_ENOMEM, "plan of the network"));
    return false;
}

static scryi_tensor *plan_tensor(const scryi_builder *b, int t)
{
    return &b->plan->tensors[t];
}

static int add_tensor(scryi_builder *b, scryi_tensor t)
{
    scryi_plan *p = b->plan;
    if (!plan_grow(b, &p->tensors, &b->tensor_capacity, p->tensor_count, sizeof *p->tensors))
        return 0;
    t.grad = SCRYI_NONE;
    p->tensors[p->tensor_count] = t;
    return (int)p->tensor_count++;
}

/* A buffer of its own; shape may be left zero for vectors and scratch. */
static int plan_allocate(scryi_builder *b, size_t floats, scryi_tensor t)
{
    scryi_plan *p = b->plan;
    if (!plan_grow(b, &p->buffers, &b->buffer_capacity, p->buffer_count, sizeof *p->buffers))
        return 0;
    p->buffers[p->buffer_count] = (scryi_buffer){
        .floats = scry_align_up(floats * sizeof(float)) / sizeof(float), .first = SCRYI_UNTOUCHED};
    t.buffer = (int)p->buffer_count++;
    t.parent = SCRYI_NONE;
    t.floats = floats;
    return add_tensor(b, t);
}

static int plan_vector(scryi_builder *b, size_t floats)
{
    return floats ? plan_allocate(b, floats, (scryi_tensor){0}) : SCRYI_NONE;
}

static int plan_image(scryi_builder *b, size_t lead, size_t channels, size_t height, size_t width)
{
    const scryi_tensor t = {.lead = lead, .channels = channels, .height = height, .width = width};
    return plan_allocate(b, scryi_channels(lead, channels) * height * width, t);
}

static int image_like(scryi_builder *b, int other)
{
    if (b->st != SCRY_OK) return 0;
    const scryi_tensor t = *plan_tensor(b, other);
    return plan_image(b, t.lead, t.channels, t.height, t.width);
}

/* The first (second = false) or second part of a concatenation. */
static int plan_part(scryi_builder *b, int whole, bool second)
{
    if (b->st != SCRY_OK) return 0;
    scryi_tensor t = *plan_tensor(b, whole);
    const size_t skipped = second ? scryi_padded(t.lead) * t.height * t.width : 0;
    const size_t channels = second ? t.channels - t.lead : t.lead;
    t.parent = whole;
    t.at += skipped;
    t.lead = t.channels = channels;
    t.floats = scryi_padded(channels) * t.height * t.width;
    return add_tensor(b, t);
}

static void plan_touch(scryi_plan *p, int t)
{
    if (t == SCRYI_NONE) return;
    scryi_buffer *buffer = &p->buffers[p->tensors[t].buffer];
    if (buffer->first == SCRYI_UNTOUCHED) buffer->first = (int)p->op_count;
    buffer->last = (int)p->op_count;
}

static void plan_emit(scryi_builder *b, scryi_op op)
{
    scryi_plan *p = b->plan;
    if (!plan_grow(b, &p->ops, &b->op_capacity, p->op_count, sizeof *p->ops)) return;
    plan_touch(p, op.out);
    plan_touch(p, op.in);
    plan_touch(p, op.in2);
    plan_touch(p, op.in3);
    plan_touch(p, op.scratch);
    p->ops[p->op_count++] = op;
}

#define OP(...) ((scryi_op){__VA_ARGS__})

static int scratch_of(scryi_builder *b, const scryi_conv *conv)
{
    return plan_vector(b, (scryi_conv_scratch(conv) + sizeof(float) - 1) / sizeof(float));
}

/* out = conv(in); out NONE: a new tensor. bias_at: in the embedding, when `timed`. */
static int plan_convolve(scryi_builder *b, int in, int out, const scryi_conv_weights *const *parts,
                         size_t count, size_t stride, bool timed, size_t bias_at)
{
    scryi_layer *layer;
    if (b->st != SCRY_OK) return 0;
    plan_failed(b, scryi_layer_get(b->m, &layer, parts, count, plan_tensor(b, in), stride, b->err));
    if (b->st != SCRY_OK) return 0;
    if (out == SCRYI_NONE)
        out = plan_image(b, count > 1 ? 0 : parts[0]->out,
                         count > 1 ? layer->out_padded : parts[0]->out, layer->out_height,
                         layer->out_width);
    plan_emit(b, OP(.kind = SCRYI_OP_CONV, .out = out, .in = in,
                    .in2 = timed ? b->embedding : SCRYI_NONE, .scratch = scratch_of(b, layer->conv),
                    .layer = layer, .bias_at = bias_at));
    b->plan->flops += layer->flops;
    return out;
}

/* scale_at: of the rows in the embedding that scale and shift the result, when `scaled`. */
static int plan_normalise(scryi_builder *b, int in, const scryi_norm_weights *weights, bool silu,
                          bool scaled, size_t scale_at)
{
    const scryi_norm_layer *norm;
    if (b->st != SCRY_OK) return 0;
    plan_failed(b, scryi_norm_get(b->m, &norm, weights, plan_tensor(b, in), b->err));
    if (b->st != SCRY_OK) return 0;
    /* scale, shift, mean, rstd and, scaled, weight and bias of each channel; then sums in double */
    const int statistics =
        plan_vector(b, (scaled ? 10 : 8) * norm->norm.channels + 4 * norm->norm.groups);
    const int out = image_like(b, in);
    plan_emit(b, OP(.kind = SCRYI_OP_STATISTICS, .out = statistics, .in = in,
                    .in2 = scaled ? b->embedding : SCRYI_NONE, .bias_at = scale_at, .norm = norm,
                    .scaled = scaled));
    plan_emit(b, OP(.kind = SCRYI_OP_NORM, .out = out, .in = in, .in2 = statistics, .norm = norm,
                    .silu = silu, .scaled = scaled));
    return out;
}

/* Twice as large, by copies, or half as large, by means. */
typedef enum scryi_resample { KEEP, HALVE, DOUBLE } scryi_resample;

static int plan_resample(scryi_builder *b, int x, scryi_resample how)
{
    if (b->st != SCRY_OK || how == KEEP) return x;
    const scryi_tensor t = *plan_tensor(b, x);
    const int out = how == DOUBLE ? plan_image(b, t.lead, t.channels, 2 * t.height, 2 * t.width)
                                  : plan_image(b, t.lead, t.channels, t.height / 2, t.width / 2);
    plan_emit(b, OP(.kind = how == DOUBLE ? SCRYI_OP_UP : SCRYI_OP_POOL, .out = out, .in = x));
    return out;
}

static int plan_residual(scryi_builder *b, int x, int out, const scryi_resnet *r,
                         scryi_resample how)
{
    const scryi_conv_weights *conv1 = &r->conv1, *conv2 = &r->conv2, *shortcut = &r->shortcut;
    const bool scaled = b->m->net->config.scale_shift;
    const size_t row = b->time_at;
    b->time_at += scryi_time_floats(b->m->net, r);
    int h = plan_normalise(b, x, &r->norm1, true, false, 0);
    h = plan_resample(b, h, how);
    x = plan_resample(b, x, how);
    h = plan_convolve(b, h, SCRYI_NONE, &conv1, 1, 1, !scaled, row);
    h = plan_normalise(b, h, &r->norm2, true, scaled, row);
    h = plan_convolve(b, h, SCRYI_NONE, &conv2, 1, 1, false, 0);
    if (shortcut->weight) x = plan_convolve(b, x, SCRYI_NONE, &shortcut, 1, 1, false, 0);
    if (out == SCRYI_NONE) out = image_like(b, h);
    plan_emit(b, OP(.kind = SCRYI_OP_ADD, .out = out, .in = h, .in2 = x));
    return out;
}

static scryi_attend attend_shape(const scryi_model *m, const scryi_tensor *t, size_t heads)
{
    return (scryi_attend){.channels = t->channels,
                          .heads = heads,
                          .pixels = t->height * t->width,
                          .threads = m->threads};
}

static int plan_attend(scryi_builder *b, int x, int out, const scryi_attention *a)
{
    const scryi_conv_weights *const qkv[] = {&a->qkv[0], &a->qkv[1], &a->qkv[2]};
    const scryi_conv_weights *last = &a->out;
    int h = a->norm.channels ? plan_normalise(b, x, &a->norm, false, false, 0) : x;
    const int all = plan_convolve(b, h, SCRYI_NONE, qkv, 3, 1, false, 0);
    h = image_like(b, x);
    if (b->st != SCRY_OK) return 0;
    const scryi_attend shape = attend_shape(b->m, plan_tensor(b, x), a->heads);
    const double pixels = (double)shape.pixels;
    plan_emit(b, OP(.kind = SCRYI_OP_ATTEND, .out = h, .in = all, .heads = a->heads,
                    .scratch =
                        plan_vector(b, SCRYI_BEST(scryi_attention_loops)->scratch(&shape, false))));
    b->plan->flops += 4 * pixels * pixels * (double)shape.channels;
    h = plan_convolve(b, h, SCRYI_NONE, &last, 1, 1, false, 0);
    if (out == SCRYI_NONE) out = image_like(b, h);
    plan_emit(b, OP(.kind = SCRYI_OP_ADD, .out = out, .in = h, .in2 = x));
    return out;
}

/* Skip connection s is made at step s of the way down and used by residual block s from the end on
 * the way up. */
#define SKIPS (SCRYI_LEVELS * SCRYI_LAYERS + 1)

static size_t make_concatenations(scryi_builder *b, int *whole)
{
    const scry_network *net = b->m->net;
    const scryi_config *c = &net->config;
    const size_t skips = c->levels * (c->layers + 1);
    size_t s = skips;
    for (size_t i = 0; i < c->levels; i++) {
        const size_t level = c->levels - 1 - i, width = c->width[level];
        const size_t before = i ? c->width[level + 1] : width;
        for (size_t j = 0; j < net->up[i].count; j++)
            whole[--s] = plan_image(b, j ? width : before, net->up[i].resnet[j].conv1.in,
                                    b->m->height >> level, b->m->width >> level);
    }
    return skips;
}

static int way_down(scryi_builder *b, const int *whole, int x)
{
    const scry_network *net = b->m->net;
    size_t s = 1;
    for (size_t i = 0; i < net->config.levels; i++) {
        const scryi_block *block = &net->down[i];
        const scryi_conv_weights *sampler = &block->sampler;
        for (size_t j = 0; j < block->count; j++, s++) {
            const int to = plan_part(b, whole[s], true);
            x = plan_residual(b, x, block->attends ? SCRYI_NONE : to, &block->resnet[j], KEEP);
            if (block->attends) x = plan_attend(b, x, to, &block->attention[j]);
        }
        if (!block->resamples) continue;
        const int to = plan_part(b, whole[s++], true);
        x = block->by_resnet ? plan_residual(b, x, to, &block->resampler, HALVE)
                             : plan_convolve(b, x, to, &sampler, 1, 2, false, 0);
    }
    return x;
}

static void plan_middle(scryi_builder *b, int x, int to)
{
    const scryi_block *mid = &b->m->net->mid;
    if (!mid->count) {
        plan_emit(b, OP(.kind = SCRYI_OP_COPY, .out = to, .in = x));
        return;
    }
    x = plan_residual(b, x, SCRYI_NONE, &mid->resnet[0], KEEP);
    if (mid->attends) x = plan_attend(b, x, SCRYI_NONE, &mid->attention[0]);
    plan_residual(b, x, to, &mid->resnet[1], KEEP);
}

static int way_up(scryi_builder *b, const int *whole, size_t s)
{
    const scry_network *net = b->m->net;
    int x = SCRYI_NONE;
    for (size_t i = 0; i < net->config.levels; i++) {
        const scryi_block *block = &net->up[i];
        const scryi_conv_weights *sampler = &block->sampler;
        for (size_t j = 0; j < block->count; j++) {
            const bool resamples = block->resamples && j + 1 == block->count;
            const int here = whole[--s], next = s ? plan_part(b, whole[s - 1], false) : SCRYI_NONE;
            const int to = resamples ? SCRYI_NONE : next;
            x = plan_residual(b, here, block->attends ? SCRYI_NONE : to, &block->resnet[j], KEEP);
            if (block->attends) x = plan_attend(b, x, to, &block->attention[j]);
            if (!resamples || b->st != SCRY_OK) continue;
            if (block->by_resnet)
                plan_residual(b, x, next, &block->resampler, DOUBLE);
            else
                plan_convolve(b, plan_resample(b, x, DOUBLE), next, &sampler, 1, 1, false, 0);
        }
    }
    return x;
}

static double edge_flops(const scryi_model *m)
{
    return 2. * 9 * (double)(m->net->config.channels * m->net->config.width[0]) *
           (double)(m->height * m->width);
}

/* The caller's image (or the vector of the product) with its border, into blocked channels. */
static void enter_image(scryi_builder *b, int out, bool of_v)
{
    const scryi_model *m = b->m;
    const size_t planes = m->net->config.channels;
    const int bordered = plan_vector(b, planes * (m->height + 2) * (m->width + 2));
    plan_emit(b, OP(.kind = SCRYI_OP_IMAGE, .out = bordered, .of_v = of_v));
    plan_emit(b, OP(.kind = SCRYI_OP_FIRST, .out = out, .in = bordered, .adjoint = of_v));
    b->plan->flops += edge_flops(m);
}

static int leave_image(scryi_builder *b, int in, bool adjoint)
{
    const scryi_model *m = b->m;
    const int planes = plan_vector(b, m->net->config.channels * m->height * m->width);
    plan_emit(b, OP(.kind = SCRYI_OP_LAST, .out = planes, .in = in, .adjoint = adjoint));
    b->plan->flops += edge_flops(m);
    return planes;
}

static void plan_forward(scryi_builder *b)
{
    int whole[SKIPS];
    /* rows, and the vectors they are made from */
    b->embedding = plan_vector(b, b->m->time_floats + 9 * b->m->net->config.width[0]);
    plan_emit(b, OP(.kind = SCRYI_OP_EMBED, .out = b->embedding));
    const size_t skips = make_concatenations(b, whole);
    int x = plan_part(b, whole[0], true);
    enter_image(b, x, false);
    x = way_down(b, whole, x);
    plan_middle(b, x, plan_part(b, whole[skips - 1], false));
    x = way_up(b, whole, skips);
    x = plan_normalise(b, x, &b->m->net->norm_out, true, false, 0);
    b->plan->output = leave_image(b, x, false);
}

/* The tensor of dL/dt, and whether it holds something already. A part of a concatenation finds its
 * place in the gradient of the whole, which is always complete by then: operations that read the
 * whole come later in the forward pass than those that make the parts. */
static int plan_gradient(scryi_builder *b, int t, bool *has)
{
    *has = true;
    if (b->st != SCRY_OK) return 0;
    if (plan_tensor(b, t)->grad != SCRYI_NONE) return plan_tensor(b, t)->grad;
    const scryi_tensor here = *plan_tensor(b, t);
    int g;
    if (here.parent != SCRYI_NONE && plan_tensor(b, here.parent)->grad != SCRYI_NONE) {
        const scryi_tensor whole = *plan_tensor(b, here.parent);
        scryi_tensor view = here;
        view.parent = whole.grad;
        view.buffer = plan_tensor(b, whole.grad)->buffer;
        view.at = plan_tensor(b, whole.grad)->at + here.at - whole.at;
        g = add_tensor(b, view);
    } else {
        g = image_like(b, t);
        *has = false;
    }
    if (b->st == SCRY_OK) plan_tensor(b, t)->grad = g;
    return g;
}

static void add_to(scryi_builder *b, int out, int in)
{
    plan_emit(b, OP(.kind = SCRYI_OP_ADD, .out = out, .in = out, .in2 = in));
}

/* dL/dt gains g itself. Where nothing was before, g is taken over without a copy: its other readers
 * come earlier in the list than whatever is later added to it in place, since in a residual block
 * the branch is answered before the normalisation that opens it. */
static void pass_on(scryi_builder *b, int t, int g)
{
    bool has;
    if (b->st != SCRY_OK) return;
    const scryi_tensor here = *plan_tensor(b, t);
    const bool fresh = here.grad == SCRYI_NONE && (here.parent == SCRYI_NONE ||
                                                   plan_tensor(b, here.parent)->grad == SCRYI_NONE);
    if (fresh)
        plan_tensor(b, t)->grad = g;
    else
        add_to(b, plan_gradient(b, t, &has), g);
}

static void answer_convolution(scryi_builder *b, const scryi_op *op, int g)
{
    bool has;
    plan_failed(b, scryi_layer_need_adjoint(b->m, op->layer, b->err));
    if (b->st != SCRY_OK) return;
    const int to = plan_gradient(b, op->in, &has), out = has ? image_like(b, to) : to;
    plan_emit(b, OP(.kind = SCRYI_OP_CONV_BACK, .out = out, .in = g, .layer = op->layer,
                    .scratch = scratch_of(b, op->layer->adjoint)));
    if (has) add_to(b, to, out);
    b->plan->flops += op->layer->flops;
}

static void answer_resample(scryi_builder *b, const scryi_op *op, int g)
{
    bool has;
    const int to = plan_gradient(b, op->in, &has), out = has ? image_like(b, to) : to;
    plan_emit(b, OP(.kind = op->kind == SCRYI_OP_UP ? SCRYI_OP_UP_BACK : SCRYI_OP_POOL_BACK,
                    .out = out, .in = g));
    if (has) add_to(b, to, out);
}

static void answer_attention(scryi_builder *b, const scryi_op *op, int g)
{
    bool has;
    const int out = plan_gradient(b, op->in, &has); /* queries and keys have no other reader */
    if (b->st != SCRY_OK) return;
    const scryi_attend shape = attend_shape(b->m, plan_tensor(b, op->out), op->heads);
    const double pixels = (double)shape.pixels;
    plan_emit(
        b, OP(.kind = SCRYI_OP_ATTEND_BACK, .out = out, .in = op->in, .in2 = g, .heads = op->heads,
              .scratch = plan_vector(b, SCRYI_BEST(scryi_attention_loops)->scratch(&shape, true))));
    b->plan->flops += 10 * pixels * pixels * (double)shape.channels;
}

static void plan_answer(scryi_builder *b, scryi_op op)
{
    bool has;
    if (op.kind == SCRYI_OP_EMBED || op.kind == SCRYI_OP_IMAGE || op.kind == SCRYI_OP_STATISTICS)
        return; /* not functions of x, or part of NORM */
    const int g = op.kind == SCRYI_OP_LAST ? SCRYI_NONE : plan_gradient(b, op.out, &has);
    switch (op.kind) {
    case SCRYI_OP_LAST:
        enter_image(b, plan_gradient(b, op.in, &has), true);
        break;
    case SCRYI_OP_CONV:
        answer_convolution(b, &op, g);
        break;
    case SCRYI_OP_ATTEND:
        answer_attention(b, &op, g);
        break;
    case SCRYI_OP_FIRST:
        b->plan->gradient = leave_image(b, g, true);
        break;
    case SCRYI_OP_COPY:
        pass_on(b, op.in, g);
        break;
    case SCRYI_OP_ADD:
        pass_on(b, op.in, g);
        pass_on(b, op.in2, g);
        break;
    case SCRYI_OP_UP:
    case SCRYI_OP_POOL:
        answer_resample(b, &op, g);
        break;
    case SCRYI_OP_NORM: {
        const int to = plan_gradient(b, op.in, &has);
        plan_emit(b, OP(.kind = SCRYI_OP_NORM_BACK, .out = to, .in = op.in, .in2 = op.in2, .in3 = g,
                        .norm = op.norm, .silu = op.silu, .add = has, .scaled = op.scaled));
        break;
    }
    default:
        break;
    }
}

static void keep_to_the_end(scryi_plan *p, int t)
{
    if (t != SCRYI_NONE) p->buffers[p->tensors[t].buffer].last = (int)p->op_count;
}

scry_status scryi_plan_create(scryi_model *m, scryi_plan *plan, bool vjp, scry_error *err)
{
    scryi_builder b = {.m = m, .plan = plan, .err = err};
    plan_allocate(&b, 0, (scryi_tensor){0}); /* number 0: SCRYI_NONE */
    plan_forward(&b);
    const size_t forward_ops = plan->op_count;
    for (size_t i = forward_ops; vjp && i-- > 0 && b.st == SCRY_OK;)
        plan_answer(&b, plan->ops[i]);
    if (b.st != SCRY_OK) return b.st;
    keep_to_the_end(plan, plan->output);
    keep_to_the_end(plan, plan->gradient);
    return scryi_arrange(plan->buffers, plan->buffer_count, &plan->floats, err);
}

void scryi_plan_free(scryi_plan *plan)
{
    scry_free(plan->ops);
    scry_free(plan->tensors);
    scry_free(plan->buffers);
}
