#include "solvers/chains.h"

#include "lib/call_batcher.h"
#include "lib/given.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/vector.h"
#include "solvers/regions_impl.h"
#include "solvers/moments_impl.h"
#include "solvers/solver_impl.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { TILE = 16 }; /* values whose quantiles are found together: a cache line of floats */

/* The result of one chain of a round, and how it ended. */
struct slot {
    scry_status status;
    scry_error error;
    scry_progress end;
    scry_counts counts;
    struct scryi_moments moments;
};

/* The state that all chains of a run share. Chains run in rounds: all chains of a round end before
 * their results are combined, and a round has many chains where images are small, so that threads
 * seldom wait for each other. A worker is a solver that takes one chain after the other. There are
 * more workers than threads where the prior answers several calls as one batch: a thread then
 * switches between its workers, which wait for each other's calls. */
struct chains_run {
    const scry_chains_opts *opts;
    size_t n, draws; /* floats of an image; images of a chain */
    size_t threads, workers, slots;
    scry_call_batcher *batcher; /* NULL where each worker has its own thread */
    scry_solver **solver;       /* workers */
    struct slot *slot;          /* slots: one a chain of the round */
    struct scryi_moments all;   /* chains done */
    struct scryi_regions regions;
    /* One entry for each draw, in order of chain. A chain writes to the place that it has if no
     * chain before it fails; when results are combined, the gaps of failed chains are closed. */
    double *rows;   /* 2 x regions.count each; NULL unless wanted */
    float *samples; /* n each; NULL unless kept */
    scry_chains_monitor *monitor;
    void *ctx;
    size_t finished;
    bool stop;
};

/* The context that the monitor of one chain gets. */
struct chain_context {
    struct chains_run *run;
    struct slot *slot;
    size_t chain;
};

void scry_chains_opts_init(scry_chains_opts *opts)
{
    *opts = (scry_chains_opts){.chains = 1};
}

static scry_status check_opts(const scry_chains_opts *opts, size_t draws, scry_error *err)
{
    if (opts->chains < 1) return SCRY_FAIL(err, SCRY_EINVAL, "0 chains, expected 1 or more");
    if (opts->first > UINT32_MAX || opts->chains > UINT32_MAX - opts->first)
        return SCRY_FAIL(err, SCRY_EINVAL, "chains %zu to %zu, expected numbers below 2^32",
                         opts->first, opts->first + opts->chains - 1);
    if (opts->quantiles > SCRY_MAX_QUANTILES)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu quantiles, expected at most %d", opts->quantiles,
                         SCRY_MAX_QUANTILES);
    for (size_t i = 0; i < opts->quantiles; i++)
        if (!(opts->probability[i] >= 0 && opts->probability[i] <= 1))
            return SCRY_FAIL(err, SCRY_EINVAL, "quantile %g, expected a probability in 0 to 1",
                             opts->probability[i]);
    if (opts->thresholds > SCRY_MAX_QUANTILES)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu thresholds, expected at most %d", opts->thresholds,
                         SCRY_MAX_QUANTILES);
    for (size_t i = 0; i < opts->thresholds; i++)
        if (!isfinite(opts->threshold[i]))
            return SCRY_FAIL(err, SCRY_EINVAL, "threshold %g, expected a finite number",
                             opts->threshold[i]);
    if (opts->chains > UINT32_MAX / draws)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu chains of %zu draws, expected less than 2^32 draws",
                         opts->chains, draws);
    return SCRY_OK;
}

static size_t chains_available(const scry_chains_opts *opts)
{
    return opts->threads ? opts->threads : (size_t)omp_get_max_threads();
}

static size_t count_threads(const scry_chains_opts *opts)
{
    const size_t threads = chains_available(opts);
    return threads < opts->chains ? threads : opts->chains;
}

/* As many workers for each thread as the prior answers faster together than one by one, or fewer,
 * so that the last batches are full too. One worker where OpenMP's other threads work inside it, or
 * on other problems at the same time. */
static size_t chains_count_workers(const scry_chains_opts *opts, const scry_prior *prior)
{
    const size_t threads = count_threads(opts), whole = opts->chains - opts->chains % threads;
    const size_t each = whole / threads, batch = prior ? scry_prior_batch(prior) : 1;
    const size_t turns = (each + batch - 1) / batch;
    if (threads == 1 && omp_get_max_threads() > 1) return 1;
    return threads * ((each + turns - 1) / turns);
}

/* Chains of a round: a multiple of the threads, up to 64 for each while their moments fit in 8 MiB,
 * and at least one for each worker. */
