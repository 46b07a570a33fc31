#include "apps/recon/mri/journal.h"
#include "apps/recon/mri/mri_impl.h"
#include "apps/recon/mri/volume_impl.h"
#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"

#include <stdio.h>

/* Data that the slices of a run share. */
struct volume_run {
    scry_mri_volume *volume;
    const scry_reconstructor *rec;
    scry_scan_file *file;
    const scry_mri_volume_request *request;
    const scry_kspace_info *info;
    size_t total; /* problems of this process that are to be done */
    struct shared_state *shared;
};

struct shared_state {
    float complex *maps; /* of one slice, made for the first of its frames */
    size_t slice, entries;
    size_t steps; /* of a problem; 0: not known yet */
};

static size_t count_ranks(const scry_mri_volume_request *q)
{
    return q->ranks ? q->ranks : 1;
}

/* As many slices at a time as there are threads, if there are as many slices. */
static size_t volume_run_count_workers(const scry_mri_volume_request *q,
                                       const scry_kspace_info *info)
{
    const size_t ranks = count_ranks(q), threads = q->threads ? q->threads : 1;
    const size_t slices = (q->last - q->first + 1) * info->frames;
    return (slices + ranks - 1) / ranks >= threads ? threads : 1;
}

/* ---- before it ---- */

/* The memory of a run: `resident` that the program and the network's weights take before any slice,
 * `bytes` a problem beside its slice. */
static scry_status volume_afford(const scry_mri_volume *v, const scry_reconstructor *rec,
                                 const scry_kspace_info *info, size_t resident, size_t bytes,
                                 size_t workers, scry_error *err)
{
    char what[48];
    bytes += 3 * info->coils * info->nz * info->ny * info->nx * sizeof(float complex);
    bytes = bytes * workers + v->count * sizeof(float) * (2 + v->asked->count);
    snprintf(what, sizeof what, "%zu slice%s at a time", workers, workers == 1 ? "" : "s");
    return scry_recon_afford(bytes + resident, what, "fewer --threads", &rec->request->log, err);
}

/* Where the maps of a series come from. */
static void log_calibration(const scry_reconstructor *rec, const scry_kspace_info *info)
{
    const scry_log *log = &rec->request->log;
    if (rec->request->coil_maps == SCRY_COILS_NONE || info->coils == 1) return;
    if (info->has_calibration)
        scry_log_note(log, "coil maps: all %zu frames share those of the calibration lines",
                      info->frames);
    else if (info->calibration_frames == 1)
        scry_log_note(log, "coil maps: all %zu frames share those of frame %zu", info->frames,
                      info->calibration_first);
    else
        scry_log_note(log, "coil maps: all %zu frames share those of the mean of %zu frames",
                      info->frames, info->calibration_frames);
}

/* For methods that take all frames of a slice as one problem. */
static scry_status join_frames(scry_mri_volume *v, const scry_reconstructor *rec,
                               const scry_kspace_info *info, size_t *bytes, scry_error *err)
{
    const char *method = rec->options.method->name;
    if (!scry_reconstructor_joins_frames(rec)) return SCRY_OK;
    if (info->frames < 2)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s joins the frames of a series, there is 1 frame; expected a series, or "
                         "another method",
                         method);
    if (v->problems > 1)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s joins the frames of slices, not of volumes that are encoded along z",
                         method);
    v->joined = true;
    *bytes += 4 * info->frames * info->coils * info->ny * info->nx * sizeof(float complex);
    return SCRY_OK;
}

scry_status scry_mri_volume_prepare(scry_mri_volume *v, scry_reconstructor *rec,
                                    scry_scan_file *file, const scry_mri_volume_request *q,
                                    scry_error *err)
{
    const scry_kspace_info *info = scry_scan_file_info(file);
    const size_t workers = volume_run_count_workers(q, info), resident = scry_memory_peak();
    scry_mri_slice middle = {0};
    float complex *maps = NULL;
    size_t planes, bytes;
    int across;
    *v = (scry_mri_volume){0};
    scry_status st = scry_scan_file_read_middle(&middle, &maps, file, q->first, q->last, err);
    if (st == SCRY_OK && info->frames > 1 && !maps) log_calibration(rec, info);
    if (st == SCRY_OK)
        st = scry_reconstructor_calibrate(rec, &middle, maps, q->threads,
                                          workers > 1 ? 1 : q->threads, &bytes, err);
    if (st == SCRY_OK) st = scry_mri_slice_planes(&planes, &across, &middle, err);
    if (st == SCRY_OK) st = scryi_mri_volume_create(v, info, q, planes, across, err);
    if (st == SCRY_OK) st = join_frames(v, rec, info, &bytes, err);
    if (st == SCRY_OK) st = volume_afford(v, rec, info, resident, bytes, workers, err);
    scry_mri_slice_free(&middle);
    scry_free(maps);
    return st;
}

