#ifndef SCRY_APPS_CLI_MONITOR_H
#define SCRY_APPS_CLI_MONITOR_H

#include "lib/progress.h"
#include "solvers/chains.h"

#include <stdio.h>

/* Progress of chains on a terminal or as lines, and Ctrl-C. */
typedef struct monitor {
    scry_meter meter;
    size_t done; /* steps of all chains */
} monitor;

/* to NULL: silent */
void monitor_begin(monitor *m, FILE *to, const char *name);
bool monitor_chains(const scry_chains_progress *p, void *ctx); /* ctx: the monitor */
void monitor_end(monitor *m, scry_status status);

double monitor_clock(void); /* seconds, monotonic */

#endif