static size_t count_slots(const scry_chains_opts *opts, size_t workers, size_t n, size_t draws)
{
    const size_t threads = count_threads(opts), whole = opts->chains - opts->chains % threads;
    const size_t bytes = scryi_moments_bytes(n, draws == 1, opts->thresholds);
    const size_t fit = (8u << 20) / bytes / threads, min = workers / threads;
    const size_t max = threads * (fit < min ? min : fit > 64 ? 64 : fit);
    return whole < max ? whole : max;
}

static bool keeps_samples(const scry_chains_opts *opts)
{
    return opts->keep || opts->quantiles > 0;
}

/* x is finite: solver.c has checked that. */
static void record_draw(const struct chain_context *context, const scry_progress *p)
{
    const float *x = p->sample ? p->sample : p->x0;
    struct chains_run *run = context->run;
    struct scryi_moments *moments = &context->slot->moments;
    const size_t at = (context->chain - run->opts->first) * run->draws + moments->draws;
    if (run->samples) memcpy(run->samples + at * run->n, x, run->n * sizeof *x);
    if (run->rows) scryi_regions_follow(&run->regions, run->rows + at * 2 * run->regions.count, x);
    scryi_moments_add(moments, p->x0, p->sample);
}

static bool on_progress(const scry_progress *p, void *ctx)
{
    const struct chain_context *context = ctx;
    struct chains_run *run = context->run;
    bool go;
    if (p->draw) record_draw(context, p);
#pragma omp critical(scry_chains_monitor)
    {
        const scry_chains_progress report = {context->chain, run->opts->chains, run->finished, p,
                                             false};
        if (!run->stop && run->monitor && !run->monitor(&report, run->ctx)) run->stop = true;
        go = !run->stop;
    }
    return go;
}

static bool is_stopped(struct chains_run *run)
{
    bool stop;
#pragma omp critical(scry_chains_monitor)
    stop = run->stop;
    return stop;
}

/* Of a run that was stopped, the chains that have not begun do not begin. */
static void chains_run_one(struct chains_run *run, size_t worker, size_t index, size_t chain)
{
    struct slot *slot = &run->slot[index];
    struct chain_context context = {run, slot, chain};
    scry_solver *S = run->solver[worker];
    scryi_moments_forget(&slot->moments);
    slot->error = (scry_error){0};
    slot->end = (scry_progress){.reason = SCRY_STOP_USER};
    slot->status = SCRY_OK;
    slot->counts = (scry_counts){0};
    if (is_stopped(run)) return;
    slot->status = scry_solver_start(S, run->opts->seed, (uint32_t)chain, &slot->error);
    if (slot->status == SCRY_OK)
        slot->status = scry_solver_run(S, NULL, on_progress, &context, &slot->end, &slot->error);
    slot->counts = scry_solver_counts(S);
#pragma omp critical(scry_chains_monitor)
    run->finished++;
}

/* Adds the result of chain number `at` of the run. Called in order of chain, by one thread. */
static scry_status chains_combine(scry_chains *c, struct chains_run *run, size_t at, size_t index,
                                  scry_error *err)
{
    const struct slot *slot = &run->slot[index];
    c->counts.denoise += slot->counts.denoise;
    c->counts.vjp += slot->counts.vjp;
    c->counts.forward += slot->counts.forward;
    c->counts.adjoint += slot->counts.adjoint;
    c->counts.solves += slot->counts.solves;
    c->counts.unconverged += slot->counts.unconverged;
    if (slot->status == SCRY_ENUMERIC) {
        if (!c->failed++) c->failure = slot->error;
        return SCRY_OK;
    }
    if (slot->status != SCRY_OK && err) *err = slot->error;
    if (slot->status != SCRY_OK || slot->end.reason != SCRY_DONE)
        return slot->status; /* failed or stopped */
    const size_t row = 2 * run->regions.count * run->draws, image = run->n * run->draws;
    if (run->samples)
        memmove(run->samples + c->done * image, run->samples + at * image,
                image * sizeof *run->samples);
    if (run->rows)
        memmove(run->rows + c->done * row, run->rows + at * row, row * sizeof *run->rows);
    scryi_moments_merge(&run->all, &slot->moments);
    c->done++;
    c->residual += slot->end.residual * slot->end.residual;
    return SCRY_OK;
}

/* Runs chains at .. at + batch - 1. It does not matter which solver takes which chain, since a
 * chain is a function of its number. */
