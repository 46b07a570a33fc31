#include "apps/recon/image/restore_impl.h"
#include "apps/recon/image/rise_impl.h"

#include "apps/recon/image/improvable.h"
#include "apps/recon/image/judge.h"
#include "apps/recon/image/psf_fit.h"
#include "apps/recon/image/residual.h"
#include "lib/given.h"
#include "lib/memory.h"
#include "lib/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SAMPLE_PIXELS = 1 << 24 }; /* of a larger image, the part that is asked */

void scry_restore_result_free(scry_restore_result *r)
{
    scry_free(r->mean);
    scry_free(r->maps);
    scry_free(r->predicted);
    scry_free(r->psf);
    *r = (scry_restore_result){0};
}

/* ---- one image ---- */

/* *to = A x on the image's grid, in the unit of the file, NaN where nothing was measured; u is x in
 * the solver's variable. */
static scry_status predict_data(float **to, const struct scryi_image_posterior *p, const float *u,
                                scry_error *err)
{
    const size_t n = scry_space_count(&p->window.outer), m = scry_space_count(scry_op_cod(p->A));
    const size_t pixels = scry_space_count(&p->window.inner);
    float *x = scry_alloc(n, sizeof *x), *y = scry_alloc(m, sizeof *y);
    void *work = scry_alloc(1, scry_op_work_bytes(p->A));
    scry_status st = SCRY_OK;
    *to = scry_alloc(pixels, sizeof **to);
    if (!x || !y || !work || !*to) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "prediction of %zu pixels", m);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(p->physical.scale * u[i] + p->physical.shift);
    if ((st = scry_op_forward(p->A, y, x, work, err)) != SCRY_OK) goto done;
    for (size_t i = 0, j = 0; i < pixels; i++)
        (*to)[i] = p->known[i] ? (float)scry_noise_to_file(&p->noise, y[j++]) : NAN;
done:
    scry_free(x);
    scry_free(y);
    scry_free(work);
    return st;
}

/* Brightness is known from the sum of the data better than from any prior, and where noise grows
 * with the light, estimates whose bright pixels a prior pulls down lose some of it: the image is
 * multiplied so that its sum is that of the data. The light that its borders exchange with the
 * outside, by blur, may make that a factor which the data contradict: then by the nearest one that
 * changes chi2 by FLUX_CHI2 from where the blurred image has their sum. A stack, which light leaves
 * above and below, has it there. Dim images whose sum is noise, and misfits that no factor mends,
 * stay. */
static const double FLUX_KNOWN = 10;  /* sd of the sum */
static const double FLUX_SHARE = 0.1; /* the largest change; or three such sd */
static const double FLUX_CHI2 = 0.02; /* change of chi2 that is none */

static double flux_factor(const struct scryi_image_posterior *p, const scry_image *image,
                          const float *seen, const float *x)
{
    double data = 0, blurred = 0, sharp = 0, variance = 0, signal = 0, count = 0;
    const double zero = scry_noise_to_file(&p->noise, 0);
    for (size_t i = 0; i < scry_space_count(&image->space); i++) {
        if (!p->known[i]) continue;
        const double v = scry_noise_variance(&p->noise, (double)seen[i]), m = seen[i] - zero;
        data += scry_noise_to_physical(&p->noise, (double)image->pixels[i]);
        blurred += scry_noise_to_physical(&p->noise, (double)seen[i]);
        sharp += p->physical.scale * x[i] + p->physical.shift;
        variance += v;
        signal += m * m / v;
        count++;
    }
    const double sd = sqrt(variance) / scry_noise_scale_to_file(&p->noise);
    const bool stack = scry_image_axes(image) == 3;
    const double room = stack ? 0 : sqrt(FLUX_CHI2 * count / signal);
    const double factor = data / fmin(fmax(sharp, blurred * (1 - room)), blurred * (1 + room));
    if (!(data > FLUX_KNOWN * sd)) return 1;
    return fabs(factor - 1) <= fmax(FLUX_SHARE, 3 * sd / data) ? factor : 1;
}

