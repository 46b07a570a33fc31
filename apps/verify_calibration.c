#include "apps/verify.h"

#include "apps/monitor.h"
#include "apps/prior_pool.h"
#include "apps/verify_exact.h"
#include "lib/memory.h"
#include "lib/ranks.h"
#include "lib/rng.h"
#include "lib/stein.h"
#include "operators/blur.h"
#include "operators/mask.h"
#include "priors/info.h"
#include "solvers/chains.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Simulation-based calibration: images from the prior itself, measured, and where each truth ranks
 * among the samples. It needs no exact posterior, so shipped networks can be asked; priors in
 * closed form are the control. What a network's own images are is what ancestral sampling makes of
 * it: an error of that sampler counts as one of the method.
 *
 * Where nothing is known, samples are also held against the score of the posterior, grad log p(y|x)
 * + (D(x; s) - x) / s^2 at a small s: kernel Stein discrepancy. */
enum { SIDE = 32, CHAINS = 19, IMAGES = 12, STRIDE = 4, BOOTSTRAP = 200 };

/* Calls of a network that a row may cost by default, a VJP counting as three; with --method four
 * times as many. */
enum { BUDGET = 8000, LEAST = 8 };

/* Numbers of the chains that draw truths, and of the one that tells a method's cost. */
enum { TRUTHS = 1 << 29, PILOT = 1 << 30 };

/* Streams of (seed, chain, step) beside those of the solvers, which count steps from 0. */
enum { STREAM_NOISE = 0x7fffff00, STREAM_MASK };

static const double NETWORK_SIGMA = 0.1, STEIN_LEVEL = 0.03;

/* A prior, an operator, and truths. */
struct trial {
    const verify_settings *settings;
    const char *operator_, *name;
    size_t n, m, images, chains;
    double sigma, stein_sigma;
    const scry_op *A;
    const scry_prior *prior, *model;
    float *x, *y;  /* images x n, images x m */
    bool budgeted; /* calls of D are dear */
};

/* What is behind a trial with a network. */
struct network {
    prior_pool pool;
    scry_prior_info *info;
    scry_prior *prior, *model;
};

struct tally {
    size_t images, samples, failed, rejected;
    double *share; /* images x SCRY_RANK_BINS */
    double first[2], second[2]; /* of the share inside 50 and 90 % */
    scry_counts counts;
    scry_error failure;
};

static bool go_on(const scry_chains_progress *p, void *ctx)
{
    (void)p;
    (void)ctx;
    return !cli_interrupted;
}

static scry_status draw(scry_chains *c, const struct trial *t, const float *y, size_t first,
                        size_t count, const struct scry_method *method, scry_error *err)
{
    const scry_noise noise = { .kind = SCRY_NOISE_GAUSSIAN, .sigma = t->sigma };
    scry_likelihood *L = NULL;
    scry_solver_opts opts;
    scry_chains_opts chains;
    scry_status st = y ? scry_likelihood_create(&L, t->A, y, &noise, NULL, err) : SCRY_OK;
    if (st != SCRY_OK) return st;
    const scry_problem problem = { .L = L, .prior = t->prior, .model = y ? t->model : NULL };
    scry_solver_opts_init(&opts, method);
    scry_chains_opts_init(&chains);
    chains.chains = count;
    chains.first = first;
    chains.seed = (uint64_t)t->settings->seed;
    chains.threads = 0;
    chains.keep = true;
    st = scry_chains_run(c, method, &problem, &opts, &chains, go_on, NULL, err);
    scry_likelihood_free(L);
    return st;
}

/* ---- the problems ---- */

static scry_status measure_truths(struct trial *t, scry_error *err)
{
    void *work = scry_alloc(1, scry_op_work_bytes(t->A));
    float *noise = scry_alloc(t->m, sizeof *noise);
    scry_status st = work && noise ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "measurements");
    for (size_t k = 0; k < t->images && st == SCRY_OK; k++) {
        float *y = t->y + k * t->m;
        st = scry_op_forward(t->A, y, t->x + k * t->n, work, err);
        scry_rng_normal(noise, 0, t->m, (uint64_t)t->settings->seed, (uint32_t)k, STREAM_NOISE);
        for (size_t j = 0; j < t->m; j++) y[j] += (float)t->sigma * noise[j];
    }
    scry_free(work);
    scry_free(noise);
    return st;
}

