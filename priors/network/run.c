#include "priors/network/model_impl.h"

#include "lib/cancel.h"
#include "lib/memory.h"
#include "priors/network/attention_impl.h"
#include "priors/network/loops_impl.h"

#include <math.h>
#include <string.h>

/* Walks a plan. Every tensor is a place in the work of its image. */

#define LOOPS SCRYI_BEST(scryi_loops)

typedef struct scryi_run {
    const scryi_model *m;
    const scryi_plan *plan;
    scryi_image *image;
} scryi_run;

static float *run_at(const scryi_run *r, int t)
{
    if (t == SCRYI_NONE) return NULL;
    const scryi_tensor *tensor = &r->plan->tensors[t];
    return r->image->work + r->plan->buffers[tensor->buffer].offset + tensor->at;
}

/* The rows of a residual block from the embedding e. */
static void run_time_row(const scryi_run *r, float *row, const scryi_resnet *resnet, const float *e,
                         size_t wide)
{
    const size_t out = resnet->conv1.out, padded = scryi_padded(out);
    const scryi_conv_weights *w = &resnet->time;
    for (size_t start = 0; start < w->out; start += out, row += padded) {
        memset(row + out, 0, (padded - out) * sizeof *row);
        LOOPS->linear(row, w->weight + start * wide, w->bias + start, e, wide, out);
        for (size_t o = 0; o < out && !r->m->net->config.scale_shift; o++)
            row[o] += resnet->conv1.bias[o];
    }
}

/* Ho et al. 2020 take the embedding of Vaswani et al. 2017, sec. 3.5: sines and cosines of t at
 * geometrically spaced frequencies, the slowest of which diffusers moves by freq_shift. */
static void run_embed(const scryi_run *r, float *rows)
{
    const scry_network *net = r->m->net;
    const scryi_config *c = &net->config;
    const size_t width = c->width[0], half = width / 2, wide = 4 * width;
    float *wave = rows + r->m->time_floats, *hidden = wave + width, *e = hidden + wide;
    wave[width - 1] = 0; /* an odd width ends in a zero */
    for (size_t i = 0; i < half; i++) {
        const double f = exp(-log(10000.) * (double)i / ((double)half - c->freq_shift));
        wave[c->flip_sin_to_cos ? half + i : i] = (float)sin(r->image->time * f);
        wave[c->flip_sin_to_cos ? i : half + i] = (float)cos(r->image->time * f);
    }
    LOOPS->linear(hidden, net->time1.weight, net->time1.bias, wave, width, wide);
    LOOPS->silu(hidden, wide);
    LOOPS->linear(e, net->time2.weight, net->time2.bias, hidden, wide, wide);
    for (size_t i = 0; r->image->label >= 0 && i < wide; i++)
        e[i] += net->class_embedding[(size_t)r->image->label * wide + i];
    LOOPS->silu(e, wide);
    for (size_t i = 0; i < r->m->time_count; i++)
        run_time_row(r, rows + r->m->times[i].at, r->m->times[i].resnet, e, wide);
}

/* Planes with a border of one zero, so that the first convolution needs no special cases. */
static void run_border(const scryi_run *r, float *to, const float *from, double scale, double shift)
{
    const size_t h = r->m->height, w = r->m->width, planes = r->m->net->config.channels;
    const size_t block = r->m->net->config.unshuffle;
    const float a = (float)scale, b = (float)shift;
    memset(to, 0, planes * (h + 2) * (w + 2) * sizeof *to);
    for (size_t row = 0; row < planes * h; row++) {
        float *inner = to + (row / h * (h + 2) + row % h + 1) * (w + 2) + 1;
        const float *values = from + scryi_unshuffled_row(r->m, row);
        for (size_t i = 0; i < w; i++)
            inner[i] = a * values[i * block] + b;
    }
}

static scryi_norm run_statistics(const scryi_op *op, float *vector)
{
    scryi_norm n = op->norm->norm;
    n.scale = vector;
    n.shift = n.scale + n.channels;
    n.mean = n.shift + n.channels;
    n.rstd = n.mean + n.channels;
    float *end = n.rstd + n.channels;
    if (op->scaled) {
        n.weight = end;
        n.bias = end + n.channels;
        end += 2 * n.channels;
    }
    n.sums = (double *)(void *)end;
    return n;
}

