#ifndef SCRY_APPS_KSPACE_H
#define SCRY_APPS_KSPACE_H

#include "apps/cli.h"

/* The subcommands of `scry kspace`, one source file each. Their names have two words ("kspace
 * info"), which messages and help show; they run with argv[0] the second one. A new one is a line
 * here and one in kspace_subcommands. */
extern const cli_command kspace_info;
extern const cli_command *const kspace_subcommands[]; /* ends with NULL */

#endif
