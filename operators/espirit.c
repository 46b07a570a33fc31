#include "operators/coils.h"
#include "operators/espirit_gram_impl.h"
#include "operators/espirit_loops_impl.h"
#include "operators/hermitian_impl.h"
#include "operators/sensitivity.h"

#include "lib/cancel.h"
#include "lib/given.h"
#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/parallel.h"
#include "lib/vector.h"

#include <gsl/gsl_math.h>
#include <math.h>
#include <omp.h>
#include <stdbool.h>
#include <string.h>

/* Notation of Uecker et al. 2014, MRM 71:990. y_c(k) calibration data, k on a grid; a_w the vector
 * of all samples (c, i) in the k x k window that starts at w; V_q the vectors that span the a_w.
 * Windows are reproduced by P = sum_q V_q V_q^H, and the mean of all windows' values for a sample
 * is a convolution, with the image-space matrix
 *     M_cd(r) = sum_e h_cd(e) exp(-2 pi i e r / n),
 *     h_cd(e) = sum_{j - i = e} P[(c, i), (d, j)] / k^2
 * which leaves s(r) x(r) as it is: sensitivities are eigenvectors of M(r) to the eigenvalue 1. e
 * runs over 2k - 1 values along each axis, so M is evaluated as this polynomial, which is the sinc
 * interpolation of a grid of that many points, without the grid. */

enum { PIXELS = SCRYI_PIXELS, ROWS_AT_ONCE = 8, ITERATIONS = 60 };

void scry_espirit_opts_init(scry_espirit_opts *opts)
{
    *opts =
        (scry_espirit_opts){.kernel = 6, .threshold = 0.031622776601683794, .crop = 0.8, .sets = 1};
}

struct espirit {
    const scry_espirit_opts *o;
    size_t coils, cy, cx, ny, nx, k, lags, pairs;
    scryi_planes h;           /* (lag y, pair * lag x): pairs c <= d */
    scryi_planes wave_y;      /* (y, lag y) exp(-2 pi i e r / n) */
    scryi_planes wave_x;      /* (lag x, x) */
    float complex *principal; /* (coils, coils): row m is virtual coil m */
    int threads;
    float *scratch; /* of each thread */
    size_t scratch_floats;
};

static size_t pair_index(size_t coils, size_t c, size_t d) /* c <= d */
{
    return c * coils - c * (c + 1) / 2 + d;
}

static scry_status espirit_check(const struct espirit *e, const float complex *calibration,
                                 scry_error *err)
{
    const scry_espirit_opts *o = e->o;
    if (!e->coils || e->coils > 256 || !e->ny || !e->nx)
        return SCRY_FAIL(err, SCRY_ESHAPE, "maps of %zu coils, %zu x %zu: expected 1 to 256 coils",
                         e->coils, e->ny, e->nx);
    if (o->kernel < 2 || o->kernel > 16)
        return SCRY_FAIL(err, SCRY_EINVAL, "kernel of %zu samples, expected 2 to 16", o->kernel);
    if (e->cy < o->kernel || e->cx < o->kernel)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "calibration region of %zu x %zu holds no window of %zu x %zu samples",
                         e->cy, e->cx, o->kernel, o->kernel);
    if (e->cy > e->ny || e->cx > e->nx)
        return SCRY_FAIL(err, SCRY_ESHAPE, "calibration region of %zu x %zu exceeds %zu x %zu",
                         e->cy, e->cx, e->ny, e->nx);
    if (!(o->threshold > 0) || o->threshold >= 1)
        return SCRY_FAIL(err, SCRY_EINVAL, "threshold %g of singular values, expected 0 to 1",
                         o->threshold);
    if (!(o->crop >= 0) || o->crop >= 1)
        return SCRY_FAIL(err, SCRY_EINVAL, "crop %g, expected 0 <= crop < 1", o->crop);
    if (!o->sets || o->sets > e->coils)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu sets of maps from %zu coils", o->sets, e->coils);
    if (!scry_finite((const float *)calibration, 2 * e->coils * e->cy * e->cx))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "calibration data hold NaN or infinity");
    return SCRY_OK;
}

/* Is all of the window at (y, x) sampled? */
static bool window_whole(const struct espirit *e, size_t y, size_t x)
{
    for (size_t i = 0; e->o->mask && i < e->k * e->k; i++)
        if (!e->o->mask[(y + i / e->k) * e->cx + x + i % e->k]) return false;
    return true;
}

