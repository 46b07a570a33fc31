#include "operators/fourier_impl.h"

#include "lib/memory.h"

#include <omp.h>
#include <string.h>

/* Pruessmann et al. 1999, MRM 42:952; 2001, MRM 46:638. What fourier_impl.h describes, applied. */

enum { LANES = SCRYI_LANES };

/* One thread's share of the work block, in L1 and L2 but for the panels. */
struct bench {
    float complex *x, *sum; /* a block of the image, one a set */
    float complex *image, *spectrum; /* a block of one coil; spectrum: or a panel */
    float complex *panels;
};

static size_t block_entries(const scryi_fourier *A)
{
    return A->na * LANES;
}

static size_t image_entries(const scryi_fourier *A) /* all blocks of all sets */
{
    return A->blocks * A->sets * block_entries(A);
}

static size_t panel_entries(const scryi_fourier *A)
{
    return A->blocks * LANES * LANES;
}

static size_t bench_entries(const scryi_fourier *A)
{
    const size_t longest = (A->na > A->blocks * LANES ? A->na : A->blocks * LANES) * LANES;
    return 2 * A->sets * block_entries(A) + 2 * longest + A->panels * panel_entries(A);
}

void scryi_fourier_size_work(scryi_fourier *A)
{
    const size_t images = 1 + A->groups; /* the image in blocks, and a sum for each group */
    A->base.work_bytes = (images * image_entries(A) + (size_t)A->threads * bench_entries(A)) *
                         sizeof(float complex);
}

static struct bench bench_of(const scryi_fourier *A, void *work)
{
    const size_t longest = (A->na > A->blocks * LANES ? A->na : A->blocks * LANES) * LANES;
    struct bench b;
    b.x = (float complex *)work + (1 + A->groups) * image_entries(A) +
          (size_t)omp_get_thread_num() * bench_entries(A);
    b.sum = b.x + A->sets * block_entries(A);
    b.image = b.sum + A->sets * block_entries(A);
    b.spectrum = b.image + longest;
    b.panels = b.spectrum + longest;
    return b;
}

/* The scratch was sized for the threads there were at creation. */
static int team(const scryi_fourier *A)
{
    const int now = omp_get_max_threads();
    return now < A->threads ? now : A->threads;
}

static const float complex *map_of(const scryi_fourier *A, size_t block, size_t coil)
{
    return A->maps + (block * A->coils + coil) * A->sets * block_entries(A);
}

static size_t width_of(const scryi_fourier *A, size_t block)
{
    const size_t left = A->nb - block * LANES;
    return left < LANES ? left : LANES;
}

static void load_block(const scryi_fourier *A, float complex *block, const float complex *x,
                       size_t b)
{
    const size_t width = width_of(A, b), n = A->ny * A->nx;
    if (width < LANES) memset(block, 0, A->sets * block_entries(A) * sizeof *block);
    for (size_t m = 0; m < A->sets; m++, x += n, block += block_entries(A))
        for (size_t t = 0; t < A->na; t++)
            for (size_t l = 0; l < width; l++)
                block[t * LANES + l] = A->a_is_x ? x[(b * LANES + l) * A->nx + t]
                                                 : x[t * A->nx + b * LANES + l];
}

static void store_block(const scryi_fourier *A, float complex *x, const float complex *block,
                        size_t b)
{
    const size_t width = width_of(A, b), n = A->ny * A->nx;
    for (size_t m = 0; m < A->sets; m++, x += n, block += block_entries(A))
        for (size_t t = 0; t < A->na; t++)
            for (size_t l = 0; l < width; l++)
                *(A->a_is_x ? &x[(b * LANES + l) * A->nx + t] : &x[t * A->nx + b * LANES + l]) =
                    block[t * LANES + l];
}

/* out = S x, or += with add. */
static void multiply(float *restrict out, const float *restrict s, const float *restrict x,
                     size_t n, bool add)
{
    for (size_t i = 0; i < 2 * n; i += 2) {
        const float re = s[i] * x[i] - s[i + 1] * x[i + 1];
        const float im = s[i] * x[i + 1] + s[i + 1] * x[i];
        out[i] = add ? out[i] + re : re;
        out[i + 1] = add ? out[i + 1] + im : im;
    }
}

