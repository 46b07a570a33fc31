#include "apps/recon/mri/reconstruct.h"

#include "apps/recon/mri/mri_impl.h"
#include "lib/given.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "operators/coils.h"
#include "operators/fourier.h"
#include "operators/scale.h"
#include "solvers/roles.h"

#include <math.h>
#include <string.h>

/* ---- the request ---- */

static const char *reconstruct_name_of(const scry_reconstructor *r)
{
    return r->scan->name ? r->scan->name : "scan";
}

/* Several coils are combined by their root sum of squares. */
static bool is_rss(const scry_reconstructor *r)
{
    return r->request->coil_maps == SCRY_COILS_NONE && r->scan->coils > 1;
}

static scry_status reconstruct_choose_method(scry_options *out, const scry_mri_request *q,
                                             scry_error *err)
{
    const struct scry_method *method = scry_role_method(SCRY_ROLE_SCAN);
    if (q->method) method = scry_method_find(q->method);
    if (q->options && SCRY_MISSING(err, q->options->method)) return SCRY_EINVAL;
    if (q->options) method = q->options->method;
    if (!method) return SCRY_FAIL(err, SCRY_EINVAL, "there is no method '%s'", q->method);
    if (method->kind == SCRY_UNCONDITIONAL)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s is not a method that reconstructs", method->name);
    scry_scan_options(out, method);
    if (q->options) *out = *q->options;
    if (q->automatic && method->kind != SCRY_CLASSICAL)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s is not a classical method, expected one to judge a diffusion method "
                         "against",
                         method->name);
    return SCRY_OK;
}

static size_t reconstruct_count_chains(const scry_mri_request *q, const struct scry_method *method)
{
    if (method->kind != SCRY_POSTERIOR) return 1;
    return q->samples ? q->samples : SCRYI_DEFAULT_SAMPLES;
}

/* Written so that a NaN fails. */
static scry_status reconstruct_check_numbers(const scry_mri_request *q, scry_error *err)
{
    const struct {
        const char *name;
        double value, low, high;
    } range[] = {{"gain", q->gain, 0, 4},
                 {"phase width", q->phase_width, 0, 1000},
                 {"imaginary", q->imaginary, 0, 10},
                 {"holdout", q->holdout, 0, 0.5},
                 {"crop", q->crop, -1, 1},
                 {"sets", (double)q->sets, 0, 8}};
    for (size_t i = 0; i < sizeof range / sizeof *range; i++)
        if (!(range[i].value >= range[i].low && range[i].value <= range[i].high))
            return SCRY_FAIL(err, SCRY_EINVAL, "%s %g, expected %g to %g", range[i].name,
                             range[i].value, range[i].low, range[i].high);
    return SCRY_OK;
}

scry_status scry_mri_request_check(const scry_mri_request *q, scry_error *err)
{
    const scry_output_maps *maps = q->maps;
    scry_options options;
    scry_status st = reconstruct_choose_method(&options, q, err);
    if (st == SCRY_OK) st = reconstruct_check_numbers(q, err);
    if (st != SCRY_OK) return st;
    if (q->noise == SCRY_COIL_NOISE_GIVEN && !(q->noise_sd > 0 && isfinite(q->noise_sd)))
        return SCRY_FAIL(err, SCRY_EINVAL, "noise of sd %g, expected more than 0", q->noise_sd);
    if (options.method->kind == SCRY_POSTERIOR && q->noise == SCRY_COIL_NOISE_NONE)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--noise none leaves %s without a noise level; expected auto, scan or "
                         "kspace",
                         options.method->name);
    for (size_t t = 0; maps && t < maps->thresholds; t++)
        if (maps->threshold[t] < 0)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "--above %g, expected 0 or more: images are magnitudes",
                             maps->threshold[t]);
    if (!maps) return SCRY_OK;
    return scry_output_maps_possible(maps, &options, reconstruct_count_chains(q, options.method),
                                     err);
}

