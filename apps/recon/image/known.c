#include "apps/recon/image/known.h"

#include "apps/recon/image/padding.h"
#include "apps/recon/image/psf_source.h"
#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/defects.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Of a volume's hot pixels, those of a camera are hot in most planes; others are spikes if they are
 * few, and many of them are the noise of few photons, whose light counts. LONE: share of the
 * pixels. */
#define LONE 1e-3

static scry_status find_hot_in_volume(unsigned char *good, scry_defects *found,
                                      const scry_image *image, const scry_defect_opts *opts,
                                      scry_error *err)
{
    const size_t planes = image->space.dims[0], n = scry_space_count(&image->space);
    const size_t plane = n / planes;
    size_t lone = 0;
    const scry_status st = scry_defects_find(good, found, image->pixels, &image->space, opts, err);
    for (int pass = 0; pass < 2 && st == SCRY_OK; pass++)
        for (size_t i = 0; i < plane && (!pass || (double)lone > LONE * (double)n); i++) {
            size_t hot = 0;
            for (size_t z = 0; z < planes; z++)
                hot += !good[z * plane + i];
            if (2 * hot >= planes) continue;
            if (!pass) lone += hot;
            for (size_t z = 0; pass && z < planes; z++)
                good[z * plane + i] = 1;
            found->hot -= pass ? hot : 0;
            found->unknown -= pass ? hot : 0;
        }
    return st;
}

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
    const bool apart = scry_image_axes(image) == 3 && image->space.dims[0] > 2 &&
                       (find & SCRY_DEFECT_HOT) && find != SCRY_DEFECT_HOT;
    opts.find = apart ? find & ~(unsigned)SCRY_DEFECT_HOT : find;
    if (image->saturation > 0) opts.saturation = image->saturation;
    scry_status st = scry_defects_find(good, &found, image->pixels, &image->space, &opts, err);
    if (st == SCRY_OK && apart) {
        for (size_t i = 0; i < n; i++)
            known[i] &= good[i];
        scry_defects hot;
        opts.find = SCRY_DEFECT_HOT;
        st = find_hot_in_volume(good, &hot, image, &opts, err);
        found.hot = hot.hot;
        found.unknown += hot.hot;
    }
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

