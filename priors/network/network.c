#include "priors/network/network_impl.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "lib/io/safetensors.h"
#include "lib/sha256.h"
#include "lib/space.h"
#include "priors/network/network.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Loading walks the architecture once and writes down every tensor it needs (its name, its shape,
 * and where the pointer to its values goes); the list is then held against the file. So a missing,
 * an extra and a misshapen tensor are all found by name before any weight is read. */

#define NAME_SIZE 120

typedef struct scryi_claim {
    char name[NAME_SIZE], old_name[NAME_SIZE]; /* old_name: as before diffusers 0.13, or empty */
    int rank;
    size_t dims[4], count;
    float **where;
} scryi_claim;

typedef struct scryi_walk {
    scryi_claim *claims; /* NULL while counting */
    size_t count;
    char prefix[64];
} scryi_walk;

static void network_claim(scryi_walk *w, float **where, const char *name, const char *old_name,
                          const char *part, int rank, const size_t *dims)
{
    if (w->claims) {
        scryi_claim *c = &w->claims[w->count];
        snprintf(c->name, sizeof c->name, "%s%s.%s", w->prefix, name, part);
        if (old_name)
            snprintf(c->old_name, sizeof c->old_name, "%s%s.%s", w->prefix, old_name, part);
        c->rank = rank;
        c->count = 1;
        for (int i = 0; i < rank; i++)
            c->count *= c->dims[i] = dims[i];
        c->where = where;
    }
    w->count++;
}

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
network_enter(scryi_walk *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(w->prefix, sizeof w->prefix, fmt, args);
    va_end(args);
}

static void add_conv(scryi_walk *w, scryi_conv_weights *c, const char *name, size_t in, size_t out,
                     size_t kernel)
{
    *c = (scryi_conv_weights){.in = in, .out = out, .kernel = kernel};
    network_claim(w, &c->weight, name, NULL, "weight", 4, (size_t[]){out, in, kernel, kernel});
    network_claim(w, &c->bias, name, NULL, "bias", 1, &out);
}

static void add_linear(scryi_walk *w, scryi_conv_weights *c, const char *name, const char *old_name,
                       size_t in, size_t out)
{
    *c = (scryi_conv_weights){.in = in, .out = out, .kernel = 1};
    network_claim(w, &c->weight, name, old_name, "weight", 2, (size_t[]){out, in});
    network_claim(w, &c->bias, name, old_name, "bias", 1, &out);
}

static void add_norm(scryi_walk *w, scryi_norm_weights *n, const char *name, size_t channels,
                     size_t groups, double eps)
{
    *n = (scryi_norm_weights){.channels = channels, .groups = groups, .eps = eps};
    network_claim(w, &n->weight, name, NULL, "weight", 1, &channels);
    network_claim(w, &n->bias, name, NULL, "bias", 1, &channels);
}

static void add_resnet(scryi_walk *w, scryi_resnet *r, const scryi_config *c, size_t in, size_t out)
{
    add_norm(w, &r->norm1, "norm1", in, c->groups, c->eps);
    add_conv(w, &r->conv1, "conv1", in, out, 3);
    add_linear(w, &r->time, "time_emb_proj", NULL, 4 * c->width[0], c->scale_shift ? 2 * out : out);
    add_norm(w, &r->norm2, "norm2", out, c->groups, c->eps);
    add_conv(w, &r->conv2, "conv2", out, out, 3);
    if (in != out) add_conv(w, &r->shortcut, "conv_shortcut", in, out, 1);
}

static void add_attention(scryi_walk *w, scryi_attention *a, const scryi_config *c, size_t width,
                          size_t groups)
{
    a->heads = c->head_dim ? width / c->head_dim : 1;
    if (groups) add_norm(w, &a->norm, "group_norm", width, groups, c->eps);
    add_linear(w, &a->qkv[0], "to_q", "query", width, width);
    add_linear(w, &a->qkv[1], "to_k", "key", width, width);
    add_linear(w, &a->qkv[2], "to_v", "value", width, width);
    add_linear(w, &a->out, "to_out.0", "proj_attn", width, width);
}

static void add_sampler(scryi_walk *w, scryi_block *b, const scryi_config *c, size_t width)
{
    if (b->resamples && b->by_resnet)
        add_resnet(w, &b->resampler, c, width, width);
    else if (b->resamples)
        add_conv(w, &b->sampler, "conv", width, width, 3);
}