static void chains_run_round(struct chains_run *run, size_t at, size_t batch)
{
    const size_t first = run->opts->first + at;
    if (batch == 1) { /* its loops use all threads */
        chains_run_one(run, 0, 0, first);
        return;
    }
#pragma omp parallel for num_threads((int)run->workers) schedule(dynamic, 1)
    for (size_t i = 0; i < batch; i++) {
        if (run->batcher) scry_call_batcher_join(run->batcher);
        chains_run_one(run, (size_t)omp_get_thread_num(), i, first + i);
        if (run->batcher) scry_call_batcher_leave(run->batcher);
    }
}

static scry_status chains_run_rounds(scry_chains *c, struct chains_run *run, scry_error *err)
{
    const size_t chains = run->opts->chains;
    for (size_t at = 0; at < chains && !run->stop;) {
        const size_t left = chains - at, whole = left - left % run->threads;
        const size_t batch = left < run->threads ? 1 : whole < run->slots ? whole : run->slots;
        chains_run_round(run, at, batch);
        for (size_t i = 0; i < batch; i++) {
            scry_status st = chains_combine(c, run, at + i, i, err);
            if (st != SCRY_OK) return st;
        }
        at += batch;
    }
    c->reason = run->stop && c->done + c->failed < chains ? SCRY_STOP_USER : SCRY_DONE;
    return SCRY_OK;
}

/* Quantiles over all draws. TILE neighbours are gathered at a time, because the draws of one value
 * lie an image apart. */
static scry_status find_quantiles(scry_chains *c, const struct chains_run *run, scry_error *err)
{
    const size_t n = c->n, K = c->draws, threads = chains_available(run->opts);
    float *columns = scry_alloc(threads, TILE * K * sizeof *columns);
    if (!columns) return SCRY_FAIL(err, SCRY_ENOMEM, "quantiles of %zu draws", K);
#pragma omp parallel for num_threads((int)threads) schedule(static)
    for (size_t first = 0; first < n; first += TILE) {
        float *column = columns + (size_t)omp_get_thread_num() * TILE * K;
        const size_t count = n - first < TILE ? n - first : TILE;
        for (size_t k = 0; k < K; k++)
            for (size_t i = 0; i < count; i++)
                column[i * K + k] = c->samples[k * n + first + i];
        for (size_t q = 0; q < run->opts->quantiles; q++)
            for (size_t i = 0; i < count; i++)
                c->quantile[q * n + first + i] = (float)scry_quantile(
                    column + i * K, K, run->opts->probability[q], column + i * K);
    }
    scry_free(columns);
    return SCRY_OK;
}

static scry_status chains_summarise(scry_chains *c, const struct chains_run *run, scry_error *err)
{
    const struct scryi_moments *all = &run->all;
    scry_status st = SCRY_OK;
    if (c->reason == SCRY_DONE && c->done == 0) {
        if (err) *err = c->failure;
        return SCRY_ENUMERIC;
    }
    c->draws = all->draws;
    c->residual = c->done ? sqrt(c->residual / (double)c->done) : 0;
    for (size_t i = 0; i < c->n; i++) {
        c->mean[i] = (float)all->mean[i];
        c->sd[i] = c->draws > 1 ? (float)sqrt(all->spread[i] / (double)(c->draws - 1)) : 0;
    }
    c->worst_rhat = NAN;
    if (c->draws == 0) return SCRY_OK;
    for (size_t i = 0; c->above && i < all->thresholds * c->n; i++)
        c->above[i] = (float)(all->above[i] / (double)c->draws);
    if (c->rhat)
        st = scryi_regions_mixing(&run->regions, run->rows, c->done, run->draws, c->rhat, c->ess,
                                  &c->worst_rhat, &c->min_ess, err);
    return st == SCRY_OK && c->quantile ? find_quantiles(c, run, err) : st;
}

static void chains_release(struct chains_run *run)
{
    for (size_t i = 0; run->solver && i < run->workers; i++)
        scry_solver_free(run->solver[i]);
    for (size_t i = 0; run->slot && i < run->slots; i++)
        scryi_moments_clear(&run->slot[i].moments);
    scryi_moments_clear(&run->all);
    scryi_regions_clear(&run->regions);
    scry_call_batcher_free(run->batcher);
    scry_free(run->solver);
    scry_free(run->slot);
    scry_free(run->rows);
}