/* ---- the run ---- */

/* One slice of the work list. */
struct slice_task {
    size_t frame, slice, threads;
    scry_mri_slice samples;
    float complex *maps;
};

/* ---- progress ---- */

/* The steps of one problem: all have as many as the first that is known. */
struct plane_watch {
    const struct volume_run *run;
    size_t counted;
};

/* Steps of the whole run; a method that counts none has one a problem. */
static void count_more(struct plane_watch *w, size_t more)
{
    const struct volume_run *run = w->run;
    w->counted += more;
    if (more && run->request->steps)
        run->request->steps(more, run->total * run->shared->steps, run->request->ctx);
}

static bool count_step(const scry_chains_progress *p, void *ctx)
{
    struct plane_watch *w = ctx;
    struct shared_state *shared = w->run->shared;
#pragma omp critical(mri_volume_steps)
    if (p->chains) { /* not the short chains before the run */
        const size_t steps = p->chains * p->p->steps;
        if (!shared->steps) shared->steps = steps ? steps : 1;
        if (w->counted < shared->steps) count_more(w, 1);
    }
    return !scry_cancelled();
}

/* Those that a method which converged early has not taken. */
static void count_rest(struct plane_watch *w)
{
    struct shared_state *shared = w->run->shared;
#pragma omp critical(mri_volume_steps)
    {
        if (!shared->steps) shared->steps = 1;
        count_more(w, shared->steps - w->counted);
    }
}

/* ---- one problem ---- */

static scry_status put_zero_filled(const struct volume_run *run, const struct slice_task *t,
                                   size_t index, scry_error *err)
{
    scry_mri_result r = {0};
    scry_status st = scry_reconstructor_adjoint(&r, run->rec, &t->samples, index, t->maps, err);
    if (st == SCRY_OK) st = scryi_mri_volume_put_zero_filled(run->volume, index, &r, err);
    scry_mri_result_free(&r);
    return st;
}

static void journal_plane(const struct volume_run *run, const struct scryi_mri_place *p)
{
    scry_error err = {0};
    scry_status st = SCRY_OK;
    if (!run->request->journal) return;
#pragma omp critical(mri_volume_journal)
    st = scry_mri_journal_add(run->request->journal, run->volume, p->frame, p->slice, p->index,
                              &err);
    if (st != SCRY_OK) scry_log_warn(&run->rec->request->log, "%s", err.text);
}

static scry_status run_plane(const struct volume_run *run, const struct slice_task *t,
                             const struct scryi_mri_place *place, scry_error *err)
{
    const scry_mri_volume_request *q = run->request;
    scry_mri_volume *v = run->volume;
    const uint64_t number = (t->frame * run->info->slices + t->slice) * v->problems + place->index;
    const bool only = run->total == 1 && q->chains;
    struct plane_watch watch = {run, 0};
    scry_mri_result r = {0};
    scry_status st = scry_reconstructor_run(
        &r, run->rec, &t->samples, place->index, t->maps, scry_recon_seed(q->seed, number),
        t->threads, only ? q->chains : count_step, only ? q->ctx : &watch, err);
    if (st == SCRY_OK) st = scryi_mri_volume_put(v, place, &r, err);
    if (st == SCRY_OK) journal_plane(run, place);
    if (!only && !scry_cancelled()) count_rest(&watch);
    scry_mri_result_free(&r);
    return st;
}

/* Frames share maps; where a slice has several planes, they share the data of these maps. */
static scry_status volume_share_maps(const struct volume_run *run, struct slice_task *t,
                                     scry_error *err)
{
    struct shared_state *shared = run->shared;
    scry_status st = SCRY_OK;
    if (run->info->frames == 1 || t->maps || run->volume->problems > 1) return SCRY_OK;
#pragma omp critical(mri_volume_maps)
    {
        if (!shared->maps || shared->slice != t->slice) {
            const size_t sets = run->rec->request->sets ? run->rec->request->sets : 1;
            scry_free(shared->maps);
            st = scry_reconstructor_maps(&shared->maps, run->rec, &t->samples, 0, err);
            shared->slice = t->slice;
            shared->entries = t->samples.coils * sets * t->samples.dims[0] * t->samples.dims[1] *
                              t->samples.dims[2];
        }
        if (shared->maps && !(t->maps = scry_copy(shared->maps, shared->entries * sizeof *t->maps)))
            st = SCRY_FAIL(err, SCRY_ENOMEM, "maps of %zu values", shared->entries);
    }
    return st;
}

