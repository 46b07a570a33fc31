#include "solvers/chains.h"

#include "lib/call_batcher.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/vector.h"
#include "solvers/regions_impl.h"
#include "solvers/moments_impl.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { TILE = 16 }; /* values whose quantiles are found together: a cache line of floats */

/* What one chain of a round gave, and how it ended. */
struct slot {
    scry_status status;
    scry_error error;
    scry_progress end;
    scry_counts counts;
    struct scryi_moments moments;
};

/* What the chains of a run share. A round is a number of chains that run before anything is
 * combined: many where images are small, so that threads seldom wait for each other. Each seat
 * takes one chain after the other. There are more seats than threads where the prior answers
 * several chains together: these then meet in its calls, and take turns between them. */
struct team {
    const scry_chains_opts *opts;
    size_t n, draws; /* floats of an image; images of a chain */
    size_t threads, seats, slots;
    scry_call_batcher *batcher; /* NULL where each seat has a thread */
    scry_solver **solver;       /* seats */
    struct slot *slot;          /* slots: one a chain of the round */
    struct scryi_moments all;   /* chains done */
    struct scryi_regions regions;
    /* One entry a draw, in order of chain. Chains of a round write where they would be if none
     * failed; those done are moved together when they are combined. */
    double *rows;   /* 2 x regions.count each; NULL unless asked */
    float *samples; /* n each; NULL unless kept */
    scry_chains_monitor *monitor;
    void *ctx;
    size_t finished;
    bool stop;
};

