#include "apps/cli/methods.h"
#include "apps/cli/pages.h"

#include <ctype.h>
#include <string.h>

/* Pages in the language of man(7). Text is escaped, so that a hyphen that users copy is a hyphen
 * and that a line which begins with a full stop is text. */

static void man_char(FILE *to, char c)
{
    static const struct {
        char c;
        const char *as;
    } escapes[] = {{'\\', "\\e"},  {'-', "\\-"},   {'\'', "\\(aq"}, {'`', "\\(ga"},
                   {'^', "\\(ha"}, {'~', "\\(ti"}, {'"', "\\(dq"}};
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++)
        if (escapes[i].c == c) {
            fputs(escapes[i].as, to);
            return;
        }
    putc(c, to);
}

static void man_word(FILE *to, const char *word, size_t length)
{
    for (size_t i = 0; i < length; i++)
        man_char(to, word[i]);
}

/* The rest of a line that has `column` letters, and lines after it. Pages are filled by the program
 * that shows them; a line ends there where the text has a newline. */
static void man_text_from(FILE *to, size_t column, const char *text)
{
    while (*text) {
        const size_t gap = strspn(text, " "), word = strcspn(text + gap, " \n");
        if (*text == '\n') {
            fputs("\n.br\n", to);
            column = 0;
            text++;
            continue;
        }
        if (column) putc(column + gap + word > 70 ? '\n' : ' ', to);
        if (column + gap + word > 70) column = 0;
        if (!column && (text[gap] == '.' || text[gap] == '\'')) fputs("\\&", to);
        man_word(to, text + gap, word);
        column += word + 1;
        text += gap + word;
    }
    putc('\n', to);
}

static void man_text(FILE *to, const char *text)
{
    man_text_from(to, 0, text);
}

static void man_heading(FILE *to, const char *heading)
{
    fprintf(to, ".SH %s\n", heading);
}

/* ".TP", and the option with its value: words as they are typed, placeholders in italics. */
static void man_option(FILE *to, const char *name, const char *arg, const char *help)
{
    fputs(".TP\n\\fB\\-\\-", to);
    man_word(to, name, strlen(name));
    fputs("\\fR", to);
    for (const char *at = arg; at && *at;) {
        const size_t length = strcspn(at, "|");
        bool capitals = false;
        for (size_t i = 0; i < length; i++)
            capitals = capitals || isupper((unsigned char)at[i]);
        fprintf(to, "%s\\f%c", at == arg ? " " : "|", capitals ? 'I' : 'B');
        man_word(to, at, length);
        fputs("\\fR", to);
        at += length + (at[length] == '|');
    }
    putc('\n', to);
    man_text(to, help);
}

/* "SCRY-KSPACE-INFO" of "kspace info" */
static void man_title(FILE *to, const char *name, int section, const char *date)
{
    fputs(".\\\" Made from the tables of options of the program: edit those.\n.TH SCRY", to);
    if (*name) fputs("\\-", to);
    for (; *name; name++)
        man_char(to, *name == ' ' ? '-' : (char)toupper((unsigned char)*name));
    fprintf(to, " %d %s \"scry %s\"\n", section, date, SCRY_VERSION);
}

/* "scry-kspace-info" */
static void man_page_name(FILE *to, const char *name)
{
    fputs("scry", to);
    if (*name) fputs("\\-", to);
    for (; *name; name++)
        man_char(to, *name == ' ' ? '-' : *name);
}

static void man_name(FILE *to, const char *name, const char *summary)
{
    man_heading(to, "NAME");
    man_page_name(to, name);
    fputs(" \\-", to);
    man_text_from(to, strlen(name) + 8, summary);
}

/* Each with its summary, and where its page is. */
static void man_list(FILE *to, const cli_command *const *list)
{
    for (; *list; list++) {
        fputs(".TP\n.B ", to);
        man_word(to, (*list)->name, strlen((*list)->name));
        putc('\n', to);
        man_text(to, (*list)->summary);
        fputs("(\\fB", to);
        man_page_name(to, (*list)->name);
        fputs("\\fR(1))\n", to);
    }
}

static void man_statuses(FILE *to)
{
    man_heading(to, "EXIT STATUS");
    fputs(".TP\n.B 0\nDone.\n"
          ".TP\n.B 1\nFailed; standard error says why.\n"
          ".TP\n.B 2\nThe command line is wrong; standard error says where.\n"
          ".TP\n.BR 130 ,\\~ 143\nStopped by Ctrl\\-C, or by another signal (128 and its number).\n"
          "Finished files are kept.\nA second Ctrl\\-C stops at once.\n",
          to);
}