scry_status scry_known_saturated(unsigned char *saturated, size_t *count, const scry_image *image,
                                 scry_error *err)
{
    const size_t n = scry_space_count(&image->space);
    scry_defect_opts opts;
    scry_defects found = {0};
    scry_defect_opts_init(&opts);
    opts.find = SCRY_DEFECT_SATURATED;
    if (image->saturation > 0) opts.saturation = image->saturation;
    const scry_status st =
        scry_defects_find(saturated, &found, image->pixels, &image->space, &opts, err);
    for (size_t i = 0; st == SCRY_OK && i < n; i++)
        saturated[i] = !saturated[i];
    *count = found.saturated;
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

/* Whether the image of a point is so wide that a hot pixel stands out: as the finder needs, 3
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

/* A candidate of a neighbour is taken when it is nearer than the one so far. */
static void known_offer(size_t *nearest, size_t i, size_t candidate, size_t nx)
{
    if (candidate == SIZE_MAX) return;
    const double y = (double)(i / nx), x = (double)(i % nx);
    const double now = nearest[i] == SIZE_MAX
                           ? INFINITY
                           : hypot((double)(nearest[i] / nx) - y, (double)(nearest[i] % nx) - x);
    if (hypot((double)(candidate / nx) - y, (double)(candidate % nx) - x) < now)
        nearest[i] = candidate;
}

void scry_known_nearest(size_t *nearest, const unsigned char *known, size_t ny, size_t nx)
{
    for (size_t i = 0; i < ny * nx; i++)
        nearest[i] = known[i] ? i : SIZE_MAX;
    for (size_t y = 0; y < ny; y++) { /* down, both ways along a row; then up */
        for (size_t x = 0; y && x < nx; x++)
            known_offer(nearest, y * nx + x, nearest[(y - 1) * nx + x], nx);
        for (size_t x = 1; x < nx; x++)
            known_offer(nearest, y * nx + x, nearest[y * nx + x - 1], nx);
        for (size_t x = nx - 1; x-- > 0;)
            known_offer(nearest, y * nx + x, nearest[y * nx + x + 1], nx);
    }
    for (size_t y = ny - 1; y-- > 0;) {
        for (size_t x = 0; x < nx; x++)
            known_offer(nearest, y * nx + x, nearest[(y + 1) * nx + x], nx);
        for (size_t x = 1; x < nx; x++)
            known_offer(nearest, y * nx + x, nearest[y * nx + x - 1], nx);
        for (size_t x = nx - 1; x-- > 0;)
            known_offer(nearest, y * nx + x, nearest[y * nx + x + 1], nx);
    }
}

/* The mean of measured pixels within two rows and columns, weighed by 1 / distance^2. */
static float known_mean_around(const float *plane, const unsigned char *known, size_t i, size_t ny,
                               size_t nx)
{
    const size_t y = i / nx, x = i % nx;
    double sum = 0, weight = 0;
    for (size_t j = y > 2 ? y - 2 : 0; j <= y + 2 && j < ny; j++)
        for (size_t k = x > 2 ? x - 2 : 0; k <= x + 2 && k < nx; k++) {
            if (!known[j * nx + k]) continue;
            const double dy = (double)j - (double)y, dx = (double)k - (double)x;
            const double w = 1 / (dy * dy + dx * dx);
            sum += w * plane[j * nx + k];
            weight += w;
        }
    return (float)(sum / weight);
}

/* Whether measured pixels lie on the other side as well, at most twice as far. */
static bool in_gap(const unsigned char *known, size_t i, size_t nearest, size_t ny, size_t nx)
{
    const size_t dy = i / nx - nearest / nx, dx = i % nx - nearest % nx; /* may wrap */
    for (size_t k = 1; k <= 2; k++) {
        const size_t y = i / nx + k * dy, x = i % nx + k * dx;
        if (y < ny && x < nx && known[y * nx + x]) return true;
    }
    return false;
}

/* False: the plane has no measured pixel. Mirror images would leave a step in a narrow gap, which
 * is interpolated. */
static bool mirror_plane(float *plane, const unsigned char *known, size_t *nearest, size_t ny,
                         size_t nx)
{
    scry_known_nearest(nearest, known, ny, nx);
    for (size_t i = 0; i < ny * nx; i++) {
        const size_t from = nearest[i];
        if (from == SIZE_MAX) return false;
        if (known[i]) continue;
        const size_t y = 2 * (from / nx) - i / nx, x = 2 * (from % nx) - i % nx;
        const bool inside = y < ny && x < nx && known[y * nx + x]; /* wraps below 0 */
        const bool close = fabs((double)(from / nx) - (double)(i / nx)) <= 2 &&
                           fabs((double)(from % nx) - (double)(i % nx)) <= 2;
        plane[i] = close && in_gap(known, i, from, ny, nx)
                       ? known_mean_around(plane, known, i, ny, nx)
                       : plane[inside ? y * nx + x : from];
    }
    return true;
}

scry_status scry_known_mirror(float *pixels, const unsigned char *known, const scry_space *space,
                              scry_error *err)
{
    const size_t n = scry_space_count(space), nx = space->dims[space->rank - 1];
    const size_t ny = space->dims[space->rank - 2], plane = ny * nx, planes = n / plane;
    size_t some = SIZE_MAX;
    size_t *nearest = scry_alloc(plane, sizeof *nearest);
    unsigned char *empty = scry_alloc(planes, 1);
    scry_status st = SCRY_OK;
    if (!nearest || !empty) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "places of %zu pixels", plane);
        goto done;
    }
    for (size_t z = 0; z < planes; z++) {
        empty[z] = !mirror_plane(pixels + z * plane, known + z * plane, nearest, ny, nx);
        if (!empty[z] && some == SIZE_MAX) some = z;
    }
    if (some == SIZE_MAX) {
        st = SCRY_FAIL(err, SCRY_EINVAL, "no pixel of %zu was measured", n);
        goto done;
    }
    for (size_t z = 0; z < planes; z++) {
        if (!empty[z])
            some = z;
        else
            memcpy(pixels + z * plane, pixels + some * plane, plane * sizeof *pixels);
    }
done:
    scry_free(nearest);
    scry_free(empty);
    return st;
}

scry_status scry_known_repair(scry_image *image, float **pixels, unsigned char **known,
                              const scry_log *log, scry_error *err)
{
    const size_t n = scry_space_count(&image->space);
    size_t bad = 0, good = 0;
    *pixels = NULL;
    *known = NULL;
    if (scry_finite(image->pixels, n)) return SCRY_OK;
    *pixels = scry_copy(image->pixels, n * sizeof **pixels);
    *known = scry_alloc(n, 1);
    if (!*pixels || !*known) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    for (size_t i = 0; i < n; i++) {
        const bool finite = isfinite(image->pixels[i]);
        bad += finite ? 0 : 1;
        (*known)[i] = finite && (!image->known || image->known[i]);
        good += (*known)[i];
    }
    if (!good)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "no pixel of %zu is both finite and known: %zu are NaN or infinite", n,
                         bad);
    const scry_status st = scry_known_mirror(*pixels, *known, &image->space, err);
    if (st != SCRY_OK) return st;
    image->pixels = *pixels;
    image->known = *known;
    scry_log_note(log, "not measured: %zu of %zu pixels, which are NaN or infinite", bad, n);
    return SCRY_OK;
}
