#include "apps/recon/image/restore.h"

#include "apps/recon/image/intensity.h"
#include "apps/recon/transfer.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "operators/blur.h"
#include "operators/compose.h"
#include "operators/identity.h"
#include "operators/mask.h"
#include "operators/window.h"
#include "priors/gaussian.h"
#include "priors/network/network.h"
#include "priors/power.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_TILE = 512, DEFAULT_SAMPLES = 16 };

struct scry_restorer {
    const scry_restore_request *request;
    const struct scry_method *method; /* of options */
    const scry_options *options;
    scry_chains_opts chains; /* but for the thresholds, which are in the unit of the file */
    scry_output_maps maps;
    scry_psf_source psf;
    bool blurred;
    scry_prior_pool pool;
    bool has_pool; /* the method needs a network */
    /* the last prior, kept while the shape of the domain stays the same */
    scry_prior *prior;
    scry_space prior_space;
    scry_prior_layout layout;
};

/* The parts of one problem, freed together. */
struct parts {
    scry_op *blur, *select, *chain; /* chain = select o blur */
    const scry_op *A;               /* the one that the likelihood uses */
    unsigned char *known;           /* 1 measured, 0 missing; NULL: all measured */
    scry_window window;             /* the image in the domain of A */
    float *data;                    /* measured pixels, unit of the file */
    scry_likelihood *L;
    scry_prior *model;
    scry_transfer transfer; /* |H(f)|^2 of the blur, or 1 */
};

static void parts_free(struct parts *p)
{
    scry_likelihood_free(p->L);
    scry_prior_free(p->model);
    scry_op_free(p->chain);
    scry_op_free(p->blur);
    scry_op_free(p->select);
    scry_transfer_free(&p->transfer);
    scry_free(p->known);
    scry_free(p->data);
}

void scry_restore_result_free(scry_restore_result *r)
{
    scry_free(r->mean);
    scry_free(r->maps);
    *r = (scry_restore_result){0};
}

/* ---- the operator ---- */

static scry_status build_operator(struct parts *p, const scry_restorer *run,
                                  const scry_image *image, scry_error *err)
{
    scry_status st = SCRY_OK;
    float *psf = NULL;
    scry_space ps;
    const size_t n = scry_space_count(&image->space);
    size_t known = 0;
    for (size_t i = 0; i < n; i++)
        known += p->known[i];
    p->window = (scry_window){.outer = image->space, .inner = image->space};
    const scry_log *log = image->number ? NULL : &run->request->log;
    if (run->blurred) {
        const size_t multiple = run->has_pool ? scry_network_multiple(run->pool.network) : 1;
        const scry_boundary boundary = scry_boundary_of(run->request->boundary, image->space.rank);
        if ((st = scry_psf_source_make(&psf, &ps, &run->psf, image, boundary, log, err)) != SCRY_OK)
            goto done;
        if ((st = scry_blur_domain(&p->window, &image->space, &ps, boundary, multiple, err)) !=
            SCRY_OK)
            goto done;
        if ((st = scry_blur_create(&p->blur, &image->space, psf, &ps, boundary, multiple, err)) !=
            SCRY_OK)
            goto done;
        p->A = p->blur;
        if ((st = scry_transfer_create(&p->transfer, psf, &ps, err)) != SCRY_OK) goto done;
    }
    if (known < n || !run->blurred) {
        if ((st = scry_mask_create(&p->select, &image->space, p->known, err)) != SCRY_OK) goto done;
        p->A = p->select;
        if (p->blur) {
            if ((st = scry_chain_create(&p->chain, p->select, p->blur, err)) != SCRY_OK) goto done;
            p->select = p->blur = NULL; /* parts of the chain now */
            p->A = p->chain;
        }
    }
    p->data = scry_alloc(known, sizeof *p->data);
    if (!p->data) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu measurements", known);
        goto done;
    }
    for (size_t i = 0, j = 0; i < n; i++)
        if (p->known[i]) p->data[j++] = image->pixels[i];
    size_t varies = 1;
    while (varies < known && p->data[varies] <= p->data[0] && p->data[varies] >= p->data[0])
        varies++;
    if (varies == known)
        st = SCRY_FAIL(err, SCRY_EINVAL,
                       "the %zu pixels that count as measured are all %g; %zu are masked, "
                       "saturated or defect (--defects none keeps them)",
                       known, (double)p->data[0], n - known);
