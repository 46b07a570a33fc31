/* From floats to the sample types of a TIFF. */

#include "lib/io/tiff/write_impl.h"

#include "lib/io/samples_impl.h"

#include <math.h>
#include <string.h>

scry_status scryi_tiff_encode(scry_tiff_writer *w, unsigned char *out, const float *in, size_t n,
                              size_t c, scry_error *err)
{
    struct scryi_sample_counts k = {.low = INFINITY, .high = -INFINITY};
    scryi_samples_from_floats(w->stored, out, in, n, w->shift, &k);
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
