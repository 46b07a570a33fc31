#ifndef SCRY_APPS_CLI_METHODS_H
#define SCRY_APPS_CLI_METHODS_H

#include "solvers/registry.h"

/* The registry's entry of a method, in words, for `scry methods` and the manual. Texts go into
 * the caller's buffer and are returned. */

/* "posterior" */
const char *method_kind_name(const struct scry_method *method);
/* "a denoiser, an operator with a known SVD" */
const char *method_needs(char *text, size_t size, const struct scry_method *method);
/* "0.8; 0 to 1; or --zeta": default, range or words, and the other name */
const char *method_option_range(char *text, size_t size, const scry_option *option);

#endif
