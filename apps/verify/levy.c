#include "apps/verify/row.h"

#include "datasets/levy.h"
#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/sort.h"
#include "lib/stats/rank_statistics.h"
#include "priors/gaussian.h"
#include "priors/levy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The Levy benchmark: signals whose posteriors Gibbs sampling knows, and the samplers on them with
 * a denoiser that is Gibbs sampling too. Signals are in units of their root mean square
 * (scry_levy_amplitude), as images are for the shipped priors. Methods run at their defaults, but
 * for the last noise level: where it is above a quarter of sigma it is lowered to that, as nothing
 * in this prior ends at the grain of 8-bit pictures. */

/* 19 samples are the fewest with a 90 % interval; the paper took 50. */
enum { LENGTH = 64, CHAINS = 19, KEEP = 400 };

/* Sweeps of the denoiser, left out and averaged, for the paper's 100 + 300. Errors of D average out
 * along a trajectory and over chains: with 100 + 400 the errors and coverages of mmps and pnpdm on
 * `deconvolve` stay within two standard errors, be the increments Laplace, Student-3 or
 * Bernoulli-Laplace. */
enum { DENOISE_BURN_IN = 10, DENOISE_SWEEPS = 30 };

/* A row costs `budget` calls of D and VJP, in units of those of distributions that need sampling,
 * so a dear method gets fewer signals, but `least`, unless that costs more than twice the budget.
 * Then it is dear: by default it is measured with Gaussian increments, whose D costs next to
 * nothing, and on one problem with others; with --method or --full on all. */
struct size {
    size_t signals, min, burn_in, sweeps; /* burn_in, sweeps: of the gold posteriors */
    double budget, budget_one;            /* budget_one: of a single method */
};

/* --full has the distributions, operators, length, noise and Gibbs sweeps of the paper and at most
 * 40 of its 1000 signals: an hour's work of two cores, some 6000 s of processors with 18 methods
 * at 0.13 ms a call. */
static const struct size quick = {6, 2, 500, 2000, 12000, 48000};
static const struct size full = {40, 4, 10000, 20000, 60000, 600000};
static const double PRICE_GAUSSIAN = 0.1;
static const char *const SAMPLE_OPERATOR = "deconvolve", *const SAMPLE_PROCESS = "laplace";

static const double SNR = 25, LEVEL = 0.25;

struct levy_process {
    const char *name;
    scry_increments increments;
    bool always; /* also without --full */
};
static const struct levy_process processes[] = {
    {"gaussian", {SCRY_INCREMENT_GAUSSIAN, 0.5, 0, 0}, true},
    {"laplace", {SCRY_INCREMENT_LAPLACE, 1, 0, 0}, true},
    {"student-1", {SCRY_INCREMENT_STUDENT, 1, 1, 0}, false},
    {"student-2", {SCRY_INCREMENT_STUDENT, 1, 2, 0}, false},
    {"student-3", {SCRY_INCREMENT_STUDENT, 1, 3, 0}, true},
    {"bern-lapl", {SCRY_INCREMENT_BERNOULLI_LAPLACE, 1, 0, 0.1}, true},
};
enum { PROCESSES = sizeof processes / sizeof *processes };

enum metric { GAP, BIAS, SPREAD, COVER50, COVER90, TRUTH50, TRUTH90, METRICS };

/* One operator and distribution: the signals, their measurements, and their posteriors. */
struct bench {
    const verify_settings *settings;
    const struct size *size;
    const char *operator_, *increments;
    double price; /* of a call of D */
    bool sample;  /* the problem that dear methods are measured on */
    scry_levy problem;
    scry_prior *prior, *model; /* model NULL: the distribution has no variance */
    size_t chains;
    float *x, *y;                        /* signals x n, signals x m */
    scry_levy_posterior *gold, *control; /* signals; a second run, judged as a method is */
};

