#include "apps/cli/pages.h"
#include "operators/psf_keys.h"

#include <ctype.h>
#include <string.h>

/* The tables of options as functions of bash, which apps/package/completion.bash calls. An option
 * is NAME=VALUE, VALUE as its table has it ("open|periodic", "FILE") and empty for a flag. */

static void completion_open(FILE *to, const char *function, const char *comment)
{
    fprintf(to, "\n# %s\n%s() {\n    case ${1:-} in\n", comment, function);
}

static void completion_close(FILE *to)
{
    fputs("    esac\n}\n", to);
}

static void completion_command_names(FILE *to)
{
    completion_open(to, "_scry_commands", "commands, and the subcommands of a command");
    fputs("    '') echo '", to);
    for (const cli_command *const *c = cli_commands; *c; c++)
        fprintf(to, " %s", (*c)->name);
    fputs(" ' ;;\n", to);
    for (const cli_command *const *c = cli_commands; *c; c++) {
        const cli_command *const *s = pages_subcommands(*c);
        if (!s) continue;
        fprintf(to, "    %s) echo '", (*c)->name);
        for (; *s; s++)
            fprintf(to, " %s", strchr((*s)->name, ' ') + 1);
        fputs("' ;;\n", to);
    }
    completion_close(to);
}

static void completion_options(void *ctx, const cli_command *command, const cli_option *options,
                               const cli_method_values *methods)
{
    FILE *to = ctx;
    (void)methods;
    fprintf(to, "    '%s') echo '", command->name);
    for (const cli_option *o = options; o->name; o++)
        fprintf(to, "%s=%s ", o->name, o->arg ? o->arg : "");
    fputs("help=' ;;\n", to);
}

static void completion_methods(void *ctx, const cli_command *command, const cli_option *options,
                               const cli_method_values *methods)
{
    FILE *to = ctx;
    size_t count;
    const struct scry_method *const *list = scry_methods(&count);
    (void)options;
    if (!methods) return;
    fprintf(to, "    '%s') echo '", command->name);
    for (size_t i = 0; i < count; i++)
        if (methods->kinds & 1u << list[i]->kind) fprintf(to, " %s", list[i]->name);
    fputs("' ;;\n", to);
}

static void completion_read(void *ctx, const cli_command *command)
{
    if (!pages_subcommands(command)) cli_read_tables(command, completion_options, ctx);
}

static void completion_read_methods(void *ctx, const cli_command *command)
{
    if (!pages_subcommands(command)) cli_read_tables(command, completion_methods, ctx);
}

/* The names in the synopsis: words and placeholders as in tables, "[gaussian|levy]". */
static void completion_arguments(void *ctx, const cli_command *command)
{
    FILE *to = ctx;
    const char *at = command->synopsis;
    while (*at) {
        at += strspn(at, " []");
        const size_t length = strcspn(at, " []");
        size_t capitals = 0;
        for (size_t i = 0; i < length; i++)
            capitals += isupper((unsigned char)at[i]) != 0;
        if (*at != '-' && (memchr(at, '|', length) || (length && capitals == length))) {
            fprintf(to, "    '%s') echo '%.*s' ;;\n", command->name, (int)length, at);
            return;
        }
        at += length;
    }
}

static void completion_method_options(FILE *to)
{
    size_t count;
    const struct scry_method *const *list = scry_methods(&count);
    for (size_t i = 0; i < count; i++) {
        const char *gap = "";
        fprintf(to, "    %s) echo '", list[i]->name);
        for (const scry_option *o = list[i]->options; o->name; o++)
            for (const char *name = o->name; name; name = name == o->name ? o->alias : NULL) {
                fprintf(to, "%s%s=", gap, name);
                if (!o->choices) putc('X', to);
                for (int w = (int)o->low; o->choices && w <= (int)o->high; w++)
                    fprintf(to, "%s%s", w > (int)o->low ? "|" : "", o->choices[w]);
                gap = " ";
            }
        fputs("' ;;\n", to);
    }
}

void completion_tables(FILE *to)
{
    size_t count;
    fprintf(to,
            "# Completion of scry %s for bash, made from the tables of its options: edit those.\n",
            SCRY_VERSION);
    completion_command_names(to);
    completion_open(to, "_scry_options", "options of a command");
    pages_each(completion_read, to);
    completion_close(to);
    completion_open(to, "_scry_methods", "methods that a command takes; all methods");
    pages_each(completion_read_methods, to);
    fputs("    '') echo '", to);
    const struct scry_method *const *list = scry_methods(&count);
    for (size_t i = 0; i < count; i++)
        fprintf(to, " %s", list[i]->name);
    fputs("' ;;\n", to);
    completion_close(to);
    completion_open(to, "_scry_method_options", "options of a method");
    completion_method_options(to);
    completion_close(to);
    completion_open(to, "_scry_arguments",
                    "arguments of a command beside options, other than files");
    pages_each(completion_arguments, to);
    completion_close(to);
    fputs("\n_scry_psf_models() {\n    echo '", to);
    for (int i = 0; i < SCRY_PSF_MODEL_COUNT; i++)
        fprintf(to, " %s", scry_psf_model_name((scry_psf_model)i));
    fputs("'\n}\n\n", to);
}