/* Context of one chain's monitor. */
struct voice {
    struct team *team;
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

static size_t available(const scry_chains_opts *opts)
{
    return opts->threads ? opts->threads : (size_t)omp_get_max_threads();
}

static size_t count_threads(const scry_chains_opts *opts)
{
    const size_t threads = available(opts);
    return threads < opts->chains ? threads : opts->chains;
}

/* Chains under way: for each thread as many as the prior answers together with profit, or fewer, so
 * that the last ones have company too. One by itself where the other threads of OpenMP work inside
 * it, or on other problems at the same time. */
static size_t count_seats(const scry_chains_opts *opts, const scry_prior *prior)
{
    const size_t threads = count_threads(opts), whole = opts->chains - opts->chains % threads;
    const size_t each = whole / threads, most = prior ? scry_prior_batch(prior) : 1;
    const size_t turns = (each + most - 1) / most;
    if (threads == 1 && omp_get_max_threads() > 1) return 1;
    return threads * ((each + turns - 1) / turns);
}

/* Chains of a round: a multiple of the threads, up to 64 each while their tallies fit in 8 MiB, and
 * enough for all seats. */
static size_t count_slots(const scry_chains_opts *opts, size_t seats, size_t n, size_t draws)
{
    const size_t threads = count_threads(opts), whole = opts->chains - opts->chains % threads;
    const size_t bytes = scryi_moments_bytes(n, draws == 1, opts->thresholds);
    const size_t fit = (8u << 20) / bytes / threads, least = seats / threads;
    const size_t most = threads * (fit < least ? least : fit > 64 ? 64 : fit);
    return whole < most ? whole : most;
}

static bool keeps(const scry_chains_opts *opts)
{
    return opts->keep || opts->quantiles > 0;
}

/* solver.c has seen that x is finite. */
static void take_draw(const struct voice *voice, const float *x)
{
    struct team *team = voice->team;
    struct scryi_moments *moments = &voice->slot->moments;
    const size_t at = (voice->chain - team->opts->first) * team->draws + moments->draws;
    if (team->samples) memcpy(team->samples + at * team->n, x, team->n * sizeof *x);
    if (team->rows)
        scryi_regions_follow(&team->regions, team->rows + at * 2 * team->regions.count, x);
    scryi_moments_add(moments, x);
}

static bool speak(const scry_progress *p, void *ctx)
{
    const struct voice *voice = ctx;
    struct team *team = voice->team;
    bool go;
    if (p->draw) take_draw(voice, p->x0);
#pragma omp critical(scry_chains_monitor)
    {
        const scry_chains_progress told = {voice->chain, team->opts->chains, team->finished, p};
        if (!team->stop && team->monitor && !team->monitor(&told, team->ctx)) team->stop = true;
        go = !team->stop;
    }
    return go;
}

static void run_chain(struct team *team, size_t seat, size_t index, size_t chain)
{
    struct slot *slot = &team->slot[index];
    struct voice voice = {team, slot, chain};
    scry_solver *S = team->solver[seat];
    scryi_moments_forget(&slot->moments);
    slot->error = (scry_error){0};
    slot->end = (scry_progress){.reason = SCRY_STOP_USER};
    slot->status = scry_solver_start(S, team->opts->seed, (uint32_t)chain, &slot->error);
    if (slot->status == SCRY_OK)
        slot->status = scry_solver_run(S, NULL, speak, &voice, &slot->end, &slot->error);
    slot->counts = scry_solver_counts(S);
#pragma omp critical(scry_chains_monitor)
    team->finished++;
}

/* Takes in what chain `at` of those asked brought. Called in order of chain, by one thread. */
static scry_status combine(scry_chains *c, struct team *team, size_t at, size_t index,
                           scry_error *err)
{
    const struct slot *slot = &team->slot[index];
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
        return slot->status; /* failed, or stopped on the way */
    const size_t row = 2 * team->regions.count * team->draws, image = team->n * team->draws;
    if (team->samples)
        memmove(team->samples + c->done * image, team->samples + at * image,
                image * sizeof *team->samples);
    if (team->rows)
        memmove(team->rows + c->done * row, team->rows + at * row, row * sizeof *team->rows);
    scryi_moments_merge(&team->all, &slot->moments);
    c->done++;
    c->residual += slot->end.residual * slot->end.residual;
    return SCRY_OK;
}

/* Runs chains at .. at + batch - 1. Which solver takes which chain does not matter: a chain is a
 * function of its number. */
static void run_round(struct team *team, size_t at, size_t batch)
{
    const size_t first = team->opts->first + at;
    if (batch == 1) { /* threads inside */
        run_chain(team, 0, 0, first);
        return;
    }
#pragma omp parallel for num_threads((int)team->seats) schedule(dynamic, 1)
    for (size_t i = 0; i < batch; i++) {
        if (team->batcher) scry_call_batcher_join(team->batcher);
        run_chain(team, (size_t)omp_get_thread_num(), i, first + i);
        if (team->batcher) scry_call_batcher_leave(team->batcher);
    }
}

static scry_status run_rounds(scry_chains *c, struct team *team, scry_error *err)
{
    const size_t chains = team->opts->chains;
    for (size_t at = 0; at < chains && !team->stop;) {
        const size_t left = chains - at, whole = left - left % team->threads;
        const size_t batch = left < team->threads ? 1 : whole < team->slots ? whole : team->slots;
        run_round(team, at, batch);
        for (size_t i = 0; i < batch; i++) {
            scry_status st = combine(c, team, at + i, i, err);
            if (st != SCRY_OK) return st;
        }
        at += batch;
    }
    c->reason = team->stop && c->done + c->failed < chains ? SCRY_STOP_USER : SCRY_DONE;
    return SCRY_OK;
}

/* Of all draws. Neighbours are gathered together: the draws of one value lie an image apart. */
static scry_status find_quantiles(scry_chains *c, const struct team *team, scry_error *err)
{
    const size_t n = c->n, K = c->draws, threads = available(team->opts);
    float *columns = scry_alloc(threads, TILE * K * sizeof *columns);
    if (!columns) return SCRY_FAIL(err, SCRY_ENOMEM, "quantiles of %zu draws", K);
#pragma omp parallel for num_threads((int)threads) schedule(static)
    for (size_t first = 0; first < n; first += TILE) {
        float *column = columns + (size_t)omp_get_thread_num() * TILE * K;
        const size_t count = n - first < TILE ? n - first : TILE;
        for (size_t k = 0; k < K; k++)
            for (size_t i = 0; i < count; i++)
                column[i * K + k] = c->samples[k * n + first + i];
        for (size_t q = 0; q < team->opts->quantiles; q++)
            for (size_t i = 0; i < count; i++)
                c->quantile[q * n + first + i] = (float)scry_quantile(
                    column + i * K, K, team->opts->probability[q], column + i * K);
    }
    scry_free(columns);
    return SCRY_OK;
}

static scry_status chains_summarise(scry_chains *c, const struct team *team, scry_error *err)
{
    const struct scryi_moments *all = &team->all;
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
        st = scryi_regions_mixing(&team->regions, team->rows, c->done, team->draws, c->rhat, c->ess,
                                  &c->worst_rhat, &c->least_ess, err);
    return st == SCRY_OK && c->quantile ? find_quantiles(c, team, err) : st;
}

static void disband(struct team *team)
{
    for (size_t i = 0; team->solver && i < team->seats; i++)
        scry_solver_free(team->solver[i]);
    for (size_t i = 0; team->slot && i < team->slots; i++)
        scryi_moments_clear(&team->slot[i].moments);
    scryi_moments_clear(&team->all);
    scryi_regions_clear(&team->regions);
    scry_call_batcher_free(team->batcher);
    scry_free(team->solver);
    scry_free(team->slot);
    scry_free(team->rows);
}

static scry_status assemble(struct team *team, const scry_problem *problem,
                            const scry_options *options, scry_error *err)
{
    const scry_chains_opts *o = team->opts;
    team->solver = scry_alloc(team->seats, sizeof *team->solver);
    team->slot = scry_alloc(team->slots, sizeof *team->slot);
    if (!team->solver || !team->slot)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu chains at a time", team->slots);
    scry_status st =
        scryi_moments_init(&team->all, team->n, false, o->thresholds, o->threshold, err);
    for (size_t i = 0; i < team->slots && st == SCRY_OK; i++)
        st = scryi_moments_init(&team->slot[i].moments, team->n, team->draws == 1, o->thresholds,
                                o->threshold, err);
    if (st == SCRY_OK && team->seats > team->threads)
        st = scry_call_batcher_create(&team->batcher, team->threads, err);
    for (size_t i = 0; i < team->seats && st == SCRY_OK; i++)
        st = scry_solver_plan(&team->solver[i], problem, options, err);
    return st;
}

/* Where an image lives: the measurement's domain, or the prior's space without one. NULL, with
 * EINVAL in err, when there is neither. */
static const scry_space *image_space(const struct scry_method *method, const scry_problem *problem,
                                     scry_error *err)
{
    if (problem->L) return scry_op_dom(scry_likelihood_op(problem->L));
    if (problem->prior) return scry_prior_space(problem->prior);
    scry_fail(err, SCRY_EINVAL, __func__, "%s: neither a measurement nor a prior", method->name);
    return NULL;
}

/* What the caller gets, and the rows. */
static scry_status make_room(scry_chains *c, struct team *team, const scry_space *space,
                             scry_error *err)
{
    const scry_chains_opts *o = team->opts;
    const size_t most = o->chains * team->draws;
    bool ok = (c->mean = scry_alloc(c->n, sizeof *c->mean)) != NULL;
    ok = (c->sd = scry_alloc(c->n, sizeof *c->sd)) && ok;
    if (keeps(o)) ok = (c->samples = scry_alloc(most, c->n * sizeof *c->samples)) && ok;
    if (o->quantiles)
        ok = (c->quantile = scry_alloc(o->quantiles, c->n * sizeof *c->quantile)) && ok;
    if (o->thresholds) ok = (c->above = scry_alloc(o->thresholds, c->n * sizeof *c->above)) && ok;
    team->samples = c->samples;
    if (o->region) {
        scry_status st = scryi_regions_init(&team->regions, space, o->region, err);
        if (st != SCRY_OK) return st;
        ok = (team->rows = scry_alloc(most, 2 * team->regions.count * sizeof *team->rows)) && ok;
        ok = (c->rhat = scry_alloc(c->n, sizeof *c->rhat)) && ok;
        ok = (c->ess = scry_alloc(c->n, sizeof *c->ess)) && ok;
    }
    return ok ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "%zu draws of %zu values", most, c->n);
}