/* Sums over signals of the terms of the metrics, and of their squares. */
struct levy_sums {
    size_t signals;
    double first[METRICS], second[METRICS];
    verify_sum sum;
};

static scry_status verify_levy_make_model(struct bench *b, scry_error *err)
{
    const size_t n = b->problem.n;
    const double variance = scry_increments_variance(&b->problem.increments);
    if (!isfinite(variance)) return SCRY_OK;
    double *C = scry_alloc((n + 1) * n, sizeof *C); /* the covariance, and the mean 0 */
    if (!C) return SCRY_FAIL(err, SCRY_ENOMEM, "covariance of %zu values", n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            C[i * n + j] = variance * (double)((i < j ? i : j) + 1);
    const scry_status st = scry_gaussian_create_dense(&b->model, &SCRY_SPACE(n), C + n * n, C, err);
    scry_free(C);
    return st;
}

/* Signal k, its measurement, and both runs of its posterior. */
static scry_status make_signal(struct bench *b, size_t k, scry_error *err)
{
    const size_t n = b->problem.n, m = b->problem.m;
    const uint64_t seed = (uint64_t)b->settings->seed;
    float *x = b->x + k * n, *y = b->y + k * m;
    scry_levy_gibbs gibbs = {
        .burn_in = b->size->burn_in, .sweeps = b->size->sweeps, .keep = KEEP, .seed = seed + 2 * k};
    scry_status st = scry_levy_signal(x, n, &b->problem.increments, seed, (uint32_t)k, err);
    if (st == SCRY_OK) st = scry_levy_measure(y, &b->problem, x, seed, (uint32_t)k, err);
    if (st == SCRY_OK) st = scry_levy_condition(&b->gold[k], &b->problem, y, &gibbs, err);
    gibbs.seed++;
    gibbs.keep = b->chains;
    if (st == SCRY_OK) st = scry_levy_condition(&b->control[k], &b->problem, y, &gibbs, err);
    return st;
}

static scry_status make_signals(struct bench *b, scry_error *err)
{
    scry_status st = SCRY_OK;
    b->x = scry_alloc(b->size->signals * b->problem.n, sizeof *b->x);
    b->y = scry_alloc(b->size->signals * b->problem.m, sizeof *b->y);
    b->gold = scry_alloc(b->size->signals, sizeof *b->gold);
    b->control = scry_alloc(b->size->signals, sizeof *b->control);
    if (!b->x || !b->y || !b->gold || !b->control)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu signals", b->size->signals);
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t k = 0; k < b->size->signals; k++) {
        scry_error why = {0};
        const scry_status one = scry_cancelled() ? SCRY_OK : make_signal(b, k, &why);
#pragma omp critical(verify_levy_signals)
        if (one != SCRY_OK && st == SCRY_OK) {
            st = one;
            if (err) *err = why;
        }
    }
    return st;
}

static void bench_close(struct bench *b)
{
    for (size_t k = 0; k < b->size->signals; k++) {
        if (b->gold) scry_levy_posterior_clear(&b->gold[k]);
        if (b->control) scry_levy_posterior_clear(&b->control[k]);
    }
    scry_free(b->gold);
    scry_free(b->control);
    scry_free(b->x);
    scry_free(b->y);
    scry_prior_free(b->prior);
    scry_prior_free(b->model);
    scry_levy_clear(&b->problem);
}

