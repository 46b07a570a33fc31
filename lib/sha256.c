#include "lib/sha256.h"

#include "lib/cancel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* FIPS 180-4, 4.2.2: the first 32 bits of the fractions of the cube roots of the first 64 primes.
 */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static inline uint32_t sha256_rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

/* 6.2.2, with its letters. */
static void sha256_compress(uint32_t state[8], const unsigned char *block)
{
    uint32_t w[64];
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
               (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
    for (int t = 16; t < 64; t++) {
        const uint32_t p = w[t - 15], q = w[t - 2];
        w[t] = w[t - 16] + (sha256_rotate(p, 7) ^ sha256_rotate(p, 18) ^ p >> 3) + w[t - 7] +
               (sha256_rotate(q, 17) ^ sha256_rotate(q, 19) ^ q >> 10);
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int t = 0; t < 64; t++) {
        const uint32_t t1 = h +
                            (sha256_rotate(e, 6) ^ sha256_rotate(e, 11) ^ sha256_rotate(e, 25)) +
                            ((e & f) ^ (~e & g)) + round_constants[t] + w[t];
        const uint32_t t2 = (sha256_rotate(a, 2) ^ sha256_rotate(a, 13) ^ sha256_rotate(a, 22)) +
                            ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    const uint32_t after[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
        state[i] += after[i];
}

void scry_sha256_init(scry_sha256 *h)
{
    /* 5.3.3: the same of the square roots of the first 8 primes. */
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(h->state, start, sizeof h->state);
    h->bytes = 0;
}

void scry_sha256_add(scry_sha256 *h, const void *data, size_t bytes)
{
    const unsigned char *from = data;
    while (bytes) {
        const size_t filled = h->bytes % 64, capacity = 64 - filled,
                     n = bytes < capacity ? bytes : capacity;
        memcpy(h->block + filled, from, n);
        h->bytes += n;
        from += n;
        bytes -= n;
        if (filled + n == 64) sha256_compress(h->state, h->block);
    }
}

void scry_sha256_hex(scry_sha256 *h, char hex[65])
{
    const uint64_t bits = h->bytes * 8;
    unsigned char tail[72] = {0x80};
    const size_t pad = (119 - h->bytes % 64) % 64 + 1; /* to 56 modulo 64 */
    for (int i = 0; i < 8; i++)
        tail[pad + (size_t)i] = (unsigned char)(bits >> (56 - 8 * i));
    scry_sha256_add(h, tail, pad + 8);
    for (int i = 0; i < 8; i++)
        snprintf(hex + 8 * i, 9, "%08lx", (unsigned long)h->state[i]);
}

scry_status scry_sha256_file(const char *path, char hex[65], scry_error *err)
{
    unsigned char buffer[16384];
    size_t n;
    scry_sha256 h;
    FILE *file = fopen(path, "rb");
    if (!file) return SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(errno));
    scry_sha256_init(&h);
    while (!scry_cancelled() && (n = fread(buffer, 1, sizeof buffer, file)) > 0)
        scry_sha256_add(&h, buffer, n);
    const int failed = ferror(file);
    fclose(file);
    if (failed) return SCRY_FAIL(err, SCRY_EIO, "%s: read error", path);
    scry_sha256_hex(&h, hex);
    return scry_cancel_check(err);
}
