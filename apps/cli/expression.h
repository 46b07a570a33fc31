#ifndef SCRY_APPS_CLI_EXPRESSION_H
#define SCRY_APPS_CLI_EXPRESSION_H

#include "lib/status.h"

/* An affine expression in x, "a*x+b" or "((x - 100) * 0.5 - 2) / 20": *a and *b so that it equals
 * a x + b. EINVAL with the position of the error. */
scry_status affine_parse(const char *text, double *a, double *b, scry_error *err);

#endif
