#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/fourier.h"
#include "operators/sensitivity.h"
#include "priors/complex.h"
#include "priors/gaussian.h"
#include "priors/perplane.h"
#include "solvers/roles.h"

#include <math.h>
#include <string.h>

/* As the priors are trained, the middle of the range of gains there. */
static const double GAIN = 0.75;

/* Sd of the imaginary part beside the phase of a first estimate, network's unit; and the least that
 * is taken for it where half of k-space does for all. */
static const double IMAGINARY = 0.1, IMAGINARY_MIN = 2e-3;

/* The share of pixels that are darker than the brightest tissue; and its least intensity in the
 * unit of the scale rule, where an image is all but empty. */
static const double BRIGHT = 0.999, MIN_BRIGHT = 0.25;

/* Coils that are not whitened have a noise that is guessed: this share of the unit. */
static const double GUESSED_NOISE = 1e-3;

void scryi_mri_posterior_free(struct scryi_mri_posterior *p)
{
    scry_likelihood_free(p->L);
    scry_prior_free(p->prior);
    scry_prior_free(p->model);
    scry_op_free(p->A);
    scry_free(p->y);
    scry_free(p->phase);
    scry_free(p->mask);
    scry_free(p->held);
    scry_free(p->seen);
    scry_free(p->judged);
}

/* ---- the measurement ---- */

scry_status scryi_mri_operator(scry_op **A, const struct scryi_plane *plane,
                               const unsigned char *mask, const float complex *phase,
                               scry_error *err)
{
    const size_t n = plane->sets * plane->ny * plane->nx;
    scry_space image = SCRY_SPACE(plane->ny, plane->nx);
    image.cplx = true;
    if (!plane->maps) return scry_fourier_create(A, &image, mask, plane->axes, err);
    float complex *maps = plane->maps;
    if (phase) {
        maps = scry_alloc(plane->coils * n, sizeof *maps);
        if (!maps) return SCRY_FAIL(err, SCRY_ENOMEM, "maps of %zu coils", plane->coils);
        for (size_t i = 0; i < plane->coils * n; i++)
            maps[i] = plane->maps[i] * phase[i % n];
    }
    const scry_sense_params params = {.maps = maps,
                                      .coils = plane->coils,
                                      .sets = plane->sets,
                                      .ny = plane->ny,
                                      .nx = plane->nx,
                                      .mask = mask,
                                      .axes = plane->axes};
    const scry_status st = plane->scattered ? scryi_off_grid_operator(A, plane, maps, mask, err)
                                            : scry_sense_create(A, &params, err);
    if (maps != plane->maps) scry_free(maps);
    return st;
}

scry_status scryi_mri_samples(float complex **y, const scry_op *A, const struct scryi_plane *plane,
                              const unsigned char *mask, scry_error *err)
{
    *y = scry_alloc(scry_space_count(scry_op_cod(A)), sizeof **y);
    if (!*y) return SCRY_FAIL(err, SCRY_ENOMEM, "measured samples");
    float complex *to = *y;
    for (size_t i = 0; plane->scattered && i < plane->coils * plane->places; i++)
        if (mask[i % plane->places]) *to++ = plane->data[i];
    if (plane->scattered) return SCRY_OK;
    return scry_fourier_gather(A, *y, plane->data, err);
}

scry_status scryi_mri_likelihood(struct scryi_mri_posterior *p, scry_affine map, scry_error *err)
{
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = p->sigma};
    scry_likelihood_free(p->L);
    p->L = NULL;
    p->problem.map = map;
    const scry_status st =
        scry_likelihood_create(&p->L, p->A, (const float *)p->y, &noise, &map, err);
    p->problem.problem.L = p->L;
    return st;
}

/* ---- the phase of the image, and the prior of the image without it ---- */

