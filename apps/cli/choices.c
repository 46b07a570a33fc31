#include "apps/cli/choices.h"

#include <stdio.h>
#include <string.h>

void method_warn_unused(const cli_parse *p, const method_use *uses, const char *method)
{
    const struct scry_method *m = method ? scry_method_find(method) : NULL;
    char list[256] = "";
    size_t count = 0;
    for (; m && uses->option; uses++) {
        const bool used =
            (uses->kinds & 1u << m->kind) && (!uses->needs || (uses->needs & m->needs));
        if (used || !cli_given(p, uses->option)) continue;
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s--%s", count++ ? ", " : "",
                 uses->option);
    }
    if (count)
        fprintf(stderr, "scry: warning: %s %s no effect on %s\n", list, count > 1 ? "have" : "has",
                m->name);
}

static const char *method_option_text(const cli_method_values *v, const char *name)
{
    for (size_t i = 0; name && i < v->count; i++)
        if (!strcmp(v->names[i], name)) return v->texts[i];
    return NULL;
}

bool method_option_given(const cli_method_values *v, const struct scry_method *method,
                         const char *name)
{
    const scry_option *o = scry_option_find(method, name);
    return o && (method_option_text(v, o->name) || method_option_text(v, o->alias));
}

scry_status method_options_read(scry_options *options, const cli_method_values *v, scry_error *err)
{
    for (size_t i = 0; i < v->count; i++) {
        if (!v->texts[i]) continue;
        scry_status st = scry_options_read(options, v->names[i], v->texts[i], err);
        if (st != SCRY_OK) return st;
    }
    /* who gives a count means that count, unless another way to stop is asked for as well */
    if (method_option_given(v, options->method, "iterations") &&
        !method_option_given(v, options->method, "stop"))
        scry_options_read(options, "stop", "steps", NULL);
    return SCRY_OK;
}

scry_status method_options(scry_options *options, const struct scry_method *method,
                           const cli_method_values *v, scry_error *err)
{
    scry_options_init(options, method);
    return method_options_read(options, v, err);
}

bool choice_size(size_t size[2], const char *text, size_t least, size_t most)
{
    char end;
    if (sscanf(text, "%zux%zu%c", &size[0], &size[1], &end) != 2) return false;
    for (int a = 0; a < 2; a++)
        if (size[a] < least || size[a] > most) return false;
    return true;
}