static scry_status chains_prepare(struct chains_run *run, const scry_problem *problem,
                                  const scry_options *options, scry_error *err)
{
    const scry_chains_opts *o = run->opts;
    run->solver = scry_alloc(run->workers, sizeof *run->solver);
    run->slot = scry_alloc(run->slots, sizeof *run->slot);
    if (!run->solver || !run->slot)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu chains at a time", run->slots);
    scry_status st = scryi_moments_init(&run->all, run->n, false, o->thresholds, o->threshold, err);
    if (st == SCRY_OK && run->workers > run->threads)
        st = scry_call_batcher_create(&run->batcher, run->threads, err);
    for (size_t i = 0; i < run->workers && st == SCRY_OK; i++)
        st = scry_solver_plan(&run->solver[i], problem, options, err);
    for (size_t i = 0; i < run->slots && st == SCRY_OK; i++) {
        struct scryi_moments *moments = &run->slot[i].moments;
        const bool one = run->draws == 1 && !run->solver[0]->scatters;
        st = scryi_moments_init(moments, run->n, one, o->thresholds, o->threshold, err);
        moments->share = 1 - 1 / (double)(o->chains * run->draws); /* spread is over K - 1 */
    }
    return st;
}

/* The space of an image: the domain of the measurement, or the prior's space without one. NULL,
 * with EINVAL in err, when there is neither. */
static const scry_space *image_space(const struct scry_method *method, const scry_problem *problem,
                                     scry_error *err)
{
    if (problem->L) return scry_op_dom(scry_likelihood_op(problem->L));
    if (problem->prior) return scry_prior_space(problem->prior);
    scry_fail(err, SCRY_EINVAL, __func__, "%s: neither a measurement nor a prior", method->name);
    return NULL;
}

/* The arrays that the caller gets, and the rows. */
static scry_status allocate_results(scry_chains *c, struct chains_run *run, const scry_space *space,
                                    scry_error *err)
{
    const scry_chains_opts *o = run->opts;
    const size_t draws = o->chains * run->draws;
    bool ok = (c->mean = scry_alloc(c->n, sizeof *c->mean)) != NULL;
    ok = (c->sd = scry_alloc(c->n, sizeof *c->sd)) && ok;
    if (keeps_samples(o)) ok = (c->samples = scry_alloc(draws, c->n * sizeof *c->samples)) && ok;
    if (o->quantiles)
        ok = (c->quantile = scry_alloc(o->quantiles, c->n * sizeof *c->quantile)) && ok;
    if (o->thresholds) ok = (c->above = scry_alloc(o->thresholds, c->n * sizeof *c->above)) && ok;
    run->samples = c->samples;
    if (o->region) {
        scry_status st = scryi_regions_init(&run->regions, space, o->region, err);
        if (st != SCRY_OK) return st;
        ok = (run->rows = scry_alloc(draws, 2 * run->regions.count * sizeof *run->rows)) && ok;
        ok = (c->rhat = scry_alloc(c->n, sizeof *c->rhat)) && ok;
        ok = (c->ess = scry_alloc(c->n, sizeof *c->ess)) && ok;
    }
    return ok ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "%zu draws of %zu values", draws, c->n);
}

/* One draw and nothing asked of it but the image: no moments are kept, which take as much memory as
 * all of a classical method. */
static bool chains_is_single(const scry_chains_opts *o, size_t draws)
{
    return o->chains * draws == 1 && !keeps_samples(o) && !o->thresholds && !o->region;
}

struct single_run {
    const scry_chains_opts *opts;
    scry_chains_monitor *monitor;
    void *ctx;
};

static bool single_progress(const scry_progress *p, void *ctx)
{
    const struct single_run *s = ctx;
    const scry_chains_progress now = {s->opts->first, 1, 0, p, false};
    return !s->monitor || s->monitor(&now, s->ctx);
}

