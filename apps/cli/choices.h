#ifndef SCRY_APPS_CLI_CHOICES_H
#define SCRY_APPS_CLI_CHOICES_H

#include "apps/cli/cli.h"

/* Values of options that several commands have. */

/* EINVAL: value (NULL: not given, which is fine) is none of `choices`, which end with NULL. */
scry_status choice_check(const char *option, const char *value, const char *const *choices,
                         scry_error *err);

/* Whether the command line has that option of the method, by its name or its alias. */
bool method_option_given(const cli_method_values *v, const struct scry_method *method,
                         const char *name);

/* The defaults of the method, and what the command line says. */
scry_status method_options(scry_options *options, const struct scry_method *method,
                           const cli_method_values *v, scry_error *err);

#endif