static scry_status trial_allocate(struct trial *t, scry_error *err)
{
    t->n = scry_space_floats(scry_op_dom(t->A));
    t->m = scry_space_floats(scry_op_cod(t->A));
    t->images = t->settings->full ? 4 * IMAGES : IMAGES;
    t->chains = t->settings->chains ? (size_t)t->settings->chains : CHAINS;
    t->x = scry_alloc(t->images * t->n, sizeof *t->x);
    t->y = scry_alloc(t->images * t->m, sizeof *t->y);
    return t->x && t->y ? SCRY_OK
                        : SCRY_FAIL(err, SCRY_ENOMEM, "%zu images of %zu", t->images, t->n);
}

static scry_status exact_truths(struct trial *t, const scry_law *law, scry_error *err)
{
    double *x = scry_alloc(t->n, sizeof *x);
    if (!x) return SCRY_FAIL(err, SCRY_ENOMEM, "an image");
    for (size_t k = 0; k < t->images; k++) {
        scry_law_draw(law, x, (uint64_t)t->settings->seed, TRUTHS + (uint32_t)k);
        for (size_t i = 0; i < t->n; i++) t->x[k * t->n + i] = (float)x[i];
    }
    scry_free(x);
    return SCRY_OK;
}

static scry_status network_truths(struct trial *t, scry_error *err)
{
    scry_chains c = { 0 };
    const scry_status st =
        draw(&c, t, NULL, TRUTHS, t->images, scry_method_find("ddpm"), err);
    if (st == SCRY_OK && c.done == t->images)
        memcpy(t->x, c.samples, t->images * t->n * sizeof *t->x);
    const bool short_of = st == SCRY_OK && c.done != t->images && !cli_interrupted;
    scry_chains_free(&c);
    return short_of ? SCRY_FAIL(err, SCRY_ENUMERIC, "a draw from the prior diverged") : st;
}

static void network_close(struct network *net)
{
    scry_prior_free(net->prior);
    scry_prior_free(net->model);
    scry_prior_info_free(net->info);
    prior_pool_close(&net->pool);
}

static scry_status network_open(struct network *net, const char *name, scry_error *err)
{
    const scry_space space = SCRY_SPACE(SIDE, SIDE);
    prior_layout layout;
    scry_status st = prior_pool_open(&net->pool, name, err);
    if (st == SCRY_OK) st = scry_prior_info_read(&net->info, net->pool.folder, err);
    if (st == SCRY_OK)
        st = prior_pool_make(&net->prior, &layout, &net->pool, &space, SIDE, true, 1, err);
    if (st == SCRY_OK && net->info->radial.count)
        st = scry_gaussian_create_radial(&net->model, &space, 2, &net->info->radial, err);
    return st;
}

/* A Gaussian blur of sd 1.5 pixels, or half of the pixels. */
static scry_status network_operator(scry_op **A, const char *operator_, uint64_t seed,
                                    scry_error *err)
{
    enum { TAPS = 9 };
    const scry_space space = SCRY_SPACE(SIDE, SIDE), taps = SCRY_SPACE(TAPS, TAPS);
    float psf[TAPS * TAPS], u[SIDE * SIDE], sum = 0;
    unsigned char known[SIDE * SIDE];
    if (!strcmp(operator_, "blur")) {
        for (int i = 0; i < TAPS * TAPS; i++) {
            const double y = i / TAPS - TAPS / 2, x = i % TAPS - TAPS / 2;
            sum += psf[i] = (float)exp(-(x * x + y * y) / (2 * 1.5 * 1.5));
        }
        for (int i = 0; i < TAPS * TAPS; i++) psf[i] /= sum;
        return scry_blur_create(A, &space, psf, &taps, SCRY_PERIODIC, 1, err);
    }
    scry_rng_uniform(u, 0, SIDE * SIDE, seed, 0, STREAM_MASK);
    for (int i = 0; i < SIDE * SIDE; i++) known[i] = u[i] < 0.5f;
    return scry_mask_create(A, &space, known, err);
}

/* ---- one method on one problem ---- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Ranks and intervals of image k among K samples. Neighbours say much the same: every STRIDE-th
 * entry of a large image is asked. */
