#include "lib/memory.h"
#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/guided_impl.h"

/* Decomposed diffusion sampling. At noise level s, with D = D(x; s) the denoised state,
 *   x0 = argmin_u  gamma/2 |A u - b|^2 + 1/2 |u - D|^2,   some conjugate-gradient steps from D:
 *        (I + gamma A^H A) x0 = D + gamma A^H b
 *   x' = x0 + s' (sqrt(1 - eta^2) (x - D) / s + eta z).
 * Chung, Lee & Ye 2024, Algorithm 2 (noisy measurements), in the coordinate x = x0 + s n. The noise
 * that is kept from the last level is the prior's estimate (x - D) / s and not (x - x0) / s,
 * because the change from D to x0 is no noise. The paper's A has norm 1; here gamma is relative to
 * 1 / |A|^2, so that an operator in another unit (whitened coils) gives the same images. Where the
 * noise differs from entry to entry, the relative weights are kept, with mean 1.
 *
 * This weight of the data is the same at every level and does not depend on their noise, so the
 * image is drawn onto the data level by level: with gamma 1 and 60 levels a pixel measured in noise
 * of a third of its spread ends on its measurement, with a spread of a thirtieth of the true one
 * (tests/exact/test_posterior.c). `weighting noise` weighs the likelihood against a prior of
 * variance s^2 instead,
 *   x0 = argmin_u  -gamma log p(y | u) + |u - D|^2 / (2 s^2),
 * the proximal step of DiffPIR, and keeps (x - x0) / s as the noise: on the same problem the spread
 * is then 0.8 to 0.9 of the true one. On a brain of 16 coils, 4-fold undersampled, the published
 * weight reached 23.9 dB and this one 30.3 (50 levels, one chain), so it is the default. */

/* The unit of the weight of the data: the publication's constant, or the noise. */
enum dds_weight { DDS_WEIGHT_PAPER = 0, DDS_WEIGHT_NOISE };
static const char *const dds_weight_names[] = {
    [DDS_WEIGHT_PAPER] = "paper", [DDS_WEIGHT_NOISE] = "noise", NULL};

struct dds_options {
    struct scryi_sampler_options sampler;
    double fresh_noise, data_weight;
    enum dds_weight weight;
    struct scryi_cg_options cg;
};

struct dds {
    struct scryi_guided G; /* first */
    double norm2;          /* |A|^2; weight paper */
};

/* mean of w^2 over the entries that were measured */
static double mean_weight(const struct scryi_guided *G)
{
    double sum = 0;
    for (size_t i = 0; i < G->m; i++)
        sum += (double)G->w[i] * G->w[i];
    return G->known ? sum / (double)G->known : 1;
}

static scry_status dds_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct dds *M = (struct dds *)base;
    struct scryi_guided *G = &M->G;
    struct scryi_sampler *S = &G->base;
    const struct dds_options *o = scry_options_block(&base->options);
    const bool paper = o->weight == DDS_WEIGHT_PAPER;
    const double s = S->sigma[base->step];
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, s, err);
    if (st != SCRY_OK) return st;
    if ((st = scryi_guided_linearise(G, S->x0, err)) != SCRY_OK) return st;
    const double t = paper ? o->data_weight / (M->norm2 * mean_weight(G)) : o->data_weight * s * s;
    if (paper) scryi_condition_forget(&G->condition); /* from D, as published */
    st = scryi_guided_condition(G, S->x0, scryi_covariance_white(t),
                                scryi_condition_settings(&G->condition, o->cg, 5, 0), 0, err);
    if (st != SCRY_OK) return st;
    if (paper) scry_axpy(S->x, 1, G->u, base->n); /* x - x0 is then the old x - D */
    return scryi_guided_move(G, o->fresh_noise * o->fresh_noise, p, err);
}

static scry_status dds_plan(scry_solver **out, const scry_problem *problem,
                            const scry_options *options, scry_error *err)
{
    const struct dds_options *o = scry_options_block(options);
    struct dds *M = scry_alloc(1, sizeof *M);
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", scry_method_dds.name);
    struct scry_solver *S = &M->G.base.base;
    S->start_fn = scryi_guided_start;
    S->step_fn = dds_step;
    S->destroy = scryi_guided_destroy;
    scry_status st = scryi_guided_init(&M->G, problem, options, &o->sampler, err);
    if (st == SCRY_OK && o->weight == DDS_WEIGHT_PAPER)
        st = scry_op_norm2(M->G.A, &M->norm2, 1e-3, err);
    if (st == SCRY_OK && o->weight == DDS_WEIGHT_PAPER && !(M->norm2 > 0))
        st = SCRY_FAIL(err, SCRY_EINVAL, "dds: the operator %s is zero", scry_op_name(M->G.A));
    if (st == SCRY_OK && o->weight == DDS_WEIGHT_NOISE) st = scryi_guided_scatter(&M->G, err);
    if (st == SCRY_OK)
        *out = S;
    else
        scryi_guided_destroy(S);
    return st;
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct dds_options, 50),
    {"fresh-noise", "eta", SCRY_FIELD(struct dds_options, fresh_noise), 1, 0, 1, NULL,
     "share of fresh noise in the noise of the next level; published: 0.85"},
    {"data-weight", "gamma", SCRY_FIELD(struct dds_options, data_weight), 1, 1e-6, 1e6, NULL,
     "weight of the data in the data step"},
    {"weighting", "weight", SCRY_FIELD(struct dds_options, weight), DDS_WEIGHT_NOISE, 0,
     DDS_WEIGHT_NOISE, dds_weight_names,
     "unit of data-weight; paper: 1 / |A|^2 at every level, as published; noise: as the noise of "
     "the "
     "measurement and that of the level are worth"},
    SCRYI_SOLVE_OPTIONS(struct dds_options, 5, 0),
    SCRYI_START_OPTIONS(struct dds_options),
    {0},
};

const struct scry_method scry_method_dds = {
    .name = "dds",
    .title = "decomposed diffusion sampling",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "approximate: its spread is somewhat small; with weighting paper, as published, it "
             "fits the noise of the data too",
    .citation = "Chung, Lee, Ye 2024, ICLR (arXiv:2303.05754), Algorithm 2",
    .options = options,
    .plan = dds_plan,
};
