#include "datasets/mt19937_impl.h"

enum { N = 624, M = 397 }; /* degree of recurrence, middle word */

void scryi_mt_seed(scryi_mt19937 *g, uint32_t seed)
{
    uint32_t *s = g->state;
    s[0] = seed;
    for (uint32_t i = 1; i < N; i++)
        s[i] = 1812433253u * (s[i - 1] ^ s[i - 1] >> 30) + i;
    g->at = N;
}

void scryi_mt_seed_array(scryi_mt19937 *g, const uint32_t *key, size_t n)
{
    uint32_t *s = g->state;
    size_t i = 1, j = 0;
    scryi_mt_seed(g, 19650218u);
    for (size_t k = n > N ? n : N; k; k--) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1664525u) + key[j] + (uint32_t)j;
        if (++i == N) {
            s[0] = s[N - 1];
            i = 1;
        }
        j = (j + 1) % n;
    }
    for (size_t k = N - 1; k; k--) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1566083941u) - (uint32_t)i;
        if (++i == N) {
            s[0] = s[N - 1];
            i = 1;
        }
    }
    s[0] = 0x80000000u; /* not all zero, which would stay zero */
}

static void mt19937_refill(scryi_mt19937 *g)
{
    uint32_t *s = g->state;
    for (size_t i = 0; i < N; i++) {
        const uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % N] & 0x7fffffffu);
        s[i] = s[(i + M) % N] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    g->at = 0;
}

uint32_t scryi_mt_word(scryi_mt19937 *g)
{
    if (g->at >= N) mt19937_refill(g);
    uint32_t y = g->state[g->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

uint32_t scryi_mt_randint(scryi_mt19937 *g, uint32_t n)
{
    uint32_t mask = n - 1, draw;
    if (n <= 1) return 0;
    for (int shift = 1; shift < 32; shift *= 2)
        mask |= mask >> shift;
    do
        draw = scryi_mt_word(g) & mask;
    while (draw >= n);
    return draw;
}

double scryi_mt_uniform(scryi_mt19937 *g)
{
    const uint32_t a = scryi_mt_word(g) >> 5, b = scryi_mt_word(g) >> 6;
    return (a * 0x1p26 + b) * 0x1p-53;
}
