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
        out->gap = scry_gaussian_gap_at(d, out->sigma);
    return st;
}

void scry_start_log(const scry_log *log, const scry_start_point *start, const char *what)
{
    char gap[32] = "not stated by the prior";
    if (!(start->sigma > 0)) return;
    if (!isnan(start->gap)) snprintf(gap, sizeof gap, "%.2f", start->gap);
    scry_log_note(log, "start: %s at sigma %.3g, gap %s", what, start->sigma, gap);
}

void scry_start_put(scry_json *d, scry_json_node *to, const scry_start_point *start)
{
    if (!(start->sigma > 0)) return;
    scry_json_node *o = scry_json_put_object(d, to, "gaussian_start");
    scry_json_put_number(d, o, "sigma", start->sigma);
    if (!isnan(start->gap)) scry_json_put_number(d, o, "gap", start->gap);
}
