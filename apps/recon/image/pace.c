#include "apps/recon/image/pace_impl.h"

#include "lib/parallel.h"

#include <math.h>
#include <stdio.h>

#define MINUTE 60.0

/* Fewer iterations leave the image blurred. */
enum { ITERATIONS_MIN = 3 };

void scryi_steps_see(struct scryi_steps *s, const scry_progress *p)
{
    s->done = p->step;
    if (p->steps == s->all) return;
    s->last = s->all ? p->steps - p->step : p->steps;
    s->all = p->steps;
}

static bool pace_draws(const struct scryi_pace *p, size_t k)
{
    return p->judgement->of[k].method->kind == SCRY_POSTERIOR;
}

/* One step of method k on every tile, in steps of the part that was judged: a method that searches
 * for the number of its iterations does so on the first tile. */
static double pace_steps(const struct scryi_pace *p, size_t k)
{
    const scry_judged *j = &p->judgement->of[k];
    const double tiles = (double)p->fits.tiles;
    if (pace_draws(p, k) || !j->steps || !(tiles > 0)) return 1;
    if (p->bound[k]) return (double)p->bound[k] / (double)j->steps;
    return ((double)j->steps + (tiles - 1) * (double)j->iterations) / (tiles * (double)j->steps);
}

/* One estimate or chain of method k on the image. Of a method that draws, two chains were run for
 * each split. */
static double pace_each(const struct scryi_pace *p, size_t k)
{
    const scry_judgement *j = p->judgement;
    const bool draws = pace_draws(p, k);
    const double runs = (double)(j->splits * (draws ? 2 : 1));
    return j->of[k].seconds / runs * pace_steps(p, k) * (draws ? p->draws.ratio : p->fits.ratio);
}

/* What each method does once, whatever its iterations. */
static double pace_fixed(const struct scryi_pace *p)
{
    double sum = 0;
    for (size_t k = 0; k < p->judgement->count; k++)
        if (p->share[k] > 0) sum += p->judgement->study * (double)p->pixels;
    return sum;
}

double scryi_pace_seconds(const struct scryi_pace *p)
{
    const size_t threads = p->threads ? p->threads : (size_t)scry_threads();
    /* chains share the threads; planes did so when one chain was judged */
    const size_t together = p->planes >= threads ? 1 : p->samples < threads ? p->samples : threads;
    double sum = pace_fixed(p);
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

/* Leaves the best method that does not draw; false: there is none that could run. */
static bool pace_without_draws(struct scryi_pace *p)
{
    const scry_judgement *j = p->judgement;
    size_t best = j->count;
    for (size_t k = 0; k < j->count; k++) {
        if (pace_draws(p, k) || j->of[k].failure[0]) continue;
        if (best == j->count || j->of[k].behind.mean < j->of[best].behind.mean) best = k;
    }
    if (best == j->count) return false;
    for (size_t k = 0; k < j->count; k++)
        p->share[k] = k == best;
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

enum { USED = 80 }; /* characters */

/* Fewer chains, or none; *used says which. */
static void pace_fewer_draws(char used[USED], struct scryi_pace *p, bool maps, double left)
{
    const size_t asked = p->samples;
    while (p->samples > 2 && scryi_pace_seconds(p) > left)
        p->samples--;
    if (scryi_pace_seconds(p) > left && !maps && pace_without_draws(p))
        snprintf(used, USED, "%s alone is used", pace_first(p));
    else if (p->samples < asked)
        snprintf(used, USED, "%zu are used", p->samples);
}

/* Without a search for their number: as many iterations as there is time for, and no more than the
 * judged part took. */
static void pace_fewer_iterations(char used[USED], struct scryi_pace *p, double left)
{
    const double fixed = pace_fixed(p);
    const double keep = fmax(left - fixed, 0) / (scryi_pace_seconds(p) - fixed);
    for (size_t k = 0; k < p->judgement->count; k++) {
        const scry_judged *j = &p->judgement->of[k];
        scry_error unsaid = {0};
        if (!(p->share[k] > 0) || pace_draws(p, k) || !j->steps) continue;
        const double fit = keep * pace_steps(p, k) * (double)j->steps;
        const size_t most = j->iterations > ITERATIONS_MIN ? j->iterations : ITERATIONS_MIN;
        const size_t n = fit < ITERATIONS_MIN ? ITERATIONS_MIN
                         : fit < (double)most ? (size_t)fit
                                              : most;
        if (scry_options_read(&p->options[k], "stop", "steps", &unsaid) != SCRY_OK ||
            scry_options_set(&p->options[k], "iterations", (double)n, &unsaid) != SCRY_OK)
            continue;
        p->bound[k] = n;
        if (n < j->iterations)
            snprintf(used, USED, "%zu of %zu iterations are used", n, j->iterations);
        else
            snprintf(used, USED, "as many iterations as a part took are used, %zu", n);
    }
}

void scryi_pace_keep(struct scryi_pace *p, bool maps, const scry_log *log)
{
    scry_judgement *j = p->judgement;
    char all[32], now[32], limit[32], draws[USED] = "", steps[USED] = "", chains[40] = "";
    const char *drawing = pace_drawing(p), *name = drawing ? drawing : pace_first(p);
    const double before = scryi_pace_seconds(p), left = fmax(p->limit - p->spent, 0);
    j->allowed = p->limit;
    j->kept[0] = '\0';
    if (drawing) snprintf(chains, sizeof chains, "%zu chains of ", p->samples);
    if (p->limit > 0 && before > left) {
        if (drawing) pace_fewer_draws(draws, p, maps, left);
        if (scryi_pace_seconds(p) > left) pace_fewer_iterations(steps, p, left);
    }
    if (draws[0] || steps[0])
        snprintf(j->kept, sizeof j->kept, "%s%s would take about %s, --time allows %s: %s%s%s",
                 chains, name, pace_print(all, sizeof all, before),
                 pace_print(limit, sizeof limit, p->limit), draws, draws[0] && steps[0] ? ", " : "",
                 steps);
    if (j->kept[0]) scry_log_warn(log, "%s", j->kept);
    j->forecast = scryi_pace_seconds(p);
    if (j->forecast >= MINUTE)
        scry_log_note(log, "time: about %s", pace_print(now, sizeof now, j->forecast));
}

void scryi_pace_log_tiles(double seconds, const struct scryi_steps *s, size_t count,
                          const scry_log *log)
{
    char one[32], rest[32];
    const double share = s->done ? (double)s->last / (double)s->done : 1;
    if (count < 2) return;
    scry_log_note(log, "the first tile of %zu took %s: about %s for the others", count,
                  pace_print(one, sizeof one, seconds),
                  pace_print(rest, sizeof rest, seconds * share * (double)(count - 1)));
}
