#include "apps/kspace.h"

#include <stdio.h>
#include <string.h>

const cli_command *const kspace_subcommands[] = { &kspace_info, NULL };

/* "info" of "kspace info" */
static const char *second_word(const cli_command *c)
{
    return strchr(c->name, ' ') + 1;
}

static void print_usage(const cli_command *self, FILE *to)
{
    fprintf(to, "usage: scry %s %s\n\n%s\n\n", self->name, self->synopsis, self->summary);
    for (const cli_command *const *c = kspace_subcommands; *c; c++)
        fprintf(to, "  %-10s %s\n", second_word(*c), (*c)->summary);
    fprintf(to, "\n'scry kspace <subcommand> --help' lists the options of one.\n");
}

static int run(const cli_command *self, int argc, char **argv)
{
    if (argc < 2) {
        print_usage(self, stderr);
        return CLI_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
        print_usage(self, stdout);
        return CLI_OK;
    }
    for (const cli_command *const *c = kspace_subcommands; *c; c++)
        if (!strcmp(argv[1], second_word(*c))) return (*c)->run(*c, argc - 1, argv + 1);
    fprintf(stderr, "scry kspace: '%s' is not a subcommand; expected one of", argv[1]);
    for (const cli_command *const *c = kspace_subcommands; *c; c++)
        fprintf(stderr, " %s%s", second_word(*c), c[1] ? "," : "\n");
    return CLI_USAGE;
}

const cli_command cli_kspace = { "kspace", "<subcommand> [options] in... out",
                                 "inspect, convert, undersample and simulate k-space of MR", NULL,
                                 run };
