#include "datasets/gaussian_mixture.h"

#include "lib/memory.h"
#include "lib/rng.h"

#include <math.h>
#include <string.h>

static const double log_2pi = 1.8378770664093454836;

/* L, lower, with L L^T = C; reads the lower triangle. false: not positive definite. */
static bool mixture_factor(double *L, const double *C, size_t n)
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
static void mixture_solve_lower(const double *L, size_t n, double *x, size_t columns)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            for (size_t c = 0; c < columns; c++)
                x[i * columns + c] -= L[i * n + k] * x[k * columns + c];
        for (size_t c = 0; c < columns; c++)
            x[i * columns + c] /= L[i * n + i];
    }
}

static scry_gaussian_mixture *mixture_allocate(size_t n, size_t count)
{
    scry_gaussian_mixture *mixture = scry_alloc(1, sizeof *mixture);
    if (!mixture) return NULL;
    mixture->n = n;
    mixture->count = count;
    mixture->weight = scry_alloc(count, sizeof(double));
    mixture->mean = scry_alloc(count * n, sizeof(double));
    mixture->cov = scry_alloc(count * n * n, sizeof(double));
    mixture->root = scry_alloc(count * n * n, sizeof(double));
    if (mixture->weight && mixture->mean && mixture->cov && mixture->root) return mixture;
    scry_gaussian_mixture_free(mixture);
    return NULL;
}

void scry_gaussian_mixture_free(scry_gaussian_mixture *mixture)
{
    if (!mixture) return;
    scry_free(mixture->weight);
    scry_free(mixture->mean);
    scry_free(mixture->cov);
    scry_free(mixture->root);
    scry_free(mixture);
}

static scry_status factor_all(scry_gaussian_mixture *mixture, scry_status code, scry_error *err)
{
    const size_t nn = mixture->n * mixture->n;
    for (size_t k = 0; k < mixture->count; k++)
        if (!mixture_factor(mixture->root + k * nn, mixture->cov + k * nn, mixture->n))
            return SCRY_FAIL(err, code, "component %zu: covariance is not positive definite", k);
    return SCRY_OK;
}

