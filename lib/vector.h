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

/* Products of n complex numbers, each a pair of floats: a b, conj(a) b, and both added to out. */
void scry_complex_multiply(float *out, const float *a, const float *b, size_t n);
void scry_complex_multiply_add(float *out, const float *a, const float *b, size_t n);
void scry_complex_multiply_conj(float *out, const float *a, const float *b, size_t n);
void scry_complex_multiply_conj_add(float *out, const float *a, const float *b, size_t n);

/* dst[j * ld + i] = src[i * ls + j] for i < rows, j < cols: pieces of complex matrices whose rows
 * are ld >= rows and ls >= cols entries apart. No aliasing. */
void scry_transpose(float _Complex *restrict dst, size_t ld, const float _Complex *src, size_t ls,
                    size_t rows, size_t cols);

/* The p-quantile (0..1) of n values, linear between order statistics; scratch holds n floats and
 * may alias x, which is then reordered. n >= 1, values finite. */
double scry_quantile(const float *x, size_t n, double p, float *scratch);

#endif
