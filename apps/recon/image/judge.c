#include "apps/recon/image/judge.h"

#include "apps/recon/image/pace_impl.h"
#include "apps/recon/image/pose_impl.h"
#include "apps/recon/image/restore_impl.h"
#include "apps/recon/image/residual.h"

#include "apps/recon/transfer.h"
#include "lib/memory.h"
#include "lib/progress.h"
#include "lib/stats/fission.h"
#include "lib/vector.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A tenth of the light: the restored part is nearly the whole. Two splits halve the scatter that
 * the split itself brings. */
#define SHARE 0.1
enum { SPLITS = 2, BLOCK = 16, SIDE = 256, SIDE_MIN = 64, VOXELS = 1 << 18, SMOOTH = 2 };
enum { CELL = 8 }; /* pixels whose mean shows structure above the noise */

/* A part of the image that is judged, and its noise. */
struct part {
    scry_image image; /* pixels and known are ours */
    float *pixels;
    unsigned char *known;
    scry_noise noise;
    scry_noise_model model;
    float *variance;     /* of a pixel in the passband, file's unit: that of its score */
    float *brightness;   /* without noise */
    float *seen;         /* of one split */
    float *held;         /* of every split: SPLITS x n */
    float *mean, *extra; /* predictions, and the addition of few draws to their square
                            error: contenders x SPLITS x n */
    size_t n, blocks;    /* pixels; blocks of BLOCK x BLOCK of all planes */
    size_t whole;        /* pixels of the image */
    double study;        /* seconds for each of them */
    double *weight;      /* known pixels of a block */
};

static void part_free(struct part *p)
{
    scry_free(p->pixels);
    scry_free(p->known);
    scry_free(p->variance);
    scry_free(p->brightness);
    scry_free(p->seen);
    scry_free(p->held);
    scry_free(p->mean);
    scry_free(p->extra);
}

/* ---- the part ---- */

struct cut {
    size_t ny, nx, nz, top, left, height, width;
};

/* Where the image varies most, after noise is averaged: the window of `side` pixels whose 8 x 8
 * block means have the largest variance. Flat background says nothing of methods. */
static void busiest_window(struct cut *c, const scry_image *image, size_t side)
{
    const scry_space *s = &image->space;
    const int r = s->rank;
    double best = -1;
    c->ny = s->dims[r - 2];
    c->nx = s->dims[r - 1];
    c->nz = scry_space_count(s) / (c->ny * c->nx);
    c->height = c->ny < side ? c->ny : side;
    c->width = c->nx < side ? c->nx : side;
    const float *plane = image->pixels + c->nz / 2 * c->ny * c->nx;
    for (size_t top = 0; top + c->height <= c->ny; top += (c->height + 1) / 2)
        for (size_t left = 0; left + c->width <= c->nx; left += (c->width + 1) / 2) {
            double sum = 0, squares = 0, count = 0;
            for (size_t y = top; y + CELL <= top + c->height; y += CELL)
                for (size_t x = left; x + CELL <= left + c->width; x += CELL) {
                    double mean = 0;
                    for (size_t i = 0; i < CELL * CELL; i++)
                        mean +=
                            (double)plane[(y + i / CELL) * c->nx + x + i % CELL] / (CELL * CELL);
                    if (!isfinite(mean)) continue;
                    sum += mean;
                    squares += mean * mean;
                    count++;
                }
            const double variance = count > 0 ? squares / count - sum / count * (sum / count) : 0;
            if (variance <= best) continue;
            best = variance;
            c->top = top;
            c->left = left;
        }
}

static scry_status part_alloc(struct part *p, const struct cut *c, const scry_image *image,
                              size_t count, scry_error *err)
{
    const size_t n = p->n = c->nz * c->height * c->width;
    p->whole = scry_space_count(&image->space);
    p->image = *image;
    p->image.space = image->space;
    p->image.space.dims[image->space.rank - 2] = c->height;
    p->image.space.dims[image->space.rank - 1] = c->width;
    p->pixels = scry_alloc(n, sizeof *p->pixels);
    p->known = scry_alloc(n, 1);
    p->variance = scry_alloc(n, sizeof *p->variance);
    p->brightness = scry_alloc(n, sizeof *p->brightness);
    p->seen = scry_alloc(n, sizeof *p->seen);
    p->held = scry_alloc(SPLITS * n, sizeof *p->held);
    p->mean = scry_alloc(count * SPLITS * n, sizeof *p->mean);
    p->extra = scry_alloc(count * SPLITS * n, sizeof *p->extra);
    const size_t rows = (c->height + BLOCK - 1) / BLOCK, columns = (c->width + BLOCK - 1) / BLOCK;
    p->blocks = c->nz * rows * columns;
    if (p->pixels && p->known && p->variance && p->brightness && p->seen && p->held && p->mean &&
        p->extra)
        return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "held-out light of %zu pixels", n);
}

