#include "apps/recon/draw.h"

#include "apps/recon/prior_lookup.h"
#include "priors/gaussian.h"

/* The prior, and the Gaussian model with its mean and spectrum where it states them. */
static scry_status draw_make_priors(scry_problem *out, scry_prior **prior, scry_prior **model,
                                    const scry_prior_pool *pool, const scry_draw_request *q,
                                    scry_error *err)
{
    const scry_space space = SCRY_SPACE(q->ny, q->nx);
    const scry_radial *power = &pool->info->radial;
    scry_prior_layout layout;
    scry_status st = scry_prior_pool_make(prior, &layout, pool, &space,
                                          &(scry_prior_plan){.tile = q->tile, .threads = 1}, err);
    if (st == SCRY_OK && power->count)
        st = scry_gaussian_create_radial(model, &space, space.rank, power, err);
    *out = (scry_problem){.prior = *prior, .model = *model, .gap = &pool->info->gap};
    return st;
}

scry_status scry_draw(scry_recon_result *out, const scry_draw_request *q,
                      scry_chains_monitor *monitor, void *ctx, scry_error *err)
{
    const struct scry_method *method = q->options ? q->options->method : NULL;
    scry_prior_pool pool = {0};
    scry_prior *prior = NULL, *model = NULL;
    scry_recon_problem problem = {.map = {1, 0}};
    const scry_recon_request request = {.options = q->options,
                                        .chains = q->samples ? q->samples : 1,
                                        .seed = q->seed,
                                        .threads = q->threads,
                                        .keep = true,
                                        .log = &q->log,
                                        .start = "Gaussian model",
                                        .forecast = true};
    *out = (scry_recon_result){0};
    if (!method || method->kind != SCRY_UNCONDITIONAL)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s is not an unconditional method",
                         method ? method->name : "none");
    if (!q->prior || !q->ny || !q->nx)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "prior %s, image of %zu x %zu, expected the name of one "
                         "and at least 1 x 1",
                         q->prior ? q->prior : "none", q->ny, q->nx);
    scry_status st = scry_prior_pool_open(&pool, q->prior, err);
    if (st == SCRY_OK) st = draw_make_priors(&problem.problem, &prior, &model, &pool, q, err);
    if (st == SCRY_OK) st = scry_recon_run(out, &problem, &request, monitor, ctx, err);
    scry_prior_free(model);
    scry_prior_free(prior);
    scry_prior_pool_close(&pool);
    return st;
}
