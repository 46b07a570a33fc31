#include "priors/train/trainer_impl.h"

#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/rng.h"
#include "priors/network/network.h"
#include "priors/train/optim_impl.h"

#include <math.h>
#include <string.h>

void scry_train_opts_init(scry_train_opts *opts)
{
    *opts = (scry_train_opts){.channels = 1,
                              .levels = 3,
                              .width = {64, 96, 128},
                              .layers = 1,
                              .groups = 8,
                              .unshuffle = 2,
                              .crop = 64,
                              .batch = 32,
                              .label_dropout = .1,
                              .std = 1,
                              .rate_muon = .02,
                              .rate_adam = 1e-3,
                              .decay = .01,
                              .log_sigma_mean = -.6,
                              .log_sigma_sd = 1.4,
                              .average = 6.94,
                              .group = 8,
                              .threads = 1};
}

static scry_status trainer_check(const scry_train_opts *o, scry_error *err)
{
    if (!o->batch || !o->group || o->batch % o->group)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "batches of %zu crops in groups of %zu, expected whole "
                         "groups",
                         o->batch, o->group);
    if (!o->unshuffle || !o->crop || o->crop % o->unshuffle)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "crops of %zu pixels in blocks of %zu, expected whole "
                         "blocks",
                         o->crop, o->unshuffle);
    if (o->threads < 1)
        return SCRY_FAIL(err, SCRY_EINVAL, "%d threads, expected at least 1", o->threads);
    if (!o->channels || !o->levels || o->levels > SCRY_TRAIN_LEVELS || !o->layers || !o->groups ||
        o->layers > SCRYI_LAYERS - 1)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%zu channels, %zu levels of %zu layers, %zu groups, expected at least 1 "
                         "of each, and at most %d levels of %d layers",
                         o->channels, o->levels, o->layers, o->groups, SCRY_TRAIN_LEVELS,
                         SCRYI_LAYERS - 1);
    for (size_t i = 0; i < o->levels; i++)
        if (!o->width[i] || o->width[i] % 16 || o->width[i] % o->groups)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "width %zu of level %zu, expected a multiple of 16 and of the %zu "
                             "groups",
                             o->width[i], i, o->groups);
    if (o->classes && (!o->label || !(o->label_dropout >= 0 && o->label_dropout < 1)))
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu classes, label dropout %g, expected 0 to 1%s",
                         o->classes, o->label_dropout, o->label ? "" : ", and their labels");
    if (!(o->std > 0 && isfinite(o->std) && isfinite(o->mean)))
        return SCRY_FAIL(err, SCRY_EINVAL, "mean %g and std %g, expected std > 0", o->mean, o->std);
    if (!(o->rate_muon > 0 && o->rate_adam > 0 && o->decay >= 0 && o->log_sigma_sd > 0 &&
          o->average >= 0 && isfinite(o->log_sigma_mean)))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "rates %g and %g, decay %g, levels of sd %g, average %g, expected > 0",
                         o->rate_muon, o->rate_adam, o->decay, o->log_sigma_sd, o->average);
    return SCRY_OK;
}

bool scryi_learns_by_muon(const scryi_entry *e)
{
    return e->rank == 4 && e->dims[2] == 3 && strncmp(e->name, "conv_in.", 8) &&
           strncmp(e->name, "conv_out.", 9);
}

/* PyTorch's: uniform within 1 / sqrt(fan in), of a bias that of its weight; norms 1 and 0. */
static void trainer_draw(scry_trainer *t)
{
    double bound = 0;
    for (size_t i = 0; i < t->entry_count; i++) {
        const scryi_entry *e = &t->entries[i];
        const bool weight = !strcmp(strrchr(e->name, '.'), ".weight");
        if (weight && e->rank == 1) {
            for (size_t k = 0; k < e->count; k++)
                e->value[k] = 1;
            bound = 0;
            continue;
        }
        if (!strcmp(e->name, "class_embedding.weight")) continue; /* zero: no class is special */
        if (weight) bound = 1 / sqrt((double)(e->count / e->dims[0]));
        scry_rng_uniform(e->value, 0, e->count, t->opts.seed, (uint32_t)i, scry_rng_step(0, 0));
        for (size_t k = 0; k < e->count; k++)
            e->value[k] = (float)(bound * (2 * (double)e->value[k] - 1));
    }
}

