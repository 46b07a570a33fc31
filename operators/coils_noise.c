#include "operators/coils.h"
#include "operators/coils_impl.h"
#include "operators/hermitian_impl.h"

#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/vector.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* Noise from samples that hold signal too. Signal keeps to some places of k-space and of the image
 * (the centre, streaks along the normals of edges; the object) and leaves others to the noise. So
 * the samples are taken in square tiles, and the level of the noise is the value on which the quiet
 * tiles agree: the mean power P of a tile of m samples of C whitened coils follows Gamma(mC) /
 * mC for noise, and the quantile q of P over its own under noise alone is an estimate of the level
 * that signal only raises; the least of some q is the level. Psi is then the covariance of the
 * samples of those tiles that are below the quantile CUT of noise of this level, over the mean that
 * this cut leaves of it; whitened by it, the tiles are judged again. */

static const double QUANTILES[] = {0.05, 0.1, 0.2, 0.3, 0.5};
static const double CUT = 0.9;
/* Share of the samples, from the quietest tiles, by which the floor is measured. */
static const double FLOOR_SHARE = 0.15;
/* In a tile: independent samples to aim at, and those without which it says nothing. */
static const double GOAL = 24, LEAST = 10;
enum { ROUNDS = 4, MIN_SIDE = 4, MAX_SIDE = 32, TILES = 4096 };

struct noise_tiles {
    size_t coils, n, count;
    double independent; /* samples worth of information in one sample */
    float complex *x;   /* (coils, n) */
    uint32_t *tile;     /* of each sample */
    float *samples;     /* of each tile */
    float *power;       /* of each tile: mean |x|^2 of whitened coils */
    float *scratch;     /* count */
    bool *used;         /* of each sample */
    double complex *L, *z;
};

static void noise_tiles_free(struct noise_tiles *t)
{
    scry_free(t->x);
    scry_free(t->tile);
    scry_free(t->samples);
    scry_free(t->power);
    scry_free(t->scratch);
    scry_free(t->used);
    scry_free(t->L);
    scry_free(t->z);
}

/* Of many tiles, some at random places: the same ones in every run. */
static bool tile_taken(size_t tile, size_t tiles)
{
    if (tiles <= TILES) return true;
    const uint32_t hash = ((uint32_t)tile ^ (uint32_t)(tile >> 16)) * 2654435761u;
    return hash < (double)UINT32_MAX * TILES / (double)tiles;
}

/* Numbers the tiles that hold samples; at[i] is the number of tile i, or -1. */
static void number_tiles(struct noise_tiles *t, int64_t *at, const size_t *place, size_t acquired,
                         size_t nx, size_t side)
{
    const size_t across = (nx + side - 1) / side;
    size_t kept = 0;
    for (size_t i = 0; i < acquired; i++) {
        const size_t k = place[i] / nx / side * across + place[i] % nx / side;
        if (at[k] < 0) continue;
        if (at[k] == INT64_MAX) at[k] = (int64_t)t->count++;
        t->tile[kept] = (uint32_t)at[k];
        t->samples[at[k]]++;
        kept++;
    }
    t->n = kept;
}

static scry_status noise_tiles_fill(struct noise_tiles *t, const float complex *data,
                                    const size_t *place, size_t acquired, size_t ny, size_t nx,
                                    scry_error *err)
{
    const double density = (double)acquired / (double)(ny * nx);
    const double want = round(sqrt(GOAL / (density * t->independent)));
    const size_t side = (size_t)fmin(fmax(want, MIN_SIDE), MAX_SIDE);
    const size_t tiles = (ny + side - 1) / side * ((nx + side - 1) / side);
    int64_t *at = scry_alloc(tiles, sizeof *at);
    t->tile = scry_alloc(acquired, sizeof *t->tile);
    t->samples = scry_alloc(tiles, sizeof *t->samples);
    t->power = scry_alloc(tiles, sizeof *t->power);
    t->scratch = scry_alloc(tiles, sizeof *t->scratch);
    t->x = scry_alloc(t->coils * acquired, sizeof *t->x);
    t->used = scry_alloc(acquired, sizeof *t->used);
    t->L = scry_alloc(t->coils * t->coils, sizeof *t->L);
    t->z = scry_alloc(t->coils, sizeof *t->z);
    if (!at || !t->tile || !t->samples || !t->power || !t->scratch || !t->x || !t->used || !t->L ||
        !t->z) {
        scry_free(at);
        return SCRY_FAIL(err, SCRY_ENOMEM, "noise of %zu coils from %zu samples", t->coils,
                         acquired);
    }
    for (size_t k = 0; k < tiles; k++)
        at[k] = tile_taken(k, tiles) ? INT64_MAX : -1;
    number_tiles(t, at, place, acquired, nx, side);
    const size_t across = (nx + side - 1) / side;
    for (size_t c = 0; c < t->coils; c++) {
        size_t kept = 0;
        for (size_t i = 0; i < acquired; i++)
            if (at[place[i] / nx / side * across + place[i] % nx / side] >= 0)
                t->x[c * t->n + kept++] = data[c * ny * nx + place[i]];
    }
    scry_free(at);
    if (scry_finite((const float *)t->x, 2 * t->coils * t->n)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENUMERIC, "k-space holds NaN or infinity");
}