done:
    scry_free(psf);
    return st;
}

/* ---- solving ---- */

/* What the measurement tells of the image's spectrum, in the physical unit. Pixels that were not
 * measured are filled from their neighbours first. */
static scry_status measure_power(scry_radial *power, const struct parts *p, const scry_image *image,
                                 const scry_noise *noise, scry_error *err)
{
    const size_t n = scry_space_count(&image->space);
    float *v = scry_alloc(n, sizeof *v);
    if (!v) return SCRY_FAIL(err, SCRY_ENOMEM, "spectrum of %zu pixels", n);
    double sum = 0;
    size_t known = 0;
    for (size_t i = 0; i < n; i++) {
        v[i] = (float)scry_noise_to_physical(noise, image->pixels[i]);
        if (!p->known[i]) continue;
        sum += v[i];
        known++;
    }
    const double mean = sum / (double)known;
    scry_status st = known < n ? scry_transfer_fill(v, p->known, &image->space, err) : SCRY_OK;
    const scry_power_model model = {
        .noise = noise->kind == SCRY_NOISE_GAUSSIAN
                     ? noise->sigma * noise->sigma
                     : fmax(mean + noise->background, 0) + noise->read_noise * noise->read_noise,
        .transfer = p->transfer.count ? scry_transfer_at : NULL,
        .ctx = (void *)&p->transfer,
    };
    if (st == SCRY_OK)
        st = scry_power_estimate(power, &image->space, image->space.rank, v, &model, err);
    scry_free(v);
    return st;
}

/* The Gaussian model in the variable u = (v - shift) / scale, from the measured spectrum of v. */
static scry_status restore_make_model(scry_prior **model, const scry_radial *power,
                                      const scry_affine *map, const scry_space *dom,
                                      scry_error *err)
{
    double table[256];
    scry_radial scaled = {power->count, table, (power->mean - map->shift) / map->scale};
    if (power->count > sizeof table / sizeof *table)
        return SCRY_FAIL(err, SCRY_EUNSUP, "spectrum of %zu entries", power->count);
    for (size_t i = 0; i < power->count; i++)
        table[i] = power->power[i] / (map->scale * map->scale);
    return scry_gaussian_create_radial(model, dom, dom->rank, &scaled, err);
}

/* v = the closed-form estimate under the Gaussian model: quiet enough to read intensities from. */
static scry_status wiener_estimate(float *v, const struct parts *p, const scry_problem *problem,
                                   scry_error *err)
{
    const struct scry_method *method = scry_method_find("wiener");
    scry_options opts;
    scry_solver *S = NULL;
    float *u = scry_alloc(scry_space_count(&p->window.outer), sizeof *u);
    scry_status st = SCRY_OK;
    if (!u) return SCRY_FAIL(err, SCRY_ENOMEM, "first estimate");
    scry_options_init(&opts, method);
    /* percentiles are read from it, no pixel is: one pass of the noise, two digits */
    st = scry_options_parse(&opts, "--estimates 1 --solve-tolerance 1e-2", err);
    if (st == SCRY_OK) st = scry_solver_plan(&S, problem, &opts, err);
    if (st == SCRY_OK) st = scry_solver_start(S, 0, 0, err);
    if (st == SCRY_OK) st = scry_solver_run(S, u, NULL, NULL, NULL, err);
    if (st == SCRY_OK) scry_window_crop(&p->window, v, u);
    scry_solver_free(S);
    scry_free(u);
    return st;
}

static scry_status take_prior(scry_restorer *run, const scry_space *dom, scry_error *err)
{
    if (run->prior && scry_space_equal(dom, &run->prior_space)) return SCRY_OK;
    scry_prior_free(run->prior);
    run->prior = NULL;
    run->prior_space = *dom;
    /* A method that is about to be refused for its operator: the prior has all it can have, so that
     * the message names every method that would serve. */
    const bool refused = (run->method->needs & SCRY_NEEDS_SVD) && run->blurred;
    return scry_prior_pool_make(&run->prior, &run->layout, &run->pool, dom,
                                run->request->tile ? run->request->tile : DEFAULT_TILE,
                                (run->method->needs & SCRY_NEEDS_VJP) || refused, 1, err);
}

