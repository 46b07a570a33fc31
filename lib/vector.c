#include "lib/vector.h"
#include "lib/vector_complex.h"

#include "lib/parallel.h"
#include "lib/vector_loops_impl.h"

#include <gsl/gsl_statistics_float.h>
#include <math.h>
#include <string.h>

#define LOOPS SCRYI_BEST(scryi_vector_loops)

double scry_dot(const float *a, const float *b, size_t n)
{
    return LOOPS->dot(a, b, n);
}

double scry_norm(const float *a, size_t n)
{
    return sqrt(LOOPS->dot(a, a, n));
}

double scry_distance(const float *a, const float *b, size_t n)
{
    return sqrt(LOOPS->distance2(a, b, n));
}

double scry_sum(const float *a, size_t n)
{
    return LOOPS->sum(a, n);
}

void scry_axpy(float *y, double alpha, const float *x, size_t n)
{
    LOOPS->axpy(y, (float)alpha, x, n);
}

void scry_axpby(float *out, double a, const float *x, double b, const float *y, size_t n)
{
    LOOPS->axpby(out, (float)a, x, (float)b, y, n);
}

void scry_scale(float *x, double alpha, size_t n)
{
    LOOPS->scale(x, (float)alpha, n);
}

bool scry_finite(const float *x, size_t n)
{
    return LOOPS->finite(x, n);
}

/* Blocks of `loop`, shared among threads where that is worth a team. */
static void complex_blocks(void (*loop)(float *, const float *, const float *, size_t), float *out,
                           const float *a, const float *b, size_t n)
{
    enum { BLOCK = 1 << 16 };
    const size_t blocks = (n + BLOCK - 1) / BLOCK;
    SCRY_PARALLEL_FOR(
        blocks > 32 ? scry_threads() : 1, for (size_t k = 0; k < blocks; k++) {
            const size_t at = 2 * k * BLOCK, left = n - k * BLOCK;
            loop(out + at, a + at, b + at, left < BLOCK ? left : BLOCK);
        });
}

void scry_complex_multiply(float *out, const float *a, const float *b, size_t n)
{
    complex_blocks(LOOPS->multiply, out, a, b, n);
}

void scry_complex_multiply_add(float *out, const float *a, const float *b, size_t n)
{
    complex_blocks(LOOPS->multiply_add, out, a, b, n);
}

void scry_complex_multiply_conj(float *out, const float *a, const float *b, size_t n)
{
    complex_blocks(LOOPS->multiply_conj, out, a, b, n);
}

void scry_complex_multiply_conj_add(float *out, const float *a, const float *b, size_t n)
{
    complex_blocks(LOOPS->multiply_conj_add, out, a, b, n);
}

void scry_transpose(float _Complex *restrict dst, size_t ld, const float _Complex *src, size_t ls,
                    size_t rows, size_t cols)
{
    LOOPS->transpose(dst, ld, src, ls, rows, cols);
}

double scry_quantile(const float *x, size_t n, double p, float *scratch)
{
    if (scratch != x) memcpy(scratch, x, n * sizeof *x);
    const double at = p <= 0 ? 0 : p >= 1 ? (double)(n - 1) : p * (double)(n - 1);
    const size_t k = (size_t)at;
    const double low = gsl_stats_float_select(scratch, 1, n, k);
    if (k + 1 >= n || at <= (double)k) return low;
    float high = scratch[k + 1];
    for (size_t i = k + 2; i < n; i++)
        if (scratch[i] < high) high = scratch[i];
    return low + (at - (double)k) * ((double)high - low);
}
