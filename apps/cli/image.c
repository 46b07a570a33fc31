#include "apps/cli/image.h"

#include "lib/memory.h"
#include "lib/space.h"
#include "lib/vector.h"
#include "operators/psf_keys.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

scry_status image_check(const float *pixels, size_t n, const char *what, scry_error *err)
{
    size_t bad = 0, differ = 0;
    for (size_t i = 0; i < n; i++) {
        bad += isfinite(pixels[i]) ? 0 : 1;
        differ += pixels[i] < pixels[0] || pixels[i] > pixels[0];
    }
    if (bad)
        return SCRY_FAIL(err, SCRY_ENUMERIC,
                         "%s: %zu of %zu pixels are NaN or infinite, expected none", what, bad, n);
    if (!differ)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: all %zu pixels are %g, expected an image that varies", what, n,
                         (double)pixels[0]);
    return SCRY_OK;
}

static scry_status image_load_pages(image *im, const char *path, scry_error *err)
{
    scry_status st = image_file_open(&im->file, path, err);
    if (st != SCRY_OK) return st;
    im->info = im->file.info;
    const scry_tiff_info *i = &im->info;
    size_t plane, n;
    if (!scry_mul(&plane, i->y, i->x) || !scry_mul(&n, plane, i->z) || !scry_mul(&n, n, i->c) ||
        !scry_mul(&n, n, i->t))
        return SCRY_FAIL(err, SCRY_ESHAPE, "%s: too large to hold in memory", path);
    im->count = n;
    im->pixels = scry_alloc(n, sizeof *im->pixels);
    if (!im->pixels) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu pixels", path, n);
    float *to = im->pixels;
    for (size_t c = 0; c < i->c; c++)
        for (size_t t = 0; t < i->t; t++)
            for (size_t z = 0; z < i->z; z++, to += plane)
                if ((st = image_file_read(&im->file, c, z, t, to, err)) != SCRY_OK) return st;
    return SCRY_OK;
}

scry_status image_load(image *im, const char *path, scry_error *err)
{
    *im = (image){0};
    scry_status st = image_load_pages(im, path, err);
    if (st == SCRY_OK && !scry_finite(im->pixels, im->count))
        st = image_check(im->pixels, im->count, path, err);
    if (st == SCRY_OK) image_file_warn(&im->file, path);
    if (st != SCRY_OK) {
        scry_error_name(err, path);
        image_free(im);
    }
    return st;
}

void image_free(image *im)
{
    scry_free(im->pixels);
    image_file_close(&im->file);
    *im = (image){0};
}

scry_status image_load_psf(scry_psf_request *out, image *file, const char *spec, scry_error *err)
{
    static const char beads[] = "beads:";
    if (!strncmp(spec, beads, sizeof beads - 1)) {
        out->beads = true;
        spec += sizeof beads - 1;
    }
    /* A name without a dot, or with a colon, that no file has is a model misspelled. */
    const bool word = strchr(spec, ':') || !strpbrk(spec, "./");
    if (!out->beads && (scry_psf_is_model(spec) || (word && access(spec, F_OK)))) {
        out->model = spec;
        return SCRY_OK;
    }
    const scry_status st = image_load(file, spec, err);
    if (st != SCRY_OK) return st;
    const scry_tiff_info *i = &file->info;
    if (i->c > 1 || i->t > 1)
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "%s: psf with %zu channels and %zu frames, expected 1 and 1", spec, i->c,
                         i->t);
    out->name = spec;
    out->pixels = file->pixels;
    out->space = i->z > 1 ? SCRY_SPACE(i->z, i->y, i->x) : SCRY_SPACE(i->y, i->x);
    memcpy(out->voxel_um, i->pixel_um, sizeof out->voxel_um);
    return SCRY_OK;
}