/* From the solver's variable on the domain to the file's unit on the image. what NULL: an image, as
 * the mean is. */
static void to_file(float *to, const scry_output_map *what, const struct parts *p, const float *u,
                    const scry_restore_result *r)
{
    const size_t n = scry_space_count(&p->window.inner);
    const double unit = scry_noise_scale_to_file(&r->noise);
    const double scale = r->map.scale * unit, shift = scry_noise_to_file(&r->noise, r->map.shift);
    scry_window_crop(&p->window, to, u);
    for (size_t i = 0; i < n; i++)
        to[i] = (float)(what ? scry_output_maps_scaled(what, to[i], scale, shift)
                             : scale * to[i] + shift);
}

/* R-hat and ESS of the image, without the margin that the domain has around it. */
static scry_status follow(scry_diagnosis *d, const struct parts *p, const scry_chains *chains,
                          scry_error *err)
{
    const size_t n = scry_space_count(&p->window.inner);
    float *map = scry_alloc(n, sizeof *map);
    if (!map) return SCRY_FAIL(err, SCRY_ENOMEM, "map of %zu pixels", n);
    if (chains->rhat) {
        scry_window_crop(&p->window, map, chains->rhat);
        scry_diagnosis_follow(d, map, NULL, n);
    }
    if (chains->ess) {
        scry_window_crop(&p->window, map, chains->ess);
        scry_diagnosis_follow(d, NULL, map, n);
    }
    scry_free(map);
    return SCRY_OK;
}

static scry_status diagnose(scry_diagnosis *d, const struct parts *p, const scry_restorer *run,
                            const scry_chains *chains, scry_error *err)
{
    double deviance;
    void *work = scry_alloc(1, scry_likelihood_work_bytes(p->L));
    if (!work) return SCRY_FAIL(err, SCRY_ENOMEM, "deviance");
    *d = scry_diagnosis_of(chains, run->method);
    scry_status st =
        scry_likelihood_deviance(p->L, &deviance, &d->measured, chains->mean, work, err);
    scry_free(work);
    if (st != SCRY_OK) return st;
    d->chi2 = deviance / (double)d->measured;
    return follow(d, p, chains, err);
}

static scry_status restore_collect(scry_restore_result *out, const struct parts *p,
                                   const scry_restorer *run, const scry_image *image,
                                   const scry_chains *chains, scry_error *err)
{
    const size_t n = scry_space_count(&image->space), asked = run->maps.count;
    scry_status st = diagnose(&out->diagnosis, p, run, chains, err);
    if (st != SCRY_OK) return st;
    out->mean = scry_alloc(n, sizeof *out->mean);
    if (asked) out->maps = scry_alloc(n * asked, sizeof *out->maps);
    if (!out->mean || (asked && !out->maps))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu results of %zu pixels", 1 + asked, n);
    to_file(out->mean, NULL, p, chains->mean, out);
    for (size_t k = 0; k < asked; k++)
        to_file(out->maps + k * n, &run->maps.list[k], p,
                scry_output_maps_values(&run->maps, k, chains), out);
    out->samples = chains->done;
    out->failed = chains->failed;
    out->counts = chains->counts;
    for (size_t i = 0; i < n; i++) {
        if (!p->known[i]) continue;
        out->flux_in += scry_noise_to_physical(&out->noise, image->pixels[i]);
        out->flux_out += scry_noise_to_physical(&out->noise, out->mean[i]);
    }
    return SCRY_OK;
}

