#include "operators/scale.h"

#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/sort.h"
#include "operators/fourier.h"
#include "operators/sensitivity.h"

#include <math.h>
#include <stdbool.h>

enum { MIDDLE_SIDE = 32, MIN_SIDE = 8 }; /* samples along an axis */

/* The part of k-space that is looked at, and how it is transformed. */
struct middle {
    size_t ny, nx, y0, x0; /* size and first entry */
    size_t dims[2];        /* of a transform: both axes, or the one that is not an image yet */
    int rank;
    size_t step_y, step_x; /* from one transform to the next; 0 inside a transform of rank 2 */
    size_t count;          /* of transforms */
};

/* The mask of the axes that are k-space, the other one of length 1: sampled where any coil has
 * anything, in any place of the image. */
static void scale_sampled(unsigned char *mask, const float complex *kspace, size_t coils, size_t ny,
                          size_t nx, unsigned axes)
{
    for (size_t i = 0; i < coils * ny * nx; i++) {
        const size_t x = i % nx, y = i / nx % ny;
        const size_t at = axes == SCRY_FOURIER_Y ? y : axes == SCRY_FOURIER_X ? x : y * nx + x;
        if (kspace[i] != 0) mask[at] = 1;
    }
}

static size_t at_most(size_t n, size_t limit)
{
    return n < limit ? n : limit;
}

static scry_status middle_of(struct middle *m, const float complex *kspace, size_t coils, size_t ny,
                             size_t nx, unsigned axes, scry_error *err)
{
    const bool along_y = axes & SCRY_FOURIER_Y, along_x = axes & SCRY_FOURIER_X;
    const size_t ky = along_y ? ny : 1, kx = along_x ? nx : 1;
    size_t cy, cx;
    scry_error few = {0}; /* a centre that is not fully sampled is no failure here */
    unsigned char *mask = scry_alloc(ky * kx, 1);
    if (!mask) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu x %zu samples", ky, kx);
    scale_sampled(mask, kspace, coils, ny, nx, axes);
    const scry_status st = scry_calibration_region(&cy, &cx, mask, ky, kx, MIDDLE_SIDE, 1, &few);
    scry_free(mask);
    if (st == SCRY_ENOMEM) return SCRY_FAIL(err, st, "%s", few.text);
    if (cy < at_most(ky, MIN_SIDE) || cx < at_most(kx, MIN_SIDE)) {
        cy = at_most(ky, MIDDLE_SIDE);
        cx = at_most(kx, MIDDLE_SIDE);
    }
    *m = (struct middle){.ny = along_y ? cy : ny, .nx = along_x ? cx : nx, .count = 1};
    m->y0 = ny / 2 - m->ny / 2;
    m->x0 = nx / 2 - m->nx / 2;
    m->rank = along_y && along_x ? 2 : 1;
    m->dims[0] = along_y ? m->ny : m->nx;
    m->dims[1] = m->nx;
    if (!along_y) m->step_y = 1, m->count = ny;
    if (!along_x) m->step_x = 1, m->count = nx;
    return SCRY_OK;
}

/* energy += |F^-1 block|^2 of one coil, unscaled. The origin is left at entry 0: that moves the
 * image and turns its phase, and neither is looked at. block: one transform */
static void add_energy(double *energy, float complex *block, const float complex *coil, size_t nx,
                       const struct middle *m, const scry_fft *fft, void *work)
{
    const size_t n = scry_fft_count(fft);
    const size_t rows = m->step_y ? 1 : m->ny, columns = m->step_x ? 1 : m->nx;
    for (size_t k = 0; k < m->count; k++) {
        const float complex *from = coil + (m->y0 + k * m->step_y) * nx + m->x0 + k * m->step_x;
        for (size_t i = 0; i < rows * columns; i++)
            block[i] = from[i / columns * nx + i % columns];
        scry_fft_backward(fft, block, block, work);
        for (size_t i = 0; i < n; i++) {
            const double re = crealf(block[i]), im = cimagf(block[i]);
            energy[k * n + i] += re * re + im * im;
        }
    }
}

static scry_status scale_judge(double *scale, double *energy, size_t n, scry_error *err)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += energy[i];
    if (!isfinite(sum))
        return SCRY_FAIL(err, SCRY_ENUMERIC,
                         "the middle of k-space holds samples that are not "
                         "finite: it has no scale");
    if (!(sum > 0))
        return SCRY_FAIL(err, SCRY_ENUMERIC,
                         "the middle of k-space, %zu samples of each coil, is "
                         "0 throughout: it has no scale",
                         n);
    scry_sort_double(energy, n);
    const double median = sqrt(energy[n / 2]), p90 = sqrt(energy[(size_t)(0.9 * (double)n)]);
    const double max = sqrt(energy[n - 1]);
    *scale = max - p90 < 2 * (p90 - median) ? p90 : max;
    return SCRY_OK;
}

scry_status scry_kspace_scale(double *scale, const float complex *kspace, size_t coils, size_t ny,
                              size_t nx, unsigned axes, scry_error *err)
{
    scry_status st = SCRY_OK;
    scry_fft *fft = NULL;
    float complex *block = NULL;
    double *energy = NULL;
    void *work = NULL;
    if (!coils || !ny || !nx || !axes || axes > SCRY_FOURIER_YX)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%zu coils of %zu x %zu samples, axes %u: expected sizes of 1 and more, "
                         "axes from 1 to 3",
                         coils, ny, nx, axes);
    struct middle m;
    if ((st = middle_of(&m, kspace, coils, ny, nx, axes, err)) != SCRY_OK) return st;
    const size_t n = m.ny * m.nx;
    if ((st = scry_fft_create_complex(&fft, m.rank, m.dims, err)) != SCRY_OK) return st;
    block = scry_alloc(scry_fft_count(fft), sizeof *block);
    energy = scry_alloc(n, sizeof *energy);
    work = scry_alloc(1, scry_fft_work_bytes(fft));
    if (!block || !energy || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "scale of k-space: %zu samples", n);
        goto done;
    }
    for (size_t c = 0; c < coils; c++)
        add_energy(energy, block, kspace + c * ny * nx, nx, &m, fft, work);
    if ((st = scale_judge(scale, energy, n, err)) != SCRY_OK) goto done;
    /* unscaled to unitary: 1 / sqrt(transformed); then sqrt(n / N) */
    const double transformed = (double)scry_fft_count(fft);
    *scale *= sqrt((double)n / ((double)ny * (double)nx) / transformed);
done:
    scry_fft_free(fft);
    scry_free(block);
    scry_free(energy);
    scry_free(work);
    return st;
}
