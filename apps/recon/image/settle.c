#include "apps/recon/image/restore_impl.h"

#include "lib/given.h"
#include "lib/memory.h"

#include <math.h>
#include <string.h>

enum { MEDIAN_SMALL = 3 }; /* pixels: methods can be judged after a median of this size */

static void settle_log_treatment(const scry_restorer *r)
{
    if (r->settled.psf.treatment.name)
        scry_log_note(&r->settled.log,
                      "the psf is taken as that of the microscope alone: the treatment "
                      "of the image is added to it");
}

/* The width of the psf with the treatment of the image; without it where the image is sharper than
 * the treatment would leave it: correlated noise is then no sign of a blur. */
static scry_status settle_find_width(scry_restorer *r, const scry_image *image,
                                     const unsigned char *known, const scry_noise *noise,
                                     const scry_noise_model *model, scry_error *err)
{
    scry_psf_source *psf = &r->setup.psf;
    const scry_boundary boundary = scry_boundary_of(r->settled.boundary, image);
    const scry_log silent = {0};
    if (psf->request.treatment.name) {
        const scry_status st =
            scry_psf_fit_find(&r->widths, psf, image, known, noise, model, boundary, &silent, err);
        if (st != SCRY_OK) return st;
        if (scry_psf_fit_of(&r->widths, image->channel)->found.high < 1)
            psf->request.treatment = r->settled.psf.treatment = r->settled.noise.treatment =
                (scry_noise_treatment){0};
    }
    settle_log_treatment(r);
    return scry_psf_fit_find(&r->widths, psf, image, known, noise, model, boundary, &r->settled.log,
                             err);
}

static scry_status settle_all_axes(scry_restore_result *out, scry_restorer *r,
                                   const scry_image *image, scry_error *err)
{
    const scry_restore_request *q = &r->settled;
    const struct scry_psf_fit *fit = scry_psf_fit_of(&r->widths, image->channel);
    const size_t n = scry_space_count(&image->space);
    scry_psf_source *psf = &r->setup.psf;
    scry_noise noise;
    scry_noise_model model;
    scry_status st = SCRY_OK;
    /* medians and JPEG change the end of the spectrum, which is no structure: a right PSF would be
     * called too wide */
    if (psf->request.width_choice == SCRY_WIDTH_CHECK && r->altered) {
        const bool narrowed = r->narrowing > 0 && r->narrowed_channel == image->channel;
        out->psf_factor = narrowed ? r->narrowing : 0;
        psf->request.width = r->settled.psf.width = r->given_width * (narrowed ? r->narrowing : 1);
        if (!image->number) settle_log_treatment(r);
        return SCRY_OK;
    }
    psf->request.width = r->given_width;
    if (!fit || !image->number) {
        unsigned char *known = scry_alloc(n, 1);
        if (!known) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
        st = scryi_image_study(&noise, &model, known, q, image, err);
        if (st == SCRY_OK) st = settle_find_width(r, image, known, &noise, &model, err);
        scry_free(known);
        fit = scry_psf_fit_of(&r->widths, image->channel);
    }
    if (st != SCRY_OK) return st;
    psf->request.width = r->settled.psf.width = r->given_width * fit->used;
    out->psf_width = fit->found;
    out->psf_factor = fit->used;
    return SCRY_OK;
}

/* Of the psf with the width that is used. */
static scry_status settle_depth(scry_restore_result *out, scry_restorer *r, const scry_image *image,
                                scry_error *err)
{
    scry_psf_source *psf = &r->setup.psf;
    const scry_boundary boundary = scry_boundary_of(r->settled.boundary, image);
    double factor = 1;
    scry_noise noise;
    scry_noise_model model = {0};
    psf->request.depth = r->settled.psf.depth = 0;
    if (scry_image_axes(image) != 3) return SCRY_OK;
    unsigned char *known = scry_alloc(scry_space_count(&image->space), 1);
    if (!known) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of the image");
    scry_status st = scryi_image_study(&noise, &model, known, &r->settled, image, err);
    if (st == SCRY_OK)
        st = scry_psf_fit_depth(&factor, &r->widths, psf, image, known, &noise, &model, boundary,
                                &r->settled.log, err);
    scry_free(known);
    r->uneven = (model.findings & SCRY_NOISE_DENOISED) != 0;
    out->psf_depth = psf->request.depth = r->settled.psf.depth = factor;
    return st;
}

