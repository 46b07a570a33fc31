/* Holes of an image, where no method is named: see apps/recon/image/filling.h. */
#include "apps/recon/image/restore_impl.h"

#include "apps/recon/image/holes_impl.h"
#include "lib/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { COPIES = 3, SIDE = 256 };

/* Pixels of copies: what is there, and how it is filled. */
struct trial {
    float *pixels; /* of the window; `known` is its mask, without the copy's pixels in `seen` */
    unsigned char *known, *seen, *hidden;
    size_t ny, nx, count, copies;
    float *truth, *smooth, *mean, *apart; /* of `count` hidden pixels */
};

static void trial_free(struct trial *t)
{
    scry_free(t->pixels);
    scry_free(t->known);
    scry_free(t->truth);
}

/* ---- the window ---- */

static size_t window_value(const unsigned char *known, size_t nx, size_t top, size_t left,
                           size_t height, size_t width)
{
    size_t count = 0;
    for (size_t y = top; y < top + height; y++)
        for (size_t x = left; x < left + width; x++)
            count += known[y * nx + x] != 0;
    const size_t holes = height * width - count;
    return count < holes ? count : holes;
}

/* Of an image that is larger, the window that has most of both, holes and known pixels. */
static scry_status trial_cut(struct trial *t, const scry_image *image, const unsigned char *known,
                             scry_error *err)
{
    const size_t ny = image->space.dims[0], nx = image->space.dims[1];
    const size_t height = t->ny = ny < SIDE ? ny : SIDE, width = t->nx = nx < SIDE ? nx : SIDE;
    const size_t n = height * width;
    size_t best = 0, from = 0;
    for (size_t top = 0; top + height <= ny; top += (height + 1) / 2)
        for (size_t left = 0; left + width <= nx; left += (width + 1) / 2) {
            const size_t value = window_value(known, nx, top, left, height, width);
            if (value <= best) continue;
            best = value;
            from = top * nx + left;
        }
    t->pixels = scry_alloc(n, sizeof *t->pixels);
    t->known = scry_alloc(3 * n, 1);
    t->truth = scry_alloc(4 * COPIES * n, sizeof *t->truth);
    if (!t->pixels || !t->known || !t->truth)
        return SCRY_FAIL(err, SCRY_ENOMEM, "copies of holes in %zu pixels", n);
    t->seen = t->known + n;
    t->hidden = t->seen + n;
    t->smooth = t->truth + COPIES * n;
    t->mean = t->smooth + COPIES * n;
    t->apart = t->mean + COPIES * n;
    for (size_t y = 0; y < height; y++) {
        memcpy(t->pixels + y * width, image->pixels + from + y * nx, width * sizeof *t->pixels);
        memcpy(t->known + y * width, known + from + y * nx, width);
    }
    return SCRY_OK;
}

/* ---- one copy ---- */

struct fill_monitor {
    scry_chains_monitor *monitor;
    void *ctx;
};

static bool fill_watch(const scry_chains_progress *p, void *ctx)
{
    const struct fill_monitor *m = ctx;
    scry_chains_progress trial = *p;
    trial.trial = true;
    return !m->monitor || m->monitor(&trial, m->ctx);
}

/* The window without the copy's pixels, filled, at those pixels. */
static scry_status fill_once(float *to, const struct trial *t, const scry_restore_request *said,
                             const scry_options *options, uint64_t seed, struct fill_monitor *m,
                             scry_error *err)
{
    scry_restore_request q = *said;
    scry_restorer *r = NULL;
    scry_restore_result result = {0};
    const scry_image image = {
        .space = SCRY_SPACE(t->ny, t->nx), .pixels = t->pixels, .known = t->seen};
    q.options = options;
    q.draws = NULL;
    q.samples = 1;
    q.maps = NULL;
    q.defects = SCRY_DEFECTS_KEEP;
    q.log = (scry_log){0};
    scry_status st = scry_restorer_create(&r, &q, err);
    if (st == SCRY_OK) st = scry_restorer_run(&result, r, &image, seed, fill_watch, m, err);
    for (size_t i = 0, k = 0; i < t->ny * t->nx && st == SCRY_OK; i++)
        if (t->hidden[i]) to[k++] = result.mean[i];
    scry_restore_result_free(&result);
    scry_restorer_free(r);
    return st;
}

