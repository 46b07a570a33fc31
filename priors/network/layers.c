#include "priors/network/model_impl.h"

#include "lib/cancel.h"
#include "lib/memory.h"

#include <string.h>

/* Weights of PyTorch's order (out, in, row, column), spread to where blocked tensors have their
 * channels. Padding stays zero from layer to layer.
 *
 * The adjoint of a stride-1 convolution that keeps the size is again such a convolution, with the
 * kernel turned by 180 degrees and the channels exchanged; so it can be Winograd's too, which the
 * library's own backward primitive is not. */

static scry_status no_memory(const char *what, scry_error *err)
{
    return SCRY_FAIL(err, SCRY_ENOMEM, "%s of the network", what);
}

static float *layers_spread(const scryi_layer *l, bool turned)
{
    const size_t taps = l->parts[0]->kernel * l->parts[0]->kernel;
    float *w = scry_alloc(l->out_padded * l->in_padded * taps, sizeof *w);
    if (!w) return NULL;
    for (size_t p = 0, start = 0; p < l->part_count; start += scryi_padded(l->parts[p++]->out))
        for (size_t o = 0; o < l->parts[p]->out; o++)
            for (size_t i = 0; i < l->parts[p]->in; i++) {
                const float *from = l->parts[p]->weight + (o * l->parts[p]->in + i) * taps;
                const size_t po = start + o, pi = scryi_place(l->lead, i);
                float *to = w + (turned ? pi * l->out_padded + po : po * l->in_padded + pi) * taps;
                for (size_t k = 0; k < taps; k++)
                    to[k] = from[turned ? taps - 1 - k : k];
            }
    return w;
}

static scryi_conv_shape layers_shape_of(const scryi_model *m, const scryi_layer *l)
{
    return (scryi_conv_shape){.in = l->in_padded,
                              .out = l->out_padded,
                              .height = l->height,
                              .width = l->width,
                              .out_height = l->out_height,
                              .out_width = l->out_width,
                              .kernel = l->parts[0]->kernel,
                              .stride = l->stride,
                              .pad = l->pad,
                              .bias = true,
                              .winograd =
                                  m->winograd && l->stride == 1 && l->parts[0]->kernel == 3};
}

static scry_status layers_create(scryi_model *m, scryi_layer *l, scry_error *err)
{
    float *w = layers_spread(l, false);
    if (!w) return no_memory("weights", err);
    const scryi_conv_shape shape = layers_shape_of(m, l);
    const scry_status st = scryi_conv_create(&l->conv, &shape, w, err);
    scry_free(w);
    if (st != SCRY_OK) return st;
    if (!(l->bias = scry_alloc(l->out_padded, sizeof *l->bias))) return no_memory("biases", err);
    for (size_t p = 0, start = 0; p < l->part_count; start += scryi_padded(l->parts[p++]->out))
        memcpy(l->bias + start, l->parts[p]->bias, l->parts[p]->out * sizeof(float));
    return SCRY_OK;
}

scry_status scryi_layer_get(scryi_model *m, scryi_layer **out,
                            const scryi_conv_weights *const *parts, size_t part_count,
                            const scryi_tensor *in, size_t stride, scry_error *err)
{
    for (scryi_layer *l = m->layers; l; l = l->next)
        if (l->parts[0] == parts[0]) {
            *out = l;
            return SCRY_OK;
        }
    const scry_status cancelled =
        scry_cancel_check(err); /* making one takes as long as running it */
    if (cancelled != SCRY_OK) return cancelled;
    scryi_layer *l = scry_alloc(1, sizeof *l);
    if (!l) return no_memory("layer", err);
    l->next = m->layers;
    m->layers = l;
    l->part_count = part_count;
    l->lead = in->lead;
    l->height = in->height;
    l->width = in->width;
    l->out_height = in->height / stride;
    l->out_width = in->width / stride;
    l->stride = stride;
    l->pad = parts[0]->kernel == 1 ? 0 : stride == 1 ? 1 : m->net->config.downsample_padding;
    l->in_padded = scryi_channels(in->lead, in->channels);
    for (size_t p = 0; p < part_count; p++) {
        l->parts[p] = parts[p];
        l->out_padded += scryi_padded(parts[p]->out);
        l->flops += 2. * (double)(parts[p]->out * parts[p]->in) *
                    (double)(parts[p]->kernel * parts[p]->kernel) *
                    (double)(l->out_height * l->out_width);
    }
    *out = l;
    return layers_create(m, l, err);
}