static scry_status check_scan(const scry_reconstructor *r, scry_error *err)
{
    const scry_scan *s = r->scan;
    if (!s->coils || !s->dims[0] || !s->dims[1] || !s->dims[2])
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "%zu coils x %zu x %zu x %zu samples, expected at least "
                         "1 of each",
                         s->coils, s->dims[0], s->dims[1], s->dims[2]);
    if (s->readout != 1 && s->readout != 2)
        return SCRY_FAIL(err, SCRY_EINVAL, "readout along axis %d, expected 1 (y) or 2 (x)",
                         s->readout);
    if (is_rss(r) && !scryi_grappa_chosen(r) &&
        r->options.method != scry_role_method(SCRY_ROLE_ADJOINT))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--maps none combines %zu coils by their root sum of squares, which %s "
                         "cannot; expected --method %s, or maps",
                         s->coils, r->options.method->name,
                         scry_role_method(SCRY_ROLE_ADJOINT)->name);
    return SCRY_OK;
}

static scry_status reconstructor_open(scry_reconstructor *r, scry_error *err)
{
    const scry_mri_request *q = r->request;
    scry_status st = scry_mri_request_check(q, err);
    if (st != SCRY_OK) return st;
    if ((st = reconstruct_choose_method(&r->options, q, err)) != SCRY_OK) return st;
    if (q->maps) r->maps = *q->maps;
    r->chains = reconstruct_count_chains(q, r->options.method);
    r->coils = r->scan->coils;
    if ((st = check_scan(r, err)) != SCRY_OK) return st;
    if (!(r->options.method->needs & SCRY_NEEDS_DENOISER) && !q->automatic) return SCRY_OK;
    scry_error why = {0};
    st = scry_prior_pool_open(&r->pool, q->prior ? q->prior : SCRY_PRIOR_MRI, &why);
    r->has_pool = st == SCRY_OK;
    if (st != SCRY_OK && st != SCRY_ENOMEM && q->automatic) {
        scry_log_warn(&q->log, "%s alone: %s", r->options.method->name, why.text);
        return SCRY_OK;
    }
    if (st != SCRY_OK) return scry_fail(err, st, why.where, "%s", why.text);
    if (st == SCRY_OK) st = scry_prior_pool_condition(&r->pool, q->class_name, q->guidance, err);
    return st;
}

scry_status scry_reconstructor_create(scry_reconstructor **out, const scry_mri_request *request,
                                      const scry_scan *scan, scry_error *err)
{
    scry_reconstructor *r = scry_alloc(1, sizeof *r);
    *out = NULL;
    if (!r) return SCRY_FAIL(err, SCRY_ENOMEM, "reconstructor");
    r->request = request;
    r->scan = scan;
    const scry_status st = reconstructor_open(r, err);
    if (st == SCRY_OK)
        *out = r;
    else
        scry_reconstructor_free(r);
    return st;
}

void scry_reconstructor_free(scry_reconstructor *r)
{
    if (!r) return;
    if (r->has_pool) scry_prior_pool_close(&r->pool);
    scry_free(r->psi);
    scry_free(r->virtual);
    scry_free(r);
}

/* ---- estimates from one slice, for all ---- */

/* psi is the covariance of noise that coils can be whitened by. */
static scry_status check_covariance(const scry_reconstructor *r, scry_error *err)
{
    float complex *one = scry_alloc(r->scan->coils, sizeof *one);
    if (!one) return SCRY_FAIL(err, SCRY_ENOMEM, "covariance of %zu coils", r->scan->coils);
    const scry_status st = scry_whiten(one, r->psi, r->scan->coils, 1, err);
    scry_free(one);
    return st;
}