static void walk_down(scryi_walk *w, scry_network *net)
{
    const scryi_config *c = &net->config;
    for (size_t i = 0; i < c->levels; i++) {
        scryi_block *b = &net->down[i];
        b->count = c->layers;
        b->attends = c->down_attends[i];
        b->resamples = i + 1 < c->levels;
        for (size_t j = 0; j < b->count; j++) {
            network_enter(w, "down_blocks.%zu.resnets.%zu.", i, j);
            add_resnet(w, &b->resnet[j], c, j || !i ? c->width[i] : c->width[i - 1], c->width[i]);
            network_enter(w, "down_blocks.%zu.attentions.%zu.", i, j);
            if (b->attends) add_attention(w, &b->attention[j], c, c->width[i], c->groups);
        }
        b->by_resnet = c->down_by_resnet[i];
        network_enter(w, "down_blocks.%zu.downsamplers.0.", i);
        add_sampler(w, b, c, c->width[i]);
    }
}

static void walk_mid(scryi_walk *w, scry_network *net)
{
    const scryi_config *c = &net->config;
    const size_t width = c->width[c->levels - 1];
    if (!c->has_mid) return;
    net->mid.count = 2;
    net->mid.attends = c->mid_attends;
    for (size_t j = 0; j < 2; j++) {
        network_enter(w, "mid_block.resnets.%zu.", j);
        add_resnet(w, &net->mid.resnet[j], c, width, width);
    }
    network_enter(w, "mid_block.attentions.0.");
    if (c->mid_attends)
        add_attention(w, &net->mid.attention[0], c, width,
                      c->mid_attention_norm ? c->attention_groups : 0);
}

/* The residual block j of level i on the way up sees [the block before, a skip connection]; the
 * last one of a level takes its skip from the level above. */
static void walk_up(scryi_walk *w, scry_network *net)
{
    const scryi_config *c = &net->config;
    for (size_t i = 0; i < c->levels; i++) {
        scryi_block *b = &net->up[i];
        const size_t level = c->levels - 1 - i, width = c->width[level];
        const size_t above = c->width[level ? level - 1 : 0];
        const size_t before = i ? c->width[level + 1] : width;
        b->count = c->layers + 1;
        b->attends = c->up_attends[i];
        b->resamples = i + 1 < c->levels;
        for (size_t j = 0; j < b->count; j++) {
            const size_t skip = j == c->layers ? above : width;
            network_enter(w, "up_blocks.%zu.resnets.%zu.", i, j);
            add_resnet(w, &b->resnet[j], c, (j ? width : before) + skip, width);
            network_enter(w, "up_blocks.%zu.attentions.%zu.", i, j);
            if (b->attends) add_attention(w, &b->attention[j], c, width, c->groups);
        }
        b->by_resnet = c->up_by_resnet[i];
        network_enter(w, "up_blocks.%zu.upsamplers.0.", i);
        add_sampler(w, b, c, width);
    }
}

static void network_walk(scryi_walk *w, scry_network *net)
{
    const scryi_config *c = &net->config;
    const size_t width = c->width[0];
    network_enter(w, "%s", "");
    add_conv(w, &net->conv_in, "conv_in", c->channels, width, 3);
    add_linear(w, &net->time1, "time_embedding.linear_1", NULL, width, 4 * width);
    add_linear(w, &net->time2, "time_embedding.linear_2", NULL, 4 * width, 4 * width);
    if (c->classes)
        network_claim(w, &net->class_embedding, "class_embedding", NULL, "weight", 2,
                      (size_t[]){c->classes, 4 * width});
    walk_down(w, net);
    walk_mid(w, net);
    walk_up(w, net);
    network_enter(w, "%s", "");
    add_norm(w, &net->norm_out, "conv_norm_out", width, c->groups, c->eps);
    add_conv(w, &net->conv_out, "conv_out", width, c->outputs, 3);
    net->conv_out.out = c->channels; /* the first of them */
}

/* A file of weights and how it names them. */
typedef struct scryi_source {
    const scry_safetensors *file;
    const scryi_config *config;
    scryi_names names;
} scryi_source;

static const char *shape_text(char *text, size_t size, int rank, const size_t *dims)
{
    size_t at = 0;
    snprintf(text, size, "scalar");
    for (int i = 0; i < rank && at < size; i++) {
        const int n = snprintf(text + at, size - at, i ? " x %zu" : "%zu", dims[i]);
        at += n > 0 ? (size_t)n : 0;
    }
    return text;
}

/* Trailing axes of length 1 do not count: attention was once stored as 1x1 convolutions. */
static bool network_same_shape(const scryi_claim *c, scryi_part part, const scry_tensor_info *t)
{
    const bool one_of_three = part >= SCRYI_QUERY && part <= SCRYI_VALUE;
    for (int i = 0; i < c->rank || i < t->rank; i++) {
        const int axis = part == SCRYI_TURNED && i < 2 ? 1 - i : i;
        const size_t wanted = axis < c->rank ? c->dims[axis] : 1;
        if ((one_of_three && !i ? 3 * wanted : wanted) != (i < t->rank ? t->dims[i] : 1))
            return false;
    }
    return true;
}

