#include "apps/verify/verify.h"

#include "solvers/calibration_labels.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Beyond chance: standard errors, and the addition by the fixed number of chains to the extremes of
 * a set of ratios, which grow as their scatter does. Averages over problems have no extremes. */
static const double ERRORS = 3, SLACK = 0.01, SLACK_MEAN = 0.002;

static verify_value find_value(const verify_table *table, const verify_row *row, const char *key)
{
    for (size_t i = 0; table->part->metrics[i].key; i++)
        if (!strcmp(table->part->metrics[i].key, key)) return row->value[i];
    return (verify_value){NAN, NAN};
}

/* How many numbers of a row left their band; each is reported. */
static size_t check_row(const verify_table *table, const verify_row *row,
                        const scry_calibration_label *then)
{
    const struct {
        const char *key;
        scry_calibration_value then;
    } bands[] = {{"bias_prior", then->bias},
                 {"sd_low", then->sd_low},
                 {"sd_median", then->sd_median},
                 {"sd_high", then->sd_high},
                 {"cover90", then->cover}};
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

static const scry_calibration_label *label_of(const verify_table *table, const verify_row *row)
{
    return scry_calibration_label_find(row->method, table->part->name, row->operator_, row->problem,
                                       row->options);
}

static bool same_settings(const verify_row *a, const verify_row *b)
{
    return !strcmp(a->method, b->method) && !strcmp(a->options, b->options);
}

/* The same for the averages over problems of the method of row `first`, which show an error that is
 * too small to stand out from the errors of one problem: noise of .97 of its right level. */
static size_t check_mean(const verify_table *table, size_t first, const char *key, bool spread)
{
    double now = 0, then = 0, now2 = 0, then2 = 0, count = 0;
    for (size_t r = first; r < table->count; r++) {
        const verify_row *row = &table->rows[r];
        const scry_calibration_label *label = label_of(table, row);
        if (!label || !row->served || !same_settings(row, &table->rows[first])) continue;
        const verify_value value = find_value(table, row, key);
        const scry_calibration_value was = spread ? label->sd_median : label->cover;
        if (isnan(value.value)) continue;
        now += value.value;
        then += was.value;
        now2 += value.error * value.error;
        then2 += was.error * was.error;
        count++;
    }
    if (count < 2 || fabs(now - then) <= ERRORS * sqrt(now2 + then2) + SLACK_MEAN * count) return 0;
    fprintf(stderr, "%s %s, %s, mean of %.0f problems: %s is %.3f +- %.3f, was %.3f +- %.3f\n",
            table->rows[first].method, table->rows[first].options, table->part->name, count, key,
            now / count, sqrt(now2) / count, then / count, sqrt(then2) / count);
    return 1;
}

static size_t check_means(const verify_table *table)
{
    size_t out = 0;
    for (size_t r = 0; r < table->count; r++) {
        size_t first = 0;
        while (!same_settings(&table->rows[first], &table->rows[r]))
            first++;
        if (first == r) {
            out += check_mean(table, r, "sd_median", true);
            out += check_mean(table, r, "cover90", false);
        }
    }
    return out;
}

size_t verify_check(const verify_table *table, const verify_settings *settings)
{
    size_t out = 0, labels = 0;
    for (size_t r = 0; r < table->count; r++) {
        const verify_row *row = &table->rows[r];
        const scry_calibration_label *then = label_of(table, row);
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
    /* the coverage of the samples' own interval depends on the number of samples */
    if (!settings->chains) out += check_means(table);
    if (!labels && table->part->labelled) {
        fprintf(stderr, "%s: no label is of the settings that were run\n", table->part->name);
        out++;
    }
    return out;
}
