#include "operators/nufft_impl.h"

#include "lib/memory.h"
#include "lib/vector_complex.h"
#include "operators/nufft_loops_impl.h"

#include <string.h>

enum { ROWS = SCRYI_ROWS, MARGIN = SCRYI_MARGIN };

static size_t finer_span(size_t n) /* a line with its margins, whole blocks of lines too */
{
    return (n + ROWS - 1) / ROWS * ROWS + 2 * MARGIN;
}

void scryi_finer_clear(scryi_finer *F)
{
    scry_fft_many_free(F->fft_x);
    scry_fft_many_free(F->fft_y);
    scry_free(F->wy);
    scry_free(F->wx);
    *F = (scryi_finer){0};
}

/* Lines are an odd number of cache lines apart, or pieces of all lines would fall into the same
 * sets of the cache. */
scry_status scryi_finer_create(scryi_finer *F, const size_t image[2], const size_t origin[2],
                               const size_t size[2], scry_error *err)
{
    *F = (scryi_finer){.ny = image[0],
                       .nx = image[1],
                       .cy = origin[0],
                       .cx = origin[1],
                       .gy = size[0],
                       .gx = size[1],
                       .pitch = finer_span(size[0])};
    F->pitch += F->pitch % 16 ? 0 : 8;
    F->wy = scry_alloc(F->ny, sizeof *F->wy);
    F->wx = scry_alloc(F->nx, sizeof *F->wx);
    if (!F->wy || !F->wx) return SCRY_FAIL(err, SCRY_ENOMEM, "a grid of %zu x %zu", F->gy, F->gx);
    for (size_t y = 0; y < F->ny; y++)
        F->wy[y] = 1;
    for (size_t x = 0; x < F->nx; x++)
        F->wx[x] = 1;
    scry_status st = scry_fft_many_create(&F->fft_x, F->gx, ROWS, F->gx, err);
    return st == SCRY_OK ? scry_fft_many_create(&F->fft_y, F->gy, ROWS, F->pitch, err) : st;
}

size_t scryi_finer_entries(const scryi_finer *F)
{
    return finer_span(F->gx) * F->pitch;
}

size_t scryi_finer_lines(const scryi_finer *F)
{
    return 2 * ROWS * (F->gx > F->pitch ? F->gx : F->pitch);
}

/* The columns that rows y .. y + count have in the array: two pieces where the origin lies between.
 * *first: the number of rows in the first piece. */
static size_t finer_column(const scryi_finer *F, size_t y, size_t count, size_t *first)
{
    const bool below = y < F->cy;
    *first = below && y + count > F->cy ? F->cy - y : count;
    return (below ? y + F->gy - F->cy : y - F->cy) + MARGIN;
}

void scryi_finer_load(const scryi_finer *F, float complex *array, const float complex *rows,
                      size_t y, size_t count, float complex *lines)
{
    float complex *out = lines + ROWS * F->gx, *base = array + MARGIN * F->pitch;
    if (y == 0) memset(array, 0, scryi_finer_entries(F) * sizeof *array);
    memset(lines, 0, ROWS * F->gx * sizeof *lines);
    for (size_t r = 0; r < count; r++) {
        const float complex *from = rows + r * F->nx;
        float complex *line = lines + r * F->gx, *before = line + F->gx - F->cx;
        const float w = F->wy[y + r];
        for (size_t x = 0; x < F->cx; x++)
            before[x] = w * F->wx[x] * from[x];
        for (size_t x = F->cx; x < F->nx; x++)
            line[x - F->cx] = w * F->wx[x] * from[x];
    }
    scry_fft_many_forward(F->fft_x, out, lines);
    size_t first;
    const size_t at = finer_column(F, y, count, &first);
    scry_transpose(base + at, F->pitch, out, F->gx, first, F->gx);
    if (first < count)
        scry_transpose(base + MARGIN, F->pitch, out + first * F->gx, F->gx, count - first, F->gx);
}

void scryi_finer_columns(const scryi_finer *F, float complex *array, size_t kx, bool inverse,
                         float complex *lines)
{
    float complex *at = array + (MARGIN + kx) * F->pitch + MARGIN;
    const size_t piece = ROWS * F->pitch - MARGIN;
    memcpy(lines, at, piece * sizeof *at);
    if (inverse)
        scry_fft_many_backward(F->fft_y, at, lines);
    else
        scry_fft_many_forward(F->fft_y, at, lines);
}

void scryi_finer_filter(const scryi_finer *F, float complex *array, size_t kx, const float *weights,
                        float complex *lines)
{
    float complex *at = array + (MARGIN + kx) * F->pitch + MARGIN;
    scry_fft_many_forward(F->fft_y, lines, at);
    for (size_t r = 0; r < ROWS; r++)
        SCRYI_BEST(scryi_nufft_loops)
            ->weigh((float *)(lines + r * F->pitch), weights + r * 2 * F->gy, F->gy);
    scry_fft_many_backward(F->fft_y, at, lines);
}

void scryi_finer_store(const scryi_finer *F, float complex *rows, const float complex *array,
                       size_t y, size_t count, float complex *lines)
{
    float complex *out = lines + ROWS * F->gx;
    const float complex *base = array + MARGIN * F->pitch;
    size_t first;
    const size_t at = finer_column(F, y, count, &first);
    if (count < ROWS) memset(lines, 0, ROWS * F->gx * sizeof *lines);
    scry_transpose(lines, F->gx, base + at, F->pitch, F->gx, first);
    if (first < count)
        scry_transpose(lines + first * F->gx, F->gx, base + MARGIN, F->pitch, F->gx, count - first);
    scry_fft_many_backward(F->fft_x, out, lines);
    for (size_t r = 0; r < count; r++) {
        float complex *to = rows + r * F->nx;
        const float complex *line = out + r * F->gx, *before = line + F->gx - F->cx;
        const float w = F->wy[y + r];
        for (size_t x = 0; x < F->cx; x++)
            to[x] = w * F->wx[x] * before[x];
        for (size_t x = F->cx; x < F->nx; x++)
            to[x] = w * F->wx[x] * line[x - F->cx];
    }
}
