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

/* ---- windows without a gap ---- */

enum { KERNEL = 6, MIN_KERNEL = 3 };

/* Windows of k x k without a gap inside a centred region: how many, at how many rows and columns
 * they begin, and how far from the centre they reach. */
struct windows {
    size_t count, rows, columns, reach_y, reach_x;
};

static size_t sensitivity_reach(size_t from, size_t k, size_t n)
{
    const size_t c = n / 2, to = from + k; /* a block of 2 r covers c - r to c + r - 1 */
    const size_t before = from < c ? c - from : 0, after = to > c ? to - c : 0;
    return before > after ? before : after;
}

static scry_status count_windows(struct windows *w, const size_t *sum, size_t ny, size_t nx,
                                 const size_t side[2], size_t k, scry_error *err)
{
    const size_t y0 = ny / 2 - side[0] / 2, x0 = nx / 2 - side[1] / 2;
    *w = (struct windows){0};
    if (side[0] < k || side[1] < k) return SCRY_OK;
    const size_t across = side[1] - k + 1;
    bool *column = scry_alloc(across, sizeof *column);
    if (!column) return SCRY_FAIL(err, SCRY_ENOMEM, "windows of %zu columns", across);
    for (size_t y = y0; y + k <= y0 + side[0]; y++) {
        size_t here = 0;
        for (size_t x = x0; x < x0 + across; x++) {
            if (block_sum(sum, nx, y, x, k, k) != k * k) continue;
            here++;
            column[x - x0] = true;
            const size_t rx = sensitivity_reach(x, k, nx);
            if (rx > w->reach_x) w->reach_x = rx;
        }
        if (!here) continue;
        const size_t ry = sensitivity_reach(y, k, ny);
        if (ry > w->reach_y) w->reach_y = ry;
        w->count += here;
        w->rows++;
    }
    for (size_t i = 0; i < across; i++)
        w->columns += column[i];
    scry_free(column);
    return SCRY_OK;
}

/* The side of the region in which windows are looked for: all of an axis whose lines are whole. */
static void window_region(size_t side[2], const unsigned char *mask, size_t ny, size_t nx,
                          size_t limit)
{
    const bool automatic = limit == SCRY_CALIBRATION_AUTO;
    const size_t most = automatic ? AUTO_LINES : limit ? limit : ny > nx ? ny : nx;
    bool along_y = automatic, along_x = automatic;
    for (size_t i = 0; i < ny * nx; i++) {
        along_x = along_x && (i % nx == 0 || !mask[i] == !mask[i - 1]);
        along_y = along_y && (i < nx || !mask[i] == !mask[i - nx]);
    }
    side[0] = along_y && !along_x ? ny : most < ny ? most : ny;
    side[1] = along_x && !along_y ? nx : most < nx ? most : nx;
}

/* The largest kernel of which there are enough windows, at enough places along both axes: twice the
 * dimension of the part of them that an object fills, (k + 4)^2 (scry_espirit). false: none. */
static bool choose_kernel(scry_calibration *out, struct windows *w, const size_t *sum, size_t ny,
                          size_t nx, const size_t side[2], scry_status *st, scry_error *err)
{
    for (size_t k = KERNEL; k >= MIN_KERNEL; k--) {
        if ((*st = count_windows(w, sum, ny, nx, side, k, err)) != SCRY_OK) return false;
        if (w->rows < k || w->columns < k || w->count < 2 * (k + 4) * (k + 4)) continue;
        const size_t cy = 2 * w->reach_y, cx = 2 * w->reach_x;
        *out = (scry_calibration){
            .cy = cy < ny ? cy : ny, .cx = cx < nx ? cx : nx, .kernel = k, .gaps = true};
        return true;
    }
    return false;
}

scry_status scry_calibration_find(scry_calibration *out, const unsigned char *mask, size_t ny,
                                  size_t nx, size_t limit, size_t min, scry_error *err)
{
    if (SCRY_MISSING(err, out, mask)) return SCRY_EINVAL;
    scry_error few = {0};
    scry_calibration around;
    struct windows w;
    size_t side[2];
    *out = (scry_calibration){0};
    const scry_status block =
        scry_calibration_region(&out->cy, &out->cx, mask, ny, nx, limit, min, &few);
    if (block == SCRY_ENOMEM) return SCRY_FAIL(err, block, "%s", few.text);
    const size_t half = ((out->cy < out->cx ? out->cy : out->cx) + 1) / 2;
    out->kernel = half < KERNEL ? half : KERNEL;
    size_t *sum = sensitivity_integral(mask, ny, nx);
    if (!sum) return SCRY_FAIL(err, SCRY_ENOMEM, "sampling mask of %zu x %zu", ny, nx);
    scry_status st = SCRY_OK;
    window_region(side, mask, ny, nx, limit);
    const bool found = choose_kernel(&around, &w, sum, ny, nx, side, &st, err);
    scry_free(sum);
    if (st != SCRY_OK) return st;
    const size_t inside = (out->cy - out->kernel + 1) * (out->cx - out->kernel + 1);
    const bool more = found && (block != SCRY_OK || around.kernel > out->kernel ||
                                (around.kernel == out->kernel && 2 * w.count > 3 * inside));
    if (more) *out = around;
    return more || block == SCRY_OK ? SCRY_OK : SCRY_FAIL(err, block, "%s", few.text);
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
