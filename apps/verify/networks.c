#include "apps/verify/trial.h"

#include "apps/recon/prior_lookup.h"
#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/rng.h"
#include "operators/blur.h"
#include "operators/fourier.h"
#include "operators/mask.h"
#include "priors/complex.h"
#include "priors/info.h"
#include "solvers/roles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Shipped networks on images of their own: images that ancestral sampling makes of a
 * network: an error of that sampler counts as one of the method. */
enum { SIDE = 32, STRIDE = 4 };
enum { STREAM_MASK = 0x7fffff01 }; /* beside those of the solvers, which count steps from 0 */

/* Noise, and the level of the score, above the grain that the networks were trained on. */
static const double SIGMA = 0.1, STEIN_LEVEL = 0.03;

const verify_network verify_networks[] = {
    {"blur", "microscopy"},
    {"mask", "microscopy"},
    {"fourier", "mri"},
    {0},
};

struct verify_network_trial {
    verify_trial trial;
    scry_prior_pool pool;
    scry_prior *prior, *model;
    scry_op *A;
};

/* A Gaussian blur of sd 1.5 pixels. */
static scry_status verify_networks_make_blur(scry_op **A, const scry_space *space, scry_error *err)
{
    enum { TAPS = 9 };
    const scry_space taps = SCRY_SPACE(TAPS, TAPS);
    float psf[TAPS * TAPS], sum = 0;
    for (int i = 0; i < TAPS * TAPS; i++) {
        const double y = i / TAPS - TAPS / 2, x = i % TAPS - TAPS / 2;
        sum += psf[i] = (float)exp(-(x * x + y * y) / (2 * 1.5 * 1.5));
    }
    for (int i = 0; i < TAPS * TAPS; i++)
        psf[i] /= sum;
    return scry_blur_create(A, space, &(scry_blur_params){.psf = psf, .psf_space = taps}, err);
}

/* Half of the pixels; or, of k-space, the four lines of the middle and a third of the others. */
static scry_status make_samples(scry_op **A, const scry_space *space, uint64_t seed,
                                scry_error *err)
{
    float u[SIDE * SIDE];
    unsigned char known[SIDE * SIDE];
    scry_rng_uniform(u, 0, SIDE * SIDE, seed, 0, STREAM_MASK);
    for (int i = 0; i < SIDE * SIDE; i++)
        known[i] =
            space->cplx ? abs(i / SIDE - SIDE / 2) < 2 || u[i / SIDE] < 1.0f / 3 : u[i] < 0.5f;
    return space->cplx ? scry_fourier_create(A, space, known, SCRY_FOURIER_YX, err)
                       : scry_mask_create(A, space, known, err);
}

static scry_status verify_networks_make_operator(verify_network_trial *net, const scry_space *space,
                                                 scry_error *err)
{
    const verify_trial *t = &net->trial;
    const scry_status st = !strcmp(t->operator_, "blur")
                               ? verify_networks_make_blur(&net->A, space, err)
                               : make_samples(&net->A, space, (uint64_t)t->settings->seed, err);
    net->trial.A = net->A;
    return st;
}

/* r + i q, as in `scry mri`: *P for r; for q, the error of the phase, the white noise of sd 0.1
 * that it starts with. */
static scry_status verify_networks_join(scry_prior **P, const scry_space *real, scry_error *err)
{
    static const double flat[2] = {0.1 * 0.1, 0.1 * 0.1};
    const scry_radial spectrum = {.count = 2, .power = flat};
    scry_prior *q = NULL, *both = NULL;
    scry_status st = scry_gaussian_create_radial(&q, real, 2, &spectrum, err);
    if (st == SCRY_OK) st = scry_complex_create(&both, *P, q, err);
    if (st == SCRY_OK)
        *P = both;
    else
        scry_prior_free(q);
    return st;
}

