#include "solvers/chains.h"

#include "lib/memory.h"
#include "lib/vector.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/* How one chain of a round ended. */
struct slot {
    scry_status status;
    scry_error error;
    scry_progress end;
    scry_counts counts;
};

/* What the threads of a run share. A round is a batch of chains that run before anything is
 * combined: many where images are small, so that threads seldom wait for each other. */
struct team {
    const scry_chains_opts *opts;
    size_t n, threads, slots;
    scry_solver **solver;  /* threads */
    struct slot *slot;     /* slots: one a chain of the round */
    float *sample;         /* slots x n */
    double *mean, *spread; /* Welford's running mean and sum of squares, n each */
    scry_chains_monitor *monitor;
    void *ctx;
    size_t finished;
    bool stop;
};

/* Context of one chain's monitor. */
struct voice {
    struct team *team;
    size_t chain;
};

void scry_chains_opts_init(scry_chains_opts *opts)
{
    *opts = (scry_chains_opts){ .chains = 1 };
}

static scry_status check_opts(const scry_chains_opts *opts, scry_error *err)
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
    return SCRY_OK;
}

static size_t count_threads(const scry_chains_opts *opts)
{
    const size_t threads = opts->threads ? opts->threads : (size_t)omp_get_max_threads();
    return threads < opts->chains ? threads : opts->chains;
}

/* Chains of a round: a multiple of the threads, up to 64 each while their samples fit in 4 MiB. */
static size_t count_slots(const scry_chains_opts *opts, size_t n)
{
    const size_t threads = count_threads(opts), fit = (4u << 20) / sizeof(float) / n / threads;
    const size_t depth = fit < 1 ? 1 : fit > 64 ? 64 : fit;
    return opts->chains <= threads ? threads : depth * threads;
}

static bool keeps(const scry_chains_opts *opts)
{
    return opts->keep || opts->quantiles > 0;
}

static bool speak(const scry_progress *p, void *ctx)
{
    const struct voice *voice = ctx;
    struct team *team = voice->team;
    bool go;
#pragma omp critical(scry_chains_monitor)
    {
        const scry_chains_progress told = { voice->chain, team->opts->chains, team->finished, p };
        if (!team->stop && team->monitor && !team->monitor(&told, team->ctx)) team->stop = true;
        go = !team->stop;
    }
    return go;
}

static void run_chain(struct team *team, size_t thread, size_t index, size_t chain)
{
    struct voice voice = { team, chain };
    struct slot *slot = &team->slot[index];
    scry_solver *S = team->solver[thread];
    *slot = (struct slot){ .end = { .reason = SCRY_STOP_USER } };
    slot->status = scry_solver_start(S, team->opts->seed, (uint32_t)chain, &slot->error);
    if (slot->status == SCRY_OK)
        slot->status = scry_solver_run(S, team->sample + index * team->n, speak, &voice, &slot->end,
                                       &slot->error);
    slot->counts = scry_solver_counts(S);
#pragma omp critical(scry_chains_monitor)
    team->finished++;
}

/* Takes in what one chain brought. Called in order of chain, by one thread. */
static scry_status combine(scry_chains *c, struct team *team, size_t index, scry_error *err)
{
    struct slot *slot = &team->slot[index];
    const float *x = team->sample + index * team->n;
    const bool ended = slot->status == SCRY_OK && slot->end.reason == SCRY_DONE;
    c->counts.denoise += slot->counts.denoise;
    c->counts.vjp += slot->counts.vjp;
    c->counts.forward += slot->counts.forward;
    c->counts.adjoint += slot->counts.adjoint;
    if (ended && !scry_finite(x, team->n))
        slot->status =
            SCRY_FAIL(&slot->error, SCRY_ENUMERIC, "a chain ended with values that are not finite");
    if (slot->status == SCRY_ENUMERIC) {
        if (!c->failed++) c->failure = slot->error;
        return SCRY_OK;
    }
    if (slot->status != SCRY_OK && err) *err = slot->error;
    if (!ended) return slot->status; /* failed, or stopped on the way */
    if (c->samples) memcpy(c->samples + c->done * team->n, x, team->n * sizeof *x);
    c->done++;
    c->residual += slot->end.residual * slot->end.residual;
    for (size_t i = 0; i < team->n; i++) { /* Welford 1962, Technometrics 4:419 */
        const double before = x[i] - team->mean[i];
        team->mean[i] += before / (double)c->done;
        team->spread[i] += before * (x[i] - team->mean[i]);
    }
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
#pragma omp parallel for num_threads((int)team->threads) schedule(dynamic, 1)
    for (size_t i = 0; i < batch; i++)
        run_chain(team, (size_t)omp_get_thread_num(), i, first + i);
}

static scry_status run_rounds(scry_chains *c, struct team *team, scry_error *err)
{
    const size_t chains = team->opts->chains;
    for (size_t at = 0; at < chains && !team->stop;) {
        const size_t left = chains - at, whole = left - left % team->threads;
        const size_t batch = left < team->threads ? 1 : whole < team->slots ? whole : team->slots;
        run_round(team, at, batch);
        for (size_t i = 0; i < batch; i++) {
            scry_status st = combine(c, team, i, err);
            if (st != SCRY_OK) return st;
        }
        at += batch;
    }
    c->reason = team->stop && c->done + c->failed < chains ? SCRY_STOP_USER : SCRY_DONE;
    return SCRY_OK;
}