/* Adds the pixels of a copy to the lists. */
static scry_status try_copy(struct trial *t, const scry_restorer *r, const struct image_task *task,
                            uint32_t number, scry_error *err)
{
    const scry_restore_request *q = r->setup.request;
    struct fill_monitor m = {task->monitor, task->ctx};
    size_t count, at = t->count;
    scry_status st =
        scryi_holes_copy(t->hidden, &count, t->known, t->ny, t->nx, task->seed, number, err);
    if (st != SCRY_OK || !count) return st;
    for (size_t i = 0, k = at; i < t->ny * t->nx; i++) {
        t->seen[i] = t->known[i] && !t->hidden[i];
        if (t->hidden[i]) t->truth[k++] = t->pixels[i];
    }
    const uint64_t seed = task->seed + 2 * number;
    st = fill_once(t->smooth + at, t, q, &r->smooth, seed, &m, err);
    if (st == SCRY_OK) st = fill_once(t->mean + at, t, q, &r->named, seed, &m, err);
    if (st == SCRY_OK) st = fill_once(t->apart + at, t, q, &r->named, seed + 1, &m, err);
    if (st != SCRY_OK) return st;
    for (size_t k = at; k < at + count; k++) {
        const float first = t->mean[k], second = t->apart[k];
        t->mean[k] = (first + second) / 2;
        t->apart[k] = first - second;
    }
    t->count += count;
    t->copies++;
    return SCRY_OK;
}

/* ---- the weight ---- */

/* Least squares of truth - b = w (m - b) over the copies, where the mean m of `draws` draws is that
 * of two of them with less of their difference. */
static double find_weight(const struct trial *t, size_t draws)
{
    const double fewer = 1 / (double)draws - 0.5;
    double square = 0, along = 0;
    for (size_t k = 0; k < t->count; k++) {
        const double b = (double)t->smooth[k], step = (double)t->mean[k] - b;
        square += step * step + fewer * (double)(t->apart[k] * t->apart[k]) / 2;
        along += step * ((double)t->truth[k] - b);
    }
    return !(square > 0) || along > square ? 1 : fmax(along / square, 0);
}

/* Errors on the copies, those of `draws` draws. */
static void find_errors(scry_filling *f, const struct trial *t, size_t draws)
{
    const double fewer = 1 / (double)draws - 0.5;
    const double w = f->weight;
    double mean = 0, smooth = 0, both = 0, sd = 0;
    for (size_t k = 0; k < t->count; k++) {
        const double b = (double)t->smooth[k], step = (double)t->mean[k] - b;
        const double variance = (double)(t->apart[k] * t->apart[k]) / 2;
        const double miss = (double)t->truth[k] - b;
        mean += (miss - step) * (miss - step) + fewer * variance;
        smooth += miss * miss;
        both += (miss - w * step) * (miss - w * step) + w * w * fewer * variance;
        sd += variance;
    }
    const double count = (double)t->count;
    f->draws_error = sqrt(fmax(mean, 0) / count);
    f->smooth_error = sqrt(smooth / count);
    f->error = sqrt(fmax(both, 0) / count);
    f->spread = sd > 0 ? f->error / sqrt(sd / count) : 1;
    f->pixels = t->count;
}

/* Draws alone where holes have no copies. */
static scry_status learn_weight(scry_filling *f, scry_restorer *r, const struct image_task *task,
                                const unsigned char *known, scry_error *err)
{
    struct trial t = {0};
    const size_t draws =
        r->setup.request->samples ? r->setup.request->samples : SCRYI_RESTORE_SAMPLES;
    scry_status st = trial_cut(&t, task->image, known, err);
    for (uint32_t k = 0; k < COPIES && st == SCRY_OK; k++)
        st = try_copy(&t, r, task, k, err);
    if (st == SCRY_OK && t.count) {
        f->weight = find_weight(&t, draws);
        f->draws = r->named.method;
        f->smooth = r->smooth.method;
        f->copies = t.copies;
        find_errors(f, &t, draws);
    }
    trial_free(&t);
    return st;
}

