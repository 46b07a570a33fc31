#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "operators/cg.h"
#include "operators/coils.h"
#include "operators/fourier.h"
#include "operators/nufft.h"

#include <math.h>
#include <string.h>

/* Radial, spiral and other scans. Coil maps and the unit of intensities are made from what the
 * samples give on the grid; the image comes from the samples themselves. */

/* Passes of the density: more change weights by less than 1 % (200 spokes of 512 samples). */
enum { DENSITY_PASSES = 15 };

/* Of conjugate gradients on a slice's samples: 3 settle the middle of k-space (160 spokes of 192
 * samples, 96 x 96 pixels), of which coil maps are made. */
enum { FIT_PASSES = 5 };

/* A place of the grid counts as sampled where a sample lies within so many cells along both axes:
 * spokes that are one cell apart leave none out. */
static const double NEAR = 0.75;

/* Noise is measured where |k| exceeds this share of its largest value. */
static const double OUTER = 0.9;

static scry_nufft_params off_grid_params(const float *trajectory, size_t samples, size_t ny,
                                         size_t nx)
{
    return (scry_nufft_params){.ny = ny, .nx = nx, .trajectory = trajectory, .samples = samples};
}

/* ---- the samples acquired ---- */

/* The samples that mask keeps: data (coils, samples) and trajectory move together. */
static scry_status scattered_keep(scry_mri_scattered *s, const scry_scan *scan,
                                  const float complex *data, const unsigned char *mask,
                                  scry_error *err)
{
    for (size_t i = 0; i < scan->samples; i++)
        s->samples += mask[i] != 0;
    if (!s->samples)
        return SCRY_FAIL(err, SCRY_EINVAL, "none of %zu samples was acquired, expected some",
                         scan->samples);
    s->line = scan->line ? scan->line : 1;
    s->data = scry_alloc(scan->coils * s->samples, sizeof *s->data);
    s->trajectory = scry_alloc(s->samples, 2 * sizeof *s->trajectory);
    s->density = scry_alloc(s->samples, sizeof *s->density);
    if (!s->data || !s->trajectory || !s->density)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu samples of %zu coils", s->samples, scan->coils);
    size_t to = 0;
    for (size_t c = 0; c < scan->coils; c++)
        for (size_t i = 0; i < scan->samples; i++)
            if (mask[i]) s->data[to++] = data[c * scan->samples + i];
    to = 0;
    for (size_t i = 0; i < scan->samples; i++)
        if (mask[i]) memcpy(s->trajectory + 2 * to++, scan->trajectory + 2 * i, 2 * sizeof(float));
    return SCRY_OK;
}

/* Places of the grid beside a sample. */
static void off_grid_cover(unsigned char *mask, const scry_mri_scattered *s, size_t ny, size_t nx)
{
    for (size_t i = 0; i < s->samples; i++) {
        const double y = (double)s->trajectory[2 * i] * (double)ny + (double)(ny / 2);
        const double x = (double)s->trajectory[2 * i + 1] * (double)nx + (double)(nx / 2);
        for (double v = ceil(y - NEAR); v <= y + NEAR; v++)
            for (double u = ceil(x - NEAR); u <= x + NEAR; u++)
                if (v >= 0 && u >= 0 && v < (double)ny && u < (double)nx)
                    mask[(size_t)v * nx + (size_t)u] = 1;
    }
}

struct scattered_normal {
    const scry_op *A;
    void *work;
};

static scry_status scattered_normal(void *ctx, float *out, const float *in, scry_error *err)
{
    const struct scattered_normal *n = ctx;
    return scry_op_normal(n->A, out, in, n->work, err);
}

/* What every coil's samples say of the grid: FIT_PASSES of conjugate gradients on |A x - y|^2, from
 * the sum of the samples by their density, which is not true enough near k = 0. */