static scry_status trainer_network(scry_trainer *t, scry_error *err)
{
    const scry_train_opts *o = &t->opts;
    scry_schedule *schedule;
    scryi_config c = {.channels = o->channels * o->unshuffle * o->unshuffle,
                      .outputs = o->channels * o->unshuffle * o->unshuffle,
                      .mid_attention_norm = true,
                      .classes = o->classes ? o->classes + 1 : 0,
                      .unlabelled = o->classes ? (int)o->classes : -1,
                      .levels = o->levels,
                      .layers = o->layers,
                      .groups = o->groups,
                      .attention_groups = o->groups,
                      .head_dim = 8,
                      .eps = 1e-5,
                      .has_mid = true,
                      .flip_sin_to_cos = true,
                      .downsample_padding = 1,
                      .prediction =
                          o->objective == SCRY_OBJECTIVE_FLOW ? SCRYI_FLOW : SCRYI_V_PREDICTION,
                      .unshuffle = o->unshuffle,
                      .mean = o->mean,
                      .std = o->std};
    memcpy(c.width, o->width, o->levels * sizeof *c.width);
    scry_status st = o->objective == SCRY_OBJECTIVE_FLOW
                         ? scryi_flow_schedule(&schedule, 1000, err)
                         : scry_schedule_create(&schedule, SCRY_BETA_LINEAR, 1000, 1e-4, .02, err);
    return st == SCRY_OK ? scryi_network_create(&t->net, &c, schedule, err) : st;
}

/* A network with a class embedding of zeros beside the weights of one without. */
static scry_status trainer_add_classes(scry_trainer *t, const scry_network *init, scry_error *err)
{
    scry_network *copy = NULL;
    scry_schedule *schedule = NULL;
    scryi_entry *from = NULL, *to = NULL;
    size_t count = 0, all = 0;
    scryi_config c = init->config;
    c.classes = t->opts.classes + 1;
    c.unlabelled = (int)t->opts.classes;
    scry_status st = scry_schedule_copy(&schedule, init->schedule, err);
    if (st == SCRY_OK) st = scryi_network_create(&t->net, &c, schedule, err);
    if (st == SCRY_OK) st = scryi_network_copy(&copy, init, init->pool, err);
    if (st == SCRY_OK) st = scryi_network_entries(&from, &count, copy, err);
    if (st == SCRY_OK) st = scryi_network_entries(&to, &all, t->net, err);
    for (size_t i = 0, k = 0; st == SCRY_OK && i < all; i++)
        if (strcmp(to[i].name, "class_embedding.weight") != 0) {
            memcpy(to[i].value, from[k].value, from[k].count * sizeof(float));
            k++;
        }
    scry_free(from);
    scry_free(to);
    scry_network_free(copy);
    return st;
}

/* The shape of a network that training goes on from, and a copy of it. */
static scry_status trainer_init(scry_trainer *t, const scry_network *init, scry_error *err)
{
    scry_train_opts *o = &t->opts;
    const scryi_config *c = &init->config;
    if (init->config.prediction == SCRYI_FLOW) o->objective = SCRY_OBJECTIVE_FLOW;
    o->channels = scry_network_channels(init);
    o->levels = c->levels;
    o->layers = c->layers;
    o->groups = c->groups;
    o->unshuffle = c->unshuffle;
    o->mean = c->mean;
    o->std = c->std;
    memcpy(o->width, c->width, c->levels * sizeof *c->width);
    if (o->classes && !c->classes) return trainer_add_classes(t, init, err);
    if (o->classes && o->classes != scry_network_classes(init))
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu classes for a network of %zu", o->classes,
                         scry_network_classes(init));
    return scryi_network_copy(&t->net, init, init->pool, err);
}

static scry_status trainer_no_memory(scry_error *err)
{
    return SCRY_FAIL(err, SCRY_ENOMEM, "training");
}

static scry_status trainer_arrays(scry_trainer *t, scry_error *err)
{
    const scry_train_opts *o = &t->opts;
    const size_t n = t->net->parameters, workers = (size_t)o->threads;
    size_t muon = 0;
    for (size_t i = 0; i < t->entry_count; i++) {
        const scryi_entry *e = &t->entries[i];
        const size_t work =
            scryi_learns_by_muon(e) ? scryi_muon_work(e->dims[0], e->count / e->dims[0]) : 0;
        if (muon < work) muon = work;
    }
    float **const pools[] = {&t->grad, &t->average, &t->m, &t->v};
    for (size_t i = 0; i < 4; i++)
        if (!(*pools[i] = scry_alloc(n, sizeof(float)))) return trainer_no_memory(err);
    t->arena = scry_alloc(workers, sizeof(*t->arena));
    t->muon = scry_alloc(workers, sizeof(*t->muon));
    t->group_grad = scry_alloc(t->group_count, sizeof(*t->group_grad));
    t->z = scry_alloc(o->batch * t->pixels, sizeof *t->z);
    t->noise = scry_alloc(o->batch * t->pixels, sizeof *t->noise);
    t->sigma = scry_alloc(o->batch, sizeof *t->sigma);
    t->time = scry_alloc(o->batch, sizeof *t->time);
    t->error = scry_alloc(o->batch, sizeof *t->error);
    t->uncertain = scry_alloc(o->batch, sizeof *t->uncertain);
    t->status = scry_alloc(o->batch, sizeof *t->status);
    if (t->net->config.classes && !(t->label = scry_alloc(o->batch, sizeof *t->label)))
        return trainer_no_memory(err);
    t->errors = scry_alloc(o->batch, sizeof *t->errors);
    if (!t->arena || !t->muon || !t->group_grad || !t->z || !t->noise || !t->sigma || !t->time ||
        !t->error || !t->uncertain || !t->status || !t->errors)
        return trainer_no_memory(err);
    for (size_t i = 0; i < workers; i++) {
        t->arena[i] = scry_alloc(t->graph->floats, sizeof(float));
        t->muon[i] = scry_alloc(muon, sizeof(float));
        if (!t->arena[i] || !t->muon[i]) return trainer_no_memory(err);
    }
    for (size_t i = 0; i < t->group_count; i++)
        if (!(t->group_grad[i] = scry_alloc(t->graph->gradient_floats, sizeof(float))))
            return trainer_no_memory(err);
    return SCRY_OK;
}