static scry_status forecast(scry_restore_result *out, const scry_restorer *run,
                            const scry_problem *problem, const scry_chains_opts *copts,
                            scry_error *err)
{
    const size_t total = scry_memory_total();
    scry_status st = scry_chains_forecast(&out->work_bytes, problem, run->options, copts, err);
    if (st != SCRY_OK) return st;
    scry_log_note(&run->request->log, "memory: %.3g GB for %zu chain%s",
                  (double)out->work_bytes * 1e-9, copts->chains, copts->chains == 1 ? "" : "s");
    if (total && out->work_bytes > total)
        return SCRY_FAIL(err, SCRY_ENOMEM,
                         "%.3g GB needed, the machine has %.3g: fewer --threads, or a "
                         "smaller --tile",
                         (double)out->work_bytes * 1e-9, (double)total * 1e-9);
    return SCRY_OK;
}

/* What the caller hands in for one image. */
struct job {
    const scry_image *image;
    uint64_t seed;
    scry_chains_monitor *monitor;
    void *ctx;
};

static scry_status run_chains(scry_restore_result *out, scry_restorer *run, const struct parts *p,
                              const struct job *job, const scry_problem *problem, scry_error *err)
{
    scry_chains chains = {0};
    scry_chains_opts copts = run->chains;
    double threshold[SCRY_MAX_QUANTILES];
    const scry_log *log = &run->request->log;
    copts.seed = job->seed;
    for (size_t t = 0; t < run->maps.thresholds; t++)
        threshold[t] =
            (scry_noise_to_physical(&out->noise, run->maps.threshold[t]) - out->map.shift) /
            out->map.scale;
    scry_output_maps_request(&copts, &run->maps, threshold);
    scry_status st = forecast(out, run, problem, &copts, err);
    if (st == SCRY_OK) st = scry_start_find(&out->start, problem, run->options, err);
    if (st != SCRY_OK) return st;
    if (!job->image->channel && !job->image->number)
        scry_start_log(log, &out->start, "Gaussian posterior");
    st = scry_chains_run(&chains, problem, run->options, &copts, job->monitor, job->ctx, err);
    if (st != SCRY_OK) return st;
    if (chains.reason == SCRY_STOP_USER)
        st = SCRY_FAIL(err, SCRY_EIO, "interrupted, nothing was written");
    if (st == SCRY_OK) st = scry_output_maps_check(&run->maps, &chains, err);
    if (chains.failed)
        scry_log_warn(log, "%s%s%zu of %zu chains diverged and are left out: %s",
                      job->image->name ? job->image->name : "", job->image->name ? ": " : "",
                      chains.failed, copts.chains, chains.failure.text);
    if (st == SCRY_OK) st = restore_collect(out, p, run, job->image, &chains, err);
    scry_chains_free(&chains);
    return st;
}

/* Likelihood, model and prior in the variable that the method works in. */
static scry_status pose(scry_problem *problem, scry_restore_result *out, struct parts *p,
                        scry_restorer *run, const scry_image *image, const scry_radial *power,
                        scry_error *err)
{
    const bool network = (run->method->needs & SCRY_NEEDS_DENOISER) != 0;
    scry_status st;
    out->map = (scry_affine){1, 0};
    if ((st = scry_likelihood_create(&p->L, p->A, p->data, &out->noise, &out->map, err)) != SCRY_OK)
        return st;
    if ((st = restore_make_model(&p->model, power, &out->map, &p->window.outer, err)) != SCRY_OK)
        return st;
    *problem = (scry_problem){.L = p->L, .model = p->model};
    problem->positive =
        (run->method->needs & SCRY_NEEDS_POSITIVE) || out->noise.kind != SCRY_NOISE_GAUSSIAN;
    if (!network) return SCRY_OK;
    const size_t n = scry_space_count(&image->space);
    float *v = scry_alloc(n, sizeof *v);
    if (!v) return SCRY_FAIL(err, SCRY_ENOMEM, "first estimate of %zu pixels", n);
    st = wiener_estimate(v, p, problem, err);
    if (st == SCRY_OK)
        st = scry_intensity_map(&out->map, v, n, &out->noise, run->request->low, run->request->high,
                                err);
    scry_free(v);
    if (st != SCRY_OK) return st;
    scry_likelihood_free(p->L);
    scry_prior_free(p->model);
    p->L = NULL;
    p->model = NULL;
    if ((st = scry_likelihood_create(&p->L, p->A, p->data, &out->noise, &out->map, err)) != SCRY_OK)
        return st;
    if ((st = restore_make_model(&p->model, power, &out->map, &p->window.outer, err)) != SCRY_OK)
        return st;
    if ((st = take_prior(run, &p->window.outer, err)) != SCRY_OK) return st;
    out->layout = run->layout;
    problem->L = p->L;
    problem->model = p->model;
    problem->prior = run->prior;
    problem->departure = &run->pool.info->departure;
    return SCRY_OK;
}

