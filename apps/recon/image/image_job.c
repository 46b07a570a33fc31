#include "apps/cli/restore.h"

#include "apps/cli/monitor.h"
#include "apps/recon/transfer.h"
#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/blur.h"
#include "operators/compose.h"
#include "operators/defects.h"
#include "operators/identity.h"
#include "operators/mask.h"
#include "priors/gaussian.h"
#include "priors/power.h"

#include <math.h>
#include <string.h>

/* The parts of one problem, freed together. */
struct parts {
    scry_op *blur, *select, *chain; /* chain = select o blur */
    const scry_op *A;               /* the one that the likelihood uses */
    unsigned char *known;           /* 1 measured, 0 missing; NULL: all measured */
    scry_window window;             /* the image in the domain of A */
    float *data;                    /* measured pixels, unit of the file */
    scry_likelihood *L;
    scry_prior *model;
    transfer transfer; /* |H(f)|^2 of the blur, or 1 */
};

static void parts_free(struct parts *p)
{
    scry_likelihood_free(p->L);
    scry_prior_free(p->model);
    scry_op_free(p->chain);
    scry_op_free(p->blur);
    scry_op_free(p->select);
    transfer_free(&p->transfer);
    scry_free(p->known);
    scry_free(p->data);
}

void restore_result_free(restore_result *r)
{
    scry_free(r->mean);
    scry_free(r->products);
    *r = (restore_result){0};
}

/* ---- the operator ---- */

/* Takes saturated pixels, or all kinds of defects, out of `known`. */
static scry_status leave_out_defects(struct parts *p, const restore_run_state *run,
                                     const restore_item *item, size_t *excluded, scry_error *err)
{
    const scry_tiff_info *info = item->info;
    const size_t n = scry_space_count(&item->space);
    const bool integer = info->type != SCRY_TIFF_F32 && info->type != SCRY_TIFF_F64;
    scry_defect_opts opts;
    scry_defects found;
    double low, high;
    unsigned char *good = scry_alloc(n, 1);
    if (!good) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    scry_defect_opts_init(&opts);
    scry_tiff_type_range(info->type, &low, &high);
    if (info->significant_bits && info->significant_bits < info->bits)
        high = ldexp(1, info->significant_bits) - 1;
    if (integer) opts.saturation = high;
    if (!strcmp(run->settings->defects, "saturated")) opts.find = SCRY_DEFECT_SATURATED;
    scry_status st = scry_defects_find(good, &found, item->y, &item->space, &opts, err);
    if (st == SCRY_OK) {
        *excluded = found.unknown;
        for (size_t i = 0; i < n; i++)
            p->known[i] &= good[i];
        if (run->log && found.unknown)
            fprintf(run->log,
                    "left out as not measured: %zu saturated, %zu hot, %zu dead pixels, %zu in "
                    "lines, %zu in blocks\n",
                    found.saturated, found.hot, found.dead, found.line_pixels, found.block_pixels);
    }
    scry_free(good);
    return st;
}

/* Pixels that the instrument did not measure: outside --mask, and defects that were asked for. */
static scry_status find_known(struct parts *p, const restore_run_state *run,
                              const restore_item *item, size_t *excluded, scry_error *err)
{
    const size_t n = scry_space_count(&item->space);
    *excluded = 0;
    p->known = scry_alloc(n, 1);
    if (!p->known) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    memset(p->known, 1, n);
    if (run->has_mask) {
        const scry_tiff_info *m = &run->mask.info;
        const size_t plane = item->info->y * item->info->x;
        if (m->y != item->info->y || m->x != item->info->x)
            return SCRY_FAIL(
                err, SCRY_ESHAPE, "%s: mask of %zu x %zu pixels, expected %zu x %zu as in %s",
                run->settings->mask, m->y, m->x, item->info->y, item->info->x, item->path);
        if (m->c > 1 || m->t > 1 || (m->z > 1 && m->z != item->info->z))
            return SCRY_FAIL(err, SCRY_ESHAPE,
                             "%s: mask of %zu channels, %zu slices, %zu frames, "
                             "expected 1, 1 (or %zu), 1",
                             run->settings->mask, m->c, m->z, m->t, item->info->z);
        for (size_t i = 0; i < n; i++) {
            const size_t z = m->z > 1 ? item->z + i / plane : 0;
            p->known[i] = run->mask.pixels[z * plane + i % plane] != 0;
        }
    }
    return run->settings->defects && strcmp(run->settings->defects, "none") != 0
               ? leave_out_defects(p, run, item, excluded, err)
               : SCRY_OK;
}

