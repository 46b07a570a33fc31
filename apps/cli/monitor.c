#include "apps/cli/monitor.h"

#include "apps/cli/cli.h"
#include "lib/cancel.h"

void monitor_begin(monitor *m, FILE *to, const char *name)
{
    *m = (monitor){.to = to, .name = name};
}

void monitor_count(monitor *m, size_t more, size_t total, const char *note)
{
    if (!m->begun) scry_meter_start(&m->meter, m->to, m->name);
    m->begun = true;
    /* several runs in a row, of a choice among methods: each counts from its own start */
    if (total != m->total || (total && m->done >= total)) m->done = 0;
    m->total = total;
    scry_meter_update(&m->meter, m->done += more, total, note);
}

/* Trials and the run that they prepare are counted apart: nobody knows how many trials there are.
 */
static void monitor_enter(monitor *m, bool trial)
{
    char label[sizeof m->meter.label];
    if (m->begun && m->trial == trial) return;
    if (!m->begun) scry_meter_start(&m->meter, m->to, m->name);
    snprintf(label, sizeof label, "%s%s", m->name,
             trial ? ", steps of trials on held-out data:" : "");
    scry_meter_label(&m->meter, label);
    m->begun = true;
    m->trial = trial;
    m->done = 0;
}

bool monitor_chains(const scry_chains_progress *p, void *ctx)
{
    char note[64] = "";
    if (!p->chains) return !scry_cancelled(); /* short chains before the run */
    const int used = p->p->sigma > 0 ? snprintf(note, sizeof note, "sigma %.3g ", p->p->sigma) : 0;
    if (p->p->residual > 0)
        snprintf(note + used, sizeof note - (size_t)used, "residual %.3g", p->p->residual);
    monitor_enter(ctx, p->trial);
    monitor_count(ctx, 1, p->trial ? 0 : p->chains * p->p->steps, note);
    return !scry_cancelled();
}

void monitor_end(monitor *m, scry_status status)
{
    if (!m->begun) return;
    scry_meter_end(&m->meter, scry_cancelled() ? "stopped" : status == SCRY_OK ? "done" : "failed");
}

static void monitor_write_log(scry_log_kind kind, const char *text, void *ctx)
{
    if (kind == SCRY_LOG_NOTE && ctx) return;
    fprintf(stderr, "%s%s\n", kind == SCRY_LOG_WARNING ? "scry: warning: " : "", text);
}

scry_log monitor_log(bool quiet)
{
    static char silent;
    return (scry_log){monitor_write_log, quiet ? &silent : NULL};
}
