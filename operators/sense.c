#include "operators/fourier_impl.h"

#include "lib/memory.h"
#include "lib/parallel.h"
#include "lib/vector.h"
#include "lib/vector_complex.h"

#include <omp.h>
#include <string.h>

/* Pruessmann et al. 1999, MRM 42:952; 2001, MRM 46:638. By the formulae of fourier_impl.h. */

enum { LINES = SCRYI_LINES };

/* One thread's share of the work block, in the first two levels of cache but for the panel. */
struct bench {
    float complex *x, *sum;          /* a block of the image, one a set */
    float complex *image, *spectrum; /* a block of one coil; spectrum: or of the panel */
    float complex *panel;
};

static size_t sense_padded(size_t lines)
{
    return (lines + LINES - 1) / LINES * LINES;
}

static size_t block_entries(const scryi_fourier *A)
{
    return LINES * A->na;
}

static size_t image_entries(const scryi_fourier *A) /* all blocks of all sets */
{
    return A->blocks * A->sets * block_entries(A);
}

static size_t piece_entries(const scryi_fourier *A) /* a block, of the image or of the panel */
{
    return LINES * (A->na > A->pitch ? A->na : A->pitch);
}

static size_t bench_entries(const scryi_fourier *A)
{
    return 2 * A->sets * block_entries(A) + 2 * piece_entries(A) +
           sense_padded(A->lines) * A->pitch;
}

void scryi_fourier_size_work(scryi_fourier *A)
{
    const size_t images = 1 + A->groups; /* the image in blocks, and a sum for each group */
    A->base.work_bytes =
        (images * image_entries(A) + (size_t)A->threads * bench_entries(A)) * sizeof(float complex);
}

/* Of the thread that asks. Without a team of its own the caller's, whatever number it has in a team
 * outside of here, has the first. */
static struct bench bench_of(const scryi_fourier *A, int threads, void *work)
{
    const size_t slot = threads > 1 ? (size_t)omp_get_thread_num() : 0;
    struct bench b;
    b.x = (float complex *)work + (1 + A->groups) * image_entries(A) + slot * bench_entries(A);
    b.sum = b.x + A->sets * block_entries(A);
    b.image = b.sum + A->sets * block_entries(A);
    b.spectrum = b.image + piece_entries(A);
    b.panel = b.spectrum + piece_entries(A);
    return b;
}

/* The scratch was sized for the threads there were at creation. */
static int sense_team(const scryi_fourier *A)
{
    if (A->threads == 1) return 1;
    const int now = omp_get_max_threads();
    return now < A->threads ? now : A->threads;
}

static const float complex *map_of(const scryi_fourier *A, size_t block, size_t coil)
{
    return A->maps + (block * A->coils + coil) * A->sets * block_entries(A);
}

static size_t width_of(const scryi_fourier *A, size_t block)
{
    const size_t left = A->nb - block * LINES;
    return left < LINES ? left : LINES;
}

static void load_block(const scryi_fourier *A, float complex *block, const float complex *x,
                       size_t k)
{
    const size_t width = width_of(A, k), n = A->ny * A->nx, first = k * LINES;
    if (width < LINES) memset(block, 0, A->sets * block_entries(A) * sizeof *block);
    for (size_t m = 0; m < A->sets; m++, x += n, block += block_entries(A)) {
        if (A->a_is_x)
            memcpy(block, x + first * A->nx, width * A->nx * sizeof *x);
        else
            scry_transpose(block, A->ny, x + first, A->nx, A->ny, width);
    }
}

static void store_block(const scryi_fourier *A, float complex *x, const float complex *block,
                        size_t k)
{
    const size_t width = width_of(A, k), n = A->ny * A->nx, first = k * LINES;
    for (size_t m = 0; m < A->sets; m++, x += n, block += block_entries(A)) {
        if (A->a_is_x)
            memcpy(x + first * A->nx, block, width * A->nx * sizeof *x);
        else
            scry_transpose(x + first, A->nx, block, A->ny, width, A->ny);
    }
}

/* The block as a coil sees it. */
static void see_block(const scryi_fourier *A, float complex *image, const float complex *x,
                      size_t k, size_t coil)
{
    const size_t n = block_entries(A);
    if (!A->maps) {
        memcpy(image, x, n * sizeof *x);
        return;
    }
    const float complex *s = map_of(A, k, coil);
    scry_complex_multiply((float *)image, (const float *)s, (const float *)x, n);
    for (size_t m = 1; m < A->sets; m++)
        scry_complex_multiply_add((float *)image, (const float *)(s + m * n),
                                  (const float *)(x + m * n), n);
}