/* Is A^H y of this slice wanted? */
static bool wants_zero_filled(const struct volume_run *run, size_t frame, size_t slice)
{
    const scry_mri_volume *v = run->volume;
    return v->zero_filled && !frame && slice == v->first + v->slices / 2;
}

static bool plane_done(const struct volume_run *run, const struct scryi_mri_place *p)
{
    return run->volume->entries[scryi_mri_volume_entry(run->volume, p)].done;
}

/* Is there anything to do for a slice? */
static bool slice_pending(const struct volume_run *run, size_t frame, size_t slice)
{
    struct scryi_mri_place p = {frame, slice, 0};
    bool pending = wants_zero_filled(run, frame, slice);
    for (; p.index < run->volume->problems && !pending; p.index++)
        pending = !plane_done(run, &p);
    return pending;
}

static void do_plane(const struct volume_run *run, const struct slice_task *t,
                     const struct scryi_mri_place *place)
{
    scry_error one = {0};
    scry_status st = SCRY_OK;
    if (!plane_done(run, place)) st = run_plane(run, t, place, &one);
    if (st == SCRY_OK && wants_zero_filled(run, t->frame, t->slice))
        st = put_zero_filled(run, t, place->index, &one);
    if (st != SCRY_OK && !scry_cancelled()) scryi_mri_volume_fail(run->volume, place, one.text);
}

/* A failure stays with its slice: the others are done. */
static void run_slice(const struct volume_run *run, size_t frame, size_t slice, size_t threads)
{
    scry_error err = {0};
    scry_mri_volume *v = run->volume;
    struct slice_task t = {.frame = frame, .slice = slice, .threads = threads};
    struct scryi_mri_place place = {frame, slice, 0};
    scry_status st;
    if (!slice_pending(run, frame, slice)) return;
#pragma omp critical(mri_volume_read)
    st = scry_scan_file_read(&t.samples, &t.maps, run->file, frame, slice, &err);
    if (st == SCRY_OK) st = volume_share_maps(run, &t, &err);
    for (; place.index < v->problems && !scry_cancelled(); place.index++) {
        if (st == SCRY_OK) {
            do_plane(run, &t, &place);
            continue;
        }
        scryi_mri_volume_fail(v, &place, err.text);
        count_rest(&(struct plane_watch){run, 0});
    }
    scry_free(t.maps);
    scry_mri_slice_free(&t.samples);
}

/* ---- all frames of a slice ---- */

static void free_frames(scry_mri_slice *samples, size_t frames)
{
    for (size_t f = 0; samples && f < frames; f++)
        scry_mri_slice_free(&samples[f]);
    scry_free(samples);
}

