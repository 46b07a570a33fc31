#include "operators/nufft_loops_impl.h"

/* Eight complex numbers: one AVX-512 register, or the processor's equivalent. */
typedef float lanes __attribute__((vector_size(64), aligned(4)));
typedef float half __attribute__((vector_size(32), aligned(4)));
enum { WIDTH = 8 };

/* Each of eight reals twice. */
static inline lanes nufft_twice(const float *k)
{
    const half v = *(const half *)k;
    return __builtin_shufflevector(v, v, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
}

static void nufft_gather(float *value, const float *cells, size_t pitch, const float *kernel)
{
    lanes sum = {0};
    for (int i = 0; i < WIDTH; i++, cells += 2 * pitch)
        sum += kernel[i] * *(const lanes *)cells;
    sum *= nufft_twice(kernel + WIDTH);
    float re = 0, im = 0;
    for (int i = 0; i < WIDTH; i++) {
        re += sum[2 * i];
        im += sum[2 * i + 1];
    }
    value[0] = re;
    value[1] = im;
}

static void nufft_spread(float *cells, size_t pitch, const float *kernel, const float *value)
{
    const float re = value[0], im = value[1];
    const lanes pair = {re, im, re, im, re, im, re, im, re, im, re, im, re, im, re, im};
    const lanes row = pair * nufft_twice(kernel + WIDTH);
    for (int i = 0; i < WIDTH; i++, cells += 2 * pitch)
        *(lanes *)cells += kernel[i] * row;
}

static void nufft_weigh(float *pairs, const float *weights, size_t n)
{
    for (size_t i = 0; i < 2 * n; i++)
        pairs[i] *= weights[i];
}

const struct scryi_nufft_loops SCRYI_VARIANT(scryi_nufft_loops) = {
    .gather = nufft_gather, .spread = nufft_spread, .weigh = nufft_weigh};
