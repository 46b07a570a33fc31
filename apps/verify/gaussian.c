#include "apps/verify/exact.h"
#include "apps/verify/row.h"

#include "datasets/scorecard.h"
#include "lib/cancel.h"
#include "lib/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Posteriors known in closed form. */

/* Samples of a posterior: enough that the mean is known to a hundredth of the prior's sd, but not
 * more than BUDGET calls of the denoiser pay for, measurements together. A call of the VJP
 * counts as three, as with networks. */
enum { MEASUREMENTS = 16, MAX_CHAINS = 256, MIN_CHAINS = 32, BUDGET = 1 << 20 };
enum { VJP_COST = 3 };

/* One method on one problem. */
struct run {
    const exact_problem *problem;
    const verify_settings *settings;
    scry_options opts;
    scry_scorecard *card;
    size_t measurements, chains;
    verify_sum sum;
    float *y;
};

static verify_posterior verify_gaussian_posterior_of(const struct run *r)
{
    return (verify_posterior){.A = r->problem->A,
                              .y = r->y,
                              .sigma = r->problem->spec->sigma,
                              .prior = r->problem->prior,
                              .model = r->problem->model};
}

/* Chains of a measurement, from the cost of one. */
static scry_status plan_chains(struct run *r, scry_error *err)
{
    const verify_posterior posterior = verify_gaussian_posterior_of(r);
    const uint64_t seed = (uint64_t)r->settings->seed;
    double cost;
    scry_gaussian_mixture *exact;
    scry_status st = exact_problem_measure(r->problem, r->y, &exact, seed, 0, err);
    if (st != SCRY_OK) return st;
    scry_gaussian_mixture_free(exact);
    st = verify_cost(&cost, NULL, &posterior, &r->opts, VJP_COST, seed, err);
    if (st != SCRY_OK) return st;
    const double afford = BUDGET / cost / MEASUREMENTS;
    r->chains = r->settings->chains ? (size_t)r->settings->chains
                                    : (size_t)fmax(MIN_CHAINS, fmin(MAX_CHAINS, afford));
    return SCRY_OK;
}

static scry_status verify_gaussian_measure(struct run *r, size_t number, scry_error *err)
{
    const verify_posterior posterior = verify_gaussian_posterior_of(r);
    const uint64_t seed = (uint64_t)r->settings->seed;
    scry_chains c = {0};
    scry_gaussian_mixture *exact = NULL;
    scry_status st = exact_problem_measure(r->problem, r->y, &exact, seed, (uint32_t)number, err);
    if (st == SCRY_OK)
        st = verify_draw(&c, &posterior, &r->opts, number * r->chains, r->chains, seed, err);
    if (st == SCRY_OK && !scry_cancelled()) {
        verify_count(&r->sum, &c);
        if (c.done >= 2) st = scry_scorecard_add(r->card, exact, c.samples, c.done, err);
    }
    scry_chains_free(&c);
    scry_gaussian_mixture_free(exact);
    return st;
}

static verify_value value_of(scry_score s)
{
    return (verify_value){s.value, s.error};
}

static scry_status verify_gaussian_fill(verify_row *row, const struct run *r, scry_error *err)
{
    scry_scores s;
    scry_status st = scry_scorecard_read(r->card, &s, err);
    if (st != SCRY_OK) return st;
    const scry_score in_order[] = {s.bias_prior, s.bias_post, s.sd_low,   s.sd_median, s.sd_high,
                                   s.cover50,    s.cover90,   s.inside50, s.inside90,  s.weights};
    for (size_t i = 0; i < sizeof in_order / sizeof *in_order; i++)
        row->value[i] = value_of(in_order[i]);
    verify_served(row, &r->sum);
    return SCRY_OK;
}

