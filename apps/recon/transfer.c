#include "apps/recon/transfer.h"

#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/vector.h"

#include <math.h>
#include <string.h>

enum { ENTRIES = 128 };

scry_status scry_transfer_create(scry_transfer *t, const float *psf, const scry_space *space,
                                 scry_error *err)
{
    scry_status st = SCRY_OK;
    scry_fft *fft = NULL;
    size_t grid[3] = {1, 1, 1}, dims[3] = {1, 1, 1}, sums[ENTRIES] = {0};
    const int rank = space->rank;
    for (int a = 0; a < rank; a++) {
        dims[3 - rank + a] = space->dims[a];
        grid[3 - rank + a] = scry_fft_good_size(space->dims[a] < 128 ? 128 : space->dims[a], 1);
    }
    *t = (scry_transfer){.count = ENTRIES, .highest = sqrt(rank) / 2};
    if ((st = scry_fft_create_real(&fft, rank, grid + 3 - rank, err)) != SCRY_OK) return st;
    float *x = scry_alloc(scry_fft_count(fft), sizeof *x);
    float complex *X = scry_alloc(scry_fft_bins(fft), sizeof *X);
    void *work = scry_alloc(1, scry_fft_work_bytes(fft));
    t->value = scry_alloc(ENTRIES, sizeof *t->value);
    if (!x || !X || !work || !t->value) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "transfer function");
        goto done;
    }
    for (size_t z = 0; z < dims[0]; z++)
        for (size_t y = 0; y < dims[1]; y++)
            memcpy(x + (z * grid[1] + y) * grid[2], psf + (z * dims[1] + y) * dims[2],
                   dims[2] * sizeof *x);
    scry_fft_forward_real(fft, X, x, work);
    const size_t half = grid[2] / 2 + 1;
    for (size_t i = 0; i < scry_fft_bins(fft); i++) {
        const size_t k[3] = {i / half / grid[1], i / half % grid[1], i % half};
        double f2 = 0;
        for (int a = 0; a < 3; a++) {
            const double f =
                (double)(k[a] <= grid[a] / 2 ? k[a] : grid[a] - k[a]) / (double)grid[a];
            f2 += f * f;
        }
        const size_t bin = (size_t)lround(sqrt(f2) / t->highest * (ENTRIES - 1));
        t->value[bin] += (double)crealf(X[i]) * crealf(X[i]) + (double)cimagf(X[i]) * cimagf(X[i]);
        sums[bin]++;
    }
    for (size_t i = 0; i < ENTRIES; i++)
        t->value[i] = sums[i] ? fmin(t->value[i] / (double)sums[i], 1) : i ? t->value[i - 1] : 1;
done:
    scry_free(x);
    scry_free(X);
    scry_free(work);
    scry_fft_free(fft);
    if (st != SCRY_OK) scry_transfer_free(t);
    return st;
}

scry_status scry_transfer_create_lateral(scry_transfer *t, const float *psf,
                                         const scry_space *space, scry_error *err)
{
    if (space->rank < 3) return scry_transfer_create(t, psf, space, err);
    const scry_space plane = {.rank = 2, .dims = {space->dims[1], space->dims[2]}};
    const size_t n = plane.dims[0] * plane.dims[1];
    float *slice = scry_copy(psf + space->dims[0] / 2 * n, n * sizeof *slice);
    if (!slice) return SCRY_FAIL(err, SCRY_ENOMEM, "slice of %zu pixels", n);
    const double sum = scry_sum(slice, n);
    if (sum > 0) scry_scale(slice, 1 / sum, n);
    const scry_status st = scry_transfer_create(t, slice, &plane, err);
    scry_free(slice);
    return st;
}

void scry_transfer_free(scry_transfer *t)
{
    scry_free(t->value);
    *t = (scry_transfer){0};
}

double scry_transfer_at(double f, void *ctx)
{
    const scry_transfer *t = ctx;
    const double at = fmin(f / t->highest, 1) * (double)(t->count - 1);
    const size_t i = (size_t)at < t->count - 1 ? (size_t)at : t->count - 2;
    return t->value[i] + (at - (double)i) * (t->value[i + 1] - t->value[i]);
}

/* Weighted mean of the known pixels in the square of radius r about (y, x); false when there is
 * none. */
static bool transfer_around(float *out, const float *plane, const unsigned char *known, size_t ny,
                            size_t nx, size_t y, size_t x, size_t r)
{
    double sum = 0, weight = 0;
    const size_t y0 = y > r ? y - r : 0, y1 = y + r < ny ? y + r : ny - 1;
    const size_t x0 = x > r ? x - r : 0, x1 = x + r < nx ? x + r : nx - 1;
    for (size_t j = y0; j <= y1; j++)
        for (size_t i = x0; i <= x1; i++) {
            if (!known[j * nx + i]) continue;
            const double dy = (double)j - (double)y, dx = (double)i - (double)x;
            const double w = 1 / ((dy * dy + dx * dx) * (dy * dy + dx * dx));
            sum += w * plane[j * nx + i];
            weight += w;
        }
    if (weight > 0) *out = (float)(sum / weight);
    return weight > 0;
}

scry_status scry_transfer_fill(float *image, const unsigned char *known, const scry_space *space,
                               scry_error *err)
{
    const size_t ny = space->dims[space->rank - 2], nx = space->dims[space->rank - 1];
    const size_t planes = scry_space_count(space) / (ny * nx), reach = ny > nx ? ny : nx;
    float *out = scry_alloc(ny * nx, sizeof *out);
    if (!out) return SCRY_FAIL(err, SCRY_ENOMEM, "a plane of %zu pixels", ny * nx);
    for (size_t p = 0; p < planes; p++) {
        float *plane = image + p * ny * nx;
        const unsigned char *mask = known + p * ny * nx;
        memcpy(out, plane, ny * nx * sizeof *out);
        for (size_t i = 0; i < ny * nx; i++)
            for (size_t r = 2; !mask[i] && r <= 2 * reach; r *= 2)
                if (transfer_around(&out[i], plane, mask, ny, nx, i / nx, i % nx, r)) break;
        memcpy(plane, out, ny * nx * sizeof *out);
    }
    scry_free(out);
    return SCRY_OK;
}