static scry_status rank(struct tally *t, const struct trial *b, const float *x,
                        const float *samples, size_t K, scry_error *err)
{
    double *sorted = scry_alloc(K, sizeof *sorted), inside[2] = { 0 };
    double *share = t->share + t->images * SCRY_RANK_BINS;
    const size_t stride = b->n > 256 ? STRIDE : 1, asked = (b->n + stride - 1) / stride;
    if (!sorted) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu samples", K);
    for (size_t i = 0; i < b->n; i += stride) {
        size_t below = 0;
        for (size_t s = 0; s < K; s++) {
            sorted[s] = samples[s * b->n + i];
            below += sorted[s] < x[i];
        }
        share[scry_rank_bin(below, K)] += 1 / (double)asked;
        qsort(sorted, K, sizeof *sorted, ascending);
        for (int level = 0; level < 2; level++) {
            double low, high;
            if (!scry_rank_interval(&low, &high, sorted, K, level ? 0.9 : 0.5))
                inside[level] = NAN;
            else
                inside[level] += (x[i] >= low && x[i] <= high) / (double)asked;
        }
    }
    for (int level = 0; level < 2; level++) {
        t->first[level] += inside[level];
        t->second[level] += inside[level] * inside[level];
    }
    scry_free(sorted);
    return SCRY_OK;
}

/* Whether the samples fit the posterior's score, at a level of 10 %. */
static scry_status stein(struct tally *t, const struct trial *b, const float *y,
                         const float *samples, size_t K, scry_error *err)
{
    const scry_noise noise = { .kind = SCRY_NOISE_GAUSSIAN, .sigma = b->sigma };
    const double s2 = b->stein_sigma * b->stein_sigma;
    scry_likelihood *L = NULL;
    scry_ksd ksd;
    scry_status st = scry_likelihood_create(&L, b->A, y, &noise, NULL, err);
    if (st != SCRY_OK) return st;
    float *score = scry_alloc(K * b->n, sizeof *score), *D = scry_alloc(b->n, sizeof *D);
    void *work = scry_alloc(1, scry_likelihood_work_bytes(L));
    void *prior_work = scry_alloc(1, scry_prior_work_bytes(b->prior));
    if (!score || !D || !work || !prior_work)
        st = SCRY_FAIL(err, SCRY_ENOMEM, "scores of %zu samples", K);
    for (size_t k = 0; k < K && st == SCRY_OK; k++) {
        const float *x = samples + k * b->n;
        float *g = score + k * b->n;
        st = scry_likelihood_score(L, g, x, work, err);
        if (st == SCRY_OK)
            st = scry_prior_denoise(b->prior, D, x, (float)b->stein_sigma, prior_work, err);
        for (size_t i = 0; i < b->n; i++) g[i] += (float)(((double)D[i] - x[i]) / s2);
    }
    if (st == SCRY_OK)
        st = scry_ksd_measure(&ksd, samples, score, K, b->n, NULL, BOOTSTRAP,
                              (uint64_t)b->settings->seed, err);
    if (st == SCRY_OK) t->rejected += ksd.p < 0.1;
    scry_free(score);
    scry_free(D);
    scry_free(work);
    scry_free(prior_work);
    scry_likelihood_free(L);
    return st;
}

static scry_status sample(struct tally *t, const struct trial *b, size_t k,
                          const struct scry_method *method, scry_error *err)
{
    scry_chains c = { 0 };
    const float *y = b->y + k * b->m;
    scry_status st = draw(&c, b, y, k * b->chains, b->chains, method, err);
    if (st == SCRY_OK && !cli_interrupted) {
        t->counts.denoise += c.counts.denoise;
        t->counts.vjp += c.counts.vjp;
        t->counts.forward += c.counts.forward;
        t->counts.adjoint += c.counts.adjoint;
        if (c.failed && !t->failed) t->failure = c.failure;
        t->failed += c.failed;
        if (c.done >= SCRY_RANK_BINS - 1) {
            st = rank(t, b, b->x + k * b->n, c.samples, c.done, err);
            if (st == SCRY_OK) st = stein(t, b, y, c.samples, c.done, err);
            t->images++;
            t->samples += c.done;
        }
    }
    scry_chains_free(&c);
    return st;
}

/* Calls of a sample: what they were on the controls, or a pilot chain tells. */
static scry_status cost_of(double *cost, const verify_table *table, const struct trial *b,
                           const struct scry_method *method, scry_error *err)
{
    scry_chains c = { 0 };
    for (const verify_row *r = table->rows; r < table->rows + table->count; r++)
        if (r->served && !strcmp(r->method, method->name)) {
            *cost = r->denoise + 3 * r->vjp + 1;
            return SCRY_OK;
        }
    const scry_status st = draw(&c, b, b->y, PILOT, 1, method, err);
    *cost = (double)(c.counts.denoise + 3 * c.counts.vjp) + 1;
    scry_chains_free(&c);
    return st;
}

