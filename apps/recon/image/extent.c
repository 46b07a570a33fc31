#include "apps/recon/image/restore_impl.h"

#include "apps/recon/image/judge.h"
#include "lib/memory.h"

#include <math.h>

/* A PSF that is too large predicts light that was not seen worse than a smaller one does, and only
 * after many iterations; too small ones predict alike. Simulated stacks (points, threads, cells
 * with grains; 30 to 3000 electrons; 16 x 64 x 64): with a PSF 1.4 times as long along z as the
 * right one the result is 1 to 17 dB further from the truth, after 50 to 500 iterations, and one .8
 * times as long as that predicts better by .0003 to .02 nats a pixel, from 100 electrons on mostly
 * by .004; next to the right one (8 to 50 iterations up to 300 electrons, 20 to 400 above) it does
 * so by .001 at most, and is up to 4 dB further from the truth. */
static const double SHORTER = 0.8, NARROWER = 0.85; /* factors between two that are compared */
static const double BETTER = 1.1e-3, SLOWLY_BETTER = 4e-4; /* nats a pixel */
enum { SLOW = 60 }; /* iterations of the larger, for the second of them to count */
enum { STEPS = 4, SAMPLE = 1 << 17 }; /* of either factor; voxels that are asked */

struct extent {
    double width, depth; /* factors, on all axes and besides along z */
};

static void extent_use(scry_restorer *r, struct extent e)
{
    r->setup.psf.request.width = r->settled.psf.width = e.width;
    r->setup.psf.request.depth = r->settled.psf.depth = e.depth;
}

/* How well the classical contender predicts light that it has not seen, NAN where it cannot be
 * asked, and after how many iterations. */
struct prediction {
    double score;
    size_t iterations;
};

static scry_status extent_ask(struct prediction *out, scry_restorer *r, struct extent e,
                              const scry_image *part, const struct image_task *task,
                              scry_error *err)
{
    scry_judgement found;
    scry_error unsaid = {0};
    extent_use(r, e);
    scry_restore_request q = *r->setup.request;
    q.log = (scry_log){0};
    const scry_options *const list[] = {scryi_restore_classical(r)};
    const scry_status st = scry_judge_methods(&found, &q, part, list, 1, task->seed, task->monitor,
                                              task->ctx, &unsaid);
    *out = (struct prediction){NAN, 0};
    if (st == SCRY_OK) *out = (struct prediction){found.of[0].score, found.of[0].iterations};
    if (st == SCRY_ESTOP || st == SCRY_ENOMEM) return SCRY_FAIL(err, st, "%s", unsaid.text);
    return SCRY_OK;
}

/* As much smaller as light that was not seen is predicted better by it. */
static scry_status extent_shrink(struct extent *e, struct prediction *best, bool along_z,
                                 scry_restorer *r, const scry_image *part,
                                 const struct image_task *task, scry_error *err)
{
    scry_status st = SCRY_OK;
    for (int k = 0; k < STEPS && st == SCRY_OK; k++) {
        struct prediction now;
        const struct extent less = along_z
                                       ? (struct extent){e->width, SHORTER * e->depth}
                                       : (struct extent){NARROWER * e->width, e->depth / NARROWER};
        st = extent_ask(&now, r, less, part, task, err);
        const double least = best->iterations > SLOW ? SLOWLY_BETTER : BETTER;
        if (st != SCRY_OK || !(now.score > best->score + least)) break;
        *best = now;
        *e = less;
    }
    extent_use(r, *e);
    return st;
}

static void extent_keep(scry_restore_result *out, scry_restorer *r, const scry_image *image,
                        struct extent first, struct extent now)
{
    const double width = now.width / r->given_width;
    scry_log_note(
        &r->setup.request->log,
        "light that was held back is predicted better by a psf that is %.3g times as wide "
        "and %.3g times as long along z: it is used, and --psf-width 1 keeps the given one",
        width, width * now.depth);
    if (scry_psf_fit_of(&r->widths, image->channel))
        r->widths.channels[image->channel].used = width;
    if (image->channel < r->widths.count) r->widths.channels[image->channel].depth = now.depth;
    if (now.width < first.width) {
        r->narrowing = width;
        r->narrowed_channel = image->channel;
    }
    out->psf_factor = width;
    out->psf_depth = now.depth;
}

scry_status scryi_restore_settle_extent(scry_restore_result *out, scry_restorer *r,
                                        const struct image_task *task, scry_error *err)
{
    const scry_image *image = task->sample;
    const scry_psf_request *psf = &r->setup.psf.request;
    if (image->number || scry_image_axes(image) != 3 || image->space.dims[0] < 2 ||
        !scryi_restore_classical(r) || !(psf->depth > 0) || r->uneven)
        return SCRY_OK;
    const struct extent first = {psf->width > 0 ? psf->width : 1, psf->depth};
    struct extent e = first;
    struct scryi_tile_sample part;
    struct prediction best;
    scry_status st = scryi_tile_sample_take(&part, image, SAMPLE, err);
    if (st != SCRY_OK) return st;
    st = extent_ask(&best, r, e, &part.image, task, err);
    if (st == SCRY_OK && isfinite(best.score)) {
        st = extent_shrink(&e, &best, true, r, &part.image, task, err);
        if (st == SCRY_OK) st = extent_shrink(&e, &best, false, r, &part.image, task, err);
    }
    scryi_tile_sample_free(&part);
    if (st == SCRY_OK && (e.width < first.width || e.depth < first.depth))
        extent_keep(out, r, image, first, e);
    return st;
}