static scry_status verify_gaussian_run_method(verify_table *table, const struct scry_method *method,
                                              const char *options, const exact_problem *problem,
                                              const verify_settings *settings, scry_error *err)
{
    struct run r = {.problem = problem,
                    .settings = settings,
                    .measurements = settings->full ? 4 * MEASUREMENTS : MEASUREMENTS};
    const double begun = verify_clock();
    scry_error why = {0};
    verify_row *row =
        verify_add(table, method->name, problem->spec->operator_, problem->spec->name);
    r.y = scry_alloc(problem->m, sizeof *r.y);
    if (!row || !r.y) {
        scry_free(r.y);
        return SCRY_FAIL(err, SCRY_ENOMEM, "a row of the table");
    }
    row->options = options;
    scry_options_init(&r.opts, method);
    scry_status st = scry_options_parse(&r.opts, options, &why);
    if (st == SCRY_OK) st = scry_scorecard_create(&r.card, problem->mixture, r.measurements, &why);
    if (st == SCRY_OK) st = plan_chains(&r, &why);
    for (size_t b = 0; b < r.measurements && st == SCRY_OK && !scry_cancelled(); b++)
        st = verify_gaussian_measure(&r, b, &why);
    if (st == SCRY_OK && !scry_cancelled()) st = verify_gaussian_fill(row, &r, &why);
    if (st != SCRY_OK) st = verify_refused(row, st, &why, err);
    row->seconds = verify_clock() - begun;
    scry_scorecard_free(r.card);
    scry_free(r.y);
    if (st == SCRY_OK && !scry_cancelled()) verify_say(settings, table);
    return st;
}

static scry_status run_problems(verify_table *table, const exact_spec *specs,
                                const verify_settings *settings, scry_error *err)
{
    size_t count;
    scry_status st = SCRY_OK;
    const struct scry_method *const *methods = scry_methods(&count);
    for (const exact_spec *spec = specs; spec->operator_ && st == SCRY_OK; spec++) {
        exact_problem problem;
        if (!verify_operator(settings, spec->operator_)) continue;
        if ((st = exact_problem_open(&problem, spec, err)) != SCRY_OK) return st;
        for (size_t i = 0; i < count; i++) {
            const char *options;
            if (!verify_selected(settings, methods[i])) continue;
            for (size_t k = 0; (options = verify_options(settings, methods[i], k)); k++)
                if (st == SCRY_OK && !scry_cancelled())
                    st = verify_gaussian_run_method(table, methods[i], options, &problem, settings,
                                                    err);
        }
        exact_problem_close(&problem);
    }
    return st;
}

static scry_status run_gaussian(verify_table *table, const verify_settings *settings,
                                scry_error *err)
{
    return run_problems(table, exact_gaussian, settings, err);
}

static scry_status run_mixture(verify_table *table, const verify_settings *settings,
                               scry_error *err)
{
    return run_problems(table, exact_mixture, settings, err);
}

#define EXACT_METRICS                                                                              \
    {"bias_prior", "bias/prior", "error of the mean, rms, in sd of the prior", 0, 0.02, 3},        \
        {"bias_post", "bias/post", "the same in sd of the posterior", 0, 0.05, 3},                 \
        {"sd_low", "sd low", "sd / exact along eigen-directions of the posterior: smallest",       \
         1,        0.05,     3},                                                                   \
        {"sd_median", "sd median", "median of these", 1, 0.05, 3},                                 \
        {"sd_high", "sd high", "largest of these", 1, 0.05, 3},                                    \
        {"cover50",                                                                                \
         "cover 50",                                                                               \
         "posterior probability of the samples' own 50 % interval of a pixel",                     \
         0.5,                                                                                      \
         0.02,                                                                                     \
         3},                                                                                       \
        {"cover90", "cover 90", "the same, 90 %", 0.9, 0.02, 3},                                   \
        {"inside50", "inside 50", "samples inside the smallest region of 50 % probability",        \
         0.5,        0.02,        3},                                                              \
    {                                                                                              \
        "inside90", "inside 90", "the same, 90 %", 0.9, 0.02, 3                                    \
    }

static const verify_metric gaussian_metrics[] = {EXACT_METRICS, {0}};
static const verify_metric mixture_metrics[] = {
    EXACT_METRICS,
    {"weights", "weights", "error of the probability of a mode, rms", 0, 0.02, 3},
    {0},
};
static const char *const operators[] = {"blur", "mask", "fourier", NULL};

const verify_part verify_gaussian = {
    "gaussian", "linear operators and Gaussian priors, posterior in closed form",
    operators,  gaussian_metrics,
    2,          1 << 20,
    true,       run_gaussian};
const verify_part verify_mixture = {
    "mixture", "linear operators and mixtures of two Gaussians, posterior in closed form",
    operators, mixture_metrics,
    2,         1 << 20,
    true,      run_mixture};