scry_status scryi_restore_settle_width(scry_restore_result *out, scry_restorer *r,
                                       const scry_image *image, scry_error *err)
{
    if (!r->setup.blurred || r->setup.psf.request.width_choice == SCRY_WIDTH_KEEP) return SCRY_OK;
    const scry_status st = settle_all_axes(out, r, image, err);
    if (st != SCRY_OK) return st;
    return settle_depth(out, r, image, err);
}

scry_status scryi_restore_settle_treatment(scry_restorer *r, const scry_image *image,
                                           scry_error *err)
{
    scry_restore_request *q = &r->settled;
    scry_psf_source *psf = &r->setup.psf;
    scry_noise noise;
    scry_noise_model model = {0};
    if (!r->setup.blurred || psf->distilled || psf->request.width_choice != SCRY_WIDTH_CHECK ||
        (r->treated && r->treated_channel == image->channel && image->number))
        return SCRY_OK;
    unsigned char *known = scry_alloc(scry_space_count(&image->space), 1);
    if (!known) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of the image");
    scry_restore_request asked = *q;
    asked.noise = (scry_noise_request){.choice = SCRY_NOISE_ESTIMATED};
    scry_error unsaid = {0};
    const scry_status st = scryi_image_study(&noise, &model, known, &asked, image, &unsaid);
    scry_free(known);
    if (st == SCRY_EINVAL || st == SCRY_ESHAPE) /* too little to ask: the run says so, if it asks */
        model = (scry_noise_model){0};
    else if (st != SCRY_OK)
        return SCRY_FAIL(err, st, "%s", unsaid.text);
    const bool treated = (model.findings & SCRY_NOISE_CORRELATED) != 0;
    r->enlarged = scryi_image_enlarged(&model);
    r->altered = (model.findings & SCRY_NOISE_BLOCKS) ||
                 (treated && !strcmp(model.treatment.name, "median"));
    r->nonlinear = (model.findings & SCRY_NOISE_NONLINEAR) && model.treatment.size > MEDIAN_SMALL;
    psf->request.treatment = treated ? model.treatment : (scry_noise_treatment){0};
    q->psf.treatment = q->noise.treatment = psf->request.treatment;
    r->treated = true;
    r->treated_channel = image->channel;
    return SCRY_OK;
}

/* A specimen that is smooth by itself hides the width of its psf from the spectrum. But an estimate
 * without negative light that is blurred too much cannot follow the image, and a narrower psf
 * predicts held-out light better. So it does a little with the right width too, since it fits less
 * noise: light is predicted best with about .8 of it, and no better with .64. Where neither is
 * better than the width that was given, a spectrum that prefers less, and does not contradict it,
 * is not followed (tests/bench/RESULTS.md). */
static const double narrower[] = {1, 0.8, 0.64};
enum { NARROWER_COUNT = sizeof narrower / sizeof *narrower };
static const double GAIN_MIN = 0.4e-3, GAIN_ERRORS = 2.5; /* nats a pixel; standard errors */
static const double UNDETERMINED_MIN = 0.85; /* the spectrum had no say: the factor so far */

static const double DOUBT_ERRORS = 2;
enum { ROUNDS = 3 };
static const double FAR = 0.6;         /* a factor */
static const double FAR_GAIN = 2.5e-3; /* nats a pixel, of .8 of the width */
static const double RIGHT_GAIN = 1e-3; /* the same, that of a right width at most */

static bool settle_is_gain(const scry_margin *m)
{
    return m->mean > GAIN_MIN && m->mean > GAIN_ERRORS * m->error;
}

/* A width that the spectrum could not determine, of white noise, in a plane. */
static bool settle_may_judge(const scry_restorer *r, const scry_image *image)
{
    const scry_psf_request *psf = &r->setup.psf.request;
    const struct scry_psf_fit *fit = scry_psf_fit_of(&r->widths, image->channel);
    return fit && !fit->found.determined && psf->width_choice == SCRY_WIDTH_CHECK && !r->altered &&
           !psf->treatment.name && scryi_restore_classical(r) && scry_image_axes(image) == 2;
}

