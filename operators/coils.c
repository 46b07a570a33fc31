#include "operators/coils.h"
#include "operators/hermitian_impl.h"

#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/vector.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Noise from k-space. The samples farthest from the centre hold noise, and here and there signal:
 * edges of the object reach out along lines. So Psi is the covariance of the half of them that
 * looks most alike, a minimum covariance determinant (Rousseeuw & Van Driessen 1999, Technometrics
 * 41:212): with d^2 = n^H Psi^-1 n, which follows Gamma(C, 1) for noise, the half with the smaller
 * d^2 gives the next Psi, until nothing changes; then all with d^2 up to its 97.5 % quantile do. A
 * cut at the quantile q of a share a of the samples leaves E[n n^H] = c Psi, with
 * c = P(Gamma(C + 1, 1) <= q) / a, which is divided out. */
static const double trimmed_share = .5, final_share = .975;
enum { STEPS = 30, BLOCK = 1024 };

static bool psi_finite(const double complex *psi, size_t coils)
{
    for (size_t i = 0; i < coils * coils; i++)
        if (!isfinite(creal(psi[i])) || !isfinite(cimag(psi[i]))) return false;
    return true;
}

/* psi = scale sum over the chosen entries; used NULL: all */
static void coils_covariance(double complex *psi, const float complex *x, const bool *used,
                             size_t coils, size_t n, double scale)
{
    for (size_t a = 0; a < coils; a++)
        for (size_t b = 0; b <= a; b++) {
            double re = 0, im = 0;
            for (size_t i = 0; i < n; i++) {
                if (used && !used[i]) continue;
                const double ar = crealf(x[a * n + i]), ai = cimagf(x[a * n + i]);
                const double br = crealf(x[b * n + i]), bi = cimagf(x[b * n + i]);
                re += ar * br + ai * bi;
                im += ai * br - ar * bi;
            }
            psi[a * coils + b] = scale * (re + im * I);
            psi[b * coils + a] = scale * (re - im * I);
        }
}

scry_status scry_noise_covariance(double complex *psi, const float complex *noise, size_t coils,
                                  size_t n, double ratio, scry_error *err)
{
    if (!coils) return SCRY_FAIL(err, SCRY_EINVAL, "noise of 0 coils");
    if (n <= coils)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%zu noise samples of each of %zu coils, expected more than coils", n,
                         coils);
    if (!(ratio > 0) || !isfinite(ratio))
        return SCRY_FAIL(err, SCRY_EINVAL, "ratio of noise variances is %g, expected > 0", ratio);
    coils_covariance(psi, noise, NULL, coils, n, ratio / (double)(n - 1));
    if (!psi_finite(psi, coils))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "noise samples hold NaN or infinity");
    return SCRY_OK;
}

struct place {
    double r2; /* (2 ky / ny)^2 + (2 kx / nx)^2 */
    size_t at;
};

static int coils_farther(const void *a, const void *b)
{
    const struct place *p = a, *q = b;
    if (p->r2 != q->r2) return p->r2 < q->r2 ? 1 : -1;
    return p->at < q->at ? -1 : 1;
}

/* The tenth of the acquired samples that is farthest from the centre, 32 samples a coil at least
 * (a covariance of fewer is poor), half of all at most. */
static scry_status outer_samples(float complex **out, size_t *count, const float complex *kspace,
                                 const unsigned char *mask, size_t coils, size_t ny, size_t nx,
                                 scry_error *err)
{
    const size_t n = ny * nx;
    struct place *places = scry_alloc(n, sizeof *places);
    *out = NULL;
    if (!places) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu places of samples", n);
    size_t acquired = 0;
    for (size_t i = 0; i < n; i++) {
        if (mask && !mask[i]) continue;
        const double y = 2 * ((double)(i / nx) - (double)(ny / 2)) / (double)ny;
        const double x = 2 * ((double)(i % nx) - (double)(nx / 2)) / (double)nx;
        places[acquired++] = (struct place){y * y + x * x, i};
    }
    size_t m = acquired / 10;
    if (m < 32 * coils) m = 32 * coils;
    if (m > acquired / 2) {
        scry_free(places);
        return SCRY_FAIL(
            err, SCRY_EINVAL,
            "%zu acquired samples are too few to estimate the noise of %zu coils from, "
            "expected at least %zu",
            acquired, coils, 64 * coils);
    }
    qsort(places, acquired, sizeof *places, coils_farther);
    float complex *x = scry_alloc(coils * m, sizeof *x);
    if (x)
        for (size_t c = 0; c < coils; c++)
            for (size_t i = 0; i < m; i++)
                x[c * m + i] = kspace[c * n + places[i].at];
    scry_free(places);
    if (!x) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu outer samples of %zu coils", m, coils);
    *out = x;
    *count = m;
    return SCRY_OK;
}