/* Mean over the known pixels of (2 SMOOTH + 1)^2 neighbours, from which a pixel's variance is read.
 */
static double local_mean(const struct part *p, const struct cut *c, size_t z, size_t y, size_t x)
{
    const size_t y0 = y > SMOOTH ? y - SMOOTH : 0, x0 = x > SMOOTH ? x - SMOOTH : 0;
    double sum = 0, count = 0;
    for (size_t i = y0; i < c->height && i <= y + SMOOTH; i++)
        for (size_t j = x0; j < c->width && j <= x + SMOOTH; j++) {
            const size_t at = (z * c->height + i) * c->width + j;
            if (!p->known[at]) continue;
            sum += (double)p->pixels[at];
            count++;
        }
    return count > 0 ? sum / count : 0;
}

static scry_status part_cut(struct part *p, const scry_restore_request *q, const scry_image *image,
                            size_t contenders, scry_error *err)
{
    struct cut c = {0};
    const size_t count = scry_space_count(&image->space);
    const size_t planes = image->space.rank == 3 ? image->space.dims[0] : 1;
    const size_t fits = (size_t)sqrt((double)VOXELS / (double)planes);
    busiest_window(&c, image, fits < SIDE_MIN ? SIDE_MIN : fits > SIDE ? SIDE : fits);
    scry_status st = part_alloc(p, &c, image, contenders, err);
    if (st != SCRY_OK) return st;
    unsigned char *known = scry_alloc(count, 1);
    if (!known) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", count);
    const double began = scry_clock();
    st = scryi_image_study(&p->noise, &p->model, known, q, image, err);
    p->study = (scry_clock() - began) / (double)count;
    for (size_t i = 0; i < p->n && st == SCRY_OK; i++) {
        const size_t z = i / (c.height * c.width), y = i / c.width % c.height, x = i % c.width;
        const size_t from = (z * c.ny + c.top + y) * c.nx + c.left + x;
        p->pixels[i] = image->pixels[from];
        p->known[i] = known[from];
    }
    for (size_t i = 0; i < p->n && st == SCRY_OK; i++) {
        const double mean =
            local_mean(p, &c, i / (c.height * c.width), i / c.width % c.height, i % c.width);
        p->variance[i] = (float)scry_noise_variance(&p->noise, mean);
        p->brightness[i] = (float)mean;
    }
    scry_free(known);
    p->image.known = p->known;
    p->image.pixels = p->seen;
    return st;
}

/* ---- one contender ---- */

/* The monitor of the caller, and the steps that it sees. */
struct judge_monitor {
    scry_chains_monitor *monitor;
    void *ctx;
    struct scryi_steps steps;
};

static bool judge_watch(const scry_chains_progress *p, void *ctx)
{
    struct judge_monitor *m = ctx;
    scry_chains_progress trial = *p;
    trial.trial = true;
    if (p->chains) scryi_steps_see(&m->steps, p->p);
    return !m->monitor || m->monitor(&trial, m->ctx);
}

static scry_status judge_predict(float *to, scry_restorer *r, const struct part *p, uint64_t seed,
                                 struct judge_monitor *monitor, scry_error *err)
{
    scry_restore_result result = {0};
    monitor->steps = (struct scryi_steps){0};
    const scry_status st =
        scry_restorer_run(&result, r, &p->image, seed, judge_watch, monitor, err);
    if (st == SCRY_OK) memcpy(to, result.predicted, p->n * sizeof *to);
    scry_restore_result_free(&result);
    return st;
}

/* The light of one split, seen and held. */
static scry_status judge_split(struct part *p, uint64_t seed, uint32_t split, scry_error *err)
{
    const scry_space *s = &p->image.space;
    const size_t ny = s->dims[s->rank - 2], nx = s->dims[s->rank - 1];
    float *held = p->held + split * p->n;
    const scry_status st = scry_fission_draw(held, &p->model, p->variance, p->brightness,
                                             p->n / (ny * nx), ny, nx, seed, split, err);
    return st == SCRY_OK ? scry_fission_split(p->seen, held, p->pixels, held, p->n, SHARE, err)
                         : st;
}

