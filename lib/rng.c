#include "lib/parallel.h"
#include "lib/numbers.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"

#include <Random123/philox.h>
#include <assert.h>
#include <limits.h>
#include <math.h>

/* Counter words: {block low, block high | use, step, chain}; key: the seed. `use` separates the
 * normal, uniform and GSL streams, which would otherwise share bits. */
enum use { USE_NORMAL = 0, USE_UNIFORM = 1, USE_GSL = 2 };

static philox4x32_ctr_t rng_block(uint64_t seed, uint32_t chain, uint32_t step, uint64_t index,
                                  enum use use)
{
    philox4x32_ctr_t c = {
        {(uint32_t)index, (uint32_t)(index >> 32) | (uint32_t)use << 30, step, chain}};
    philox4x32_key_t k = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    return philox4x32(c, k);
}

/* Centre of one of 2^32 cells of (0, 1): never 0, so that its logarithm is finite. */
static double rng_unit(uint32_t bits)
{
    return (bits + 0.5) * 0x1p-32;
}

static void rng_normal4(double out[4], philox4x32_ctr_t b)
{
    for (int i = 0; i < 4; i += 2) { /* Box and Muller, Ann. Math. Stat. 29:610 (1958) */
        double r = sqrt(-2 * log(rng_unit(b.v[i]))), phi = 2 * SCRY_PI * rng_unit(b.v[i + 1]);
        out[i] = r * cos(phi);
        out[i + 1] = r * sin(phi);
    }
}

static void rng_uniform4(double out[4], philox4x32_ctr_t b)
{
    for (int i = 0; i < 4; i++)
        out[i] = rng_unit(b.v[i]);
}

static void rng_fill(float *out, size_t first, size_t n, uint64_t seed, uint32_t chain,
                     uint32_t step, enum use use)
{
    const uint64_t begin = first / 4, end = ((uint64_t)first + n + 3) / 4;
    SCRY_PARALLEL_FOR(
        n > 1u << 21 ? scry_threads() : 1, for (uint64_t k = begin; k < end; k++) {
            double v[4];
            philox4x32_ctr_t b = rng_block(seed, chain, step, k, use);
            use == USE_NORMAL ? rng_normal4(v, b) : rng_uniform4(v, b);
            for (size_t j = 0; j < 4; j++) {
                uint64_t i = 4 * k + j;
                if (i >= first && i - first < n) out[i - first] = (float)v[j];
            }
        });
}

uint32_t scry_rng_step(size_t step, unsigned draw)
{
    assert(draw < 16 && step < (1u << 28));
    return (uint32_t)(step << 4 | draw);
}

void scry_rng_normal(float *out, size_t first, size_t n, uint64_t seed, uint32_t chain,
                     uint32_t step)
{
    rng_fill(out, first, n, seed, chain, step, USE_NORMAL);
}

void scry_rng_uniform(float *out, size_t first, size_t n, uint64_t seed, uint32_t chain,
                      uint32_t step)
{
    rng_fill(out, first, n, seed, chain, step, USE_UNIFORM);
    /* rounding to float may reach 1 */
    for (size_t i = 0; i < n; i++)
        if (out[i] >= 1.0f) out[i] = 0x1.fffffep-1f;
}

struct gsl_state {
    uint64_t seed;
    uint32_t chain, step, element, at;
    philox4x32_ctr_t words;
};

static void gsl_set(void *vstate, unsigned long seed)
{
    *(struct gsl_state *)vstate = (struct gsl_state){.seed = seed};
}

static unsigned long gsl_get(void *vstate)
{
    struct gsl_state *s = vstate;
    if (s->at % 4 == 0) /* 30 bits of the element and 30 of the position: see `block` */
        s->words = rng_block(s->seed, s->chain, s->step,
                             (uint64_t)s->element << 30 | (s->at / 4 & 0x3fffffffu), USE_GSL);
    return s->words.v[s->at++ % 4];
}

static double gsl_get_double(void *vstate)
{
    return (double)gsl_get(vstate) * 0x1p-32;
}

const gsl_rng_type *scry_rng_gsl(void)
{
    static const gsl_rng_type type = {
        "philox4x32", UINT32_MAX, 0, sizeof(struct gsl_state), gsl_set, gsl_get, gsl_get_double};
    return &type;
}

void scry_rng_gsl_seek(gsl_rng *r, uint64_t seed, uint32_t chain, uint32_t step, uint32_t element)
{
    assert(r->type == scry_rng_gsl() && element < (1u << 30));
    *(struct gsl_state *)r->state =
        (struct gsl_state){.seed = seed, .chain = chain, .step = step, .element = element};
}