static scry_status scattered_fit(float complex *grid, const unsigned char *mask,
                                 const scry_mri_scattered *s, size_t coils,
                                 const scry_nufft_params *params, scry_error *err)
{
    const size_t n = params->ny * params->nx;
    struct scattered_normal normal = {0};
    scry_op *A = NULL;
    float complex *b = scry_alloc(n, sizeof *b), *weighted = scry_alloc(s->samples, sizeof *b);
    void *cg = scry_alloc(1, scry_cg_work_bytes(2 * n));
    scry_status st = scry_nufft_create(&A, params, err);
    if (st != SCRY_OK) goto done;
    normal = (struct scattered_normal){A, scry_alloc(1, scry_op_work_bytes(A))};
    if (!b || !weighted || !cg || !normal.work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu samples on a grid of %zu pixels", s->samples, n);
        goto done;
    }
    for (size_t c = 0; c < coils && st == SCRY_OK; c++) {
        scry_cg_result result;
        float *x = (float *)(grid + c * n);
        const float complex *y = s->data + c * s->samples;
        for (size_t i = 0; i < s->samples; i++)
            weighted[i] = s->density[i] * y[i];
        st = scry_op_adjoint(A, x, (const float *)weighted, normal.work, err);
        if (st == SCRY_OK) st = scry_op_adjoint(A, (float *)b, (const float *)y, normal.work, err);
        if (st == SCRY_OK)
            st = scry_cg(scattered_normal, &normal, x, (const float *)b, 2 * n, 0, FIT_PASSES, cg,
                         &result, err);
    }
    if (st == SCRY_OK)
        st = scry_fourier_transform(grid, coils, params->ny, params->nx, SCRY_FOURIER_YX, false,
                                    err);
    for (size_t i = 0; i < coils * n && st == SCRY_OK; i++)
        if (!mask[i % n]) grid[i] = 0;
done:
    scry_op_free(A);
    scry_free(normal.work);
    scry_free(weighted);
    scry_free(b);
    scry_free(cg);
    return st;
}

scry_status scryi_mri_scatter(scry_mri_slice *out, const scry_scan *scan,
                              const scry_mri_samples *samples, scry_error *err)
{
    const size_t ny = scan->dims[1], nx = scan->dims[2];
    scry_mri_slice s = {.coils = scan->coils, .dims = {1, ny, nx}};
    scry_status st = SCRY_OK;
    *out = (scry_mri_slice){0};
    if (!samples->data || !samples->mask || samples->calibration) {
        st = SCRY_FAIL(err, SCRY_EINVAL, "a slice off the grid without %s",
                       !samples->data ? "samples" : "its mask");
        goto done;
    }
    if ((st = scattered_keep(&s.scattered, scan, samples->data, samples->mask, err)) != SCRY_OK)
        goto done;
    const scry_nufft_params params =
        off_grid_params(s.scattered.trajectory, s.scattered.samples, ny, nx);
    st = scry_nufft_density(s.scattered.density, &params, DENSITY_PASSES, err);
    if (st != SCRY_OK) goto done;
    s.data = s.calibration = scry_alloc(s.coils * ny * nx, sizeof *s.data);
    s.mask = s.calibration_mask = scry_alloc(ny * nx, 1);
    if (!s.data || !s.mask) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu coils x %zu x %zu", s.coils, ny, nx);
        goto done;
    }
    off_grid_cover(s.mask, &s.scattered, ny, nx);
    st = scattered_fit(s.data, s.mask, &s.scattered, s.coils, &params, err);
    if (st != SCRY_OK) goto done;
    *out = s;
    s = (scry_mri_slice){0};
done:
    scry_free(samples->data);
    scry_free(samples->mask);
    scry_free(samples->calibration);
    scry_free(samples->calibration_mask);
    scry_mri_slice_free(&s);
    return st;
}

/* ---- the grid, the noise, the operator ---- */

scry_status scryi_mri_grid(float complex *grid, const unsigned char *mask,
                           const float complex *data, size_t coils, const scry_mri_scattered *s,
                           size_t ny, size_t nx, scry_error *err)
{
    const scry_nufft_params params = off_grid_params(s->trajectory, s->samples, ny, nx);
    const size_t n = ny * nx;
    scry_op *A = NULL;
    float complex *weighted = scry_alloc(s->samples, sizeof *weighted);
    void *work = NULL;
    scry_status st = scry_nufft_create(&A, &params, err);
    if (st != SCRY_OK) goto done;
    work = scry_alloc(1, scry_op_work_bytes(A));
    if (!work || !weighted) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu samples on a grid of %zu x %zu", s->samples, ny, nx);
        goto done;
    }
    for (size_t c = 0; c < coils && st == SCRY_OK; c++) {
        for (size_t i = 0; i < s->samples; i++)
            weighted[i] = s->density[i] * data[c * s->samples + i];
        st = scry_op_adjoint(A, (float *)(grid + c * n), (const float *)weighted, work, err);
    }
    if (st == SCRY_OK)
        st = scry_fourier_transform(grid, coils, ny, nx, SCRY_FOURIER_YX, false, err);
    for (size_t i = 0; i < coils * n && st == SCRY_OK && mask; i++)
        if (!mask[i % n]) grid[i] = 0;
