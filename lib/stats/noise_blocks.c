#include "lib/memory.h"
#include "lib/cancel.h"
#include "lib/stats/noise_impl.h"
#include "lib/vector.h"

#include <math.h>
#include <string.h>

/* Traces of JPEG: on the grid of its 8 x 8 blocks the cosine transform of an image has many more
 * coefficients that are 0, up to rounding, than on the 63 other grids. */

static const double pi = 3.14159265358979323846;

enum { SIDE = 8, CELLS = SIDE * SIDE, OFFSETS = CELLS, SCOUT_BLOCKS = 384, MAX_BLOCKS = 2048 };

static void cosine_table(double t[SIDE][SIDE])
{
    for (int u = 0; u < SIDE; u++)
        for (int i = 0; i < SIDE; i++)
            t[u][i] = (u ? .5 : sqrt(.125)) * cos((2 * i + 1) * u * pi / 16);
}

/* Orthonormal cosine transform of the block at p. */
static void transform_block(double C[SIDE][SIDE], const float *p, size_t nx, double t[SIDE][SIDE])
{
    double half[SIDE][SIDE];
    for (int i = 0; i < SIDE; i++)
        for (int u = 0; u < SIDE; u++) {
            half[i][u] = 0;
            for (int j = 0; j < SIDE; j++)
                half[i][u] += t[u][j] * p[(size_t)i * nx + (size_t)j];
        }
    for (int v = 0; v < SIDE; v++)
        for (int u = 0; u < SIDE; u++) {
            C[v][u] = 0;
            for (int i = 0; i < SIDE; i++)
                C[v][u] += t[v][i] * half[i][u];
        }
}

struct block_grid {
    const float *image;
    const unsigned char *state;
    size_t planes, ny, nx, oy, ox;
};

static size_t grid_blocks(const struct block_grid *g)
{
    return g->planes * ((g->ny - g->oy) / SIDE) * ((g->nx - g->ox) / SIDE);
}

/* The corner of block k; false when a pixel of it is bad. */
static bool grid_block(const struct block_grid *g, size_t k, size_t *corner)
{
    const size_t across = (g->nx - g->ox) / SIDE, down = (g->ny - g->oy) / SIDE;
    const size_t p = k / (across * down), r = k % (across * down);
    *corner = (p * g->ny + g->oy + r / across * SIDE) * g->nx + g->ox + r % across * SIDE;
    for (size_t i = 0; i < CELLS; i++)
        if (g->state[*corner + i / SIDE * g->nx + i % SIDE] == SCRYI_PIXEL_BAD) return false;
    return true;
}

/* Share of coefficients of high frequency that are 0 up to rounding. */
static double share_of_zeros(const struct block_grid *g, double step, double t[SIDE][SIDE])
{
    const size_t total = grid_blocks(g), every = total / SCOUT_BLOCKS + 1;
    size_t zeros = 0, n = 0, corner;
    double C[SIDE][SIDE];
    for (size_t k = 0; k < total; k += every) {
        if (!grid_block(g, k, &corner)) continue;
        transform_block(C, g->image + corner, g->nx, t);
        for (int v = 1; v < SIDE; v++)
            for (int u = 1; u < SIDE; u++)
                if (u + v >= 8 && u + v <= 12) {
                    zeros += fabs(C[v][u]) < step;
                    n++;
                }
    }
    return n ? (double)zeros / (double)n : 0;
}

