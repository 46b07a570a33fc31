#include "priors/train/graph_impl.h"
#include "priors/train/train_loops_impl.h"

#include "lib/cancel.h"

#include <math.h>
#include <string.h>

/* Walks a graph for one group of images. */

#define LOOPS SCRYI_BEST(scryi_loops)
#define TRAIN SCRYI_BEST(scryi_train_loops)

typedef struct scryi_group_run {
    const scryi_graph *g;
    float *arena, *gradient;
    const double *times;
    const int *labels;
    size_t worker;
    scry_error *err;
} scryi_group_run;

static float *train_run_at(const scryi_group_run *r, int t)
{
    return scryi_train_at(r->g, r->arena, t);
}

/* The parts of an embedding of one image: the wave, two hidden layers before and after their
 * activation, the rows of the residual blocks. */
typedef struct scryi_embedding {
    float *wave, *h1, *a1, *h2, *a2, *rows;
    size_t step, width, wide;
} scryi_embedding;

static scryi_embedding embedding_at(const scryi_group_run *r, int t)
{
    scryi_embedding e = {.wave = train_run_at(r, t), .width = r->g->net->config.width[0]};
    e.wide = 4 * e.width;
    e.h1 = e.wave + e.width;
    e.a1 = e.h1 + e.wide;
    e.h2 = e.a1 + e.wide;
    e.a2 = e.h2 + e.wide;
    e.rows = e.a2 + e.wide;
    e.step = r->g->tensors[t].floats;
    return e;
}

static void train_embed(const scryi_group_run *r, const scryi_train_op *op)
{
    const scry_network *net = r->g->net;
    const scryi_config *c = &net->config;
    const scryi_embedding e = embedding_at(r, op->out);
    const size_t half = e.width / 2, batch = r->g->batch;
    for (size_t b = 0; b < batch; b++)
        for (size_t i = 0; i < half; i++) {
            const double f = exp(-log(10000.) * (double)i / ((double)half - c->freq_shift));
            float *wave = e.wave + b * e.step;
            wave[c->flip_sin_to_cos ? half + i : i] = (float)sin(r->times[b] * f);
            wave[c->flip_sin_to_cos ? i : half + i] = (float)cos(r->times[b] * f);
        }
    TRAIN->linear(e.h1, e.step, net->time1.weight, net->time1.bias, e.wave, e.step, batch, e.width,
                  e.wide);
    for (size_t b = 0; b < batch; b++)
        TRAIN->silu(e.a1 + b * e.step, e.h1 + b * e.step, e.wide);
    TRAIN->linear(e.h2, e.step, net->time2.weight, net->time2.bias, e.a1, e.step, batch, e.wide,
                  e.wide);
    for (size_t b = 0; b < batch; b++) {
        if (r->labels && r->labels[b] >= 0)
            TRAIN->accumulate(e.h2 + b * e.step,
                              net->class_embedding + (size_t)r->labels[b] * e.wide, e.wide);
        TRAIN->silu(e.a2 + b * e.step, e.h2 + b * e.step, e.wide);
    }
    for (size_t i = 0; i < r->g->row_count; i++) {
        const scryi_train_linear *l = &r->g->rows[i];
        TRAIN->linear(e.rows + l->row_at, e.step, l->weights->weight, l->weights->bias, e.a2,
                      e.step, batch, e.wide, l->weights->out);
    }
}

