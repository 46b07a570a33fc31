#include "lib/vector.h"

#include <gsl/gsl_statistics_float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096 };

/* Sum of term(i) over blocks of fixed size, the blocks added in order: the value is a function of
 * the data alone, however many threads ran. Within a block the lanes of a vector add up apart: one
 * chain of additions would take four cycles for each. */
#define BLOCKED_SUM(result, n, term)                                                               \
    do {                                                                                           \
        const size_t blocks_ = ((n) + BLOCK - 1) / BLOCK;                                          \
        double small_[64], *part_ = small_;                                                        \
        if (blocks_ > 64) part_ = malloc(blocks_ * sizeof *part_);                                 \
        if (!part_) { /* no room for partial sums: the same order, one block at a time */          \
            for (size_t b_ = 0; b_ < blocks_; b_++) {                                              \
                double s_ = 0;                                                                     \
                const size_t end_ = (n) < (b_ + 1) * BLOCK ? (n) : (b_ + 1) * BLOCK;               \
                _Pragma("omp simd reduction(+ : s_)")                                              \
                for (size_t i = b_ * BLOCK; i < end_; i++) s_ += (term);                           \
                (result) += s_;                                                                    \
            }                                                                                      \
            break;                                                                                 \
        }                                                                                          \
        _Pragma("omp parallel for schedule(static) if (blocks_ > 512)")                            \
        for (size_t b_ = 0; b_ < blocks_; b_++) {                                                  \
            double s_ = 0;                                                                         \
            const size_t end_ = (n) < (b_ + 1) * BLOCK ? (n) : (b_ + 1) * BLOCK;                   \
            _Pragma("omp simd reduction(+ : s_)")                                                  \
            for (size_t i = b_ * BLOCK; i < end_; i++) s_ += (term);                               \
            part_[b_] = s_;                                                                        \
        }                                                                                          \
        for (size_t b_ = 0; b_ < blocks_; b_++) (result) += part_[b_];                             \
        if (part_ != small_) free(part_);                                                          \
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
    for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

void scry_axpby(float *out, double a, const float *x, double b, const float *y, size_t n)
{
    const float fa = (float)a, fb = (float)b;
    for (size_t i = 0; i < n; i++) out[i] = fa * x[i] + fb * y[i];
}

void scry_scale(float *x, double alpha, size_t n)
{
    const float a = (float)alpha;
    for (size_t i = 0; i < n; i++) x[i] *= a;
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