/* Given, else from the noise scan, else from samples that no signal reaches. */
static scry_status estimate_covariance(scry_reconstructor *r, const scry_mri_slice *slice,
                                       scry_error *err)
{
    const scry_scan *s = r->scan;
    const scry_coil_noise choice = r->request->noise;
    const double sd = r->request->noise_sd;
    const bool scan = s->noise && s->noise_samples > s->coils;
    scry_status st = SCRY_OK;
    r->psi = scry_alloc(s->coils * s->coils, sizeof *r->psi);
    if (!r->psi) return SCRY_FAIL(err, SCRY_ENOMEM, "covariance of %zu coils", s->coils);
    if (choice == SCRY_COIL_NOISE_GIVEN) {
        r->noise_from = "given";
        for (size_t c = 0; c < s->coils; c++)
            r->psi[c * (s->coils + 1)] = sd * sd;
    } else if (scan && choice != SCRY_COIL_NOISE_KSPACE) {
        r->noise_from = s->noise_name ? s->noise_name : "noise scans";
        st = scry_noise_covariance(r->psi, s->noise, s->coils, s->noise_samples,
                                   s->noise_ratio > 0 ? s->noise_ratio : 1, err);
    } else {
        struct scryi_noise_source source = {.from = "the outermost samples"};
        const bool draws = r->options.method->kind == SCRY_POSTERIOR;
        st = slice->scattered.data
                 ? scryi_noise_off_grid(r->psi, &source.from, &slice->scattered, s->coils,
                                        slice->dims[1], slice->dims[2], draws, err)
                 : scryi_noise_of_heard(r->psi, &source, slice, s, err);
        scryi_noise_describe(r->noise_words, sizeof r->noise_words, &source);
        r->noise_from = r->noise_words;
    }
    if (st != SCRY_OK) return st;
    scryi_noise_fill(r->psi, s->coils);
    return check_covariance(r, err);
}

static scry_status measure_noise(scry_reconstructor *r, const scry_mri_slice *slice,
                                 scry_error *err)
{
    const scry_scan *s = r->scan;
    const scry_log *log = &r->request->log;
    const scry_coil_noise choice = r->request->noise;
    double sd;
    scry_error why = {0};
    if (choice == SCRY_COIL_NOISE_NONE) return SCRY_OK;
    if (choice == SCRY_COIL_NOISE_SCAN && !s->noise_samples)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s holds no noise scan, expected one for --noise scan",
                         reconstruct_name_of(r));
    scry_status st = estimate_covariance(r, slice, &why);
    if (st != SCRY_OK && st != SCRY_ENOMEM && st != SCRY_ESTOP && choice == SCRY_COIL_NOISE_AUTO &&
        r->options.method->kind == SCRY_CLASSICAL) {
        scry_log_warn(log, "%s: coils are left as they are: %s", reconstruct_name_of(r), why.text);
        scry_free(r->psi);
        r->psi = NULL;
        return SCRY_OK;
    }
    if (st != SCRY_OK) return scry_fail(err, st, why.where, "%s", why.text);
    const char *from = scry_reconstructor_noise(r, &sd);
    scry_log_note(log, "noise: sd %.4g a sample and coil, from %s; coils are whitened", sd, from);
    return SCRY_OK;
}

static scry_status compress_coils(scry_reconstructor *r, const scry_mri_slice *slice,
                                  scry_error *err)
{
    const size_t keep = r->request->coils, coils = r->scan->coils;
    const size_t n = slice->dims[0] * slice->dims[1] * slice->dims[2];
    if (keep > coils)
        scry_log_warn(&r->request->log, "%s: --coils %zu of %zu: all are used",
                      reconstruct_name_of(r), keep, coils);
    if (!keep || keep >= coils) return SCRY_OK;
    double *energy = scry_alloc(coils, sizeof *energy);
    float complex *data = scry_copy(slice->data, coils * n * sizeof *data);
    r->virtual = scry_alloc(keep * coils, sizeof *r->virtual);
    scry_status st = SCRY_OK;
    if (!energy || !data || !r->virtual)
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu virtual coils", keep);
    if (st == SCRY_OK && r->psi) st = scry_whiten(data, r->psi, coils, n, err);
    if (st == SCRY_OK) st = scry_compression(r->virtual, energy, keep, data, coils, n, err);
    if (st == SCRY_OK) {
        scry_log_note(&r->request->log, "coils: %zu virtual ones of %zu hold %.2f %% of the energy",
                      keep, coils, 100 * energy[keep - 1]);
        r->coils = keep;
    }
    scry_free(energy);
    scry_free(data);
    return st;
}