scry_status scryi_layer_need_adjoint(scryi_model *m, scryi_layer *l, scry_error *err)
{
    if (l->adjoint) return SCRY_OK;
    const bool turned = l->stride == 1;
    float *w = layers_spread(l, turned);
    if (!w) return no_memory("weights", err);
    scryi_conv_shape shape = layers_shape_of(m, l);
    shape.bias = false;
    shape.transposed = !turned;
    if (turned) {
        shape.in = l->out_padded;
        shape.out = l->in_padded;
    }
    const scry_status st = scryi_conv_create(&l->adjoint, &shape, w, err);
    scry_free(w);
    return st;
}

scry_status scryi_norm_get(scryi_model *m, const scryi_norm_layer **out,
                           const scryi_norm_weights *weights, const scryi_tensor *in,
                           scry_error *err)
{
    for (const scryi_norm_layer *n = m->norms; n; n = n->next)
        if (n->key == weights) {
            *out = n;
            return SCRY_OK;
        }
    const size_t padded = scryi_channels(in->lead, in->channels);
    scryi_norm_layer *n = scry_alloc(1, sizeof *n);
    if (!n) return no_memory("layer", err);
    n->next = m->norms;
    m->norms = n;
    n->key = weights;
    n->group = scry_alloc(padded, sizeof *n->group);
    n->weight = scry_alloc(padded, sizeof *n->weight);
    n->bias = scry_alloc(padded, sizeof *n->bias);
    if (!n->group || !n->weight || !n->bias) return no_memory("normalisation", err);
    for (size_t c = 0; c < padded; c++)
        n->group[c] = -1;
    for (size_t c = 0; c < weights->channels; c++) {
        const size_t at = scryi_place(in->lead, c);
        n->group[at] = (int)(c / (weights->channels / weights->groups));
        n->weight[at] = weights->weight[c];
        n->bias[at] = weights->bias[c];
    }
    n->norm = (scryi_norm){.channels = padded,
                           .pixels = in->height * in->width,
                           .groups = weights->groups,
                           .eps = weights->eps,
                           .group = n->group,
                           .weight = n->weight,
                           .bias = n->bias};
    *out = n;
    return SCRY_OK;
}

/* 3x3 weights between `few` planes and blocked channels, as first_conv (by_block) or
 * last_conv takes them. few_is_out: the planes are the output of these weights. */
static float *layers_pack(const scryi_conv_weights *c, bool by_block, bool few_is_out)
{
    const size_t few = few_is_out ? c->out : c->in, many = few_is_out ? c->in : c->out;
    const size_t lanes = scryi_lanes(), blocks = scryi_padded(many) / lanes;
    const bool turned = by_block == few_is_out; /* not the direction they were trained for */
    float *w = scry_alloc(few * blocks * 9 * lanes, sizeof *w);
    if (!w) return NULL;
    for (size_t f = 0; f < few; f++)
        for (size_t c2 = 0; c2 < many; c2++) {
            const float *from = c->weight + (few_is_out ? f * many + c2 : c2 * few + f) * 9;
            const size_t b = c2 / lanes;
            float *to = w + (by_block ? b * few + f : f * blocks + b) * 9 * lanes;
            for (size_t k = 0; k < 9; k++)
                to[k * lanes + c2 % lanes] = from[turned ? 8 - k : k];
        }
    return w;
}

scry_status scryi_edges_create(scryi_model *m, scry_error *err)
{
    const scry_network *net = m->net;
    m->first = layers_pack(&net->conv_in, true, false);
    m->first_back = layers_pack(&net->conv_in, false, false);
    m->last = layers_pack(&net->conv_out, false, true);
    m->last_back = layers_pack(&net->conv_out, true, true);
    m->first_bias = scry_alloc(scryi_padded(net->conv_in.out), sizeof *m->first_bias);
    if (!m->first || !m->first_back || !m->last || !m->last_back || !m->first_bias)
        return no_memory("first and last layer", err);
    memcpy(m->first_bias, net->conv_in.bias, net->conv_in.out * sizeof(float));
    return SCRY_OK;
}

void scryi_layers_free(scryi_model *m)
{
    for (scryi_layer *l = m->layers, *next; l; l = next) {
        next = l->next;
        scryi_conv_free(l->conv);
        scryi_conv_free(l->adjoint);
        scry_free(l->bias);
        scry_free(l);
    }
    for (scryi_norm_layer *n = m->norms, *next; n; n = next) {
        next = n->next;
        scry_free(n->group);
        scry_free(n->weight);
        scry_free(n->bias);
        scry_free(n);
    }
    scry_free(m->first);
    scry_free(m->first_back);
    scry_free(m->last);
    scry_free(m->last_back);
    scry_free(m->first_bias);
}

size_t scryi_layers_bytes(const scryi_model *m)
{
    size_t bytes = 0;
    for (const scryi_layer *l = m->layers; l; l = l->next) {
        bytes += scryi_conv_weight_bytes(l->conv);
        if (l->adjoint) bytes += scryi_conv_weight_bytes(l->adjoint);
    }
    return bytes;
}