/* The rows of B, one a window without a gap. */
static void gather_windows(scryi_planes *B, const struct espirit *e,
                           const float complex *calibration, float largest)
{
    const size_t k = e->k, wx = e->cx - k + 1, n = e->cy * e->cx, all = (e->cy - k + 1) * wx;
    size_t row = 0;
    for (size_t w = 0; w < all; w++) {
        if (!window_whole(e, w / wx, w % wx)) continue;
        for (size_t c = 0; c < e->coils; c++)
            for (size_t i = 0; i < k * k; i++) {
                const size_t y = w / wx + i / k, x = w % wx + i % k;
                const float complex v = calibration[c * n + y * e->cx + x];
                B->re[row * B->ld + c * k * k + i] = crealf(v) / largest;
                B->im[row * B->ld + c * k * k + i] = cimagf(v) / largest;
            }
        row++;
    }
}

/* Row w of B is a_w over `largest`. */
static scry_status espirit_windows(scryi_planes *B, const struct espirit *e,
                                   const float complex *calibration, float largest, scry_error *err)
{
    const size_t k = e->k, wy = e->cy - k + 1, wx = e->cx - k + 1;
    size_t whole = 0;
    for (size_t w = 0; w < wy * wx; w++)
        whole += window_whole(e, w / wx, w % wx);
    if (!whole)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "calibration region of %zu x %zu holds no window of %zu x %zu samples "
                         "without a gap",
                         e->cy, e->cx, k, k);
    *B = scryi_planes_alloc(whole, e->coils * k * k);
    if (!B->re) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu windows of calibration data", whole);
    gather_windows(B, e, calibration, largest);
    return SCRY_OK;
}

/* h from P^T = sum_q conj(V_q) V_q^T: sums along the diagonals of its blocks. */
static void sum_lags(struct espirit *e, const scryi_planes *P_T)
{
    const size_t k = e->k, lags = e->lags, K = k * k;
    const float scale = 1.f / (float)K;
    for (size_t c = 0; c < e->coils; c++)
        for (size_t d = c; d < e->coils; d++) {
            const size_t pair = pair_index(e->coils, c, d);
            for (size_t i = 0; i < K; i++)
                for (size_t j = 0; j < K; j++) {
                    const size_t ly = j / k + k - 1 - i / k, lx = j % k + k - 1 - i % k;
                    const size_t at = ly * e->h.ld + pair * lags + lx;
                    const size_t from = (c * K + i) * P_T->ld + d * K + j;
                    e->h.re[at] += scale * P_T->re[from];
                    e->h.im[at] -= scale * P_T->im[from];
                }
        }
}

/* G of the data over their largest magnitude: k-space of 1e-7 has squares that floats lack. */
static scry_status espirit_gram(scryi_planes *G, const struct espirit *e,
                                const float complex *calibration, scry_error *err)
{
    const size_t n = e->coils * e->k * e->k;
    const scryi_espirit_region region = {calibration, e->coils, e->cy, e->cx, e->k};
    scryi_planes B = {0};
    float largest = 0;
    for (size_t i = 0; i < e->coils * e->cy * e->cx; i++)
        largest = fmaxf(largest, cabsf(calibration[i]));
    if (!(largest > 0)) return SCRY_FAIL(err, SCRY_ENUMERIC, "calibration data are all zero");
    *G = scryi_planes_alloc(n, n);
    if (!G->re) return SCRY_FAIL(err, SCRY_ENOMEM, "Gram matrix of %zu x %zu", n, n);
    if (!e->o->mask && scryi_espirit_gram_serves(&region))
        return scryi_espirit_gram(G, &region, 1 / largest, e->threads, err);
    const scry_status st = espirit_windows(&B, e, calibration, largest, err);
    if (st == SCRY_OK) scryi_gram(G, &B, e->threads);
    scryi_planes_free(&B);
    return st == SCRY_OK ? scry_cancel_check(err) : st;
}

static scry_status espirit_kernels(struct espirit *e, const float complex *calibration,
                                   scry_error *err)
{
    scryi_planes G = {0}, V = {0};
    scry_status st = espirit_gram(&G, e, calibration, err);
    if (st != SCRY_OK) goto done;
    /* The rank that an object of the size of the field of view has in k-space windows: the window,
     * and some samples more along each axis from coils that are smooth. */
    st = scryi_leading(&V, &G, e->o->threshold * e->o->threshold, (e->k + 4) * (e->k + 4), err);
    if (st != SCRY_OK) goto done;
    scryi_gram(&G, &V, e->threads);
    sum_lags(e, &G);
done:
    scryi_planes_free(&G);
    scryi_planes_free(&V);
    return st;
}