static scry_status keep_flux(struct scryi_image_posterior *p, const float *u,
                             const scry_image *image, scry_error *err)
{
    if (!p->blur) return SCRY_OK;
    float *seen = NULL, *x = scry_alloc(scry_space_count(&image->space), sizeof *x);
    if (!x)
        return SCRY_FAIL(err, SCRY_ENOMEM, "an image of %zu pixels",
                         scry_space_count(&image->space));
    scry_status st = predict_data(&seen, p, u, err);
    if (st == SCRY_OK) {
        scry_window_crop(&p->window, x, u);
        const double factor = flux_factor(p, image, seen, x);
        const double zero = scry_noise_to_file(&p->noise, 0);
        p->physical = (scry_affine){factor * p->physical.scale, factor * p->physical.shift};
        p->problem.map.scale *= factor;
        p->problem.map.shift = zero + factor * (p->problem.map.shift - zero);
    }
    scry_free(seen);
    scry_free(x);
    return st;
}

static scry_status check_image(const scry_image *image, scry_error *err)
{
    const scry_space *s = &image->space;
    if ((s->rank != 2 && s->rank != 3) || s->cplx || !scry_space_count(s))
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "%s image of %d axes and %zu pixels, expected real ones on 2 or 3 axes "
                         "(z, y, x)",
                         s->cplx ? "complex" : "real", s->rank, scry_space_count(s));
    if (!image->pixels) return SCRY_FAIL(err, SCRY_EINVAL, "an image without pixels");
    return SCRY_OK;
}

/* Moves parts of the problem into the result. */
static void keep_parts(scry_restore_result *out, struct scryi_image_posterior *p)
{
    out->noise = p->noise;
    out->noise_model = p->noise_model;
    out->map = p->physical;
    out->excluded = p->excluded;
    out->psf = p->psf;
    out->psf_space = p->ps;
    p->psf = NULL; /* the result's now */
}

static scry_status restore_collect(scry_restore_result *out, struct scryi_image_posterior *p,
                                   const scry_restorer *r, const scry_image *image,
                                   const scry_recon_result *run, scry_error *err)
{
    const size_t n = scry_space_count(&image->space), asked = r->maps.count;
    out->mean = scry_alloc(n, sizeof *out->mean);
    if (asked) out->maps = scry_alloc(n * asked, sizeof *out->maps);
    if (!out->mean || (asked && !out->maps))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu results of %zu pixels", 1 + asked, n);
    scry_status st = keep_flux(p, run->chains.mean, image, err);
    if (st != SCRY_OK) return st;
    scry_recon_mean(out->mean, &p->problem, run);
    for (size_t k = 0; k < asked; k++)
        scry_recon_map(out->maps + k * n, &p->problem, &r->maps, k, run);
    if (r->setup.request->predict || r->contenders) {
        st = predict_data(&out->predicted, p, run->chains.mean, err);
        if (st != SCRY_OK) return st;
    }
    out->samples = run->chains.done;
    out->failed = run->chains.failed;
    out->counts = run->chains.counts;
    out->start = run->start;
    out->diagnosis = run->diagnosis;
    out->diagnosis.correlated =
        (p->noise_model.findings & (SCRY_NOISE_CORRELATED | SCRY_NOISE_BLOCKS)) != 0;
    out->work_bytes = run->forecast_bytes;
    keep_parts(out, p);
    if (r->setup.has_pool) out->layout = r->setup.layout;
    for (size_t i = 0; i < n; i++) {
        if (p->outside[i]) out->mean[i] = image->pixels[i]; /* nothing was there to restore */
        if (!p->known[i]) continue;
        out->flux_in += scry_noise_to_physical(&p->noise, image->pixels[i]);
        out->flux_out += scry_noise_to_physical(&p->noise, out->mean[i]);
    }
    return SCRY_OK;
}

/* ---- by a method ---- */

