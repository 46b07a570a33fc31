#include "operators/planes_loops_impl.h"

#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/parallel.h"
#include "lib/rng.h"

#include <math.h>
#include <string.h>

#define LOOPS SCRYI_BEST(scryi_planes_loops)

scryi_planes scryi_planes_alloc(size_t rows, size_t cols)
{
    scryi_planes m = {rows, cols, (cols + SCRYI_TILE - 1) / SCRYI_TILE * SCRYI_TILE, NULL, NULL};
    if ((m.re = scry_alloc(2 * m.ld, rows * sizeof *m.re))) m.im = m.re + rows * m.ld;
    return m;
}

void scryi_planes_free(scryi_planes *m)
{
    scry_free(m->re);
    *m = (scryi_planes){0};
}

static void subspace_multiply(scryi_planes *C, const struct scryi_left *a, const scryi_planes *B,
                              int threads)
{
    const size_t tiles = C->ld / SCRYI_TILE;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t t = 0; t < tiles; t++)
        LOOPS->product(C, *a, B, t * SCRYI_TILE);
}

void scryi_product(scryi_planes *C, const scryi_planes *A, const scryi_planes *B, int threads)
{
    const struct scryi_left a = {A->re, A->im, A->ld, 1, B->rows, 1};
    subspace_multiply(C, &a, B, threads);
}

void scryi_product_tile(scryi_planes *C, const scryi_planes *A, const scryi_planes *B)
{
    LOOPS->product(C, (struct scryi_left){A->re, A->im, A->ld, 1, B->rows, 1}, B, 0);
}

void scryi_gram(scryi_planes *C, const scryi_planes *B, int threads)
{
    const struct scryi_left a = {B->re, B->im, 1, B->ld, B->rows, -1};
    subspace_multiply(C, &a, B, threads);
}

static void copy_row(scryi_planes *Y, size_t y, const scryi_planes *X, size_t x)
{
    memmove(Y->re + y * Y->ld, X->re + x * X->ld, Y->ld * sizeof(float));
    memmove(Y->im + y * Y->ld, X->im + x * X->ld, Y->ld * sizeof(float));
}

/* Orthonormal rows, Gram-Schmidt twice. Rows that depend on the ones before, to float precision,
 * are left out: Q->rows shrinks to the rank. */
static void subspace_orthonormalise(scryi_planes *Q)
{
    size_t kept = 0;
    for (size_t r = 0; r < Q->rows; r++) {
        const double before = sqrt(creal(LOOPS->inner(Q, r, Q, r)));
        if (!(before > 0)) continue;
        LOOPS->scale(Q, r, 1 / before);
        double after = 1;
        for (int pass = 0; pass < 2 && after > 1e-5; pass++) {
            for (size_t s = 0; s < kept; s++)
                LOOPS->subtract(Q, r, LOOPS->inner(Q, s, Q, r), Q, s);
            const double norm = sqrt(creal(LOOPS->inner(Q, r, Q, r)));
            after *= norm;
            if (after > 1e-5) LOOPS->scale(Q, r, 1 / norm);
        }
        if (!(after > 1e-5)) continue;
        if (kept != r) copy_row(Q, kept, Q, r);
        kept++;
    }
    Q->rows = kept;
}

struct iteration {
    const scryi_planes *G_T;
    scryi_planes Q, Z, T, U; /* basis; its image; T (k, k) the rotation; a spare for the basis */
    double complex *ritz, *vectors;
    double *values;
    size_t capacity; /* rows that there is memory for */
};

static void iteration_clear(struct iteration *w)
{
    scryi_planes_free(&w->Q);
    scryi_planes_free(&w->Z);
    scryi_planes_free(&w->U);
    scryi_planes_free(&w->T);
    scry_free(w->ritz);
    scry_free(w->vectors);
    scry_free(w->values);
    w->ritz = w->vectors = NULL;
    w->values = NULL;
}

/* Room for k rows; the rows of the basis so far are kept, the rest is random. */
static scry_status subspace_enlarge(struct iteration *w, size_t k, scry_error *err)
{
    const size_t n = w->G_T->rows, had = w->Q.rows;
    struct iteration old = *w;
    *w = (struct iteration){.G_T = old.G_T, .capacity = k};
    w->Q = scryi_planes_alloc(k, n);
    w->Z = scryi_planes_alloc(k, n);
    w->U = scryi_planes_alloc(k, n);
    w->T = scryi_planes_alloc(k, k);
    w->ritz = scry_alloc(k * k, sizeof *w->ritz);
    w->vectors = scry_alloc(k * k, sizeof *w->vectors);
    w->values = scry_alloc(k, sizeof *w->values);
    const int refused =
        !w->Q.re || !w->Z.re || !w->U.re || !w->T.re || !w->ritz || !w->vectors || !w->values;
    if (!refused) {
        for (size_t r = 0; r < had; r++)
            copy_row(&w->Q, r, &old.Q, r);
        for (size_t r = had; r < k; r++) {
            scry_rng_normal(w->Q.re + r * w->Q.ld, 0, n, 1, (uint32_t)r, 0);
            scry_rng_normal(w->Q.im + r * w->Q.ld, 0, n, 1, (uint32_t)r, 1);
        }
    }
    iteration_clear(&old);
    return refused ? SCRY_FAIL(err, SCRY_ENOMEM, "%zu eigenvectors of %zu entries", k, n) : SCRY_OK;
}

