#ifndef SCRY_LIB_VECTOR_COMPLEX_H
#define SCRY_LIB_VECTOR_COMPLEX_H

#include <stddef.h>

/* Level-1 arithmetic on complex numbers, for transforms and coils. */

/* Products of n complex numbers, each a pair of floats: a b, conj(a) b, and both added to out. */
void scry_complex_multiply(float *out, const float *a, const float *b, size_t n);
void scry_complex_multiply_add(float *out, const float *a, const float *b, size_t n);
void scry_complex_multiply_conj(float *out, const float *a, const float *b, size_t n);
void scry_complex_multiply_conj_add(float *out, const float *a, const float *b, size_t n);

/* dst[j * ld + i] = src[i * ls + j] for i < rows, j < cols: pieces of complex matrices whose rows
 * are ld >= rows and ls >= cols entries apart. No aliasing. */
void scry_transpose(float _Complex *restrict dst, size_t ld, const float _Complex *src, size_t ls,
                    size_t rows, size_t cols);

#endif
