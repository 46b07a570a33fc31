#ifndef SCRY_APPS_RECON_IMAGE_POSE_IMPL_H
#define SCRY_APPS_RECON_IMAGE_POSE_IMPL_H

#include "apps/recon/image/restore.h"
#include "apps/recon/run.h"
#include "apps/recon/transfer.h"

/* The problem of one image: operator, likelihood, Gaussian model and prior, in the variable of the
 * method. */

/* Shared by the problems of a run. */
struct scryi_image_setup {
    const scry_restore_request *request;
    const struct scry_method *method;
    scry_psf_source psf;
    bool blurred;
    scry_prior_pool pool;
    bool has_pool; /* the method needs a network */
    size_t chains; /* of the method in use */
    /* the last prior, kept while the shape of the domain stays the same */
    scry_prior *prior;
    scry_space prior_space;
    int prior_label;
    size_t prior_workers;
    bool prior_directions;
    scry_prior_layout layout;
};

/* The objects of one problem, freed together. */
struct scryi_image_posterior {
    bool colour;                    /* planes are colours: one spectrum for each of them */
    scry_op *blur, *select, *chain; /* chain = select o blur */
    const scry_op *A;               /* the operator of the likelihood */
    float *psf;                     /* NULL: no blur */
    scry_space ps;
    unsigned char *known;   /* 1 measured, 0 missing */
    unsigned char *outside; /* 1 padding, which keeps its value */
    scry_window window;     /* the image in the domain of A */
    float *data;            /* measured pixels, unit of the file */
    scry_likelihood *L;
    scry_prior *model;
    scry_transfer transfer; /* |H(f)|^2 of the blur, or 1 */
    scry_transfer lateral;  /* in the plane, before the image was treated */
    scry_noise noise;
    scry_noise_model noise_model; /* the estimate; zeros without one */
    scry_affine physical;         /* physical = scale u + shift */
    size_t excluded;              /* defects left out */
    scry_recon_problem problem;
};

/* The threads share the windows of one chain, not chains: there are fewer chains than threads, or
 * they do not come out even. Windows are those of planes and of parts of a plane. */
bool scryi_image_shares_windows(const struct scryi_image_setup *setup);

/* Fills *p, which is to be freed in any case. The prior is the setup's. */
scry_status scryi_image_pose(struct scryi_image_posterior *p, struct scryi_image_setup *setup,
                             const scry_image *image, scry_error *err);
void scryi_image_posterior_free(struct scryi_image_posterior *p); /* accepts a zeroed one */

/* The noise of an image and its measured pixels, as in scryi_image_pose, without messages. known
 * holds a byte for each pixel; *model: the estimate, zeros without one; may be NULL. */
scry_status scryi_image_study(scry_noise *noise, scry_noise_model *model, unsigned char *known,
                              const scry_restore_request *q, const scry_image *image,
                              scry_error *err);

#endif
