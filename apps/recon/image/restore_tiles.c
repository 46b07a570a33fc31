/* Images that do not fit the memory or the time. */
#include "apps/recon/image/restore_impl.h"

#include "apps/recon/image/pace_impl.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/parallel.h"
#include "lib/progress.h"

#include <math.h>

/* Bytes for each pixel of the domain that a method takes, its operator included, and those for each
 * further chain at a time (the resident size of `scry deblur`, volumes). */
#define CLASSICAL_BYTES 60.0
#define POSTERIOR_BYTES 220.0
#define CHAIN_BYTES 180.0
/* Of the memory that there is; the rest is for allocations that are not counted. */
#define MEMORY_SHARE 0.85

static double memory_allowed(const scry_restore_request *q)
{
    return q->memory > 0 ? q->memory : MEMORY_SHARE * (double)scry_memory_available();
}

/* The tiles of a method that draws `chains` times, or of one that does not. ps: its shape, rank 0:
 * no PSF. */
static scry_status tiles_for(struct scryi_tiles *out, const scry_restorer *r,
                             const scry_image *image, const scry_space *ps, bool draws,
                             size_t chains, scry_error *err)
{
    const scry_restore_request *q = r->setup.request;
    const size_t threads = q->threads ? q->threads : (size_t)scry_threads();
    const size_t together = chains < threads ? chains : threads;
    const struct scryi_tile_cost cost = {
        .fixed = 4 * (2 + (double)r->maps.count) + (q->predict || r->contenders ? 8 : 0) + 2,
        .each = draws ? POSTERIOR_BYTES + CHAIN_BYTES * ((double)together - 1) : CLASSICAL_BYTES};
    return scryi_tiles_plan(out, &image->space, ps->rank ? ps : NULL, &cost, memory_allowed(q),
                            err);
}

/* The shape of the PSF for this image, rank 0: none. */
static scry_status psf_shape(scry_space *ps, const scry_restorer *r, const scry_image *image,
                             scry_error *err)
{
    float *psf = NULL;
    *ps = (scry_space){0};
    if (!r->setup.blurred) return SCRY_OK;
    const scry_status st = scry_psf_source_make(
        &psf, ps, &r->setup.psf,
        &(scry_psf_setting){.image = image,
                            .boundary = scry_boundary_of(r->setup.request->boundary, image)},
        err);
    scry_free(psf);
    return st;
}

static scry_status plan_tiles(scry_restorer *r, const struct image_task *task, scry_error *err)
{
    const scry_restore_request *q = r->setup.request;
    scry_space ps;
    scry_status st = psf_shape(&ps, r, task->image, err);
    if (st == SCRY_OK)
        st = tiles_for(&r->tiles, r, task->image, &ps, r->setup.method->kind == SCRY_POSTERIOR,
                       r->chains, err);
    if (st == SCRY_OK && scryi_tiles_count(&r->tiles) > 1)
        scry_log_note(&q->log,
                      "%zu tiles of %zu x %zu pixels, which share %zu and %zu, for %.3g GB",
                      scryi_tiles_count(&r->tiles), r->tiles.y.window, r->tiles.x.window,
                      r->tiles.y.overlap, r->tiles.x.overlap, 1e-9 * memory_allowed(q));
    return st;
}

/* ---- the time ---- */

/* Infinitely many pixels where a method does not fit the memory. */
static struct scryi_pace_way pace_way(const scry_restorer *r, const scry_image *image,
                                      const scry_space *ps, bool draws, size_t samples)
{
    struct scryi_tiles tiles, one;
    scry_error unsaid = {0};
    scry_space part = r->judgement.part;
    const scry_space *psf = ps->rank ? ps : NULL;
    const struct scryi_tile_cost domain = {.each = 1};
    if (tiles_for(&tiles, r, image, ps, draws, samples, &unsaid) != SCRY_OK ||
        scryi_tiles_plan(&one, &part, psf, &domain, 0, &unsaid) != SCRY_OK)
        return (struct scryi_pace_way){INFINITY, 1};
    const double count = (double)scryi_tiles_count(&tiles);
    return (struct scryi_pace_way){count * scryi_tiles_bytes(&tiles, &image->space, psf, &domain) /
                                       scryi_tiles_bytes(&one, &part, psf, &domain),
                                   scryi_tiles_count(&tiles)};
}

scry_status scryi_restore_keep_time(scry_restorer *r, const scry_image *image, scry_error *err)
{
    const scry_restore_request *q = r->setup.request;
    const size_t samples = q->samples ? q->samples : SCRYI_RESTORE_SAMPLES;
    scry_space ps;
    const scry_status st = psf_shape(&ps, r, image, err);
    if (st != SCRY_OK) return st;
    struct scryi_pace pace = {.judgement = &r->judgement,
                              .share = r->share,
                              .options = r->chosen,
                              .draws = pace_way(r, image, &ps, true, samples),
                              .fits = pace_way(r, image, &ps, false, 1),
                              .pixels = scry_space_count(&image->space),
                              .planes = image->space.rank == 3 ? image->space.dims[0] : 1,
                              .samples = samples,
                              .threads = q->threads,
                              .limit = q->seconds,
                              .spent = scry_clock() - r->began};
    scryi_pace_keep(&pace, r->maps.count > 0, &q->log);
    r->draws = pace.samples;
    return SCRY_OK;
}

/* ---- one tile after the other ---- */

struct tile_run {
    scry_restorer *r;
    const struct image_task *task;
    scryi_restore_step *step;
    double began;
    size_t done;
    struct scryi_steps steps; /* of the first tile */
    scry_options options;     /* with as many iterations */
};

/* Steps of all tiles are those of one run. */
static bool tile_monitor(const scry_chains_progress *p, void *ctx)
{
    struct tile_run *t = ctx;
    scry_chains_progress all = *p;
    if (p->chains && !t->done) scryi_steps_see(&t->steps, p->p);
    if (t->done) all.chains *= scryi_tiles_count(&t->r->tiles) - 1;
    return !t->task->monitor || t->task->monitor(&all, t->task->ctx);
}

/* The other tiles get as many iterations as the first, where the method chose them: tiles of
 * different sharpness would show. */
static void tile_keep_iterations(struct tile_run *t)
{
    scry_error unsaid = {0};
    t->options = *t->r->options;
    if (t->steps.last < t->steps.all &&
        scry_options_read(&t->options, "stop", "steps", &unsaid) == SCRY_OK &&
        scry_options_set(&t->options, "iterations", (double)t->steps.last, &unsaid) == SCRY_OK)
        t->r->options = &t->options;
}

static scry_status restore_run_tile(void *ctx, scry_restore_result *out, const scry_image *tile,
                                    size_t number, scry_error *err)
{
    struct tile_run *t = ctx;
    const size_t count = scryi_tiles_count(&t->r->tiles);
    const struct image_task task = {.image = tile,
                                    .whole = t->task->whole,
                                    .sample = t->task->sample,
                                    .seed = scry_recon_seed(t->task->seed, number),
                                    .again = t->done > 0,
                                    .monitor = tile_monitor,
                                    .ctx = t};
    const scry_status st = t->step(out, t->r, &task, err);
    if (st == SCRY_OK && !t->done++) {
        scryi_pace_log_tiles(scry_clock() - t->began, &t->steps, count, &t->r->setup.request->log);
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
