#include "lib/io/safetensors.h"
#include "lib/memory.h"
#include "priors/train/trainer_impl.h"

#include <stdio.h>
#include <string.h>

/* The state of a training as tensors: "net.", "average.", "m." and "v." before the names of the
 * network's (v only where AdamW has one), those of the uncertainty, and counters; and "flow" where
 * that is learnt. */

#define NAME 160
#define STEP_UNIT 4194304 /* 2^22: two floats hold 44 bits of a counter */

typedef struct state_list {
    scry_tensor_out *tensors;
    char (*names)[NAME];
    size_t count;
} state_list;

static void state_add(state_list *l, const char *prefix, const char *name, int rank,
                      const size_t *dims, const float *values)
{
    if (l->tensors) {
        snprintf(l->names[l->count], NAME, "%s%s", prefix, name);
        l->tensors[l->count] = (scry_tensor_out){l->names[l->count], rank, dims, values};
    }
    l->count++;
}

static const size_t waves[] = {SCRYI_WAVES}, waves_bias[] = {SCRYI_WAVES + 1}, pair[] = {2},
                    one[] = {1};

static void state_walk(state_list *l, const scry_trainer *t, const float *steps, const float *extra,
                       const size_t *extra_count)
{
    const float *base = t->net->pool;
    l->count = 0;
    for (size_t i = 0; i < t->entry_count; i++) {
        const scryi_entry *e = &t->entries[i];
        const size_t at = (size_t)(e->value - base);
        state_add(l, "net.", e->name, e->rank, e->dims, e->value);
        state_add(l, "average.", e->name, e->rank, e->dims, t->average + at);
        state_add(l, "m.", e->name, e->rank, e->dims, t->m + at);
        if (!scryi_learns_by_muon(e)) state_add(l, "v.", e->name, e->rank, e->dims, t->v + at);
    }
    state_add(l, "uncertainty.", "frequency", 1, waves, t->u.frequency);
    state_add(l, "uncertainty.", "phase", 1, waves, t->u.phase);
    state_add(l, "uncertainty.", "value", 1, waves_bias, t->u.value);
    state_add(l, "uncertainty.", "m", 1, waves_bias, t->u.m);
    state_add(l, "uncertainty.", "v", 1, waves_bias, t->u.v);
    if (t->opts.objective == SCRY_OBJECTIVE_FLOW) state_add(l, "", "flow", 1, one, steps + 2);
    state_add(l, "", "steps", 1, pair, steps);
    state_add(l, "", "extra", 1, extra_count, extra);
}

static scry_status state_list_make(state_list *l, const scry_trainer *t, const float *steps,
                                   const float *extra, const size_t *extra_count, scry_error *err)
{
    *l = (state_list){0};
    state_walk(l, t, steps, extra, extra_count);
    l->tensors = scry_alloc(l->count, sizeof *l->tensors);
    l->names = scry_alloc(l->count, sizeof *l->names);
    if (!l->tensors || !l->names) return SCRY_FAIL(err, SCRY_ENOMEM, "state of the training");
    state_walk(l, t, steps, extra, extra_count);
    return SCRY_OK;
}

static void state_list_free(state_list *l)
{
    scry_free(l->tensors);
    scry_free(l->names);
}

scry_status scry_trainer_save(const scry_trainer *t, const char *path, const float *extra,
                              size_t extra_count, scry_error *err)
{
    state_list l;
    const float steps[] = {(float)(t->step / STEP_UNIT), (float)(t->step % STEP_UNIT), 1};
    scry_status st = state_list_make(&l, t, steps, extra, &extra_count, err);
    if (st == SCRY_OK) st = scry_safetensors_write(path, l.tensors, l.count, err);
    state_list_free(&l);
    return st;
}

static void state_shape(char *text, size_t size, int rank, const size_t *dims)
{
    size_t at = 0;
    for (int a = 0; a < rank && at < size; a++) {
        const int n = snprintf(text + at, size - at, a ? " x %zu" : "%zu", dims[a]);
        at += n > 0 ? (size_t)n : 0;
    }
}

static scry_status state_differs(const char *path, const scry_tensor_out *t,
                                 const scry_tensor_info *f, scry_error *err)
{
    char there[96] = "missing", here[96] = "one number";
    if (f) state_shape(there, sizeof there, f->rank, f->dims);
    state_shape(here, sizeof here, t->rank, t->dims);
    return SCRY_FAIL(err, SCRY_EFORMAT,
                     "%s: the state of another training: tensor %s is %s there and %s here", path,
                     t->name, there, here);
}

static scry_status state_check(const state_list *l, const scry_safetensors *file, const char *path,
                               scry_error *err)
{
    for (size_t i = 0; i < l->count; i++) {
        const scry_tensor_out *t = &l->tensors[i];
        const scry_tensor_info *f = scry_safetensors_find(file, t->name);
        bool same = f && f->rank == t->rank;
        for (int a = 0; same && a < t->rank; a++)
            same = f->dims[a] == t->dims[a];
        if (!same) return state_differs(path, t, f, err);
    }
    if (scry_safetensors_count(file) != l->count)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: the state of another training: it has %zu tensors, this one %zu",
                         path, scry_safetensors_count(file), l->count);
    return SCRY_OK;
}

scry_status scry_trainer_load(scry_trainer *t, const char *path, float *extra, size_t extra_count,
                              scry_error *err)
{
    state_list l = {0};
    scry_safetensors *file = NULL;
    float steps[3];
    scry_status st = scry_safetensors_open(&file, path, err);
    if (st == SCRY_OK) st = state_list_make(&l, t, steps, extra, &extra_count, err);
    if (st == SCRY_OK) st = state_check(&l, file, path, err);
    for (size_t i = 0; st == SCRY_OK && i < l.count; i++) /* every value is of t, or ours */
        st = scry_safetensors_float(file, scry_safetensors_find(file, l.tensors[i].name),
                                    (float *)l.tensors[i].values, err);
    if (st == SCRY_OK) {
        t->step = (size_t)steps[0] * STEP_UNIT + (size_t)steps[1];
        st = scryi_graph_load(t->graph, t->opts.threads, err);
    }
    state_list_free(&l);
    scry_safetensors_free(file);
    return st;
}
