#include "apps/recon/draw.h"

#include "priors/network/network.h"

#include <math.h>

scry_status scry_draw_open(scry_draw_prior *out, const scry_draw_request *q, scry_error *err)
{
    scry_space space = SCRY_SPACE(q->ny, q->nx);
    scry_prior_pool *pool = &out->pool;
    scry_prior_layout layout;
    *out = (scry_draw_prior){0};
    if (!q->prior || !q->ny || !q->nx)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "prior %s, image of %zu x %zu, expected the name of one "
                         "and at least 1 x 1",
                         q->prior ? q->prior : "none", q->ny, q->nx);
    scry_status st = scry_prior_pool_open(pool, q->prior, err);
    if (st == SCRY_OK) st = scry_prior_pool_condition(pool, q->class_name, q->guidance, err);
    out->channels = st == SCRY_OK ? scry_network_channels(pool->network) : 1;
    if (out->channels > 1) space = SCRY_SPACE(out->channels, q->ny, q->nx);
    if (st == SCRY_OK)
        st = scry_prior_pool_make(&out->prior, &layout, pool, &space,
                                  &(scry_prior_plan){.tile = q->tile, .threads = 1}, err);
    if (st == SCRY_OK && pool->info->radial.count) {
        out->radial = &pool->info->radial;
        st = scry_gaussian_create_radial(&out->model, &space, 2, out->radial, err);
    }
    if (st != SCRY_OK) {
        scry_draw_close(out);
        return st;
    }
    const scry_network_input_info input = scry_network_input(pool->network);
    out->mean = out->radial ? out->radial->mean : input.mean;
    out->std = pool->info->variance > 0 ? sqrt(pool->info->variance) : input.std;
    return SCRY_OK;
}

void scry_draw_close(scry_draw_prior *p)
{
    scry_prior_free(p->model);
    scry_prior_free(p->prior);
    scry_prior_pool_close(&p->pool);
    *p = (scry_draw_prior){0};
}

scry_status scry_draw(scry_recon_result *out, const scry_draw_request *q,
                      scry_chains_monitor *monitor, void *ctx, scry_error *err)
{
    const struct scry_method *method = q->options ? q->options->method : NULL;
    scry_draw_prior prior = {0};
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
    scry_status st = scry_draw_open(&prior, q, err);
    problem.problem = (scry_problem){.prior = prior.prior,
                                     .model = prior.model,
                                     .gap = st == SCRY_OK ? &prior.pool.info->gap : NULL};
    if (st == SCRY_OK) st = scry_recon_run(out, &problem, &request, monitor, ctx, err);
    scry_draw_close(&prior);
    return st;
}
