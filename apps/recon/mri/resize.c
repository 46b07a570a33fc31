#include "apps/recon/mri/reconstruct.h"

#include "lib/memory.h"

#include <math.h>

/* Entry `at` of an axis of `count` entries in one of n with the same middle. As scry_mri_resize
 * does, the axis is cut where count <= n, and stretched where it is not. */
static size_t resize_nearest(size_t at, size_t count, size_t n)
{
    const double from = (double)at - (double)(count / 2);
    const double i = floor((count > n ? from * (double)n / (double)count : from) + 0.5);
    return (size_t)fmin(fmax(i + (double)(n / 2), 0), (double)(n - 1));
}

static scry_status resize_map(float *out, size_t oy, size_t ox, const float *map,
                              const scry_output_map *what, size_t ny, size_t nx, scry_error *err)
{
    if (what->kind != SCRY_OUTPUT_SD && what->kind != SCRY_OUTPUT_QUANTILE) {
        for (size_t y = 0; y < oy; y++)
            for (size_t x = 0; x < ox; x++)
                out[y * ox + x] = map[resize_nearest(y, oy, ny) * nx + resize_nearest(x, ox, nx)];
        return SCRY_OK;
    }
    float complex *from = scry_alloc(ny * nx, sizeof *from);
    float complex *to = scry_alloc(oy * ox, sizeof *to);
    scry_status st = SCRY_OK;
    if (!from || !to) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "image of %zu x %zu", oy, ox);
        goto done;
    }
    for (size_t i = 0; i < ny * nx; i++)
        from[i] = map[i];
    if ((st = scry_mri_resize(to, oy, ox, from, ny, nx, err)) != SCRY_OK) goto done;
    for (size_t i = 0; i < oy * ox; i++)
        out[i] = fmaxf(crealf(to[i]), 0);
done:
    scry_free(from);
    scry_free(to);
    return st;
}

scry_status scry_mri_result_resize(scry_mri_result *r, const scry_output_maps *maps, size_t ny,
                                   size_t nx, scry_error *err)
{
    const size_t count = r->maps && maps ? maps->count : 0, from = r->ny * r->nx, to = ny * nx;
    float complex *image = scry_alloc(to, sizeof *image);
    float *all = count ? scry_alloc(count * to, sizeof *all) : NULL;
    scry_status st = SCRY_OK;
    if (!image || (count && !all)) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu images of %zu x %zu", 1 + count, ny, nx);
        goto done;
    }
    st = scry_mri_resize(image, ny, nx, r->image, r->ny, r->nx, err);
    for (size_t k = 0; st == SCRY_OK && k < count; k++)
        st =
            resize_map(all + k * to, ny, nx, r->maps + k * from, &maps->list[k], r->ny, r->nx, err);
    if (st != SCRY_OK) goto done;
    scry_free(r->image);
    scry_free(r->maps);
    r->image = image;
    r->maps = all;
    r->ny = ny;
    r->nx = nx;
    image = NULL;
    all = NULL;
done:
    scry_free(image);
    scry_free(all);
    return st;
}