scry_status scryi_mri_first_estimate(float complex *u, const struct scryi_mri_posterior *p,
                                     scry_error *err)
{
    const scry_problem problem = {.L = p->L};
    scry_options options;
    scry_solver *S = NULL;
    scry_role_options(&options, SCRY_ROLE_QUIET_COMPLEX);
    scry_status st = scry_solver_plan(&S, &problem, &options, err);
    if (st == SCRY_OK) st = scry_solver_start(S, 0, 0, err);
    if (st == SCRY_OK) st = scry_solver_run(S, (float *)u, NULL, NULL, NULL, err);
    scry_solver_free(S);
    return st;
}

/* The intensity at which 99.9 % of the pixels of |u| lie below. */
static scry_status mri_pose_bright(double *value, const float complex *u, size_t n, scry_error *err)
{
    float *a = scry_alloc(n, sizeof *a);
    if (!a) return SCRY_FAIL(err, SCRY_ENOMEM, "percentile of %zu pixels", n);
    for (size_t i = 0; i < n; i++)
        a[i] = cabsf(u[i]);
    *value = scry_quantile(a, n, BRIGHT, a);
    scry_free(a);
    return SCRY_OK;
}

/* The prior of every set's image by itself. */
static scry_status pose_each_set(struct scryi_mri_posterior *p, scry_error *err)
{
    scry_prior *one = p->prior;
    if (p->plane->sets == 1) return SCRY_OK;
    p->prior = NULL;
    const scry_status st = scry_perplane_create(&p->prior, scry_op_dom(p->A), one, 1, err);
    if (st != SCRY_OK) scry_prior_free(one);
    return st;
}

/* r + i q: the network on the magnitude r, a Gaussian on q, the error of the phase map.
 * The Gaussian model beside it has the network's mean and spectrum. */
static scry_status mri_pose_make_priors(struct scryi_mri_posterior *p, scry_error *err)
{
    const struct scryi_plane *plane = p->plane;
    const scry_space space = SCRY_SPACE(plane->ny, plane->nx);
    const scry_prior_info *about = p->r->pool.info;
    const scry_radial beside = {SCRYI_RINGS, p->imaginary, 0};
    scry_prior_layout layout;
    scry_prior *real = NULL, *imaginary = NULL;
    scry_prior_free(p->prior);
    scry_prior_free(p->model);
    p->prior = p->model = NULL;
    const unsigned needs = p->r->options.method->needs;
    /* A method that is about to be refused for its operator: the prior has all it can have, so that
     * the message names every method that would serve. */
    const bool refused = (needs & SCRY_NEEDS_SVD) && plane->coils > 1;
    scry_status st = scry_prior_pool_make(
        &real, &layout, &p->r->pool, &space,
        &(scry_prior_plan){
            .vjp = (needs & SCRY_NEEDS_VJP) || refused, .threads = 1, .label = &p->label},
        err);
    if (st == SCRY_OK) st = scry_gaussian_create_radial(&imaginary, &space, 2, &beside, err);
    if (st == SCRY_OK) st = scry_complex_create(&p->prior, real, imaginary, err);
    if (st == SCRY_OK) real = imaginary = NULL;
    if (st == SCRY_OK) st = pose_each_set(p, err);
    if (st == SCRY_OK && about->radial.count && plane->sets == 1) {
        st = scry_gaussian_create_radial(&real, &space, 2, &about->radial, err);
        if (st == SCRY_OK) st = scry_gaussian_create_radial(&imaginary, &space, 2, &beside, err);
        if (st == SCRY_OK) st = scry_complex_create(&p->model, real, imaginary, err);
        if (st == SCRY_OK) real = imaginary = NULL;
    }
    scry_prior_free(real);
    scry_prior_free(imaginary);
    p->problem.problem.prior = p->prior;
    p->problem.problem.model = p->model;
    return st;
}

scry_status scryi_mri_apply_phase(struct scryi_mri_posterior *p, scry_error *err)
{
    scry_likelihood_free(p->L);
    p->L = NULL;
    scry_op_free(p->A);
    p->A = NULL;
    scry_status st = scryi_mri_operator(&p->A, p->plane, p->mask, p->phase, err);
    if (st == SCRY_OK) st = scryi_mri_likelihood(p, p->problem.map, err);
    return st == SCRY_OK ? mri_pose_make_priors(p, err) : st;
}