/* out += conj(S) x */
static void multiply_conj(float *restrict out, const float *restrict s, const float *restrict x,
                          size_t n)
{
    for (size_t i = 0; i < 2 * n; i += 2) {
        out[i] += s[i] * x[i] + s[i + 1] * x[i + 1];
        out[i + 1] += s[i] * x[i + 1] - s[i + 1] * x[i];
    }
}

static void see_block(const scryi_fourier *A, float complex *image, const float complex *x,
                      size_t block, size_t coil)
{
    const size_t n = block_entries(A);
    if (!A->maps) {
        memcpy(image, x, n * sizeof *x);
        return;
    }
    const float complex *s = map_of(A, block, coil);
    for (size_t m = 0; m < A->sets; m++)
        multiply((float *)image, (const float *)(s + m * n), (const float *)(x + m * n), n, m > 0);
}

static void combine_block(const scryi_fourier *A, float complex *sum, const float complex *image,
                          size_t block, size_t coil)
{
    const size_t n = block_entries(A);
    if (!A->maps) {
        memcpy(sum, image, n * sizeof *sum);
        return;
    }
    const float complex *s = map_of(A, block, coil);
    for (size_t m = 0; m < A->sets; m++)
        multiply_conj((float *)(sum + m * n), (const float *)(s + m * n), (const float *)image, n);
}

static void weigh(float complex *x, const float *w, size_t n)
{
    float *v = (float *)x;
    for (size_t i = 0; i < n; i++) {
        v[2 * i] *= w[i];
        v[2 * i + 1] *= w[i];
    }
}

/* The panels of one coil from the image in blocks: the transform along a. */
static void spread(const scryi_fourier *A, const struct bench *b, const float complex *blocks,
                   size_t coil)
{
    const size_t step = A->sets * block_entries(A), pe = panel_entries(A);
    for (size_t k = 0; k < A->blocks; k++) {
        see_block(A, b->image, blocks + k * step, k, coil);
        const float complex *from = b->image;
        if (A->fft_a) {
            scry_fft_lanes_forward(A->fft_a, b->spectrum, b->image);
            from = b->spectrum;
        }
        for (size_t i = 0; i < A->lines; i++) {
            float complex *to = b->panels + i / LANES * pe + k * LANES * LANES + i % LANES;
            for (size_t l = 0; l < LANES; l++) to[l * LANES] = from[A->line[i] * LANES + l];
        }
    }
}

/* The adjoint of spread; the sum over coils is added to `blocks`. */
static void collect(const scryi_fourier *A, const struct bench *b, float complex *blocks,
                    size_t coil)
{
    const size_t step = A->sets * block_entries(A), pe = panel_entries(A);
    for (size_t k = 0; k < A->blocks; k++) {
        float complex *to = A->fft_a ? b->spectrum : b->image;
        if (A->lines < A->na) memset(to, 0, block_entries(A) * sizeof *to);
        for (size_t i = 0; i < A->lines; i++) {
            const float complex *from =
                b->panels + i / LANES * pe + k * LANES * LANES + i % LANES;
            for (size_t l = 0; l < LANES; l++) to[A->line[i] * LANES + l] = from[l * LANES];
        }
        if (A->fft_a) scry_fft_lanes_backward(A->fft_a, b->image, b->spectrum);
        combine_block(A, blocks + k * step, b->image, k, coil);
    }
}

static void load_image(const scryi_fourier *A, float complex *blocks, const float complex *x)
{
    const size_t step = A->sets * block_entries(A);
    for (size_t k = 0; k < A->blocks; k++) load_block(A, blocks + k * step, x, k);
}

void scryi_fourier_forward(const scryi_fourier *A, const scryi_samples *table, float complex *y,
                           const float complex *x, void *work)
{
    float complex *blocks = work;
    load_image(A, blocks, x);
#pragma omp parallel for schedule(static) num_threads(team(A)) if (A->threads > 1)
    for (size_t c = 0; c < A->coils; c++) {
        const struct bench b = bench_of(A, work);
        spread(A, &b, blocks, c);
        for (size_t p = 0; p < A->panels && A->fft_b; p++) {
            float complex *panel = b.panels + p * panel_entries(A);
            scry_fft_lanes_forward(A->fft_b, b.spectrum, panel);
            memcpy(panel, b.spectrum, A->nb * LANES * sizeof *panel);
        }
        const float *from = (const float *)b.panels, *phase = (const float *)table->phase;
        float *to = (float *)(y + c * table->count);
        for (size_t s = 0; s < table->count; s++) {
            const size_t at = 2 * (size_t)table->at[s];
            const float re = from[at], im = from[at + 1];
            to[2 * s] = phase[2 * s] * re - phase[2 * s + 1] * im;
            to[2 * s + 1] = phase[2 * s] * im + phase[2 * s + 1] * re;
        }
    }
}

