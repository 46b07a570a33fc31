#include "apps/recon/image/blank.h"

#include "lib/memory.h"

#include <math.h>
#include <string.h>

bool scry_image_is_constant(const float *pixels, size_t n)
{
    scry_image_survey s = {0};
    return scry_image_survey_add(&s, pixels, n);
}

bool scry_image_survey_add(scry_image_survey *s, const float *pixels, size_t n)
{
    float low = INFINITY, high = -INFINITY;
    size_t finite = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(pixels[i])) continue;
        finite++;
        low = fminf(low, pixels[i]);
        high = fmaxf(high, pixels[i]);
    }
    const bool constant = !(high > low);
    s->images++;
    s->constant += constant;
    s->finite += finite;
    s->missing += s->last_missing = n - finite;
    if (constant && finite) s->value = (double)low;
    return constant;
}

scry_status scry_image_survey_check(const scry_image_survey *s, const char *name, bool fill,
                                    scry_error *err)
{
    if (!s->finite)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: no finite value: all %zu pixels are NaN or infinite", name,
                         s->missing);
    if (s->constant == s->images)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: %s (%g), expected an image that varies", name,
                         s->images > 1 ? "each plane is constant" : "all pixels are equal",
                         s->value);
    if (fill && !s->missing)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: nothing to fill: --mask is missing (a TIFF, nonzero where the image "
                         "is known), and no pixel is NaN",
                         name);
    return SCRY_OK;
}

scry_status scry_restore_unchanged(scry_restore_result *out, const scry_image *image,
                                   const scry_output_maps *maps, scry_error *err)
{
    const size_t n = scry_space_count(&image->space);
    out->mean = scry_copy(image->pixels, n * sizeof *out->mean);
    out->predicted = scry_alloc(n, sizeof *out->predicted);
    if (maps->count) out->maps = scry_alloc(n * maps->count, sizeof *out->maps);
    if (!out->mean || !out->predicted || (maps->count && !out->maps))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu results of %zu pixels", 2 + maps->count, n);
    for (size_t i = 0; i < n; i++)
        out->predicted[i] = NAN;
    out->diagnosis =
        (scry_diagnosis){.chi2 = NAN, .draws_chi2 = NAN, .worst_rhat = NAN, .min_ess = NAN};
    for (size_t k = 0; k < maps->count; k++) {
        const scry_output_map *what = &maps->list[k];
        const float first = image->pixels[0];
        const float value = what->kind == SCRY_OUTPUT_SD         ? 0
                            : what->kind == SCRY_OUTPUT_QUANTILE ? first
                            : what->kind == SCRY_OUTPUT_ABOVE    ? (float)(first > what->at)
                                                                 : NAN;
        for (size_t i = 0; i < n; i++)
            out->maps[k * n + i] = value;
    }
    return SCRY_OK;
}

void scry_restore_keep_missing(scry_restore_result *r, const scry_image *image, size_t maps,
                               bool mean)
{
    const size_t n = scry_space_count(&image->space);
    for (size_t i = 0; i < n; i++) {
        if (isfinite(image->pixels[i])) continue;
        if (mean) r->mean[i] = NAN;
        for (size_t k = 0; k < maps; k++)
            r->maps[k * n + i] = NAN;
    }
}