/* The frames of t->slice, and their maps in *t. */
static scry_status read_frames(const struct volume_run *run, struct slice_task *t,
                               scry_mri_slice **frames, scry_error *err)
{
    const size_t count = run->info->frames;
    scry_status st = SCRY_OK;
    if (!(*frames = scry_alloc(count, sizeof **frames)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu frames", count);
    for (size_t f = 0; f < count && st == SCRY_OK; f++) {
        float complex *maps = NULL;
#pragma omp critical(mri_volume_read)
        st = scry_scan_file_read(&(*frames)[f], &maps, run->file, f, t->slice, err);
        if (f)
            scry_free(maps);
        else
            t->maps = maps;
    }
    if (st != SCRY_OK) return st;
    t->samples = (*frames)[0]; /* borrowed, for the maps */
    st = volume_share_maps(run, t, err);
    t->samples = (scry_mri_slice){0};
    return st;
}

static scry_status solve_frames(const struct volume_run *run, struct slice_task *t,
                                struct plane_watch *watch, scry_error *err)
{
    const size_t frames = run->info->frames;
    scry_mri_slice *samples = NULL;
    scry_mri_result *r = scry_alloc(frames, sizeof *r);
    if (!r) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu frames", frames);
    scry_status st = read_frames(run, t, &samples, err);
    if (st == SCRY_OK)
        st = scry_reconstructor_run_series(r, run->rec, samples, frames, t->maps,
                                           scry_recon_seed(run->request->seed, t->slice),
                                           t->threads, count_step, watch, err);
    for (size_t f = 0; f < frames && st == SCRY_OK; f++) {
        const struct scryi_mri_place place = {f, t->slice, 0};
        st = scryi_mri_volume_put(run->volume, &place, &r[f], err);
        if (st == SCRY_OK) journal_plane(run, &place);
    }
    for (size_t f = 0; f < frames; f++)
        scry_mri_result_free(&r[f]);
    if (st == SCRY_OK && wants_zero_filled(run, 0, t->slice)) {
        t->samples = samples[0];
        st = put_zero_filled(run, t, 0, err);
        t->samples = (scry_mri_slice){0};
    }
    free_frames(samples, frames);
    scry_free(r);
    return st;
}

/* A failure takes all frames of its slice. */
static void run_frames(const struct volume_run *run, size_t slice, size_t threads)
{
    scry_error err = {0};
    struct slice_task t = {.slice = slice, .threads = threads};
    struct plane_watch watch = {run, 0};
    bool pending = false;
    for (size_t f = 0; f < run->info->frames; f++)
        pending = pending || slice_pending(run, f, slice);
    if (!pending) return;
    const scry_status st = solve_frames(run, &t, &watch, &err);
    for (size_t f = 0; f < run->info->frames && st != SCRY_OK && !scry_cancelled(); f++)
        scryi_mri_volume_fail(run->volume, &(struct scryi_mri_place){f, slice, 0}, err.text);
    if (!scry_cancelled()) count_rest(&watch);
    scry_free(t.maps);
}

size_t scry_mri_volume_share(const scry_mri_volume *v, const scry_mri_volume_request *q)
{
    const size_t planes = v->slices * v->frames, ranks = count_ranks(q);
    if (v->joined) return (v->slices + ranks - 1 - q->rank) / ranks * v->frames;
    return (planes + ranks - 1 - q->rank) / ranks * v->problems;
}

/* Of the problems of this process, those that are not done. */
static size_t count_pending(const scry_mri_volume *v, const scry_mri_volume_request *q)
{
    size_t pending = 0;
    for (size_t i = 0; i < scry_mri_volume_entries(v); i++) {
        const struct scryi_mri_place p = scryi_mri_volume_place_of(v, i);
        pending += !v->entries[i].done && scryi_mri_volume_item(v, &p) % count_ranks(q) == q->rank;
    }
    return v->joined ? (pending + v->frames - 1) / v->frames : pending;
}

static void run_item(const struct volume_run *run, size_t i, size_t threads)
{
    const scry_mri_volume *v = run->volume;
    if (scry_cancelled()) return;
    if (v->joined)
        run_frames(run, v->first + i, threads);
    else
        run_slice(run, i % v->frames, v->first + i / v->frames, threads);
}

/* Of `items`, those at the end that would leave threads idle while the others draw, and are done
 * sooner one after another, each with its chains shared among all threads. */
static size_t count_left_over(size_t items, size_t threads, size_t chains)
{
    const size_t left = items % threads, rounds = (chains + threads - 1) / threads;
    return left * rounds < chains ? left : 0;
}

void scry_mri_volume_run(scry_mri_volume *v, const scry_reconstructor *rec, scry_scan_file *file,
                         const scry_mri_volume_request *q)
{
    struct shared_state shared = {0};
    const struct volume_run run = {
        v, rec, file, q, scry_scan_file_info(file), count_pending(v, q), &shared};
    const size_t workers = volume_run_count_workers(q, run.info), ranks = count_ranks(q);
    const size_t planes = v->slices * (v->joined ? 1 : v->frames);
    const size_t items = (planes + ranks - 1 - q->rank) / ranks;
    const size_t left = workers > 1 ? count_left_over(items, workers, rec->chains) : items;
#pragma omp parallel for schedule(dynamic, 1) num_threads((int)workers) if (workers > 1)
    for (size_t i = 0; i < items - left; i++)
        run_item(&run, q->rank + i * ranks, 1);
    for (size_t i = items - left; i < items; i++)
        run_item(&run, q->rank + i * ranks, q->threads);
    scry_free(shared.maps);
}
