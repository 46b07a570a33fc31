#include "apps/verify/exact.h"
#include "apps/verify/trial.h"
#include "lib/cancel.h"
#include "lib/memory.h"

#include <stdio.h>
#include <string.h>

/* Simulation-based calibration: images from the prior itself, measured, and where each truth ranks
 * among the samples. It needs no exact posterior, so shipped networks can be asked; priors in
 * closed form are the control, and the place where every method is measured.
 *
 * Where nothing is known, samples are also held against the score of the posterior, grad log p(y|x)
 * + (D(x; s) - x) / s^2 at a small s: kernel Stein discrepancy. */

/* 19 samples are the fewest with a 90 % interval. */
enum { CHAINS = 19, IMAGES = 12, IMAGES_CONTROL = 24, IMAGES_FULL = 48 };

/* Level of the score of priors in closed form: small beside their spread of about 1. */
static const double STEIN_LEVEL = 0.03;

/* Calls of networks that a method may cost by default, all problems together, a VJP counting as
 * two: some 3 ms each. It pays for fewer images, and where it does not pay for LEAST of them on
 * each problem, for fewer problems: those that come first. --method pays four times as
 * much, and for MIN_IMAGES_ASKED images whatever they cost. */
enum { BUDGET = 12000, VJP_COST = 2, MIN_IMAGES = 3, MIN_IMAGES_ASKED = 2 };

static size_t count_chains(const verify_settings *settings)
{
    return settings->chains ? (size_t)settings->chains : CHAINS;
}

/* ---- one method on one problem ---- */

static scry_status verify_calibration_sample(verify_ranks *ranks, verify_sum *sum,
                                             const verify_trial *t, size_t k,
                                             const struct scry_method *method, scry_error *err)
{
    const verify_posterior posterior = verify_trial_posterior(t, k);
    scry_chains c = {0};
    scry_options opts;
    scry_options_init(&opts, method);
    scry_status st = scry_options_parse(&opts, t->settings->options, err);
    if (st == SCRY_OK)
        st = verify_draw(&c, &posterior, &opts, k * t->chains, t->chains,
                         (uint64_t)t->settings->seed, err);
    if (st == SCRY_OK && !scry_cancelled()) {
        verify_count(sum, &c);
        if (c.done >= SCRY_RANK_BINS - 1)
            st = verify_ranks_add(ranks, t, k, c.samples, c.done, err);
    }
    scry_chains_free(&c);
    return st;
}

/* How many images of problem number `at` of `count` the budget pays for; 0: too few, and *row says
 * so. */
static scry_status calibration_afford(size_t *images, const verify_table *table, verify_row *row,
                                      const verify_trial *t, const struct scry_method *method,
                                      size_t at, size_t count, scry_error *err)
{
    const verify_settings *settings = t->settings;
    const verify_posterior posterior = verify_trial_posterior(t, 0);
    double cost;
    *images = t->images;
    if (!t->network || settings->full) return SCRY_OK;
    scry_options opts;
    scry_options_init(&opts, method);
    scry_status st = scry_options_parse(&opts, settings->options, err);
    if (st == SCRY_OK)
        st = verify_cost(&cost, table, &posterior, &opts, VJP_COST, (uint64_t)settings->seed, err);
    if (st != SCRY_OK) return st;
    const double budget = settings->method ? 4.0 * BUDGET : BUDGET;
    const size_t paid = (size_t)(budget / cost / (double)t->chains);
    size_t problems = paid / MIN_IMAGES < count ? paid / MIN_IMAGES : count;
    if (settings->method) problems = count; /* a named method is measured */
    *images = at < problems ? paid / problems : 0;
    if (settings->method && *images < MIN_IMAGES_ASKED) *images = MIN_IMAGES_ASKED;
    if (*images > t->images) *images = t->images;
    if (!*images)
        snprintf(row->note, sizeof row->note,
                 "not measured: %.0f calls of D and VJP a sample, for --method %s", cost,
                 method->name);
    return SCRY_OK;
}

