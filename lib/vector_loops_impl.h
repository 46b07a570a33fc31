#ifndef SCRY_LIB_VECTOR_LOOPS_IMPL_H
#define SCRY_LIB_VECTOR_LOOPS_IMPL_H

#include "lib/variants.h"

#include <stdbool.h>
#include <stddef.h>

/* The functions of vector.h, once for each instruction set. */
struct scryi_vector_loops {
    double (*dot)(const float *a, const float *b, size_t n);
    double (*distance2)(const float *a, const float *b, size_t n);
    double (*sum)(const float *a, size_t n);
    void (*axpy)(float *y, float alpha, const float *x, size_t n);
    void (*axpby)(float *out, float a, const float *x, float b, const float *y, size_t n);
    void (*scale)(float *x, float alpha, size_t n);
    bool (*finite)(const float *x, size_t n);
    void (*multiply)(float *out, const float *a, const float *b, size_t n);
    void (*multiply_add)(float *out, const float *a, const float *b, size_t n);
    void (*multiply_conj)(float *out, const float *a, const float *b, size_t n);
    void (*multiply_conj_add)(float *out, const float *a, const float *b, size_t n);
    void (*transpose)(float _Complex *restrict dst, size_t ld, const float _Complex *src, size_t ls,
                      size_t rows, size_t cols);
};
SCRYI_VARIANTS(struct scryi_vector_loops, scryi_vector_loops);

#endif