/* Samples where no coil has anything but 0 were filled in, not acquired. */
static bool is_acquired(const float complex *data, const unsigned char *mask, size_t coils,
                        size_t n, size_t i)
{
    if (mask && !mask[i]) return false;
    for (size_t c = 0; c < coils; c++)
        if (crealf(data[c * n + i]) != 0 || cimagf(data[c * n + i]) != 0) return true;
    return false;
}

static scry_status noise_tiles_make(struct noise_tiles *t, const float complex *data,
                                    const unsigned char *mask, size_t ny, size_t nx,
                                    scry_error *err)
{
    const size_t n = ny * nx;
    size_t *place = scry_alloc(n, sizeof *place), acquired = 0;
    if (!place) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu places of samples", n);
    for (size_t i = 0; i < n; i++)
        if (is_acquired(data, mask, t->coils, n, i)) place[acquired++] = i;
    scry_status st = SCRY_OK;
    if ((double)acquired * t->independent < 64 * (double)t->coils)
        st = SCRY_FAIL(err, SCRY_EINVAL,
                       "%zu acquired samples are too few to tell the noise of %zu coils from, "
                       "expected at least %zu",
                       acquired, t->coils, 64 * t->coils);
    if (st == SCRY_OK) st = noise_tiles_fill(t, data, place, acquired, ny, nx, err);
    scry_free(place);
    return st;
}

/* The power of every tile, of coils whitened by psi. */
static scry_status measure_tiles(struct noise_tiles *t, const double complex *psi, scry_error *err)
{
    const size_t C = t->coils, bad = scryi_cholesky(t->L, psi, C);
    if (bad < C) return scryi_coils_singular(bad, creal(psi[bad * (C + 1)]), err);
    memset(t->power, 0, t->count * sizeof *t->power);
    for (size_t i = 0; i < t->n && !scry_cancelled(); i++) {
        double sum = 0;
        for (size_t a = 0; a < C; a++) {
            double complex s = t->x[a * t->n + i];
            for (size_t b = 0; b < a; b++)
                s -= t->L[a * C + b] * t->z[b];
            t->z[a] = s / creal(t->L[a * C + a]);
            sum += creal(t->z[a]) * creal(t->z[a]) + cimag(t->z[a]) * cimag(t->z[a]);
        }
        t->power[t->tile[i]] += (float)(sum / (double)C);
    }
    for (size_t k = 0; k < t->count; k++)
        t->power[k] /= t->samples[k];
    return scry_cancel_check(err);
}

/* Quantile of Gamma(a) / a, a of 12 and more (Wilson & Hilferty 1931): right to 0.1 %. */
static double gamma_quantile(double q, double a)
{
    const double c = 1 / (9 * a);
    return pow(1 - c + gsl_cdf_ugaussian_Pinv(q) * sqrt(c), 3);
}

static double shape_of(const struct noise_tiles *t, size_t k)
{
    return (double)t->samples[k] * t->independent * (double)t->coils;
}

static double tiles_level(const struct noise_tiles *t)
{
    double level = INFINITY;
    for (size_t j = 0; j < sizeof QUANTILES / sizeof *QUANTILES; j++) {
        const double q = QUANTILES[j];
        size_t count = 0;
        for (size_t k = 0; k < t->count; k++)
            if (t->samples[k] * t->independent >= LEAST)
                t->scratch[count++] = (float)(t->power[k] / gamma_quantile(q, shape_of(t, k)));
        if (count && ((double)count * q >= 4 || q == 0.5))
            level = fmin(level, scry_quantile(t->scratch, count, q, t->scratch));
    }
    return level;
}

/* Marks the samples of the tiles below factor times the quantile CUT of noise of power 1; returns
 * their number. *mean: the share of the power of noise that the cut leaves. */
static size_t mark_quiet(struct noise_tiles *t, double level, double *mean)
{
    size_t count = 0;
    double sum = 0;
    for (size_t i = 0; i < t->n; i++) {
        const size_t k = t->tile[i];
        t->used[i] = t->power[k] <= level * gamma_quantile(CUT, shape_of(t, k));
        count += t->used[i];
        sum += t->used[i] ? shape_of(t, k) : 0;
    }
    const double a = count ? sum / (double)count : 1;
    *mean = gsl_cdf_gamma_P(a * gamma_quantile(CUT, a), a + 1, 1) / CUT;
    return count;
}

