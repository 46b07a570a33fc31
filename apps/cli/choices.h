#ifndef SCRY_APPS_CLI_CHOICES_H
#define SCRY_APPS_CLI_CHOICES_H

#include "apps/cli/cli.h"

/* Values of options that several commands have. */

/* Whether the command line has that option of the method, by its name or its alias. */
bool method_option_given(const cli_method_values *v, const struct scry_method *method,
                         const char *name);

enum { ANY_KIND = 1 << SCRY_CLASSICAL | 1 << SCRY_POSTERIOR }; /* of those that restore */

/* An option of a command that only some methods look at: those of a kind, or those that need one of
 * these things. A table of them ends with option NULL. */
typedef struct method_use {
    const char *option;
    unsigned kinds; /* 1 << scry_method_kind */
    unsigned needs; /* enum scry_needs; 0: any */
} method_use;

/* "scry: warning: --samples, --prior have no effect on tv", of those that the command line has; and
 * nothing where all have one, or there is no method of that name. */
void method_warn_unused(const cli_parse *p, const method_use *uses, const char *method);

/* The defaults of the method, then the options of the command line. */
scry_status method_options(scry_options *options, const struct scry_method *method,
                           const cli_method_values *v, scry_error *err);
/* The options of the command line, over the present ones. */
scry_status method_options_read(scry_options *options, const cli_method_values *v, scry_error *err);

/* "256x192" into {256, 192}: rows and columns, each from `least` to `most`. False: it is not. */
bool choice_size(size_t size[2], const char *text, size_t least, size_t most);

#endif