/* Q <- Ritz vectors of span(Q), Z <- G Q, values. Q must be orthonormal. */
static scry_status rayleigh_ritz(struct iteration *w, scry_error *err)
{
    const size_t k = w->Q.rows;
    const int threads = scry_threads();
    w->Z.rows = w->U.rows = w->T.rows = w->T.cols = k;
    scryi_product(&w->Z, &w->Q, w->G_T, threads);
    for (size_t r = 0; r < k; r++)
        for (size_t s = r; s < k; s++) {
            w->ritz[r * k + s] = LOOPS->inner(&w->Q, r, &w->Z, s);
            w->ritz[s * k + r] = conj(w->ritz[r * k + s]);
        }
    scry_status st = scryi_hermitian_eigen(w->values, w->vectors, w->ritz, k, err);
    if (st != SCRY_OK) return st;
    for (size_t r = 0; r < k; r++)
        for (size_t s = 0; s < k; s++) {
            w->T.re[r * w->T.ld + s] = (float)creal(w->vectors[r * k + s]);
            w->T.im[r * w->T.ld + s] = (float)cimag(w->vectors[r * k + s]);
        }
    scryi_product(&w->U, &w->T, &w->Q, threads);
    const scryi_planes old = w->Q;
    w->Q = w->U;
    w->U = old;
    scryi_product(&w->U, &w->T, &w->Z, threads);
    const scryi_planes image = w->Z;
    w->Z = w->U;
    w->U = image;
    return SCRY_OK;
}

/* The largest |G v - value v| among the first k. */
static double subspace_residual(struct iteration *w, size_t k)
{
    double worst = 0;
    for (size_t r = 0; r < k; r++) {
        copy_row(&w->U, r, &w->Z, r);
        LOOPS->subtract(&w->U, r, w->values[r], &w->Q, r);
        worst = fmax(worst, sqrt(creal(LOOPS->inner(&w->U, r, &w->U, r))));
    }
    return worst;
}

static size_t count_over(const double *values, size_t k, double level)
{
    size_t n = 0;
    while (n < k && values[n] > level)
        n++;
    return n;
}

scry_status scryi_leading(scryi_planes *V, const scryi_planes *G_T, double threshold, size_t guess,
                          scry_error *err)
{
    const size_t n = G_T->rows;
    struct iteration w = {.G_T = G_T};
    *V = (scryi_planes){0};
    size_t found = 0;
    scry_status st = subspace_enlarge(&w, guess < n ? guess : n, err);
    for (int i = 0; st == SCRY_OK && i < 30; i++) {
        /* A step is a product, but its result is not asked for values at first: spans converge
         * before they are worth a look. */
        if ((st = scry_cancel_check(err)) != SCRY_OK) break;
        if (i == 0) scryi_product(&w.Z, &w.Q, G_T, scry_threads());
        const scryi_planes next = w.Z;
        w.Z = w.Q;
        w.Q = next;
        subspace_orthonormalise(&w.Q);
        if ((st = scry_cancel_check(err)) != SCRY_OK) break;
        if (!w.Q.rows) {
            st = SCRY_FAIL(err, SCRY_ENUMERIC, "calibration data are zero");
            break;
        }
        if ((st = rayleigh_ritz(&w, err)) != SCRY_OK) break;
        found = count_over(w.values, w.Q.rows, threshold * w.values[0]);
        const size_t k = w.Q.rows;
        /* None left over, and not because the rank is used up: there may be more. */
        if (found == k && k == w.capacity && k < n) {
            st = subspace_enlarge(&w, 2 * k < n ? 2 * k : n, err);
            if (st == SCRY_OK) {
                w.Z.rows = w.Q.rows;
                scryi_product(&w.Z, &w.Q, G_T, scry_threads());
            }
            continue;
        }
        /* Vectors on either side of the threshold mix; a tenth of it is closer than the noise of
         * the data decides. */
        if (subspace_residual(&w, found) <= .1 * threshold * w.values[0]) break;
    }
    if (st == SCRY_OK) {
        *V = w.Q;
        V->rows = found;
        w.Q = (scryi_planes){0};
    }
    iteration_clear(&w);
    return st;
}
