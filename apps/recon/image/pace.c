#include "apps/recon/image/pace_impl.h"

#include "lib/parallel.h"

#include <math.h>
#include <stdio.h>

#define MINUTE 60.0

static bool pace_draws(const struct scryi_pace *p, size_t k)
{
    return p->judgement->of[k].method->kind == SCRY_POSTERIOR;
}

/* One estimate or chain of method k on the image. Of a method that draws, two chains were run for
 * each split. */
static double pace_each(const struct scryi_pace *p, size_t k)
{
    const scry_judgement *j = p->judgement;
    const double runs = (double)(j->splits * (pace_draws(p, k) ? 2 : 1));
    return j->of[k].seconds / runs * (double)p->pixels / (double)(j->pixels ? j->pixels : 1);
}

double scryi_pace_seconds(const struct scryi_pace *p)
{
    const size_t threads = p->threads ? p->threads : (size_t)scry_threads();
    /* chains share the threads; planes did so when one chain was judged */
    const size_t together = p->planes >= threads ? 1 : p->samples < threads ? p->samples : threads;
    double sum = 0;
    for (size_t k = 0; k < p->judgement->count; k++)
        if (p->share[k] > 0)
            sum += pace_each(p, k) * (pace_draws(p, k) ? (double)p->samples / (double)together : 1);
    return sum;
}

static const char *pace_print(char *buf, size_t size, double seconds)
{
    if (seconds < 1.5 * MINUTE)
        snprintf(buf, size, "%.0f s", seconds);
    else if (seconds < 90 * MINUTE)
        snprintf(buf, size, "%.0f min", seconds / MINUTE);
    else
        snprintf(buf, size, "%.3g h", seconds / (60 * MINUTE));
    return buf;
}

/* Leaves the methods that do not draw; false: there is none that could run. */
static bool pace_without_draws(struct scryi_pace *p)
{
    const scry_judgement *j = p->judgement;
    size_t other = 0;
    while (other < j->count && (pace_draws(p, other) || j->of[other].failure[0]))
        other++;
    if (other == j->count) return false;
    for (size_t k = 0; k < j->count; k++)
        p->share[k] = k == other;
    return true;
}

/* The first method in the result. */
static const char *pace_first(const struct scryi_pace *p)
{
    size_t k = 0;
    while (k + 1 < p->judgement->count && !(p->share[k] > 0))
        k++;
    return p->judgement->of[k].method->name;
}

static const char *pace_drawing(const struct scryi_pace *p)
{
    for (size_t k = 0; k < p->judgement->count; k++)
        if (p->share[k] > 0 && pace_draws(p, k)) return p->judgement->of[k].method->name;
    return NULL;
}

void scryi_pace_keep(struct scryi_pace *p, bool maps, const scry_log *log)
{
    char all[32], now[32], limit[32], used[96];
    const char *name = pace_drawing(p);
    const size_t asked = p->samples;
    const double before = scryi_pace_seconds(p);
    if (name && p->limit > 0 && before > p->limit) {
        while (p->samples > 2 && scryi_pace_seconds(p) > p->limit)
            p->samples--;
        const bool dropped = scryi_pace_seconds(p) > p->limit && !maps && pace_without_draws(p);
        if (dropped)
            snprintf(used, sizeof used, "%s alone is", pace_first(p));
        else
            snprintf(used, sizeof used, "%zu are", p->samples);
        if (dropped || p->samples < asked)
            scry_log_warn(log, "%zu chains of %s would take about %s, --time allows %s: %s used",
                          asked, name, pace_print(all, sizeof all, before),
                          pace_print(limit, sizeof limit, p->limit), used);
    }
    const double seconds = scryi_pace_seconds(p);
    if (seconds >= MINUTE)
        scry_log_note(log, "time: about %s", pace_print(now, sizeof now, seconds));
}

void scryi_pace_log_tiles(double seconds, size_t count, const scry_log *log)
{
    char one[32], rest[32];
    if (count < 2) return;
    scry_log_note(log, "the first tile of %zu took %s: about %s for the others", count,
                  pace_print(one, sizeof one, seconds),
                  pace_print(rest, sizeof rest, seconds * (double)(count - 1)));
}
