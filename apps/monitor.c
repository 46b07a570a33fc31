#include "apps/monitor.h"

#include "apps/cli.h"

#include <time.h>
#include <unistd.h>

double monitor_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void monitor_begin(monitor *m, FILE *to, const char *name)
{
    *m = (monitor){ .to = to, .name = name, .began = monitor_clock() };
    m->told = m->began;
    m->terminal = to && isatty(fileno(to));
}

static void tell(const monitor *m, const char *ending)
{
    const double now = monitor_clock() - m->began;
    const double share = m->total ? (double)m->done / (double)m->total : 0;
    const double left = share > 0 ? now * (1 - share) / share : 0;
    fprintf(m->to, "%s%s: step %zu of %zu, sigma %.3g, residual %.3g, %.0f s, %.0f s left%s",
            m->terminal ? "\r" : "", m->name, m->done, m->total, m->sigma, m->residual, now, left,
            ending);
    fflush(m->to);
}

bool monitor_chains(const scry_chains_progress *p, void *ctx)
{
    monitor *m = ctx;
    m->done++;
    m->total = p->chains * p->p->steps;
    m->sigma = p->p->sigma;
    m->residual = p->p->residual;
    const double now = monitor_clock();
    if (m->to && now - m->told > (m->terminal ? 0.2 : 10)) {
        m->told = now;
        tell(m, m->terminal ? "    " : "\n");
    }
    return !cli_interrupted;
}

void monitor_end(monitor *m)
{
    if (m->to && m->terminal && m->told > m->began) fprintf(m->to, "\r%*s\r", 78, "");
}