static const scry_tensor_info *network_find(const scryi_source *s, const scryi_claim *c,
                                            scryi_part *part)
{
    char name[NAME_SIZE];
    *part = SCRYI_WHOLE;
    if (s->names.dialect != SCRYI_DIFFUSERS)
        return scryi_names_translate(name, sizeof name, part, &s->names, s->config, c->name)
                   ? scry_safetensors_find(s->file, name)
                   : NULL;
    const scry_tensor_info *t = scry_safetensors_find(s->file, c->name);
    return t || !c->old_name[0] ? t : scry_safetensors_find(s->file, c->old_name);
}

static bool is_claimed(const scryi_walk *w, const scryi_source *s, const scry_tensor_info *info)
{
    scryi_part part;
    if (scryi_names_ignore(&s->names, info->name)) return true;
    for (size_t i = 0; i < w->count; i++)
        if (network_find(s, &w->claims[i], &part) == info) return true;
    return false;
}

static scry_status check_tensors(const scryi_walk *w, const scryi_source *s, const char *path,
                                 scry_error *err)
{
    char expected[96], found[96];
    scryi_part part;
    for (size_t i = 0; i < w->count; i++) {
        const scryi_claim *c = &w->claims[i];
        const scry_tensor_info *t = network_find(s, c, &part);
        if (!t) return SCRY_FAIL(err, SCRY_EFORMAT, "%s: tensor %s is missing", path, c->name);
        if (!network_same_shape(c, part, t))
            return SCRY_FAIL(err, SCRY_EFORMAT, "%s: tensor %s is %s, config.json asks for %s",
                             path, t->name, shape_text(found, sizeof found, t->rank, t->dims),
                             shape_text(expected, sizeof expected, c->rank, c->dims));
    }
    for (size_t i = 0; i < scry_safetensors_count(s->file); i++) {
        const scry_tensor_info *t = scry_safetensors_info(s->file, i);
        if (!is_claimed(w, s, t))
            return SCRY_FAIL(err, SCRY_EFORMAT,
                             "%s: tensor %.100s has no place in the network of config.json", path,
                             t->name);
    }
    return SCRY_OK;
}

