#include "apps/cli/cli.h"

#include "lib/cancel.h"
#include "lib/memory.h"

#include <math.h>
#include <popt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    if (err->code == SCRY_ESTOP && scry_cancelled()) return CLI_FAILED; /* program_end reports it */
    fprintf(stderr, "scry %s: %s", command->name, err->text);
    if (!err->text[0]) fprintf(stderr, "%s", scry_status_name(err->code));
    fprintf(stderr, "\n");
    return CLI_FAILED;
}

/* Breaks lines at spaces; the text starts at `column`, further lines at `indent`. */
static void print_wrapped(const char *text, int indent, int column)
{
    const int width = 96;
    while (*text) {
        const int gap = (int)strspn(text, " ");
        const int word = (int)strcspn(text + gap, " \n");
        if (text[0] == '\n' || (column + gap + word > width && column > indent)) {
            printf("\n%*s", indent, "");
            column = indent;
            if (text[0] == '\n') {
                text++;
                continue;
            }
        } else {
            printf("%*s", gap, "");
            column += gap;
        }
        printf("%.*s", word, text + gap);
        column += word;
        text += gap + word;
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

/* The option of this name that the method has, not by an alias. */
static const scry_option *named_option(const struct scry_method *m, unsigned kinds,
                                       const char *name)
{
    const scry_option *o = kinds & 1u << m->kind ? scry_option_find(m, name) : NULL;
    return o && !strcmp(o->name, name) ? o : NULL;
}

static bool same_help(const scry_option *a, const scry_option *b)
{
    if (!a || !b || strcmp(a->help, b->help) != 0) return false;
    return a->value >= b->value && a->value <= b->value &&
           !strcmp(a->alias ? a->alias : "", b->alias ? b->alias : "");
}

const char *cli_method_option_help(char *text, size_t size, const char *name, unsigned kinds)
{
    size_t total;
    const struct scry_method *const *list = scry_methods(&total);
    char value[40];
    size_t at = 0;
    text[0] = '\0';
    for (size_t m = 0; m < total; m++) {
        const scry_option *o = named_option(list[m], kinds, name);
        bool printed = !o;
        for (size_t e = 0; e < m && !printed; e++)
            printed = same_help(named_option(list[e], kinds, name), o);
        if (printed) continue;
        for (size_t l = m; l < total && at < size; l++)
            if (same_help(named_option(list[l], kinds, name), o))
                at += (size_t)snprintf(text + at, size - at, "%s%s",
                                       l > m ? ", "
                                       : at  ? "\n"
                                             : "",
                                       list[l]->name);
        if (at < size)
            at += (size_t)snprintf(text + at, size - at, ": %s [%s]%s%s", o->help,
                                   scry_option_print(o, o->value, value, sizeof value),
                                   o->alias ? ", or --" : "", o->alias ? o->alias : "");
    }
    return text;
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
    for (const cli_option *o = options; o->name; o++)
        print_option(o->name, o->arg, o->help);
    print_option("help", NULL, "print this and stop");
    if (!methods || !methods->count) return;
    printf(
        "\noptions of methods (defaults in brackets; 'scry methods' says what each method is):\n");
    char text[4096];
    for (size_t i = 0; i < methods->count; i++)
        if (*cli_method_option_help(text, sizeof text, methods->names[i], methods->kinds))
            print_option(methods->names[i], "X", text);
}

/* Who reads the tables where --help would print them. */
static cli_reader *tables_reader;
static void *tables_ctx;

void cli_read_tables(const cli_command *command, cli_reader *reader, void *ctx)
{
    char name[] = "scry", help[] = "--help", *argv[] = {name, help, NULL};
    tables_reader = reader;
    tables_ctx = ctx;
    command->run(command, 2, argv);
    tables_reader = NULL;
}

static void collect_name(cli_method_values *v, const char *name)
{
    for (size_t i = 0; i < v->count; i++)
        if (!strcmp(v->names[i], name)) return;
    if (v->count < sizeof v->names / sizeof *v->names) v->names[v->count++] = name;
}

/* The union of the options of the methods of some kinds. */
static void collect_methods(cli_method_values *v, unsigned kinds)
{
    size_t total;
    const struct scry_method *const *list = scry_methods(&total);
    *v = (cli_method_values){.kinds = kinds};
    for (size_t m = 0; m < total; m++) {
        if (!(kinds & 1u << list[m]->kind)) continue;
        for (const scry_option *o = list[m]->options; o->name; o++) {
            collect_name(v, o->name);
            if (o->alias) collect_name(v, o->alias);
        }
    }
}

static bool cli_number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out);
}

/* A number, or a word that some method knows. The chosen method checks the range. */
static int method_value(const cli_command *command, cli_method_values *v, size_t i,
                        const char *text)
{
    size_t total;
    char list[256] = "";
    double value;
    const struct scry_method *const *all = scry_methods(&total);
    for (size_t m = 0; m < total; m++) {
        const scry_option *o =
            v->kinds & 1u << all[m]->kind ? scry_option_find(all[m], v->names[i]) : NULL;
        if (o && scry_option_scan(o, text, &value) && isfinite(value)) {
            v->texts[i] = text;
            return CLI_OK;
        }
        for (size_t w = 0; o && o->choices && o->choices[w]; w++)
            if (!strstr(list, o->choices[w]))
                snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? ", " : "",
                         o->choices[w]);
    }
    return cli_usage(command, "--%s '%s', expected %s%s", v->names[i], text,
                     *list ? "one of " : "a number", list);
}