scry_status scry_chains_run(scry_chains *out, const scry_problem *problem,
                            const scry_options *options, const scry_chains_opts *opts,
                            scry_chains_monitor *monitor, void *ctx, scry_error *err)
{
    scry_status st;
    scry_chains c = {0};
    struct team team = {.opts = opts, .monitor = monitor, .ctx = ctx};
    *out = c;
    team.draws = scry_method_draws(options);
    if ((st = check_opts(opts, team.draws, err)) != SCRY_OK) return st;
    const scry_space *space = image_space(options->method, problem, err);
    if (!space) return SCRY_EINVAL;
    c.n = team.n = scry_space_floats(space);
    team.threads = count_threads(opts);
    team.seats = count_seats(opts, problem->prior);
    team.slots = count_slots(opts, team.seats, c.n, team.draws);
    if ((st = assemble(&team, problem, options, err)) != SCRY_OK) goto done;
    if ((st = make_room(&c, &team, space, err)) != SCRY_OK) goto done;
    if ((st = run_rounds(&c, &team, err)) != SCRY_OK) goto done;
    if ((st = chains_summarise(&c, &team, err)) != SCRY_OK) goto done;
    *out = c;
    c = (scry_chains){0};
done:
    disband(&team);
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
    scry_status st;
    scry_solver *S;
    const size_t draws = scry_method_draws(options);
    *bytes = 0;
    if ((st = check_opts(opts, draws, err)) != SCRY_OK) return st;
    const scry_space *space = image_space(options->method, problem, err);
    if (!space) return SCRY_EINVAL;
    const size_t before = scry_memory_asked();
    if ((st = scry_solver_plan(&S, problem, options, err)) != SCRY_OK) return st;
    const size_t solver = scry_memory_asked() - before;
    scry_solver_free(S);
    const size_t n = scry_space_floats(space), most = opts->chains * draws;
    const size_t regions = opts->region ? scryi_regions_count(space, opts->region) : 0;
    const size_t images =
        2 + opts->quantiles + opts->thresholds + (opts->region ? 3 : 0) + (keeps(opts) ? most : 0);
    const size_t seats = count_seats(opts, problem->prior);
    *bytes = seats * solver + images * n * sizeof(float) +
             scryi_moments_bytes(n, false, opts->thresholds) +
             count_slots(opts, seats, n, draws) *
                 (sizeof(struct slot) + scryi_moments_bytes(n, draws == 1, opts->thresholds)) +
             (opts->region ? most * (2 * regions + 1) * sizeof(double) : 0) +
             (opts->quantiles ? available(opts) * TILE * most * sizeof(float) : 0);
    return SCRY_OK;
}
