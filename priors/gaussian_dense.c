/* N(mean, C) with any covariance, by its eigenvectors in double precision. */
#include "priors/eigen_impl.h"
#include "priors/gaussian_impl.h"

#include "lib/given.h"
#include "lib/memory.h"

#include <string.h>

struct dense {
    struct scryi_gaussian base;
    size_t n;
    double *mean, *precision, *vectors; /* n, n, n x n with an eigenvector a row */
};

/* Work: the centred input, then the result; and the coefficients. */
static void dense_filter(const struct scryi_gaussian *G, float *out, const float *in,
                         enum scryi_gaussian_gain kind, double t, bool about_mean, void *work)
{
    const struct dense *d = (const struct dense *)G;
    double *u = work, *c = u + d->n;
    for (size_t i = 0; i < d->n; i++)
        u[i] = in[i] - (about_mean ? d->mean[i] : 0);
    scryi_eigen_analyse(c, d->vectors, u, d->n);
    for (size_t k = 0; k < d->n; k++)
        c[k] *= scryi_gaussian_gain(kind, d->precision[k], t);
    scryi_eigen_synthesise(u, d->vectors, c, d->n);
    for (size_t i = 0; i < d->n; i++)
        out[i] = (float)(u[i] + (about_mean ? d->mean[i] : 0));
}

static double dense_energy(const struct scryi_gaussian *G, const float *u, void *work)
{
    const struct dense *d = (const struct dense *)G;
    double *centred = work, *c = centred + d->n, energy = 0;
    for (size_t i = 0; i < d->n; i++)
        centred[i] = u[i] - d->mean[i];
    scryi_eigen_analyse(c, d->vectors, centred, d->n);
    for (size_t k = 0; k < d->n; k++)
        energy += d->precision[k] * c[k] * c[k];
    return energy;
}

static void dense_mean(const struct scryi_gaussian *G, float *mean)
{
    const struct dense *d = (const struct dense *)G;
    for (size_t i = 0; i < d->n; i++)
        mean[i] = (float)d->mean[i];
}

static void gaussian_dense_destroy(scry_prior *P)
{
    struct dense *d = (struct dense *)P;
    if (!d) return;
    scry_free(d->mean);
    scry_free(d->precision);
    scry_free(d->vectors);
    scry_free(d);
}

static const struct scry_prior_ops dense_ops = {
    .name = "gaussian-dense",
    .denoise = scryi_gaussian_denoise,
    .vjp = scryi_gaussian_vjp,
    .prox = scryi_gaussian_prox,
    .value = scryi_gaussian_value,
    .destroy = gaussian_dense_destroy,
};

static scry_status dense_allocate(struct dense **out, const scry_space *space, scry_error *err)
{
    const size_t n = scry_space_floats(space);
    size_t square;
    struct dense *d = *out = scry_alloc(1, sizeof *d);
    if (!d) return SCRY_FAIL(err, SCRY_ENOMEM, "dense Gaussian prior");
    d->base = (struct scryi_gaussian){.base = {.ops = &dense_ops,
                                               .space = *space,
                                               .work_bytes = 2 * n * sizeof(double),
                                               .sigma_low = SCRYI_SIGMA_LOW,
                                               .sigma_high = SCRYI_SIGMA_HIGH},
                                      .proper = true,
                                      .filter = dense_filter,
                                      .energy = dense_energy,
                                      .mean = dense_mean};
    d->n = n;
    if (!scry_mul(&square, n, n))
        return SCRY_FAIL(err, SCRY_ESHAPE, "%zu pixels are too many for a dense covariance", n);
    d->mean = scry_alloc(n, sizeof *d->mean);
    d->precision = scry_alloc(n, sizeof *d->precision);
    d->vectors = scry_alloc(square, sizeof *d->vectors);
    if (!d->mean || !d->precision || !d->vectors)
        return SCRY_FAIL(err, SCRY_ENOMEM, "dense covariance of %zu pixels", n);
    return SCRY_OK;
}

scry_status scry_gaussian_create_dense(scry_prior **out, const scry_space *space,
                                       const double *mean, const double *C, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, space, mean, C)) return SCRY_EINVAL;
    struct dense *d = NULL;
    scry_status st = scry_space_check(space, err);
    if (st != SCRY_OK) goto done;
    if ((st = dense_allocate(&d, space, err)) != SCRY_OK) goto done;
    for (size_t i = 0; i < d->n; i++) {
        if (!isfinite(mean[i])) {
            st = SCRY_FAIL(err, SCRY_EINVAL, "mean %zu is %g, expected a number", i, mean[i]);
            goto done;
        }
        d->mean[i] = mean[i];
    }
    if ((st = scryi_eigen(d->precision, d->vectors, C, d->n, err)) != SCRY_OK) goto done;
    for (size_t k = 0; k < d->n; k++)
        d->precision[k] = 1 / d->precision[k];
    *out = &d->base.base;
    d = NULL;
done:
    gaussian_dense_destroy((scry_prior *)d);
    return st;
}
