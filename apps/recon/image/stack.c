#include "apps/recon/image/stack.h"

#include "apps/recon/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static size_t count_slices(const scry_image_stack *s)
{
    return s->rank == 3 ? 1 : s->info->z;
}

/* Images of one slice: channels, of which the first three are one where they are colours. */
static size_t count_channels(const scry_image_stack *s)
{
    return s->info->c - (s->colour ? 2 : 0);
}

size_t scry_image_stack_count(const scry_image_stack *s)
{
    return count_channels(s) * s->info->t * count_slices(s);
}

size_t scry_stack_channel(const scry_stack_image *image, size_t k)
{
    return image->c + (image->image.colour ? k : 0);
}

size_t scry_stack_slice(const scry_stack_image *image, size_t k)
{
    return image->z + (image->image.colour ? 0 : k);
}

scry_stack_image scry_image_stack_at(const scry_image_stack *s, size_t number)
{
    const scry_tiff_info *info = s->info;
    const size_t nz = count_slices(s), nc = count_channels(s), c = number % nc;
    const bool colour = s->colour && !c;
    scry_stack_image out = {.image = {.name = s->name, .number = number / nc, .colour = colour},
                            .c = s->colour && c ? c + 2 : c,
                            .z = number / nc % nz,
                            .t = number / nc / nz,
                            .planes = s->rank == 3 ? info->z
                                      : colour     ? 3
                                                   : 1,
                            .seed = scry_recon_seed(s->seed, number)};
    scry_image_describe(&out.image, info, out.c);
    out.image.space = out.planes > 1 || s->rank == 3 ? SCRY_SPACE(out.planes, info->y, info->x)
                                                     : SCRY_SPACE(info->y, info->x);
    return out;
}

const char *scry_image_stack_place(const scry_image_stack *s, const scry_stack_image *image,
                                   char *buf, size_t size)
{
    static const char *const words[] = {"channel", "slice", "frame"};
    const size_t index[] = {image->c, image->z, image->t};
    const size_t of[] = {s->info->c, count_slices(s), s->info->t};
    size_t used = 0;
    *buf = '\0';
    for (size_t a = 0; a < 3; a++)
        if (of[a] > 1 && used < size)
            used += (size_t)snprintf(buf + used, size - used, "%s%s %zu", used ? ", " : "",
                                     words[a], index[a]);
    return buf;
}

/* The value at which pixels saturate; 0: they do not. */
static double saturation_of(const scry_tiff_info *info)
{
    double low, high;
    if (info->type == SCRY_TIFF_F32 || info->type == SCRY_TIFF_F64) return 0;
    scry_tiff_type_range(info->type, &low, &high);
    const bool fewer = info->significant_bits && info->significant_bits < info->bits;
    return fewer ? ldexp(1, info->significant_bits) - 1 : high;
}

void scry_image_describe(scry_image *out, const scry_tiff_info *info, size_t c)
{
    out->channel = c;
    out->saturation = saturation_of(info);
    memcpy(out->voxel_um, info->pixel_um, sizeof out->voxel_um);
    out->na = info->na;
    out->refractive_index = info->refractive_index;
    if (c >= info->channel_count) return;
    out->emission_nm = info->channels[c].emission_nm;
    out->excitation_nm = info->channels[c].excitation_nm;
}

scry_status scry_image_stack_mask(unsigned char *known, const scry_image_stack *s,
                                  const scry_stack_image *image, const char *name,
                                  const scry_tiff_info *m, const float *mask, scry_error *err)
{
    const scry_tiff_info *info = s->info;
    const size_t n = scry_space_count(&image->image.space), plane = info->y * info->x;
    size_t measured = 0;
    if (m->y != info->y || m->x != info->x)
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "%s: mask of %zu x %zu pixels, expected %zu x %zu as in %s", name, m->y,
                         m->x, info->y, info->x, s->name);
    if (m->c > 1 || m->t > 1 || (m->z > 1 && m->z != info->z))
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "%s: mask of %zu channels, %zu slices, %zu frames, "
                         "expected 1, 1 (or %zu), 1",
                         name, m->c, m->z, m->t, info->z);
    for (size_t i = 0; i < n; i++) {
        const size_t z = m->z > 1 ? image->z + i / plane : 0;
        measured += known[i] = mask[z * plane + i % plane] != 0;
    }
    if (measured) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL,
                     "%s: no pixel of %zu is known, expected at least one that is not 0", name, n);
}