void man_program(FILE *to, const char *date)
{
    man_title(to, "", 1, date);
    man_name(to, "", "recover images from the measurements of an instrument");
    man_heading(to, "SYNOPSIS");
    fputs(".B scry\n.I command\n[\\fIoptions\\fR] \\fIin\\fR...\\& \\fIout\\fR\n", to);
    man_heading(to, "DESCRIPTION");
    man_text(
        to,
        "A forward operator (blur, mask, Fourier samples seen by coils) and a model of "
        "the noise say how likely a measurement is; a pretrained diffusion network is the prior of "
        "images; posterior samplers combine the two and return an image and "
        "a map of the pixels not to trust. Classical methods run through the same path.");
    fputs(".PP\n", to);
    man_text(to, "'scry COMMAND --help' lists the options of a command, 'scry --version' prints "
                 "the version and the instruction set of the inner loops.");
    man_heading(to, "COMMANDS");
    man_list(to, cli_commands);
    man_heading(to, "ENVIRONMENT");
    fputs(".TP\n.B SCRY_PRIORS\n", to);
    man_text(to, "A folder of priors, looked in before those that came with the program.");
    fputs(".TP\n.B SCRY_FINUFFT\n", to);
    man_text(to,
             "A libfinufft.so (of its package at PyPI, for one) that takes samples off the grid "
             "in place of scry itself, which is faster.");
    fputs(".TP\n.B SCRY_INSTRUCTIONS\n", to);
    man_text(to, "An instruction set other than the widest that the processor has, for those who "
                 "compare them.");
    man_statuses(to);
    fputs(".SH SEE ALSO\n.BR scry\\-methods (7)\n", to);
}

static void man_tables(void *ctx, const cli_command *command, const cli_option *options,
                       const cli_method_values *methods)
{
    FILE *to = ctx;
    char text[4096];
    (void)command;
    man_heading(to, "OPTIONS");
    for (const cli_option *o = options; o->name; o++)
        man_option(to, o->name, o->arg, o->help);
    man_option(to, "help", NULL, "print the options and stop");
    if (!methods) return;
    man_heading(to, "OPTIONS OF METHODS");
    man_text(to, "Defaults are in brackets.");
    for (size_t i = 0; i < methods->count; i++)
        if (*cli_method_option_help(text, sizeof text, methods->names[i], methods->kinds))
            man_option(to, methods->names[i], "X", text);
}

void man_command(FILE *to, const cli_command *command, const char *date)
{
    const cli_command *const *subcommands = pages_subcommands(command);
    man_title(to, command->name, 1, date);
    man_name(to, command->name, command->summary);
    man_heading(to, "SYNOPSIS");
    fputs(".B scry ", to);
    man_word(to, command->name, strlen(command->name));
    putc('\n', to);
    man_text(to, command->synopsis);
    if (command->details) {
        man_heading(to, "DESCRIPTION");
        man_text(to, command->details);
    }
    if (subcommands) {
        man_heading(to, "SUBCOMMANDS");
        man_list(to, subcommands);
    } else {
        cli_read_tables(command, man_tables, to);
    }
    man_statuses(to);
    fputs(".SH SEE ALSO\n.BR scry (1),\n.BR scry\\-methods (7)\n", to);
}

static void man_method(FILE *to, const struct scry_method *m)
{
    char text[1024], range[256];
    fputs(".SS ", to);
    man_word(to, m->name, strlen(m->name));
    putc('\n', to);
    snprintf(text, sizeof text, "%s (%s): %s.", m->title, method_kind_name(m), m->exact);
    man_text(to, text);
    fputs(".PP\n", to);
    method_needs(range, sizeof range, m);
    snprintf(text, sizeof text, "Needs %s. Source: %s.", range, m->citation);
    man_text(to, text);
    for (const scry_option *o = m->options; o->name; o++) {
        snprintf(text, sizeof text, "%s [%s]", o->help,
                 method_option_range(range, sizeof range, o));
        man_option(to, o->name, NULL, text);
    }
}

void man_methods(FILE *to, const char *date)
{
    size_t count;
    const struct scry_method *const *list = scry_methods(&count);
    man_title(to, "methods", 7, date);
    man_name(to, "methods", "the methods of scry, and their options");
    man_heading(to, "DESCRIPTION");
    man_text(to, "What each method is, what it needs, where it comes from, and its options with "
                 "their defaults and ranges. 'scry methods' prints the same, and how right each "
                 "method was measured to be.");
    man_heading(to, "METHODS");
    for (int kind = SCRY_POSTERIOR; kind >= SCRY_CLASSICAL; kind--)
        for (size_t i = 0; i < count; i++)
            if ((int)list[i]->kind == kind) man_method(to, list[i]);
    fputs(".SH SEE ALSO\n.BR scry (1),\n.BR scry\\-methods (1)\n", to);
}
