#include "lib/stats/noise_impl.h"

#include "lib/memory.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

/* The kernel by which a treatment blurs the signal. */

enum { GRID = 64, RADIUS_MAX = 15 };
static const double median_blur = .12; /* sd of a Gaussian, over the size of the median */

static bool noise_kernel_named(const scry_noise_treatment *t, const char *name)
{
    return !strcmp(t->name, name);
}

static bool noise_kernel_interpolates(const scry_noise_treatment *t)
{
    return noise_kernel_named(t, "linear") || noise_kernel_named(t, "cubic");
}

/* Transform at f along one axis, of treatments that are separable. */
static double axis_transfer(const scry_noise_treatment *t, double f)
{
    const double n = t->size, w = 2 * pi * f;
    if (noise_kernel_named(t, "gaussian") || noise_kernel_named(t, "median")) {
        const double sd = noise_kernel_named(t, "median") ? median_blur * n : n;
        return exp(-w * w * sd * sd / 2);
    }
    if (noise_kernel_interpolates(
            t)) { /* a shift by n < 1, without its phase: delta and its neighbours */
        const double curve = n * (1 - n) * (noise_kernel_named(t, "cubic") ? .5 : 1);
        return 1 - curve + curve * cos(w);
    }
    const double d = n * sin(pi * f); /* box, copies */
    return fabs(f) < 1e-9 ? 1 : sin(pi * n * f) / d;
}

static double treatment_transfer(const scry_noise_treatment *t, double fy, double fx)
{
    if (noise_kernel_interpolates(t) && t->size >= 1) {
        const double a = t->size, c = cos(t->angle * pi / 180), d = sin(t->angle * pi / 180);
        return scryi_noise_interpolation(noise_kernel_named(t, "cubic"), a * (c * fx + d * fy)) *
               scryi_noise_interpolation(noise_kernel_named(t, "cubic"), a * (c * fy - d * fx));
    }
    return (!strcmp(t->axes, "x") ? 1 : axis_transfer(t, fy)) *
           (!strcmp(t->axes, "y") ? 1 : axis_transfer(t, fx));
}

static size_t treatment_radius(const scry_noise_treatment *t)
{
    double r = 2 * t->size + 2;
    if (noise_kernel_named(t, "box") || noise_kernel_named(t, "copied")) r = t->size / 2;
    if (noise_kernel_named(t, "gaussian")) r = 4 * t->size;
    if (noise_kernel_interpolates(t) && t->size < 1) r = 1;
    return r > RADIUS_MAX ? RADIUS_MAX : (size_t)ceil(r);
}

/* The kernel's entry at (y, x): inverse transform on a grid of GRID x GRID. */
static double kernel_entry(const double *transfer, int y, int x)
{
    double sum = 0;
    for (int i = 0; i < GRID; i++)
        for (int j = 0; j < GRID; j++)
            sum += transfer[i * GRID + j] * cos(2 * pi * (i * y + j * x) / GRID);
    return sum / (GRID * GRID);
}

scry_status scry_noise_treatment_kernel(float **kernel, size_t *side, const scry_noise_treatment *t,
                                        scry_error *err)
{
    double *transfer = NULL, sum = 0;
    *kernel = NULL;
    *side = 0;
    if (!t->name || noise_kernel_named(t, "none") || noise_kernel_named(t, "unknown") ||
        noise_kernel_named(t, "interlaced"))
        return SCRY_OK;
    const int r = (int)treatment_radius(t), n = 2 * r + 1;
    transfer = scry_alloc(GRID * GRID, sizeof *transfer);
    *kernel = scry_alloc((size_t)(n * n), sizeof **kernel);
    if (!transfer || !*kernel) {
        scry_free(transfer);
        scry_free(*kernel);
        *kernel = NULL;
        return SCRY_FAIL(err, SCRY_ENOMEM, "kernel of %d x %d", n, n);
    }
    for (int i = 0; i < GRID; i++)
        for (int j = 0; j < GRID; j++)
            transfer[i * GRID + j] = treatment_transfer(t, (i < GRID / 2 ? i : i - GRID) / 64.,
                                                        (j < GRID / 2 ? j : j - GRID) / 64.);
    for (int y = -r; y <= r; y++)
        for (int x = -r; x <= r; x++) {
            const double v = kernel_entry(transfer, y, x);
            (*kernel)[(y + r) * n + x + r] = (float)v;
            sum += v;
        }
    for (int i = 0; i < n * n; i++)
        (*kernel)[i] = (float)((*kernel)[i] / sum);
    *side = (size_t)n;
    scry_free(transfer);
    return SCRY_OK;
}
