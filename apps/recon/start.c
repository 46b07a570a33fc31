#include "apps/recon/start.h"
#include "priors/gaussian_gap.h"

#include <math.h>
#include <stdio.h>

scry_status scry_start_find(scry_start_point *out, const scry_problem *problem,
                            const scry_options *options, scry_error *err)
{
    const scry_gaussian_gap *d = problem->gap;
    *out = (scry_start_point){0, NAN};
    scry_status st = scry_start_sigma(&out->sigma, problem, options, err);
    if (st == SCRY_OK && out->sigma > 0 && d && d->count)
        out->departure = scry_gaussian_gap_at(d, out->sigma);
    return st;
}

void scry_start_log(const scry_log *log, const scry_start_point *start, const char *what)
{
    char departure[32] = "not stated by the prior";
    if (!(start->sigma > 0)) return;
    if (!isnan(start->departure)) snprintf(departure, sizeof departure, "%.2f", start->departure);
    scry_log_note(log, "start: %s at sigma %.3g, departure %s", what, start->sigma, departure);
}

void scry_start_put(scry_json *d, scry_json_node *to, const scry_start_point *start)
{
    if (!(start->sigma > 0)) return;
    scry_json_node *o = scry_json_put_object(d, to, "gaussian_start");
    scry_json_put_number(d, o, "sigma", start->sigma);
    if (!isnan(start->departure)) scry_json_put_number(d, o, "departure", start->departure);
}