static void train_embed_back(const scryi_group_run *r, const scryi_train_op *op)
{
    const scryi_graph *g = r->g;
    const scryi_embedding e = embedding_at(r, op->in), d = embedding_at(r, op->out);
    for (size_t b = 0; b < g->batch; b++) {
        memset(d.a1 + b * d.step, 0, e.wide * sizeof(float));
        memset(d.a2 + b * d.step, 0, e.wide * sizeof(float));
    }
    for (size_t i = 0; i < g->row_count; i++) {
        const scryi_train_linear *l = &g->rows[i];
        TRAIN->linear_back(d.a2, d.step, r->gradient + l->at, r->gradient + l->bias_at,
                           l->weights->weight, e.a2, e.step, d.rows + l->row_at, d.step, g->batch,
                           e.wide, l->weights->out);
    }
    for (size_t b = 0; b < g->batch; b++) {
        TRAIN->silu_back(d.a2 + b * d.step, e.h2 + b * e.step, e.wide);
        if (r->labels && r->labels[b] >= 0)
            TRAIN->accumulate(r->gradient + g->class_at + (size_t)r->labels[b] * e.wide,
                              d.a2 + b * d.step, e.wide);
    }
    TRAIN->linear_back(d.a1, d.step, r->gradient + g->time2.at, r->gradient + g->time2.bias_at,
                       g->net->time2.weight, e.a1, e.step, d.a2, d.step, g->batch, e.wide, e.wide);
    for (size_t b = 0; b < g->batch; b++)
        TRAIN->silu_back(d.a1 + b * d.step, e.h1 + b * e.step, e.wide);
    TRAIN->linear_back(NULL, 0, r->gradient + g->time1.at, r->gradient + g->time1.bias_at, NULL,
                       e.wave, e.step, d.a1, d.step, g->batch, e.width, e.wide);
}

static void train_normalise_run(const scryi_group_run *r, const scryi_train_op *op)
{
    const scryi_graph *g = r->g;
    const scryi_train_tensor *t = &g->tensors[op->in];
    const size_t step = g->tensors[op->in2].floats;
    for (size_t b = 0; b < g->batch; b++) {
        float *vector = train_run_at(r, op->in2) + b * step;
        float *x = train_run_at(r, op->in) + b * t->floats,
              *y = train_run_at(r, op->out) + b * t->floats;
        scryi_norm n = {.channels = t->channels,
                        .pixels = t->height * t->width,
                        .groups = op->norm->groups,
                        .eps = op->norm->eps,
                        .group = op->group,
                        .weight = op->norm->weight,
                        .bias = op->norm->bias};
        n.scale = vector;
        n.shift = n.scale + n.channels;
        n.mean = n.shift + n.channels;
        n.rstd = n.mean + n.channels;
        n.sums = (double *)(void *)(n.rstd + n.channels);
        if (op->kind == SCRYI_TRAIN_NORM) {
            LOOPS->norm_statistics(&n, x, 1);
            LOOPS->norm_apply(&n, y, x, op->silu, 1);
            continue;
        }
        n.weight_grad = r->gradient + op->norm_at;
        n.bias_grad = r->gradient + op->norm_bias_at;
        LOOPS->norm_backward(&n, y, train_run_at(r, op->in3) + b * t->floats, x, op->silu, op->add,
                             1);
    }
}

static void train_rows(const scryi_group_run *r, const scryi_train_op *op)
{
    const bool back = op->kind == SCRYI_TRAIN_ROWS_BACK;
    const scryi_train_tensor *t = &r->g->tensors[back ? op->in : op->out];
    const scryi_embedding e = embedding_at(r, back ? op->out : op->in);
    for (size_t b = 0; b < r->g->batch; b++) {
        float *row = e.rows + b * e.step + op->row_at;
        float *image = train_run_at(r, back ? op->in : op->out) + b * t->floats;
        if (back)
            TRAIN->sum_row(row, image, t->channels, t->height * t->width);
        else
            TRAIN->add_row(image, row, t->channels, t->height * t->width);
    }
}

static void train_channels(const scryi_group_run *r, const scryi_train_op *op)
{
    const scryi_graph *g = r->g;
    const size_t out = g->tensors[op->out].floats, in = g->tensors[op->in].floats;
    const size_t pixels = g->tensors[op->in].height * g->tensors[op->in].width;
    for (size_t b = 0; b < g->batch; b++) {
        float *to = train_run_at(r, op->out) + b * out, *from = train_run_at(r, op->in) + b * in;
        if (op->kind == SCRYI_TRAIN_JOIN) {
            const size_t rest = out - in;
            memcpy(to, from, in * sizeof *to);
            memcpy(to + in, train_run_at(r, op->in2) + b * rest, rest * sizeof *to);
        } else if (op->add) {
            TRAIN->accumulate(to, from + op->start * pixels, out);
        } else {
            memcpy(to, from + op->start * pixels, out * sizeof *to);
        }
    }
}