static scry_status build_operator(struct parts *p, const restore_run_state *run,
                                  const restore_item *item, scry_error *err)
{
    scry_status st = SCRY_OK;
    float *psf = NULL;
    scry_space ps;
    const size_t n = scry_space_count(&item->space);
    size_t known = 0;
    for (size_t i = 0; i < n; i++)
        known += p->known[i];
    if (!known)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s%sno pixel of %zu is known, expected at least one (nonzero in "
                         "the mask, not a defect)",
                         run->has_mask ? run->settings->mask : "", run->has_mask ? ": " : "", n);
    p->window = (scry_window){.outer = item->space, .inner = item->space};
    FILE *log = item->z || item->t ? NULL : run->log; /* the psf is told once a channel */
    if (run->deblur) {
        const size_t multiple = run->has_pool ? scry_network_multiple(run->pool.network) : 1;
        const scry_boundary boundary = psf_boundary(run->settings->boundary, item->space.rank);
        if ((st = psf_make(&psf, &ps, &run->psf, item->info, item->c, item->space.rank, boundary,
                           log, err)) != SCRY_OK)
            goto done;
        if ((st = scry_blur_domain(&p->window, &item->space, &ps, boundary, multiple, err)) !=
            SCRY_OK)
            goto done;
        if ((st = scry_blur_create(&p->blur, &item->space, psf, &ps, boundary, multiple, err)) !=
            SCRY_OK)
            goto done;
        p->A = p->blur;
        if ((st = transfer_create(&p->transfer, psf, &ps, err)) != SCRY_OK) goto done;
    }
    if (known < n || !run->deblur) {
        if ((st = scry_mask_create(&p->select, &item->space, p->known, err)) != SCRY_OK) goto done;
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
        if (p->known[i]) p->data[j++] = item->y[i];
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

/* ---- intensities ---- */

double restore_to_physical(const scry_noise *n, double value)
{
    return n->kind == SCRY_NOISE_GAUSSIAN ? value - n->background
                                          : (value - n->offset) * n->gain - n->background;
}

double restore_scale_to_file(const scry_noise *n)
{
    return n->kind == SCRY_NOISE_GAUSSIAN ? 1 : 1 / n->gain;
}

double restore_to_file(const scry_noise *n, double value)
{
    return n->kind == SCRY_NOISE_GAUSSIAN ? value + n->background
                                          : (value + n->background) / n->gain + n->offset;
}

/* The prior's convention: x = 2 g (v - low) / (high - low) - 1, low and high the 0.5 and 99.9
 * percentiles of a clean image, g between 0.5 and 1 in training; the middle of that. The
 * percentiles come from `v`, an estimate without much noise, in the physical unit. */
static scry_status intensity_map(scry_affine *map, const restore_run_state *run, const float *v,
                                 size_t n, const scry_noise *noise, scry_error *err)
{
    const double gain = 0.75;
    double low, high;
    if (run->settings->range) {
        scry_status st = restore_range(run->settings->range, &low, &high, err);
        if (st != SCRY_OK) return st;
        low = restore_to_physical(noise, low);
        high = restore_to_physical(noise, high);
    } else {
        float *scratch = scry_alloc(n, sizeof *scratch);
        if (!scratch) return SCRY_FAIL(err, SCRY_ENOMEM, "percentiles of %zu pixels", n);
        low = scry_quantile(v, n, 0.005, scratch);
        high = scry_quantile(v, n, 0.999, scratch);
        scry_free(scratch);
        if (!(high > low))
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "the 0.5 and 99.9 percentiles are %g and %g: give --range", low, high);
    }
    map->scale = (high - low) / (2 * gain);
    map->shift = low + map->scale;
    return SCRY_OK;
}

/* ---- solving ---- */

/* What the measurement tells of the image's spectrum, in the physical unit. Pixels that were not
 * measured are filled from their neighbours first. */
static scry_status measure_power(scry_radial *power, const struct parts *p,
                                 const restore_item *item, const scry_noise *noise, scry_error *err)
{
    const size_t n = scry_space_count(&item->space);
    float *v = scry_alloc(n, sizeof *v);
    if (!v) return SCRY_FAIL(err, SCRY_ENOMEM, "spectrum of %zu pixels", n);
    double sum = 0;
    size_t known = 0;
    for (size_t i = 0; i < n; i++) {
        v[i] = (float)restore_to_physical(noise, item->y[i]);
        if (!p->known[i]) continue;
        sum += v[i];
        known++;
    }
    const double mean = sum / (double)known;
    scry_status st = known < n ? transfer_fill(v, p->known, &item->space, err) : SCRY_OK;
    const scry_power_model model = {
        .noise = noise->kind == SCRY_NOISE_GAUSSIAN
                     ? noise->sigma * noise->sigma
                     : fmax(mean + noise->background, 0) + noise->read_noise * noise->read_noise,
        .transfer = p->transfer.count ? transfer_at : NULL,
        .ctx = (void *)&p->transfer,
    };
    if (st == SCRY_OK)
        st = scry_power_estimate(power, &item->space, item->space.rank, v, &model, err);
    scry_free(v);
    return st;
}

/* The Gaussian model in the variable u = (v - shift) / scale, from the measured spectrum of v. */
static scry_status image_job_make_model(scry_prior **model, const scry_radial *power,
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

static scry_status take_prior(restore_run_state *run, const scry_space *dom, scry_error *err)
{
    if (run->prior && scry_space_equal(dom, &run->prior_space)) return SCRY_OK;
    scry_prior_free(run->prior);
    run->prior = NULL;
    run->prior_space = *dom;
    /* A method that is about to be refused for its operator: the prior has all it can have, so that
     * the message names every method that would serve. */
    const bool refused = (run->method->needs & SCRY_NEEDS_SVD) && run->deblur;
    return prior_pool_make(&run->prior, &run->layout, &run->pool, dom, (size_t)run->settings->tile,
                           (run->method->needs & SCRY_NEEDS_VJP) || refused, 1, err);
}

/* From the solver's variable on the domain to the file's unit on the image. what NULL: an image, as
 * the mean is. */
static void to_file(float *to, const output_map *what, const struct parts *p, const float *u,
                    const restore_result *r)
{
    const size_t n = scry_space_count(&p->window.inner);
    const double unit = restore_scale_to_file(&r->noise);
    const double scale = r->map.scale * unit, shift = restore_to_file(&r->noise, r->map.shift);
    scry_window_crop(&p->window, to, u);
    for (size_t i = 0; i < n; i++)
        to[i] =
            (float)(what ? output_maps_scaled(what, to[i], scale, shift) : scale * to[i] + shift);
}

/* R-hat and ESS of the image, without the margin that the domain has around it. */
static scry_status follow(diagnosis *d, const struct parts *p, const scry_chains *chains,
                          scry_error *err)
{
    const size_t n = scry_space_count(&p->window.inner);
    float *map = scry_alloc(n, sizeof *map);
    if (!map) return SCRY_FAIL(err, SCRY_ENOMEM, "map of %zu pixels", n);
    if (chains->rhat) {
        scry_window_crop(&p->window, map, chains->rhat);
        diagnosis_follow(d, map, NULL, n);
    }
    if (chains->ess) {
        scry_window_crop(&p->window, map, chains->ess);
        diagnosis_follow(d, NULL, map, n);
    }
    scry_free(map);
    return SCRY_OK;
}

static scry_status diagnose(diagnosis *d, const struct parts *p, const restore_run_state *run,
                            const scry_chains *chains, scry_error *err)
{
    double deviance;
    void *work = scry_alloc(1, scry_likelihood_work_bytes(p->L));
    if (!work) return SCRY_FAIL(err, SCRY_ENOMEM, "deviance");
    *d = diagnosis_of(chains, run->method);
    scry_status st =
        scry_likelihood_deviance(p->L, &deviance, &d->measured, chains->mean, work, err);
    scry_free(work);
    if (st != SCRY_OK) return st;
    d->chi2 = deviance / (double)d->measured;
    return follow(d, p, chains, err);
}

static scry_status image_job_collect(restore_result *out, const struct parts *p,
                                     const restore_run_state *run, const restore_item *item,
                                     const scry_chains *chains, scry_error *err)
{
    const size_t n = scry_space_count(&item->space), asked = run->products.count;
    scry_status st = diagnose(&out->diagnosis, p, run, chains, err);
    if (st != SCRY_OK) return st;
    out->mean = scry_alloc(n, sizeof *out->mean);
    if (asked) out->products = scry_alloc(n * asked, sizeof *out->products);
    if (!out->mean || (asked && !out->products))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu results of %zu pixels", 1 + asked, n);
    to_file(out->mean, NULL, p, chains->mean, out);
    for (size_t k = 0; k < asked; k++)
        to_file(out->products + k * n, &run->products.list[k], p,
                output_maps_values(&run->products, k, chains), out);
    out->samples = chains->done;
    out->failed = chains->failed;
    out->counts = chains->counts;
    for (size_t i = 0; i < n; i++) {
        if (p->known[i]) out->flux_in += restore_to_physical(&out->noise, item->y[i]);
        out->flux_out += restore_to_physical(&out->noise, out->mean[i]);
    }
    return SCRY_OK;
}

static scry_status forecast(restore_result *out, const restore_run_state *run,
                            const scry_problem *problem, const scry_chains_opts *copts,
                            scry_error *err)
{
    const size_t total = scry_memory_total();
    scry_status st = scry_chains_forecast(&out->work_bytes, problem, &run->opts, copts, err);
    if (st != SCRY_OK) return st;
    if (run->log)
        fprintf(run->log, "memory: %.3g GB for %zu chain%s\n", (double)out->work_bytes * 1e-9,
                copts->chains, copts->chains == 1 ? "" : "s");
    if (total && out->work_bytes > total)
        return SCRY_FAIL(err, SCRY_ENOMEM,
                         "%.3g GB needed, the machine has %.3g: fewer --threads, or a "
                         "smaller --tile",
                         (double)out->work_bytes * 1e-9, (double)total * 1e-9);
    return SCRY_OK;
}

static scry_status run_chains(restore_result *out, restore_run_state *run, const struct parts *p,
                              const restore_item *item, const scry_problem *problem,
                              scry_error *err)
{
    scry_chains chains = {0};
    scry_chains_opts copts = run->chains;
    double threshold[SCRY_MAX_QUANTILES];
    monitor m;
    copts.seed = item->seed;
    for (size_t t = 0; t < run->products.thresholds; t++)
        threshold[t] =
            (restore_to_physical(&out->noise, run->products.threshold[t]) - out->map.shift) /
            out->map.scale;
    output_maps_request(&copts, &run->products, threshold);
    scry_status st = forecast(out, run, problem, &copts, err);
    if (st == SCRY_OK) st = start_find(&out->start, problem, &run->opts, err);
    if (st != SCRY_OK) return st;
    if (!item->c && !item->z && !item->t) start_log(run->log, &out->start, "Gaussian posterior");
    monitor_begin(&m, run->log, run->method->name);
    st = scry_chains_run(&chains, problem, &run->opts, &copts, monitor_chains, &m, err);
    monitor_end(&m, st);
    if (st != SCRY_OK) return st;
    if (chains.reason == SCRY_STOP_USER)
        st = SCRY_FAIL(err, SCRY_EIO, "%s: interrupted, nothing was written", item->path);
    if (st == SCRY_OK) st = output_maps_check(&run->products, &chains, err);
    if (chains.failed)
        fprintf(stderr, "scry: warning: %s: %zu of %zu chains diverged and are left out: %s\n",
                item->path, chains.failed, copts.chains, chains.failure.text);
    if (st == SCRY_OK) st = image_job_collect(out, p, run, item, &chains, err);
    scry_chains_free(&chains);
    return st;
}

/* Likelihood, model and prior in the variable that the method works in. */
static scry_status pose(scry_problem *problem, restore_result *out, struct parts *p,
                        restore_run_state *run, const restore_item *item, const scry_radial *power,
                        scry_error *err)
{
    const bool network = (run->method->needs & SCRY_NEEDS_DENOISER) != 0;
    scry_status st;
    out->map = (scry_affine){1, 0};
    if ((st = scry_likelihood_create(&p->L, p->A, p->data, &out->noise, &out->map, err)) != SCRY_OK)
        return st;
    if ((st = image_job_make_model(&p->model, power, &out->map, &p->window.outer, err)) != SCRY_OK)
        return st;
    *problem = (scry_problem){.L = p->L, .model = p->model};
    problem->positive =
        (run->method->needs & SCRY_NEEDS_POSITIVE) || out->noise.kind != SCRY_NOISE_GAUSSIAN;
    if (!network) return SCRY_OK;
    const size_t n = scry_space_count(&item->space);
    float *v = scry_alloc(n, sizeof *v);
    if (!v) return SCRY_FAIL(err, SCRY_ENOMEM, "first estimate of %zu pixels", n);
    st = wiener_estimate(v, p, problem, err);
    if (st == SCRY_OK) st = intensity_map(&out->map, run, v, n, &out->noise, err);
    scry_free(v);
    if (st != SCRY_OK) return st;
    scry_likelihood_free(p->L);
    scry_prior_free(p->model);
    p->L = NULL;
    p->model = NULL;
    if ((st = scry_likelihood_create(&p->L, p->A, p->data, &out->noise, &out->map, err)) != SCRY_OK)
        return st;
    if ((st = image_job_make_model(&p->model, power, &out->map, &p->window.outer, err)) != SCRY_OK)
        return st;
    if ((st = take_prior(run, &p->window.outer, err)) != SCRY_OK) return st;
    out->layout = run->layout;
    problem->L = p->L;
    problem->model = p->model;
    problem->prior = run->prior;
    problem->departure = &run->pool.info->departure;
    return SCRY_OK;
}

scry_status restore_solve(restore_result *out, restore_run_state *run, const restore_item *item,
                          scry_error *err)
{
    struct parts p = {0};
    scry_problem problem = {0};
    scry_radial power = {0};
    *out = (restore_result){0};
    scry_status st = restore_noise(&out->noise, run->settings, run->deblur, item->y, &item->space,
                                   run->log, err);
    if (st == SCRY_OK) st = find_known(&p, run, item, &out->excluded, err);
    if (st == SCRY_OK) st = build_operator(&p, run, item, err);
    if (st == SCRY_OK) st = measure_power(&power, &p, item, &out->noise, err);
    if (st == SCRY_OK) st = pose(&problem, out, &p, run, item, &power, err);
    if (st == SCRY_OK) st = run_chains(out, run, &p, item, &problem, err);
    scry_radial_free(&power);
    parts_free(&p);
    if (st != SCRY_OK) restore_result_free(out);
    return st;
}
