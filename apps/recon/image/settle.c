#include "apps/recon/image/restore_impl.h"

#include "lib/given.h"
#include "lib/memory.h"

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
    const scry_boundary boundary = scry_boundary_of(r->settled.boundary, image->space.rank);
    const scry_log silent = {0};
    if (psf->request.treatment.name) {
        const scry_status st =
            scry_psf_fit_find(&r->widths, psf, image, known, noise, model, boundary, &silent, err);
        if (st != SCRY_OK) return st;
        if (scry_psf_fit_of(&r->widths, image->channel)->found.high < 1)
            psf->request.treatment = r->settled.psf.treatment = (scry_noise_treatment){0};
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
    const scry_boundary boundary = scry_boundary_of(r->settled.boundary, image->space.rank);
    double factor = 1;
    scry_noise noise;
    scry_noise_model model;
    psf->request.depth = r->settled.psf.depth = 0;
    if (image->space.rank != 3 || image->colour) return SCRY_OK;
    unsigned char *known = scry_alloc(scry_space_count(&image->space), 1);
    if (!known) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of the image");
    scry_status st = scryi_image_study(&noise, &model, known, &r->settled, image, err);
    if (st == SCRY_OK)
        st = scry_psf_fit_depth(&factor, &r->widths, psf, image, known, &noise, &model, boundary,
                                &r->settled.log, err);
    scry_free(known);
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
    q->psf.treatment = psf->request.treatment;
    r->treated = true;
    r->treated_channel = image->channel;
    return SCRY_OK;
}
