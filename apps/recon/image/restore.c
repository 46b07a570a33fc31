#include "apps/recon/image/restore.h"

#include "apps/recon/image/pose_impl.h"
#include "lib/memory.h"

enum { DEFAULT_SAMPLES = 16 };

struct scry_restorer {
    struct scryi_image_setup setup;
    const scry_options *options;
    size_t chains;
    scry_output_maps maps;
};

void scry_restore_result_free(scry_restore_result *r)
{
    scry_free(r->mean);
    scry_free(r->maps);
    *r = (scry_restore_result){0};
}

/* ---- one image ---- */

static scry_status restore_collect(scry_restore_result *out, const struct scryi_image_parts *p,
                                   const scry_restorer *r, const scry_image *image,
                                   const scry_recon_result *run, scry_error *err)
{
    const size_t n = scry_space_count(&image->space), asked = r->maps.count;
    out->mean = scry_alloc(n, sizeof *out->mean);
    if (asked) out->maps = scry_alloc(n * asked, sizeof *out->maps);
    if (!out->mean || (asked && !out->maps))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu results of %zu pixels", 1 + asked, n);
    scry_recon_mean(out->mean, &p->problem, run);
    for (size_t k = 0; k < asked; k++)
        scry_recon_map(out->maps + k * n, &p->problem, &r->maps, k, run);
    out->samples = run->chains.done;
    out->failed = run->chains.failed;
    out->counts = run->chains.counts;
    out->start = run->start;
    out->diagnosis = run->diagnosis;
    out->work_bytes = run->forecast_bytes;
    out->noise = p->noise;
    out->map = p->physical;
    out->excluded = p->excluded;
    if (r->setup.has_pool) out->layout = r->setup.layout;
    for (size_t i = 0; i < n; i++) {
        if (!p->known[i]) continue;
        out->flux_in += scry_noise_to_physical(&p->noise, image->pixels[i]);
        out->flux_out += scry_noise_to_physical(&p->noise, out->mean[i]);
    }
    return SCRY_OK;
}

scry_status scry_restorer_run(scry_restore_result *out, scry_restorer *r, const scry_image *image,
                              uint64_t seed, scry_chains_monitor *monitor, void *ctx,
                              scry_error *err)
{
    const scry_restore_request *q = r->setup.request;
    const scry_recon_request request = {
        .options = r->options,
        .chains = r->chains,
        .seed = seed,
        .threads = q->threads,
        .maps = &r->maps,
        .log = &q->log,
        .start = image->channel || image->number ? NULL : "Gaussian posterior",
        .forecast = true};
    scry_image whole = *image;
    struct scryi_image_parts p = {0};
    scry_recon_result run = {0};
    float *pixels;
    unsigned char *known;
    *out = (scry_restore_result){0};
    scry_status st = scry_known_repair(&whole, &pixels, &known, &q->log, err);
    if (st == SCRY_OK) st = scryi_image_pose(&p, &r->setup, &whole, err);
    if (st == SCRY_OK) st = scry_recon_run(&run, &p.problem, &request, monitor, ctx, err);
    if (st == SCRY_OK) st = restore_collect(out, &p, r, &whole, &run, err);
    scry_recon_result_free(&run);
    scryi_image_parts_free(&p);
    scry_free(pixels);
    scry_free(known);
    if (st != SCRY_OK) {
        scry_restore_result_free(out);
        scry_error_name(err, image->name);
    }
    return st;
}

/* ---- what images share ---- */

static scry_status restorer_open(scry_restorer *r, scry_error *err)
{
    const scry_restore_request *q = r->setup.request;
    scry_status st = SCRY_OK;
    r->options = q->options;
    r->setup.method = q->options ? q->options->method : NULL;
    if (!r->setup.method || r->setup.method->kind == SCRY_UNCONDITIONAL)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s is not a method that restores",
                         r->setup.method ? r->setup.method->name : "none");
    r->setup.blurred = q->psf.model || q->psf.pixels;
    r->chains = r->setup.method->kind != SCRY_POSTERIOR ? 1
                : q->samples                            ? q->samples
                                                        : DEFAULT_SAMPLES;
    if (q->maps) r->maps = *q->maps;
    st = scry_output_maps_possible(&r->maps, r->options, r->chains, err);
    if (st == SCRY_OK && r->setup.blurred) st = scry_psf_source_init(&r->setup.psf, &q->psf, err);
    if (st != SCRY_OK || !(r->setup.method->needs & SCRY_NEEDS_DENOISER)) return st;
    if (!q->prior)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s needs a prior, expected the name of one",
                         r->setup.method->name);
    st = scry_prior_pool_open(&r->setup.pool, q->prior, err);
    r->setup.has_pool = st == SCRY_OK;
    return st;
}

scry_status scry_restorer_create(scry_restorer **out, const scry_restore_request *request,
                                 scry_error *err)
{
    scry_restorer *r = scry_alloc(1, sizeof *r);
    *out = NULL;
    if (!r) return SCRY_FAIL(err, SCRY_ENOMEM, "restorer");
    r->setup.request = request;
    const scry_status st = restorer_open(r, err);
    if (st == SCRY_OK)
        *out = r;
    else
        scry_restorer_free(r);
    return st;
}

void scry_restorer_free(scry_restorer *r)
{
    if (!r) return;
    scry_prior_free(r->setup.prior);
    if (r->setup.has_pool) scry_prior_pool_close(&r->setup.pool);
    scry_free(r);
}

int scry_restorer_rank(const scry_restorer *r, size_t nz)
{
    return r->setup.blurred ? scry_psf_source_rank(&r->setup.psf, nz) : 2;
}

const scry_network *scry_restorer_network(const scry_restorer *r)
{
    return r->setup.has_pool ? r->setup.pool.network : NULL;
}
