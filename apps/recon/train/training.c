#include "apps/recon/train/training.h"

#include "apps/recon/train/notes.h"
#include "apps/recon/run.h"
#include "lib/io/json.h"
#include "lib/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const double scry_training_levels[SCRY_TRAINING_LEVELS] = {.05, .1, .2, .4, .8, 2};

#define PER_CLASS 8    /* held-out images of a class */
#define SIDE 128       /* of them */
#define WARM_UP 200    /* steps over which the rate rises */
#define RATE_LAST .01  /* of the rate, at the end */
#define SECONDS_MIN 60 /* between scores, which cost some seconds each */
#define SCORES 12      /* in a training */
#define COMPARED 8     /* images beside block matching at the end, but one of each class */
#define COMPARED_SIDE 16

enum { EXTRA_SECONDS, EXTRA_COUNT, EXTRA_MEGAPIXELS, EXTRA_MEAN, EXTRA_STD, EXTRAS };

typedef struct training {
    const scry_training_request *r;
    scry_trainer *trainer;
    scry_held_out held_out;
    double *psnr; /* level by image */
    double begun, spent, scored, loss, best;
    bool saved; /* the folder holds weights */
    size_t losses;
    scry_training_result *out;
} training;

static double clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double training_elapsed(const training *t)
{
    return clock_now() - t->begun;
}

/* Of several processes the first decides; the others hear of it. */
static bool training_leads(const training *t)
{
    return t->r->opts.team.size < 2 || !t->r->opts.team.rank;
}

static void training_tell(const training *t, void *decision, size_t bytes)
{
    const scry_train_team *team = &t->r->opts.team;
    if (team->size > 1) team->share(decision, bytes, 0);
}

static scry_status path_in(char *path, size_t size, const training *t, const char *file,
                           scry_error *err)
{
    const int n = snprintf(path, size, "%s/%s", t->r->folder, file);
    if (n > 0 && (size_t)n < size) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "a path longer than %zu characters", size);
}

static void training_identity(const training *t, float *extra)
{
    double mean, std;
    scry_image_set_moments(t->r->images, &mean, &std);
    extra[EXTRA_SECONDS] = (float)t->spent;
    extra[EXTRA_COUNT] = (float)scry_image_set_count(t->r->images, false);
    extra[EXTRA_MEGAPIXELS] = (float)scry_image_set_pixels(t->r->images, false) / 1e6f;
    extra[EXTRA_MEAN] = (float)mean;
    extra[EXTRA_STD] = (float)std;
}

static scry_status training_resume(training *t, scry_error *err)
{
    char path[4096];
    float found[EXTRAS], expected[EXTRAS];
    scry_status st = path_in(path, sizeof path, t, "state.safetensors", err);
    if (st == SCRY_OK) st = scry_trainer_load(t->trainer, path, found, EXTRAS, err);
    if (st != SCRY_OK) return st;
    training_identity(t, expected);
    t->spent = (double)found[EXTRA_SECONDS];
    for (int i = EXTRA_COUNT; i < EXTRAS; i++)
        if (found[i] != expected[i])
            return SCRY_FAIL(err, SCRY_EFORMAT,
                             "%s: of %g images, %.6g megapixels, mean %.6g; these are %g, %.6g and "
                             "%.6g",
                             path, (double)found[EXTRA_COUNT], (double)found[EXTRA_MEGAPIXELS],
                             (double)found[EXTRA_MEAN], (double)expected[EXTRA_COUNT],
                             (double)expected[EXTRA_MEGAPIXELS], (double)expected[EXTRA_MEAN]);
    return SCRY_OK;
}