/* The samples of one coil into its panels, and back along b. */
static void place(const scryi_fourier *A, const scryi_samples *table, const struct bench *b,
                  const float complex *y)
{
    const float *from = (const float *)y, *phase = (const float *)table->phase;
    float *to = (float *)b->panels;
    memset(to, 0, A->panels * panel_entries(A) * sizeof *b->panels);
    for (size_t s = 0; s < table->count; s++) {
        const size_t at = 2 * (size_t)table->at[s];
        const float re = from[2 * s], im = from[2 * s + 1];
        to[at] = phase[2 * s] * re + phase[2 * s + 1] * im;
        to[at + 1] = phase[2 * s] * im - phase[2 * s + 1] * re;
    }
    for (size_t p = 0; p < A->panels && A->fft_b; p++) {
        float complex *panel = b->panels + p * panel_entries(A);
        scry_fft_lanes_backward(A->fft_b, b->spectrum, panel);
        memcpy(panel, b->spectrum, A->nb * LANES * sizeof *panel);
    }
}

/* F_b^H W F_b on the panels of one coil. */
static void filter_panels(const scryi_fourier *A, const struct bench *b)
{
    for (size_t p = 0; p < A->panels; p++) {
        float complex *panel = b->panels + p * panel_entries(A);
        scry_fft_lanes_forward(A->fft_b, b->spectrum, panel);
        weigh(b->spectrum, A->weight + p * A->nb * LANES, A->nb * LANES);
        scry_fft_lanes_backward(A->fft_b, panel, b->spectrum);
    }
}

/* x = sum over coils; y NULL: of the normal of the image in the first part of work. */
static void sum_coils(const scryi_fourier *A, const scryi_samples *table, float complex *x,
                      const float complex *y, void *work)
{
    const size_t size = image_entries(A), step = A->sets * block_entries(A);
    float complex *blocks = work, *sums = blocks + size;
#pragma omp parallel for schedule(static) num_threads(team(A)) if (A->threads > 1)
    for (size_t g = 0; g < A->groups; g++) {
        const struct bench b = bench_of(A, work);
        memset(sums + g * size, 0, size * sizeof *sums);
        for (size_t c = g * A->coils / A->groups; c < (g + 1) * A->coils / A->groups; c++) {
            if (y) {
                place(A, table, &b, y + c * table->count);
            } else {
                spread(A, &b, blocks, c);
                filter_panels(A, &b);
            }
            collect(A, &b, sums + g * size, c);
        }
    }
    for (size_t k = 0; k < A->blocks; k++) {
        float *total = (float *)(sums + k * step);
        for (size_t g = 1; g < A->groups; g++) {
            const float *part = (const float *)(sums + g * size + k * step);
            for (size_t i = 0; i < 2 * step; i++) total[i] += part[i];
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
    const size_t n = block_entries(A);
    const float *weight = A->weight + k * A->weight_step;
    load_block(A, b->x, x, k);
    memset(b->sum, 0, A->sets * n * sizeof *b->sum);
    for (size_t c = 0; c < A->coils; c++) {
        see_block(A, b->image, b->x, k, c);
        if (A->normal_a) {
            scry_fft_lanes_forward(A->fft_a, b->spectrum, b->image);
            weigh(b->spectrum, weight, n);
            scry_fft_lanes_backward(A->fft_a, b->image, b->spectrum);
        } else {
            weigh(b->image, weight, n);
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
#pragma omp parallel for schedule(static) num_threads(team(A)) if (A->threads > 1)
    for (size_t k = 0; k < A->blocks; k++) {
        const struct bench b = bench_of(A, work);
        normal_block(A, out, x, k, &b);
    }
}
