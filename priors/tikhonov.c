#include "priors/tikhonov.h"

#include "lib/numbers.h"

#include "priors/gaussian_impl.h"

#include <gsl/gsl_math.h>

struct energy {
    int rank;
    double lambda, ridge, weight[3];
};

static scry_status energy_precision(double *q, const double f[3], void *ctx, scry_error *err)
{
    const struct energy *e = ctx;
    (void)err;
    *q = e->ridge;
    for (int a = 0; a < e->rank; a++) {
        const double d = 2 * e->weight[a] * sin(SCRY_PI * f[a]);
        *q += e->lambda * d * d;
    }
    return SCRY_OK;
}

static const struct scry_prior_ops tikhonov_ops = {
    .name = "tikhonov",
    .denoise = scryi_gaussian_denoise,
    .vjp = scryi_gaussian_vjp,
    .prox = scryi_gaussian_prox,
    .value = scryi_gaussian_value,
    .destroy = scryi_stationary_destroy,
};

/* Large enough for any use, small enough that a precision and its inverse fit in a float. */
static bool tikhonov_sensible(double x)
{
    return x > 1e-18 && x < 1e18;
}

scry_status scry_tikhonov_create(scry_prior **out, const scry_space *space,
                                 const scry_tikhonov_params *params, scry_error *err)
{
    const int rank = params->rank;
    const double lambda = params->lambda, ridge = params->ridge, *weights = params->weights;
    struct energy e = {.rank = rank, .lambda = lambda, .ridge = ridge, .weight = {1, 1, 1}};
    *out = NULL;
    if (!tikhonov_sensible(lambda))
        return SCRY_FAIL(err, SCRY_EINVAL, "lambda %g, expected 1e-18 to 1e18", lambda);
    if (ridge != 0 && !tikhonov_sensible(ridge))
        return SCRY_FAIL(err, SCRY_EINVAL, "ridge %g, expected 0 or 1e-18 to 1e18", ridge);
    for (int a = 0; weights && a < rank && a < 3; a++) {
        if (!(weights[a] > 1e-6 && weights[a] < 1e6))
            return SCRY_FAIL(err, SCRY_EINVAL, "weight %g of axis %d, expected 1e-6 to 1e6",
                             weights[a], a);
        e.weight[a] = weights[a];
    }
    return scryi_stationary_create(
        out, &tikhonov_ops, space,
        &(struct scryi_stationary_params){
            .rank = rank, .mean = params->mean, .precision = energy_precision, .ctx = &e},
        err);
}
