#ifndef SCRY_TESTS_BLURRED_STACK_H
#define SCRY_TESTS_BLURRED_STACK_H

/* A stack of NZ x N x N whose blur is known. */

#include "tests/check.h"

#include "lib/memory.h"
#include "lib/rng.h"

#include <math.h>

#ifndef STACK_PLANES
#define STACK_PLANES 20
#define STACK_SIDE 48
#endif
enum { NZ = STACK_PLANES, N = STACK_SIDE, COUNT = NZ * N * N };

/* Along one axis of entries `step` apart, periodic. */
static inline void smooth(float *v, size_t n, size_t step, double sigma)
{
    float line[N];
    double kernel[2 * N + 1], sum = 0;
    const int reach = sigma > 0 ? (int)ceil(4 * sigma) : 0;
    for (int k = -reach; k <= reach; k++)
        sum += kernel[k + reach] = sigma > 0 ? exp(-k * k / (2 * sigma * sigma)) : 1;
    for (size_t i = 0; i < COUNT; i++) {
        if (i / step % n) continue;
        for (size_t j = 0; j < n; j++) {
            double at = 0;
            for (int k = -reach; k <= reach; k++)
                at +=
                    kernel[k + reach] * (double)v[i + (j + 8 * n + (size_t)(k + N) - N) % n * step];
            line[j] = (float)(at / sum);
        }
        for (size_t j = 0; j < n; j++)
            v[i + j * step] = line[j];
    }
}

/* Points of 1.2 px, blurred along z, of `peak` times their noise of 1. slab: all planes alike. */
static inline void make_stack(float *y, double sigma_z, double peak, bool slab, uint64_t seed)
{
    float *noise = scry_alloc(COUNT, sizeof *noise);
    float top = 0;
    scry_rng_normal(y, 0, COUNT, seed, 0, 0);
    for (size_t i = 0; i < COUNT; i++)
        y[i] = slab ? y[i % (N * N)] : y[i];
    for (size_t i = 0; i < COUNT; i++)
        y[i] = fmaxf(y[i] - 2.5f, 0);
    smooth(y, NZ, N * N, sigma_z);
    smooth(y, N, N, 1.2);
    smooth(y, N, 1, 1.2);
    for (size_t i = 0; i < COUNT; i++)
        top = fmaxf(top, y[i]);
    scry_rng_normal(noise, 0, COUNT, seed, 1, 0);
    for (size_t i = 0; i < COUNT; i++)
        y[i] = (float)peak * y[i] / top + noise[i];
    scry_free(noise);
}

#endif