/* How many images the budget pays for; 0: too few, and *row says so. */
static scry_status afford(size_t *images, const verify_table *table, verify_row *row,
                          const struct trial *b, const struct scry_method *method,
                          scry_error *err)
{
    double cost;
    *images = b->images;
    if (!b->budgeted || b->settings->full) return SCRY_OK;
    const scry_status st = cost_of(&cost, table, b, method, err);
    if (st != SCRY_OK) return st;
    const double budget = b->settings->method ? 4 * BUDGET : BUDGET;
    const size_t paid = (size_t)(budget / cost / (double)b->chains);
    if (paid < LEAST) {
        *images = 0;
        snprintf(row->note, sizeof row->note,
                 "not measured: %.0f calls of D and VJP a sample, for --full%s", cost,
                 4 * paid < LEAST || b->settings->method ? "" : " or --method");
    } else if (paid < b->images) {
        *images = paid;
    }
    return SCRY_OK;
}

enum { P_VALUE = SCRY_RANK_BINS, COVER50, COVER90, STEIN };

static scry_status fill(verify_row *row, const struct tally *t, size_t K, scry_error *err)
{
    scry_rank_test test;
    const double count = (double)t->images, asked = (double)(t->samples + t->failed);
    const scry_status st = scry_rank_test_measure(&test, t->share, t->images, K, err);
    if (st != SCRY_OK) return st;
    for (int b = 0; b < SCRY_RANK_BINS; b++)
        row->value[b] = (verify_value){ test.ratio[b], test.error[b] };
    row->value[P_VALUE] = (verify_value){ test.p, NAN };
    for (int level = 0; level < 2; level++) {
        const double mean = t->first[level] / count;
        const double variance = fmax(0, t->second[level] / count - mean * mean);
        row->value[COVER50 + level] = (verify_value){ mean, sqrt(variance / (count - 1)) };
    }
    const double share = (double)t->rejected / count;
    row->value[STEIN] = (verify_value){ share, sqrt(share * (1 - share) / count) };
    row->served = true;
    row->chains = t->samples;
    row->denoise = (double)t->counts.denoise / asked;
    row->vjp = (double)t->counts.vjp / asked;
    row->apply = (double)(t->counts.forward + t->counts.adjoint) / asked;
    if (t->failed)
        snprintf(row->note, sizeof row->note, "%zu of %.0f chains diverged: %.100s", t->failed,
                 asked, t->failure.text);
    return SCRY_OK;
}

static scry_status add_row(verify_table *table, const struct trial *b,
                           const struct scry_method *method, scry_error *err)
{
    const double begun = monitor_clock();
    struct tally t = { 0 };
    scry_error why = { 0 };
    size_t images = 0;
    verify_row *row = verify_add(table, method->name, b->operator_, b->name);
    t.share = scry_alloc(b->images * SCRY_RANK_BINS, sizeof *t.share);
    if (!row || !t.share) {
        scry_free(t.share);
        return SCRY_FAIL(err, SCRY_ENOMEM, "a row of the table");
    }
    scry_status st = afford(&images, table, row, b, method, &why);
    for (size_t k = 0; k < images && st == SCRY_OK && !cli_interrupted; k++)
        st = sample(&t, b, k, method, &why);
    if (st == SCRY_OK && images && !cli_interrupted) st = fill(row, &t, b->chains, &why);
    row->seconds = monitor_clock() - begun;
    /* A method that cannot serve, or breaks down, is a finding and not the end of the run. */
    if (st == SCRY_EUNSUP || st == SCRY_ENUMERIC || st == SCRY_EINVAL) {
        snprintf(row->note, sizeof row->note, "not measured: %.180s", why.text);
        st = SCRY_OK;
    } else if (st != SCRY_OK && err) {
        *err = why;
    }
    scry_free(t.share);
    if (st == SCRY_OK && !cli_interrupted) verify_say(b->settings, table);
    return st;
}

static scry_status run_trial(verify_table *table, const struct trial *b, scry_error *err)
{
    size_t count;
    scry_status st = SCRY_OK;
    const struct scry_method *const *methods = scry_methods(&count);
    for (size_t i = 0; i < count && st == SCRY_OK && !cli_interrupted; i++)
        if (verify_selected(b->settings, methods[i])) st = add_row(table, b, methods[i], err);
    return st;
}

