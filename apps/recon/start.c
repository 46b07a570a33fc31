#include "apps/recon/start.h"

#include <math.h>

scry_status start_find(start_point *out, const scry_problem *problem, const scry_options *options,
                       scry_error *err)
{
    const scry_gaussian_gap *d = problem->departure;
    *out = (start_point){0, NAN};
    scry_status st = scry_start_sigma(&out->sigma, problem, options, err);
    if (st == SCRY_OK && out->sigma > 0 && d && d->count)
        out->departure = scry_gaussian_gap_at(d, out->sigma);
    return st;
}

void start_log(FILE *log, const start_point *start, const char *what)
{
    if (!log || !(start->sigma > 0)) return;
    fprintf(log, "start: %s at sigma %.3g, departure ", what, start->sigma);
    if (isnan(start->departure))
        fprintf(log, "not stated by the prior\n");
    else
        fprintf(log, "%.2f\n", start->departure);
}

void start_put(scry_json *d, scry_json_node *to, const start_point *start)
{
    if (!(start->sigma > 0)) return;
    scry_json_node *o = scry_json_put_object(d, to, "gaussian_start");
    scry_json_put_number(d, o, "sigma", start->sigma);
    if (!isnan(start->departure)) scry_json_put_number(d, o, "departure", start->departure);
}