static scry_status bench_open(struct bench *b, const struct levy_process *row, scry_levy_kind kind,
                              const verify_settings *settings, scry_error *err)
{
    double amplitude;
    scry_increments increments = row->increments;
    scry_levy_opts opts;
    scry_status st;
    *b = (struct bench){
        .settings = settings, .operator_ = scry_levy_kinds()[kind], .increments = row->name};
    b->price = row->increments.kind == SCRY_INCREMENT_GAUSSIAN ? PRICE_GAUSSIAN : 1;
    b->sample = !strcmp(b->operator_, SAMPLE_OPERATOR) && !strcmp(b->increments, SAMPLE_PROCESS);
    b->size = settings->full ? &full : &quick;
    b->chains = settings->chains ? (size_t)settings->chains : CHAINS;
    if ((st = scry_levy_amplitude(&amplitude, LENGTH, &increments, err)) != SCRY_OK) return st;
    increments.scale /= amplitude;
    scry_levy_opts_init(&opts);
    opts.burn_in = DENOISE_BURN_IN;
    opts.sweeps = DENOISE_SWEEPS;
    st = scry_levy_problem(&b->problem,
                           &(scry_levy_params){.n = LENGTH,
                                               .increments = increments,
                                               .kind = kind,
                                               .snr = SNR,
                                               .seed = (uint64_t)settings->seed},
                           err);
    if (st == SCRY_OK) st = scry_levy_create(&b->prior, LENGTH, &increments, &opts, err);
    if (st == SCRY_OK) st = verify_levy_make_model(b, err);
    if (st == SCRY_OK) st = make_signals(b, err);
    return st;
}

/* Of the central interval p of K sorted samples of entry i: probability under the gold
 * samples, and whether the truth is inside. */
static void verify_levy_cover(const double *sorted, size_t K, double p,
                              const scry_levy_posterior *gold, size_t i, double x,
                              double *probability, double *truth)
{
    double low, high;
    if (!scry_rank_interval(&low, &high, sorted, K, p)) {
        *probability = *truth = NAN;
        return;
    }
    size_t inside = 0;
    for (size_t k = 0; k < gold->kept; k++) {
        const double value = gold->samples[k * gold->n + i];
        inside += value >= low && value <= high;
    }
    *probability += (double)inside / (double)(gold->kept * gold->n);
    *truth += (x >= low && x <= high) / (double)gold->n;
}

/* K samples of signal k. `stride` n, in float or in double. */
static scry_status verify_levy_judge(struct levy_sums *t, const struct bench *b, size_t k,
                                     const float *single, const double *precise, size_t K,
                                     scry_error *err)
{
    const size_t n = b->problem.n;
    const scry_levy_posterior *gold = &b->gold[k];
    const float *x = b->x + k * n;
    double *sorted = scry_alloc(K, sizeof *sorted), value[METRICS] = {0};
    double error = 0, best = 0, apart = 0, variance = 0, exact = 0;
    if (!sorted) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu samples", K);
    for (size_t i = 0; i < n; i++) {
        double mean = 0, square = 0;
        for (size_t s = 0; s < K; s++) {
            sorted[s] = single ? single[s * n + i] : precise[s * n + i];
            mean += sorted[s] / (double)K;
        }
        for (size_t s = 0; s < K; s++)
            square += pow(sorted[s] - mean, 2) / (double)(K - 1);
        scry_sort_double(sorted, K);
        error += pow(mean - x[i], 2);
        best += pow(gold->mean[i] - x[i], 2);
        apart += pow(mean - gold->mean[i], 2) - square / (double)K - pow(gold->error[i], 2);
        variance += square;
        exact += gold->sd[i] * gold->sd[i];
        verify_levy_cover(sorted, K, 0.5, gold, i, x[i], &value[COVER50], &value[TRUTH50]);
        verify_levy_cover(sorted, K, 0.9, gold, i, x[i], &value[COVER90], &value[TRUTH90]);
    }
    value[GAP] = 10 * log10(error / best);
    value[BIAS] = apart / exact;
    value[SPREAD] = variance / exact;
    for (int i = 0; i < METRICS; i++) {
        t->first[i] += value[i];
        t->second[i] += value[i] * value[i];
    }
    t->signals++;
    scry_free(sorted);
    return SCRY_OK;
}