static scry_status chains_run_single(scry_chains *out, const scry_problem *problem,
                                     const scry_options *options, const struct single_run *run,
                                     size_t n, scry_error *err)
{
    const scry_chains_opts *opts = run->opts;
    scry_chains c = {.n = n, .reason = SCRY_STOP_USER, .worst_rhat = NAN};
    scry_solver *S = NULL;
    scry_progress end = {0};
    scry_status st = scry_solver_plan(&S, problem, options, err);
    if (st == SCRY_OK && !(c.mean = scry_alloc(n, sizeof *c.mean)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "a draw of %zu values", n);
    if (st == SCRY_OK) st = scry_solver_start(S, opts->seed, (uint32_t)opts->first, err);
    if (st == SCRY_OK) st = scry_solver_run(S, c.mean, single_progress, (void *)run, &end, err);
    if (st == SCRY_OK) {
        c.counts = scry_solver_counts(S);
        c.reason = end.reason;
    }
    scry_solver_free(S);
    if (st == SCRY_OK && !(c.sd = scry_alloc(n, sizeof *c.sd)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "the spread of %zu values", n);
    if (st == SCRY_OK && c.reason == SCRY_DONE) {
        c.done = c.draws = 1;
        c.residual = end.residual;
    } else if (st == SCRY_OK)
        memset(c.mean, 0, n * sizeof *c.mean);
    if (st == SCRY_OK)
        *out = c;
    else
        scry_chains_free(&c);
    return st;
}

scry_status scry_chains_run(scry_chains *out, const scry_problem *problem,
                            const scry_options *options, const scry_chains_opts *opts,
                            scry_chains_monitor *monitor, void *ctx, scry_error *err)
{
    if (out) *out = (scry_chains){0};
    if (SCRY_MISSING(err, out, problem, options, opts)) return SCRY_EINVAL;
    if (SCRY_MISSING(err, options->method)) return SCRY_EINVAL;
    scry_status st;
    scry_chains c = {0};
    struct chains_run run = {.opts = opts, .monitor = monitor, .ctx = ctx};
    run.draws = scry_method_draws(options);
    if ((st = check_opts(opts, run.draws, err)) != SCRY_OK) return st;
    const scry_space *space = image_space(options->method, problem, err);
    if (!space) return SCRY_EINVAL;
    c.n = run.n = scry_space_floats(space);
    if (chains_is_single(opts, run.draws)) {
        const struct single_run single = {opts, monitor, ctx};
        return chains_run_single(out, problem, options, &single, c.n, err);
    }
    run.threads = count_threads(opts);
    run.workers = chains_count_workers(opts, problem->prior);
    run.slots = count_slots(opts, run.workers, c.n, run.draws);
    if ((st = chains_prepare(&run, problem, options, err)) != SCRY_OK) goto done;
    if ((st = allocate_results(&c, &run, space, err)) != SCRY_OK) goto done;
    if ((st = chains_run_rounds(&c, &run, err)) != SCRY_OK) goto done;
    if ((st = chains_summarise(&c, &run, err)) != SCRY_OK) goto done;
    *out = c;
    c = (scry_chains){0};
done:
    chains_release(&run);
    scry_chains_free(&c);
    return st;
}

void scry_chains_free(scry_chains *c)
{
    float *owned[] = {c->mean, c->sd, c->quantile, c->above, c->rhat, c->ess, c->samples};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        scry_free(owned[i]);
    *c = (scry_chains){0};
}

scry_status scry_chains_forecast(size_t *bytes, const scry_problem *problem,
                                 const scry_options *options, const scry_chains_opts *opts,
                                 scry_error *err)
{
    if (SCRY_MISSING(err, bytes, problem, options, opts)) return SCRY_EINVAL;
    if (SCRY_MISSING(err, options->method)) return SCRY_EINVAL;
    scry_status st;
    scry_solver *S;
    const size_t draws = scry_method_draws(options);
    *bytes = 0;
    if ((st = check_opts(opts, draws, err)) != SCRY_OK) return st;
    const scry_space *space = image_space(options->method, problem, err);
    if (!space) return SCRY_EINVAL;
    const size_t before = scry_memory_requested();
    if ((st = scry_solver_plan(&S, problem, options, err)) != SCRY_OK) return st;
    const size_t solver = scry_memory_requested() - before;
    const bool one = draws == 1 && !S->scatters;
    scry_solver_free(S);
    const size_t n = scry_space_floats(space), all = opts->chains * draws;
    if (chains_is_single(opts, draws)) {
        *bytes = solver + 2 * n * sizeof(float);
        return SCRY_OK;
    }
    const size_t regions = opts->region ? scryi_regions_count(space, opts->region) : 0;
    const size_t images = 2 + opts->quantiles + opts->thresholds + (opts->region ? 3 : 0) +
                          (keeps_samples(opts) ? all : 0);
    const size_t workers = chains_count_workers(opts, problem->prior);
    *bytes = workers * solver + images * n * sizeof(float) +
             scryi_moments_bytes(n, false, opts->thresholds) +
             count_slots(opts, workers, n, draws) *
                 (sizeof(struct slot) + scryi_moments_bytes(n, one, opts->thresholds)) +
             (opts->region ? all * (2 * regions + 1) * sizeof(double) : 0) +
             (opts->quantiles ? chains_available(opts) * TILE * all * sizeof(float) : 0);
    return SCRY_OK;
}
