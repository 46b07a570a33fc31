#ifndef SCRY_APPS_CLI_CHOICES_H
#define SCRY_APPS_CLI_CHOICES_H

#include "apps/cli/cli.h"

/* Values of options that several commands have. */

/* EINVAL: value (NULL: not given, which is fine) is none of `choices`, which end with NULL. */
scry_status choice_check(const char *option, const char *value, const char *const *choices,
                         scry_error *err);

bool method_option_given(const cli_method_values *v, const char *name);

/* The defaults of the method, and what the command line says. */
scry_status method_options(scry_solver_opts *opts, const struct scry_method *method,
                           const cli_method_values *v, scry_error *err);

#endif