static void note_partial(const scry_reconstructor *r, const struct scryi_plane *plane)
{
    struct scryi_partial partial;
    if (r->options.method == scry_role_method(SCRY_ROLE_ADJOINT)) return;
    if (!scryi_partial_find(&partial, plane, r->request->phase)) return;
    const bool along_y = partial.axis == SCRY_FOURIER_Y;
    const int axis = plane->axis[along_y ? 0 : 1];
    scry_log_note(&r->request->log,
                  "phase: that of the middle %zu of %zu samples along %c%s; the image is real "
                  "beside it (--phase free: not)",
                  2 * partial.half + 1, along_y ? plane->ny : plane->nx, "zyx"[axis],
                  partial.missing > 0 ? ", which is sampled farther to one side (partial Fourier)"
                                      : "");
}

/* Bytes for the problem of a plane; logs where its chains would start. Nothing is held out: the
 * part that a run holds out depends on its seed. */
static scry_status reconstruct_forecast(size_t *bytes, const scry_reconstructor *r,
                                        const struct scryi_plane *plane, size_t threads,
                                        scry_error *err)
{
    const scry_recon_request request = {
        .options = &r->options, .chains = r->chains, .threads = threads, .maps = &r->maps};
    scry_mri_request whole = *r->request;
    scry_reconstructor all = *r;
    struct scryi_mri_posterior p = {0};
    scry_start_point start;
    whole.holdout = 0;
    all.request = &whole;
    const size_t before = scry_memory_requested();
    *bytes = 0;
    if (scryi_grappa_chosen(r) || scry_reconstructor_joins_frames(r) ||
        (!plane->maps && plane->coils > 1))
        return SCRY_OK;
    scry_status st = scryi_mri_pose(&p, &all, plane, 0, err);
    const size_t posed = scry_memory_requested() - before;
    if (st == SCRY_OK) st = scry_recon_forecast(bytes, &p.problem, &request, err);
    *bytes += posed;
    if (st == SCRY_OK) st = scry_start_find(&start, &p.problem.problem, &r->options, err);
    if (st == SCRY_OK) scry_start_log(&r->request->log, &start, "Gaussian posterior");
    scryi_mri_posterior_free(&p);
    return st;
}

scry_status scryi_mri_unit(scry_reconstructor *r, const struct scryi_plane *p, scry_error *err)
{
    if (!p->scattered)
        return scry_kspace_scale(&r->unit, p->data, p->coils, p->ny, p->nx, p->axes, err);
    float complex *grid = scry_alloc(p->coils * p->ny * p->nx, sizeof *grid);
    if (!grid) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu coils on a grid", p->coils);
    scry_status st =
        scryi_mri_grid(grid, p->covered, p->data, p->coils, p->scattered, p->ny, p->nx, err);
    if (st == SCRY_OK) st = scry_kspace_scale(&r->unit, grid, p->coils, p->ny, p->nx, p->axes, err);
    scry_free(grid);
    return st;
}

/* A support of the maps that is too small cuts signal that is there, which no image can explain;
 * one that is too large lets aliasing in. A brain of 16 coils at R 4 gains .65 dB by the smaller
 * eigenvalue, skull-stripped heads lose .1 to .35 dB (tests/bench/RESULTS.md): samples that are
 * held out tell. */
static const double WIDER_CROP = 0.7;

