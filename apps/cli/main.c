#include "apps/cli/cli.h"
#include "apps/cli/pages.h"

#include "lib/cancel.h"
#include "lib/instructions.h"

#include <gsl/gsl_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cli_command *const cli_commands[] = {
    &cli_deblur, &cli_denoise, &cli_inpaint, &cli_mri,  &cli_kspace, &cli_simulate, &cli_compare,
    &cli_sample, &cli_figure,  &cli_train,   &cli_info, &cli_verify, &cli_methods,  NULL};

static void interrupt(int signal_number)
{
    (void)signal_number;
    cli_interrupted = 1;
    scry_cancel();
}

static void print_usage(FILE *to)
{
    fprintf(to, "usage: scry <command> [options] in... out\n\n"
                "Recover images from what an instrument could measure of them.\n\n");
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

int main(int argc, char **argv)
{
    gsl_set_error_handler_off();
    if (choose_instructions() != CLI_OK) return CLI_FAILED;
    if (argc < 2) {
        print_usage(stderr);
        return CLI_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
        print_usage(stdout);
        return CLI_OK;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("scry %s, inner loops for %s\nLicence GPL-3.0-or-later. There is no warranty.\n",
               SCRY_VERSION, scry_instructions());
        return CLI_OK;
    }
    if (!strcmp(argv[1], "--pages")) return pages_main(argc - 1, argv + 1);
    /* SA_RESETHAND: a second Ctrl-C ends the program at once. */
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    for (const cli_command *const *c = cli_commands; *c; c++)
        if (!strcmp(argv[1], (*c)->name)) return (*c)->run(*c, argc - 1, argv + 1);
    fprintf(stderr, "scry: '%s' is not a command; expected one of", argv[1]);
    for (const cli_command *const *c = cli_commands; *c; c++)
        fprintf(stderr, " %s%s", (*c)->name, c[1] ? "," : "\n");
    return CLI_USAGE;
}