void scryi_restore_use_method(scry_restorer *r, const scry_options *options)
{
    const size_t samples = r->draws ? r->draws : r->setup.request->samples;
    r->options = options;
    r->setup.method = options->method;
    r->chains = options->method->kind != SCRY_POSTERIOR ? 1
                : samples                               ? samples
                                                        : SCRYI_RESTORE_SAMPLES;
    r->setup.chains = r->chains;
}

/* What draws vary by is what the prior leaves open; where an image is not like those that it was
 * trained on, it is wrong beyond that, out of the passband, where the data cannot tell
 * (tests/bench/RESULTS.md, "Error bars"). */
static void say_error_bars(const scry_restorer *r, const struct image_task *task)
{
    const scry_image *image = task->image;
    if (image->number || image->channel || task->again || !r->maps.count || !r->setup.blurred ||
        !(r->options->method->needs & SCRY_NEEDS_DENOISER))
        return;
    scry_log_note(
        &r->setup.request->log,
        "sd and other maps are those of draws: errors are 0.9 to 1.7 times their sd where "
        "the image is like those that the prior was trained on, else up to 2.4 times");
}

/* The image of the task, or one tile of it, by the method in use. */
static scry_status restore_run_one(scry_restore_result *out, scry_restorer *r,
                                   const struct image_task *task, scry_error *err)
{
    const scry_restore_request *q = r->setup.request;
    scry_options options = *r->options;
    scry_error unsaid = {0};
    scry_recon_request request = {
        .options = &options,
        .chains = r->chains,
        .seed = task->seed,
        .threads = q->threads,
        .maps = &r->maps,
        .log = &q->log,
        .start = task->image->channel || task->image->number ? NULL : "Gaussian posterior",
        .forecast = !task->again};
    struct scryi_image_posterior p = {0};
    scry_recon_result run = {0};
    scry_status st = scryi_image_pose(&p, &r->setup, task->image, err);
    if (st == SCRY_OK) say_error_bars(r, task);
    if (scryi_image_shares_windows(&r->setup)) request.threads = 1;
    /* noise that is alike in neighbouring planes is not white in slices across them */
    if (p.problem.problem.prior && r->setup.prior_directions)
        (void)scry_options_set(&options, "coherence", 1, &unsaid); /* few methods have it */
    *out = (scry_restore_result){.options = options};
    if (st == SCRY_OK)
        st = scry_recon_run(&run, &p.problem, &request, task->monitor, task->ctx, err);
    if (st == SCRY_OK) st = restore_collect(out, &p, r, task->image, &run, err);
    scry_recon_result_free(&run);
    scryi_image_posterior_free(&p);
    return st;
}

scry_status scryi_restore_by(scry_restore_result *out, scry_restorer *r,
                             const scry_options *options, const struct image_task *task,
                             scry_error *err)
{
    scryi_restore_use_method(r, options);
    return scryi_restore_in_tiles(out, r, task, restore_run_one, err);
}

scry_status scryi_restore_quietly(scry_restore_result *out, scry_restorer *r,
                                  const scry_options *options, const struct image_task *task,
                                  scry_error *err)
{
    const scry_restore_request *said = r->setup.request;
    r->quiet = *said;
    r->quiet.log = (scry_log){0};
    r->setup.request = &r->quiet;
    const scry_status st = scryi_restore_by(out, r, options, task, err);
    r->setup.request = said;
    return st;
}

/* Pearson's chi2 of a prediction in the unit of the file, per measured pixel. */
static double chi2_of(const float *predicted, const scry_image *image, const scry_noise *noise)
{
    double sum = 0, count = 0;
    for (size_t i = 0; i < scry_space_count(&image->space); i++) {
        if (!isfinite(predicted[i])) continue;
        const double miss = (double)image->pixels[i] - predicted[i];
        sum += miss * miss / scry_noise_variance(noise, (double)predicted[i]);
        count++;
    }
    return count > 0 ? sum / count : NAN;
}