static scry_status summarise(scry_chains *c, const struct team *team, scry_error *err)
{
    const size_t n = c->n;
    if (c->reason == SCRY_DONE && c->done == 0) {
        if (err) *err = c->failure;
        return SCRY_ENUMERIC;
    }
    c->residual = c->done ? sqrt(c->residual / (double)c->done) : 0;
    for (size_t i = 0; i < n; i++) {
        c->mean[i] = (float)team->mean[i];
        c->sd[i] = c->done > 1 ? (float)sqrt(team->spread[i] / (double)(c->done - 1)) : 0;
    }
    if (!c->quantile || !c->done) return SCRY_OK;
    float *column = scry_alloc(c->done, sizeof *column);
    if (!column) return SCRY_FAIL(err, SCRY_ENOMEM, "quantiles of %zu samples", c->done);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < c->done; k++)
            column[k] = c->samples[k * n + i];
        for (size_t q = 0; q < team->opts->quantiles; q++)
            c->quantile[q * n + i] =
                (float)scry_quantile(column, c->done, team->opts->probability[q], column);
    }
    scry_free(column);
    return SCRY_OK;
}

static void disband(struct team *team)
{
    for (size_t i = 0; team->solver && i < team->threads; i++)
        scry_solver_free(team->solver[i]);
    scry_free(team->solver);
    scry_free(team->slot);
    scry_free(team->sample);
    scry_free(team->mean);
    scry_free(team->spread);
}

static scry_status assemble(struct team *team, const struct scry_method *method,
                            const scry_problem *problem, const scry_solver_opts *solver_opts,
                            scry_error *err)
{
    team->solver = scry_alloc(team->threads, sizeof *team->solver);
    team->slot = scry_alloc(team->slots, sizeof *team->slot);
    team->sample = scry_alloc(team->slots, team->n * sizeof *team->sample);
    team->mean = scry_alloc(team->n, sizeof *team->mean);
    team->spread = scry_alloc(team->n, sizeof *team->spread);
    if (!team->solver || !team->slot || !team->sample || !team->mean || !team->spread)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu chains at a time of %zu values", team->slots,
                         team->n);
    for (size_t i = 0; i < team->threads; i++) {
        scry_status st = scry_solver_plan(&team->solver[i], method, problem, solver_opts, err);
        if (st != SCRY_OK) return st;
    }
    return SCRY_OK;
}

/* Floats of an image; the measurement's domain, or the prior's space without one. */
static scry_status image_floats(size_t *n, const struct scry_method *method,
                                const scry_problem *problem, scry_error *err)
{
    if (!problem->L && !problem->prior)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: neither a measurement nor a prior", method->name);
    *n = scry_space_floats(problem->L ? scry_op_dom(scry_likelihood_op(problem->L))
                                      : scry_prior_space(problem->prior));
    return SCRY_OK;
}

scry_status scry_chains_run(scry_chains *out, const struct scry_method *method,
                            const scry_problem *problem, const scry_solver_opts *solver_opts,
                            const scry_chains_opts *opts, scry_chains_monitor *monitor, void *ctx,
                            scry_error *err)
{
    scry_status st;
    scry_chains c = { 0 };
    struct team team = { .opts = opts, .monitor = monitor, .ctx = ctx };
    *out = c;
    if ((st = check_opts(opts, err)) != SCRY_OK) return st;
    if ((st = image_floats(&c.n, method, problem, err)) != SCRY_OK) return st;
    team.n = c.n;
    team.threads = count_threads(opts);
    team.slots = count_slots(opts, c.n);
    if ((st = assemble(&team, method, problem, solver_opts, err)) != SCRY_OK) goto done;
    c.mean = scry_alloc(c.n, sizeof *c.mean);
    c.sd = scry_alloc(c.n, sizeof *c.sd);
    if (keeps(opts)) c.samples = scry_alloc(opts->chains, c.n * sizeof *c.samples);
    if (opts->quantiles) c.quantile = scry_alloc(opts->quantiles, c.n * sizeof *c.quantile);
    if (!c.mean || !c.sd || (keeps(opts) && !c.samples) || (opts->quantiles && !c.quantile)) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu samples of %zu values", opts->chains, c.n);
        goto done;
    }
    if ((st = run_rounds(&c, &team, err)) != SCRY_OK) goto done;
    if ((st = summarise(&c, &team, err)) != SCRY_OK) goto done;
    *out = c;
    c = (scry_chains){ 0 };
done:
    disband(&team);
    scry_chains_free(&c);
    return st;
}

void scry_chains_free(scry_chains *c)
{
    scry_free(c->mean);
    scry_free(c->sd);
    scry_free(c->quantile);
    scry_free(c->samples);
    *c = (scry_chains){ 0 };
}

scry_status scry_chains_forecast(size_t *bytes, const struct scry_method *method,
                                 const scry_problem *problem, const scry_solver_opts *solver_opts,
                                 const scry_chains_opts *opts, scry_error *err)
{
    scry_status st;
    scry_solver *S;
    size_t n = 0;
    *bytes = 0;
    if ((st = check_opts(opts, err)) != SCRY_OK) return st;
    if ((st = image_floats(&n, method, problem, err)) != SCRY_OK) return st;
    const size_t before = scry_memory_asked();
    if ((st = scry_solver_plan(&S, method, problem, solver_opts, err)) != SCRY_OK) return st;
    const size_t solver = scry_memory_asked() - before;
    scry_solver_free(S);
    const size_t images = 2 + opts->quantiles + (keeps(opts) ? opts->chains : 0);
    *bytes = count_threads(opts) * solver + count_slots(opts, n) * n * sizeof(float) +
             n * (2 * sizeof(double) + images * sizeof(float));
    return SCRY_OK;
}