static scry_status make_priors(verify_network_trial *net, bool pairs, scry_error *err)
{
    const scry_space space = SCRY_SPACE(SIDE, SIDE);
    scry_prior_layout layout;
    scry_status st = scry_prior_pool_open(&net->pool, net->trial.name, err);
    if (st == SCRY_OK)
        st = scry_prior_pool_make(&net->prior, &layout, &net->pool, &space,
                                  &(scry_prior_plan){.tile = SIDE, .vjp = true, .threads = 1}, err);
    if (st == SCRY_OK && pairs) st = verify_networks_join(&net->prior, &space, err);
    if (st == SCRY_OK && net->pool.info->radial.count) {
        st = scry_gaussian_create_radial(&net->model, &space, 2, &net->pool.info->radial, err);
        if (st == SCRY_OK && pairs) st = verify_networks_join(&net->model, &space, err);
    }
    net->trial.prior = net->prior;
    net->trial.model = net->model;
    net->trial.gap = st == SCRY_OK ? &net->pool.info->gap : NULL;
    return st;
}

static scry_status verify_networks_draw_truths(verify_trial *t, scry_error *err)
{
    const verify_posterior prior = {.prior = t->prior};
    scry_chains c = {0};
    scry_options options;
    scry_role_options(&options, SCRY_ROLE_ANCESTRAL);
    const scry_status st = verify_draw(&c, &prior, &options, VERIFY_TRUTHS, t->images,
                                       (uint64_t)t->settings->seed, err);
    const bool whole = st == SCRY_OK && c.done == t->images;
    if (whole) memcpy(t->x, c.samples, t->images * t->n * sizeof *t->x);
    scry_chains_free(&c);
    if (st == SCRY_OK && !whole && !scry_cancelled())
        return SCRY_FAIL(err, SCRY_ENUMERIC, "a draw from the prior %s diverged", t->name);
    return st;
}

static scry_status verify_networks_fill(verify_network_trial *net, bool pairs, scry_error *err)
{
    verify_trial *t = &net->trial;
    scry_space space = SCRY_SPACE(SIDE, SIDE);
    double min, max;
    space.cplx = pairs;
    scry_status st = make_priors(net, pairs, err);
    if (st == SCRY_OK) st = verify_networks_make_operator(net, &space, err);
    if (st == SCRY_OK) st = verify_trial_allocate(t, err);
    if (st != SCRY_OK) return st;
    scry_prior_sigma_range(net->prior, &min, &max);
    t->stein_sigma = fmax(STEIN_LEVEL, min);
    st = verify_networks_draw_truths(t, err);
    return st == SCRY_OK && !scry_cancelled() ? verify_trial_measure(t, err) : st;
}

scry_status verify_network_open(verify_network_trial **out, const verify_network *which,
                                const verify_settings *settings, size_t images, size_t chains,
                                scry_error *err)
{
    const bool pairs = !strcmp(which->operator_, "fourier");
    verify_network_trial *net = scry_alloc(1, sizeof *net);
    *out = NULL;
    if (!net) return SCRY_FAIL(err, SCRY_ENOMEM, "a problem of a network");
    /* The real part is the network's, and stands at every other float. */
    net->trial = (verify_trial){.settings = settings,
                                .operator_ = which->operator_,
                                .name = which->name,
                                .images = images,
                                .chains = chains,
                                .stride = pairs ? 2 * STRIDE : STRIDE,
                                .sigma = SIGMA,
                                .network = true};
    const scry_status st = verify_networks_fill(net, pairs, err);
    if (st == SCRY_OK)
        *out = net;
    else
        verify_network_free(net);
    return st;
}

const verify_trial *verify_network_get(const verify_network_trial *net)
{
    return &net->trial;
}

void verify_network_free(verify_network_trial *net)
{
    if (!net) return;
    verify_trial_clear(&net->trial);
    scry_op_free(net->A);
    scry_prior_free(net->prior);
    scry_prior_free(net->model);
    scry_prior_pool_close(&net->pool);
    scry_free(net);
}
