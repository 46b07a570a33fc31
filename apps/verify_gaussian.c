#include "apps/verify.h"

#include "apps/monitor.h"
#include "apps/verify_exact.h"
#include "datasets/scorecard.h"
#include "lib/memory.h"
#include "solvers/chains.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Posteriors known in closed form. */

/* Samples of a posterior: enough that the mean is known to a hundredth of the prior's sd, but not
 * more than what BUDGET calls of the denoiser pay for, measurements together. A call of the VJP
 * counts as three, as with networks. */
enum { MEASUREMENTS = 16, MOST_CHAINS = 256, LEAST_CHAINS = 32, BUDGET = 1 << 20 };

/* Numbers of the chains of the pilot run; those of the measurements start at 0. */
enum { PILOT = 1 << 30 };

/* One method on one problem. */
struct run {
    const struct scry_method *method;
    const exact_problem *problem;
    const verify_settings *settings;
    const char *options;
    scry_scorecard *card;
    size_t measurements, chains, failed, asked;
    scry_counts counts;
    scry_error failure;
    float *y;
};

static bool go_on(const scry_chains_progress *p, void *ctx)
{
    (void)p;
    (void)ctx;
    return !cli_interrupted;
}

static scry_status sample(const struct run *r, scry_chains *out, size_t first, size_t count,
                          scry_error *err)
{
    const scry_noise noise = { .kind = SCRY_NOISE_GAUSSIAN, .sigma = r->problem->spec->sigma };
    scry_likelihood *L = NULL;
    scry_solver_opts opts;
    scry_chains_opts chains;
    scry_solver_opts_init(&opts, r->method);
    scry_status st = scry_solver_opts_parse(&opts, r->method, r->options, err);
    if (st == SCRY_OK)
        st = scry_likelihood_create(&L, r->problem->A, r->y, &noise, NULL, err);
    if (st != SCRY_OK) return st;
    const scry_problem problem = { .L = L, .prior = r->problem->prior,
                                   .model = r->problem->model };
    scry_chains_opts_init(&chains);
    chains.chains = count;
    chains.first = first;
    chains.seed = (uint64_t)r->settings->seed;
    chains.keep = true;
    st = scry_chains_run(out, r->method, &problem, &opts, &chains, go_on, NULL, err);
    scry_likelihood_free(L);
    return st;
}

/* Chains of a measurement, from what one costs. */
static scry_status plan_chains(struct run *r, scry_error *err)
{
    scry_chains c = { 0 };
    scry_law *posterior;
    scry_status st = exact_problem_measure(r->problem, r->y, &posterior,
                                           (uint64_t)r->settings->seed, 0, err);
    if (st != SCRY_OK) return st;
    scry_law_free(posterior);
    if ((st = sample(r, &c, PILOT, 1, err)) != SCRY_OK) return st;
    const double cost = (double)(c.counts.denoise + 3 * c.counts.vjp) + 1;
    const double afford = BUDGET / cost / MEASUREMENTS;
    r->chains = r->settings->chains ? (size_t)r->settings->chains
                                    : (size_t)fmax(LEAST_CHAINS, fmin(MOST_CHAINS, afford));
    scry_chains_free(&c);
    return SCRY_OK;
}

static scry_status measure(struct run *r, size_t number, scry_error *err)
{
    scry_chains c = { 0 };
    scry_law *posterior = NULL;
    scry_status st = exact_problem_measure(r->problem, r->y, &posterior,
                                           (uint64_t)r->settings->seed, (uint32_t)number, err);
    if (st == SCRY_OK) st = sample(r, &c, number * r->chains, r->chains, err);
    if (st == SCRY_OK && !cli_interrupted) {
        r->counts.denoise += c.counts.denoise;
        r->counts.vjp += c.counts.vjp;
        r->counts.forward += c.counts.forward;
        r->counts.adjoint += c.counts.adjoint;
        if (c.failed && !r->failed) r->failure = c.failure;
        r->failed += c.failed;
        r->asked += r->chains;
        if (c.done >= 2) st = scry_scorecard_add(r->card, posterior, c.samples, c.done, err);
    }
    scry_chains_free(&c);
    scry_law_free(posterior);
    return st;
}

static verify_value value_of(scry_score s)
{
    return (verify_value){ s.value, s.error };
}

