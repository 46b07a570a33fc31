#include "solvers/classical/em_loops_impl.h"

#include <stdbool.h>
#include <string.h>

static inline float em_larger(float a, float b)
{
    return a > b ? a : b;
}

static inline float em_from_half(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Rounded to the nearest: steps are finite. */
static inline uint16_t em_to_half(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x8000u) >> 16);
}

/* Float sums of few entries a lane; the caller adds the blocks up in double. */
__attribute__((always_inline)) static inline void em_update_range(struct scryi_em_sums *sums,
                                                                  const struct scryi_em_update *u,
                                                                  size_t from, size_t to,
                                                                  bool divided)
{
    const float *restrict x = u->x, *restrict z = u->z, *restrict divide = u->divide;
    float *restrict old = u->old;
    uint16_t *restrict change = u->change;
    const uint16_t *restrict weight = u->weight;
    const float p = u->point.p, q = u->point.q, min = u->point.min, unit = u->unit;
    const float seen = u->seen;
    float before2 = 0, across = 0, along = 0;
    _Pragma("omp simd reduction(+ : before2, across, along)") for (size_t i = from; i < to; i++)
    {
        const float v = em_larger(p * x[i] + q * old[i], min), w = weight[i];
        const float factor = em_larger(z[i], 0) / (unit * w * (divided ? divide[i] : 1.0f));
        const float next = w >= seen ? v * factor : v;
        const float step = next - v, before = em_from_half(change[i]);
        before2 += before * before;
        across += before * step;
        along += step * (next - x[i]);
        old[i] = next;
        change[i] = em_to_half(step);
    }
    *sums = (struct scryi_em_sums){before2, across, along};
}

static void em_update(struct scryi_em_sums *sums, const struct scryi_em_update *u, size_t from,
                      size_t to)
{
    if (u->divide)
        em_update_range(sums, u, from, to, true);
    else
        em_update_range(sums, u, from, to, false);
}

static void em_ratio(float *out, const float *m, const float *mold, const float *d,
                     const struct scryi_em_point *point, float c, float share, size_t n)
{
    const float p = point->p, q = point->q, min = point->min;
    for (size_t i = 0; i < n; i++) {
        const float mean = em_larger(p * m[i] + q * mold[i], 0) + c;
        out[i] = d[i] / (share * em_larger(mean, min));
    }
}

/* log of a positive normal number: its exponent, and for the rest t in 1/sqrt(2) .. sqrt(2) the
 * series of 2 artanh((t - 1) / (t + 1)), whose next term is below 5e-9. */
static inline float em_logarithm(float a)
{
    int32_t bits;
    memcpy(&bits, &a, sizeof bits);
    const int32_t exponent = (bits - 0x3f3504f3) >> 23;
    bits -= (int32_t)((uint32_t)exponent << 23);
    float t;
    memcpy(&t, &bits, sizeof t);
    const float r = (t - 1) / (t + 1), r2 = r * r;
    const float series = 2 + r2 * (2 / 3.0f + r2 * (2 / 5.0f + r2 * (2 / 7.0f + r2 * (2 / 9.0f))));
    return (float)exponent * 0.69314718f + r * series;
}

static void em_judge(struct scryi_em_judgement *sums, const struct scryi_em_judged *j, size_t from,
                     size_t to)
{
    const float *m = j->m, *d = j->d, *held = j->held;
    const float c = j->c, share = j->share, variance = j->variance;
    const bool counts = !(variance > 0);
    double chi2 = 0, fit = 0;
    _Pragma("omp simd reduction(+ : chi2)") for (size_t i = from; i < to; i++)
    {
        const float a = em_larger(em_larger(m[i], 0) + c, 1e-30f), r = d[i] - share * a;
        chi2 += r * r / (counts ? share * a : variance);
    }
    if (held && counts) {
        _Pragma("omp simd reduction(+ : fit)") for (size_t i = from; i < to; i++)
        {
            const float a = em_larger(em_larger(m[i], 0) + c, 1e-30f);
            fit += held[i] * em_logarithm(a) - (1 - share) * a;
        }
    } else if (held) {
        _Pragma("omp simd reduction(+ : fit)") for (size_t i = from; i < to; i++)
        {
            const float r = held[i] - em_larger(em_larger(m[i], 0) + c, 1e-30f);
            fit -= r * r;
        }
    }
    *sums = (struct scryi_em_judgement){chi2, fit};
}

const struct scryi_em_loops SCRYI_VARIANT(scryi_em_loops) = {
    .update = em_update, .ratio = em_ratio, .judge = em_judge};
