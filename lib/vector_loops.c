#include "lib/vector_loops_impl.h"

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

static double vector_dot(const float *a, const float *b, size_t n)
{
    double s = 0;
    BLOCKED_SUM(s, n, (double)a[i] * b[i]);
    return s;
}

static double vector_distance2(const float *a, const float *b, size_t n)
{
    double s = 0;
    BLOCKED_SUM(s, n, ((double)a[i] - b[i]) * ((double)a[i] - b[i]));
    return s;
}

static double vector_sum(const float *a, size_t n)
{
    double s = 0;
    BLOCKED_SUM(s, n, (double)a[i]);
    return s;
}

static void vector_axpy(float *y, float alpha, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += alpha * x[i];
}

static void vector_axpby(float *out, float a, const float *x, float b, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = a * x[i] + b * y[i];
}

static void vector_scale(float *x, float alpha, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= alpha;
}

/* x - x is 0 unless x is NaN or infinite. Whole blocks, which vectors run through, before each
 * decision. */
static bool finite_all(const float *x, size_t n)
{
    for (size_t from = 0; from < n; from += BLOCK) {
        const size_t end = n < from + BLOCK ? n : from + BLOCK;
        int bad = 0;
        for (size_t i = from; i < end; i++)
            bad |= x[i] - x[i] != 0;
        if (bad) return false;
    }
    return true;
}

/* One register of complex numbers: real and imaginary parts take turns. */
#if defined(__AVX512F__)
enum { FLOATS = 16 };
#define REAL(v) __builtin_shufflevector(v, v, 0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14)
#define IMAG(v) __builtin_shufflevector(v, v, 1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 13, 13, 15, 15)
#define SWAP(v) __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
#define SIGNS                                                                                      \
    {                                                                                              \
        -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1                                     \
    }
#elif defined(__AVX__)
enum { FLOATS = 8 };
#define REAL(v) __builtin_shufflevector(v, v, 0, 0, 2, 2, 4, 4, 6, 6)
#define IMAG(v) __builtin_shufflevector(v, v, 1, 1, 3, 3, 5, 5, 7, 7)
#define SWAP(v) __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6)
#define SIGNS                                                                                      \
    {                                                                                              \
        -1, 1, -1, 1, -1, 1, -1, 1                                                                 \
    }
#else
enum { FLOATS = 4 };
#define REAL(v) __builtin_shufflevector(v, v, 0, 0, 2, 2)
#define IMAG(v) __builtin_shufflevector(v, v, 1, 1, 3, 3)
#define SWAP(v) __builtin_shufflevector(v, v, 1, 0, 3, 2)
#define SIGNS                                                                                      \
    {                                                                                              \
        -1, 1, -1, 1                                                                               \
    }
#endif
typedef float vec __attribute__((vector_size(sizeof(float) * FLOATS)));

static inline vec vector_load(const float *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* out = a b, or conj(a) b, or either added to out. By hand: the compiler's products follow Annex G
 * of C11, which costs a call each to distinguish infinities from NaNs. */
static inline __attribute__((always_inline)) void
vector_product(float *out, const float *a, const float *b, size_t n, float sign, bool add)
{
    const vec signs = sign * (vec)SIGNS;
    size_t i = 0;
    for (; i + FLOATS <= 2 * n; i += FLOATS) {
        const vec p = vector_load(a + i), q = vector_load(b + i);
        vec r = REAL(p) * q + IMAG(p) * signs * SWAP(q);
        if (add) r += vector_load(out + i);
        memcpy(out + i, &r, sizeof r);
    }
    for (; i < 2 * n; i += 2) {
        const float re = a[i] * b[i] - sign * a[i + 1] * b[i + 1];
        const float im = a[i] * b[i + 1] + sign * a[i + 1] * b[i];
        out[i] = add ? out[i] + re : re;
        out[i + 1] = add ? out[i + 1] + im : im;
    }
}

static void vector_multiply(float *out, const float *a, const float *b, size_t n)
{
    vector_product(out, a, b, n, 1, false);
}

static void multiply_add(float *out, const float *a, const float *b, size_t n)
{
    vector_product(out, a, b, n, 1, true);
}

static void multiply_conj(float *out, const float *a, const float *b, size_t n)
{
    vector_product(out, a, b, n, -1, false);
}

static void multiply_conj_add(float *out, const float *a, const float *b, size_t n)
{
    vector_product(out, a, b, n, -1, true);
}

/* Four complex numbers, moved as they are. */
typedef int64_t four __attribute__((vector_size(32)));

static inline void vector_transpose4(float _Complex *restrict dst, size_t ld,
                                     const float _Complex *src, size_t ls)
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
static void vector_transpose(float _Complex *restrict dst, size_t ld, const float _Complex *src,
                             size_t ls, size_t rows, size_t cols)
{
    size_t i = 0;
    for (; i + 4 <= rows; i += 4) {
        size_t j = 0;
        for (; j + 4 <= cols; j += 4)
            vector_transpose4(dst + j * ld + i, ld, src + i * ls + j, ls);
        for (; j < cols; j++)
            for (size_t k = i; k < i + 4; k++)
                dst[j * ld + k] = src[k * ls + j];
    }
    for (; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            dst[j * ld + i] = src[i * ls + j];
}

const struct scryi_vector_loops SCRYI_VARIANT(scryi_vector_loops) = {
    .dot = vector_dot,
    .distance2 = vector_distance2,
    .sum = vector_sum,
    .axpy = vector_axpy,
    .axpby = vector_axpby,
    .scale = vector_scale,
    .finite = finite_all,
    .multiply = vector_multiply,
    .multiply_add = multiply_add,
    .multiply_conj = multiply_conj,
    .multiply_conj_add = multiply_conj_add,
    .transpose = vector_transpose,
};