static scry_status fill(verify_row *row, const struct run *r, scry_error *err)
{
    scry_scores s;
    const double asked = (double)r->asked;
    scry_status st = scry_scorecard_read(r->card, &s, err);
    if (st != SCRY_OK) return st;
    const scry_score in_order[] = { s.bias_prior, s.bias_post, s.sd_low,   s.sd_median, s.sd_high,
                                    s.cover50,    s.cover90,   s.inside50, s.inside90,  s.weights };
    for (size_t i = 0; i < sizeof in_order / sizeof *in_order; i++)
        row->value[i] = value_of(in_order[i]);
    row->served = true;
    row->chains = r->asked - r->failed;
    row->denoise = (double)r->counts.denoise / asked;
    row->vjp = (double)r->counts.vjp / asked;
    row->apply = (double)(r->counts.forward + r->counts.adjoint) / asked;
    if (r->failed)
        snprintf(row->note, sizeof row->note, "%zu of %zu chains diverged: %.100s", r->failed,
                 r->asked, r->failure.text);
    return SCRY_OK;
}

/* A method that cannot serve, or breaks down, is a finding and not the end of the run. */
static scry_status refuse(verify_row *row, scry_status st, const scry_error *why, scry_error *err)
{
    if (st == SCRY_EUNSUP || st == SCRY_ENUMERIC || st == SCRY_EINVAL) {
        snprintf(row->note, sizeof row->note, "not measured: %.180s", why->text);
        return SCRY_OK;
    }
    if (err) *err = *why;
    return st;
}

static scry_status run_method(verify_table *table, const struct scry_method *method,
                              const char *options, const exact_problem *problem,
                              const verify_settings *settings, scry_error *err)
{
    struct run r = { .method = method, .problem = problem, .settings = settings,
                     .options = options,
                     .measurements = settings->full ? 4 * MEASUREMENTS : MEASUREMENTS };
    const double begun = monitor_clock();
    scry_error why = { 0 };
    verify_row *row =
        verify_add(table, method->name, problem->spec->operator_, problem->spec->name);
    r.y = scry_alloc(problem->m, sizeof *r.y);
    if (!row || !r.y) {
        scry_free(r.y);
        return SCRY_FAIL(err, SCRY_ENOMEM, "a row of the table");
    }
    row->options = options;
    scry_status st = scry_scorecard_create(&r.card, problem->law, r.measurements, &why);
    if (st == SCRY_OK) st = plan_chains(&r, &why);
    for (size_t b = 0; b < r.measurements && st == SCRY_OK && !cli_interrupted; b++)
        st = measure(&r, b, &why);
    if (st == SCRY_OK && !cli_interrupted) st = fill(row, &r, &why);
    if (st != SCRY_OK) st = refuse(row, st, &why, err);
    row->seconds = monitor_clock() - begun;
    scry_scorecard_free(r.card);
    scry_free(r.y);
    if (st == SCRY_OK && !cli_interrupted) verify_say(settings, table);
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
                if (st == SCRY_OK && !cli_interrupted)
                    st = run_method(table, methods[i], options, &problem, settings, err);
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
    { "bias_prior", "bias/prior", "error of the mean, rms, in sd of the prior", 0, 0.02, 3 },      \
    { "bias_post", "bias/post", "the same in sd of the posterior", 0, 0.05, 3 },                   \
    { "sd_low", "sd low", "sd / exact along eigen-directions of the posterior: smallest", 1,       \
      0.05, 3 },                                                                                   \
    { "sd_median", "sd median", "median of these", 1, 0.05, 3 },                                   \
    { "sd_high", "sd high", "largest of these", 1, 0.05, 3 },                                      \
    { "cover50", "cover 50", "posterior probability of the samples' own 50 % interval of a pixel", \
      0.5, 0.02, 3 },                                                                              \
    { "cover90", "cover 90", "the same, 90 %", 0.9, 0.02, 3 },                                     \
    { "inside50", "inside 50", "samples inside the smallest region of 50 % probability", 0.5,      \
      0.02, 3 },                                                                                   \
    { "inside90", "inside 90", "the same, 90 %", 0.9, 0.02, 3 }

static const verify_metric gaussian_metrics[] = { EXACT_METRICS, { 0 } };
static const verify_metric mixture_metrics[] = {
    EXACT_METRICS,
    { "weights", "weights", "error of the probability of a mode, rms", 0, 0.02, 3 },
    { 0 },
};
static const char *const operators[] = { "blur", "mask", "fourier", NULL };

const verify_part verify_gaussian = {
    "gaussian", "linear operators and Gaussian priors, posterior in closed form", operators,
    gaussian_metrics, true, run_gaussian
};
const verify_part verify_mixture = {
    "mixture", "linear operators and mixtures of two Gaussians, posterior in closed form",
    operators, mixture_metrics, true, run_mixture
};