/* Its adjoint, added to the sum. */
static void combine_block(const scryi_fourier *A, float complex *sum, const float complex *image,
                          size_t k, size_t coil)
{
    const size_t n = block_entries(A);
    if (!A->maps) {
        memcpy(sum, image, n * sizeof *sum);
        return;
    }
    const float complex *s = map_of(A, k, coil);
    for (size_t m = 0; m < A->sets; m++)
        scry_complex_multiply_conj_add((float *)(sum + m * n), (const float *)(s + m * n),
                                       (const float *)image, n);
}

/* Lines of n entries, `distance` apart, times weights that stand twice. */
static void sense_weigh(float complex *x, size_t n, size_t distance, const float *w, size_t step)
{
    for (size_t l = 0; l < LINES; l++, w += step, x += distance) {
        float *v = (float *)x;
        for (size_t i = 0; i < 2 * n; i++)
            v[i] *= w[i];
    }
}

/* The panel of one coil from the image in blocks: the transform along a. */
static void sense_spread(const scryi_fourier *A, const struct bench *b, const float complex *blocks,
                         size_t coil)
{
    const size_t step = A->sets * block_entries(A);
    for (size_t k = 0; k < A->blocks; k++) {
        const float complex *from = b->spectrum;
        see_block(A, b->image, blocks + k * step, k, coil);
        scry_fft_many_forward(A->fft_a, b->spectrum, b->image);
        if (A->lines < A->na) {
            for (size_t l = 0; l < LINES; l++)
                for (size_t i = 0; i < A->lines; i++)
                    b->image[l * A->lines + i] = from[l * A->na + A->line[i]];
            from = b->image;
        }
        scry_transpose(b->panel + k * LINES, A->pitch, from, A->lines, width_of(A, k), A->lines);
    }
}

/* The adjoint of spread; the sum over coils is added to `blocks`. */
static void sense_collect(const scryi_fourier *A, const struct bench *b, float complex *blocks,
                          size_t coil)
{
    const size_t step = A->sets * block_entries(A);
    for (size_t k = 0; k < A->blocks; k++) {
        const size_t width = width_of(A, k);
        float complex *to = A->lines < A->na ? b->image : b->spectrum;
        scry_transpose(to, A->lines, b->panel + k * LINES, A->pitch, A->lines, width);
        if (A->lines < A->na) {
            memset(b->spectrum, 0, block_entries(A) * sizeof *b->spectrum);
            for (size_t l = 0; l < width; l++)
                for (size_t i = 0; i < A->lines; i++)
                    b->spectrum[l * A->na + A->line[i]] = to[l * A->lines + i];
        }
        scry_fft_many_backward(A->fft_a, b->image, b->spectrum);
        combine_block(A, blocks + k * step, b->image, k, coil);
    }
}

static void load_image(const scryi_fourier *A, float complex *blocks, const float complex *x)
{
    const size_t step = A->sets * block_entries(A);
    for (size_t k = 0; k < A->blocks; k++)
        load_block(A, blocks + k * step, x, k);
}

/* The transform along b of the panel, in place. */
static void transform_panel(const scryi_fourier *A, const struct bench *b, bool inverse)
{
    const size_t piece = LINES * A->pitch;
    float complex *lines = b->panel;
    for (size_t i = 0; i < A->lines && A->fft_b; i += LINES, lines += piece) {
        memcpy(b->spectrum, lines, piece * sizeof *lines);
        if (inverse)
            scry_fft_many_backward(A->fft_b, lines, b->spectrum);
        else
            scry_fft_many_forward(A->fft_b, lines, b->spectrum);
    }
}

/* F_b^H W F_b on the panel. */
static void filter_panel(const scryi_fourier *A, const struct bench *b)
{
    float complex *lines = b->panel;
    for (size_t i = 0; i < A->lines; i += LINES, lines += LINES * A->pitch) {
        scry_fft_many_forward(A->fft_b, b->spectrum, lines);
        sense_weigh(b->spectrum, A->nb, A->pitch, A->weight + i * A->weight_step, A->weight_step);
        scry_fft_many_backward(A->fft_b, lines, b->spectrum);
    }
}

static void sense_gather(const scryi_samples *table, float complex *y, const float complex *panel)
{
    const float *from = (const float *)panel, *phase = (const float *)table->phase;
    float *to = (float *)y;
    for (size_t s = 0; s < table->count; s++) {
        const size_t at = 2 * (size_t)table->at[s];
        const float re = from[at], im = from[at + 1];
        to[2 * s] = phase[2 * s] * re - phase[2 * s + 1] * im;
        to[2 * s + 1] = phase[2 * s] * im + phase[2 * s + 1] * re;
    }
}

