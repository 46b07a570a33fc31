#include "apps/verify.h"

#include "solvers/measured.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Beyond chance: standard errors, and what the fixed number of chains adds to the extremes of a
 * set of ratios, which grow as their scatter does. */
static const double ERRORS = 3, SLACK = 0.01;

static verify_value find_value(const verify_table *table, const verify_row *row, const char *key)
{
    for (size_t i = 0; table->part->metrics[i].key; i++)
        if (!strcmp(table->part->metrics[i].key, key)) return row->value[i];
    return (verify_value){ NAN, NAN };
}

/* How many numbers of a row left their band; each is reported. */
static size_t check_row(const verify_table *table, const verify_row *row, const scry_measured *then)
{
    const struct {
        const char *key;
        scry_measured_value then;
    } bands[] = { { "bias_prior", then->bias },
                  { "sd_low", then->sd_low },
                  { "sd_median", then->sd_median },
                  { "sd_high", then->sd_high },
                  { "cover90", then->cover } };
    size_t out = 0;
    for (size_t i = 0; i < sizeof bands / sizeof *bands; i++) {
        const verify_value now = find_value(table, row, bands[i].key);
        const double off = now.value - bands[i].then.value;
        const double allowed = ERRORS * hypot(now.error, bands[i].then.error) + SLACK;
        if (isnan(now.value) || fabs(off) <= allowed) continue;
        fprintf(stderr, "%s %s, %s, %s, %s: %s is %.3f +- %.3f, was %.3f +- %.3f\n", row->method,
                row->options, table->part->name, row->operator_, row->problem, bands[i].key,
                now.value, now.error, bands[i].then.value, bands[i].then.error);
        out++;
    }
    return out;
}

size_t verify_check(const verify_table *table)
{
    size_t out = 0, labels = 0;
    for (size_t r = 0; r < table->count; r++) {
        const verify_row *row = &table->rows[r];
        const scry_measured *then =
            scry_measured_find(row->method, table->part->name, row->operator_, row->problem,
                               row->options);
        if (!then) continue; /* not measured, or does not serve: no label to keep */
        labels++;
        if (row->served) {
            out += check_row(table, row, then);
            continue;
        }
        fprintf(stderr, "%s, %s, %s, %s: was measured, now: %s\n", row->method, table->part->name,
                row->operator_, row->problem, row->note);
        out++;
    }
    if (!labels && table->part->labelled) {
        fprintf(stderr, "%s: no label tells of what was run\n", table->part->name);
        out++;
    }
    return out;
}
