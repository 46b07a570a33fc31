#include "apps/verify/verify.h"

#include "lib/cancel.h"
#include "lib/memory.h"
#include "solvers/calibration_labels.h"

#include <stdio.h>
#include <string.h>

const verify_part *const verify_parts[] = {&verify_gaussian, &verify_mixture, &verify_levy,
                                           &verify_calibration, NULL};

enum { MAX_PARTS = 8 };

verify_row *verify_add(verify_table *table, const char *method, const char *operator_,
                       const char *problem)
{
    if (!scryi_memory_grow(&table->rows, &table->capacity, table->count, sizeof *table->rows))
        return NULL;
    verify_row *row = &table->rows[table->count++];
    *row =
        (verify_row){.method = method, .operator_ = operator_, .problem = problem, .options = ""};
    return row;
}

bool verify_selected(const verify_settings *settings, const struct scry_method *method)
{
    return settings->method ? !strcmp(settings->method, method->name)
                            : method->kind == SCRY_POSTERIOR;
}

bool verify_operator(const verify_settings *settings, const char *operator_)
{
    return !settings->operator_ || !strcmp(settings->operator_, operator_);
}

const char *verify_options(const verify_settings *settings, const struct scry_method *method,
                           size_t number)
{
    if (settings->accurate) return scry_calibration_label_settings(method, number);
    return number ? NULL : settings->options;
}

void verify_say(const verify_settings *settings, const verify_table *table)
{
    const verify_row *r = &table->rows[table->count - 1];
    if (settings->quiet) return;
    fprintf(stderr, "%s: %s%s%s, %s, %s: ", table->part->name, r->method, *r->options ? " " : "",
            r->options, r->operator_, r->problem);
    if (r->served)
        fprintf(stderr, "%zu samples, %.1f s\n", r->chains, r->seconds);
    else
        fprintf(stderr, "%s\n", r->note);
}

const verify_part *verify_part_find(const char *name)
{
    for (const verify_part *const *p = verify_parts; *p; p++)
        if (!strcmp((*p)->name, name)) return *p;
    return NULL;
}

bool verify_part_knows(const verify_part *part, const char *operator_)
{
    for (const char *const *o = part->operators; *o; o++)
        if (!strcmp(*o, operator_)) return true;
    return false;
}

bool verify_takes_part(const verify_request *r, const verify_part *part)
{
    const verify_settings *s = &r->settings;
    return (!r->part || r->part == part) && (!s->accurate || part->labelled) &&
           (!s->operator_ || verify_part_knows(part, s->operator_));
}

scry_status verify_run(const verify_request *r, scry_error *err)
{
    verify_table tables[MAX_PARTS] = {0};
    size_t count = 0, out = 0;
    scry_status st = SCRY_OK;
    for (const verify_part *const *part = verify_parts; *part && st == SCRY_OK; part++) {
        if (!verify_takes_part(r, *part)) continue;
        verify_table *table = &tables[count++];
        table->part = *part;
        st = (*part)->run(table, &r->settings, err);
        if (st == SCRY_OK) st = scry_cancel_check(err);
        if (st == SCRY_OK) verify_print(table);
        if (st == SCRY_OK && r->check) out += verify_check(table, &r->settings);
    }
    if (st == SCRY_OK && r->json) st = verify_write_json(r->json, tables, count, &r->settings, err);
    if (st == SCRY_OK && r->plot) st = verify_write_plot(r->plot, tables, count, err);
    if (st == SCRY_OK && out)
        st = SCRY_FAIL(err, SCRY_ENUMERIC, "%zu numbers differ from the labels", out);
    for (size_t i = 0; i < count; i++)
        scry_free(tables[i].rows);
    return st;
}