/* *to becomes a *to + b *from. */
static void restore_average(scry_restore_result *to, const scry_restore_result *from, double a,
                            double b, const scry_image *image)
{
    const size_t n = scry_space_count(&image->space);
    for (size_t i = 0; i < n; i++) {
        to->mean[i] = (float)(a * to->mean[i] + b * from->mean[i]);
        to->predicted[i] = (float)(a * to->predicted[i] + b * from->predicted[i]);
    }
    to->flux_out = a * to->flux_out + b * from->flux_out;
    to->diagnosis.chi2 = chi2_of(to->predicted, image, &to->noise);
    to->counts.denoise += from->counts.denoise;
    to->counts.vjp += from->counts.vjp;
    to->counts.forward += from->counts.forward;
    to->counts.adjoint += from->counts.adjoint;
}

/* The image as its own result: nothing can be gained. */
static scry_status keep_image(scry_restore_result *out, scry_restorer *r,
                              const struct image_task *task, scry_error *err)
{
    const scry_image *image = task->image;
    struct scryi_image_posterior p = {0};
    float *u = NULL;
    scry_status st = scryi_image_pose(&p, &r->setup, image, err);
    if (st == SCRY_OK) st = scry_improvement_keep(out, image, &p.noise, &r->maps, err);
    if (st == SCRY_OK && !(u = scry_alloc(scry_space_count(&p.window.outer), sizeof *u)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "an image of %zu pixels", scry_space_count(&image->space));
    if (st == SCRY_OK) {
        scry_window_extend(&p.window, u, image->pixels);
        for (size_t i = 0; i < scry_space_count(&p.window.outer); i++)
            u[i] = (float)((scry_noise_to_physical(&p.noise, (double)u[i]) - p.physical.shift) /
                           p.physical.scale);
        st = predict_data(&out->predicted, &p, u, err);
    }
    keep_parts(out, &p);
    for (size_t i = 0; i < scry_space_count(&image->space) && st == SCRY_OK; i++)
        if (p.known[i]) out->flux_in += scry_noise_to_physical(&p.noise, (double)image->pixels[i]);
    out->flux_out = out->flux_in;
    scryi_image_posterior_free(&p);
    scry_free(u);
    return st;
}

/* The method of the request; or the one that is chosen, or the two, averaged. */
static scry_status run_methods(scry_restore_result *out, scry_restorer *r,
                               const struct image_task *task, scry_error *err)
{
    double first = 0;
    if (r->fills) return scryi_restore_fill(out, r, task, err);
    if (!r->contenders) return scryi_restore_by(out, r, &r->named, task, err);
    scry_improvement improvement = {0};
    scry_status st = SCRY_OK;
    if (scryi_restore_classical(r)) st = scryi_restore_improvement(&improvement, r, task, err);
    if (st == SCRY_OK && improvement.verdict) {
        scry_log_warn(&r->setup.request->log, "%s is returned unchanged%s%s",
                      task->image->name ? task->image->name : "the image",
                      improvement.line[0] ? ": " : "", improvement.line);
        scryi_restore_use_method(r, scryi_restore_classical(r));
        st = scryi_restore_in_tiles(out, r, task, keep_image, err);
        out->improvement = improvement;
        return st;
    }
    if (st == SCRY_OK) st = scryi_restore_choose(r, task, err);
    for (size_t k = 0; k < r->contenders && st == SCRY_OK; k++) {
        scry_restore_result other;
        if (!(r->share[k] > 0)) continue;
        if (!(first > 0)) {
            first = r->share[k];
            st = scryi_restore_by(out, r, &r->chosen[k], task, err);
            continue;
        }
        st = scryi_restore_quietly(&other, r, &r->chosen[k], task, err);
        if (st == SCRY_OK) restore_average(out, &other, first, r->share[k], task->image);
        scry_restore_result_free(&other);
    }
    if (st == SCRY_OK) out->improvement = improvement;
    return st;
}

/* Restorations of raw images of nine kinds, 30 to 3000 electrons, rise by 0 dB, white noise by up
 * to 1.2; those of a smoothed 8-bit image with a PSF twice as wide as its own by 8.5. */
static const double RISE_MAX = 1.5; /* decibels */

static const double NARROWER = 0.75; /* factor on the width of a PSF that makes more */
enum { NARROWINGS = 4 };

/* The image as it is, since no width of the psf gives a result that could be a specimen. */
static scry_status keep_after_rise(scry_restore_result *out, scry_restorer *r,
                                   const struct image_task *task, scry_error *err)
{
    scry_improvement found = {.verdict = SCRY_SHARPER_THAN_PSF};
    r->rises = true;
    snprintf(found.line, sizeof found.line,
             "its fine detail grows into texture with psfs of every width");
    scry_log_warn(&r->setup.request->log, "%s is returned unchanged: %s",
                  task->image->name ? task->image->name : "the image", found.line);
    scryi_restore_use_method(r, scryi_restore_classical(r));
    const scry_status st = scryi_restore_in_tiles(out, r, task, keep_image, err);
    out->improvement = found;
    return st;
}

/* The psf that is used, for all images of the channel; *factor: as scry_restore_result's. */
static void narrow_psf(double *factor, scry_restorer *r, const scry_image *image, double rise)
{
    scry_psf_source *psf = &r->setup.psf;
    const double width = NARROWER * (psf->request.width > 0 ? psf->request.width : 1);
    psf->request.width = r->settled.psf.width = width;
    *factor = width / r->given_width;
    if (scry_psf_fit_of(&r->widths, image->channel))
        r->widths.channels[image->channel].used = *factor;
    r->narrowing = *factor;
    r->narrowed_channel = image->channel;
    r->judged = false;
    scry_log_warn(&r->setup.request->log,
                  "with this psf the power spectrum of the result rises by %.2g dB towards fine "
                  "detail, and that of a specimen falls: the psf is taken %.3g times as wide as "
                  "given (--psf-width 1: as it is)",
                  rise, width);
}

/* Whether the psf may be narrowed: its width was not given as certain. */
static bool may_narrow(const scry_restorer *r)
{
    return r->contenders && r->setup.blurred &&
           r->setup.psf.request.width_choice == SCRY_WIDTH_CHECK;
}

/* run_methods, with a narrower psf as long as the spectrum of the result rises. */
static scry_status run_until_it_falls(scry_restore_result *out, double *factor, scry_restorer *r,
                                      const struct image_task *task, scry_error *err)
{
    double rise = 0;
    scry_status st = run_methods(out, r, task, err);
    if (!may_narrow(r)) return st;
    for (int k = 0; st == SCRY_OK && !out->improvement.verdict && out->mean; k++) {
        const double enlarged = scryi_rise_enlarged(&out->noise_model, r->enlarged);
        st = scryi_spectrum_rise(&rise, &task->image->space, out->mean, enlarged, err);
        if (st != SCRY_OK || rise <= RISE_MAX) break;
        scry_restore_result_free(out);
        *out = (scry_restore_result){0};
        if (k == NARROWINGS) return keep_after_rise(out, r, task, err);
        narrow_psf(factor, r, task->image, rise);
        st = run_methods(out, r, task, err);
    }
    return st;
}

enum { PILOT_SIDE = 512, PILOT_PART = 4 };

/* A brightest part of an image of many times its pixels settles the width of the psf: the whole is
 * restored once. */
static scry_status run_after_pilot(scry_restore_result *out, double *factor, scry_restorer *r,
                                   const struct image_task *task, scry_error *err)
{
    const scry_space *s = &task->image->space;
    const size_t planes = s->rank == 3 ? s->dims[0] : 1;
    const size_t pixels = planes * PILOT_SIDE * PILOT_SIDE;
    if (!may_narrow(r) || scry_space_count(s) / PILOT_PART < pixels)
        return run_until_it_falls(out, factor, r, task, err);
    struct scryi_tile_sample pilot;
    scry_restore_result small = {0};
    r->rises = false;
    scry_status st = scryi_tile_sample_take(&pilot, task->image, pixels, err);
    if (st == SCRY_OK) {
        struct image_task part = *task;
        pilot.image.number = task->image->number + 1; /* logged for the whole */
        part.image = &pilot.image;
        part.again = true;
        st = run_until_it_falls(&small, factor, r, &part, err);
    }
    scry_restore_result_free(&small);
    scryi_tile_sample_free(&pilot);
    if (st != SCRY_OK) return st;
    return r->rises ? keep_after_rise(out, r, task, err) : run_methods(out, r, task, err);
}

static void log_sample(const scry_restorer *r, const scry_space *space)
{
    char text[64];
    scry_log_note(&r->setup.request->log,
                  "noise, psf and method are settled on the brightest part, %s pixels",
                  scry_space_print(space, text, sizeof text));
}

/* Where a stack's light is: said where its sum is another than that of the image. */
static const double LIGHT_SAID = 0.01;

static void log_light(const scry_restorer *r, const scry_restore_result *out,
                      const scry_image *image)
{
    const bool volume = scry_image_axes(image) == 3 && image->space.dims[0] > 1;
    const double share = out->flux_out / out->flux_in;
    if (!volume || !r->setup.blurred || image->number || !(fabs(share - 1) > LIGHT_SAID)) return;
    scry_log_note(&r->setup.request->log,
                  "the result holds %.3g times the light of the image: the psf carries light over "
                  "the borders of the stack, and the result blurred again has that of the image",
                  share);
}

scry_status scry_restorer_run(scry_restore_result *out, scry_restorer *r, const scry_image *image,
                              uint64_t seed, scry_chains_monitor *monitor, void *ctx,
                              scry_error *err)
{
    if (out) *out = (scry_restore_result){0};
    if (SCRY_MISSING(err, out, r, image)) return SCRY_EINVAL;
    scry_image whole = *image;
    struct scryi_tile_sample sample = {0};
    r->began = scry_clock();
    const struct image_task task = {&whole, &whole, &sample.image, seed, false, monitor, ctx};
    float *pixels = NULL;
    unsigned char *known = NULL;
    scry_restore_result width = {0};
    scry_status st = check_image(image, err);
    if (st == SCRY_OK) st = scry_known_repair(&whole, &pixels, &known, &r->setup.request->log, err);
    if (st == SCRY_OK) st = scryi_tile_sample_take(&sample, &whole, SAMPLE_PIXELS, err);
    if (st == SCRY_OK && sample.pixels) log_sample(r, &sample.image.space);
    if (st == SCRY_OK) st = scryi_restore_settle_treatment(r, &sample.image, err);
    if (st == SCRY_OK) st = scryi_restore_settle_width(&width, r, &sample.image, err);
    if (st == SCRY_OK) st = scryi_restore_settle_narrower(&width.psf_factor, r, &task, err);
    if (st == SCRY_OK && may_narrow(r)) st = scryi_restore_settle_extent(&width, r, &task, err);
    if (st == SCRY_OK) st = run_after_pilot(out, &width.psf_factor, r, &task, err);
    out->psf_width = width.psf_width;
    out->psf_factor = width.psf_factor;
    out->psf_depth = width.psf_depth;
    if (r->judged && !r->fills && !out->improvement.verdict) out->judgement = r->judgement;
    if (st == SCRY_OK) log_light(r, out, image);
    scryi_tile_sample_free(&sample);
    scry_free(pixels);
    scry_free(known);
    if (st != SCRY_OK) {
        scry_restore_result_free(out);
        scry_error_name(err, image->name);
    }
    return st;
}

scry_status scry_restore(scry_restore_result *out, const scry_image *image,
                         const scry_restore_request *request, scry_chains_monitor *monitor,
                         void *ctx, scry_error *err)
{
    if (out) *out = (scry_restore_result){0};
    if (SCRY_MISSING(err, out, image, request)) return SCRY_EINVAL;
    scry_restorer *r;
    scry_status st = scry_restorer_create(&r, request, err);
    if (st == SCRY_OK) st = scry_restorer_run(out, r, image, request->seed, monitor, ctx, err);
    scry_restorer_free(r);
    return st;
}
