#include "apps/verify/verify.h"

#include "lib/instructions.h"
#include "lib/io/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* "0.983(12)": the error in units of the last digit. */
static void print_value(const verify_value *v, int decimals)
{
    char text[48];
    if (isnan(v->value))
        snprintf(text, sizeof text, "-");
    else if (isnan(v->error))
        snprintf(text, sizeof text, "%.*f", decimals, v->value);
    else
        snprintf(text, sizeof text, "%.*f(%.0f)", decimals, v->value,
                 ceil(v->error * pow(10, decimals)));
    printf(" %10s", text);
}

static void print_row(const verify_row *r, const verify_metric *metrics)
{
    printf("%-10s %-10s %-10s", r->method, r->operator_, r->problem);
    if (!r->served) {
        printf("  %s\n", r->note);
        return;
    }
    for (size_t i = 0; metrics[i].key; i++)
        print_value(&r->value[i], metrics[i].decimals);
    printf(" %6.0f %6.0f %7.0f %7zu\n", r->denoise, r->vjp, r->apply, r->chains);
    if (r->options[0]) printf("%-10s %s\n", "", r->options);
    if (r->note[0]) printf("%-10s %s\n", "", r->note);
}

void verify_print(const verify_table *table)
{
    const verify_metric *metrics = table->part->metrics;
    printf("\n== %s: %s ==\n\n", table->part->name, table->part->summary);
    printf("%-10s %-10s %-10s", "method", "operator", "problem");
    for (size_t i = 0; metrics[i].key; i++)
        printf(" %10s", metrics[i].title);
    printf(" %6s %6s %7s %7s\n", "D", "VJP", "A", "samples");
    for (size_t i = 0; i < table->count; i++)
        print_row(&table->rows[i], metrics);
    printf("\n");
    for (size_t i = 0; metrics[i].key; i++)
        printf("%-12s %s [ideal %g]\n", metrics[i].title, metrics[i].help, metrics[i].ideal);
    printf("%-12s calls of the denoiser, of its vector-Jacobian product, of A and A^T per sample\n",
           "D, VJP, A");
    printf("%-12s standard error over the measurements, in units of the last digit\n", "(1)");
}

static void put_row(scry_json *doc, scry_json_node *rows, const verify_row *r,
                    const verify_metric *metrics)
{
    scry_json_node *row = scry_json_put_object(doc, rows, NULL);
    scry_json_put_string(doc, row, "method", r->method);
    scry_json_put_string(doc, row, "operator", r->operator_);
    scry_json_put_string(doc, row, "problem", r->problem);
    scry_json_put_string(doc, row, "settings", r->options);
    if (r->note[0]) scry_json_put_string(doc, row, r->served ? "note" : "missing", r->note);
    if (!r->served) return;
    scry_json_put_unsigned(doc, row, "samples", r->chains);
    scry_json_put_number(doc, row, "seconds", r->seconds);
    scry_json_node *cost = scry_json_put_object(doc, row, "cost");
    scry_json_put_number(doc, cost, "denoise", r->denoise);
    scry_json_put_number(doc, cost, "vjp", r->vjp);
    scry_json_put_number(doc, cost, "apply", r->apply);
    if (r->ranked) {
        scry_json_node *ranks = scry_json_put_object(doc, row, "ranks");
        scry_json_node *bars = scry_json_put_array(doc, ranks, "bars");
        for (int b = 0; b < VERIFY_BINS; b++)
            scry_json_put_number(doc, bars, NULL, r->rank[b]);
        scry_json_put_number(doc, ranks, "error", r->rank_error);
    }
    scry_json_node *values = scry_json_put_object(doc, row, "metrics");
    for (size_t i = 0; metrics[i].key; i++) {
        scry_json_node *value = scry_json_put_object(doc, values, metrics[i].key);
        scry_json_put_number(doc, value, "value", r->value[i].value);
        scry_json_put_number(doc, value, "error", r->value[i].error);
    }
}

scry_status verify_write_json(const char *path, const verify_table *tables, size_t count,
                              const verify_settings *settings, scry_error *err)
{
    scry_json *doc;
    scry_status st = scry_json_create(&doc, err);
    if (st != SCRY_OK) return st;
    scry_json_node *root = scry_json_root(doc);
    scry_json_put_string(doc, root, "program", "scry verify");
    scry_json_put_string(doc, root, "version", SCRY_VERSION);
    scry_json_put_string(doc, root, "instructions", scry_instructions());
    scry_json_put_integer(doc, root, "seed", settings->seed);
    scry_json_put_bool(doc, root, "full", settings->full);
    scry_json_node *parts = scry_json_put_array(doc, root, "parts");
    for (size_t i = 0; i < count; i++) {
        const verify_part *part = tables[i].part;
        scry_json_node *node = scry_json_put_object(doc, parts, NULL);
        scry_json_put_string(doc, node, "part", part->name);
        scry_json_node *metrics = scry_json_put_object(doc, node, "metrics");
        for (const verify_metric *m = part->metrics; m->key; m++) {
            scry_json_node *metric = scry_json_put_object(doc, metrics, m->key);
            scry_json_put_string(doc, metric, "help", m->help);
            scry_json_put_number(doc, metric, "ideal", m->ideal);
        }
        scry_json_node *rows = scry_json_put_array(doc, node, "rows");
        for (size_t r = 0; r < tables[i].count; r++)
            put_row(doc, rows, &tables[i].rows[r], part->metrics);
    }
    st = scry_json_write(doc, path, err);
    scry_json_free(doc);
    return st;
}

double verify_clock(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}