/* Whether `arg` lists words and nothing else. */
static bool cli_only_words(const char *arg)
{
    return arg && !strpbrk(arg, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

size_t cli_bind(cli_option *options, const cli_setting *table, void *settings)
{
    size_t n = 0;
    for (; table[n].name; n++)
        options[n] = (cli_option){.name = table[n].name,
                                  .kind = table[n].kind,
                                  .to = (char *)settings + table[n].offset,
                                  .arg = table[n].arg,
                                  .help = table[n].help};
    return n;
}

/* Whether one of the alternatives of `arg` is this one. */
static bool cli_has_word(const char *arg, const char *word)
{
    const size_t n = strlen(word);
    for (const char *at = arg; n; at++) {
        const size_t length = strcspn(at, "|");
        if (length == n && !strncmp(at, word, n)) return true;
        at += length;
        if (!*at) break;
    }
    return false;
}

static bool cli_store(const cli_option *o, const char *text)
{
    double x;
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->to = true;
        return true;
    case CLI_TEXT:
        *(const char **)o->to = text;
        return !cli_only_words(o->arg) || cli_has_word(o->arg, text);
    case CLI_REAL:
        return cli_number(text, (double *)o->to);
    case CLI_INTEGER:
        if (!cli_number(text, &x) || x != floor(x) || fabs(x) > 9e15) return false;
        *(int64_t *)o->to = (int64_t)x;
        return true;
    }
    return false;
}

/* "a number", "one of rows, measure" */
static const char *cli_expected(char *text, size_t size, const cli_option *o)
{
    if (o->kind != CLI_TEXT) {
        snprintf(text, size, "%s", o->kind == CLI_INTEGER ? "a whole number" : "a number");
        return text;
    }
    size_t used = (size_t)snprintf(text, size, "one of ");
    for (const char *at = o->arg; *at && used + 2 < size; at++)
        used += (size_t)snprintf(text + used, size - used, *at == '|' ? ", " : "%c", *at);
    return text;
}

static int fill_table(struct poptOption *t, const cli_option *options,
                      const cli_method_values *methods)
{
    int n = 0;
    for (const cli_option *o = options; o->name; o++, n++)
        t[n] = (struct poptOption){.longName = o->name,
                                   .argInfo = o->kind == CLI_FLAG ? POPT_ARG_NONE : POPT_ARG_STRING,
                                   .val = n + 1};
    for (size_t i = 0; methods && i < methods->count; i++, n++)
        t[n] = (struct poptOption){
            .longName = methods->names[i], .argInfo = POPT_ARG_STRING, .val = n + 1};
    t[n] = (struct poptOption){.longName = "help", .argInfo = POPT_ARG_NONE, .val = n + 1};
    return n;
}

int cli_begin(cli_parse *p, const cli_command *command, int argc, char **argv,
              const cli_option *options, cli_method_values *methods, unsigned kinds)
{
    struct poptOption table[192] = {{0}};
    int n_options = 0, id, status = CLI_OK;
    *p = (cli_parse){.options = options};
    while (options[n_options].name)
        n_options++;
    if (methods) collect_methods(methods, kinds);
    const int help = fill_table(table, options, methods) + 1;
    poptContext c = poptGetContext("scry", argc, (const char **)argv, table, 0);
    p->popt = c;
    p->values = calloc((size_t)argc + 1, sizeof *p->values); /* each takes a word at least */
    if (!c || !p->values) {
        fprintf(stderr, "scry %s: no memory for %d words\n", command->name, argc);
        cli_end(p);
        return CLI_FAILED;
    }
    char **value = p->values;
    while (status == CLI_OK && (id = poptGetNextOpt(c)) > 0) {
        char *text = poptGetOptArg(c);
        if (text) *value++ = text;
        if (id == help) {
            if (tables_reader)
                tables_reader(tables_ctx, command, options, methods);
            else
                print_help(command, options, methods);
            status = -1;
        } else if (id <= n_options) {
            const cli_option *o = &options[id - 1];
            char expected[160];
            p->given[id - 1] = true;
            if (!cli_store(o, text))
                status = cli_usage(command, "--%s '%s', expected %s", o->name, text,
                                   cli_expected(expected, sizeof expected, o));
        } else {
            const size_t i = (size_t)(id - 1 - n_options);
            status = method_value(command, methods, i, text);
        }
    }
    if (status == CLI_OK && id < -1)
        status = cli_usage(command, "%s: %s", poptBadOption(c, 0), poptStrerror(id));
    const char **args = poptGetArgs(c);
    static const char *none[] = {NULL};
    p->args = args ? args : none;
    for (p->count = 0; p->args[p->count];)
        p->count++;
    if (status != CLI_OK) cli_end(p);
    return status;
}

bool cli_given(const cli_parse *p, const char *name)
{
    for (size_t i = 0; p->options[i].name; i++)
        if (!strcmp(p->options[i].name, name)) return p->given[i];
    return false;
}

void cli_end(cli_parse *p)
{
    if (p->popt) poptFreeContext(p->popt);
    for (char **value = p->values; value && *value; value++)
        free(*value);
    free(p->values);
    *p = (cli_parse){0};
}
