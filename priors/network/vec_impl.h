#ifndef SCRY_PRIORS_NETWORK_VEC_IMPL_H
#define SCRY_PRIORS_NETWORK_VEC_IMPL_H

#include "priors/network/loops_impl.h"

#include <stdint.h>
#include <string.h>

/* Vectors of lanes, for sources of loops over blocked tensors (lib/variants.h). */

#define LANES SCRYI_LANES

/* One vector of lanes; may_alias, since it reads and writes arrays of float. */
typedef float vec __attribute__((vector_size(LANES * sizeof(float)), may_alias));
typedef int32_t ivec __attribute__((vector_size(LANES * sizeof(float)), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vec splat(float a)
{
    return a - (vec){0};
}

INLINE vec loops_load(const float *p)
{
    return *(const vec *)p;
}

INLINE void loops_store(float *p, vec v)
{
    *(vec *)p = v;
}

INLINE vec select(ivec mask, vec yes, vec no)
{
    return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}

/* exp(x) to 2 ulp: x = n ln 2 + r with |r| <= ln 2 / 2, the Taylor polynomial of exp(r) to r^7
 * (remainder 5e-9), and 2^n put together from its bits. n is rounded by adding 1.5 * 2^23, where
 * floats are one apart. Clamped to where the result is a normal number; NaN stays NaN, since each
 * comparison with it is false and r carries it on. */
INLINE vec exp_vec(vec x)
{
    const vec low = splat(-87.f), high = splat(88.f), magic = splat(0x1.8p23f);
    x = select(x < low, low, x);
    x = select(x > high, high, x);
    const vec biased = x * 0x1.715476p0f + magic, n = biased - magic;
    const vec r = x - n * 0x1.62e4p-1f - n * 0x1.7f7d1cp-20f; /* ln 2 in two parts */
    vec p = splat(1.f / 5040);
    p = p * r + 1.f / 720;
    p = p * r + 1.f / 120;
    p = p * r + 1.f / 24;
    p = p * r + 1.f / 6;
    p = p * r + .5f;
    p = p * r + 1.f;
    p = p * r + 1.f;
    const ivec exponent = (ivec)biased - (ivec)magic + 127;
    return p * (vec)(exponent << 23);
}

INLINE vec sigmoid(vec x)
{
    return 1.f / (1.f + exp_vec(-x));
}

INLINE float lane_sum(vec v)
{
    float part[LANES];
    memcpy(part, &v, sizeof part);
    for (size_t half = LANES / 2; half; half /= 2)
        for (size_t l = 0; l < half; l++)
            part[l] += part[l + half];
    return part[0];
}

#endif
