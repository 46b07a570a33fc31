#include "lib/io/samples_impl.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- samples to floats ---- */

/* n values, `step` bytes apart and unaligned. Types with at most 24 bits are exact in float; */
#define LOAD_EXACT(name, ctype)                                                                    \
    static void name(float *out, const unsigned char *in, size_t n, size_t step)                   \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            ctype v;                                                                               \
            memcpy(&v, in + i * step, sizeof v);                                                   \
            out[i] = (float)v;                                                                     \
        }                                                                                          \
    }
/* of the others those that are not are counted. */
#define LOAD_ROUNDED(name, ctype)                                                                  \
    static size_t name(float *out, const unsigned char *in, size_t n, size_t step)                 \
    {                                                                                              \
        size_t rounded = 0;                                                                        \
        for (size_t i = 0; i < n; i++) {                                                           \
            ctype v;                                                                               \
            memcpy(&v, in + i * step, sizeof v);                                                   \
            out[i] = (float)v;                                                                     \
            rounded += (double)out[i] < (double)v || (double)out[i] > (double)v;                   \
        }                                                                                          \
        return rounded;                                                                            \
    }
LOAD_EXACT(load_u8, uint8_t)
LOAD_EXACT(load_u16, uint16_t)
LOAD_EXACT(load_i8, int8_t)
LOAD_EXACT(load_i16, int16_t)
LOAD_EXACT(load_f32, float)
LOAD_ROUNDED(load_u32, uint32_t)
LOAD_ROUNDED(load_i32, int32_t)

/* A double beyond the largest float would become infinity, and that is not rounding. */
static size_t load_f64(float *out, const unsigned char *in, size_t n, size_t step, bool *overflow)
{
    size_t rounded = 0;
    for (size_t i = 0; i < n; i++) {
        double v;
        memcpy(&v, in + i * step, sizeof v);
        const bool beyond = isfinite(v) && fabs(v) > FLT_MAX;
        *overflow |= beyond;
        out[i] = beyond ? (v > 0 ? FLT_MAX : -FLT_MAX) : (float)v;
        rounded += (double)out[i] < v || (double)out[i] > v;
    }
    return rounded;
}

void scryi_samples_to_floats(scry_tiff_type type, float *out, const unsigned char *in, size_t n,
                             size_t step, uint64_t *rounded, bool *overflow)
{
    switch (type) {
    case SCRY_TIFF_U8:
        load_u8(out, in, n, step);
        break;
    case SCRY_TIFF_U16:
        load_u16(out, in, n, step);
        break;
    case SCRY_TIFF_I8:
        load_i8(out, in, n, step);
        break;
    case SCRY_TIFF_I16:
        load_i16(out, in, n, step);
        break;
    case SCRY_TIFF_F32:
        load_f32(out, in, n, step);
        break;
    case SCRY_TIFF_U32:
        *rounded += load_u32(out, in, n, step);
        break;
    case SCRY_TIFF_I32:
        *rounded += load_i32(out, in, n, step);
        break;
    case SCRY_TIFF_F64:
        *rounded += load_f64(out, in, n, step, overflow);
        break;
    case SCRY_TIFF_KEEP:
        break; /* no type of samples: refused by every reader */
    }
}

/* ---- floats to samples ---- */

/* Integers: to nearest, ties to even (the processor's default), clipped to the range. */
#define STORE_INTEGER(name, ctype)                                                                 \
    static void name(unsigned char *out, const float *in, size_t n, double shift, double low,      \
                     double high, struct scryi_sample_counts *k)                                   \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            const double v = (double)in[i] + shift;                                                \
            double q = nearbyint(v);                                                               \
            k->nonfinite += isfinite(v) ? 0u : 1u;                                                 \
            if (q < low || q > high)                                                               \
                k->clipped++;                                                                      \
            else                                                                                   \
                k->rounded += q < v || q > v ? 1u : 0u;                                            \
            q = q > low ? q : low; /* also for NaN */                                              \
            q = q < high ? q : high;                                                               \
            const ctype s = (ctype)q;                                                              \
            memcpy(out + i * sizeof s, &s, sizeof s);                                              \
            k->low = q < k->low ? q : k->low;                                                      \
            k->high = q > k->high ? q : k->high;                                                   \
        }                                                                                          \
    }
STORE_INTEGER(store_u8, uint8_t)
STORE_INTEGER(store_u16, uint16_t)
STORE_INTEGER(store_u32, uint32_t)
STORE_INTEGER(store_i8, int8_t)
STORE_INTEGER(store_i16, int16_t)
STORE_INTEGER(store_i32, int32_t)

static void store_float(unsigned char *out, const float *in, size_t n, bool wide,
                        struct scryi_sample_counts *k)
{
    if (!wide) memcpy(out, in, n * sizeof *in);
    for (size_t i = 0; i < n; i++) {
        const double v = (double)in[i];
        if (wide) memcpy(out + i * sizeof v, &v, sizeof v);
        if (!isfinite(v)) {
            k->nonfinite++;
            continue;
        }
        k->low = v < k->low ? v : k->low;
        k->high = v > k->high ? v : k->high;
    }
}

void scryi_samples_from_floats(scry_tiff_type type, unsigned char *out, const float *in, size_t n,
                               double shift, struct scryi_sample_counts *counts)
{
    double low, high;
    scry_tiff_type_range(type, &low, &high);
    switch (type) {
    case SCRY_TIFF_U8:
        store_u8(out, in, n, shift, low, high, counts);
        break;
    case SCRY_TIFF_U16:
        store_u16(out, in, n, shift, low, high, counts);
        break;
    case SCRY_TIFF_U32:
        store_u32(out, in, n, shift, low, high, counts);
        break;
    case SCRY_TIFF_I8:
        store_i8(out, in, n, shift, low, high, counts);
        break;
    case SCRY_TIFF_I16:
        store_i16(out, in, n, shift, low, high, counts);
        break;
    case SCRY_TIFF_I32:
        store_i32(out, in, n, shift, low, high, counts);
        break;
    case SCRY_TIFF_F32:
    case SCRY_TIFF_F64:
        store_float(out, in, n, type == SCRY_TIFF_F64, counts);
        break;
    case SCRY_TIFF_KEEP:
        break; /* settled by every writer when it begins */
    }
}
