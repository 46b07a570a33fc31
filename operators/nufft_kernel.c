#include "operators/nufft_impl.h"

#include "lib/memory.h"
#include "lib/numbers.h"
#include "operators/nufft_loops_impl.h"

#include <gsl/gsl_sf_bessel.h>
#include <math.h>
#include <string.h>

/* The Kaiser-Bessel kernel phi(u) = I0(beta sqrt(1 - (2 u / W)^2)) / I0(beta), |u| <= W / 2 cells,
 * and its Fourier integral W sinh(r) / (r I0(beta)), r^2 = beta^2 - (pi W t)^2, t cycles per cell.
 * beta is that of Beatty et al. 2005, eq. 5. */

enum { WIDTH = SCRYI_WIDTH, MARGIN = SCRYI_MARGIN, TILE = 16 /* cells that share a cache */ };

static double kernel_beta(size_t n, size_t g)
{
    const double finer = (double)g / (double)n, w = WIDTH / finer;
    return SCRY_PI * sqrt(w * w * (finer - .5) * (finer - .5) - .8);
}

/* Times I0(beta). */
static double kernel_value(double beta, double u)
{
    const double inside = 1 - 4 * u * u / (WIDTH * WIDTH);
    if (inside <= 0) return 0;
    const double r = beta * sqrt(inside);
    return gsl_sf_bessel_I0_scaled(r) * exp(r - beta);
}

/* Values at 0, 1/STEPS, ... cells, to be interpolated: the error is that of a float. */
enum { STEPS = 1024, ENTRIES = STEPS * WIDTH / 2 + 2 };

static double *kernel_table(double beta)
{
    double *table = scry_alloc(ENTRIES, sizeof *table);
    const double top = kernel_value(beta, 0);
    for (size_t i = 0; table && i < ENTRIES; i++)
        table[i] = kernel_value(beta, (double)i / STEPS) / top;
    return table;
}

static double kernel_transform(double beta, double t)
{
    const double r = sqrt(beta * beta - pow(SCRY_PI * WIDTH * t, 2));
    const double sinh_scaled = .5 * (exp(r - beta) - exp(-r - beta));
    return WIDTH * sinh_scaled / (r * gsl_sf_bessel_I0_scaled(beta));
}

double scryi_kernel_integral(const scryi_finer *F)
{
    return kernel_transform(kernel_beta(F->ny, F->gy), 0) *
           kernel_transform(kernel_beta(F->nx, F->gx), 0);
}

static void kernel_undo(float *weights, size_t n, size_t origin, size_t g)
{
    const double beta = kernel_beta(n, g);
    for (size_t i = 0; i < n; i++) {
        const double t = ((double)i - (double)origin) / (double)g;
        weights[i] = (float)(1 / (kernel_transform(beta, t) * sqrt((double)n)));
    }
}

/* The first cell that the kernel of k covers, counted with the margin, and the values from there.
 */
static size_t kernel_place(const double *table, double k, size_t g, float *values)
{
    const double at = (k - floor(k)) * (double)g, first = ceil(at - WIDTH / 2);
    for (int i = 0; i < WIDTH; i++) {
        const double u = fabs(at - first - i) * STEPS, below = floor(u);
        const double *entry = table + (size_t)below;
        values[i] = (float)(entry[0] + (u - below) * (entry[1] - entry[0]));
    }
    return (size_t)(first + MARGIN);
}

/* Numbers of the samples by tile of k-space: a counting sort. */
static scry_status scattered_sort(scryi_scattered *S, const scryi_finer *F, const float *trajectory,
                                  scry_error *err)
{
    const size_t ty = F->gy / TILE + 1, tx = F->gx / TILE + 1, tiles = ty * tx;
    size_t *begin = scry_alloc(tiles + 1, sizeof *begin);
    uint32_t *tile = scry_alloc(S->count, sizeof *tile);
    if (!begin || !tile) {
        scry_free(begin);
        scry_free(tile);
        return SCRY_FAIL(err, SCRY_ENOMEM, "order of %zu samples", S->count);
    }
    for (size_t s = 0; s < S->count; s++) {
        const double ky = trajectory[2 * s], kx = trajectory[2 * s + 1];
        const size_t y = (size_t)((ky - floor(ky)) * (double)F->gy) / TILE;
        const size_t x = (size_t)((kx - floor(kx)) * (double)F->gx) / TILE;
        tile[s] = (uint32_t)(x * ty + y);
        begin[tile[s] + 1]++;
    }
    for (size_t t = 0; t < tiles; t++)
        begin[t + 1] += begin[t];
    for (size_t s = 0; s < S->count; s++)
        S->order[begin[tile[s]]++] = (uint32_t)s;
    scry_free(begin);
    scry_free(tile);
    return SCRY_OK;
}

void scryi_scattered_clear(scryi_scattered *S)
{
    scry_free(S->order);
    scry_free(S->corner);
    scry_free(S->kernel);
    *S = (scryi_scattered){0};
}