static bool settle_is_altered(const scry_restorer *r, const scry_image *image)
{
    return r->altered && !r->nonlinear && scry_image_axes(image) == 2 &&
           r->setup.psf.request.width_choice == SCRY_WIDTH_CHECK && scryi_restore_classical(r);
}

/* gain[1] and gain[2] of psfs .8 and .64 times as wide as this factor says. */
static scry_status settle_judge(scry_margin *gain, double factor, const scry_restorer *r,
                                const struct image_task *task, scry_error *err)
{
    double widths[NARROWER_COUNT];
    for (size_t k = 0; k < NARROWER_COUNT; k++)
        widths[k] = narrower[k] * factor * r->given_width;
    return scry_judge_widths(gain, r->setup.request, task->sample, scryi_restore_classical(r),
                             widths, NARROWER_COUNT, task->seed, task->monitor, task->ctx, err);
}

static void settle_use(scry_restorer *r, double factor, const char *predicted)
{
    r->setup.psf.request.width = r->settled.psf.width = factor * r->given_width;
    scry_log_warn(
        &r->settled.log,
        "light that was held out is predicted %s with narrower psfs: the psf is taken %.3g "
        "times as wide as given (--psf-width 1: as it is)",
        predicted, factor);
}

/* Of images after a small median or JPEG, whose spectra are not asked: gains of .8 of the right
 * width are 1e-3 at most, of .8 of twice its width 3e-3 and more from 3000 electrons on. */
static scry_status settle_altered(double *factor, scry_restorer *r, const struct image_task *task,
                                  scry_error *err)
{
    scry_margin gain[NARROWER_COUNT];
    double now = 1;
    for (int k = 0; k < ROUNDS; k++) {
        const scry_status st = settle_judge(gain, now, r, task, err);
        if (st != SCRY_OK) return st;
        if (gain[1].mean < (k ? RIGHT_GAIN : FAR_GAIN) || !settle_is_gain(&gain[1])) break;
        now *= narrower[1];
    }
    if (now == 1) return SCRY_OK;
    r->narrowing = *factor = now;
    r->narrowed_channel = task->image->channel;
    settle_use(r, now, "better");
    return SCRY_OK;
}

bool scryi_width_is_doubted(const scry_margin *gain, double factor, bool contradicted)
{
    if (factor <= FAR) return gain[2].mean < GAIN_MIN && gain[1].mean < FAR_GAIN;
    return factor < 1 && !contradicted && gain[2].mean < 0 &&
           gain[1].mean < DOUBT_ERRORS * gain[1].error;
}

scry_status scryi_restore_settle_narrower(double *factor, scry_restorer *r,
                                          const struct image_task *task, scry_error *err)
{
    const scry_image *image = task->sample;
    scry_margin gain[NARROWER_COUNT];
    const double before = *factor;
    scry_status st = SCRY_OK;
    if (!image->number && settle_is_altered(r, image)) return settle_altered(factor, r, task, err);
    if (image->number || !settle_may_judge(r, image)) return SCRY_OK;
    const bool contradicted = scry_psf_fit_of(&r->widths, image->channel)->found.high < 1;
    if (before < 1 && (!contradicted || before <= FAR)) {
        if ((st = settle_judge(gain, 1, r, task, err)) != SCRY_OK) return st;
        if (scryi_width_is_doubted(gain, before, contradicted))
            *factor = before <= FAR ? 1 : sqrt(before); /* spectrum and light both have a say */
    }
    if (*factor == before && before >= UNDETERMINED_MIN) {
        st = settle_judge(gain, before, r, task, err);
        if (st != SCRY_OK) return st;
        if (settle_is_gain(&gain[1]) && settle_is_gain(&gain[2])) *factor *= narrower[1];
    }
    if (*factor == before) return SCRY_OK;
    r->widths.channels[image->channel].used = *factor;
    settle_use(r, *factor, *factor < before ? "better" : "no better");
    return SCRY_OK;
}