/* The control: images from priors in closed form. */
static scry_status run_exact(verify_table *table, const exact_spec *spec, const char *name,
                             const verify_settings *settings, scry_error *err)
{
    exact_problem p;
    struct trial t = { .settings = settings, .operator_ = spec->operator_, .name = name,
                       .sigma = spec->sigma, .stein_sigma = STEIN_LEVEL };
    scry_status st = exact_problem_open(&p, spec, err);
    if (st != SCRY_OK) return st;
    t.A = p.A;
    t.prior = p.prior;
    t.model = p.model;
    st = trial_allocate(&t, err);
    if (st == SCRY_OK) st = exact_truths(&t, p.law, err);
    if (st == SCRY_OK) st = measure_truths(&t, err);
    if (st == SCRY_OK) st = run_trial(table, &t, err);
    scry_free(t.x);
    scry_free(t.y);
    exact_problem_close(&p);
    return st;
}

static scry_status run_network(verify_table *table, const struct network *net,
                               const char *operator_, const verify_settings *settings,
                               scry_error *err)
{
    double least, most;
    scry_op *A = NULL;
    struct trial t = { .settings = settings, .operator_ = operator_, .name = "microscopy",
                       .sigma = NETWORK_SIGMA, .prior = net->prior, .model = net->model,
                       .budgeted = true };
    scry_prior_sigma_range(net->prior, &least, &most);
    t.stein_sigma = fmax(STEIN_LEVEL, least);
    scry_status st = network_operator(&A, operator_, (uint64_t)settings->seed, err);
    t.A = A;
    if (st == SCRY_OK) st = trial_allocate(&t, err);
    if (st == SCRY_OK) st = network_truths(&t, err);
    if (st == SCRY_OK && !cli_interrupted) st = measure_truths(&t, err);
    if (st == SCRY_OK) st = run_trial(table, &t, err);
    scry_free(t.x);
    scry_free(t.y);
    scry_op_free(A);
    return st;
}

static scry_status run_controls(verify_table *table, const exact_spec *specs, const char *name,
                                const verify_settings *settings, scry_error *err)
{
    scry_status st = SCRY_OK;
    const char *last = "";
    for (const exact_spec *s = specs; s->operator_ && st == SCRY_OK && !cli_interrupted; s++)
        if (strcmp(last, s->operator_) != 0) { /* the smallest of each operator comes first */
            last = s->operator_;
            if (verify_operator(settings, last)) st = run_exact(table, s, name, settings, err);
        }
    return st;
}

static scry_status run(verify_table *table, const verify_settings *settings, scry_error *err)
{
    struct network net = { 0 };
    scry_status st = SCRY_OK;
    if (settings->chains && settings->chains < SCRY_RANK_BINS - 1)
        return SCRY_FAIL(err, SCRY_EINVAL, "--chains %lld, expected %d or more for ranks",
                         (long long)settings->chains, SCRY_RANK_BINS - 1);
    st = run_controls(table, exact_gaussian, "gaussian", settings, err);
    if (st == SCRY_OK) st = run_controls(table, exact_mixture, "mixture", settings, err);
    if (st == SCRY_OK && !cli_interrupted) st = network_open(&net, "microscopy", err);
    for (int k = 0; k < 2 && st == SCRY_OK && !cli_interrupted; k++) {
        const char *const operator_ = k ? "mask" : "blur";
        if (verify_operator(settings, operator_))
            st = run_network(table, &net, operator_, settings, err);
    }
    network_close(&net);
    return st;
}

static const verify_metric metrics[] = {
    { "rank1", "ranks 1/5", "share of truths in the lowest fifth of ranks among the samples, times "
                            "5; high at both ends: spread too small", 1, 0.25, 2 },
    { "rank2", "2/5", "the second fifth", 1, 0.25, 2 },
    { "rank3", "3/5", "the middle", 1, 0.25, 2 },
    { "rank4", "4/5", "the fourth", 1, 0.25, 2 },
    { "rank5", "5/5", "the highest", 1, 0.25, 2 },
    { "p", "p uniform", "p-value of chi-square of uniform ranks, with the design effect of images",
      0.5, 0.25, 3 },
    { "cover50", "cover 50", "share of truths inside the samples' own 50 % interval", 0.5, 0.05,
      2 },
    { "cover90", "cover 90", "the same, 90 %", 0.9, 0.05, 2 },
    { "stein", "stein", "share of measurements whose samples do not fit the score of the posterior "
                        "(p < 0.1)", 0.1, 0.2, 2 },
    { 0 },
};

static const char *const operators[] = { "blur", "mask", "fourier", NULL };

const verify_part verify_calibration = {
    "calibration", "ranks of truths drawn from the prior itself; priors in closed form as control",
    operators, metrics, run
};