/* Mean square of the residual of a prediction in the light that was seen, in units of its noise. */
static double misfit_of(const struct part *p, const float *mean)
{
    double sum = 0, count = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (!p->known[i] || !(p->variance[i] > 0)) continue;
        const double miss = (double)p->seen[i] - mean[i];
        sum += miss * miss * (1 - SHARE) / p->variance[i];
        count++;
    }
    return count > 0 ? sum / count : 0;
}

/* After the first chain on the part: two of them on the whole image, at a time, are within the time
 * that is allowed. Where they are not, the method is not asked further. */
static scry_status judge_in_time(const struct part *p, const scry_restore_request *q,
                                 double seconds, scry_error *err)
{
    const double all = seconds * (double)p->whole / (double)p->n;
    if (!(q->seconds > 0) || all <= q->seconds) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EUNSUP,
                     "chains of the whole image would take %.3g times as long as "
                     "allowed (--time)",
                     all / q->seconds);
}

/* Fills mean and extra of contender k for every split. */
static scry_status judge_one(scry_judged *judged, struct part *p, size_t k,
                             const scry_restore_request *request, const scry_options *options,
                             uint64_t seed, struct judge_monitor *monitor, scry_error *err)
{
    scry_restore_request q = *request;
    const bool posterior = options->method->kind == SCRY_POSTERIOR;
    const double draws = q.samples ? (double)q.samples : SCRYI_RESTORE_SAMPLES;
    scry_restorer *r = NULL;
    q.options = options;
    q.draws = NULL;
    q.samples = 1;
    q.maps = NULL;
    q.predict = true;
    q.defects = SCRY_DEFECTS_KEEP;
    q.noise = scry_noise_seen(&p->noise, SHARE);
    q.log = (scry_log){0};
    scry_status st = scry_restorer_create(&r, &q, err);
    for (uint32_t s = 0; s < SPLITS && st == SCRY_OK; s++) {
        float *mean = p->mean + (k * SPLITS + s) * p->n,
              *extra = p->extra + (k * SPLITS + s) * p->n;
        st = judge_split(p, seed, s, err);
        const double began = scry_clock();
        if (st == SCRY_OK) st = judge_predict(mean, r, p, seed + 2 * s, monitor, err);
        if (st == SCRY_OK && posterior && s == 0 && !(request->maps && request->maps->count))
            st = judge_in_time(p, request, scry_clock() - began, err);
        if (st == SCRY_OK) {
            judged->misfit += misfit_of(p, mean) / SPLITS;
            judged->iterations += monitor->steps.last;
            judged->steps += monitor->steps.done;
        }
        if (st != SCRY_OK || !posterior) continue;
        st = judge_predict(extra, r, p, seed + 2 * s + 1, monitor, err);
        for (size_t i = 0; i < p->n && st == SCRY_OK; i++) {
            const double apart = (double)extra[i] - mean[i];
            mean[i] += (float)(apart / 2);
            extra[i] = (float)((1 / draws - 0.5) * apart * apart / 2);
        }
    }
    judged->iterations = (judged->iterations + SPLITS - 1) / SPLITS;
    judged->steps = (judged->steps + SPLITS - 1) / SPLITS;
    scry_restorer_free(r);
    return st;
}

/* ---- all of them ---- */

/* Scores of the mean of the contenders with these weights, a block that holds a known pixel each;
 * their count. The draws of different methods are independent. */
static size_t score_mixture(double *score, struct part *p, const double *weight, size_t count)
{
    const scry_space *space = &p->image.space;
    const size_t ny = space->dims[space->rank - 2], nx = space->dims[space->rank - 1];
    const size_t rows = (ny + BLOCK - 1) / BLOCK, columns = (nx + BLOCK - 1) / BLOCK;
    memset(score, 0, p->blocks * sizeof *score);
    memset(p->weight, 0, p->blocks * sizeof *p->weight);
    for (size_t j = 0; j < SPLITS * p->n; j++) {
        const size_t i = j % p->n, z = i / (ny * nx), y = i / nx % ny, x = i % nx;
        if (!p->known[i] || !(p->variance[i] > 0)) continue;
        const size_t block = (z * rows + y / BLOCK) * columns + x / BLOCK;
        double miss = p->held[j], extra = 0;
        for (size_t k = 0; k < count; k++) {
            if (!(weight[k] > 0)) continue;
            miss -= weight[k] * p->mean[k * SPLITS * p->n + j];
            extra += weight[k] * weight[k] * p->extra[k * SPLITS * p->n + j];
        }
        score[block] -= (miss * miss + extra) * SHARE / (2 * (double)p->variance[i]);
        p->weight[block]++;
    }
    size_t used = 0;
    for (size_t b = 0; b < p->blocks; b++)
        if (p->weight[b] > 0) score[used++] = score[b] / p->weight[b];
    return used;
}

