#ifndef SCRY_LIB_VECTOR_H
#define SCRY_LIB_VECTOR_H

#include <stdbool.h>
#include <stddef.h>

/* Level-1 arithmetic on float vectors. Sums run over fixed blocks in double precision, so their
 * value does not depend on the number of threads. out may alias any input. */

double scry_dot(const float *a, const float *b, size_t n);
double scry_norm(const float *a, size_t n);                     /* sqrt(sum a^2) */
double scry_distance(const float *a, const float *b, size_t n); /* |a - b| */
double scry_sum(const float *a, size_t n);
void scry_axpy(float *y, double alpha, const float *x, size_t n); /* y += alpha x */
void scry_axpby(float *out, double a, const float *x, double b, const float *y, size_t n);
void scry_scale(float *x, double alpha, size_t n);
bool scry_finite(const float *x, size_t n); /* true when no entry is NaN or infinite */

/* The p-quantile (0..1) of n values, linear between order statistics; scratch holds n floats and
 * may alias x, which is then reordered. n >= 1, values finite. */
double scry_quantile(const float *x, size_t n, double p, float *scratch);

#endif
