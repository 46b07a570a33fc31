#include "lib/stats/noise_spectrum.h"

#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/rng.h"

#include <math.h>

enum { SIDE = SCRY_SPECTRUM_ROWS - 1, MARGIN = 32 };

void scry_noise_spectrum_white(scry_noise_spectrum *s)
{
    for (int i = 0; i < SCRY_SPECTRUM_ROWS; i++)
        for (int j = 0; j < SCRY_SPECTRUM_COLUMNS; j++)
            s->power[i][j] = 1;
}

double scry_noise_spectrum_at(const scry_noise_spectrum *s, double fy, double fx)
{
    fy -= floor(fy + .5);
    fx -= floor(fx + .5);
    if (fx < 0) {
        fx = -fx;
        fy = -fy;
    }
    const double y = (fy + .5) * SIDE, x = fx * SIDE;
    const int i = y >= SIDE ? SIDE - 1 : (int)y;
    const int j = x >= SCRY_SPECTRUM_COLUMNS - 1 ? SCRY_SPECTRUM_COLUMNS - 2 : (int)x;
    const double v = y - i, u = x - j;
    return (1 - v) * ((1 - u) * s->power[i][j] + u * s->power[i][j + 1]) +
           v * ((1 - u) * s->power[i + 1][j] + u * s->power[i + 1][j + 1]);
}

/* Weight of an entry in a sum over the square: the columns fx = 0 and 1/2 count once, others twice
 * (for -f), and the row fy = 1/2 is that of -1/2. */
static double spectrum_weight(int i, int j)
{
    return i == SIDE ? 0 : j == 0 || j == SCRY_SPECTRUM_COLUMNS - 1 ? 1 : 2;
}

scry_status scry_noise_spectrum_normalise(scry_noise_spectrum *s, scry_error *err)
{
    double sum = 0;
    for (int i = 0; i < SCRY_SPECTRUM_ROWS; i++)
        for (int j = 0; j < SCRY_SPECTRUM_COLUMNS; j++) {
            if (!(s->power[i][j] >= 0) || !isfinite(s->power[i][j]))
                return SCRY_FAIL(err, SCRY_EINVAL,
                                 "power %g at entry %d, %d of a noise spectrum, expected a finite "
                                 "number >= 0",
                                 s->power[i][j], i, j);
            sum += spectrum_weight(i, j) * s->power[i][j];
        }
    if (!(sum > 0)) return SCRY_FAIL(err, SCRY_EINVAL, "a noise spectrum without any power");
    for (int i = 0; i < SCRY_SPECTRUM_ROWS; i++)
        for (int j = 0; j < SCRY_SPECTRUM_COLUMNS; j++)
            s->power[i][j] *= SIDE * SIDE / sum;
    return SCRY_OK;
}

double scry_noise_spectrum_inband(const scry_noise_spectrum *s, scry_transfer_fn *transfer,
                                  void *ctx)
{
    const double coarse = .1; /* cycles per pixel */
    double sum = 0, weights = 0;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SCRY_SPECTRUM_COLUMNS; j++) {
            const double f = hypot((double)(i - SIDE / 2) / SIDE, (double)j / SIDE);
            if (f <= 0) continue;
            const double w = spectrum_weight(i, j) *
                             (transfer ? transfer(f, ctx) : exp(-f * f / (coarse * coarse)));
            sum += w * s->power[i][j];
            weights += w;
        }
    return weights > 0 ? sum / weights : 1;
}

/* One plane: white noise on the padded domain, filtered, cropped and scaled. */
static scry_status draw_plane(float *out, const float *variance, const float *filter,
                              const scry_fft *fft, const size_t dims[2], size_t ny, size_t nx,
                              float *g, float complex *G, void *work, scry_error *err)
{
    scry_fft_forward_real(fft, G, g, work);
    for (size_t i = 0; i < scry_fft_bins(fft); i++)
        G[i] *= filter[i];
    scry_fft_backward_real(fft, g, G, work);
    for (size_t y = 0; y < ny; y++)
        for (size_t x = 0; x < nx; x++) {
            const double v = variance ? variance[y * nx + x] : 1;
            if (!(v >= 0) || !isfinite(v))
                return SCRY_FAIL(err, SCRY_EINVAL,
                                 "variance %g at row %zu, column %zu, expected a finite number "
                                 ">= 0",
                                 v, y, x);
            out[y * nx + x] = (float)(sqrt(v) * g[y * dims[1] + x]);
        }
    return SCRY_OK;
}

scry_status scry_noise_spectrum_draw(float *out, const scry_noise_spectrum *s,
                                     const float *variance, size_t planes, size_t ny, size_t nx,
                                     uint64_t seed, uint32_t chain, uint32_t step, scry_error *err)
{
    if (!planes || !ny || !nx)
        return SCRY_FAIL(err, SCRY_ESHAPE, "%zu planes of %zu x %zu pixels, expected 1 or more",
                         planes, ny, nx);
    const size_t dims[2] = {scry_fft_good_size(ny + MARGIN, 1), scry_fft_good_size(nx + MARGIN, 2)};
    scry_fft *fft = NULL;
    float *g = NULL, *filter = NULL;
    float complex *G = NULL;
    void *work = NULL;
    scry_status st = scry_fft_create_real(&fft, 2, dims, err);
    if (st != SCRY_OK) return st;
    const size_t n = scry_fft_count(fft), half = dims[1] / 2 + 1;
    g = scry_alloc(n, sizeof *g);
    filter = scry_alloc(scry_fft_bins(fft), sizeof *filter);
    G = scry_alloc(scry_fft_bins(fft), sizeof *G);
    work = scry_alloc(1, scry_fft_work_bytes(fft));
    if (!g || !filter || !G || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "noise on %zu x %zu pixels", dims[0], dims[1]);
        goto done;
    }
    for (size_t i = 0; i < dims[0]; i++)
        for (size_t j = 0; j < half; j++) {
            const double fy = (double)i / (double)dims[0], fx = (double)j / (double)dims[1];
            filter[i * half + j] = (float)(sqrt(scry_noise_spectrum_at(s, fy, fx)) / (double)n);
        }
    for (size_t p = 0; p < planes && st == SCRY_OK; p++) {
        scry_rng_normal(g, p * n, n, seed, chain, step);
        st = draw_plane(out + p * ny * nx, variance ? variance + p * ny * nx : NULL, filter, fft,
                        dims, ny, nx, g, G, work, err);
    }
done:
    scry_fft_free(fft);
    scry_free(g);
    scry_free(filter);
    scry_free(G);
    scry_free(work);
    return st;
}
