#include "solvers/start.h"
#include "priors/gaussian_gap.h"

#include "solvers/sampling/sampler_impl.h"

#include <math.h>
#include <string.h>

/* The level where the gap of the prior is not known, in its unit: between those of the two shipped
 * priors. The gap cannot be measured on draws of the model, which are Gaussian. */
static const double START_SIGMA = 2;

scry_status scryi_start_sigma(double *sigma, const char *method, const scry_problem *problem,
                              const struct scryi_sampler_options *o, scry_error *err)
{
    double low, high;
    const scry_gaussian_gap *d = problem->gap;
    *sigma = 0;
    if (o->start.from == SCRYI_START_NOISE ||
        (o->start.from == SCRYI_START_AUTO && !problem->model))
        return SCRY_OK;
    if (!problem->model)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: a Gaussian start needs a Gaussian model of the images (mean and "
                         "power spectrum)",
                         method);
    *sigma = o->start.sigma;
    if (o->start.sigma > 0) return SCRY_OK;
    scry_status st = scryi_sampler_levels(problem, &o->schedule, &low, &high, err);
    if (st != SCRY_OK) return st;
    const double at = d && d->count ? scry_gaussian_gap_switch(d, o->start.gap) : START_SIGMA;
    *sigma = fmax(low, fmin(at, high));
    return SCRY_OK;
}

/* An option of the method, 0 where it has none of that name. */
static double start_option(const scry_options *options, const char *name)
{
    double value = 0;
    scry_options_get(options, name, &value, NULL);
    return value;
}

scry_status scry_start_sigma(double *sigma, const scry_problem *problem,
                             const scry_options *options, scry_error *err)
{
    const struct scryi_sampler_options o = {
        .schedule = {.sigma_max = start_option(options, "sigma-max"),
                     .sigma_min = start_option(options, "sigma-min")},
        .start = {.from = (enum scryi_start)start_option(options, "start"),
                  .sigma = start_option(options, "start-sigma"),
                  .gap = start_option(options, "start-gap")},
    };
    *sigma = 0;
    if (!scry_option_find(options->method, "start-sigma")) return SCRY_OK;
    return scryi_start_sigma(sigma, options->method->name, problem, &o, err);
}