static scry_status append_log(const training *t, const double *mean, scry_error *err)
{
    char path[4096];
    scry_status st = path_in(path, sizeof path, t, "log.jsonl", err);
    if (st != SCRY_OK) return st;
    FILE *file = fopen(path, "a");
    if (!file) return SCRY_FAIL(err, SCRY_EIO, "%s: cannot be written", path);
    const size_t steps = scry_trainer_steps(t->trainer);
    char loss[32] = "null"; /* before the first step there is none, and NaN is not JSON */
    if (isfinite(t->out->loss)) snprintf(loss, sizeof loss, "%.5f", t->out->loss);
    fprintf(file, "{\"step\": %zu, \"seen\": %zu, \"minutes\": %.2f, \"loss\": %s, \"psnr\": {",
            steps, steps * t->r->opts.batch, t->spent / 60, loss);
    for (size_t k = 0; k < SCRY_TRAINING_LEVELS; k++)
        fprintf(file, "%s\"%g\": %.3f", k ? ", " : "", scry_training_levels[k], mean[k]);
    const bool good = fprintf(file, "}}\n") > 0;
    if (!fclose(file) && good) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EIO, "%s: cannot be written", path);
}

/* Held-out PSNR of the averaged weights, and those into the folder when they are the best. */
static scry_status training_score(training *t, bool save, scry_error *err)
{
    scry_network *net;
    double mean[SCRY_TRAINING_LEVELS], all = 0;
    scry_status st = scry_trainer_network(&net, t->trainer, err);
    if (st != SCRY_OK) return st;
    st = scry_held_out_psnr(t->psnr, &t->held_out, net, scry_training_levels, SCRY_TRAINING_LEVELS,
                            t->r->opts.threads, err);
    for (size_t k = 0; st == SCRY_OK && k < SCRY_TRAINING_LEVELS; k++) {
        mean[k] = scry_held_out_mean(&t->held_out, t->psnr + k * t->held_out.count);
        all += mean[k] / SCRY_TRAINING_LEVELS;
    }
    if (st == SCRY_OK && all > t->best) {
        t->best = all;
        memcpy(t->out->psnr, mean, sizeof mean);
        if (save) st = scry_network_save(net, t->r->folder, err);
        t->saved = t->saved || save;
        if (st == SCRY_OK && save)
            st = scry_training_notes(t->r, net, &t->held_out, t->psnr,
                                     scry_trainer_steps(t->trainer), err);
    }
    scry_network_free(net);
    if (st != SCRY_OK) return st;
    const size_t steps = scry_trainer_steps(t->trainer);
    char loss[32] = "";
    if (!isnan(t->out->loss)) snprintf(loss, sizeof loss, "  loss %.4f", t->out->loss);
    scry_log_note(&t->r->log,
                  "%7zu steps %9zu crops %6.1f min%s  held-out PSNR %.2f %.2f %.2f %.2f %.2f %.2f",
                  steps, steps * t->r->opts.batch, t->spent / 60, loss, mean[0], mean[1], mean[2],
                  mean[3], mean[4], mean[5]);
    return save ? append_log(t, mean, err) : SCRY_OK;
}

static scry_status training_save(training *t, scry_error *err)
{
    char path[4096];
    float extra[EXTRAS];
    const double now = clock_now();
    t->spent += now - t->scored;
    t->scored = now; /* scoring does not count */
    t->out->loss = t->losses ? t->loss / (double)t->losses : t->out->loss;
    t->loss = 0;
    t->losses = 0;
    scry_status st = training_score(t, true, err);
    training_identity(t, extra);
    if (st == SCRY_OK) st = path_in(path, sizeof path, t, "state.safetensors", err);
    if (st == SCRY_OK) st = scry_trainer_save(t->trainer, path, extra, EXTRAS, err);
    t->scored = clock_now();
    return st;
}

/* Saves a training that is stopped, without the score on held-out images, which takes long:
 * the state, and the weights too when none were the best before. */