const char *scry_filling_print(const scry_filling *f, char *to, size_t size)
{
    snprintf(to, size,
             "%s and %s, averaged %.2g to %.2g, fill copies of the holes best, where the image is "
             "known: rms error %.3g, %s alone %.3g, %s alone %.3g; the error is %.2g times the sd "
             "of draws, and maps of the holes have that sd",
             f->draws->name, f->smooth->name, f->weight, 1 - f->weight, f->error, f->draws->name,
             f->draws_error, f->smooth->name, f->smooth_error, f->spread);
    return to;
}

/* ---- the image ---- */

/* The average in the holes, and there the maps of draws whose distance from it is what its errors
 * on the copies are. */
static void fill_average(scry_restore_result *to, const scry_restore_result *smooth,
                         const scry_filling *f, const scry_output_maps *maps,
                         const unsigned char *known, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (known[i]) continue;
        const double b = (double)smooth->mean[i], drawn = (double)to->mean[i];
        const double mean = b + f->weight * (drawn - b);
        to->mean[i] = (float)mean;
        for (size_t k = 0; k < maps->count; k++) {
            float *map = &to->maps[k * n + i];
            if (maps->list[k].kind == SCRY_OUTPUT_SD) *map = (float)(f->spread * (double)*map);
            if (maps->list[k].kind == SCRY_OUTPUT_QUANTILE)
                *map = (float)(mean + f->spread * ((double)*map - drawn));
        }
    }
}

/* Shares of draws above a level are not those of an average. */
static bool wants_shares(const scry_output_maps *maps)
{
    for (size_t k = 0; k < maps->count; k++)
        if (maps->list[k].kind == SCRY_OUTPUT_ABOVE) return true;
    return false;
}

/* The weight of a channel, by its first image whose holes have copies. */
static scry_status fill_weight(scry_restorer *r, const struct image_task *task,
                               const unsigned char *known, scry_error *err)
{
    scry_error why = {0};
    char text[400];
    if (r->judged && r->channel == task->image->channel) return SCRY_OK;
    r->filling = (scry_filling){.weight = 1};
    const scry_status st = learn_weight(&r->filling, r, task, known, &why);
    if (st == SCRY_ESTOP || st == SCRY_ENOMEM) return scry_fail(err, st, why.where, "%s", why.text);
    if (st != SCRY_OK) scry_log_note(&r->setup.request->log, "draws fill alone: %s", why.text);
    if (r->filling.draws)
        scry_log_note(&r->setup.request->log, "holes: %s",
                      scry_filling_print(&r->filling, text, sizeof text));
    r->judged = r->filling.draws != NULL;
    r->channel = task->image->channel;
    return SCRY_OK;
}

/* Known pixels keep their values: noise would be in the smoothest image through them. */
static bool counts_as_exact(const scry_restore_request *q)
{
    const scry_noise_request *n = &q->noise;
    return n->choice != SCRY_NOISE_ESTIMATED && !(n->sigma > 0) && !(n->gain > 0);
}

scry_status scryi_restore_fill(scry_restore_result *out, scry_restorer *r,
                               const struct image_task *task, scry_error *err)
{
    const size_t n = scry_space_count(&task->image->space);
    const unsigned char *known = task->image->known;
    const bool asks = known && task->image->space.rank == 2 && !wants_shares(&r->maps);
    scry_restore_result smooth = {0};
    scry_status st = asks ? fill_weight(r, task, known, err) : SCRY_OK;
    const bool drawless =
        asks && !r->maps.count && r->filling.weight <= 0 && counts_as_exact(r->setup.request);
    if (st == SCRY_OK && drawless) {
        st = scryi_restore_by(out, r, &r->smooth, task, err);
        out->filling = r->filling;
        return st;
    }
    if (st == SCRY_OK) st = scryi_restore_by(out, r, &r->named, task, err);
    if (st != SCRY_OK || !asks || !r->filling.draws) return st;
    const scry_output_maps maps = r->maps;
    r->maps = (scry_output_maps){0}; /* of draws */
    st = scryi_restore_quietly(&smooth, r, &r->smooth, task, err);
    r->maps = maps;
    if (st == SCRY_OK) fill_average(out, &smooth, &r->filling, &maps, known, n);
    scry_restore_result_free(&smooth);
    out->filling = r->filling;
    return st;
}