/* The claims of a network; release w->claims. */
static scry_status list_claims(scryi_walk *w, scry_network *net, scry_error *err)
{
    *w = (scryi_walk){.claims = NULL};
    network_walk(w, net);
    if (!(w->claims = scry_alloc(w->count, sizeof *w->claims)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "table of %zu tensors", w->count);
    w->count = 0;
    network_walk(w, net);
    return SCRY_OK;
}

/* Places in the pool, which is made where there is none. */
static scry_status place_tensors(scry_network *net, const scryi_walk *w, scry_error *err)
{
    net->parameters = 0;
    for (size_t i = 0; i < w->count; i++)
        net->parameters += w->claims[i].count;
    if (!net->pool && !(net->pool = scry_alloc(net->parameters, sizeof *net->pool)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu weights", net->parameters);
    float *at = net->pool;
    for (size_t i = 0; i < w->count; at += w->claims[i++].count)
        *w->claims[i].where = at;
    return SCRY_OK;
}

/* A tensor that is stored in another order, or among others. */
static scry_status load_part(const scryi_source *s, const scryi_claim *c, const scry_tensor_info *t,
                             scryi_part part, scry_error *err)
{
    const size_t heads = s->config->head_dim ? c->dims[0] / s->config->head_dim : 1;
    const size_t rows = c->dims[0], row = c->count / rows;
    float *all = scry_alloc(t->count, sizeof *all), *to = *c->where;
    if (!all) return SCRY_FAIL(err, SCRY_ENOMEM, "tensor %s", t->name);
    const scry_status st = scry_safetensors_float(s->file, t, all, err);
    if (st == SCRY_OK && part == SCRYI_TURNED)
        for (size_t i = 0; i < c->count; i++)
            to[i] = all[i % row * rows + i / row];
    else if (st == SCRY_OK)
        scryi_names_split(to, all, &s->names, part, rows, row, heads);
    scry_free(all);
    return st;
}

static scry_status load_weights(scry_network *net, const char *path, scry_error *err)
{
    scryi_walk w;
    scry_safetensors *file = NULL;
    scry_status st = scry_safetensors_open(&file, path, err);
    if (st != SCRY_OK) return st;
    const scryi_source s = {file, &net->config, scryi_names_of(file)};
    if ((st = list_claims(&w, net, err)) != SCRY_OK) goto done;
    if ((st = check_tensors(&w, &s, path, err)) != SCRY_OK) goto done;
    if ((st = place_tensors(net, &w, err)) != SCRY_OK) goto done;
    for (size_t i = 0; i < w.count && st == SCRY_OK; i++) {
        scryi_part part;
        const scryi_claim *c = &w.claims[i];
        const scry_tensor_info *t = network_find(&s, c, &part);
        st = part == SCRYI_WHOLE ? scry_safetensors_float(file, t, *c->where, err)
                                 : load_part(&s, c, t, part, err);
    }
    if (st == SCRY_OK) st = scry_sha256_file(path, net->sha256, err);
done:
    scry_free(w.claims);
    scry_safetensors_free(file);
    return st;
}

scry_status scry_network_load(scry_network **out, const char *folder, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, folder)) return SCRY_EINVAL;
    char path[4096];
    scry_status st = SCRY_OK;
    scry_network *net = scry_alloc(1, sizeof *net);
    if (!net) return SCRY_FAIL(err, SCRY_ENOMEM, "network");
    if ((st = scryi_config_read(&net->config, &net->schedule, folder, err)) != SCRY_OK) goto done;
    snprintf(path, sizeof path, "%s/diffusion_pytorch_model.safetensors", folder);
    if ((st = load_weights(net, path, err)) != SCRY_OK) goto done;
    *out = net;
    net = NULL;
done:
    scry_network_free(net);
    return st;
}

scry_status scryi_network_create(scry_network **out, const scryi_config *config,
                                 scry_schedule *schedule, scry_error *err)
{
    scryi_walk w = {.claims = NULL};
    scry_status st = SCRY_OK;
    *out = NULL;
    scry_network *net = scry_alloc(1, sizeof *net);
    if (!net) {
        scry_schedule_free(schedule);
        return SCRY_FAIL(err, SCRY_ENOMEM, "network");
    }
    net->config = *config;
    net->schedule = schedule;
    if ((st = list_claims(&w, net, err)) != SCRY_OK) goto done;
    if ((st = place_tensors(net, &w, err)) != SCRY_OK) goto done;
    *out = net;
    net = NULL;
done:
    scry_free(w.claims);
    scry_network_free(net);
    return st;
}

scry_status scryi_network_copy(scry_network **out, const scry_network *net, const float *pool,
                               scry_error *err)
{
    scry_schedule *schedule;
    *out = NULL;
    scry_status st = scry_schedule_copy(&schedule, net->schedule, err);
    if (st == SCRY_OK) st = scryi_network_create(out, &net->config, schedule, err);
    if (st == SCRY_OK) memcpy((*out)->pool, pool, net->parameters * sizeof *pool);
    return st;
}

scry_status scryi_network_entries(scryi_entry **out, size_t *count, scry_network *net,
                                  scry_error *err)
{
    scryi_walk w = {.claims = NULL};
    *out = NULL;
    scry_status st = list_claims(&w, net, err);
    if (st == SCRY_OK) st = place_tensors(net, &w, err);
    if (st == SCRY_OK && !(*out = scry_alloc(w.count, sizeof **out)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "table of %zu tensors", w.count);
    for (size_t i = 0; st == SCRY_OK && i < w.count; i++) {
        const scryi_claim *c = &w.claims[i];
        scryi_entry *e = &(*out)[i];
        *e = (scryi_entry){.rank = c->rank, .count = c->count, .value = *c->where};
        memcpy(e->name, c->name, sizeof e->name);
        memcpy(e->dims, c->dims, sizeof e->dims);
    }
    *count = w.count;
    scry_free(w.claims);
    return st;
}

void scry_network_free(scry_network *net)
{
    if (!net) return;
    scry_schedule_free(net->schedule);
    scry_free(net->pool);
    scry_free(net);
}

size_t scry_network_channels(const scry_network *net)
{
    const size_t block = net->config.unshuffle * net->config.unshuffle;
    return net->config.channels / block;
}

size_t scry_network_classes(const scry_network *net)
{
    return net->config.classes - (net->config.unlabelled >= 0);
}

size_t scry_network_multiple(const scry_network *net)
{
    return net->config.unshuffle << (net->config.levels - 1);
}

size_t scry_network_parameters(const scry_network *net)
{
    return net->parameters;
}

const char *scry_network_prediction(const scry_network *net)
{
    static const char *const names[] = {"epsilon", "v_prediction", "sample", "flow"};
    return names[net->config.prediction];
}

double scry_network_sigma_data(const scry_network *net)
{
    return net->config.sigma_data;
}

const char *scry_network_sha256(const scry_network *net)
{
    return net->sha256;
}

const scry_schedule *scry_network_schedule(const scry_network *net)
{
    return net->schedule;
}

scry_network_input_info scry_network_input(const scry_network *net)
{
    return (scry_network_input_info){net->config.unshuffle, net->config.mean, net->config.std};
}

void scry_network_sigma_range(const scry_network *net, double *low, double *high)
{
    *low = net->config.std * scry_schedule_sigma(net->schedule, 0);
    *high = net->config.std * scry_schedule_sigma(net->schedule, HUGE_VAL);
}
