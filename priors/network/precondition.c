#include "priors/network/network_impl.h"

#include "lib/memory.h"

#include <math.h>

/* What a network predicts and at which scale and time it sees its input: unet.h has the equations.
 */

enum { EDM_LEVELS = 1000 };

static scryi_coefficients edm_coefficients(const scryi_config *c, double s)
{
    const double q = c->sigma_data, r = 1 / sqrt(s * s + q * q);
    return (scryi_coefficients){.skip = q * q * r * r,
                                .out = (c->prediction == SCRYI_EPSILON ? s : -s) * q * r,
                                .in = r,
                                .t = log(s) / 4};
}

scryi_coefficients scryi_network_coefficients(const scry_network *net, double s)
{
    const scryi_config *config = &net->config;
    if (config->sigma_data > 0) return edm_coefficients(config, s);
    if (config->prediction == SCRYI_FLOW) {
        const double a = 1 / (1 + s), steps = (double)scry_schedule_steps(net->schedule) + 1;
        return (scryi_coefficients){.skip = a, .out = -s * a, .in = a, .t = steps * s * a};
    }
    const double a = 1 / sqrt(1 + s * s); /* sqrt(abar) */
    scryi_coefficients c = {.in = a, .t = scry_schedule_time(net->schedule, s)};
    if (config->prediction == SCRYI_EPSILON) {
        c.skip = 1;
        c.out = -s;
    } else if (config->prediction == SCRYI_V_PREDICTION) {
        c.skip = a * a;
        c.out = -s * a;
    } else {
        c.out = 1;
    }
    return c;
}

/* beta = 1 - abar / abar before, of abar = 1 / (1 + sigma^2), without the subtraction. */
static double beta_between(double before, double sigma)
{
    return (sigma * sigma - before * before) / (1 + sigma * sigma);
}

scry_status scryi_flow_schedule(scry_schedule **out, size_t steps, scry_error *err)
{
    *out = NULL;
    if (steps < 3)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu training steps of a flow, expected at least 3",
                         steps);
    double *betas = scry_alloc(steps - 1, sizeof *betas), before = 0;
    if (!betas) return SCRY_FAIL(err, SCRY_ENOMEM, "noise schedule of %zu steps", steps);
    for (size_t i = 0; i + 1 < steps; i++) {
        const double sigma = (double)(i + 1) / (double)(steps - i - 1);
        betas[i] = beta_between(before, sigma);
        before = sigma;
    }
    const scry_status st = scry_schedule_create_betas(out, betas, steps - 1, err);
    scry_free(betas);
    return st;
}

scry_status scryi_edm_schedule(scry_schedule **out, double low, double high, scry_error *err)
{
    double betas[EDM_LEVELS], before = 0;
    *out = NULL;
    if (!(low > 0 && low < high && high < 1e6))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "sigma_min %g and sigma_max %g, expected 0 < low < high < 1e6", low, high);
    for (size_t i = 0; i < EDM_LEVELS; i++) {
        const double sigma = low * pow(high / low, (double)i / (EDM_LEVELS - 1));
        betas[i] = beta_between(before, sigma);
        before = sigma;
    }
    return scry_schedule_create_betas(out, betas, EDM_LEVELS, err);
}