/* Means over signals with their standard errors; BIAS and SPREAD as roots. */
static void verify_levy_fill(verify_row *row, const struct levy_sums *t)
{
    for (int i = 0; i < METRICS; i++) {
        verify_value v = verify_mean(t->first[i], t->second[i], t->signals);
        if (i == BIAS || i == SPREAD) {
            /* a square below its error has no meaningful root */
            v.error /= 2 * sqrt(fmax(v.value, v.error));
            v.value = sqrt(fmax(0, v.value));
        }
        row->value[i] = v;
    }
}

static scry_status settings_of(scry_options *opts, const struct scry_method *method,
                               const char *options, double sigma, scry_error *err)
{
    const scry_option *o = scry_option_find(method, "sigma-min");
    scry_status st = SCRY_OK;
    scry_options_init(opts, method);
    const double low = o && o->value > 0 ? fmin(o->value, LEVEL * sigma) : LEVEL * sigma;
    if (o) st = scry_options_set(opts, o->name, low, err);
    return st == SCRY_OK ? scry_options_parse(opts, options, err) : st;
}

static verify_posterior verify_levy_posterior_of(const struct bench *b, size_t k)
{
    return (verify_posterior){.A = b->problem.op,
                              .y = b->y + k * b->problem.m,
                              .sigma = b->problem.sigma,
                              .prior = b->prior,
                              .model = b->model};
}

/* How many signals the budget pays for; 0: too few, and *row says so. */
static scry_status verify_levy_afford(size_t *signals, const verify_table *table, verify_row *row,
                                      const struct bench *b, const struct scry_method *method,
                                      const scry_options *opts, scry_error *err)
{
    const verify_posterior posterior = verify_levy_posterior_of(b, 0);
    const struct size *size = b->size;
    double cost;
    const scry_status st =
        verify_cost(&cost, table, &posterior, opts, 1, (uint64_t)b->settings->seed, err);
    if (st != SCRY_OK) return st;
    const double budget = b->settings->method ? size->budget_one : size->budget;
    const double paid = budget / b->price / cost / (double)b->chains;
    const bool dear = 2 * paid < (double)size->min;
    *signals = paid < (double)size->signals ? (size_t)paid : size->signals;
    if (*signals < size->min) *signals = size->min;
    if (dear && !b->settings->method && !b->settings->full && !b->sample && b->price >= 1) {
        *signals = 0;
        snprintf(row->note, sizeof row->note,
                 "not measured: %.0f calls of D and VJP a sample, for --method %s or --full", cost,
                 method->name);
    }
    return SCRY_OK;
}

static scry_status verify_levy_sample(struct levy_sums *t, const struct bench *b, size_t k,
                                      const scry_options *opts, scry_error *err)
{
    const verify_posterior posterior = verify_levy_posterior_of(b, k);
    scry_chains c = {0};
    scry_status st = verify_draw(&c, &posterior, opts, k * b->chains, b->chains,
                                 (uint64_t)b->settings->seed, err);
    if (st == SCRY_OK && !scry_cancelled()) {
        verify_count(&t->sum, &c);
        if (c.done >= 2) st = verify_levy_judge(t, b, k, c.samples, NULL, c.done, err);
    }
    scry_chains_free(&c);
    return st;
}

static scry_status verify_levy_run_method(struct levy_sums *t, const verify_table *table,
                                          verify_row *row, const struct bench *b,
                                          const struct scry_method *method, scry_error *err)
{
    size_t signals;
    scry_options opts;
    scry_status st = settings_of(&opts, method, b->settings->options, b->problem.sigma, err);
    if (st == SCRY_OK) st = verify_levy_afford(&signals, table, row, b, method, &opts, err);
    for (size_t k = 0; st == SCRY_OK && k < signals && !scry_cancelled(); k++)
        st = verify_levy_sample(t, b, k, &opts, err);
    return st;
}

