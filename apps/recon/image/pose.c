#include "apps/recon/image/pose_impl.h"

#include "apps/recon/image/intensity.h"
#include "apps/recon/transfer.h"
#include "lib/memory.h"
#include "lib/parallel.h"
#include "operators/blur.h"
#include "operators/compose.h"
#include "operators/mask.h"
#include "priors/gaussian.h"
#include "priors/network/network.h"
#include "priors/power.h"
#include "solvers/roles.h"

#include <math.h>

void scryi_image_posterior_free(struct scryi_image_posterior *p)
{
    scry_likelihood_free(p->L);
    scry_prior_free(p->model);
    scry_op_free(p->chain);
    scry_op_free(p->blur);
    scry_op_free(p->select);
    scry_transfer_free(&p->transfer);
    scry_transfer_free(&p->lateral);
    scry_free(p->psf);
    scry_free(p->outside);
    scry_free(p->known);
    scry_free(p->data);
}

/* ---- the operator ---- */

/* |H|^2 in the plane of the psf that the light met, whatever was done to the image later: the noise
 * beyond its passband shows which treatment that was. */
static scry_status lateral_transfer(scry_transfer *out, const scry_psf_source *source,
                                    const scry_image *image, scry_boundary boundary,
                                    scry_error *err)
{
    scry_psf_source bare = *source;
    scry_space ps;
    float *psf = NULL;
    bare.request.treatment = (scry_noise_treatment){0};
    scry_status st = scry_psf_source_make(
        &psf, &ps, &bare, &(scry_psf_setting){.image = image, .boundary = boundary}, err);
    if (st == SCRY_OK) st = scry_transfer_create_lateral(out, psf, &ps, err);
    scry_free(psf);
    return st;
}

static scry_status build_operator(struct scryi_image_posterior *p,
                                  const struct scryi_image_setup *run, const scry_image *image,
                                  scry_error *err)
{
    scry_status st = SCRY_OK;
    const size_t n = scry_space_count(&image->space);
    size_t known = 0;
    for (size_t i = 0; i < n; i++)
        known += p->known[i];
    p->window = (scry_window){.outer = image->space, .inner = image->space};
    if (p->psf) {
        const bool network = run->has_pool && (run->method->needs & SCRY_NEEDS_DENOISER);
        const size_t multiple = network ? scry_network_multiple(run->pool.network) : 1;
        const scry_boundary boundary = scry_boundary_of(run->request->boundary, image);
        const scry_space *ps = &p->ps;
        st = scry_blur_domain(&p->window, &image->space, ps, boundary, multiple, err);
        if (st != SCRY_OK) return st;
        st = scry_blur_create(
            &p->blur, &image->space,
            &(scry_blur_params){
                .psf = p->psf, .psf_space = *ps, .boundary = boundary, .multiple = multiple},
            err);
        if (st != SCRY_OK) return st;
        p->A = p->blur;
        st = scry_transfer_create(&p->transfer, p->psf, ps, err);
        if (st == SCRY_OK) st = lateral_transfer(&p->lateral, &run->psf, image, boundary, err);
        if (st != SCRY_OK) return st;
    }
    if (known < n || !run->blurred) {
        if ((st = scry_mask_create(&p->select, &image->space, p->known, err)) != SCRY_OK) return st;
        p->A = p->select;
        if (p->blur) {
            if ((st = scry_chain_create(&p->chain, p->select, p->blur, err)) != SCRY_OK) return st;
            p->select = p->blur = NULL; /* parts of the chain now */
            p->A = p->chain;
        }
    }
    p->data = scry_alloc(known, sizeof *p->data);
    if (!p->data) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu measurements", known);
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
    return st;
}

/* ---- likelihood, model and prior ---- */

/* The image's spectrum as the measurement shows it, in the physical unit. Pixels that were not
 * measured are filled from their neighbours first. */
static scry_status measure_power(scry_radial *power, const struct scryi_image_posterior *p,
                                 const scry_image *image, scry_error *err)
{
    const size_t n = scry_space_count(&image->space);
    const scry_noise *noise = &p->noise;
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
        st = scry_power_estimate(power, &image->space, scry_image_axes(image), v, &model, err);
    scry_free(v);
    return st;
}

/* The Gaussian model in the variable u = (v - shift) / scale, from the measured spectrum of v. */
static scry_status image_pose_make_model(scry_prior **model, const scry_radial *power,
                                         const scry_affine *map, const scry_space *dom, int rank,
                                         scry_error *err)
{
    double table[256];
    scry_radial scaled = {power->count, table, (power->mean - map->shift) / map->scale};
    if (power->count > sizeof table / sizeof *table)
        return SCRY_FAIL(err, SCRY_EUNSUP, "spectrum of %zu entries", power->count);
    for (size_t i = 0; i < power->count; i++)
        table[i] = power->power[i] / (map->scale * map->scale);
    return scry_gaussian_create_radial(model, dom, rank, &scaled, err);
}