static scry_status verify_calibration_add_row(verify_table *table, const verify_trial *t,
                                              const struct scry_method *method, size_t at,
                                              size_t count, scry_error *err)
{
    const double begun = verify_clock();
    verify_ranks ranks = {0};
    verify_sum sum = {0};
    scry_error why = {0};
    size_t images = 0;
    verify_row *row = verify_add(table, method->name, t->operator_, t->name);
    if (!row) return SCRY_FAIL(err, SCRY_ENOMEM, "a row of the table");
    row->options = t->settings->options;
    scry_status st = verify_ranks_open(&ranks, t->images, &why);
    if (st == SCRY_OK) st = calibration_afford(&images, table, row, t, method, at, count, &why);
    for (size_t k = 0; k < images && st == SCRY_OK && !scry_cancelled(); k++)
        st = verify_calibration_sample(&ranks, &sum, t, k, method, &why);
    if (st == SCRY_OK && images && !scry_cancelled())
        st = verify_ranks_fill(row, &ranks, t->chains, &why);
    if (st == SCRY_OK && images && !scry_cancelled()) verify_served(row, &sum);
    if (st != SCRY_OK) st = verify_refused(row, st, &why, err);
    row->seconds = verify_clock() - begun;
    verify_ranks_close(&ranks);
    if (st == SCRY_OK && !scry_cancelled()) verify_say(t->settings, table);
    return st;
}

/* ---- the problems ---- */

static scry_status run_trial(verify_table *table, const verify_trial *t, size_t at, size_t count,
                             scry_error *err)
{
    size_t methods;
    scry_status st = SCRY_OK;
    const struct scry_method *const *method = scry_methods(&methods);
    for (size_t i = 0; i < methods && st == SCRY_OK && !scry_cancelled(); i++)
        if (verify_selected(t->settings, method[i]))
            st = verify_calibration_add_row(table, t, method[i], at, count, err);
    return st;
}

static scry_status calibration_draw_truths(verify_trial *t, const scry_gaussian_mixture *mixture,
                                           scry_error *err)
{
    double *x = scry_alloc(t->n, sizeof *x);
    if (!x) return SCRY_FAIL(err, SCRY_ENOMEM, "an image");
    for (size_t k = 0; k < t->images; k++) {
        scry_gaussian_mixture_draw(mixture, x, (uint64_t)t->settings->seed,
                                   VERIFY_TRUTHS + (uint32_t)k);
        for (size_t i = 0; i < t->n; i++)
            t->x[k * t->n + i] = (float)x[i];
    }
    scry_free(x);
    return SCRY_OK;
}

static scry_status calibration_run_control(verify_table *table, const exact_spec *spec,
                                           const char *name, const verify_settings *settings,
                                           scry_error *err)
{
    exact_problem p;
    scry_status st = exact_problem_open(&p, spec, err);
    if (st != SCRY_OK) return st;
    verify_trial t = {.settings = settings,
                      .operator_ = spec->operator_,
                      .name = name,
                      .images = settings->full ? IMAGES_FULL : IMAGES_CONTROL,
                      .chains = count_chains(settings),
                      .stride = 1,
                      .sigma = spec->sigma,
                      .stein_sigma = STEIN_LEVEL,
                      .A = p.A,
                      .prior = p.prior,
                      .model = p.model};
    st = verify_trial_allocate(&t, err);
    if (st == SCRY_OK) st = calibration_draw_truths(&t, p.mixture, err);
    if (st == SCRY_OK) st = verify_trial_measure(&t, err);
    if (st == SCRY_OK) st = run_trial(table, &t, 0, 1, err);
    verify_trial_clear(&t);
    exact_problem_close(&p);
    return st;
}

