#include "apps/recon/image/known.h"

#include "apps/recon/image/padding.h"
#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/defects.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Takes defects of the kinds `find` out of `known`. */
static scry_status leave_out_defects(unsigned char *known, size_t *excluded,
                                     const scry_image *image, unsigned find, const scry_log *log,
                                     scry_error *err)
{
    const size_t n = scry_space_count(&image->space);
    scry_defect_opts opts;
    scry_defects found;
    unsigned char *good = scry_alloc(n, 1);
    if (!good) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    scry_defect_opts_init(&opts);
    opts.find = find;
    if (image->saturation > 0) opts.saturation = image->saturation;
    scry_status st = scry_defects_find(good, &found, image->pixels, &image->space, &opts, err);
    if (st == SCRY_OK) {
        *excluded += found.unknown;
        for (size_t i = 0; i < n; i++)
            known[i] &= good[i];
        if (found.unknown)
            scry_log_note(log,
                          "left out as not measured: %zu saturated, %zu hot, %zu dead pixels, %zu "
                          "in lines, %zu in blocks",
                          found.saturated, found.hot, found.dead, found.line_pixels,
                          found.block_pixels);
    }
    scry_free(good);
    return st;
}

static scry_status leave_out_padding(unsigned char *outside, unsigned char *known, size_t *excluded,
                                     const scry_image *image, const scry_log *log, scry_error *err)
{
    const size_t n = scry_space_count(&image->space);
    size_t padding = 0;
    unsigned char *near = scry_alloc(n, 1);
    if (!near) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    scry_status st = scry_padding_find(outside, near, &padding, image->pixels, &image->space, err);
    for (size_t i = 0; i < n; i++)
        if (near[i]) known[i] = 0;
    *excluded += padding;
    if (padding)
        scry_log_note(log, "padding: %zu pixels of one value at the border keep it", padding);
    scry_free(near);
    return st;
}

/* Whether the image of a point is so wide that a hot pixel stands out: what the finder asks for, 3
 * times as far from the median as all but two neighbours, with a margin for noise. A Gaussian of sd
 * 0.85 pixels and more is. */
static bool hot_pixels_stand_out(const float *psf, const scry_space *ps)
{
    const size_t ny = ps->dims[ps->rank - 2], nx = ps->dims[ps->rank - 1];
    const size_t n = scry_space_count(ps);
    size_t peak = 0, wide = 0;
    for (size_t i = 1; i < n; i++)
        if (psf[i] > psf[peak]) peak = i;
    const size_t y = peak / nx % ny, x = peak % nx;
    for (size_t v = y ? y - 1 : 0; v <= y + 1 && v < ny; v++)
        for (size_t u = x ? x - 1 : 0; u <= x + 1 && u < nx; u++)
            wide += 2 * psf[peak - y * nx - x + v * nx + u] >= psf[peak];
    return wide >= 4; /* with the peak: three neighbours above its half */
}

scry_status scry_known_find(unsigned char *known, unsigned char *outside, size_t *excluded,
                            const scry_image *image, scry_defect_choice choice, const float *psf,
                            const scry_space *ps, const scry_log *log, scry_error *err)
{
    const size_t n = scry_space_count(&image->space);
    size_t count = 0;
    unsigned find = choice == SCRY_DEFECTS_ALL         ? SCRY_DEFECT_ALL
                    : choice == SCRY_DEFECTS_SATURATED ? SCRY_DEFECT_SATURATED
                                                       : 0;
    *excluded = 0;
    if (choice == SCRY_DEFECTS_AUTO && psf)
        find = SCRY_DEFECT_SATURATED | (hot_pixels_stand_out(psf, ps) ? SCRY_DEFECT_HOT : 0);
    memset(outside, 0, n);
    for (size_t i = 0; i < n; i++)
        known[i] = !image->known || image->known[i];
    scry_status st = SCRY_OK;
    if (find) st = leave_out_defects(known, excluded, image, find, log, err);
    if (st == SCRY_OK && choice == SCRY_DEFECTS_AUTO && psf)
        st = leave_out_padding(outside, known, excluded, image, log, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < n; i++)
        count += known[i];
    if (count) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL,
                     "no pixel of %zu is known, expected at least one (nonzero in the mask, not a "
                     "defect)",
                     n);
}

/* ---- pixels that are not finite ---- */

/* nearest[i]: the index of a measured pixel near i, SIZE_MAX: none was met. A candidate of a
 * neighbour is taken when it is nearer than what is known: Danielsson 1980, CGIP 14:227. */
