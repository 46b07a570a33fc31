#include "operators/coils.h"
#include "operators/coils_impl.h"
#include "operators/hermitian_impl.h"

#include "lib/cancel.h"
#include "lib/memory.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { BLOCK = 1024 };

bool scryi_coils_finite(const double complex *psi, size_t coils)
{
    for (size_t i = 0; i < coils * coils; i++)
        if (!isfinite(creal(psi[i])) || !isfinite(cimag(psi[i]))) return false;
    return true;
}

void scryi_coils_covariance(double complex *psi, const float complex *x, const bool *used,
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
    scryi_coils_covariance(psi, noise, NULL, coils, n, ratio / (double)(n - 1));
    if (!scryi_coils_finite(psi, coils))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "noise samples hold NaN or infinity");
    return SCRY_OK;
}

scry_status scryi_coils_singular(size_t coil, double variance, scry_error *err)
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
    if (!scryi_coils_finite(psi, coils)) {
        scry_free(L);
        return SCRY_FAIL(err, SCRY_ENUMERIC, "noise covariance holds NaN or infinity");
    }
    const size_t bad = scryi_cholesky(L, psi, coils);
    if (bad < coils) {
        scry_free(L);
        return scryi_coils_singular(bad, creal(psi[bad * (coils + 1)]), err);
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
    scryi_coils_covariance(gram, calibration, NULL, coils, n, 1);
    if (!scryi_coils_finite(gram, coils)) {
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

/* The median of `count` values, descending, that are not 0 beside the largest. */
static double coils_median_power(const double *values, size_t count)
{
    size_t live = 0;
    while (live < count && values[live] > 1e-6 * values[0])
        live++;
    return live ? 0.5 * (values[(live - 1) / 2] + values[live / 2]) : 0;
}

scry_status scry_whitening_of_residual(float complex *matrix, double *largest,
                                       const float complex *residual, size_t coils, size_t n,
                                       scry_error *err)
{
    if (!coils || n <= coils)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%zu samples that are left of each of %zu coils, expected more than coils",
                         n, coils);
    scry_status st = SCRY_OK;
    double complex *psi = scry_alloc(coils * coils, sizeof *psi);
    double complex *vectors = scry_alloc(coils * coils, sizeof *vectors);
    double *values = scry_alloc(coils, sizeof *values);
    if (!psi || !vectors || !values) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "residual of %zu coils", coils);
        goto done;
    }
    scryi_coils_covariance(psi, residual, NULL, coils, n, 1.0 / (double)n);
    if (!scryi_coils_finite(psi, coils)) {
        st = SCRY_FAIL(err, SCRY_ENUMERIC, "what is left of the samples holds NaN or infinity");
        goto done;
    }
    if ((st = scryi_hermitian_eigen(values, vectors, psi, coils, err)) != SCRY_OK) goto done;
    const double m = fmin(fmax(coils_median_power(values, coils), 0.5), 1);
    *largest = sqrt(fmax(values[0] / m, 1));
    for (size_t a = 0; a < coils; a++)
        for (size_t b = 0; b < coils; b++) {
            double complex sum = 0;
            for (size_t k = 0; k < coils; k++)
                sum += (values[k] > m ? sqrt(m / values[k]) : 1) * vectors[k * coils + a] *
                       conj(vectors[k * coils + b]);
            matrix[a * coils + b] = (float complex)sum;
        }
done:
    scry_free(psi);
    scry_free(vectors);
    scry_free(values);
    return st;
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