/* The class of the slice, where the prior knows classes and none is named. */
static scry_status pose_class(struct scryi_mri_posterior *p, const float complex *u, double high,
                              double gain, scry_error *err)
{
    const scry_space space = SCRY_SPACE(p->plane->ny, p->plane->nx);
    const size_t n = scry_space_count(&space);
    p->label = p->r->pool.label;
    if (!p->r->pool.recognises) return SCRY_OK;
    float *x = scry_alloc(n, sizeof *x);
    if (!x) return SCRY_FAIL(err, SCRY_ENOMEM, "class of the slice");
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((double)cabsf(u[i]) * 2 * gain / high - 1);
    const scry_status st =
        scry_prior_pool_recognise(&p->label, &p->r->pool, x, &space, &p->r->request->log, err);
    scry_free(x);
    return st;
}

/* The variable becomes u with image = phase (scale u + scale): background at -1, as the prior has
 * it, and the brightest tissue where training images had theirs. Phase and intensity come from a
 * quick estimate. */
static scry_status pose_diffusion(struct scryi_mri_posterior *p, scry_error *err)
{
    const struct scryi_plane *plane = p->plane;
    const scry_mri_request *request = p->r->request;
    const size_t each = plane->ny * plane->nx, n = plane->sets * each;
    double imaginary = request->imaginary > 0 ? request->imaginary : IMAGINARY;
    double high = 0, beside = 0;
    float complex *u = scry_alloc(n, sizeof *u);
    scry_status st = SCRY_OK;
    const bool known = p->phase != NULL; /* u is then beside it */
    if (!known) p->phase = scry_alloc(n, sizeof *p->phase);
    if (!u || !p->phase) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "first estimate of %zu pixels", n);
        goto done;
    }
    if ((st = scryi_mri_first_estimate(u, p, err)) != SCRY_OK) goto done;
    if ((st = mri_pose_bright(&high, u, n, err)) != SCRY_OK) goto done;
    for (size_t i = 0; known && i < n; i++) {
        ((float *)u)[2 * i + 1] *= (float)p->beside;
        beside += (double)cimagf(u[i]) * cimagf(u[i]) / (double)n;
        u[i] *= p->phase[i];
    }
    p->beside = 1;
    p->width = request->phase_width;
    if (!(p->width > 0)) st = scryi_phase_choose(p->phase, &p->width, u, plane->ny, plane->nx, err);
    for (size_t at = 0; st == SCRY_OK && at < n; at += each)
        st = scryi_phase_smooth(p->phase + at, u + at, plane->ny, plane->nx, p->width, err);
    if (st != SCRY_OK) goto done;
    const double gain = request->gain > 0 ? request->gain : GAIN;
    const double scale = p->r->unit * fmax(high, MIN_BRIGHT) / (2 * gain);
    p->problem.map = (scry_affine){scale, scale};
    /* of half of k-space draws could not learn it: there it is what they are given */
    p->constrained = known && !(request->imaginary > 0);
    if (p->constrained) imaginary = fmax(sqrt(beside) * p->r->unit / scale, IMAGINARY_MIN);
    for (size_t k = 0; k < SCRYI_RINGS; k++)
        p->imaginary[k] = imaginary * imaginary;
    if ((st = pose_class(p, u, fmax(high, MIN_BRIGHT), gain, err)) != SCRY_OK) goto done;
    st = scryi_mri_apply_phase(p, err);
done:
    scry_free(u);
    return st;
}

/* Where half of k-space is to do for all of it: the phase of the image into the operator, and only
 * real images beside it. A method that works by a network has a prior for the imaginary part. */
