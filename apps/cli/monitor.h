#ifndef SCRY_APPS_CLI_MONITOR_H
#define SCRY_APPS_CLI_MONITOR_H

#include "apps/recon/log.h"
#include "lib/progress.h"
#include "solvers/chains.h"

#include <stdbool.h>
#include <stdio.h>

/* Progress of chains on a terminal or as lines, and Ctrl-C. The line appears with the first step,
 * after all that is said before. */
typedef struct monitor {
    FILE *to;
    const char *name;
    scry_meter meter;
    bool begun;
    bool trial;         /* its steps are those of trials */
    size_t done, total; /* steps of all chains, or whatever is counted */
} monitor;

/* to NULL: silent; name is borrowed */
void monitor_begin(monitor *m, FILE *to, const char *name);
bool monitor_chains(const scry_chains_progress *p, void *ctx); /* ctx: the monitor */
/* `more` of `total` pieces of work are done. */
void monitor_count(monitor *m, size_t more, size_t total, const char *note);
void monitor_end(monitor *m, scry_status status);

/* Notes on stderr unless quiet; warnings always, after "scry: warning: ". */
scry_log monitor_log(bool quiet);

#endif