static void sense_scatter(const scryi_samples *table, float complex *panel, const float complex *y)
{
    const float *from = (const float *)y, *phase = (const float *)table->phase;
    float *to = (float *)panel;
    for (size_t s = 0; s < table->count; s++) {
        const size_t at = 2 * (size_t)table->at[s];
        const float re = from[2 * s], im = from[2 * s + 1];
        to[at] = phase[2 * s] * re + phase[2 * s + 1] * im;
        to[at + 1] = phase[2 * s] * im - phase[2 * s + 1] * re;
    }
}

void scryi_fourier_forward(const scryi_fourier *A, const scryi_samples *table, float complex *y,
                           const float complex *x, void *work)
{
    float complex *blocks = work;
    load_image(A, blocks, x);
    const int threads = sense_team(A);
    SCRY_PARALLEL_FOR(
        threads, for (size_t c = 0; c < A->coils; c++) {
            const struct bench b = bench_of(A, threads, work);
            sense_spread(A, &b, blocks, c);
            transform_panel(A, &b, false);
            sense_gather(table, y + c * table->count, b.panel);
        });
}

/* x = sum over coils; y NULL: of the normal of the image in the first part of work. */
static void sum_coils(const scryi_fourier *A, const scryi_samples *table, float complex *x,
                      const float complex *y, void *work)
{
    const size_t size = image_entries(A), step = A->sets * block_entries(A);
    float complex *blocks = work, *sums = blocks + size;
    const int threads = sense_team(A);
    SCRY_PARALLEL_FOR(
        threads, for (size_t g = 0; g < A->groups; g++) {
            const struct bench b = bench_of(A, threads, work);
            memset(sums + g * size, 0, size * sizeof *sums);
            for (size_t c = g * A->coils / A->groups; c < (g + 1) * A->coils / A->groups; c++) {
                if (y) {
                    memset(b.panel, 0, sense_padded(A->lines) * A->pitch * sizeof *b.panel);
                    sense_scatter(table, b.panel, y + c * table->count);
                    transform_panel(A, &b, true);
                } else {
                    sense_spread(A, &b, blocks, c);
                    filter_panel(A, &b);
                }
                sense_collect(A, &b, sums + g * size, c);
            }
        });
    for (size_t k = 0; k < A->blocks; k++) {
        float *total = (float *)(sums + k * step);
        for (size_t g = 1; g < A->groups; g++) {
            const float *part = (const float *)(sums + g * size + k * step);
            for (size_t i = 0; i < 2 * step; i++)
                total[i] += part[i];
        }
        store_block(A, x, sums + k * step, k);
    }
}

void scryi_fourier_adjoint(const scryi_fourier *A, const scryi_samples *table, float complex *x,
                           const float complex *y, void *work)
{
    sum_coils(A, table, x, y, work);
}

/* Transforms along a at most: each block is finished while it is in the cache. */
static void normal_block(const scryi_fourier *A, float complex *out, const float complex *x,
                         size_t k, const struct bench *b)
{
    const float *weight = A->weight + k * LINES * A->weight_step;
    load_block(A, b->x, x, k);
    memset(b->sum, 0, A->sets * block_entries(A) * sizeof *b->sum);
    for (size_t c = 0; c < A->coils; c++) {
        see_block(A, b->image, b->x, k, c);
        if (A->normal_a) {
            scry_fft_many_forward(A->fft_a, b->spectrum, b->image);
            sense_weigh(b->spectrum, A->na, A->na, weight, A->weight_step);
            scry_fft_many_backward(A->fft_a, b->image, b->spectrum);
        } else {
            sense_weigh(b->image, A->na, A->na, weight, A->weight_step);
        }
        combine_block(A, b->sum, b->image, k, c);
    }
    store_block(A, out, b->sum, k);
}

void scryi_fourier_normal(const scryi_fourier *A, float complex *out, const float complex *x,
                          void *work)
{
    if (A->normal_b) {
        load_image(A, work, x);
        sum_coils(A, NULL, out, NULL, work);
        return;
    }
    const int threads = sense_team(A);
    SCRY_PARALLEL_FOR(
        threads, for (size_t k = 0; k < A->blocks; k++) {
            const struct bench b = bench_of(A, threads, work);
            normal_block(A, out, x, k, &b);
        });
}