static scry_status constrain_phase(struct scryi_mri_posterior *p, scry_error *err)
{
    const size_t n = p->plane->ny * p->plane->nx;
    struct scryi_partial partial;
    if (p->r->options.method == scry_role_method(SCRY_ROLE_ADJOINT)) return SCRY_OK;
    if (!scryi_partial_find(&partial, p->plane, p->r->request->phase)) return SCRY_OK;
    p->phase = scry_alloc(n, sizeof *p->phase);
    if (!p->phase) return SCRY_FAIL(err, SCRY_ENOMEM, "phase of %zu pixels", n);
    scry_status st = scryi_partial_phase(p->phase, &p->beside, p, &partial, err);
    if (st != SCRY_OK) return st;
    scry_op_free(p->A);
    p->A = NULL;
    st = scryi_mri_operator(&p->A, p->plane, p->mask, p->phase, err);
    if (st == SCRY_OK) st = scryi_partial_constrain(&p->A, p->beside, err);
    return st == SCRY_OK ? scryi_mri_likelihood(p, p->problem.map, err) : st;
}

/* Where coils see something, in the regions of R-hat and ESS. */
static scry_status mark_seen(struct scryi_mri_posterior *p, scry_error *err)
{
    const size_t n = p->plane->ny * p->plane->nx;
    const scry_status st = scryi_plane_seen(&p->seen, p->plane, p->r->maps.region, err);
    if (st != SCRY_OK) return st;
    p->judged = scry_alloc(p->plane->sets * n, 1);
    if (!p->judged) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    for (size_t i = 0; i < p->plane->sets * n; i++)
        p->judged[i] = p->seen[i % n] == SCRYI_SEEN_AROUND;
    p->problem.judged = p->judged;
    return SCRY_OK;
}

double scryi_mri_sigma(const scry_reconstructor *r, const struct scryi_plane *plane)
{
    return r->psi ? sqrt(0.5) / plane->scale : r->unit * GUESSED_NOISE;
}

/* A^H y of samples that crowd in the middle would blur: each is weighted by the area that it stands
 * for. */
static void weigh_by_density(struct scryi_mri_posterior *p)
{
    const struct scryi_plane *plane = p->plane;
    float complex *y = p->y;
    for (size_t i = 0; i < plane->coils * plane->places; i++) {
        const size_t sample = i % plane->places;
        if (p->mask[sample]) *y++ *= plane->scattered->density[sample];
    }
}

scry_status scryi_mri_pose(struct scryi_mri_posterior *p, const scry_reconstructor *r,
                           const struct scryi_plane *plane, uint64_t seed, scry_error *err)
{
    const double share = r->request->holdout;
    scry_status st = SCRY_OK;
    p->r = r;
    p->plane = plane;
    p->beside = 1;
    p->problem.guessed_noise = !r->psi;
    if (r->has_pool && (r->options.method->needs & SCRY_NEEDS_DENOISER))
        p->problem.problem.gap = &r->pool.info->gap;
    p->mask = scry_copy(plane->mask, plane->places);
    if (!p->mask) return SCRY_FAIL(err, SCRY_ENOMEM, "mask");
    p->sigma = scryi_mri_sigma(r, plane);
    if (share > 0) st = scryi_hold_out(&p->held, p->mask, plane, share, seed, err);
    if (st == SCRY_OK) st = mark_seen(p, err);
    if (st == SCRY_OK) st = scryi_mri_operator(&p->A, plane, p->mask, NULL, err);
    if (st == SCRY_OK) st = scryi_mri_samples(&p->y, p->A, plane, p->mask, err);
    if (st == SCRY_OK && plane->scattered &&
        r->options.method == scry_role_method(SCRY_ROLE_ADJOINT))
        weigh_by_density(p);
    if (st == SCRY_OK) st = scryi_mri_likelihood(p, (scry_affine){r->unit, 0}, err);
    if (st == SCRY_OK) st = constrain_phase(p, err);
    if (st == SCRY_OK && (r->options.method->needs & SCRY_NEEDS_DENOISER))
        st = pose_diffusion(p, err);
    return st;
}