/* d2[i] = n^H Psi^-1 n; L is Psi's Cholesky factor */
static void coils_distances(float *d2, const float complex *x, const double complex *L,
                            size_t coils, size_t n, double complex *z)
{
    for (size_t i = 0; i < n && !scry_cancelled(); i++) {
        double sum = 0;
        for (size_t a = 0; a < coils; a++) {
            double complex s = x[a * n + i];
            for (size_t b = 0; b < a; b++)
                s -= L[a * coils + b] * z[b];
            z[a] = s / creal(L[a * coils + a]);
            sum += creal(z[a]) * creal(z[a]) + cimag(z[a]) * cimag(z[a]);
        }
        d2[i] = (float)sum;
    }
}

struct trimmed {
    float complex *x;
    size_t coils, n;
    double complex *L, *z;
    float *d2, *scratch;
    bool *used;
};

/* The coil whose samples say nothing, in the words of every caller. */
static scry_status dead_coil(size_t coil, double variance, scry_error *err)
{
    if (variance > 0)
        return SCRY_FAIL(err, SCRY_ENUMERIC,
                         "noise covariance is not positive definite: coil %zu (the first is 0) is "
                         "a combination of those before it",
                         coil);
    return SCRY_FAIL(err, SCRY_ENUMERIC,
                     "noise covariance is not positive definite: coil %zu (the first is 0) is dead,"
                     " its noise has variance %g",
                     coil, variance);
}

/* One step: Psi of the samples with d^2 <= limit, NAN: of the trimmed share. */
static scry_status coils_concentrate(double complex *psi, struct trimmed *t, double limit,
                                     double share, scry_error *err)
{
    const size_t bad = scryi_cholesky(t->L, psi, t->coils);
    if (bad < t->coils) return dead_coil(bad, creal(psi[bad * (t->coils + 1)]), err);
    coils_distances(t->d2, t->x, t->L, t->coils, t->n, t->z);
    const scry_status st = scry_cancel_check(err);
    if (st != SCRY_OK) return st;
    if (isnan(limit)) limit = scry_quantile(t->d2, t->n, share, t->scratch);
    size_t count = 0;
    for (size_t i = 0; i < t->n; i++)
        count += t->used[i] = t->d2[i] <= limit;
    const double q = gsl_cdf_gamma_Pinv(share, (double)t->coils, 1);
    const double left = gsl_cdf_gamma_P(q, (double)t->coils + 1, 1) / share;
    coils_covariance(psi, t->x, t->used, t->coils, t->n, 1 / (left * (double)(count ? count : 1)));
    return SCRY_OK;
}

static scry_status minimum_covariance(double complex *psi, struct trimmed *t, scry_error *err)
{
    const size_t C = t->coils, n = t->n;
    memset(psi, 0, C * C * sizeof *psi);
    for (size_t c = 0; c < C; c++) { /* start: |n|^2 is exponential, its median ln 2 of its mean */
        for (size_t i = 0; i < n; i++) {
            const double m = cabs((double complex)t->x[c * n + i]);
            t->d2[i] = (float)m;
        }
        const double median = scry_quantile(t->d2, n, .5, t->scratch);
        psi[c * (C + 1)] = median * median / M_LN2;
        if (!(psi[c * (C + 1)] != 0)) return dead_coil(c, 0, err);
    }
    double before = 0;
    for (int i = 0; i < STEPS; i++) {
        scry_status st = coils_concentrate(psi, t, NAN, trimmed_share, err);
        if (st != SCRY_OK) return st;
        double trace = 0;
        for (size_t c = 0; c < C; c++)
            trace += creal(psi[c * (C + 1)]);
        if (fabs(trace - before) <= 1e-6 * trace) break;
        before = trace;
    }
    return coils_concentrate(psi, t, gsl_cdf_gamma_Pinv(final_share, (double)C, 1), final_share,
                             err);
}

scry_status scry_noise_from_kspace(double complex *psi, const float complex *kspace,
                                   const unsigned char *mask, size_t coils, size_t ny, size_t nx,
                                   scry_error *err)
{
    if (!coils || !ny || !nx)
        return SCRY_FAIL(err, SCRY_EINVAL, "noise of %zu coils, %zu x %zu", coils, ny, nx);
    struct trimmed t = {.coils = coils};
    scry_status st = outer_samples(&t.x, &t.n, kspace, mask, coils, ny, nx, err);
    if (st != SCRY_OK) return st;
    t.L = scry_alloc(coils * coils, sizeof *t.L);
    t.z = scry_alloc(coils, sizeof *t.z);
    t.d2 = scry_alloc(t.n, sizeof *t.d2);
    t.scratch = scry_alloc(t.n, sizeof *t.scratch);
    t.used = scry_alloc(t.n, sizeof *t.used);
    if (!t.L || !t.z || !t.d2 || !t.scratch || !t.used)
        st = SCRY_FAIL(err, SCRY_ENOMEM, "noise of %zu coils", coils);
    else if (!scry_finite((const float *)t.x, 2 * coils * t.n))
        st = SCRY_FAIL(err, SCRY_ENUMERIC, "k-space holds NaN or infinity");
    else
        st = minimum_covariance(psi, &t, err);
    scry_free(t.x);
    scry_free(t.L);
    scry_free(t.z);
    scry_free(t.d2);
    scry_free(t.scratch);
    scry_free(t.used);
    return st;
}

