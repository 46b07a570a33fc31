#include "apps/recon/image/rise_impl.h"

#include "apps/recon/image/psf_fit.h"
#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/numbers.h"

#include <math.h>
#include <string.h>

enum { LEAST = 64, MOST = 512, RINGS = 8, RINGS_ENLARGED = 6 };

static const double FIRST = 0.1, RING = 0.05; /* cycles per pixel */

/* The middle n[0] x n[1] of the plane, its mean subtracted, under the window. */
static void rise_window(float *out, const size_t n[2], const float *plane, size_t ny, size_t nx)
{
    const float *from = plane + (ny - n[0]) / 2 * nx + (nx - n[1]) / 2;
    double mean = 0;
    for (size_t y = 0; y < n[0]; y++)
        for (size_t x = 0; x < n[1]; x++)
            mean += (double)from[y * nx + x];
    mean /= (double)(n[0] * n[1]);
    for (size_t y = 0; y < n[0]; y++)
        for (size_t x = 0; x < n[1]; x++) {
            const double wy = sin(SCRY_PI * ((double)y + .5) / (double)n[0]);
            const double wx = sin(SCRY_PI * ((double)x + .5) / (double)n[1]);
            out[y * n[1] + x] = (float)(((double)from[y * nx + x] - mean) * wy * wy * wx * wx);
        }
}

/* Mean power in each ring. Frequencies of x that are not stored are conjugates of those that are.
 */
static void rise_rings(double power[RINGS], const size_t n[2], const float complex *spectrum,
                       double enlarged)
{
    const size_t half = n[1] / 2 + 1;
    double count[RINGS] = {0};
    memset(power, 0, RINGS * sizeof *power);
    for (size_t y = 0; y < n[0]; y++)
        for (size_t x = 0; x < half; x++) {
            const double fy = (double)(y < n[0] - y ? y : n[0] - y) / (double)n[0];
            const double f = enlarged * hypot(fy, (double)x / (double)n[1]);
            const double ring = (f - FIRST) / RING;
            const float complex v = spectrum[y * half + x];
            if (ring < 0 || ring >= RINGS) continue;
            power[(size_t)ring] +=
                (double)crealf(v) * (double)crealf(v) + (double)cimagf(v) * (double)cimagf(v);
            count[(size_t)ring]++;
        }
    for (size_t k = 0; k < RINGS; k++)
        power[k] /= fmax(count[k], 1);
}

scry_status scryi_spectrum_rise(double *decibels, const scry_space *space, const float *pixels,
                                double enlarged, scry_error *err)
{
    const size_t ny = space->dims[space->rank - 2], nx = space->dims[space->rank - 1];
    const size_t planes = scry_space_count(space) / (ny * nx);
    const size_t n[2] = {ny < MOST ? ny : MOST, nx < MOST ? nx : MOST};
    double power[RINGS];
    *decibels = 0;
    if (n[0] < LEAST || n[1] < LEAST) return SCRY_OK;
    scry_fft *fft = NULL;
    float *window = scry_alloc(n[0] * n[1], sizeof *window);
    float complex *spectrum = scry_alloc(n[0] * (n[1] / 2 + 1), sizeof *spectrum);
    void *work = NULL;
    scry_status st = scry_fft_create_real(&fft, 2, n, err);
    if (st == SCRY_OK && !(work = scry_alloc(1, scry_fft_work_bytes(fft)))) st = SCRY_ENOMEM;
    if (st != SCRY_OK || !window || !spectrum) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "the spectrum of %zu x %zu pixels", n[0], n[1]);
        goto done;
    }
    rise_window(window, n, pixels + planes / 2 * ny * nx, ny, nx);
    scry_fft_forward_real(fft, spectrum, window, work);
    rise_rings(power, n, spectrum, enlarged);
    double least = power[0];
    const size_t rings = enlarged > 1 ? RINGS_ENLARGED : RINGS;
    for (size_t k = 1; k < rings && power[0] > 0; k++) {
        if (least > 0) *decibels = fmax(*decibels, 10 * log10(power[k] / least));
        least = fmin(least, power[k]);
    }
done:
    scry_fft_free(fft);
    scry_free(window);
    scry_free(spectrum);
    scry_free(work);
    return st;
}

double scryi_rise_enlarged(const scry_noise_model *used, double studied)
{
    return used->windows ? scryi_image_enlarged(used) : fmax(studied, 1);
}