/* Virtual coils: eigenvectors of the coils' own Gram matrix. */
static scry_status principal_coils(struct espirit *e, const float complex *calibration,
                                   scry_error *err)
{
    return scry_compression(e->principal, NULL, e->coils, calibration, e->coils, e->cy * e->cx,
                            err);
}

static void espirit_wave(scryi_planes *w, bool along_rows, size_t n, size_t k)
{
    for (size_t e = 0; e < 2 * k - 1; e++)
        for (size_t i = 0; i < n; i++) {
            const double lag = (double)e - (double)(k - 1), r = (double)i - (double)(n / 2);
            const double phase = -2 * SCRY_PI * lag * r / (double)n;
            const size_t at = along_rows ? e * w->ld + i : i * w->ld + e;
            w->re[at] = (float)cos(phase);
            w->im[at] = (float)sin(phase);
        }
}

/* Orthogonal iteration on PIXELS matrices: v (set, coil, part, pixel), value (set, pixel). Every
 * pixel starts from the virtual coils: from a neighbour it would be quicker, but where two
 * eigenvalues are equal (a wrapped field of view) the maps would show the order in which pixels
 * were visited. */
static void espirit_eigenvectors(const struct espirit *e, float *v, float *value, const float *m,
                                 float *scratch)
{
    const struct scryi_espirit_loops *loops = SCRYI_BEST(scryi_espirit_loops);
    const size_t coils = e->coils, each = coils * 2 * PIXELS;
    for (size_t s = 0; s < e->o->sets; s++)
        for (size_t c = 0; c < coils; c++) {
            const float complex u = e->principal[s * coils + c]; /* its map is the conjugate */
            for (size_t x = 0; x < PIXELS; x++) {
                v[s * each + c * 2 * PIXELS + x] = crealf(u);
                v[s * each + c * 2 * PIXELS + PIXELS + x] = -cimagf(u);
            }
        }
    for (int i = 0; i < ITERATIONS; i++) {
        float worst = 0;
        for (size_t s = 0; s < e->o->sets; s++) {
            loops->apply(scratch, m, v + s * each, coils);
            const float change =
                loops->renew(v + s * each, scratch, v, s, value + s * PIXELS, coils);
            worst = fmaxf(worst, change);
        }
        if (worst < 1e-6f) break;
    }
}

/* 0 or 1, or when soft the smooth step from 0 at 2 crop - 1 to 1 at 1, which is 1/2 at the crop. */
static float weight_of(const scry_espirit_opts *o, float value)
{
    if (!o->soft) return value > (float)o->crop ? 1.f : 0.f;
    const float t = (value - (float)(2 * o->crop - 1)) / (float)(2 - 2 * o->crop);
    const float u = fminf(fmaxf(t, 0), 1);
    return u * u * (3 - 2 * u);
}

static inline float complex espirit_entry(const float *v, size_t c, size_t x)
{
    return v[c * 2 * PIXELS + x] + v[(c * 2 + 1) * PIXELS + x] * I;
}

static void espirit_store(const struct espirit *e, float complex *maps, float *eigenvalue, size_t y,
                          size_t x0, const float *v, const float *value)
{
    const size_t coils = e->coils, n = e->ny * e->nx;
    const size_t count = e->nx - x0 < PIXELS ? e->nx - x0 : PIXELS;
    for (size_t s = 0; s < e->o->sets; s++, v += coils * 2 * PIXELS, value += PIXELS) {
        float complex turn[PIXELS];
        for (size_t x = 0; x < count; x++) {
            float complex p = 0;
            for (size_t c = 0; c < coils; c++)
                p += e->principal[c] * espirit_entry(v, c, x);
            const float size = cabsf(p), w = weight_of(e->o, value[x]);
            turn[x] = size > 0 ? w * conjf(p) / size : w;
            if (eigenvalue) eigenvalue[s * n + y * e->nx + x0 + x] = value[x];
        }
        for (size_t c = 0; c < coils; c++)
            for (size_t x = 0; x < count; x++)
                maps[(c * e->o->sets + s) * n + y * e->nx + x0 + x] =
                    turn[x] * espirit_entry(v, c, x);
    }
}

