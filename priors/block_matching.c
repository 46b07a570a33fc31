#include "priors/block_matching.h"

#include "lib/memory.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Eight pixels side by side, in registers. */
typedef float row __attribute__((vector_size(32), aligned(4)));

enum { SIDE = 8, BLOCK = SIDE * SIDE, STACK = 32, REACH = 19, STEP = 3, SIDE_MIN = 2 * SIDE };

#define KEEP 2.7  /* in sd of the noise: smaller coefficients of a stack are dropped */
#define KAISER 2. /* of the window that blocks are added with */

typedef struct blocks {
    size_t ny, nx, rows, columns; /* of the image; positions of blocks */
    float *noisy, *guide; /* coefficients of the block at each position: of the image, and of the
                             first estimate */
    const float *match;   /* those that are compared */
    float *sum, *weight;  /* pixels */
    float cosine[SIDE][SIDE], transposed[SIDE][SIDE], window[BLOCK];
    float sigma;
} blocks;

static double blocks_bessel(double x)
{
    double term = 1, sum = 1;
    for (int k = 1; k < 20; k++) {
        term *= x / (2 * k) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

static void blocks_tables(blocks *b)
{
    for (size_t k = 0; k < SIDE; k++)
        for (size_t i = 0; i < SIDE; i++)
            b->transposed[i][k] = b->cosine[k][i] =
                (float)((k ? .5 : sqrt(.125)) *
                        cos(acos(-1) * ((double)i + .5) * (double)k / (double)SIDE));
    for (size_t i = 0; i < BLOCK; i++) {
        double w = 1;
        for (size_t a = 0; a < 2; a++) {
            const double r = 2 * (double)(a ? i / SIDE : i % SIDE) / (SIDE - 1) - 1;
            w *= blocks_bessel(KAISER * sqrt(fmax(0, 1 - r * r))) / blocks_bessel(KAISER);
        }
        b->window[i] = (float)w;
    }
}

/* out = T in T^t, or back with the transpose of T. */
static void blocks_transform(const blocks *b, float *out, const float *in, size_t step, bool back)
{
    const float(*left)[SIDE] = back ? b->transposed : b->cosine;
    const float(*right)[SIDE] = back ? b->cosine : b->transposed;
    for (size_t k = 0; k < SIDE; k++) {
        row half = {0}, sum = {0};
        for (size_t i = 0; i < SIDE; i++)
            half += left[k][i] * *(const row *)(in + i * step);
        for (size_t j = 0; j < SIDE; j++)
            sum += half[j] * *(const row *)right[j];
        *(row *)(out + k * SIDE) = sum;
    }
}

static void blocks_analyse(const blocks *b, float *to, const float *image)
{
    for (size_t p = 0; p < b->rows * b->columns; p++)
        blocks_transform(b, to + p * BLOCK, image + p / b->columns * b->nx + p % b->columns, b->nx,
                         false);
}

/* The squared distance of two blocks, or a part of it that is not below limit. */
static float blocks_distance(const float *a, const float *c, float limit)
{
    const row *p = (const row *)a, *q = (const row *)c;
    row sum = {0};
    float d = 0;
    for (size_t half = 0; half < SIDE && d < limit; half += SIDE / 2) {
        for (size_t k = half; k < half + SIDE / 2; k++)
            sum += (p[k] - q[k]) * (p[k] - q[k]);
        d = 0;
        for (size_t i = 0; i < SIDE; i++)
            d += sum[i];
    }
    return d;
}

/* The STACK blocks around (y, x) that are most like it, the block itself first. Returns how many
 * there are, a power of two. */
static size_t blocks_find(const blocks *b, size_t *found, size_t y, size_t x)
{
    float distance[STACK];
    size_t count = 0;
    const size_t here = y * b->columns + x;
    const size_t y0 = y > REACH ? y - REACH : 0, x0 = x > REACH ? x - REACH : 0;
    for (size_t i = y0; i < b->rows && i <= y + REACH; i++)
        for (size_t j = x0; j < b->columns && j <= x + REACH; j++) {
            const size_t p = i * b->columns + j;
            const float limit = count < STACK ? HUGE_VALF : distance[STACK - 1];
            const float d =
                p == here ? -1
                          : blocks_distance(b->match + p * BLOCK, b->match + here * BLOCK, limit);
            if (d >= limit) continue;
            size_t k = count < STACK ? count++ : STACK - 1;
            for (; k && distance[k - 1] > d; k--) {
                distance[k] = distance[k - 1];
                found[k] = found[k - 1];
            }
            distance[k] = d;
            found[k] = p;
        }
    while (count & (count - 1))
        count &= count - 1;
    return count;
}

/* Haar's transform along the stack, in place; back: its inverse. */
static void blocks_haar(float stack[STACK][BLOCK], size_t count, bool back)
{
    float copy[STACK][BLOCK];
    const float r = sqrtf(.5f);
    for (size_t n = back ? 2 : count; back ? n <= count : n > 1; n = back ? 2 * n : n / 2) {
        memcpy(copy, stack, n * sizeof *copy);
        for (size_t k = 0; k < n / 2; k++)
            for (size_t i = 0; i < BLOCK; i++) {
                const size_t a = back ? k : 2 * k, c = back ? k + n / 2 : 2 * k + 1;
                const float sum = r * (copy[a][i] + copy[c][i]),
                            dif = r * (copy[a][i] - copy[c][i]);
                stack[back ? 2 * k : k][i] = sum;
                stack[back ? 2 * k + 1 : k + n / 2][i] = dif;
            }
    }
}

/* Filters a stack; returns its weight in the average. guide NULL: by thresholds. */
static float blocks_filter(const blocks *b, float stack[STACK][BLOCK], float guide[STACK][BLOCK],
                           size_t count)
{
    const float variance = b->sigma * b->sigma, limit = (float)KEEP * b->sigma;
    float kept = 0;
    blocks_haar(stack, count, false);
    if (guide) blocks_haar(guide, count, false);
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < BLOCK; i++) {
            const float g = guide ? guide[k][i] * guide[k][i] : 0;
            const float w = guide ? g / (g + variance) : fabsf(stack[k][i]) > limit;
            stack[k][i] *= w;
            kept += w * w;
        }
    blocks_haar(stack, count, true);
    return 1 / (variance * fmaxf(kept, 1));
}

static void blocks_collect(blocks *b, size_t y, size_t x, bool guided)
{
    size_t found[STACK];
    float stack[STACK][BLOCK], guide[STACK][BLOCK], pixels[BLOCK];
    const size_t count = blocks_find(b, found, y, x);
    for (size_t k = 0; k < count; k++) {
        memcpy(stack[k], b->noisy + found[k] * BLOCK, sizeof stack[k]);
        if (guided) memcpy(guide[k], b->guide + found[k] * BLOCK, sizeof guide[k]);
    }
    const float weight = blocks_filter(b, stack, guided ? guide : NULL, count);
    for (size_t k = 0; k < count; k++) {
        const size_t top = found[k] / b->columns, left = found[k] % b->columns;
        blocks_transform(b, pixels, stack[k], SIDE, true);
        for (size_t i = 0; i < BLOCK; i++) {
            const size_t at = (top + i / SIDE) * b->nx + left + i % SIDE;
            b->sum[at] += weight * b->window[i] * pixels[i];
            b->weight[at] += weight * b->window[i];
        }
    }
}

/* One pass over the image: every STEP-th block and those at the ends. */
static void blocks_pass(blocks *b, float *out, bool guided)
{
    const size_t n = b->ny * b->nx;
    memset(b->sum, 0, n * sizeof *b->sum);
    memset(b->weight, 0, n * sizeof *b->weight);
    for (size_t i = 0; i < b->rows + STEP - 1; i += STEP)
        for (size_t j = 0; j < b->columns + STEP - 1; j += STEP)
            blocks_collect(b, i < b->rows ? i : b->rows - 1, j < b->columns ? j : b->columns - 1,
                           guided);
    for (size_t i = 0; i < n; i++)
        out[i] = b->sum[i] / b->weight[i];
}

static void blocks_free(blocks *b)
{
    float *lists[] = {b->noisy, b->guide, b->sum, b->weight};
    for (size_t i = 0; i < 4; i++)
        scry_free(lists[i]);
}

scry_status scry_block_matching(float *out, const float *in, size_t ny, size_t nx, double sigma,
                                scry_error *err)
{
    if (!(sigma > 0 && sigma < 1e18))
        return SCRY_FAIL(err, SCRY_EINVAL, "noise of sd %g, expected > 0", sigma);
    if (ny < SIDE_MIN || nx < SIDE_MIN)
        return SCRY_FAIL(err, SCRY_ESHAPE, "image of %zu x %zu pixels, expected at least %d x %d",
                         ny, nx, SIDE_MIN, SIDE_MIN);
    blocks b = {
        .ny = ny, .nx = nx, .rows = ny - SIDE + 1, .columns = nx - SIDE + 1, .sigma = (float)sigma};
    const size_t all = b.rows * b.columns * BLOCK;
    b.noisy = scry_alloc(all, sizeof *b.noisy);
    b.guide = scry_alloc(all, sizeof *b.guide);
    b.sum = scry_alloc(ny * nx, sizeof *b.sum);
    b.weight = scry_alloc(ny * nx, sizeof *b.weight);
    if (!b.noisy || !b.guide || !b.sum || !b.weight) {
        blocks_free(&b);
        return SCRY_FAIL(err, SCRY_ENOMEM, "blocks of %zu x %zu pixels", ny, nx);
    }
    blocks_tables(&b);
    blocks_analyse(&b, b.noisy, in);
    b.match = b.noisy;
    blocks_pass(&b, out, false);
    blocks_analyse(&b, b.guide, out);
    b.match = b.guide;
    blocks_pass(&b, out, true);
    blocks_free(&b);
    return SCRY_OK;
}