scry_status scry_gaussian_mixture_create(scry_gaussian_mixture **out,
                                         const scry_gaussian_mixture_params *params,
                                         scry_error *err)
{
    const size_t n = params->n, count = params->count;
    const double *weight = params->weight;
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
    scry_gaussian_mixture *mixture = mixture_allocate(n, count);
    if (!mixture)
        return SCRY_FAIL(err, SCRY_ENOMEM, "a mixture of %zu in %zu dimensions", count, n);
    for (size_t k = 0; k < count; k++)
        mixture->weight[k] = (weight ? weight[k] : 1) / total;
    memcpy(mixture->mean, params->mean, count * n * sizeof(double));
    memcpy(mixture->cov, params->cov, count * n * n * sizeof(double));
    const scry_status st = factor_all(mixture, SCRY_EINVAL, err);
    if (st == SCRY_OK)
        *out = mixture;
    else
        scry_gaussian_mixture_free(mixture);
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
    if (!mixture_factor(u->L, u->S, m)) return false;
    /* W = L^-1 A C and q = L^-1 r: mean' = mean + W^T q, C' = C - W^T W, symmetric. */
    mixture_solve_lower(u->L, m, u->AC, n);
    mixture_solve_lower(u->L, m, u->r, 1);
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

scry_status scry_gaussian_mixture_condition(scry_gaussian_mixture **out,
                                            const scry_gaussian_mixture *prior,
                                            const scry_linear_data *data, scry_error *err)
{
    const size_t n = prior->n, count = prior->count;
    const double sigma = data->sigma;
    double max = -INFINITY, total = 0;
    struct update u = {0};
    *out = NULL;
    if (!(sigma > 0 && isfinite(sigma)))
        return SCRY_FAIL(err, SCRY_EINVAL, "sigma %g, expected > 0", sigma);
    scry_gaussian_mixture *mixture = mixture_allocate(n, count);
    scry_status st =
        mixture ? update_alloc(&u, n, data->m, err)
                : SCRY_FAIL(err, SCRY_ENOMEM, "a mixture of %zu in %zu dimensions", count, n);
    if (st != SCRY_OK) goto done;
    memcpy(mixture->mean, prior->mean, count * n * sizeof(double));
    memcpy(mixture->cov, prior->cov, count * n * n * sizeof(double));
    for (size_t k = 0; k < count && st == SCRY_OK; k++) {
        double log_p = 0;
        if (!update_component(&u, mixture->mean + k * n, mixture->cov + k * n * n, n, data->A,
                              data->m, data->y, sigma, &log_p))
            st = SCRY_FAIL(err, SCRY_ENUMERIC, "A C A^T + %g^2 is not positive definite", sigma);
        mixture->weight[k] = log(prior->weight[k]) + log_p;
        max = fmax(max, mixture->weight[k]);
    }
    for (size_t k = 0; k < count; k++)
        total += mixture->weight[k] = exp(mixture->weight[k] - max);
    for (size_t k = 0; k < count; k++)
        mixture->weight[k] /= total;
    if (st == SCRY_OK) st = factor_all(mixture, SCRY_ENUMERIC, err);
done:
    update_free(&u);
    if (st == SCRY_OK)
        *out = mixture;
    else
        scry_gaussian_mixture_free(mixture);
    return st;
}

void scry_gaussian_mixture_moments(const scry_gaussian_mixture *mixture, double *mean, double *cov)
{
    const size_t n = mixture->n;
    for (size_t i = 0; i < n; i++) {
        double mi = 0;
        for (size_t k = 0; k < mixture->count; k++)
            mi += mixture->weight[k] * mixture->mean[k * n + i];
        if (mean) mean[i] = mi;
        for (size_t j = 0; cov && j <= i; j++) {
            double mj = 0, s = 0;
            for (size_t k = 0; k < mixture->count; k++)
                mj += mixture->weight[k] * mixture->mean[k * n + j];
            for (size_t k = 0; k < mixture->count; k++)
                s += mixture->weight[k] *
                     (mixture->cov[(k * n + i) * n + j] +
                      (mixture->mean[k * n + i] - mi) * (mixture->mean[k * n + j] - mj));
            cov[i * n + j] = cov[j * n + i] = s;
        }
    }
}

void scry_gaussian_mixture_draw(const scry_gaussian_mixture *mixture, double *x, uint64_t seed,
                                uint32_t number)
{
    enum { BLOCK = 64 };
    const size_t n = mixture->n;
    float u, z[BLOCK];
    size_t k = 0;
    scry_rng_uniform(&u, 0, 1, seed, number, 0);
    for (double left = u; k + 1 < mixture->count && left > mixture->weight[k]; k++)
        left -= mixture->weight[k];
    memcpy(x, mixture->mean + k * n, n * sizeof *x);
    for (size_t first = 0; first < n; first += BLOCK) {
        const size_t end = first + BLOCK < n ? first + BLOCK : n;
        scry_rng_normal(z, first, end - first, seed, number, 1);
        for (size_t i = first; i < n; i++)
            for (size_t j = first; j < end && j <= i; j++)
                x[i] += mixture->root[(k * n + i) * n + j] * z[j - first];
    }
}

double scry_gaussian_mixture_cdf(const scry_gaussian_mixture *mixture, size_t i, double t)
{
    const size_t n = mixture->n;
    double p = 0;
    for (size_t k = 0; k < mixture->count; k++) {
        const double sd = sqrt(mixture->cov[(k * n + i) * n + i]);
        p += mixture->weight[k] * 0.5 * erfc(-(t - mixture->mean[k * n + i]) / (sd * sqrt(2.0)));
    }
    return p;
}

static double component_log_density(const scry_gaussian_mixture *mixture, size_t k, const double *x,
                                    double *work)
{
    const size_t n = mixture->n;
    const double *L = mixture->root + k * n * n;
    double log_p = log(mixture->weight[k]) - 0.5 * (double)n * log_2pi;
    for (size_t i = 0; i < n; i++)
        work[i] = x[i] - mixture->mean[k * n + i];
    mixture_solve_lower(L, n, work, 1);
    for (size_t i = 0; i < n; i++)
        log_p -= log(L[i * n + i]) + 0.5 * work[i] * work[i];
    return log_p;
}

double scry_gaussian_mixture_log_density(const scry_gaussian_mixture *mixture, const double *x,
                                         double *share, double *work)
{
    double max = -INFINITY, total = 0;
    for (size_t k = 0; k < mixture->count; k++) { /* log of the sum, as it grows */
        const double log_p = component_log_density(mixture, k, x, work);
        if (share) share[k] = log_p;
        if (!(log_p > -INFINITY)) continue; /* a weight that vanished */
        total = log_p > max ? total * exp(max - log_p) + 1 : total + exp(log_p - max);
        max = fmax(max, log_p);
    }
    for (size_t k = 0; share && k < mixture->count; k++)
        share[k] = exp(share[k] - max) / total;
    return max + log(total);
}