/* Rows from..from + ROWS_AT_ONCE of the maps. */
static void solve_rows(const struct espirit *e, float complex *maps, float *eigenvalue, size_t from)
{
    const size_t rows = e->ny - from < ROWS_AT_ONCE ? e->ny - from : ROWS_AT_ONCE;
    const size_t each = e->coils * 2 * PIXELS, sets = e->o->sets;
    float *f = e->scratch + (size_t)omp_get_thread_num() * e->scratch_floats;
    float *m = f + 2 * ROWS_AT_ONCE * e->h.ld, *v = m + e->pairs * 2 * PIXELS;
    float *spare = v + sets * each, *value = spare + each;
    scryi_planes A = e->wave_y, F = {rows, e->h.cols, e->h.ld, f, f + ROWS_AT_ONCE * e->h.ld};
    A.rows = rows;
    A.re += from * A.ld;
    A.im += from * A.ld;
    scryi_product(&F, &A, &e->h, 1);
    for (size_t y = 0; y < rows; y++) {
        const scryi_planes row = {e->pairs, e->lags, e->lags, F.re + y * F.ld, F.im + y * F.ld};
        for (size_t x = 0; x < e->nx; x += PIXELS) {
            scryi_planes chunk = {e->pairs, PIXELS, 2 * PIXELS, m, m + PIXELS};
            scryi_planes w = e->wave_x;
            w.re += x;
            w.im += x;
            scryi_product_tile(&chunk, &row, &w);
            espirit_eigenvectors(e, v, value, m, spare);
            espirit_store(e, maps, eigenvalue, from + y, x, v, value);
        }
    }
}

static scry_status espirit_allocate(struct espirit *e, scry_error *err)
{
    e->h = scryi_planes_alloc(e->lags, e->pairs * e->lags);
    e->wave_y = scryi_planes_alloc(e->ny, e->lags);
    e->wave_x = scryi_planes_alloc(e->lags, e->nx);
    e->principal = scry_alloc(e->coils * e->coils, sizeof *e->principal);
    e->scratch_floats = 2 * ROWS_AT_ONCE * e->h.ld + e->pairs * 2 * PIXELS +
                        (e->o->sets + 1) * e->coils * 2 * PIXELS + e->o->sets * PIXELS;
    e->scratch_floats = scry_align_up(e->scratch_floats * sizeof(float)) / sizeof(float);
    e->scratch = scry_alloc((size_t)e->threads * e->scratch_floats, sizeof(float));
    if (!e->h.re || !e->wave_y.re || !e->wave_x.re || !e->principal || !e->scratch)
        return SCRY_FAIL(err, SCRY_ENOMEM, "maps of %zu coils, %zu x %zu", e->coils, e->ny, e->nx);
    espirit_wave(&e->wave_y, false, e->ny, e->k);
    espirit_wave(&e->wave_x, true, e->nx, e->k);
    return SCRY_OK;
}

scry_status scry_espirit(float complex *maps, float *eigenvalue, const float complex *calibration,
                         size_t coils, size_t cy, size_t cx, size_t ny, size_t nx,
                         const scry_espirit_opts *opts, scry_error *err)
{
    if (SCRY_MISSING(err, maps, calibration)) return SCRY_EINVAL;
    scry_espirit_opts defaults;
    scry_espirit_opts_init(&defaults);
    struct espirit e = {.o = opts ? opts : &defaults,
                        .coils = coils,
                        .cy = cy,
                        .cx = cx,
                        .ny = ny,
                        .nx = nx,
                        .pairs = coils * (coils + 1) / 2,
                        .threads = scry_threads()};
    e.k = e.o->kernel;
    e.lags = 2 * e.k - 1;
    scry_status st = espirit_check(&e, calibration, err);
    if (st != SCRY_OK) return st;
    if ((st = espirit_allocate(&e, err)) != SCRY_OK) goto done;
    if ((st = principal_coils(&e, calibration, err)) != SCRY_OK) goto done;
    if ((st = espirit_kernels(&e, calibration, err)) != SCRY_OK) goto done;
    const size_t blocks = (ny + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
#pragma omp parallel for schedule(dynamic) num_threads(e.threads) if (e.threads > 1)
    for (size_t b = 0; b < blocks; b++)
        if (!scry_cancelled()) solve_rows(&e, maps, eigenvalue, b * ROWS_AT_ONCE);
    st = scry_cancel_check(err);
done:
    scryi_planes_free(&e.h);
    scryi_planes_free(&e.wave_y);
    scryi_planes_free(&e.wave_x);
    scry_free(e.principal);
    scry_free(e.scratch);
    return st;
}
