#include "apps/cli.h"

#include "lib/memory.h"

#include <math.h>
#include <popt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

volatile sig_atomic_t cli_interrupted;

int cli_usage(const cli_command *command, const char *fmt, ...)
{
    va_list args;
    fprintf(stderr, "scry %s: ", command->name);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\nTry 'scry %s --help'.\n", command->name);
    return CLI_USAGE;
}

int cli_failed(const cli_command *command, const scry_error *err)
{
    fprintf(stderr, "scry %s: %s", command->name, err->text);
    if (!err->text[0]) fprintf(stderr, "%s", scry_status_name(err->code));
    fprintf(stderr, "\n");
    return CLI_FAILED;
}

static void print_wrapped(const char *text, int indent, int column)
{
    const int width = 96;
    while (*text) {
        size_t word = strcspn(text, " \n");
        if (column + (int)word > width && column > indent) {
            printf("\n%*s", indent, "");
            column = indent;
        }
        printf("%.*s", (int)word, text);
        column += (int)word;
        text += word;
        if (*text == '\n') {
            printf("\n%*s", indent, "");
            column = indent;
            text++;
        } else if (*text == ' ') {
            if (column < width) putchar(' ');
            column++;
            text++;
        }
    }
    putchar('\n');
}

static void print_option(const char *name, const char *arg, const char *help)
{
    enum { INDENT = 28 };
    int n = printf("  --%s%s%s", name, arg ? " " : "", arg ? arg : "");
    if (n >= INDENT - 1) n = printf("\n") - 1;
    printf("%*s", INDENT - n, "");
    print_wrapped(help, INDENT, INDENT);
}

static void print_help(const cli_command *command, const cli_option *options,
                       const cli_method_values *methods)
{
    printf("usage: scry %s %s\n\n", command->name, command->synopsis);
    print_wrapped(command->summary, 0, 0);
    if (command->details) {
        putchar('\n');
        print_wrapped(command->details, 0, 0);
    }
    printf("\noptions:\n");
    for (const cli_option *o = options; o->name; o++) print_option(o->name, o->arg, o->help);
    print_option("help", NULL, "print this and stop");
    if (!methods || !methods->count) return;
    printf("\noptions of methods (defaults in brackets; 'scry methods' says what each method is):\n");
    for (size_t i = 0; i < methods->count; i++) print_option(methods->names[i], "X", methods->help[i]);
}

/* The union of the options of the methods of some kinds; the help names methods and defaults. */
static void collect_methods(cli_method_values *v, unsigned kinds)
{
    size_t total;
    const struct scry_method *const *list = scry_methods(&total);
    *v = (cli_method_values){ 0 };
    for (size_t m = 0; m < total; m++) {
        if (!(kinds & 1u << list[m]->kind)) continue;
        for (const scry_option *o = list[m]->options; o && o->name; o++) {
            size_t i = 0;
            while (i < v->count && strcmp(v->names[i], o->name) != 0) i++;
            if (i == sizeof v->names / sizeof *v->names) continue;
            size_t at = strlen(v->help[i]);
            if (i == v->count) {
                v->names[v->count] = o->name;
                v->values[v->count++] = NAN;
                at = 0;
            }
            snprintf(v->help[i] + at, sizeof v->help[i] - at, "%s%s: %s [%g]", at ? "\n" : "",
                     list[m]->name, o->help, o->value);
        }
    }
}

static bool number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out);
}

static bool store(const cli_option *o, const char *text)
{
    double x;
    switch (o->kind) {
    case CLI_FLAG: *(bool *)o->to = true; return true;
    case CLI_TEXT: *(const char **)o->to = text; return true;
    case CLI_REAL: return number(text, (double *)o->to);
    case CLI_INTEGER:
        if (!number(text, &x) || x != floor(x) || fabs(x) > 9e15) return false;
        *(int64_t *)o->to = (int64_t)x;
        return true;
    }
    return false;
}

static int fill_table(struct poptOption *t, const cli_option *options,
                      const cli_method_values *methods)
{
    int n = 0;
    for (const cli_option *o = options; o->name; o++, n++)
        t[n] = (struct poptOption){ .longName = o->name,
                                    .argInfo = o->kind == CLI_FLAG ? POPT_ARG_NONE : POPT_ARG_STRING,
                                    .val = n + 1 };
    for (size_t i = 0; methods && i < methods->count; i++, n++)
        t[n] = (struct poptOption){ .longName = methods->names[i], .argInfo = POPT_ARG_STRING,
                                    .val = n + 1 };
    t[n] = (struct poptOption){ .longName = "help", .argInfo = POPT_ARG_NONE, .val = n + 1 };
    return n;
}

int cli_begin(cli_parse *p, const cli_command *command, int argc, char **argv,
              const cli_option *options, cli_method_values *methods, unsigned kinds)
{
    struct poptOption table[160] = { { 0 } };
    int n_options = 0, id, status = CLI_OK;
    *p = (cli_parse){ 0 };
    while (options[n_options].name) n_options++;
    if (methods) collect_methods(methods, kinds);
    const int help = fill_table(table, options, methods) + 1;
    poptContext c = poptGetContext("scry", argc, (const char **)argv, table, 0);
    p->popt = c;
    while (status == CLI_OK && (id = poptGetNextOpt(c)) > 0) {
        const char *text = poptGetOptArg(c);
        if (id == help) {
            print_help(command, options, methods);
            status = -1;
        } else if (id <= n_options) {
            const cli_option *o = &options[id - 1];
            if (!store(o, text))
                status = cli_usage(command, "--%s '%s', expected %s", o->name, text,
                                   o->kind == CLI_INTEGER ? "a whole number" : "a number");
        } else if (!number(text, &methods->values[id - 1 - n_options])) {
            status = cli_usage(command, "--%s '%s', expected a number",
                               methods->names[id - 1 - n_options], text);
        }
    }
    if (status == CLI_OK && id < -1)
        status = cli_usage(command, "%s: %s", poptBadOption(c, 0), poptStrerror(id));
    const char **args = poptGetArgs(c);
    static const char *none[] = { NULL };
    p->args = args ? args : none;
    for (p->count = 0; p->args[p->count];) p->count++;
    if (status != CLI_OK) cli_end(p);
    return status;
}

void cli_end(cli_parse *p)
{
    if (p->popt) poptFreeContext(p->popt);
    p->popt = NULL;
}