/* norm(x) (1 + scale) + shift is a normalisation with weights of its own. */
static void run_scale(const scryi_run *r, const scryi_op *op, float *vector)
{
    const scryi_norm *n = &op->norm->norm;
    const float *scale = run_at(r, op->in2) + op->bias_at, *shift = scale + n->channels;
    float *weight = vector + 4 * n->channels, *bias = weight + n->channels;
    for (size_t c = 0; c < n->channels; c++) {
        weight[c] = n->weight[c] * (1 + scale[c]);
        bias[c] = n->bias[c] * (1 + scale[c]) + shift[c];
    }
}

static void run_edge(const scryi_run *r, const scryi_op *op)
{
    const scryi_model *m = r->m;
    const scryi_config *c = &m->net->config;
    const size_t wide = scryi_padded(c->width[0]);
    if (op->kind == SCRYI_OP_FIRST)
        LOOPS->first_conv(run_at(r, op->out), run_at(r, op->in),
                          op->adjoint ? m->last_back : m->first, op->adjoint ? NULL : m->first_bias,
                          c->channels, wide, m->height, m->width, m->threads);
    else
        LOOPS->last_conv(run_at(r, op->out), run_at(r, op->in),
                         op->adjoint ? m->first_back : m->last,
                         op->adjoint ? NULL : m->net->conv_out.bias, c->channels, wide, m->height,
                         m->width, m->threads);
}

static void run_attention(const scryi_run *r, const scryi_op *op)
{
    const bool back = op->kind == SCRYI_OP_ATTEND_BACK;
    const scryi_tensor *t = &r->plan->tensors[back ? op->in2 : op->out];
    const scryi_attend a = {.channels = t->channels,
                            .heads = op->heads,
                            .pixels = t->height * t->width,
                            .threads = r->m->threads};
    const struct scryi_attention_loops *loops = SCRYI_BEST(scryi_attention_loops);
    if (back)
        loops->backward(&a, run_at(r, op->out), run_at(r, op->in), run_at(r, op->in2),
                        run_at(r, op->scratch));
    else
        loops->forward(&a, run_at(r, op->out), run_at(r, op->in), run_at(r, op->scratch));
}

/* Up and back, and the means and back, which are those the other way round times 1/4. */
static void run_resample(const scryi_run *r, const scryi_op *op)
{
    const bool pool = op->kind == SCRYI_OP_POOL || op->kind == SCRYI_OP_POOL_BACK;
    const bool smaller = op->kind == SCRYI_OP_UP_BACK || op->kind == SCRYI_OP_POOL;
    const scryi_tensor *small = &r->plan->tensors[smaller ? op->out : op->in];
    const size_t channels = scryi_channels(small->lead, small->channels);
    float *out = run_at(r, op->out);
    (smaller ? LOOPS->upsample_back : LOOPS->upsample)(out, run_at(r, op->in), channels,
                                                       small->height, small->width, r->m->threads);
    for (size_t i = 0; pool && i < r->plan->tensors[op->out].floats; i++)
        out[i] *= .25f;
}

static void run_normalise(const scryi_run *r, const scryi_op *op)
{
    const int threads = r->m->threads;
    float *vector = run_at(r, op->kind == SCRYI_OP_STATISTICS ? op->out : op->in2);
    const scryi_norm n = run_statistics(op, vector);
    if (op->kind == SCRYI_OP_STATISTICS && op->scaled) run_scale(r, op, vector);
    if (op->kind == SCRYI_OP_STATISTICS)
        LOOPS->norm_statistics(&n, run_at(r, op->in), threads);
    else if (op->kind == SCRYI_OP_NORM)
        LOOPS->norm_apply(&n, run_at(r, op->out), run_at(r, op->in), op->silu, threads);
    else
        LOOPS->norm_backward(&n, run_at(r, op->out), run_at(r, op->in3), run_at(r, op->in),
                             op->silu, op->add, threads);
}

