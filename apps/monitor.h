#ifndef SCRY_APPS_MONITOR_H
#define SCRY_APPS_MONITOR_H

#include "solvers/chains.h"

#include <stdio.h>

/* Progress of chains on a terminal or as lines, and Ctrl-C. */
typedef struct monitor {
    FILE *to; /* NULL: silent */
    const char *name;
    size_t done, total; /* steps of all chains */
    double began, told, sigma, residual;
    bool terminal;
} monitor;

void monitor_begin(monitor *m, FILE *to, const char *name);
bool monitor_chains(const scry_chains_progress *p, void *ctx); /* ctx: the monitor */
void monitor_end(monitor *m);

double monitor_clock(void); /* seconds, monotonic */

#endif