static scry_status run_controls(verify_table *table, const exact_spec *specs, const char *name,
                                const verify_settings *settings, scry_error *err)
{
    scry_status st = SCRY_OK;
    const char *last = "";
    for (const exact_spec *s = specs; s->operator_ && st == SCRY_OK && !scry_cancelled(); s++)
        if (strcmp(last, s->operator_) != 0) { /* the smallest of each operator comes first */
            last = s->operator_;
            if (verify_operator(settings, last))
                st = calibration_run_control(table, s, name, settings, err);
        }
    return st;
}

/* A network that is not installed leaves its rows empty, and the others as they are. */
static scry_status skip_network(verify_table *table, const verify_network *which,
                                const verify_settings *settings, scry_status st,
                                const scry_error *why, scry_error *err)
{
    size_t methods;
    const struct scry_method *const *method = scry_methods(&methods);
    scry_status kept = SCRY_OK;
    for (size_t i = 0; i < methods && kept == SCRY_OK; i++) {
        if (!verify_selected(settings, method[i])) continue;
        verify_row *row = verify_add(table, method[i]->name, which->operator_, which->name);
        if (!row) return SCRY_FAIL(err, SCRY_ENOMEM, "a row of the table");
        kept = verify_refused(row, st, why, err);
        if (kept == SCRY_OK) verify_say(settings, table);
    }
    return kept;
}

static scry_status run_networks(verify_table *table, const verify_settings *settings,
                                scry_error *err)
{
    size_t count = 0, at = 0;
    scry_status st = SCRY_OK;
    for (const verify_network *w = verify_networks; w->operator_; w++)
        count += verify_operator(settings, w->operator_);
    for (const verify_network *w = verify_networks;
         w->operator_ && st == SCRY_OK && !scry_cancelled(); w++) {
        verify_network_trial *net = NULL;
        if (!verify_operator(settings, w->operator_)) continue;
        scry_error why = {0};
        st = verify_network_open(&net, w, settings, settings->full ? IMAGES_FULL : IMAGES,
                                 count_chains(settings), &why);
        if (st != SCRY_OK)
            st = skip_network(table, w, settings, st, &why, err);
        else if (!scry_cancelled())
            st = run_trial(table, verify_network_get(net), at, count, err);
        at++;
        verify_network_free(net);
    }
    return st;
}

static scry_status verify_calibration_run(verify_table *table, const verify_settings *settings,
                                          scry_error *err)
{
    scry_status st = run_controls(table, exact_gaussian, "gaussian", settings, err);
    if (st == SCRY_OK) st = run_controls(table, exact_mixture, "mixture", settings, err);
    if (st == SCRY_OK && !scry_cancelled()) st = run_networks(table, settings, err);
    return st;
}

static const verify_metric metrics[] = {
    {"rank1", "ranks 1/5",
     "share of truths in the lowest fifth of ranks among the samples, times "
     "5; high at both ends: spread too small",
     1, 0.25, 2},
    {"rank2", "2/5", "the second fifth", 1, 0.25, 2},
    {"rank3", "3/5", "the middle", 1, 0.25, 2},
    {"rank4", "4/5", "the fourth", 1, 0.25, 2},
    {"rank5", "5/5", "the highest", 1, 0.25, 2},
    {"p", "p uniform", "p-value of chi-square of uniform ranks, with the design effect of images",
     0.5, 0.25, 3},
    {"cover50", "cover 50", "share of truths inside the samples' own 50 % interval", 0.5, 0.05, 2},
    {"cover90", "cover 90", "the same, 90 %", 0.9, 0.05, 2},
    {"stein", "stein",
     "share of measurements whose samples do not fit the score of the posterior "
     "(p < 0.1)",
     0.1, 0.2, 2},
    {0},
};

static const char *const operators[] = {"blur", "mask", "fourier", NULL};

const verify_part verify_calibration = {
    "calibration",
    "ranks of truths drawn from the prior itself; priors in closed form as control",
    operators,
    metrics,
    SCRY_RANK_BINS - 1,
    1 << 20,
    false,
    verify_calibration_run,
};