static scry_status training_leave(training *t, scry_error *err)
{
    char path[4096];
    float extra[EXTRAS];
    scry_network *net = NULL;
    scry_status st = SCRY_OK;
    t->spent += clock_now() - t->scored;
    t->out->loss = t->losses ? t->loss / (double)t->losses : t->out->loss;
    if (!t->saved) {
        st = scry_trainer_network(&net, t->trainer, err);
        if (st == SCRY_OK) st = scry_network_save(net, t->r->folder, err);
        if (st == SCRY_OK)
            st = scry_training_notes(t->r, net, NULL, NULL, scry_trainer_steps(t->trainer), err);
        scry_network_free(net);
    }
    training_identity(t, extra);
    if (st == SCRY_OK) st = path_in(path, sizeof path, t, "state.safetensors", err);
    return st == SCRY_OK ? scry_trainer_save(t->trainer, path, extra, EXTRAS, err) : st;
}

/* The share of the training that has passed, 0 to 1. */
static double training_share(const training *t, size_t step)
{
    const double by_time = t->r->minutes > 0 ? training_elapsed(t) / (60 * t->r->minutes) : 0;
    const double by_steps = t->r->steps ? (double)step / (double)t->r->steps : 0;
    return fmax(by_time, by_steps);
}

/* One step, and the scores when they are due (share of the training, 0 to 1). */
static scry_status training_turn(training *t, size_t step, double share, double *next,
                                 scry_error *err)
{
    const scry_training_request *r = t->r;
    double loss;
    const double rise = fmin(1, (double)(step + 1) / WARM_UP);
    const double rate = rise * (r->hold ? 1 : fmax(RATE_LAST, 1 - share));
    scry_status st =
        scry_trainer_step(t->trainer, scry_image_set_crop, (void *)r->images, rate, &loss, err);
    if (st != SCRY_OK) return st;
    t->loss += loss;
    t->losses++;
    if (!training_leads(t)) return SCRY_OK;
    if (r->go_on && !r->go_on(r->ctx)) return SCRY_FAIL(err, SCRY_ESTOP, "stopped");
    if (share < *next || clock_now() - t->scored < SECONDS_MIN || training_share(t, step + 1) >= 1)
        return SCRY_OK;
    *next = share + 1. / SCORES;
    return training_save(t, err);
}

/* The next step, unless the training is over, or the first process cannot go on. */
static bool training_goes_on(const training *t, double *share, scry_status *st, size_t step)
{
    struct {
        double share;
        scry_status st;
    } decision = {training_share(t, step), *st};
    training_tell(t, &decision, sizeof decision);
    *share = decision.share;
    if (*st == SCRY_OK) *st = decision.st;
    return *st == SCRY_OK && *share < 1;
}

/* Beside the last scores, those of block matching on a few of the images. */
static scry_status training_compare(training *t, scry_error *err)
{
    const size_t count = t->held_out.count;
    const size_t classes = scry_image_set_classes(t->r->images);
    const size_t each = classes < COMPARED ? COMPARED / classes : 1;
    double *other = scry_alloc(count * SCRY_TRAINING_LEVELS, sizeof *other);
    if (!other) return SCRY_FAIL(err, SCRY_ENOMEM, "scores of %zu images", count);
    const scry_status st =
        t->held_out.side < COMPARED_SIDE
            ? SCRY_EUNSUP
            : scry_held_out_classical(other, &t->held_out, each, scry_training_levels,
                                      SCRY_TRAINING_LEVELS, t->r->opts.threads, err);
    for (size_t k = 0; k < SCRY_TRAINING_LEVELS && st == SCRY_OK; k++) {
        double sum[2] = {0, 0}, images = 0;
        for (size_t i = 0; i < count; i++) {
            if (isnan(other[k * count + i])) continue;
            sum[0] += t->psnr[k * count + i];
            sum[1] += other[k * count + i];
            images++;
        }
        t->out->compared[k][0] = sum[0] / images;
        t->out->compared[k][1] = sum[1] / images;
    }
    scry_free(other);
    return st == SCRY_EUNSUP ? SCRY_OK : st;
}