static void train_resample(const scryi_group_run *r, const scryi_train_op *op)
{
    const bool back = op->kind == SCRYI_TRAIN_UP_BACK;
    const scryi_train_tensor *small = &r->g->tensors[back ? op->out : op->in];
    const size_t out = r->g->tensors[op->out].floats, in = r->g->tensors[op->in].floats;
    for (size_t b = 0; b < r->g->batch; b++)
        (back ? LOOPS->upsample_back : LOOPS->upsample)(
            train_run_at(r, op->out) + b * out, train_run_at(r, op->in) + b * in, small->channels,
            small->height, small->width, 1);
}

static scry_status train_layer(const scryi_group_run *r, const scryi_train_op *op)
{
    scryi_train_layer *l = op->layer;
    float *scratch = train_run_at(r, r->g->scratch), *in = train_run_at(r, op->in);
    if (op->kind == SCRYI_TRAIN_CONV)
        return scryi_train_conv_forward(l->conv, train_run_at(r, op->out), in,
                                        l->spread ? l->spread_bias : l->weights->bias, scratch,
                                        r->worker, r->err);
    if (op->kind == SCRYI_TRAIN_CONV_DATA)
        return scryi_train_conv_data(l->conv, train_run_at(r, op->out), in, scratch, r->worker,
                                     r->err);
    return scryi_train_conv_weights(l->conv, r->gradient + l->at, r->gradient + l->bias_at, in,
                                    train_run_at(r, op->in2), scratch, r->worker, r->err);
}

static scry_status train_execute(const scryi_group_run *r, const scryi_train_op *op)
{
    switch (op->kind) {
    case SCRYI_TRAIN_EMBED:
        train_embed(r, op);
        break;
    case SCRYI_TRAIN_EMBED_BACK:
        train_embed_back(r, op);
        break;
    case SCRYI_TRAIN_CONV:
    case SCRYI_TRAIN_CONV_DATA:
    case SCRYI_TRAIN_CONV_WEIGHTS:
        return train_layer(r, op);
    case SCRYI_TRAIN_ROWS:
    case SCRYI_TRAIN_ROWS_BACK:
        train_rows(r, op);
        break;
    case SCRYI_TRAIN_NORM:
    case SCRYI_TRAIN_NORM_BACK:
        train_normalise_run(r, op);
        break;
    case SCRYI_TRAIN_ADD:
        LOOPS->add(train_run_at(r, op->out), train_run_at(r, op->in), train_run_at(r, op->in2),
                   r->g->batch * r->g->tensors[op->out].floats, 1);
        break;
    case SCRYI_TRAIN_JOIN:
    case SCRYI_TRAIN_SPLIT:
        train_channels(r, op);
        break;
    case SCRYI_TRAIN_UP:
    case SCRYI_TRAIN_UP_BACK:
        train_resample(r, op);
        break;
    }
    return SCRY_OK;
}

scry_status scryi_graph_forward(const scryi_graph *g, float *arena, const double *times,
                                const int *labels, size_t worker, scry_error *err)
{
    scry_status st = SCRY_OK;
    const scryi_group_run r = {
        .g = g, .arena = arena, .times = times, .labels = labels, .worker = worker, .err = err};
    for (size_t i = 0; i < g->forward_count && st == SCRY_OK; i++)
        if ((st = scry_cancel_check(err)) == SCRY_OK) st = train_execute(&r, &g->ops[i]);
    return st;
}

scry_status scryi_graph_backward(const scryi_graph *g, float *arena, float *gradient,
                                 const int *labels, size_t worker, scry_error *err)
{
    scry_status st = SCRY_OK;
    const scryi_group_run r = {.g = g,
                               .arena = arena,
                               .gradient = gradient,
                               .labels = labels,
                               .worker = worker,
                               .err = err};
    memset(gradient, 0, g->gradient_floats * sizeof *gradient);
    for (size_t i = g->forward_count; i < g->op_count && st == SCRY_OK; i++)
        if ((st = scry_cancel_check(err)) == SCRY_OK) st = train_execute(&r, &g->ops[i]);
    return st;
}
