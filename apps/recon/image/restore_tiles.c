/* Images that do not fit the memory or the time. */
#include "apps/recon/image/restore_impl.h"

#include "apps/recon/image/pace_impl.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/parallel.h"
#include "lib/progress.h"

void scryi_restore_keep_time(scry_restorer *r, const scry_image *image)
{
    const scry_restore_request *q = r->setup.request;
    const size_t samples = q->samples ? q->samples : SCRYI_RESTORE_SAMPLES;
    struct scryi_pace pace = {.judgement = &r->judgement,
                              .share = r->share,
                              .pixels = scry_space_count(&image->space),
                              .planes = image->space.rank == 3 ? image->space.dims[0] : 1,
                              .samples = samples,
                              .threads = q->threads,
                              .limit = q->seconds};
    scryi_pace_keep(&pace, r->maps.count > 0, &q->log);
    r->draws = pace.samples;
}

/* Bytes for each pixel of the domain that a method takes, its operator included, and those for each
 * further chain at a time (the resident size of `scry deblur`, volumes). */
#define CLASSICAL_BYTES 60.0
#define POSTERIOR_BYTES 220.0
#define CHAIN_BYTES 180.0
/* Of the memory that there is; the rest is for allocations that are not counted. */
#define MEMORY_SHARE 0.85

static scry_status plan_tiles(scry_restorer *r, const struct image_task *task, scry_error *err)
{
    const scry_restore_request *q = r->setup.request;
    const scry_image *image = task->image;
    const size_t threads = q->threads ? q->threads : (size_t)scry_threads();
    const size_t together = r->chains < threads ? r->chains : threads;
    const bool draws = r->setup.method->kind == SCRY_POSTERIOR;
    struct scryi_tile_cost cost = {
        .fixed = 4 * (2 + (double)r->maps.count) + (q->predict || r->contenders ? 8 : 0) + 2,
        .each = draws ? POSTERIOR_BYTES + CHAIN_BYTES * ((double)together - 1) : CLASSICAL_BYTES};
    const double bytes = q->memory > 0 ? q->memory : MEMORY_SHARE * (double)scry_memory_available();
    scry_space ps;
    float *psf = NULL;
    scry_status st = SCRY_OK;
    if (r->setup.blurred)
        st = scry_psf_source_make(
            &psf, &ps, &r->setup.psf,
            &(scry_psf_setting){.image = image,
                                .boundary = scry_boundary_of(q->boundary, image->space.rank)},
            err);
    if (st == SCRY_OK)
        st = scryi_tiles_plan(&r->tiles, &image->space, psf ? &ps : NULL, &cost, bytes, err);
    scry_free(psf);
    if (st == SCRY_OK && scryi_tiles_count(&r->tiles) > 1)
        scry_log_note(&q->log,
                      "%zu tiles of %zu x %zu pixels, which share %zu and %zu, for %.3g GB",
                      scryi_tiles_count(&r->tiles), r->tiles.y.window, r->tiles.x.window,
                      r->tiles.y.overlap, r->tiles.x.overlap, 1e-9 * bytes);
    return st;
}

struct tile_run {
    scry_restorer *r;
    const struct image_task *task;
    scryi_restore_step *step;
    double began;
    size_t done;
    /* of a method that chooses the number of its iterations: at most, and those of the first tile
     */
    size_t steps, iterations;
    scry_options options; /* with them */
};

/* Steps of all tiles are those of one run. A method that searches first says how many iterations
 * are left when it has found out. */
static bool tile_monitor(const scry_chains_progress *p, void *ctx)
{
    struct tile_run *t = ctx;
    scry_chains_progress all = *p;
    if (p->chains && !t->steps) t->steps = p->p->steps;
    if (p->chains && p->p->steps != t->steps && !t->iterations && !t->done)
        t->iterations = p->p->steps - p->p->step;
    if (t->done) all.chains *= scryi_tiles_count(&t->r->tiles) - 1;
    return !t->task->monitor || t->task->monitor(&all, t->task->ctx);
}

/* The other tiles get as many iterations as the first, where the method chose them: tiles of
 * different sharpness would show. */
static void tile_keep_iterations(struct tile_run *t)
{
    scry_error unsaid = {0};
    t->options = *t->r->options;
    if (t->iterations && scry_options_read(&t->options, "stop", "steps", &unsaid) == SCRY_OK &&
        scry_options_set(&t->options, "iterations", (double)t->iterations, &unsaid) == SCRY_OK)
        t->r->options = &t->options;
}

static scry_status restore_run_tile(void *ctx, scry_restore_result *out, const scry_image *tile,
                                    size_t number, scry_error *err)
{
    struct tile_run *t = ctx;
    const size_t count = scryi_tiles_count(&t->r->tiles);
    const struct image_task task = {.image = tile,
                                    .sample = t->task->sample,
                                    .seed = scry_recon_seed(t->task->seed, number),
                                    .again = t->done > 0,
                                    .monitor = tile_monitor,
                                    .ctx = t};
    const scry_status st = t->step(out, t->r, &task, err);
    if (st == SCRY_OK && !t->done++) {
        scryi_pace_log_tiles(scry_clock() - t->began, count, &t->r->setup.request->log);
        tile_keep_iterations(t);
    }
    return st;
}

scry_status scryi_restore_in_tiles(scry_restore_result *out, scry_restorer *r,
                                   const struct image_task *task, scryi_restore_step *step,
                                   scry_error *err)
{
    const scry_restore_request *said = r->setup.request;
    const scry_options *asked = r->options;
    scry_restore_request fixed = *said;
    scry_noise noise;
    scry_noise_model model;
    scry_status st = plan_tiles(r, task, err);
    if (st != SCRY_OK) return st;
    if (scryi_tiles_count(&r->tiles) == 1) return step(out, r, task, err);
    unsigned char *known = scry_alloc(scry_space_count(&task->sample->space), 1);
    if (!known) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of a sample");
    st = scryi_image_study(&noise, &model, known, said, task->sample, err);
    scry_free(known);
    if (st != SCRY_OK) return st;
    if (model.line[0]) scry_log_note(&said->log, "noise: %s", model.line);
    fixed.noise = scry_noise_seen(&noise, 0);
    r->setup.request = &fixed;
    struct tile_run run = {.r = r, .task = task, .step = step, .began = scry_clock()};
    st = scryi_tiles_run(out, &r->tiles, task->image, r->maps.count, restore_run_tile, &run, err);
    r->setup.request = said;
    r->options = asked;
    out->options = *asked;
    out->noise_model = model;
    return st;
}