done:
    scry_op_free(A);
    scry_free(weighted);
    scry_free(work);
    return st;
}

static double off_grid_radius(const scry_mri_scattered *s, size_t i)
{
    return hypot((double)s->trajectory[2 * i], (double)s->trajectory[2 * i + 1]);
}

/* Noise and signal of the samples farthest out. */
static scry_status noise_of_outer(double complex *psi, const scry_mri_scattered *s, size_t coils,
                                  scry_error *err)
{
    double largest = 0;
    size_t count = 0;
    for (size_t i = 0; i < s->samples; i++)
        largest = fmax(largest, off_grid_radius(s, i));
    for (size_t i = 0; i < s->samples; i++)
        count += off_grid_radius(s, i) > OUTER * largest;
    float complex *outer = scry_alloc(coils * count, sizeof *outer);
    if (!outer) return SCRY_FAIL(err, SCRY_ENOMEM, "noise of %zu samples", count);
    size_t to = 0;
    for (size_t c = 0; c < coils; c++)
        for (size_t i = 0; i < s->samples; i++)
            if (off_grid_radius(s, i) > OUTER * largest) outer[to++] = s->data[c * s->samples + i];
    const scry_status st = scry_noise_covariance(psi, outer, coils, count, 1, err);
    scry_free(outer);
    return st;
}

scry_status scryi_off_grid_operator(scry_op **A, const struct scryi_plane *plane,
                                    const float complex *maps, const unsigned char *mask,
                                    scry_error *err)
{
    const scry_mri_scattered *s = plane->scattered;
    float *kept = scry_alloc(s->samples, 2 * sizeof *kept);
    if (!kept) return SCRY_FAIL(err, SCRY_ENOMEM, "trajectory of %zu samples", s->samples);
    size_t count = 0;
    for (size_t i = 0; i < s->samples; i++)
        if (mask[i]) memcpy(kept + 2 * count++, s->trajectory + 2 * i, 2 * sizeof *kept);
    scry_nufft_params params = off_grid_params(kept, count, plane->ny, plane->nx);
    params.maps = maps;
    params.coils = plane->coils;
    params.sets = plane->sets;
    const scry_status st = scry_nufft_create(A, &params, err);
    scry_free(kept);
    return st;
}

static double trace_of(const double complex *psi, size_t coils)
{
    double sum = 0;
    for (size_t c = 0; c < coils; c++)
        sum += creal(psi[c * (coils + 1)]);
    return sum;
}

scry_status scryi_noise_off_grid(double complex *psi, const char **from,
                                 const scry_mri_scattered *s, size_t coils, size_t ny, size_t nx,
                                 bool draws, scry_error *err)
{
    double complex *outer = scry_alloc(coils * coils, sizeof *outer);
    scry_error why = {0};
    bool found = false;
    *from = "the outermost samples";
    if (!outer) return SCRY_FAIL(err, SCRY_ENOMEM, "covariance of %zu coils", coils);
    scry_status st = draws ? scryi_noise_along_lines(psi, &found, s, coils, ny, nx, err) : SCRY_OK;
    if (st == SCRY_OK) {
        const scry_status bound = noise_of_outer(outer, s, coils, found ? &why : err);
        if (bound != SCRY_OK && !found) st = bound;
        if (found) *from = "frequencies along the readouts that no signal has";
        if (bound == SCRY_OK && (!found || trace_of(outer, coils) < trace_of(psi, coils))) {
            memcpy(psi, outer, coils * coils * sizeof *psi);
            *from = "the outermost samples";
        }
    }
    scry_free(outer);
    return st;
}