static scry_status choose_support(scry_reconstructor *r, struct scryi_plane *plane,
                                  const scry_mri_slice *slice, size_t index, size_t threads,
                                  scry_error *err)
{
    const scry_mri_request *q = r->request;
    struct scryi_plane wider = {0};
    scry_error why = {0};
    bool better = false;
    if (!q->judge_crop || q->crop > 0 || q->crop < 0 || q->soft || q->coil_maps ||
        plane->sets > 1 || !plane->maps || plane->coils == 1 || scryi_grappa_chosen(r))
        return SCRY_OK;
    r->crop = WIDER_CROP;
    scry_status st = scryi_plane_make(&wider, r, slice, index, NULL, &why);
    if (st == SCRY_OK) st = scryi_mri_prefers(&better, r, plane, &wider, threads, &why);
    if (st == SCRY_OK && better) {
        const struct scryi_plane narrow = *plane;
        *plane = wider;
        wider = narrow;
        scry_log_note(&q->log,
                      "coil maps: pixels of eigenvalues above %.2g count, not .8, which predicts "
                      "samples that are held out better (--crop: another)",
                      WIDER_CROP);
    } else {
        r->crop = 0;
    }
    scryi_plane_free(&wider);
    if (st == SCRY_ENOMEM || st == SCRY_ESTOP) return scry_fail(err, st, why.where, "%s", why.text);
    return better ? scryi_mri_unit(r, plane, err) : SCRY_OK;
}

scry_status scry_reconstructor_calibrate(scry_reconstructor *r, const scry_mri_slice *slice,
                                         const float complex *maps, size_t threads, size_t each,
                                         size_t *bytes, scry_error *err)
{
    struct scryi_plane plane = {0};
    size_t planes, taken;
    int across;
    scry_status st = SCRY_OK;
    if (!is_rss(r)) st = measure_noise(r, slice, err);
    if (st == SCRY_OK && !is_rss(r)) st = compress_coils(r, slice, err);
    if (st == SCRY_OK) st = scry_mri_slice_planes(&planes, &across, slice, err);
    if (st == SCRY_OK) st = scryi_plane_make(&plane, r, slice, planes / 2, maps, err);
    if (st == SCRY_OK) st = scryi_mri_unit(r, &plane, err);
    if (st == SCRY_OK && !maps) st = choose_support(r, &plane, slice, planes / 2, threads, err);
    if (st == SCRY_OK)
        st = scryi_whiten_unexplained(r, &plane, slice, planes / 2, maps, threads, err);
    if (st == SCRY_OK) {
        scryi_coils_silent_log(r, &plane);
        note_partial(r, &plane);
        scry_log_note(&r->request->log,
                      "unit: %.6g (intensity that counts as 1: lambda refers to it)", r->unit);
        if (plane.sets > 1)
            scry_log_note(&r->request->log,
                          "%zu sets of maps: the image is the root sum of squares of theirs",
                          plane.sets);
        st = scryi_mri_choose(r, &plane, threads, err);
    }
    if (st == SCRY_OK) st = reconstruct_forecast(&taken, r, &plane, each, err);
    if (st == SCRY_OK && bytes) *bytes = taken;
    scryi_plane_free(&plane);
    return st;
}

double scry_reconstructor_unit(const scry_reconstructor *r)
{
    return r->unit;
}

const scry_options *scry_reconstructor_options(const scry_reconstructor *r)
{
    return &r->options;
}

bool scry_reconstructor_whitened(const scry_reconstructor *r)
{
    return r->psi != NULL;
}

const char *scry_reconstructor_noise(const scry_reconstructor *r, double *sd)
{
    const size_t C = r->scan->coils;
    double trace = 0;
    *sd = NAN;
    if (!r->psi) return "guessed";
    for (size_t c = 0; c < C; c++)
        trace += creal(r->psi[c * (C + 1)]);
    *sd = sqrt(trace / (double)C);
    return r->noise_from;
}