scry_status scryi_scattered_create(scryi_scattered *S, scryi_finer *F, const float *trajectory,
                                   size_t samples, scry_error *err)
{
    *S = (scryi_scattered){.count = samples};
    for (size_t i = 0; i < 2 * samples; i++)
        if (!isfinite(trajectory[i]))
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "%s of sample %zu of the trajectory is %g, expected "
                             "a finite number of cycles per pixel",
                             i % 2 ? "kx" : "ky", i / 2, (double)trajectory[i]);
    double *along_y = kernel_table(kernel_beta(F->ny, F->gy));
    double *along_x = kernel_table(kernel_beta(F->nx, F->gx));
    S->order = scry_alloc(samples, sizeof *S->order);
    S->corner = scry_alloc(samples, sizeof *S->corner);
    S->kernel = scry_alloc(samples, 2 * WIDTH * sizeof *S->kernel);
    scry_status st = SCRY_OK;
    if (!along_y || !along_x || !S->order || !S->corner || !S->kernel)
        st = SCRY_FAIL(err, SCRY_ENOMEM, "index of %zu samples", samples);
    if (st == SCRY_OK) st = scattered_sort(S, F, trajectory, err);
    for (size_t i = 0; i < samples && st == SCRY_OK; i++) {
        const float *k = trajectory + 2 * (size_t)S->order[i];
        float *kernel = S->kernel + 2 * WIDTH * i;
        const size_t x = kernel_place(along_x, k[1], F->gx, kernel);
        const size_t y = kernel_place(along_y, k[0], F->gy, kernel + WIDTH);
        S->corner[i] = (uint32_t)(x * F->pitch + y);
    }
    kernel_undo(F->wy, F->ny, F->cy, F->gy);
    kernel_undo(F->wx, F->nx, F->cx, F->gx);
    scry_free(along_y);
    scry_free(along_x);
    return st;
}

/* The cell inside that has the frequency of cell i, which may lie in the margin. */
static size_t margin_inside(size_t i, size_t g)
{
    return (i + g - MARGIN % g) % g + MARGIN;
}

/* Margins become copies of the cells inside, along y and then along x. */
static void margins_fill(const scryi_finer *F, float complex *array)
{
    const size_t lines = F->gx + 2 * MARGIN;
    for (size_t l = MARGIN; l < MARGIN + F->gx; l++) {
        float complex *line = array + l * F->pitch;
        for (size_t i = 0; i < MARGIN; i++) {
            line[i] = line[margin_inside(i, F->gy)];
            line[MARGIN + F->gy + i] = line[margin_inside(MARGIN + F->gy + i, F->gy)];
        }
    }
    for (size_t l = 0; l < lines; l++) {
        if (l == MARGIN) l += F->gx;
        memcpy(array + l * F->pitch, array + margin_inside(l, F->gx) * F->pitch,
               (F->gy + 2 * MARGIN) * sizeof *array);
    }
}

/* The adjoint: cells inside receive the sums of the margins, along x and then along y. */
static void margins_fold(const scryi_finer *F, float complex *array)
{
    const size_t lines = F->gx + 2 * MARGIN;
    for (size_t l = 0; l < lines; l++) {
        if (l == MARGIN) l += F->gx;
        float complex *to = array + margin_inside(l, F->gx) * F->pitch;
        const float complex *from = array + l * F->pitch;
        for (size_t i = 0; i < F->gy + 2 * MARGIN; i++)
            to[i] += from[i];
    }
    for (size_t l = MARGIN; l < MARGIN + F->gx; l++) {
        float complex *line = array + l * F->pitch;
        for (size_t i = 0; i < MARGIN; i++) {
            line[margin_inside(i, F->gy)] += line[i];
            line[margin_inside(MARGIN + F->gy + i, F->gy)] += line[MARGIN + F->gy + i];
        }
    }
}

void scryi_scattered_gather(const scryi_scattered *S, const scryi_finer *F, float complex *y,
                            float complex *array)
{
    const struct scryi_nufft_loops *loops = SCRYI_BEST(scryi_nufft_loops);
    margins_fill(F, array);
    for (size_t i = 0; i < S->count; i++)
        loops->gather((float *)(y + S->order[i]), (const float *)(array + S->corner[i]), F->pitch,
                      S->kernel + 2 * WIDTH * i);
}

void scryi_scattered_spread(const scryi_scattered *S, const scryi_finer *F, float complex *array,
                            const float complex *y)
{
    const struct scryi_nufft_loops *loops = SCRYI_BEST(scryi_nufft_loops);
    memset(array, 0, scryi_finer_entries(F) * sizeof *array);
    for (size_t i = 0; i < S->count; i++)
        loops->spread((float *)(array + S->corner[i]), F->pitch, S->kernel + 2 * WIDTH * i,
                      (const float *)(y + S->order[i]));
    margins_fold(F, array);
}