/* The grid that stands out, in g; false when none does. */
static bool find_grid(struct block_grid *g, double step, double t[SIDE][SIDE])
{
    float share[OFFSETS], scratch[OFFSETS];
    size_t best = 0;
    double mean = 0, square = 0;
    for (size_t k = 0; k < OFFSETS; k++) {
        if (scry_cancelled()) return false;
        g->oy = k / SIDE;
        g->ox = k % SIDE;
        share[k] = (float)share_of_zeros(g, step, t);
        if (share[k] > share[best]) best = k;
        mean += share[k] / OFFSETS;
    }
    const double top = share[best];
    const double second = scry_quantile(share, OFFSETS, (OFFSETS - 2.) / (OFFSETS - 1.), scratch);
    mean = (mean * OFFSETS - top) / (OFFSETS - 1);
    for (size_t k = 0; k < OFFSETS; k++)
        if (k != best) square += pow(share[k] - mean, 2) / (OFFSETS - 2);
    g->oy = best / SIDE;
    g->ox = best % SIDE;
    const bool fewer = 1 - top<.6 * (1 - second), more = top> 1.8 * second && top > .06;
    return top - mean > 3 * sqrt(square) && (fewer || more);
}

/* z with P(|N(0, 1)| > z) = p */
static double two_sided(double p)
{
    double low = 0, high = 8;
    for (int k = 0; k < 40; k++) {
        const double z = (low + high) / 2;
        if (erfc(z / sqrt(2)) > p)
            low = z;
        else
            high = z;
    }
    return low;
}

/* Noise of sd s before compression leaves a coefficient that is quantised by q different from 0
 * with the probability of |N| > q / (2 s). q is read from the values that are
 * not 0.
 * Signal only adds, so the fifth of the coefficients with the smallest s is used. *rounding: that
 * of the coefficients in the passband is noise as well, at every brightness: q^2 / 12. */
static double blocks_variance(double *rounding, const struct block_grid *g, double step,
                              double t[SIDE][SIDE], float *values)
{
    const size_t total = grid_blocks(g), every = total / MAX_BLOCKS + 1;
    size_t n = 0, corner, cells = 0, low = 0;
    float before[CELLS];
    *rounding = 0;
    for (size_t k = 0; k < total && n < MAX_BLOCKS; k += every) {
        double C[SIDE][SIDE];
        if (!grid_block(g, k, &corner)) continue;
        transform_block(C, g->image + corner, g->nx, t);
        for (size_t c = 0; c < CELLS; c++)
            values[c * MAX_BLOCKS + n] = (float)fabs(C[c / SIDE][c % SIDE]);
        n++;
    }
    for (size_t c = 1; c < CELLS; c++) {
        float *v = values + c * MAX_BLOCKS;
        size_t nonzero = 0;
        for (size_t i = 0; i < n; i++)
            if (v[i] > 1.2 * step) v[nonzero++] = v[i];
        const double radius = hypot((double)(c / SIDE), (double)(c % SIDE));
        if (nonzero < 4) continue;
        const double share = (double)nonzero / (double)n; /* when few, nearly all are +-q */
        const double q = scry_quantile(v, nonzero, share < .3 ? .5 : .1, v);
        if (radius >= 5) before[cells++] = (float)(q / (2 * two_sided(fmin(share, .9))));
        if (radius <= 3) {
            *rounding += q * q / 12;
            low++;
        }
    }
    const double sd = cells ? scry_quantile(before, cells, .2, before) : 0;
    if (low) *rounding /= (double)low;
    return sd * sd + *rounding;
}

scry_status scryi_noise_blocks_find(bool *found, double *variance, double *rounding,
                                    const float *image, const struct scryi_noise_mask *m,
                                    scry_error *err)
{
    struct block_grid g = {image, m->state, m->planes, m->ny, m->nx, 0, 0};
    double t[SIDE][SIDE];
    *found = false;
    *variance = *rounding = 0;
    if (m->step <= 0 || m->ny < 4 * SIDE || m->nx < 4 * SIDE) return SCRY_OK;
    cosine_table(t);
    if (!find_grid(&g, m->step, t)) return scry_cancel_check(err);
    float *values = scry_alloc(CELLS * MAX_BLOCKS, sizeof *values);
    if (!values) return SCRY_FAIL(err, SCRY_ENOMEM, "coefficients of %d blocks", MAX_BLOCKS);
    *found = true;
    *variance = blocks_variance(rounding, &g, m->step, t, values);
    scry_free(values);
    return SCRY_OK;
}
