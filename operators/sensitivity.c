#include "operators/sensitivity.h"
#include "operators/coils.h"
#include "operators/fourier.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/vector.h"

#include <gsl/gsl_math.h>
#include <stdbool.h>
#include <string.h>

/* Entries of the mask in front of (y, x): a block is full when its sum is its area. */
static size_t block_sum(const size_t *sum, size_t nx, size_t y, size_t x, size_t cy, size_t cx)
{
    const size_t ld = nx + 1;
    return sum[(y + cy) * ld + x + cx] - sum[y * ld + x + cx] - sum[(y + cy) * ld + x] +
           sum[y * ld + x];
}

static size_t *sensitivity_integral(const unsigned char *mask, size_t ny, size_t nx)
{
    size_t *sum = scry_alloc((ny + 1) * (nx + 1), sizeof *sum);
    if (!sum) return NULL;
    for (size_t y = 0; y < ny; y++)
        for (size_t x = 0; x < nx; x++)
            sum[(y + 1) * (nx + 1) + x + 1] = sum[y * (nx + 1) + x + 1] +
                                              sum[(y + 1) * (nx + 1) + x] - sum[y * (nx + 1) + x] +
                                              (mask[y * nx + x] != 0);
    return sum;
}

/* The largest full block around the centre of at most max_y x max_x; whether each side has min. */
static bool largest_block(size_t *cy, size_t *cx, const size_t *sum, size_t ny, size_t nx,
                          size_t max_y, size_t max_x, size_t min)
{
    size_t width = max_x;
    bool enough = false;
    *cy = *cx = 0;
    /* A taller block is never wider: one walk along the border of the full block. */
    for (size_t y = 1; y <= max_y && width; y++) {
        while (width &&
               block_sum(sum, nx, ny / 2 - y / 2, nx / 2 - width / 2, y, width) != y * width)
            width--;
        const bool fits = y >= min && width >= min;
        if (width && fits >= enough && (y * width >= *cy * *cx || fits > enough)) {
            *cy = y;
            *cx = width;
            enough = fits;
        }
    }
    return enough;
}

enum { AUTO_LINES = 64 };

scry_status scry_calibration_region(size_t *cy, size_t *cx, const unsigned char *mask, size_t ny,
                                    size_t nx, size_t limit, size_t min, scry_error *err)
{
    if (SCRY_MISSING(err, cy, cx, mask)) return SCRY_EINVAL;
    *cy = *cx = 0;
    size_t *sum = sensitivity_integral(mask, ny, nx);
    if (!sum) return SCRY_FAIL(err, SCRY_ENOMEM, "sampling mask of %zu x %zu", ny, nx);
    const bool automatic = limit == SCRY_CALIBRATION_AUTO;
    const size_t most = automatic ? AUTO_LINES : limit ? limit : ny > nx ? ny : nx;
    const bool enough =
        largest_block(cy, cx, sum, ny, nx, most < ny ? most : ny, most < nx ? most : nx, min);
    const size_t y0 = ny / 2 - *cy / 2, x0 = nx / 2 - *cx / 2;
    if (automatic && enough && *cy < AUTO_LINES && block_sum(sum, nx, y0, 0, *cy, nx) == *cy * nx)
        *cx = nx;
    else if (automatic && enough && *cx < AUTO_LINES &&
             block_sum(sum, nx, 0, x0, ny, *cx) == ny * *cx)
        *cy = ny;
    scry_free(sum);
    if (!enough)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "the centre of k-space is not fully sampled: found %zu x %zu lines, at "
                         "least %zu x %zu are needed",
                         *cy, *cx, min, min);
    return SCRY_OK;
}

/* cos^2, 1 at k = 0 and 0 one sample beyond the ends */
static double sensitivity_taper(size_t i, size_t n)
{
    const double c = cos(SCRY_PI * ((double)i - (double)(n / 2)) / (double)(n + 1));
    return c * c;
}

scry_status scry_lowres_maps(float complex *maps, const float complex *calibration, size_t coils,
                             size_t cy, size_t cx, size_t ny, size_t nx, scry_error *err)
{
    if (SCRY_MISSING(err, maps, calibration)) return SCRY_EINVAL;
    const size_t n = ny * nx;
    if (!coils || !cy || !cx || cy > ny || cx > nx)
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "maps of %zu coils, %zu x %zu, from a calibration region of %zu x %zu",
                         coils, ny, nx, cy, cx);
    if (!scry_finite((const float *)calibration, 2 * coils * cy * cx))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "calibration data hold NaN or infinity");
    float largest = 0;
    for (size_t i = 0; i < coils * cy * cx; i++)
        largest = fmaxf(largest, cabsf(calibration[i]));
    if (!(largest > 0)) return SCRY_FAIL(err, SCRY_ENUMERIC, "calibration data are all zero");
    float *rss = scry_alloc(n, sizeof *rss);
    if (!rss) return SCRY_FAIL(err, SCRY_ENOMEM, "maps of %zu x %zu", ny, nx);
    memset(maps, 0, coils * n * sizeof *maps);
    for (size_t c = 0; c < coils; c++) /* k-space of 1e-25 has squares that floats lack */
        for (size_t y = 0; y < cy; y++)
            for (size_t x = 0; x < cx; x++)
                maps[c * n + (ny / 2 - cy / 2 + y) * nx + nx / 2 - cx / 2 + x] =
                    (float)(sensitivity_taper(y, cy) * sensitivity_taper(x, cx)) *
                    (calibration[(c * cy + y) * cx + x] / largest);
    scry_status st = scry_fourier_transform(maps, coils, ny, nx, SCRY_FOURIER_YX, true, err);
    if (st == SCRY_OK) {
        scry_rss(rss, maps, coils, n);
        for (size_t c = 0; c < coils; c++)
            for (size_t i = 0; i < n; i++)
                maps[c * n + i] *= rss[i] > 0 ? 1 / rss[i] : 0;
    }
    scry_free(rss);
    return st;
}
