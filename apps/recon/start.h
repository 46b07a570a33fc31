#ifndef SCRY_APPS_RECON_START_H
#define SCRY_APPS_RECON_START_H

#include "lib/api.h"

SCRY_BEGIN

/* The noise level at which the chains of a problem leave the closed form (solvers/start.h), for log
 * and report. */
typedef struct scry_start_point {
    double sigma; /* 0: they start from noise, or the method has no such choice */
    double gap;   /* of the prior there; NaN: not known */
} scry_start_point;

SCRY_END

#include "apps/recon/log.h"
#include "lib/io/json.h"
#include "solvers/start.h"

scry_status scry_start_find(scry_start_point *out, const scry_problem *problem,
                            const scry_options *options, scry_error *err);
/* "start: Gaussian posterior at sigma 1.7, gap 0.10", `what` being "Gaussian posterior";
 * nothing where sigma is 0. */
void scry_start_log(const scry_log *log, const scry_start_point *start, const char *what);
void scry_start_put(scry_json *d, scry_json_node *to, const scry_start_point *start);

#endif
