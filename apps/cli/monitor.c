#include "apps/cli/monitor.h"

#include "apps/cli/cli.h"

#include <time.h>

double monitor_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void monitor_begin(monitor *m, FILE *to, const char *name)
{
    *m = (monitor){0};
    scry_meter_start(&m->meter, to, name);
}

bool monitor_chains(const scry_chains_progress *p, void *ctx)
{
    monitor *m = ctx;
    char note[64] = "";
    const int used = p->p->sigma > 0 ? snprintf(note, sizeof note, "sigma %.3g ", p->p->sigma) : 0;
    if (p->p->residual > 0)
        snprintf(note + used, sizeof note - (size_t)used, "residual %.3g", p->p->residual);
    scry_meter_update(&m->meter, ++m->done, p->chains * p->p->steps, note);
    return !cli_interrupted;
}

void monitor_end(monitor *m, scry_status status)
{
    scry_meter_end(&m->meter, cli_interrupted ? "stopped" : status == SCRY_OK ? "done" : "failed");
}
