#ifndef SCRY_APPS_CLI_PAGES_H
#define SCRY_APPS_CLI_PAGES_H

#include "apps/cli/cli.h"

#include <stdio.h>

/* Manual pages and the completion of bash, made from the tables that the parser and --help read
 * when scry is built. apps/package/pages.cmake runs `scry --pages FOLDER`, which is for it alone:
 *   FOLDER/man/man1/scry.1, scry-deblur.1, ...   a page for each command
 *   FOLDER/man/man7/scry-methods.7               what each method is, and its options
 *   FOLDER/tables.bash                           tables for apps/package/completion.bash */

/* argv[1] is the folder, which exists. Returns an exit status. */
int pages_main(int argc, char **argv);

/* Calls visit for every command and every subcommand, in the order of `scry --help`. */
typedef void pages_visit(void *ctx, const cli_command *command);
void pages_each(pages_visit *visit, void *ctx);
/* The subcommands of a command, which end with NULL; NULL where it has none. */
const cli_command *const *pages_subcommands(const cli_command *command);

/* man.c: the text of one page each. `date` is that of the page, "2026-11-30". */
void man_program(FILE *to, const char *date);
void man_command(FILE *to, const cli_command *command, const char *date);
void man_methods(FILE *to, const char *date);

/* completion.c: functions of bash that print the possible next words. */
void completion_tables(FILE *to);

#endif
