#include "apps/cli/cli.h"

#include "apps/cli/pages.h"
#include "apps/cli/program.h"
#include "lib/instructions.h"

#include <gsl/gsl_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cli_command *const cli_commands[] = {
    &cli_deblur, &cli_denoise, &cli_inpaint, &cli_mri,  &cli_kspace, &cli_simulate, &cli_compare,
    &cli_sample, &cli_figure,  &cli_train,   &cli_info, &cli_verify, &cli_methods,  NULL};

static void main_print_usage(FILE *to)
{
    fprintf(to, "usage: scry <command> [options] in... out\n\n"
                "Recover images from the measurements of an instrument.\n\n");
    for (const cli_command *const *c = cli_commands; *c; c++)
        fprintf(to, "  %-10s %s\n", (*c)->name, (*c)->summary);
    fprintf(to, "\n'scry <command> --help' lists the options of a command; 'scry --version' the "
                "version.\n");
}

/* For those who compare machines: a set that this processor has, other than the widest. */
static int choose_instructions(void)
{
    const char *name = getenv("SCRY_INSTRUCTIONS");
    scry_error err = {0};
    if (!name || scry_instructions_set(name, &err) == SCRY_OK) return CLI_OK;
    fprintf(stderr, "scry: $SCRY_INSTRUCTIONS: %s\n", err.text);
    return CLI_FAILED;
}

static const cli_command *find_command(const char *name)
{
    for (const cli_command *const *c = cli_commands; *c; c++)
        if (!strcmp(name, (*c)->name)) return *c;
    fprintf(stderr, "scry: '%s' is not a command; expected one of", name);
    for (const cli_command *const *c = cli_commands; *c; c++)
        fprintf(stderr, " %s%s", (*c)->name, c[1] ? "," : "\n");
    return NULL;
}

static int main_command(int argc, char **argv)
{
    if (choose_instructions() != CLI_OK) return CLI_FAILED;
    if (argc < 2) {
        main_print_usage(stderr);
        return CLI_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
        main_print_usage(stdout);
        return CLI_OK;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("scry %s, inner loops for %s\nLicence GPL-3.0-or-later. There is no warranty.\n",
               SCRY_VERSION, scry_instructions());
        return CLI_OK;
    }
    if (!strcmp(argv[1], "--pages")) return pages_main(argc - 1, argv + 1);
    const cli_command *command = find_command(argv[1]);
    return command ? command->run(command, argc - 1, argv + 1) : CLI_USAGE;
}

int main(int argc, char **argv)
{
    gsl_set_error_handler_off();
    program_begin();
    const int status = main_command(argc, argv);
    return program_end(argc > 1 && argv[1][0] != '-' ? argv[1] : NULL, status);
}
