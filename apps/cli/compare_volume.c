#include "apps/cli/compare_volume.h"

#include "lib/memory.h"
#include "lib/io/recon_file.h"

#include <math.h>

bool volume_named(const char *path)
{
    scry_recon_format format;
    return scry_recon_format_of(&format, path, NULL) == SCRY_OK;
}

static size_t planes_of(const scry_recon *r)
{
    return r->frames * r->slices * r->nz;
}

/* The centre ny x nx of every plane, in magnitude; starts at floor((n - ny) / 2) as fastMRI's
 * center_crop. */
static scry_status volume_centre(float **out, const scry_recon *r, const char *path, size_t ny,
                                 size_t nx, scry_error *err)
{
    const size_t planes = planes_of(r), y0 = (r->ny - ny) / 2, x0 = (r->nx - nx) / 2;
    float *v = *out = scry_alloc(planes * ny, nx * sizeof *v);
    if (!v) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu planes of %zu x %zu", path, planes, ny, nx);
    for (size_t p = 0; p < planes; p++)
        for (size_t y = 0; y < ny; y++)
            for (size_t x = 0; x < nx; x++) {
                const size_t i = (p * r->ny + y0 + y) * r->nx + x0 + x;
                const float t =
                    r->cplx ? hypotf(r->values[2 * i], r->values[2 * i + 1]) : r->values[i];
                if (!isfinite(t))
                    return SCRY_FAIL(err, SCRY_ENUMERIC,
                                     "%s: plane %zu is %g at (%zu, %zu): its "
                                     "reconstruction failed?",
                                     path, p, (double)t, y0 + y, x0 + x);
                *v++ = t;
            }
    return SCRY_OK;
}

scry_status volume_compare(volume_scores *out, const char *const *paths,
                           const char *const *datasets, double scale, double shift, double range,
                           scry_error *err)
{
    scry_recon r[2] = {0};
    float *v[2] = {0};
    scry_status st = SCRY_OK;
    *out = (volume_scores){.ssim = NAN};
    for (int i = 0; i < 2; i++)
        if ((st = scry_recon_read(&r[i], paths[i], datasets[i], err)) != SCRY_OK) goto done;
    if (planes_of(&r[0]) != planes_of(&r[1])) {
        st = SCRY_FAIL(err, SCRY_ESHAPE,
                       "%s has %zu planes of %zu x %zu, expected %zu (of %zu x "
                       "%zu) as %s",
                       paths[0], planes_of(&r[0]), r[0].ny, r[0].nx, planes_of(&r[1]), r[1].ny,
                       r[1].nx, paths[1]);
        goto done;
    }
    out->planes = planes_of(&r[1]);
    out->y = r[0].ny < r[1].ny ? r[0].ny : r[1].ny;
    out->x = r[0].nx < r[1].nx ? r[0].nx : r[1].nx;
    out->cropped = r[0].ny != r[1].ny || r[0].nx != r[1].nx;
    for (int i = 0; i < 2; i++) {
        if ((st = volume_centre(&v[i], &r[i], paths[i], out->y, out->x, err)) != SCRY_OK) goto done;
        scry_recon_clear(&r[i]);
    }
    const scry_space s = SCRY_SPACE(out->planes, out->y, out->x);
    for (size_t i = 0; i < scry_space_count(&s); i++)
        v[0][i] = (float)(scale * v[0][i] + shift);
    st = scry_volume_measure(&out->fidelity, &out->ssim, v[0], v[1], &s, range, err);
done:
    for (int i = 0; i < 2; i++) {
        scry_recon_clear(&r[i]);
        scry_free(v[i]);
    }
    return st;
}
