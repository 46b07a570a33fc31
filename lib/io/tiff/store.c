/* From floats to the sample types of a TIFF. */

#include "lib/io/tiff/write_impl.h"

#include <math.h>
#include <string.h>

struct counts {
    size_t clipped, rounded, nonfinite;
    double low, high;
};

/* Integers: to nearest, ties to even (the processor's default), clipped to the range. */
#define STORE_INTEGER(name, ctype)                                                                 \
    static void name(unsigned char *out, const float *in, size_t n, double shift, double low,      \
                     double high, struct counts *k)                                                \
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

static void store_float(unsigned char *out, const float *in, size_t n, bool wide, struct counts *k)
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

scry_status scryi_tiff_encode(scry_tiff_writer *w, unsigned char *out, const float *in, size_t n,
                              size_t c, scry_error *err)
{
    struct counts k = {.low = INFINITY, .high = -INFINITY};
    double low, high;
    scry_tiff_type_range(w->stored, &low, &high);
    switch (w->stored) {
    case SCRY_TIFF_U8:
        store_u8(out, in, n, w->shift, low, high, &k);
        break;
    case SCRY_TIFF_U16:
        store_u16(out, in, n, w->shift, low, high, &k);
        break;
    case SCRY_TIFF_U32:
        store_u32(out, in, n, w->shift, low, high, &k);
        break;
    case SCRY_TIFF_I8:
        store_i8(out, in, n, w->shift, low, high, &k);
        break;
    case SCRY_TIFF_I16:
        store_i16(out, in, n, w->shift, low, high, &k);
        break;
    case SCRY_TIFF_I32:
        store_i32(out, in, n, w->shift, low, high, &k);
        break;
    case SCRY_TIFF_F32:
    case SCRY_TIFF_F64:
        store_float(out, in, n, w->stored == SCRY_TIFF_F64, &k);
        break;
    case SCRY_TIFF_KEEP:
        break; /* settled by scry_tiff_create */
    }
    if (k.nonfinite && w->stored != SCRY_TIFF_F32 && w->stored != SCRY_TIFF_F64)
        return SCRY_FAIL(err, SCRY_ENUMERIC,
                         "%s: %zu of %zu values are NaN or infinite and cannot "
                         "be written as %s",
                         w->path, k.nonfinite, n, scry_tiff_type_name(w->stored));
    w->result.pixels += n;
    w->result.clipped += k.clipped;
    w->result.rounded += k.rounded;
    w->result.nonfinite += k.nonfinite;
    double *range = w->ranges + 2 * c;
    if (k.low - w->shift < range[0]) range[0] = k.low - w->shift;
    if (k.high - w->shift > range[1]) range[1] = k.high - w->shift;
    return SCRY_OK;
}

static size_t axis_size(const scry_tiff_info *info, char axis)
{
    return axis == 'c' ? info->c / info->samples : axis == 'z' ? info->z : info->t;
}

size_t scryi_tiff_page_of(const scry_tiff_writer *w, size_t c, size_t z, size_t t)
{
    size_t index = 0, stride = 1;
    for (size_t i = 0; i < 3; i++) {
        const char axis = w->info.order[i];
        index += stride * (axis == 'c' ? c / w->info.samples : axis == 'z' ? z : t);
        stride *= axis_size(&w->info, axis);
    }
    return index;
}

uint16_t scryi_tiff_photometric(const scry_tiff_writer *w)
{
    if (w->info.rgb) return PHOTOMETRIC_RGB;
    return w->info.colormap ? PHOTOMETRIC_PALETTE : PHOTOMETRIC_MINISBLACK;
}

uint16_t scryi_tiff_sample_format(const scry_tiff_writer *w)
{
    switch (w->stored) {
    case SCRY_TIFF_I8:
    case SCRY_TIFF_I16:
    case SCRY_TIFF_I32:
        return SAMPLEFORMAT_INT;
    case SCRY_TIFF_F32:
    case SCRY_TIFF_F64:
        return SAMPLEFORMAT_IEEEFP;
    default:
        return SAMPLEFORMAT_UINT;
    }
}

/* Two multiply-and-shift lanes over 8 bytes at a time: to distinguish files, not to resist
 * anyone. */
void scryi_tiff_hash(scry_tiff_writer *w, size_t plane, size_t y, size_t x, size_t n)
{
    const size_t bytes = n * scry_tiff_type_bytes(w->stored);
    uint64_t a = plane + 1, b = (uint64_t)y << 32 ^ x;
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t v = 0;
        memcpy(&v, w->line + i, bytes - i < 8 ? bytes - i : 8);
        a = (a ^ v) * 0x9e3779b97f4a7c15u;
        a ^= a >> 32;
        b = (b ^ (v + i)) * 0xbf58476d1ce4e5b9u;
        b ^= b >> 29;
    }
    w->hash[0] += a ^ b >> 17;
    w->hash[1] += b ^ a << 23;
}

void scryi_tiff_interleave(scry_tiff_writer *w, size_t s, size_t n)
{
    const size_t bytes = scry_tiff_type_bytes(w->stored), step = bytes * w->info.samples;
    for (size_t i = 0; i < n; i++)
        memcpy(w->strip + i * step + s * bytes, w->line + i * bytes, bytes);
}
