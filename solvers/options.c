#include "solvers/options.h"

#include "lib/given.h"
#include "solvers/registry.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void options_write(scry_options *options, const scry_option *o, double value)
{
    unsigned char *to = options->block.bytes + o->offset;
    const size_t count = o->kind == SCRY_COUNT ? (size_t)value : 0;
    const int choice = o->kind == SCRY_CHOICE ? (int)value : 0;
    switch (o->kind) {
    case SCRY_COUNT:
        memcpy(to, &count, sizeof count);
        break;
    case SCRY_CHOICE:
        memcpy(to, &choice, sizeof choice);
        break;
    case SCRY_REAL:
        memcpy(to, &value, sizeof value);
        break;
    }
}

static double options_value(const scry_options *options, const scry_option *o)
{
    const unsigned char *from = options->block.bytes + o->offset;
    size_t count;
    int choice;
    double value = 0;
    switch (o->kind) {
    case SCRY_COUNT:
        memcpy(&count, from, sizeof count);
        return (double)count;
    case SCRY_CHOICE:
        memcpy(&choice, from, sizeof choice);
        return choice;
    case SCRY_REAL:
        memcpy(&value, from, sizeof value);
    }
    return value;
}

const void *scry_options_block(const scry_options *options)
{
    return options->block.bytes;
}

void scry_options_init(scry_options *options, const struct scry_method *method)
{
    *options = (scry_options){.method = method};
    for (const scry_option *o = method ? method->options : NULL; o && o->name; o++)
        options_write(options, o, o->value);
}

const scry_option *scry_option_find(const struct scry_method *method, const char *name)
{
    for (const scry_option *o = method->options; o->name; o++)
        if (!strcmp(o->name, name) || (o->alias && !strcmp(o->alias, name))) return o;
    return NULL;
}

static scry_status options_find(const scry_option **out, const struct scry_method *method,
                                const char *name, scry_error *err)
{
    char list[384] = "";
    size_t used = 0;
    if ((*out = scry_option_find(method, name))) return SCRY_OK;
    for (const scry_option *o = method->options; o->name; o++) {
        const int wrote =
            snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", o->name);
        if (wrote > 0 && used + (size_t)wrote < sizeof list) used += (size_t)wrote;
    }
    return SCRY_FAIL(err, SCRY_EINVAL, "%s has no option %s; it takes %s", method->name, name,
                     used ? list : "none");
}

/* The words that a method takes for a choice, "steps, discrepancy, holdout". */
static void option_list_choices(char *list, size_t size, const scry_option *o)
{
    size_t used = 0;
    for (int i = (int)o->low; i <= (int)o->high; i++) {
        const int wrote =
            snprintf(list + used, size - used, "%s%s", used ? ", " : "", o->choices[i]);
        if (wrote > 0 && used + (size_t)wrote < size) used += (size_t)wrote;
    }
}

/* Written so that a NaN fails. */
static scry_status option_check(const struct scry_method *method, const scry_option *o,
                                double value, scry_error *err)
{
    const bool whole = o->kind != SCRY_REAL;
    if (value >= o->low && value <= o->high && (!whole || value == floor(value))) return SCRY_OK;
    if (o->choices) {
        char list[96];
        option_list_choices(list, sizeof list, o);
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: %s is %g, expected %s (%g to %g)", method->name,
                         o->name, value, list, o->low, o->high);
    }
    return SCRY_FAIL(err, SCRY_EINVAL, "%s: %s is %g, expected %s from %g to %g", method->name,
                     o->name, value, whole ? "a whole number" : "a number", o->low, o->high);
}

scry_status scry_options_set(scry_options *options, const char *name, double value, scry_error *err)
{
    if (SCRY_MISSING(err, options, name)) return SCRY_EINVAL;
    if (SCRY_MISSING(err, options->method)) return SCRY_EINVAL;
    const scry_option *o;
    scry_status st = options_find(&o, options->method, name, err);
    if (st == SCRY_OK) st = option_check(options->method, o, value, err);
    if (st == SCRY_OK) options_write(options, o, value);
    return st;
}