/* v = the closed-form estimate under the Gaussian model: quiet enough to read intensities from. */
static scry_status quiet_estimate(float *v, const struct scryi_image_posterior *p, scry_error *err)
{
    scry_options opts;
    scry_solver *S = NULL;
    float *u = scry_alloc(scry_space_count(&p->window.outer), sizeof *u);
    scry_status st = SCRY_OK;
    if (!u) return SCRY_FAIL(err, SCRY_ENOMEM, "first estimate");
    scry_role_options(&opts, SCRY_ROLE_QUIET_IMAGE);
    st = scry_solver_plan(&S, &p->problem.problem, &opts, err);
    if (st == SCRY_OK) st = scry_solver_start(S, 0, 0, err);
    if (st == SCRY_OK) st = scry_solver_run(S, u, NULL, NULL, NULL, err);
    if (st == SCRY_OK) scry_window_crop(&p->window, v, u);
    scry_solver_free(S);
    scry_free(u);
    return st;
}

#define CUBE 1.3 /* of the sides of voxels that count as cubes, the larger over the smaller */
enum { WORKERS_MAX = 64 };

static size_t window_workers(const struct scryi_image_setup *run)
{
    const size_t asked = run->request->threads;
    const size_t threads = asked ? asked : (size_t)scry_threads();
    const bool even = run->chains >= threads && run->chains % threads == 0;
    return even ? 1 : threads < WORKERS_MAX ? threads : WORKERS_MAX;
}

bool scryi_image_shares_windows(const struct scryi_image_setup *run)
{
    return run->has_pool && window_workers(run) > 1 && run->layout.windows * run->layout.planes > 1;
}

/* Slices across all axes look alike where voxels are cubes. */
static bool slices_all_ways(const struct scryi_image_setup *run, const scry_image *image)
{
    const double z = image->voxel_um[0], x = image->voxel_um[2];
    if (scry_image_axes(image) != 3 || run->request->slices != SCRY_SLICES_AUTO)
        return scry_image_axes(image) == 3 && run->request->slices == SCRY_SLICES_ALL;
    return z > 0 && x > 0 && fabs(log(z / x)) < log(CUBE);
}

static scry_status take_prior(struct scryi_image_setup *run, const scry_image *image,
                              const scry_space *dom, int label, scry_error *err)
{
    const size_t workers = window_workers(run);
    const bool directions = slices_all_ways(run, image);
    if (run->prior && scry_space_equal(dom, &run->prior_space) && run->prior_label == label &&
        workers == run->prior_workers && directions == run->prior_directions)
        return SCRY_OK;
    run->prior_label = label;
    scry_prior_free(run->prior);
    run->prior = NULL;
    run->prior_space = *dom;
    run->prior_workers = workers;
    run->prior_directions = directions;
    /* A method that is about to be refused for its operator: the prior has all it can have, so that
     * the message names every method that would serve. */
    const bool refused = (run->method->needs & SCRY_NEEDS_SVD) && run->blurred;
    return scry_prior_pool_make(
        &run->prior, &run->layout, &run->pool, dom,
        &(scry_prior_plan){.tile = run->request->tile,
                           .vjp = (run->method->needs & SCRY_NEEDS_VJP) || refused,
                           .threads = 1,
                           .label = &label,
                           .directions = directions,
                           .workers = workers},
        err);
}

/* Likelihood and Gaussian model (without a spectrum: none) for a map of intensities, in place of
 * those before. */
static scry_status map_intensities(struct scryi_image_posterior *p, scry_affine map,
                                   const scry_radial *power, scry_error *err)
{
    scry_problem *problem = &p->problem.problem;
    scry_likelihood_free(p->L);
    scry_prior_free(p->model);
    p->L = NULL;
    p->model = NULL;
    p->physical = map;
    p->problem.map = (scry_affine){map.scale * scry_noise_scale_to_file(&p->noise),
                                   scry_noise_to_file(&p->noise, map.shift)};
    scry_status st = scry_likelihood_create(&p->L, p->A, p->data, &p->noise, &map, err);
    if (st == SCRY_OK && power->count)
        st = image_pose_make_model(&p->model, power, &map, &p->window.outer,
                                   p->colour ? 2 : p->window.outer.rank, err);
    problem->L = p->L;
    problem->model = p->model;
    return st;
}