const char *scry_reconstructor_maps_from(const scry_reconstructor *r)
{
    if (r->scan->coils == 1) return "none: one coil";
    if (r->request->coil_maps == SCRY_COILS_NONE) return "none: root sum of squares";
    if (r->request->coil_maps == SCRY_COILS_LOWRES) return "the scan itself, low resolution";
    return r->crop > 0 ? "the scan itself, ESPIRiT, eigenvalues above 0.7"
                       : "the scan itself, ESPIRiT";
}

const char *scry_reconstructor_choice(const scry_reconstructor *r)
{
    return r->choice;
}

const scry_network *scry_reconstructor_network(const scry_reconstructor *r)
{
    return r->has_pool ? r->pool.network : NULL;
}

size_t scry_reconstructor_chains(const scry_reconstructor *r)
{
    return r->chains;
}

/* ---- one slice in memory ---- */

/* A copy of the scan's samples as a slice; mask NULL: samples that are not 0. */
static scry_status reconstruct_copy_slice(scry_mri_slice *out, const scry_scan *scan,
                                          const unsigned char *mask, scry_error *err)
{
    const size_t n = scan->trajectory ? scan->samples : scan->dims[1] * scan->dims[2];
    if (!scan->data) return SCRY_FAIL(err, SCRY_EINVAL, "a scan without samples");
    if (scan->dims[0] != 1)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%zu x %zu x %zu samples encoded along z: scry_reconstructor takes them "
                         "plane by plane",
                         scan->dims[0], scan->dims[1], scan->dims[2]);
    float complex *data = scry_copy(scan->data, scan->coils * n * sizeof *data);
    unsigned char *sampled = mask ? scry_copy(mask, n) : scry_alloc(n, 1);
    if (!data || !sampled) {
        scry_free(data);
        scry_free(sampled);
        return SCRY_FAIL(err, SCRY_ENOMEM, "k-space of %zu coils x %zu samples", scan->coils, n);
    }
    for (size_t i = 0; i < scan->coils * n; i++)
        if (!isfinite(crealf(data[i])) || !isfinite(cimagf(data[i]))) {
            scry_free(data);
            scry_free(sampled);
            return SCRY_FAIL(err, SCRY_ENUMERIC, "sample %zu of coil %zu is not finite", i % n,
                             i / n);
        }
    for (size_t i = 0; !mask && i < scan->coils * n; i++)
        if (cabsf(data[i]) > 0) sampled[i % n] = 1;
    return scry_mri_slice_take(out, scan, &(scry_mri_samples){.data = data, .mask = sampled}, err);
}

scry_status scry_reconstruct(scry_mri_result *out, const scry_scan *scan, const unsigned char *mask,
                             const scry_mri_request *request, scry_chains_monitor *monitor,
                             void *ctx, scry_error *err)
{
    if (out) *out = (scry_mri_result){0};
    if (SCRY_MISSING(err, out, scan, request)) return SCRY_EINVAL;
    scry_reconstructor *r = NULL;
    scry_mri_slice slice = {0};
    scry_status st = scry_reconstructor_create(&r, request, scan, err);
    if (st == SCRY_OK) st = reconstruct_copy_slice(&slice, scan, mask, err);
    if (st == SCRY_OK)
        st = scry_reconstructor_calibrate(r, &slice, scan->maps, request->threads, request->threads,
                                          NULL, err);
    if (st == SCRY_OK)
        st = scry_reconstructor_run(out, r, &slice, 0, scan->maps, request->seed, request->threads,
                                    monitor, ctx, err);
    if (st == SCRY_OK) {
        const size_t ny = scan->image[1] ? scan->image[1] : out->ny;
        const size_t nx = scan->image[2] ? scan->image[2] : out->nx;
        st = scry_mri_result_resize(out, request->maps, ny, nx, err);
    }
    if (st != SCRY_OK) {
        scry_mri_result_free(out);
        scry_error_name(err, scan->name);
    }
    scry_mri_slice_free(&slice);
    scry_reconstructor_free(r);
    return st;
}
