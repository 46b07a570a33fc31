#include "solvers/methods_impl.h"
#include "solvers/posterior/coefficients_impl.h"

#include <math.h>

/* DDNM+: the part of the image that A sees is replaced by the measurement, to the extent that its
 * noise allows, coefficient by coefficient of A = U S V^H. Wang et al. 2023, Eq. 17-19 and Appendix
 * I, in the coordinate x = x0 + s n. With c = V^H D, y = U^H b / S of variance v, next level s':
 *   S > 0, s' >= sqrt(v)   c' = y + sqrt(s'^2 - v) z         (the noise of y is part of s')
 *   S > 0, else            c' = c + l (y - c) + eta s' z,    l = s' sqrt((1 - eta^2) / v)
 *   S = 0                  c' = c + s' (eta z + sqrt(1 - eta^2) (V^H x - c) / s) */

struct ddnm_options {
    struct scryi_sampler_options sampler;
    double fresh_noise;
};

static double ddnm_update(const struct scryi_coefficient *c, const void *options, double *state)
{
    const struct ddnm_options *o = options;
    if (!c->measured) return scryi_coefficient_free(c, o->fresh_noise, state);
    if (c->next * c->next >= c->v) {
        *state = c->y + sqrt(c->next * c->next - c->v) * c->z;
        return c->y;
    }
    const double x0 =
        c->D + c->next * sqrt((1 - o->fresh_noise * o->fresh_noise) / c->v) * (c->y - c->D);
    *state = x0 + o->fresh_noise * c->next * c->z;
    return x0;
}

static scry_status ddnm_plan(scry_solver **out, const scry_problem *problem,
                             const scry_options *options, scry_error *err)
{
    const struct ddnm_options *o = scry_options_block(options);
    return scryi_coefficients_plan(out, ddnm_update, problem, options, &o->sampler, err);
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct ddnm_options, 50),
    SCRYI_VISITS_OPTION(struct ddnm_options),
    {"fresh-noise", "eta", SCRY_FIELD(struct ddnm_options, fresh_noise), 0.85, 0, 1, NULL,
     "share of fresh noise in the part of the image that the measurement does not see"},
    SCRYI_START_OPTIONS(struct ddnm_options),
    {0},
};

const struct scry_method scry_method_ddnm = {
    .name = "ddnm",
    .title = "DDNM+",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_SVD | SCRY_NEEDS_GAUSSIAN,
    .exact = "approximate: exact data where they are noise-free; its spread is too small",
    .citation = "Wang, Yu, Zhang 2023, ICLR (arXiv:2212.00490), DDNM+",
    .options = options,
    .plan = ddnm_plan,
};