static scry_status training_loop(training *t, scry_error *err)
{
    scry_status st = SCRY_OK;
    scry_error why = {0};
    size_t step = 0;
    double share, next = 1. / SCORES;
    while (training_goes_on(t, &share, &st, step))
        st = training_turn(t, step++, share, &next, &why);
    if (!training_leads(t)) {
        t->out->stopped = st == SCRY_ESTOP;
        return st == SCRY_OK || st == SCRY_ESTOP ? SCRY_OK
                                                 : SCRY_FAIL(err, st, "the training ended");
    }
    if (st == SCRY_OK) st = training_save(t, &why);
    if (st == SCRY_OK) st = training_compare(t, &why);
    if (st == SCRY_ENUMERIC) { /* the weights are those before that step */
        scry_error ignored = {0};
        training_leave(t, &ignored);
    }
    t->out->stopped = st == SCRY_ESTOP;
    if (t->out->stopped) return training_leave(t, err);
    return st == SCRY_OK ? st : scry_fail(err, st, why.where, "%s", why.text);
}

/* What the training will take, said before it begins. */
static scry_status training_forecast(const training *t, scry_error *err)
{
    const scry_training_request *r = t->r;
    double seconds;
    scry_log_note(&r->log, "%.2f million weights, %.1f GFLOP a crop",
                  (double)scry_trainer_weights(t->trainer) / 1e6,
                  scry_trainer_flops(t->trainer) / 1e9);
    scry_status st =
        scry_recon_afford(scry_trainer_bytes(t->trainer), "the training",
                          "a smaller --batch or --crop, or fewer --channels", &r->log, err);
    if (st == SCRY_OK) st = scry_trainer_probe(t->trainer, &seconds, err);
    if (st != SCRY_OK) return st;
    const double by_time = r->minutes > 0 ? floor(60 * r->minutes / seconds) : HUGE_VAL;
    const double steps = r->steps && (double)r->steps < by_time ? (double)r->steps : by_time;
    scry_log_note(&r->log,
                  "forecast: %.3g crops a second, %.3g steps of %zu crops in %.3g minutes (%.3g "
                  "thousand crops)",
                  (double)r->opts.batch / seconds, steps, r->opts.batch, steps * seconds / 60,
                  steps * (double)r->opts.batch / 1000);
    return SCRY_OK;
}

scry_status scry_training_run(scry_training_result *out, const scry_training_request *r,
                              scry_error *err)
{
    training t = {.r = r, .out = out, .best = -HUGE_VAL, .saved = r->resume};
    scry_train_opts opts = r->opts;
    *out = (scry_training_result){.loss = NAN};
    scry_image_set_moments(r->images, &opts.mean, &opts.std);
    scry_status st = scry_image_set_held_out(&t.held_out, r->images, PER_CLASS, SIDE, err);
    if (st != SCRY_OK) return st;
    if (!(t.psnr = scry_alloc(t.held_out.count * SCRY_TRAINING_LEVELS, sizeof *t.psnr))) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "scores of %zu images", t.held_out.count);
        goto done;
    }
    if ((st = scry_trainer_create(&t.trainer, &opts, r->init, err)) != SCRY_OK) goto done;
    if (r->resume && (st = training_resume(&t, err)) != SCRY_OK) goto done;
    if ((st = training_forecast(&t, err)) != SCRY_OK) goto done;
    /* the starting network is the best so far, and a prior already */
    if (training_leads(&t) && (r->init || r->resume) &&
        (st = training_score(&t, !r->resume, err)) != SCRY_OK)
        goto done;
    t.begun = t.scored = clock_now();
    st = training_loop(&t, err);
    out->steps = scry_trainer_steps(t.trainer);
    out->crops = (double)(out->steps * opts.batch);
    out->minutes = t.spent / 60;
done:
    scry_trainer_free(t.trainer);
    scry_held_out_clear(&t.held_out);
    scry_free(t.psnr);
    return st;
}
