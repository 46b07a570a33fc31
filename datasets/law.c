#include "datasets/law.h"

#include "lib/memory.h"
#include "lib/rng.h"

#include <math.h>
#include <string.h>

static const double log_2pi = 1.8378770664093454836;

/* L, lower, with L L^T = C; reads the lower triangle. false: not positive definite. */
static bool factor(double *L, const double *C, size_t n)
{
    memset(L, 0, n * n * sizeof *L);
    for (size_t j = 0; j < n; j++) {
        for (size_t i = j; i < n; i++) {
            double s = C[i * n + j];
            for (size_t k = 0; k < j; k++)
                s -= L[i * n + k] * L[j * n + k];
            if (i == j && !(s > 0 && isfinite(s))) return false;
            L[i * n + j] = i == j ? sqrt(s) : s / L[j * n + j];
        }
    }
    return true;
}

/* x = L^-1 x, x with `columns` columns (row-major). */
static void solve_lower(const double *L, size_t n, double *x, size_t columns)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            for (size_t c = 0; c < columns; c++)
                x[i * columns + c] -= L[i * n + k] * x[k * columns + c];
        for (size_t c = 0; c < columns; c++)
            x[i * columns + c] /= L[i * n + i];
    }
}

static scry_law *law_allocate(size_t n, size_t count)
{
    scry_law *law = scry_alloc(1, sizeof *law);
    if (!law) return NULL;
    law->n = n;
    law->count = count;
    law->weight = scry_alloc(count, sizeof(double));
    law->mean = scry_alloc(count * n, sizeof(double));
    law->cov = scry_alloc(count * n * n, sizeof(double));
    law->root = scry_alloc(count * n * n, sizeof(double));
    if (law->weight && law->mean && law->cov && law->root) return law;
    scry_law_free(law);
    return NULL;
}

void scry_law_free(scry_law *law)
{
    if (!law) return;
    scry_free(law->weight);
    scry_free(law->mean);
    scry_free(law->cov);
    scry_free(law->root);
    scry_free(law);
}

static scry_status factor_all(scry_law *law, scry_status code, scry_error *err)
{
    const size_t nn = law->n * law->n;
    for (size_t k = 0; k < law->count; k++)
        if (!factor(law->root + k * nn, law->cov + k * nn, law->n))
            return SCRY_FAIL(err, code, "component %zu: covariance is not positive definite", k);
    return SCRY_OK;
}

scry_status scry_law_create(scry_law **out, size_t n, size_t count, const double *weight,
                            const double *mean, const double *cov, scry_error *err)
{
    double total = 0;
    *out = NULL;
    if (!n || !count)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu dimensions, %zu components, expected 1 or more", n,
                         count);
    for (size_t k = 0; k < count; k++) {
        const double w = weight ? weight[k] : 1;
        if (!(w > 0 && isfinite(w)))
            return SCRY_FAIL(err, SCRY_EINVAL, "component %zu: weight %g, expected > 0", k, w);
        total += w;
    }
    scry_law *law = law_allocate(n, count);
    if (!law) return SCRY_FAIL(err, SCRY_ENOMEM, "a mixture of %zu in %zu dimensions", count, n);
    for (size_t k = 0; k < count; k++)
        law->weight[k] = (weight ? weight[k] : 1) / total;
    memcpy(law->mean, mean, count * n * sizeof *mean);
    memcpy(law->cov, cov, count * n * n * sizeof *cov);
    const scry_status st = factor_all(law, SCRY_EINVAL, err);
    if (st == SCRY_OK)
        *out = law;
    else
        scry_law_free(law);
    return st;
}

/* Scratch of one update: A C (m x n), S and its factor (m x m), residual (m). */
struct update {
    double *AC, *S, *L, *r;
};

static scry_status update_alloc(struct update *u, size_t n, size_t m, scry_error *err)
{
    *u = (struct update){.AC = scry_alloc(m * n, sizeof(double)),
                         .S = scry_alloc(m * m, sizeof(double)),
                         .L = scry_alloc(m * m, sizeof(double)),
                         .r = scry_alloc(m, sizeof(double))};
    if (u->AC && u->S && u->L && u->r) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "%zu measurements of %zu values", m, n);
}

static void update_free(struct update *u)
{
    scry_free(u->AC);
    scry_free(u->S);
    scry_free(u->L);
    scry_free(u->r);
}

/* mean and cov of a component become those given y; *log_p = log N(y; A mean, S). */
static bool update_component(struct update *u, double *mean, double *cov, size_t n, const double *A,
                             size_t m, const double *y, double sigma, double *log_p)
{
    for (size_t i = 0; i < m; i++) {
        u->r[i] = y[i];
        for (size_t j = 0; j < n; j++) {
            double s = 0;
            for (size_t k = 0; k < n; k++)
                s += A[i * n + k] * cov[k * n + j];
            u->AC[i * n + j] = s;
            u->r[i] -= A[i * n + j] * mean[j];
        }
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++) {
            double s = i == j ? sigma * sigma : 0;
            for (size_t k = 0; k < n; k++)
                s += u->AC[i * n + k] * A[j * n + k];
            u->S[i * m + j] = s;
        }
    if (!factor(u->L, u->S, m)) return false;
    /* W = L^-1 A C and q = L^-1 r: mean' = mean + W^T q, C' = C - W^T W, symmetric. */
    solve_lower(u->L, m, u->AC, n);
    solve_lower(u->L, m, u->r, 1);
    *log_p = -0.5 * (double)m * log_2pi;
    for (size_t i = 0; i < m; i++) {
        *log_p -= log(u->L[i * m + i]) + 0.5 * u->r[i] * u->r[i];
        for (size_t j = 0; j < n; j++)
            mean[j] += u->AC[i * n + j] * u->r[i];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < m; k++)
                cov[i * n + j] -= u->AC[k * n + i] * u->AC[k * n + j];
    return true;
}

