#include "apps/cli/choices.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

scry_status choice_check(const char *option, const char *value, const char *const *choices,
                         scry_error *err)
{
    char list[256] = "";
    for (const char *const *c = choices; value && *c; c++) {
        if (!strcmp(value, *c)) return SCRY_OK;
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? ", " : "", *c);
    }
    if (!value) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "--%s '%s', expected one of %s", option, value, list);
}

bool method_option_given(const cli_method_values *v, const char *name)
{
    for (size_t i = 0; i < v->count; i++)
        if (!strcmp(v->names[i], name)) return !isnan(v->values[i]);
    return false;
}

scry_status method_options(scry_solver_opts *opts, const struct scry_method *method,
                           const cli_method_values *v, scry_error *err)
{
    scry_solver_opts_init(opts, method);
    for (size_t i = 0; i < v->count; i++) {
        if (isnan(v->values[i])) continue;
        scry_status st = scry_solver_opts_set(opts, method, v->names[i], v->values[i], err);
        if (st != SCRY_OK) return st;
    }
    /* who gives a count means that count, unless another way to stop is asked for as well */
    if (method_option_given(v, "iterations") && !method_option_given(v, "stop"))
        scry_solver_opts_set(opts, method, "stop", SCRY_STOP_STEPS, NULL);
    return SCRY_OK;
}