/* The network works in a variable of its own: the map to it comes from an estimate without it. */
static scry_status pose_network(struct scryi_image_posterior *p, struct scryi_image_setup *run,
                                const scry_image *image, const scry_radial *power, scry_error *err)
{
    const scry_restore_request *request = run->request;
    const size_t n = scry_space_count(&p->window.inner);
    scry_affine map;
    int label = -1;
    float *v = scry_alloc(n, sizeof *v);
    if (!v) return SCRY_FAIL(err, SCRY_ENOMEM, "first estimate of %zu pixels", n);
    scry_status st = quiet_estimate(v, p, err);
    if (st == SCRY_OK)
        st = scry_intensity_map(&map, v, n, &p->noise, request->low, request->high, err);
    for (size_t i = 0; st == SCRY_OK && i < n; i++)
        v[i] = (float)((v[i] - map.shift) / map.scale);
    if (st == SCRY_OK)
        st = scry_prior_pool_recognise(&label, &run->pool, v, &p->window.inner, &request->log, err);
    scry_free(v);
    if (st == SCRY_OK) st = map_intensities(p, map, power, err);
    if (st == SCRY_OK) st = take_prior(run, image, &p->window.outer, label, err);
    if (st != SCRY_OK) return st;
    p->problem.problem.prior = run->prior;
    p->problem.problem.gap = &run->pool.info->gap;
    return SCRY_OK;
}

scry_status scryi_image_pose(struct scryi_image_posterior *p, struct scryi_image_setup *run,
                             const scry_image *image, scry_error *err)
{
    const scry_restore_request *request = run->request;
    const size_t n = scry_space_count(&image->space);
    scry_radial power = {0};
    const scry_log *log = image->number ? NULL : &request->log;
    const scry_boundary boundary = scry_boundary_of(request->boundary, image);
    scry_status st = SCRY_OK;
    p->colour = image->colour;
    p->problem = (scry_recon_problem){.name = image->name, .window = &p->window};
    p->known = scry_alloc(n, 1);
    p->outside = scry_alloc(n, 1);
    if (!p->known || !p->outside) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    if (run->blurred)
        st = scry_psf_source_make(
            &p->psf, &p->ps, &run->psf,
            &(scry_psf_setting){.image = image, .boundary = boundary, .log = log}, err);
    if (st == SCRY_OK)
        st = scry_known_find(p->known, p->outside, &p->excluded, image, request->defects, p->psf,
                             &p->ps, &request->log, err);
    if (st == SCRY_OK) st = build_operator(p, run, image, err);
    if (st == SCRY_OK)
        st = scry_noise_choose(&p->noise, &p->noise_model, &request->noise, image, p->known,
                               run->blurred ? &p->lateral : NULL, &request->log, err);
    /* classical methods but some ask for no model of the image, which is as large as its domain */
    if (st == SCRY_OK && (run->method->kind != SCRY_CLASSICAL ||
                          (run->method->needs & (SCRY_NEEDS_MODEL | SCRY_NEEDS_DENOISER))))
        st = measure_power(&power, p, image, err);
    if (st == SCRY_OK) st = map_intensities(p, (scry_affine){1, 0}, &power, err);
    p->problem.problem.positive =
        (run->method->needs & SCRY_NEEDS_POSITIVE) || p->noise.kind != SCRY_NOISE_GAUSSIAN;
    if (st == SCRY_OK && (run->method->needs & SCRY_NEEDS_DENOISER))
        st = pose_network(p, run, image, &power, err);
    scry_radial_free(&power);
    return st;
}

scry_status scryi_image_study(scry_noise *noise, scry_noise_model *model, unsigned char *known,
                              const scry_restore_request *q, const scry_image *image,
                              scry_error *err)
{
    const size_t n = scry_space_count(&image->space);
    const bool blurred = q->psf.model || q->psf.pixels;
    size_t excluded;
    scry_psf_source source;
    scry_space ps;
    scry_transfer lateral = {0};
    float *psf = NULL;
    scry_status st = SCRY_OK;
    unsigned char *outside = scry_alloc(n, 1);
    if (!outside) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    if (blurred) st = scry_psf_source_init(&source, &q->psf, NULL, err);
    if (st == SCRY_OK && blurred)
        st = scry_psf_source_make(
            &psf, &ps, &source,
            &(scry_psf_setting){.image = image, .boundary = scry_boundary_of(q->boundary, image)},
            err);
    if (st == SCRY_OK && blurred)
        st = lateral_transfer(&lateral, &source, image, scry_boundary_of(q->boundary, image), err);
    if (st == SCRY_OK)
        st = scry_known_find(known, outside, &excluded, image, q->defects, psf, &ps, NULL, err);
    if (st == SCRY_OK)
        st = scry_noise_choose(noise, model, &q->noise, image, known, blurred ? &lateral : NULL,
                               NULL, err);
    scry_transfer_free(&lateral);
    scry_free(psf);
    scry_free(outside);
    return st;
}
