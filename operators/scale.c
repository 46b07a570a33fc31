#include "operators/scale.h"

#include "lib/fft.h"
#include "lib/memory.h"
#include "operators/fourier.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { MIDDLE = 32 }; /* samples along an axis */

/* The part of k-space that is looked at, and how it is transformed. */
struct middle {
    size_t ny, nx, y0, x0;   /* size and first entry */
    size_t dims[2];          /* of a transform: both axes, or the one that is not an image yet */
    int rank;
    size_t step_y, step_x;   /* from one transform to the next; 0 inside a transform of rank 2 */
    size_t count;            /* of transforms */
};

static void cut(size_t *n, size_t *first, size_t full, bool transformed)
{
    *n = transformed && full > MIDDLE ? MIDDLE : full;
    *first = full / 2 - *n / 2;
}

static struct middle middle_of(size_t ny, size_t nx, unsigned axes)
{
    struct middle m = { .rank = axes == SCRY_FOURIER_YX ? 2 : 1, .count = 1 };
    cut(&m.ny, &m.y0, ny, axes & SCRY_FOURIER_Y);
    cut(&m.nx, &m.x0, nx, axes & SCRY_FOURIER_X);
    m.dims[0] = axes == SCRY_FOURIER_X ? m.nx : m.ny;
    m.dims[1] = m.nx;
    if (axes == SCRY_FOURIER_X) m.step_y = 1, m.count = m.ny;
    if (axes == SCRY_FOURIER_Y) m.step_x = 1, m.count = m.nx;
    return m;
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

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static scry_status judge(double *scale, double *energy, size_t n, scry_error *err)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += energy[i];
    if (!isfinite(sum))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "the middle of k-space holds samples that are not "
                                             "finite: it has no scale");
    if (!(sum > 0))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "the middle of k-space, %zu samples of each coil, is "
                                             "0 throughout: it has no scale", n);
    qsort(energy, n, sizeof *energy, ascending);
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
                         "axes from 1 to 3", coils, ny, nx, axes);
    const struct middle m = middle_of(ny, nx, axes);
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
    if ((st = judge(scale, energy, n, err)) != SCRY_OK) goto done;
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