static double mean_of(const double *score, size_t used)
{
    double sum = 0;
    for (size_t b = 0; b < used; b++)
        sum += score[b] / (double)used;
    return sum;
}

/* The best contender, alone or averaged with another one; and how far each alone is behind it. */
static void rank_contenders(scry_judgement *out, struct part *p, double *best, double *score)
{
    static const double shares[] = {0.25, 0.5, 0.75};
    double value[SCRY_JUDGE_MAX], top = -INFINITY;
    for (size_t k = 0; k < out->count; k++) {
        double alone[SCRY_JUDGE_MAX] = {0};
        if (out->of[k].failure[0]) continue;
        alone[k] = 1;
        value[k] = mean_of(score, score_mixture(score, p, alone, out->count));
        out->of[k].score = value[k];
        if (value[k] <= top) continue;
        top = value[k];
        out->best = k;
    }
    for (size_t k = 0; k < out->count; k++)
        out->of[k].weight = k == out->best;
    for (size_t k = 0; k < out->count; k++)
        for (size_t s = 0; s < 3 && k != out->best && !out->of[k].failure[0]; s++) {
            double both[SCRY_JUDGE_MAX] = {0};
            both[k] = shares[s];
            both[out->best] = 1 - shares[s];
            const double together = mean_of(score, score_mixture(score, p, both, out->count));
            if (together <= top) continue;
            top = together;
            for (size_t o = 0; o < out->count; o++)
                out->of[o].weight = both[o];
        }
    double chosen[SCRY_JUDGE_MAX];
    for (size_t k = 0; k < out->count; k++)
        chosen[k] = out->of[k].weight;
    const size_t used = score_mixture(best, p, chosen, out->count);
    for (size_t k = 0; k < out->count; k++) {
        double alone[SCRY_JUDGE_MAX] = {0};
        alone[k] = 1;
        if (out->of[k].failure[0] || out->of[k].weight >= 1) continue;
        score_mixture(score, p, alone, out->count);
        out->of[k].behind = scry_margin_of(best, score, used);
    }
}

static void judge_name(scry_judged *to, const scry_judgement *all, size_t k,
                       const scry_options *options)
{
    char settings[60] = "";
    bool again = false;
    for (size_t o = 0; o < k; o++)
        again = again || all->of[o].method == options->method;
    if (again && scry_options_text(options, settings, sizeof settings, NULL) != SCRY_OK)
        settings[0] = '\0';
    snprintf(to->name, sizeof to->name, "%.18s%s%s", options->method->name, *settings ? " " : "",
             settings);
}

static scry_status judge_all(scry_judgement *out, struct part *p, const scry_restore_request *q,
                             const scry_options *const *options, uint64_t seed,
                             struct judge_monitor *monitor, scry_error *err)
{
    scry_error failure = {0};
    size_t done = 0;
    for (size_t k = 0; k < out->count; k++) {
        const double began = scry_clock();
        scry_error one = {0};
        out->of[k].method = options[k]->method;
        judge_name(&out->of[k], out, k, options[k]);
        const scry_status st = judge_one(&out->of[k], p, k, q, options[k], seed, monitor, &one);
        out->of[k].seconds = scry_clock() - began;
        if (st == SCRY_ESTOP || st == SCRY_ENOMEM) return SCRY_FAIL(err, st, "%s", one.text);
        if (st == SCRY_OK) {
            done++;
            continue;
        }
        snprintf(out->of[k].failure, sizeof out->of[k].failure, "%.150s", one.text);
        failure = one;
    }
    return done ? SCRY_OK : SCRY_FAIL(err, failure.code, "%s", failure.text);
}

/* The part that is judged on, and three scores for each of its blocks; both are the caller's, also
 * after a failure. */
static scry_status judge_open(struct part *p, double **scores, const scry_restore_request *request,
                              const scry_image *image, size_t count, scry_error *err)
{
    if (!count || count > SCRY_JUDGE_MAX)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu contenders to judge, expected 1 to %d", count,
                         SCRY_JUDGE_MAX);
    const scry_status st = part_cut(p, request, image, count, err);
    if (st == SCRY_OK && !(*scores = scry_alloc(3 * p->blocks, sizeof **scores)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "scores of %zu blocks", p->blocks);
    return st;
}