static void offer(size_t *nearest, size_t i, size_t candidate, size_t nx)
{
    if (candidate == SIZE_MAX) return;
    const double y = (double)(i / nx), x = (double)(i % nx);
    const double now = nearest[i] == SIZE_MAX
                           ? INFINITY
                           : hypot((double)(nearest[i] / nx) - y, (double)(nearest[i] % nx) - x);
    if (hypot((double)(candidate / nx) - y, (double)(candidate % nx) - x) < now)
        nearest[i] = candidate;
}

static void find_nearest(size_t *nearest, const unsigned char *known, size_t ny, size_t nx)
{
    for (size_t i = 0; i < ny * nx; i++)
        nearest[i] = known[i] ? i : SIZE_MAX;
    for (size_t y = 0; y < ny; y++) { /* down, both ways along a row; then up */
        for (size_t x = 0; y && x < nx; x++)
            offer(nearest, y * nx + x, nearest[(y - 1) * nx + x], nx);
        for (size_t x = 1; x < nx; x++)
            offer(nearest, y * nx + x, nearest[y * nx + x - 1], nx);
        for (size_t x = nx - 1; x-- > 0;)
            offer(nearest, y * nx + x, nearest[y * nx + x + 1], nx);
    }
    for (size_t y = ny - 1; y-- > 0;) {
        for (size_t x = 0; x < nx; x++)
            offer(nearest, y * nx + x, nearest[(y + 1) * nx + x], nx);
        for (size_t x = 1; x < nx; x++)
            offer(nearest, y * nx + x, nearest[y * nx + x - 1], nx);
        for (size_t x = nx - 1; x-- > 0;)
            offer(nearest, y * nx + x, nearest[y * nx + x + 1], nx);
    }
}

/* False: the plane has no measured pixel. */
static bool mirror_plane(float *plane, const unsigned char *known, size_t *nearest, size_t ny,
                         size_t nx)
{
    find_nearest(nearest, known, ny, nx);
    for (size_t i = 0; i < ny * nx; i++) {
        if (nearest[i] == SIZE_MAX) return false;
        if (known[i]) continue;
        const size_t y = 2 * (nearest[i] / nx) - i / nx, x = 2 * (nearest[i] % nx) - i % nx;
        const bool inside = y < ny && x < nx && known[y * nx + x]; /* wraps below 0 */
        plane[i] = plane[inside ? y * nx + x : nearest[i]];
    }
    return true;
}

scry_status scry_known_repair(scry_image *image, float **pixels, unsigned char **known,
                              const scry_log *log, scry_error *err)
{
    const size_t n = scry_space_count(&image->space), nx = image->space.dims[image->space.rank - 1];
    const size_t ny = image->space.dims[image->space.rank - 2], planes = n / (ny * nx);
    size_t bad = 0, some = SIZE_MAX;
    *pixels = NULL;
    *known = NULL;
    if (scry_finite(image->pixels, n)) return SCRY_OK;
    size_t *nearest = scry_alloc(ny * nx, sizeof *nearest);
    *pixels = scry_copy(image->pixels, n * sizeof **pixels);
    *known = scry_alloc(n, 1);
    if (!nearest || !*pixels || !*known) {
        scry_free(nearest);
        return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    }
    for (size_t i = 0; i < n; i++) {
        const bool finite = isfinite(image->pixels[i]);
        bad += finite ? 0 : 1;
        (*known)[i] = finite && (!image->known || image->known[i]);
    }
    unsigned char *empty = scry_alloc(planes, 1);
    for (size_t z = 0; empty && z < planes; z++) {
        empty[z] = !mirror_plane(*pixels + z * ny * nx, *known + z * ny * nx, nearest, ny, nx);
        if (!empty[z] && some == SIZE_MAX) some = z;
    }
    for (size_t z = 0; empty && some != SIZE_MAX && z < planes; z++) {
        if (!empty[z])
            some = z;
        else
            memcpy(*pixels + z * ny * nx, *pixels + some * ny * nx, ny * nx * sizeof **pixels);
    }
    scry_free(nearest);
    scry_free(empty);
    if (!empty) return SCRY_FAIL(err, SCRY_ENOMEM, "list of %zu planes", planes);
    if (some == SIZE_MAX)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "no pixel of %zu is both finite and known: %zu are NaN or infinite", n,
                         bad);
    image->pixels = *pixels;
    image->known = *known;
    scry_log_note(log, "not measured: %zu of %zu pixels, which are NaN or infinite", bad, n);
    return SCRY_OK;
}
