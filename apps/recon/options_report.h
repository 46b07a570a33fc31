#ifndef SCRY_APPS_RECON_OPTIONS_REPORT_H
#define SCRY_APPS_RECON_OPTIONS_REPORT_H

#include "lib/io/json.h"
#include "solvers/registry.h"

/* Puts "options": {name: value, ...} under `to`, every option of the method by its name: numbers as
 * numbers, choices by their names. */
void scry_options_report(scry_json *d, scry_json_node *to, const scry_options *options);

#endif
