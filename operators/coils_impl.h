#ifndef SCRY_OPERATORS_COILS_IMPL_H
#define SCRY_OPERATORS_COILS_IMPL_H

#include "lib/status.h"

#include <complex.h>
#include <stdbool.h>
#include <stddef.h>

/* psi = scale sum over the chosen entries of x (coils, n); used NULL: all */
void scryi_coils_covariance(double complex *psi, const float complex *x, const bool *used,
                            size_t coils, size_t n, double scale);
bool scryi_coils_finite(const double complex *psi, size_t coils);
/* ENUMERIC: the coil whose samples say nothing, in the words of every caller. variance is its own.
 */
scry_status scryi_coils_singular(size_t coil, double variance, scry_error *err);

#endif