scry_status scry_judge_methods(scry_judgement *out, const scry_restore_request *request,
                               const scry_image *image, const scry_options *const *options,
                               size_t count, uint64_t seed, scry_chains_monitor *monitor, void *ctx,
                               scry_error *err)
{
    struct part p = {0};
    struct judge_monitor watch = {.monitor = monitor, .ctx = ctx};
    double *scores = NULL;
    *out = (scry_judgement){.count = count, .share = SHARE, .splits = SPLITS};
    scry_status st = judge_open(&p, &scores, request, image, count, err);
    out->pixels = p.n;
    out->part = p.image.space;
    out->study = p.study;
    if (st == SCRY_OK) st = judge_all(out, &p, request, options, seed, &watch, err);
    if (st == SCRY_OK) {
        p.weight = scores + 2 * p.blocks;
        rank_contenders(out, &p, scores, scores + p.blocks);
    }
    scry_free(scores);
    part_free(&p);
    return st;
}

static const double CERTAIN = 5; /* standard errors */

void scry_judgement_halve(scry_judgement *j)
{
    size_t draws = 0, fit = j->count;
    while (draws < j->count &&
           !(j->of[draws].method->kind == SCRY_POSTERIOR && j->of[draws].weight > 0.5))
        draws++;
    for (size_t k = 0; k < j->count; k++)
        if (j->of[k].method->kind != SCRY_POSTERIOR && !j->of[k].failure[0] &&
            (fit == j->count || j->of[k].behind.mean < j->of[fit].behind.mean))
            fit = k;
    if (draws == j->count || fit == j->count) return;
    if (j->of[fit].behind.mean >= CERTAIN * j->of[fit].behind.error) return;
    for (size_t k = 0; k < j->count; k++)
        j->of[k].weight = k == draws || k == fit ? 0.5 : 0;
}

scry_status scry_judge_widths(scry_margin *gain, const scry_restore_request *request,
                              const scry_image *image, const scry_options *options,
                              const double *widths, size_t count, uint64_t seed,
                              scry_chains_monitor *monitor, void *ctx, scry_error *err)
{
    struct part p = {0};
    struct judge_monitor watch = {.monitor = monitor, .ctx = ctx};
    double *scores = NULL;
    scry_status st = judge_open(&p, &scores, request, image, count, err);
    for (size_t k = 0; k < count && st == SCRY_OK; k++) {
        scry_restore_request q = *request;
        scry_judged one = {0};
        q.psf.width = widths[k];
        st = judge_one(&one, &p, k, &q, options, seed, &watch, err);
    }
    for (size_t k = 0; k < count && st == SCRY_OK; k++) {
        double alone[SCRY_JUDGE_MAX] = {0};
        alone[k] = 1;
        p.weight = scores + 2 * p.blocks;
        double *now = scores + k % 2 * p.blocks, *before = scores + (k + 1) % 2 * p.blocks;
        const size_t used = score_mixture(now, &p, alone, count);
        gain[k] = k ? scry_margin_of(now, before, used) : (scry_margin){0};
    }
    scry_free(scores);
    part_free(&p);
    return st;
}

const char *scry_judgement_print(const scry_judgement *j, char *to, size_t size)
{
    const scry_judged *best = &j->of[j->best];
    size_t used = (size_t)snprintf(to, size, "%s", best->name);
    for (size_t k = 0; k < j->count && used < size; k++)
        if (k != j->best && j->of[k].weight > 0)
            used += (size_t)snprintf(to + used, size - used, " and %s, averaged %g to %g,",
                                     j->of[k].name, best->weight, j->of[k].weight);
    if (used < size)
        used += (size_t)snprintf(to + used, size - used, " predict%s light not seen before best",
                                 best->weight < 1 ? "" : "s");
    for (size_t k = 0; k < j->count && used < size; k++) {
        const scry_judged *o = &j->of[k];
        if (o->failure[0])
            used +=
                (size_t)snprintf(to + used, size - used, "; %s failed: %s", o->name, o->failure);
        else if (o->weight < 1)
            used += (size_t)snprintf(to + used, size - used,
                                     "; %s alone is behind by %.2g (se %.1g) nats a pixel", o->name,
                                     o->behind.mean, o->behind.error);
    }
    return to;
}