scry_status scry_options_get(const scry_options *options, const char *name, double *value,
                             scry_error *err)
{
    if (SCRY_MISSING(err, options, name, value)) return SCRY_EINVAL;
    if (SCRY_MISSING(err, options->method)) return SCRY_EINVAL;
    const scry_option *o;
    scry_status st = options_find(&o, options->method, name, err);
    if (st == SCRY_OK) *value = options_value(options, o);
    return st;
}

bool scry_option_scan(const scry_option *option, const char *text, double *value)
{
    char *end;
    for (size_t i = 0; option->choices && option->choices[i]; i++)
        if (!strcmp(option->choices[i], text)) {
            *value = (double)i;
            return true;
        }
    *value = strtod(text, &end);
    return end != text && !*end;
}

scry_status scry_options_read(scry_options *options, const char *name, const char *text,
                              scry_error *err)
{
    if (SCRY_MISSING(err, options, name, text)) return SCRY_EINVAL;
    if (SCRY_MISSING(err, options->method)) return SCRY_EINVAL;
    const scry_option *o;
    double value;
    scry_status st = options_find(&o, options->method, name, err);
    if (st != SCRY_OK) return st;
    if (scry_option_scan(o, text, &value)) return scry_options_set(options, name, value, err);
    if (!o->choices)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: %s is '%s', expected a number",
                         options->method->name, o->name, text);
    char list[96];
    option_list_choices(list, sizeof list, o);
    return SCRY_FAIL(err, SCRY_EINVAL, "%s: %s is '%s', expected one of %s", options->method->name,
                     o->name, text, list);
}

/* The shortest decimals that give the number again. */
static void options_print_number(char *text, size_t size, double value)
{
    for (int digits = 6; digits <= 17 && text; digits++) {
        snprintf(text, size, "%.*g", digits, value);
        if (strtod(text, NULL) == value) return;
    }
}

const char *scry_option_print(const scry_option *option, double value, char *text, size_t size)
{
    if (option->choices)
        snprintf(text, size, "%s", option->choices[(size_t)value]);
    else
        options_print_number(text, size, value);
    return text;
}

scry_status scry_options_text(const scry_options *options, char *text, size_t size, scry_error *err)
{
    if (SCRY_MISSING(err, options, text)) return SCRY_EINVAL;
    if (SCRY_MISSING(err, options->method)) return SCRY_EINVAL;
    size_t used = 0;
    if (size) text[0] = '\0';
    for (const scry_option *o = options->method->options; o->name; o++) {
        const double value = options_value(options, o);
        char printed[40];
        if (value == o->value) continue;
        scry_option_print(o, value, printed, sizeof printed);
        const int wrote =
            snprintf(text + used, size - used, "%s--%s %s", used ? " " : "", o->name, printed);
        if (wrote < 0 || (size_t)wrote >= size - used)
            return SCRY_FAIL(err, SCRY_EINVAL, "settings of %s take more than %zu characters",
                             options->method->name, size);
        used += (size_t)wrote;
    }
    return SCRY_OK;
}

/* The next word, and where the one after it begins. */
static const char *options_next_word(char *word, size_t size, const char *at)
{
    at += strspn(at, " ");
    const size_t length = strcspn(at, " ");
    snprintf(word, size, "%.*s", (int)(length < size ? length : size - 1), at);
    return at + length;
}

scry_status scry_options_parse(scry_options *options, const char *settings, scry_error *err)
{
    if (SCRY_MISSING(err, options, settings)) return SCRY_EINVAL;
    if (SCRY_MISSING(err, options->method)) return SCRY_EINVAL;
    char name[32], text[40];
    for (const char *at = settings; at[strspn(at, " ")];) {
        at = options_next_word(name, sizeof name, at);
        at = options_next_word(text, sizeof text, at);
        if (strncmp(name, "--", 2) != 0 || !text[0])
            return SCRY_FAIL(err, SCRY_EINVAL, "'%s' in '%s', expected --option value", name,
                             settings);
        scry_status st = scry_options_read(options, name + 2, text, err);
        if (st != SCRY_OK) return st;
    }
    return SCRY_OK;
}
