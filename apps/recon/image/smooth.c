#include "apps/recon/image/smooth_impl.h"

#include <math.h>
#include <string.h>

enum { REACH_MAX = 64 };

/* Of a kernel, in sd: 0.05 % of a Gaussian lie beyond. */
static const double REACH = 3.5;

/* Half of a Gaussian's samples, centre first; how many besides the centre. */
static size_t make_kernel(float *kernel, double width)
{
    const size_t reach = (size_t)fmin(ceil(REACH * width), REACH_MAX);
    for (size_t k = 0; k <= reach; k++)
        kernel[k] = (float)exp(-(double)(k * k) / (2 * width * width));
    return reach;
}

/* One over the sum of the samples that lie inside a line of n, around entry i. */
static float inverse_weight(const float *kernel, size_t reach, size_t i, size_t n)
{
    double sum = (double)kernel[0];
    for (size_t k = 1; k <= reach; k++)
        sum += (double)kernel[k] * ((k <= i) + (i + k < n));
    return (float)(1 / sum);
}

static void add_line(float *restrict out, const float *restrict in, float weight, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] += weight * in[i];
}

static void smooth_row(float *out, const float *in, size_t n, const float *kernel, size_t reach)
{
    const float inside = inverse_weight(kernel, reach, reach, 2 * reach + 1);
    memset(out, 0, n * sizeof *out);
    add_line(out, in, kernel[0], n);
    for (size_t k = 1; k <= reach && k < n; k++) {
        add_line(out, in + k, kernel[k], n - k);
        add_line(out + k, in, kernel[k], n - k);
    }
    for (size_t i = 0; i < n; i++)
        out[i] *= i >= reach && i + reach < n ? inside : inverse_weight(kernel, reach, i, n);
}

/* Row y of a plane smoothed along its columns. */
static void smooth_columns(float *out, const float *plane, size_t y, size_t ny, size_t nx,
                           const float *kernel, size_t reach)
{
    const float scale = inverse_weight(kernel, reach, y, ny);
    memset(out, 0, nx * sizeof *out);
    add_line(out, plane + y * nx, scale * kernel[0], nx);
    for (size_t k = 1; k <= reach; k++) {
        if (k <= y) add_line(out, plane + (y - k) * nx, scale * kernel[k], nx);
        if (y + k < ny) add_line(out, plane + (y + k) * nx, scale * kernel[k], nx);
    }
}

void scryi_image_smooth(float *out, const float *in, size_t planes, size_t ny, size_t nx,
                        double width, float *scratch)
{
    float kernel[REACH_MAX + 1];
    const size_t reach = make_kernel(kernel, width);
    for (size_t z = 0; z < planes; z++) {
        const float *from = in + z * ny * nx;
        float *to = out + z * ny * nx;
#pragma omp parallel for schedule(static)
        for (size_t y = 0; y < ny; y++)
            smooth_row(scratch + y * nx, from + y * nx, nx, kernel, reach);
#pragma omp parallel for schedule(static)
        for (size_t y = 0; y < ny; y++)
            smooth_columns(to + y * nx, scratch, y, ny, nx, kernel, reach);
    }
}