static void trainer_uncertainty(scry_trainer *t)
{
    scryi_uncertainty *u = &t->u;
    scry_rng_normal(u->frequency, 0, SCRYI_WAVES, t->opts.seed, 0, scry_rng_step(0, 1));
    scry_rng_uniform(u->phase, 0, SCRYI_WAVES, t->opts.seed, 0, scry_rng_step(0, 2));
    for (size_t k = 0; k < SCRYI_WAVES; k++) {
        u->frequency[k] *= 2;
        u->phase[k] *= 6.2831853f;
    }
}

scry_status scry_trainer_create(scry_trainer **out, const scry_train_opts *opts,
                                const scry_network *init, scry_error *err)
{
    scry_status st;
    const size_t before = scry_memory_requested();
    *out = NULL;
    scry_trainer *t = scry_alloc(1, sizeof *t);
    if (!t) return trainer_no_memory(err);
    t->opts = *opts;
    if (init && (st = trainer_init(t, init, err)) != SCRY_OK) goto done;
    if ((st = trainer_check(&t->opts, err)) != SCRY_OK) goto done;
    if (!init && (st = trainer_network(t, err)) != SCRY_OK) goto done;
    const size_t side = t->opts.crop / t->opts.unshuffle;
    t->pixels = t->opts.channels * t->opts.crop * t->opts.crop;
    t->group_count = t->opts.batch / t->opts.group;
    if ((st = scryi_network_entries(&t->entries, &t->entry_count, t->net, err)) != SCRY_OK ||
        (st = scryi_graph_create(&t->graph, t->net,
                                 &(struct scryi_graph_params){.batch = t->opts.group,
                                                              .height = side,
                                                              .width = side,
                                                              .workers = (size_t)t->opts.threads},
                                 err)) != SCRY_OK ||
        (st = trainer_arrays(t, err)) != SCRY_OK)
        goto done;
    if (!init) trainer_draw(t);
    trainer_uncertainty(t);
    memcpy(t->average, t->net->pool, t->net->parameters * sizeof(float));
    if ((st = scryi_graph_load(t->graph, t->opts.threads, err)) != SCRY_OK) goto done;
    t->bytes = scry_memory_requested() - before;
    *out = t;
    t = NULL;
done:
    scry_trainer_free(t);
    return st;
}

void scry_trainer_free(scry_trainer *t)
{
    if (!t) return;
    for (size_t i = 0; i < (size_t)(t->opts.threads > 0 ? t->opts.threads : 0); i++) {
        if (t->arena) scry_free(t->arena[i]);
        if (t->muon) scry_free(t->muon[i]);
    }
    for (size_t i = 0; t->group_grad && i < t->group_count; i++)
        scry_free(t->group_grad[i]);
    void *blocks[] = {t->grad,   t->average, t->m,         t->v,          t->arena, t->muon,
                      t->z,      t->noise,   t->sigma,     t->group_grad, t->error, t->status,
                      t->errors, t->entries, t->uncertain, t->time,       t->label};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        scry_free(blocks[i]);
    scryi_graph_free(t->graph);
    scry_network_free(t->net);
    scry_free(t);
}

size_t scry_trainer_steps(const scry_trainer *t)
{
    return t->step;
}

size_t scry_trainer_weights(const scry_trainer *t)
{
    return t->net->parameters;
}

size_t scry_trainer_bytes(const scry_trainer *t)
{
    return t->bytes;
}

double scry_trainer_flops(const scry_trainer *t)
{
    return t->graph->flops;
}

scry_status scry_trainer_network(scry_network **out, const scry_trainer *t, scry_error *err)
{
    return scryi_network_copy(out, t->net, t->average, err);
}
