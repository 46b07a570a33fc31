#include "solvers/methods_impl.h"
#include "solvers/posterior/coefficients_impl.h"

#include <math.h>

/* Denoising diffusion restoration models: a chain of Gaussians that ends at the noise-free image,
 * coefficient by coefficient of A = U S V^H. Kawar et al. 2022, Eq. 7-8, in the coordinate
 * x = x0 + s n. With c = V^H D, y = U^H b / S of variance v, next level s':
 *   S > 0, s' >= sqrt(v)   c' = (1 - eta_b) c + eta_b y + sqrt(s'^2 - eta_b^2 v) z
 *   S > 0, else            c' = c + sqrt(1 - eta^2) s' (y - c) / sqrt(v) + eta s' z
 *   S = 0                  c' = c + s' (eta z + sqrt(1 - eta^2) (V^H x - c) / s)
 * With eta_b 1 this is the step of DDNM+ without repeated visits. As long as the noise of the state
 * covers that of y, a coefficient then depends on y alone, and the prior of that coefficient has no
 * effect. The first state is that of the other methods, the mean of the model in noise, and not the
 * measurement in noise of their Eq. 7: in the noise of the first level they do not differ. */

struct ddrm_options {
    struct scryi_sampler_options sampler;
    double fresh_noise, data_share;
};

static double ddrm_update(const struct scryi_coefficient *c, const void *options, double *state)
{
    const struct ddrm_options *o = options;
    if (!c->measured) return scryi_coefficient_free(c, o->fresh_noise, state);
    const double spare = c->next * c->next - c->v;
    if (spare >= 0) {
        const double x0 = c->D + o->data_share * (c->y - c->D);
        *state = x0 + sqrt(spare + (1 - o->data_share * o->data_share) * c->v) * c->z;
        return x0;
    }
    const double x0 =
        c->D + c->next * sqrt((1 - o->fresh_noise * o->fresh_noise) / c->v) * (c->y - c->D);
    *state = x0 + o->fresh_noise * c->next * c->z;
    return x0;
}

static scry_status ddrm_plan(scry_solver **out, const scry_problem *problem,
                             const scry_options *options, scry_error *err)
{
    const struct ddrm_options *o = scry_options_block(options);
    return scryi_coefficients_plan(out, ddrm_update, problem, options, &o->sampler, err);
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct ddrm_options, 20),
    {"fresh-noise", "eta", SCRY_FIELD(struct ddrm_options, fresh_noise), 0.85, 0, 1, NULL,
     "share of fresh noise where the measurement says little or nothing"},
    {"data-share", "eta-b", SCRY_FIELD(struct ddrm_options, data_share), 1, 0, 1, NULL,
     "share of the measurement where it is better than the state"},
    SCRYI_START_OPTIONS(struct ddrm_options),
    {0},
};

const struct scry_method scry_method_ddrm = {
    .name = "ddrm",
    .title = "denoising diffusion restoration models",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_SVD | SCRY_NEEDS_GAUSSIAN,
    .exact = "approximate: mean off by up to 0.6 sd, spread 0.4 to 0.9 of the true one",
    .citation = "Kawar, Elad, Ermon, Song 2022, NeurIPS (arXiv:2201.11793), Eq. 7-8",
    .options = options,
    .plan = ddrm_plan,
};