static scry_status quiet_covariance(double complex *psi, double *used, struct noise_tiles *t,
                                    scry_error *err)
{
    const size_t C = t->coils, least = 4 * C;
    float *a = scry_alloc(t->n, sizeof *a);
    if (!a) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu samples", t->n);
    memset(psi, 0, C * C * sizeof *psi);
    scry_status st = SCRY_OK;
    for (size_t c = 0; c < C; c++) { /* |n|^2 is exponential, its median ln 2 of its mean */
        for (size_t i = 0; i < t->n; i++)
            a[i] = cabsf(t->x[c * t->n + i]);
        const double median = scry_quantile(a, t->n, .5, a);
        psi[c * (C + 1)] = median * median / M_LN2;
        if (st == SCRY_OK && !(median > 0)) st = scryi_coils_singular(c, 0, err);
    }
    scry_free(a);
    for (int round = 0; st == SCRY_OK && round < ROUNDS; round++) {
        if ((st = measure_tiles(t, psi, err)) != SCRY_OK) break;
        double mean, level = tiles_level(t);
        size_t count = mark_quiet(t, level, &mean);
        for (; count < least && count < t->n; level *= 1.1)
            count = mark_quiet(t, level, &mean);
        scryi_coils_covariance(psi, t->x, t->used, C, t->n, 1 / (mean * (double)count));
        *used = (double)count / (double)t->n;
    }
    return st;
}

scry_status scry_noise_from_quiet(double complex *psi, double *used, const float complex *data,
                                  const unsigned char *mask, size_t coils, size_t ny, size_t nx,
                                  double independent, scry_error *err)
{
    struct noise_tiles t = {.coils = coils, .independent = independent};
    if (!coils || !ny || !nx || !(independent > 0))
        return SCRY_FAIL(err, SCRY_EINVAL, "noise of %zu coils, %zu x %zu", coils, ny, nx);
    scry_status st = noise_tiles_make(&t, data, mask, ny, nx, err);
    if (st == SCRY_OK) st = quiet_covariance(psi, used, &t, err);
    noise_tiles_free(&t);
    return st;
}

scry_status scry_noise_from_kspace(double complex *psi, const float complex *kspace,
                                   const unsigned char *mask, size_t coils, size_t ny, size_t nx,
                                   scry_error *err)
{
    double used;
    return scry_noise_from_quiet(psi, &used, kspace, mask, coils, ny, nx, 1, err);
}

/* ---- the floor ---- */

/* The quietest tiles that hold so many samples. */
static size_t mark_quietest(struct noise_tiles *t, double want)
{
    double low = 0, high = 0;
    size_t count = 0;
    for (size_t k = 0; k < t->count; k++)
        high = fmax(high, t->power[k]);
    for (int step = 0; step < 40; step++) { /* bisection for the power below which they are */
        const double middle = 0.5 * (low + high);
        count = 0;
        for (size_t i = 0; i < t->n; i++)
            count += t->used[i] = t->power[t->tile[i]] <= middle;
        if ((double)count < want)
            low = middle;
        else
            high = middle;
    }
    count = 0;
    for (size_t i = 0; i < t->n; i++)
        count += t->used[i] = t->power[t->tile[i]] <= high;
    return count;
}

scry_status scry_noise_floor(double *floor, const double complex *psi, const float complex *kspace,
                             const unsigned char *mask, size_t coils, size_t ny, size_t nx,
                             scry_error *err)
{
    const size_t C = coils;
    struct noise_tiles t = {.coils = C, .independent = 1};
    double complex *cov = scry_alloc(C * C, sizeof *cov), *vectors = scry_alloc(C * C, sizeof *cov);
    double *values = scry_alloc(C, sizeof *values);
    float complex *white = scry_copy(kspace, C * ny * nx * sizeof *kspace);
    scry_status st = SCRY_OK;
    if (!cov || !vectors || !values || !white) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "noise of %zu coils", C);
        goto done;
    }
    if ((st = scry_whiten(white, psi, C, ny * nx, err)) != SCRY_OK) goto done;
    if ((st = noise_tiles_make(&t, white, mask, ny, nx, err)) != SCRY_OK) goto done;
    for (size_t a = 0; a < C * C; a++)
        cov[a] = a % (C + 1) ? 0 : 1;
    if ((st = measure_tiles(&t, cov, err)) != SCRY_OK) goto done;
    const double want = fmin(fmax(FLOOR_SHARE * (double)t.n, 40 * (double)C), (double)t.n);
    const double count = (double)mark_quietest(&t, want);
    scryi_coils_covariance(cov, t.x, t.used, C, t.n, 1 / count);
    if ((st = scryi_hermitian_eigen(values, vectors, cov, C, err)) != SCRY_OK) goto done;
    *floor = values[C - 1] / pow(1 - sqrt((double)C / count), 2);
done:
    noise_tiles_free(&t);
    scry_free(cov);
    scry_free(vectors);
    scry_free(values);
    scry_free(white);
    return st;
}
