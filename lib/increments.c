#include "lib/increments.h"
#include "lib/rng_gsl.h"

#include <gsl/gsl_randist.h>
#include <math.h>

scry_status scry_increments_check(const scry_increments *increments, scry_error *err)
{
    if (increments->kind > SCRY_INCREMENT_BERNOULLI_LAPLACE)
        return SCRY_FAIL(err, SCRY_EINVAL, "increment distribution %d, expected 0 to 3",
                         (int)increments->kind);
    if (!(increments->scale > 0 && isfinite(increments->scale)))
        return SCRY_FAIL(err, SCRY_EINVAL, "scale of increments %g, expected > 0",
                         increments->scale);
    if (increments->kind == SCRY_INCREMENT_STUDENT &&
        !(increments->dof > 0 && isfinite(increments->dof)))
        return SCRY_FAIL(err, SCRY_EINVAL, "%g degrees of freedom, expected > 0", increments->dof);
    if (scry_increments_sparse(increments) && !(increments->rate > 0 && increments->rate < 1))
        return SCRY_FAIL(err, SCRY_EINVAL, "rate of jumps %g, expected in (0, 1)",
                         increments->rate);
    return SCRY_OK;
}

const char *scry_increments_name(const scry_increments *increments)
{
    static const char *const names[] = {"gaussian", "laplace", "student", "bernoulli-laplace"};
    return names[increments->kind];
}

double scry_increments_variance(const scry_increments *increments)
{
    const double square = increments->scale * increments->scale;
    switch (increments->kind) {
    case SCRY_INCREMENT_LAPLACE:
        return 2 * square;
    case SCRY_INCREMENT_STUDENT:
        return increments->dof > 2 ? square * increments->dof / (increments->dof - 2) : INFINITY;
    case SCRY_INCREMENT_BERNOULLI_LAPLACE:
        return 2 * square * increments->rate;
    default:
        return square;
    }
}

bool scry_increments_sparse(const scry_increments *increments)
{
    return increments->kind == SCRY_INCREMENT_BERNOULLI_LAPLACE;
}

double scry_increments_typical(const scry_increments *increments)
{
    const double square = increments->scale * increments->scale;
    return increments->kind == SCRY_INCREMENT_GAUSSIAN || increments->kind == SCRY_INCREMENT_STUDENT
               ? square
               : 2 * square;
}

double scry_increments_draw(const scry_increments *increments, gsl_rng *rng)
{
    switch (increments->kind) {
    case SCRY_INCREMENT_LAPLACE:
        return gsl_ran_laplace(rng, increments->scale);
    case SCRY_INCREMENT_STUDENT:
        return increments->scale * gsl_ran_tdist(rng, increments->dof);
    case SCRY_INCREMENT_BERNOULLI_LAPLACE:
        return gsl_rng_uniform(rng) < increments->rate ? gsl_ran_laplace(rng, increments->scale)
                                                       : 0;
    default:
        return gsl_ran_gaussian_ziggurat(rng, increments->scale);
    }
}

/* 1/w is inverse Gaussian with mean mu = 1/(b |u|) and shape 1/b^2. In terms of w the smaller root
 * x of Michael et al. is w = m + t + sqrt(t (t + 2 m)), m = 1/mu, t = b^2 z^2 / 2, a sum of
 * positive terms that stays exact as u -> 0; the other is m^2 / w, and x is taken with probability
 * mu / (mu + x) = w / (w + m). */
static double laplace_latent(double b, double u, gsl_rng *rng)
{
    const double z = gsl_ran_gaussian_ziggurat(rng, 1), m = b * fabs(u), t = b * b * z * z / 2;
    const double w = m + t + sqrt(t * (t + 2 * m));
    return gsl_rng_uniform(rng) * (w + m) <= w ? w : m * m / w;
}

double scry_increments_latent(const scry_increments *increments, bool v, double u, gsl_rng *rng)
{
    const double square = increments->scale * increments->scale;
    switch (increments->kind) {
    case SCRY_INCREMENT_STUDENT:
        return (increments->dof * square + u * u) /
               (2 * gsl_ran_gamma(rng, (increments->dof + 1) / 2, 1));
    case SCRY_INCREMENT_LAPLACE:
    case SCRY_INCREMENT_BERNOULLI_LAPLACE:
        return v ? laplace_latent(increments->scale, u, rng) : gsl_ran_exponential(rng, 2 * square);
    default:
        return square;
    }
}
