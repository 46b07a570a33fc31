#include "operators/espirit_gram_impl.h"
#include "operators/espirit_loops_impl.h"

#include "lib/cancel.h"
#include "lib/memory.h"

#include <omp.h>
#include <string.h>

/* Entry (c, i), (d, j) of the Gram matrix of all windows of a region,
 *     sum_w conj(y_c(w + i)) y_d(w + j) = sum_p conj(y_c(p)) y_d(p + j - i),    p = w + i,
 * is a sum of products that depend on the lag j - i alone; i decides only which of them near the
 * border of the region belong to it. Each product is made once for all entries that hold it:
 * (2k - 1)^2 of them a sample and pair of coils, where the product of the matrices makes k^4, and
 * that for c and d in both orders. */

struct gram {
    const scryi_espirit_region *r;
    float *rows; /* (coil, y, 4, ld): re, im, and both of the core */
    size_t ld, windows_y, windows_x;
};

static void gram_rows(struct gram *g, float factor)
{
    const scryi_espirit_region *r = g->r;
    const size_t core = r->kernel - 1;
    for (size_t i = 0; i < r->coils * r->cy; i++) {
        float *re = g->rows + 4 * i * g->ld + SCRYI_MARGIN, *im = re + g->ld;
        for (size_t x = 0; x < r->cx; x++) {
            re[x] = crealf(r->data[i * r->cx + x]) * factor;
            im[x] = cimagf(r->data[i * r->cx + x]) * factor;
        }
        memcpy(re + 2 * g->ld + core, re + core, (g->windows_x - core) * sizeof *re);
        memcpy(im + 2 * g->ld + core, im + core, (g->windows_x - core) * sizeof *im);
    }
}

static struct scryi_lag_row gram_row(const struct gram *g, size_t c, size_t y)
{
    const float *re = g->rows + 4 * (c * g->r->cy + y) * g->ld + SCRYI_MARGIN;
    return (struct scryi_lag_row){re, re + g->ld, re + 2 * g->ld, re + 3 * g->ld};
}

/* Block (c, d) and its mirror image, of rows of windows that are `lag` apart; t (y, 2, k, k). */
static void gram_add(scryi_planes *G, const struct gram *g, size_t c, size_t d, ptrdiff_t lag,
                     const float *t)
{
    const size_t k = g->r->kernel, K = k * k;
    for (size_t iy = 0; iy < k; iy++) {
        const ptrdiff_t jy = (ptrdiff_t)iy + lag;
        if (jy < 0 || jy >= (ptrdiff_t)k) continue;
        for (size_t e = 0; e < K; e++) {
            const size_t row = c * K + iy * k + e / k, col = d * K + (size_t)jy * k + e % k;
            float re = 0, im = 0;
            for (size_t y = iy; y < iy + g->windows_y; y++) {
                re += t[2 * y * K + e];
                im += t[(2 * y + 1) * K + e];
            }
            G->re[row * G->ld + col] = G->re[col * G->ld + row] = re;
            G->im[row * G->ld + col] = im;
            G->im[col * G->ld + row] = -im;
        }
    }
}

static void gram_pair(scryi_planes *G, const struct gram *g, size_t c, size_t d, float *t)
{
    const size_t k = g->r->kernel, K = k * k;
    for (ptrdiff_t lag = 1 - (ptrdiff_t)k; lag < (ptrdiff_t)k; lag++) {
        for (size_t y = 0; y < g->r->cy; y++) {
            const ptrdiff_t other = (ptrdiff_t)y + lag;
            if (other < 0 || other >= (ptrdiff_t)g->r->cy) continue;
            const struct scryi_lag_row a = gram_row(g, c, y), b = gram_row(g, d, (size_t)other);
            float *at = t + 2 * y * K;
            SCRYI_BEST(scryi_espirit_loops)->lags(at, at + K, &a, &b, g->windows_x, k);
        }
        gram_add(G, g, c, d, lag, t);
    }
}

bool scryi_espirit_gram_serves(const scryi_espirit_region *r)
{
    return r->cx >= 2 * r->kernel - 1 && r->cy >= r->kernel && r->kernel <= SCRYI_MAX_KERNEL;
}

scry_status scryi_espirit_gram(scryi_planes *G, const scryi_espirit_region *r, float factor,
                               int threads, scry_error *err)
{
    const size_t each = 2 * r->cy * r->kernel * r->kernel, pairs = r->coils * r->coils;
    struct gram g = {.r = r,
                     .ld = (r->cx + SCRYI_MARGIN - 1) / SCRYI_MARGIN * SCRYI_MARGIN +
                           3 * SCRYI_MARGIN,
                     .windows_y = r->cy - r->kernel + 1,
                     .windows_x = r->cx - r->kernel + 1};
    g.rows = scry_alloc(4 * r->coils * r->cy, g.ld * sizeof *g.rows);
    float *t = scry_alloc((size_t)threads * each, sizeof *t);
    scry_status st = SCRY_OK;
    if (!g.rows || !t) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "Gram matrix of %zu coils", r->coils);
        goto done;
    }
    gram_rows(&g, factor);
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (size_t i = 0; i < pairs; i++) {
        const size_t c = i / r->coils, d = i % r->coils;
        if (c > d || scry_cancelled()) continue;
        gram_pair(G, &g, c, d, t + (size_t)omp_get_thread_num() * each);
    }
    st = scry_cancel_check(err);
done:
    scry_free(g.rows);
    scry_free(t);
    return st;
}
