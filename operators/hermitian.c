#include "operators/hermitian_impl.h"

#include "lib/memory.h"
#include "lib/space.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

size_t scryi_cholesky(double complex *L, const double complex *A, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, creal(A[i * n + i]));
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            double complex s = A[i * n + j];
            for (size_t k = 0; k < j; k++)
                s -= L[i * n + k] * conj(L[j * n + k]);
            if (j < i) {
                L[i * n + j] = s / creal(L[j * n + j]);
            } else {
                if (!(creal(s) > 1e-12 * largest)) return i;
                L[i * n + i] = sqrt(creal(s));
            }
        }
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            L[i * n + j] = 0;
    return n;
}

/* The planes of the working copy: A in a, the rotations so far in x, both n rows of ld. */
struct jacobi {
    size_t n;
    double *are, *aim, *xre, *xim;
};

/* rows p, q <- c p - conj(z) q, z p + c q */
static void hermitian_rotate(double *restrict pre, double *restrict pim, double *restrict qre,
                             double *restrict qim, size_t n, double c, double zr, double zi)
{
    for (size_t i = 0; i < n; i++) {
        const double pr = pre[i], pi = pim[i], qr = qre[i], qi = qim[i];
        pre[i] = c * pr - (zr * qr + zi * qi);
        pim[i] = c * pi - (zr * qi - zi * qr);
        qre[i] = c * qr + (zr * pr - zi * pi);
        qim[i] = c * qi + (zr * pi + zi * pr);
    }
}

/* One rotation, which makes entry (p, q) zero: with a_pq = |a| e^(i phi),
 * p' = c p - s e^(-i phi) q, q' = s e^(i phi) p + c q. */
static void hermitian_annihilate(struct jacobi *w, size_t p, size_t q, double magnitude)
{
    const size_t n = w->n;
    const double app = w->are[p * n + p], aqq = w->are[q * n + q];
    const double tau = (aqq - app) / (2 * magnitude);
    const double t = (tau < 0 ? -1 : 1) / (fabs(tau) + sqrt(1 + tau * tau));
    const double c = 1 / sqrt(1 + t * t), s = t * c;
    const double zr = s * w->are[p * n + q] / magnitude, zi = s * w->aim[p * n + q] / magnitude;
    hermitian_rotate(w->xre + p * n, w->xim + p * n, w->xre + q * n, w->xim + q * n, n, c, zr, zi);
    hermitian_rotate(w->are + p * n, w->aim + p * n, w->are + q * n, w->aim + q * n, n, c, zr, -zi);
    for (size_t i = 0; i < n; i++) {
        w->are[i * n + p] = w->are[p * n + i];
        w->aim[i * n + p] = -w->aim[p * n + i];
        w->are[i * n + q] = w->are[q * n + i];
        w->aim[i * n + q] = -w->aim[q * n + i];
    }
    w->are[p * n + p] = app - t * magnitude;
    w->are[q * n + q] = aqq + t * magnitude;
    w->aim[p * n + p] = w->aim[q * n + q] = 0;
    w->are[p * n + q] = w->aim[p * n + q] = w->are[q * n + p] = w->aim[q * n + p] = 0;
}

/* One pass over all pairs; true when nothing was left to do: every entry under 1e-14 of the
 * matrix. */
static bool hermitian_sweep(struct jacobi *w, double norm)
{
    bool clean = true;
    for (size_t p = 0; p < w->n; p++)
        for (size_t q = p + 1; q < w->n; q++) {
            const double a = hypot(w->are[p * w->n + q], w->aim[p * w->n + q]);
            if (a <= 1e-14 * norm) continue;
            hermitian_annihilate(w, p, q, a);
            clean = false;
        }
    return clean;
}

/* Row k of vectors: entry i of eigenvector `from`, turned so that its largest entry is positive. */
static void put_vector(double complex *v, const struct jacobi *w, size_t from)
{
    double largest = 0;
    double complex turn = 1;
    for (size_t i = 0; i < w->n; i++) {
        v[i] = w->xre[from * w->n + i] + I * w->xim[from * w->n + i];
        if (cabs(v[i]) > 1.001 * largest) { /* equal ones: the first, whatever rounding says */
            largest = cabs(v[i]);
            turn = conj(v[i]) / largest;
        }
    }
    for (size_t i = 0; i < w->n; i++)
        v[i] *= turn;
}

scry_status scryi_hermitian_eigen(double *values, double complex *vectors, double complex *A,
                                  size_t n, scry_error *err)
{
    double *block = scry_alloc(4 * n, n * sizeof *block), norm = 0;
    if (!block) return SCRY_FAIL(err, SCRY_ENOMEM, "eigenvectors of a %zu x %zu matrix", n, n);
    struct jacobi w = {n, block, block + n * n, block + 2 * n * n, block + 3 * n * n};
    for (size_t i = 0; i < n * n; i++) {
        w.are[i] = creal(A[i]);
        w.aim[i] = cimag(A[i]);
        norm += w.are[i] * w.are[i] + w.aim[i] * w.aim[i];
    }
    norm = sqrt(norm);
    if (!isfinite(norm)) {
        scry_free(block);
        return SCRY_FAIL(err, SCRY_ENUMERIC, "a %zu x %zu matrix holds NaN or infinity", n, n);
    }
    for (size_t i = 0; i < n; i++)
        w.xre[i * n + i] = 1;
    for (int i = 0; i < 40 && !hermitian_sweep(&w, norm); i++) /* converges in 6 to 10 */
        ;
    for (size_t k = 0; k < n; k++) { /* selection: n is small */
        size_t best = 0;
        double max = -INFINITY;
        for (size_t i = 0; i < n; i++)
            if (w.are[i * n + i] > max) max = w.are[(best = i) * n + i];
        values[k] = max;
        put_vector(vectors + k * n, &w, best);
        w.are[best * n + best] = -INFINITY;
    }
    scry_free(block);
    return SCRY_OK;
}
