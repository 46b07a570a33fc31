#include "lib/fft_loops_impl.h"

#include <string.h>

enum { LANES = 2 * SCRYI_FFT_ROWS };
typedef float lanes __attribute__((vector_size(sizeof(float) * LANES)));

#define SWAP(v)                                                                                    \
    __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14, 17, 16,    \
                            19, 18, 21, 20, 23, 22, 25, 24, 27, 26, 29, 28, 31, 30)
#define PAIRS(a, b)                                                                                \
    {                                                                                              \
        a, b, a, b, a, b, a, b, a, b, a, b, a, b, a, b, a, b, a, b, a, b, a, b, a, b, a, b, a, b,  \
            a, b                                                                                   \
    }

static inline lanes loop_load(const float *p)
{
    lanes v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* a + conj(b) + t (a - conj(b)) for one complex t */
static inline __attribute__((always_inline)) lanes butterfly(lanes a, lanes b, float re, float im)
{
    const lanes conj = PAIRS(1, -1), turn = PAIRS(-im, im), c = conj * b, d = a - c;
    return a + c + re * d + turn * SWAP(d);
}

static void loop_split(float *restrict X, size_t apart, size_t count, const float *z,
                       const float *w, size_t h)
{
    for (size_t k = 0; k <= h; k++) {
        const float *a = z + LANES * (k < h ? k : 0), *b = z + LANES * (k ? h - k : 0);
        const lanes r = 0.5f * butterfly(loop_load(a), loop_load(b), w[2 * k + 1], -w[2 * k]);
        memcpy(X + 2 * k * apart, &r, count < SCRYI_FFT_ROWS ? 2 * count * sizeof *X : sizeof r);
    }
}

static void loop_join(float *restrict z, const float *X, size_t apart, const float *w, size_t h)
{
    for (size_t k = 0; k < h; k++) {
        const lanes r = butterfly(loop_load(X + 2 * k * apart), loop_load(X + 2 * (h - k) * apart),
                                  w[2 * k + 1], w[2 * k]);
        memcpy(z + k * LANES, &r, sizeof r);
    }
}

const struct scryi_fft_loops SCRYI_VARIANT(scryi_fft_loops) = {.split = loop_split,
                                                               .join = loop_join};
