#include "lib/vector.h"

#include <gsl/gsl_statistics_float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096 };

/* Sum of term(i) over blocks of fixed size, the blocks added in order: the value is a function of
 * the data alone, however many threads ran. Within a block the lanes of a vector add up apart: one
 * chain of additions would take four cycles for each. */
#define BLOCKED_SUM(result, n, term)                                                               \
    do {                                                                                           \
        const size_t blocks_ = ((n) + BLOCK - 1) / BLOCK;                                          \
        double *part_ = blocks_ > 512 ? malloc(blocks_ * sizeof *part_) : NULL;                    \
        if (!part_) { /* few, or no room for partial sums: the same order, one at a time */        \
            for (size_t b_ = 0; b_ < blocks_; b_++) {                                              \
                double s_ = 0;                                                                     \
                const size_t end_ = (n) < (b_ + 1) * BLOCK ? (n) : (b_ + 1) * BLOCK;               \
                _Pragma("omp simd reduction(+ : s_)") for (size_t i = b_ * BLOCK; i < end_; i++)   \
                    s_ += (term);                                                                  \
                (result) += s_;                                                                    \
            }                                                                                      \
            break;                                                                                 \
        }                                                                                          \
        _Pragma("omp parallel for schedule(static)") for (size_t b_ = 0; b_ < blocks_; b_++)       \
        {                                                                                          \
            double s_ = 0;                                                                         \
            const size_t end_ = (n) < (b_ + 1) * BLOCK ? (n) : (b_ + 1) * BLOCK;                   \
            _Pragma("omp simd reduction(+ : s_)") for (size_t i = b_ * BLOCK; i < end_; i++) s_ += \
                (term);                                                                            \
            part_[b_] = s_;                                                                        \
        }                                                                                          \
        for (size_t b_ = 0; b_ < blocks_; b_++)                                                    \
            (result) += part_[b_];                                                                 \
        free(part_);                                                                               \
    } while (0)

double scry_dot(const float *a, const float *b, size_t n)
{
    double s = 0;
    BLOCKED_SUM(s, n, (double)a[i] * b[i]);
    return s;
}

double scry_norm(const float *a, size_t n)
{
    return sqrt(scry_dot(a, a, n));
}

double scry_distance(const float *a, const float *b, size_t n)
{
    double s = 0;
    BLOCKED_SUM(s, n, ((double)a[i] - b[i]) * ((double)a[i] - b[i]));
    return sqrt(s);
}

double scry_sum(const float *a, size_t n)
{
    double s = 0;
    BLOCKED_SUM(s, n, (double)a[i]);
    return s;
}

void scry_axpy(float *y, double alpha, const float *x, size_t n)
{
    const float a = (float)alpha;
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

void scry_axpby(float *out, double a, const float *x, double b, const float *y, size_t n)
{
    const float fa = (float)a, fb = (float)b;
    for (size_t i = 0; i < n; i++)
        out[i] = fa * x[i] + fb * y[i];
}

void scry_scale(float *x, double alpha, size_t n)
{
    const float a = (float)alpha;
    for (size_t i = 0; i < n; i++)
        x[i] *= a;
}

bool scry_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
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

/* Four complex numbers, moved as they are. */
typedef int64_t four __attribute__((vector_size(32)));

static inline void transpose4(float _Complex *restrict dst, size_t ld, const float _Complex *src,
                              size_t ls)
{
    four r[4], u[4];
    for (size_t i = 0; i < 4; i++)
        memcpy(&r[i], src + i * ls, sizeof r[i]);
    for (int i = 0; i < 4; i += 2) {
        u[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 4, 2, 6);
        u[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 1, 5, 3, 7);
    }
    for (int i = 0; i < 2; i++) {
        r[i] = __builtin_shufflevector(u[i], u[i + 2], 0, 1, 4, 5);
        r[i + 2] = __builtin_shufflevector(u[i], u[i + 2], 2, 3, 6, 7);
    }
    for (size_t i = 0; i < 4; i++)
        memcpy(dst + i * ld, &r[i], sizeof r[i]);
}

/* Tiles of 4 x 4 in registers: entry by entry it took three times as long, and a third of a 2-D
 * transform. */
void scry_transpose(float _Complex *restrict dst, size_t ld, const float _Complex *src, size_t ls,
                    size_t rows, size_t cols)
{
    size_t i = 0;
    for (; i + 4 <= rows; i += 4) {
        size_t j = 0;
        for (; j + 4 <= cols; j += 4)
            transpose4(dst + j * ld + i, ld, src + i * ls + j, ls);
        for (; j < cols; j++)
            for (size_t k = i; k < i + 4; k++)
                dst[j * ld + k] = src[k * ls + j];
    }
    for (; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            dst[j * ld + i] = src[i * ls + j];
}
