#include "solvers/start.h"

#include "solvers/sampling/sampler_impl.h"

#include <math.h>
#include <string.h>

/* Where the departure of the prior is not known, in its unit: between what is measured of the two
 * that are shipped. On draws of the model it could not be measured: they are Gaussian. */
static const double START_SIGMA = 2;

scry_status scryi_start_sigma(double *sigma, const struct scry_method *method,
                              const scry_problem *problem, const scry_solver_opts *opts,
                              scry_error *err)
{
    double low, high;
    const scry_gaussian_gap *d = problem->departure;
    *sigma = 0;
    if (opts->start == SCRY_START_NOISE || (opts->start == SCRY_START_AUTO && !problem->model))
        return SCRY_OK;
    if (!problem->model)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: a Gaussian start needs a Gaussian model of the images (mean and "
                         "power spectrum)",
                         method->name);
    *sigma = opts->start_sigma;
    if (opts->start_sigma > 0) return SCRY_OK;
    scry_status st = scryi_sampler_levels(problem, opts, &low, &high, err);
    if (st != SCRY_OK) return st;
    const double at =
        d && d->count ? scry_gaussian_gap_switch(d, opts->start_departure) : START_SIGMA;
    *sigma = fmax(low, fmin(at, high));
    return SCRY_OK;
}

scry_status scry_start_sigma(double *sigma, const struct scry_method *method,
                             const scry_problem *problem, const scry_solver_opts *opts,
                             scry_error *err)
{
    *sigma = 0;
    for (const scry_option *o = method->options; o->name; o++)
        if (strcmp(o->name, "start-sigma") == 0)
            return scryi_start_sigma(sigma, method, problem, opts, err);
    return SCRY_OK;
}
