#include "lib/progress.h"

#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CELLS = 24, COLUMNS = 79 };

double scry_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* "41 s", "12:05", "3 h 20 min" */
static const char *progress_duration(char *buf, size_t size, double seconds)
{
    const long s = (long)(seconds + .5);
    if (s < 60)
        snprintf(buf, size, "%ld s", s);
    else if (s < 3600)
        snprintf(buf, size, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(buf, size, "%ld h %ld min", s / 3600, s % 3600 / 60);
    return buf;
}

void scry_meter_start(scry_meter *m, FILE *to, const char *label)
{
    *m = (scry_meter){.to = to, .begun = scry_clock()};
    m->run = m->seen = m->begun;
    snprintf(m->label, sizeof m->label, "%s", label);
    m->terminal = to && isatty(fileno(to));
}

void scry_meter_label(scry_meter *m, const char *label)
{
    m->run = m->seen = scry_clock();
    m->done = m->tenths = 0;
    snprintf(m->label, sizeof m->label, "%s", label);
}

/* Overwrites the end of a longer line. A line that wraps could not be redrawn. */
static void progress_redraw(scry_meter *m, char *line)
{
    size_t length = strlen(line);
    if (length > COLUMNS) line[length = COLUMNS] = '\0';
    const int blank = m->width > length ? (int)(m->width - length) : 0;
    fprintf(m->to, "\r%s%*s", line, blank, "");
    fflush(m->to);
    m->width = length;
}

/* Seconds that plain output may say nothing. */
#define QUIET 30.0

void scry_meter_update(scry_meter *m, size_t done, size_t total, const char *note)
{
    if (!m->to) return;
    const double t = scry_clock();
    if (done <= m->done) m->run = m->seen; /* another run has begun */
    m->done = done;
    m->seen = t;
    const double spent = t - m->run;
    const double part = total ? (double)done / (double)total : 0;
    char bar[CELLS + 1], left[32] = "", line[256];
    if (total && (size_t)(part * 10) < m->tenths) m->tenths = 0; /* another run begins */
    const bool tenth = total && (size_t)(part * 10) > m->tenths;
    if (m->terminal ? t - m->drawn < .1 && done != total
                    : !tenth && t - fmax(m->drawn, m->begun) < QUIET)
        return;
    m->drawn = t;
    m->tenths = (size_t)(part * 10);
    if (done && total > done)
        progress_duration(left, sizeof left, spent / (double)done * (double)(total - done));
    for (int i = 0; i < CELLS; i++)
        bar[i] = i < (int)(part * CELLS) ? '=' : ' ';
    bar[CELLS] = '\0';
    if (!total)
        snprintf(line, sizeof line, "%s %zu %s", m->label, done, note ? note : "");
    else if (m->terminal)
        snprintf(line, sizeof line, "%s [%s] %zu/%zu %s%s %s", m->label, bar, done, total, left,
                 left[0] ? " left" : "", note ? note : "");
    else
        snprintf(line, sizeof line, "%s %3.0f %% (%zu/%zu) %s%s %s", m->label, part * 100, done,
                 total, left, left[0] ? " left" : "", note ? note : "");
    if (m->terminal)
        progress_redraw(m, line);
    else
        fprintf(m->to, "%s\n", line);
}

void scry_meter_end(scry_meter *m, const char *note)
{
    char line[256], spent[32];
    if (!m->to) return;
    snprintf(line, sizeof line, "%s %s, %s", m->label, note,
             progress_duration(spent, sizeof spent, scry_clock() - m->begun));
    if (m->terminal)
        progress_redraw(m, line);
    else
        fputs(line, m->to);
    fputc('\n', m->to);
    fflush(m->to);
    m->to = NULL;
}