static scry_status solve(scry_restore_result *out, scry_restorer *run, struct parts *p,
                         const struct job *job, scry_error *err)
{
    const scry_image *image = job->image;
    const scry_restore_request *request = run->request;
    scry_problem problem = {0};
    scry_radial power = {0};
    const size_t n = scry_space_count(&image->space);
    scry_status st = scry_noise_choose(&out->noise, &request->noise, run->blurred, image->pixels,
                                       &image->space, &request->log, err);
    if (st != SCRY_OK) return st;
    p->known = scry_alloc(n, 1);
    if (!p->known) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    st = scry_known_find(p->known, &out->excluded, image, request->defects, run->blurred,
                         &request->log, err);
    if (st == SCRY_OK) st = build_operator(p, run, image, err);
    if (st == SCRY_OK) st = measure_power(&power, p, image, &out->noise, err);
    if (st == SCRY_OK) st = pose(&problem, out, p, run, image, &power, err);
    if (st == SCRY_OK) st = run_chains(out, run, p, job, &problem, err);
    scry_radial_free(&power);
    return st;
}

scry_status scry_restorer_run(scry_restore_result *out, scry_restorer *r, const scry_image *image,
                              uint64_t seed, scry_chains_monitor *monitor, void *ctx,
                              scry_error *err)
{
    scry_image whole = *image;
    const struct job job = {&whole, seed, monitor, ctx};
    struct parts p = {0};
    float *pixels;
    unsigned char *known;
    *out = (scry_restore_result){0};
    scry_status st = scry_known_repair(&whole, &pixels, &known, &r->request->log, err);
    if (st == SCRY_OK) st = solve(out, r, &p, &job, err);
    parts_free(&p);
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
    const scry_restore_request *q = r->request;
    scry_status st = SCRY_OK;
    r->options = q->options;
    r->method = q->options ? q->options->method : NULL;
    if (!r->method || r->method->kind == SCRY_UNCONDITIONAL)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s is not a method that restores",
                         r->method ? r->method->name : "none");
    r->blurred = q->psf.model || q->psf.pixels;
    scry_chains_opts_init(&r->chains);
    if (r->method->kind == SCRY_POSTERIOR)
        r->chains.chains = q->samples ? q->samples : DEFAULT_SAMPLES;
    r->chains.threads = q->threads;
    if (q->maps) r->maps = *q->maps;
    st = scry_output_maps_possible(&r->maps, r->options, r->chains.chains, err);
    if (st == SCRY_OK && r->blurred) st = scry_psf_source_init(&r->psf, &q->psf, err);
    if (st != SCRY_OK || !(r->method->needs & SCRY_NEEDS_DENOISER)) return st;
    if (!q->prior)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s needs a prior, expected the name of one",
                         r->method->name);
    st = scry_prior_pool_open(&r->pool, q->prior, err);
    r->has_pool = st == SCRY_OK;
    return st;
}

scry_status scry_restorer_create(scry_restorer **out, const scry_restore_request *request,
                                 scry_error *err)
{
    scry_restorer *r = scry_alloc(1, sizeof *r);
    *out = NULL;
    if (!r) return SCRY_FAIL(err, SCRY_ENOMEM, "restorer");
    r->request = request;
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
    scry_prior_free(r->prior);
    if (r->has_pool) scry_prior_pool_close(&r->pool);
    scry_free(r);
}

int scry_restorer_rank(const scry_restorer *r, size_t nz)
{
    return r->blurred ? scry_psf_source_rank(&r->psf, nz) : 2;
}

const scry_network *scry_restorer_network(const scry_restorer *r)
{
    return r->has_pool ? r->pool.network : NULL;
}