/* The second Gibbs run, which says how far the numbers are to be trusted. */
static scry_status verify_levy_run_control(struct levy_sums *t, const struct bench *b,
                                           scry_error *err)
{
    scry_status st = SCRY_OK;
    for (size_t k = 0; k < b->size->signals && st == SCRY_OK; k++) {
        t->sum.samples += b->control[k].kept;
        st = verify_levy_judge(t, b, k, NULL, b->control[k].samples, b->control[k].kept, err);
    }
    return st;
}

/* method NULL: the control. */
static scry_status verify_levy_add_row(verify_table *table, const struct bench *b,
                                       const struct scry_method *method, scry_error *err)
{
    const double begun = verify_clock();
    struct levy_sums t = {0};
    scry_error why = {0};
    verify_row *row =
        verify_add(table, method ? method->name : "gibbs", b->operator_, b->increments);
    if (!row) return SCRY_FAIL(err, SCRY_ENOMEM, "a row of the table");
    if (method) row->options = b->settings->options;
    scry_status st = method ? verify_levy_run_method(&t, table, row, b, method, &why)
                            : verify_levy_run_control(&t, b, &why);
    if (st == SCRY_OK && t.signals) {
        verify_levy_fill(row, &t);
        verify_served(row, &t.sum);
    } else if (st != SCRY_OK) {
        st = verify_refused(row, st, &why, err);
    }
    row->seconds = verify_clock() - begun;
    if (st == SCRY_OK && !scry_cancelled()) verify_say(b->settings, table);
    return st;
}

static scry_status run_bench(verify_table *table, const struct levy_process *increments,
                             scry_levy_kind kind, const verify_settings *settings, scry_error *err)
{
    size_t count;
    struct bench b;
    const struct scry_method *const *methods = scry_methods(&count);
    scry_status st = bench_open(&b, increments, kind, settings, err);
    if (st == SCRY_OK && !scry_cancelled()) st = verify_levy_add_row(table, &b, NULL, err);
    for (size_t i = 0; i < count && st == SCRY_OK && !scry_cancelled(); i++)
        if (verify_selected(settings, methods[i]))
            st = verify_levy_add_row(table, &b, methods[i], err);
    bench_close(&b);
    return st;
}

static scry_status verify_levy_run(verify_table *table, const verify_settings *settings,
                                   scry_error *err)
{
    scry_status st = SCRY_OK;
    for (int kind = 0; scry_levy_kinds()[kind]; kind++) {
        if (!verify_operator(settings, scry_levy_kinds()[kind])) continue;
        for (int l = 0; l < PROCESSES && st == SCRY_OK && !scry_cancelled(); l++)
            if (processes[l].always || settings->full)
                st = run_bench(table, &processes[l], (scry_levy_kind)kind, settings, err);
    }
    return st;
}

static const verify_metric metrics[] = {
    {"gap", "MMSE gap",
     "error of the mean over that of the exact mean, dB, as published; exact "
     "samples, 19: 0.22, 39: 0.11",
     0, 0.3, 2},
    {"bias_post", "bias/post", "error of the mean, rms, in sd of the posterior", 0, 0.05, 3},
    {"sd", "sd ratio", "sd of the samples / exact, rms over entries", 1, 0.05, 3},
    {"cover50", "cover 50", "posterior probability of the samples' own 50 % interval of an entry",
     0.5, 0.02, 3},
    {"cover90", "cover 90", "the same, 90 %", 0.9, 0.02, 3},
    {"truth50", "truth 50", "share of true entries inside the 50 % interval", 0.5, 0.05, 2},
    {"truth90", "truth 90", "the same, 90 %", 0.9, 0.05, 2},
    {0},
};

static const char *const operators[] = {"denoise", "deconvolve", "impute", "fourier", NULL};

const verify_part verify_levy = {
    "levy",
    "Levy processes of 64 steps at 25 dB (arXiv:2509.12821), posterior by Gibbs sampling",
    operators,
    metrics,
    2,
    1000,
    false,
    verify_levy_run,
};