/* row a of x <- row a + re/im (factor) row b, over one block */
static void coils_add_row(float complex *restrict a, const float complex *restrict b,
                          float complex factor, size_t n)
{
    float *restrict p = (float *)a;
    const float *restrict q = (const float *)b;
    const float re = crealf(factor), im = cimagf(factor);
    for (size_t i = 0; i < n; i++) {
        p[2 * i] += re * q[2 * i] - im * q[2 * i + 1];
        p[2 * i + 1] += re * q[2 * i + 1] + im * q[2 * i];
    }
}

scry_status scry_whiten(float complex *data, const double complex *psi, size_t coils, size_t n,
                        scry_error *err)
{
    double complex *L = scry_alloc(coils * coils, sizeof *L);
    if (!L) return SCRY_FAIL(err, SCRY_ENOMEM, "whitening of %zu coils", coils);
    if (!psi_finite(psi, coils)) {
        scry_free(L);
        return SCRY_FAIL(err, SCRY_ENUMERIC, "noise covariance holds NaN or infinity");
    }
    const size_t bad = scryi_cholesky(L, psi, coils);
    if (bad < coils) {
        scry_free(L);
        return dead_coil(bad, creal(psi[bad * (coils + 1)]), err);
    }
    /* Forward substitution, a block of samples at a time so that all coils of it stay in cache. */
    for (size_t from = 0; from < n && !scry_cancelled(); from += BLOCK) {
        const size_t count = n - from < BLOCK ? n - from : BLOCK;
        for (size_t a = 0; a < coils; a++) {
            float complex *row = data + a * n + from;
            for (size_t b = 0; b < a; b++)
                coils_add_row(row, data + b * n + from, (float complex) - L[a * coils + b], count);
            const float scale = (float)(1 / creal(L[a * coils + a]));
            for (size_t i = 0; i < 2 * count; i++)
                ((float *)row)[i] *= scale;
        }
    }
    scry_free(L);
    return scry_cancel_check(err);
}

scry_status scry_compression(float complex *matrix, double *energy, size_t keep,
                             const float complex *calibration, size_t coils, size_t n,
                             scry_error *err)
{
    if (!coils || !n) return SCRY_FAIL(err, SCRY_EINVAL, "compression of %zu coils", coils);
    if (!keep || keep > coils)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu virtual coils of %zu, expected 1 to %zu", keep,
                         coils, coils);
    scry_status st = SCRY_OK;
    double complex *gram = scry_alloc(coils * coils, sizeof *gram);
    double complex *vectors = scry_alloc(coils * coils, sizeof *vectors);
    double *values = scry_alloc(coils, sizeof *values), total = 0;
    if (!gram || !vectors || !values) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "compression of %zu coils", coils);
        goto done;
    }
    coils_covariance(gram, calibration, NULL, coils, n, 1);
    if (!psi_finite(gram, coils)) {
        st = SCRY_FAIL(err, SCRY_ENUMERIC, "calibration data hold NaN or infinity");
        goto done;
    }
    if ((st = scryi_hermitian_eigen(values, vectors, gram, coils, err)) != SCRY_OK) goto done;
    for (size_t i = 0; i < keep * coils; i++)
        matrix[i] = (float complex)conj(vectors[i]);
    for (size_t k = 0; k < coils; k++)
        total += values[k];
    if (!(total > 0)) {
        st = SCRY_FAIL(err, SCRY_ENUMERIC, "calibration data are all zero");
        goto done;
    }
    double sum = 0;
    for (size_t k = 0; energy && k < coils; k++)
        energy[k] = (sum += values[k]) / total;
done:
    scry_free(gram);
    scry_free(vectors);
    scry_free(values);
    return st;
}

void scry_compress(float complex *out, const float complex *matrix, size_t keep,
                   const float complex *data, size_t coils, size_t n)
{
    memset(out, 0, keep * n * sizeof *out);
    for (size_t from = 0; from < n; from += BLOCK) {
        const size_t count = n - from < BLOCK ? n - from : BLOCK;
        for (size_t k = 0; k < keep; k++)
            for (size_t c = 0; c < coils; c++)
                coils_add_row(out + k * n + from, data + c * n + from, matrix[k * coils + c],
                              count);
    }
}

void scry_rss(float *out, const float complex *images, size_t coils, size_t n)
{
    memset(out, 0, n * sizeof *out);
    for (size_t c = 0; c < coils; c++)
        for (size_t i = 0; i < n; i++) {
            const float re = crealf(images[c * n + i]), im = cimagf(images[c * n + i]);
            out[i] += re * re + im * im;
        }
    for (size_t i = 0; i < n; i++)
        out[i] = sqrtf(out[i]);
}