static scry_status run_convolve(const scryi_run *r, const scryi_op *op)
{
    const float *bias = op->in2 == SCRYI_NONE ? op->layer->bias : run_at(r, op->in2) + op->bias_at;
    const bool back = op->kind == SCRYI_OP_CONV_BACK;
    return scryi_conv_run(back ? op->layer->adjoint : op->layer->conv, run_at(r, op->out),
                          run_at(r, op->in), bias, run_at(r, op->scratch), r->image->err);
}

static scry_status run_execute(const scryi_run *r, const scryi_op *op)
{
    const size_t floats = r->plan->tensors[op->out].floats;
    const scryi_image *image = r->image;
    switch (op->kind) {
    case SCRYI_OP_EMBED:
        run_embed(r, run_at(r, op->out));
        break;
    case SCRYI_OP_IMAGE:
        if (op->of_v)
            run_border(r, run_at(r, op->out), image->v, 1, 0);
        else
            run_border(r, run_at(r, op->out), image->x, image->scale, image->shift);
        break;
    case SCRYI_OP_FIRST:
    case SCRYI_OP_LAST:
        run_edge(r, op);
        break;
    case SCRYI_OP_CONV:
    case SCRYI_OP_CONV_BACK:
        return run_convolve(r, op);
    case SCRYI_OP_STATISTICS:
    case SCRYI_OP_NORM:
    case SCRYI_OP_NORM_BACK:
        run_normalise(r, op);
        break;
    case SCRYI_OP_ADD:
        LOOPS->add(run_at(r, op->out), run_at(r, op->in), run_at(r, op->in2), floats,
                   r->m->threads);
        break;
    case SCRYI_OP_COPY:
        memcpy(run_at(r, op->out), run_at(r, op->in), floats * sizeof(float));
        break;
    case SCRYI_OP_UP:
    case SCRYI_OP_UP_BACK:
    case SCRYI_OP_POOL:
    case SCRYI_OP_POOL_BACK:
        run_resample(r, op);
        break;
    case SCRYI_OP_ATTEND:
    case SCRYI_OP_ATTEND_BACK:
        run_attention(r, op);
        break;
    }
    return SCRY_OK;
}

/* A convolution whose weights outweigh its input and output: they are the memory traffic. */
static bool is_heavy(const scryi_op *op)
{
    const scryi_layer *l = op->layer;
    if (!l) return false;
    const size_t in = l->in_padded * l->height * l->width;
    const size_t out = l->out_padded * l->out_height * l->out_width;
    return scryi_conv_weight_bytes(op->kind == SCRYI_OP_CONV ? l->conv : l->adjoint) >=
           (in + out) * sizeof(float);
}

/* The images of a batch go through a heavy convolution one after the other, so that its weights
 * come from cache for all but the first. Between those, each image goes its way alone, so that the
 * data that it carries is still in cache. One convolution of the library for all would be faster
 * still at some sizes, but there it takes another algorithm for it: other bytes. */
void scryi_plan_run(const scryi_model *m, const scryi_plan *plan, void *const *images, size_t count)
{
    for (size_t k = 0; k < count; k++)
        ((scryi_image *)images[k])->status = SCRY_OK;
    for (size_t first = 0, end; first < plan->op_count; first = end) {
        end = first + 1;
        if (!is_heavy(&plan->ops[first]))
            while (end < plan->op_count && !is_heavy(&plan->ops[end]))
                end++;
        for (size_t k = 0; k < count; k++) {
            const scryi_run r = {m, plan, images[k]};
            for (size_t i = first; i < end && r.image->status == SCRY_OK; i++) {
                r.image->status = scry_cancel_check(r.image->err);
                if (r.image->status == SCRY_OK) r.image->status = run_execute(&r, &plan->ops[i]);
            }
        }
    }
    for (size_t k = 0; k < count; k++) {
        const scryi_run r = {m, plan, images[k]};
        r.image->F = run_at(&r, plan->output);
        r.image->g = run_at(&r, plan->gradient);
    }
}