scry_status scry_law_condition(scry_law **out, const scry_law *prior, const double *A, size_t m,
                               const double *y, double sigma, scry_error *err)
{
    const size_t n = prior->n, count = prior->count;
    double most = -INFINITY, total = 0;
    struct update u = {0};
    *out = NULL;
    if (!(sigma > 0 && isfinite(sigma)))
        return SCRY_FAIL(err, SCRY_EINVAL, "sigma %g, expected > 0", sigma);
    scry_law *law = law_allocate(n, count);
    scry_status st =
        law ? update_alloc(&u, n, m, err)
            : SCRY_FAIL(err, SCRY_ENOMEM, "a mixture of %zu in %zu dimensions", count, n);
    if (st != SCRY_OK) goto done;
    memcpy(law->mean, prior->mean, count * n * sizeof(double));
    memcpy(law->cov, prior->cov, count * n * n * sizeof(double));
    for (size_t k = 0; k < count && st == SCRY_OK; k++) {
        double log_p = 0;
        if (!update_component(&u, law->mean + k * n, law->cov + k * n * n, n, A, m, y, sigma,
                              &log_p))
            st = SCRY_FAIL(err, SCRY_ENUMERIC, "A C A^T + %g^2 is not positive definite", sigma);
        law->weight[k] = log(prior->weight[k]) + log_p;
        most = fmax(most, law->weight[k]);
    }
    for (size_t k = 0; k < count; k++)
        total += law->weight[k] = exp(law->weight[k] - most);
    for (size_t k = 0; k < count; k++)
        law->weight[k] /= total;
    if (st == SCRY_OK) st = factor_all(law, SCRY_ENUMERIC, err);
done:
    update_free(&u);
    if (st == SCRY_OK)
        *out = law;
    else
        scry_law_free(law);
    return st;
}

void scry_law_moments(const scry_law *law, double *mean, double *cov)
{
    const size_t n = law->n;
    for (size_t i = 0; i < n; i++) {
        double mi = 0;
        for (size_t k = 0; k < law->count; k++)
            mi += law->weight[k] * law->mean[k * n + i];
        if (mean) mean[i] = mi;
        for (size_t j = 0; cov && j <= i; j++) {
            double mj = 0, s = 0;
            for (size_t k = 0; k < law->count; k++)
                mj += law->weight[k] * law->mean[k * n + j];
            for (size_t k = 0; k < law->count; k++)
                s += law->weight[k] * (law->cov[(k * n + i) * n + j] +
                                       (law->mean[k * n + i] - mi) * (law->mean[k * n + j] - mj));
            cov[i * n + j] = cov[j * n + i] = s;
        }
    }
}

void scry_law_draw(const scry_law *law, double *x, uint64_t seed, uint32_t number)
{
    enum { BLOCK = 64 };
    const size_t n = law->n;
    float u, z[BLOCK];
    size_t k = 0;
    scry_rng_uniform(&u, 0, 1, seed, number, 0);
    for (double left = u; k + 1 < law->count && left > law->weight[k]; k++)
        left -= law->weight[k];
    memcpy(x, law->mean + k * n, n * sizeof *x);
    for (size_t first = 0; first < n; first += BLOCK) {
        const size_t end = first + BLOCK < n ? first + BLOCK : n;
        scry_rng_normal(z, first, end - first, seed, number, 1);
        for (size_t i = first; i < n; i++)
            for (size_t j = first; j < end && j <= i; j++)
                x[i] += law->root[(k * n + i) * n + j] * z[j - first];
    }
}

double scry_law_cdf(const scry_law *law, size_t i, double t)
{
    const size_t n = law->n;
    double p = 0;
    for (size_t k = 0; k < law->count; k++) {
        const double sd = sqrt(law->cov[(k * n + i) * n + i]);
        p += law->weight[k] * 0.5 * erfc(-(t - law->mean[k * n + i]) / (sd * sqrt(2.0)));
    }
    return p;
}

static double component_log_density(const scry_law *law, size_t k, const double *x, double *work)
{
    const size_t n = law->n;
    const double *L = law->root + k * n * n;
    double log_p = log(law->weight[k]) - 0.5 * (double)n * log_2pi;
    for (size_t i = 0; i < n; i++)
        work[i] = x[i] - law->mean[k * n + i];
    solve_lower(L, n, work, 1);
    for (size_t i = 0; i < n; i++)
        log_p -= log(L[i * n + i]) + 0.5 * work[i] * work[i];
    return log_p;
}

double scry_law_log_density(const scry_law *law, const double *x, double *share, double *work)
{
    double most = -INFINITY, total = 0;
    for (size_t k = 0; k < law->count; k++) { /* log of the sum, as it grows */
        const double log_p = component_log_density(law, k, x, work);
        if (share) share[k] = log_p;
        if (!(log_p > -INFINITY)) continue; /* a weight that vanished */
        total = log_p > most ? total * exp(most - log_p) + 1 : total + exp(log_p - most);
        most = fmax(most, log_p);
    }
    for (size_t k = 0; share && k < law->count; k++)
        share[k] = exp(share[k] - most) / total;
    return most + log(total);
}
