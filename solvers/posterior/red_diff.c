#include "lib/memory.h"
#include "lib/vector.h"
#include "priors/gaussian.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/guided_impl.h"

#include <math.h>
#include <string.h>

/* Regularisation by denoising diffusion: a point mu approximates the posterior, found by stochastic
 * descent while the noise level s falls. With x = mu + s e, e ~ N(0, I) fresh at each level, the
 * gradient of its loss is
 *   A^H (A mu - b) / m + lambda s ((x - D(x; s)) / s - e) / n,
 * m measured entries and n numbers in an image; Adam (Kingma & Ba 2015) takes the step. Mardani et
 * al. 2023, Eq. 10 and Algorithm 1 with the weight linear in s, in the coordinate x = x0 + s n.
 * The residual is not weighted and the noise level not used: at the last levels the term of the
 * prior vanishes, and the image is fitted to the noise of the data. The paper goes through the t of
 * its network in equal steps, this code through the levels of the schedule. mu starts from the mean
 * of x given the data under a white prior of variance 1: the paper's pseudo-inverse with the noise
 * taken into account. */

static const double BETA1 = 0.9, BETA2 = 0.99, EPSILON = 1e-8;
enum { START_CG = 100 };
static const double START_TOL = 1e-3;

struct red_diff_options {
    struct scryi_sampler_options sampler;
    double prior_weight, learning_rate;
};

struct red_diff {
    struct scryi_guided G; /* first */
    float *first, *second; /* Adam's moments of the gradient */
};

static void red_diff_adam(struct red_diff *M, float *mu, const float *gradient)
{
    const struct scry_solver *base = &M->G.base.base;
    const struct red_diff_options *o = scry_options_block(&base->options);
    const double k = (double)base->step + 1;
    const double rate = o->learning_rate / (1 - pow(BETA1, k)), scale = 1 / (1 - pow(BETA2, k));
    for (size_t i = 0; i < base->n; i++) {
        const double g = gradient[i];
        M->first[i] = (float)(BETA1 * M->first[i] + (1 - BETA1) * g);
        M->second[i] = (float)(BETA2 * M->second[i] + (1 - BETA2) * g * g);
        mu[i] -= (float)(rate * M->first[i] / (sqrt(scale * M->second[i]) + EPSILON));
    }
}

static scry_status red_diff_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct red_diff *M = (struct red_diff *)base;
    struct scryi_guided *G = &M->G;
    struct scryi_sampler *S = &G->base;
    const struct red_diff_options *o = scry_options_block(&base->options);
    const double s = S->sigma[base->step];
    float *mu = S->x0;
    scry_status st = scryi_guided_linearise(G, mu, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < G->m; i++)
        G->r[i] = G->w[i] > 0 ? G->Au[i] - G->b[i] : 0;
    if ((st = scryi_guided_adjoint(G, G->v, G->r, err)) != SCRY_OK) return st;
    scryi_sampler_draw(S, S->z, SCRYI_DRAW_STATE);
    scry_axpby(S->x, 1, mu, s, S->z, base->n);
    if ((st = scryi_sampler_denoise(S, G->u, S->x, s, err)) != SCRY_OK) return st;
    const double data = G->known ? 1 / (double)G->known : 0;
    const double prior = o->prior_weight / (double)base->n;
    for (size_t i = 0; i < base->n; i++)
        G->v[i] = (float)(data * G->v[i] + prior * ((double)S->x[i] - G->u[i] - s * S->z[i]));
    red_diff_adam(M, mu, G->v);
    return scryi_guided_move(G, 0, p, err);
}

static scry_status red_diff_start(struct scry_solver *base, scry_error *err)
{
    struct red_diff *M = (struct red_diff *)base;
    struct scryi_guided *G = &M->G;
    scry_status st = scryi_guided_start(base, err);
    if (st != SCRY_OK) return st;
    memset(M->first, 0, base->n * sizeof *M->first);
    memset(M->second, 0, base->n * sizeof *M->second);
    memset(G->base.x0, 0, base->n * sizeof *G->base.x0);
    if (base->problem.model) st = scry_gaussian_mean(base->problem.model, G->base.x0, err);
    if (st == SCRY_OK) st = scryi_guided_linearise(G, G->base.x0, err);
    if (st != SCRY_OK) return st;
    return scryi_guided_condition(
        G, G->base.x0, scryi_covariance_white(1),
        scryi_condition_settings(&G->condition, (struct scryi_cg_options){0}, START_CG, START_TOL),
        0, err);
}

static void red_diff_destroy(struct scry_solver *base)
{
    struct red_diff *M = (struct red_diff *)base;
    if (!M) return;
    scry_free(M->first);
    scry_free(M->second);
    scryi_guided_destroy(base);
}

static scry_status red_diff_plan(scry_solver **out, const scry_problem *problem,
                                 const scry_options *options, scry_error *err)
{
    const struct red_diff_options *o = scry_options_block(options);
    struct red_diff *M = scry_alloc(1, sizeof *M);
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", scry_method_red_diff.name);
    struct scry_solver *S = &M->G.base.base;
    M->G.all_noise = true; /* there is no state, and no level in it */
    S->start_fn = red_diff_start;
    S->step_fn = red_diff_step;
    S->destroy = red_diff_destroy;
    scry_status st = scryi_guided_init(&M->G, problem, options, &o->sampler, err);
    if (st == SCRY_OK) {
        M->first = scry_alloc(S->n, sizeof *M->first);
        M->second = scry_alloc(S->n, sizeof *M->second);
        if (!M->first || !M->second)
            st = SCRY_FAIL(err, SCRY_ENOMEM, "red-diff: two moments of %zu values", S->n);
    }
    if (st == SCRY_OK)
        *out = S;
    else
        red_diff_destroy(S);
    return st;
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct red_diff_options, 100),
    {"prior-weight", "lambda", SCRY_FIELD(struct red_diff_options, prior_weight), 0.25, 0, 1e6,
     NULL, "weight of the prior"},
    {"learning-rate", "lr", SCRY_FIELD(struct red_diff_options, learning_rate), 0.1, 1e-6, 1e3,
     NULL, "learning rate of Adam"},
    {0},
};

/* Not SCRY_POSTERIOR: its runs differ by the noise of the descent, which is no uncertainty. */
const struct scry_method scry_method_red_diff = {
    .name = "red-diff",
    .title = "regularisation by denoising diffusion",
    .kind = SCRY_CLASSICAL,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "a point estimate: ignores the noise level; its runs do not spread as the posterior",
    .citation = "Mardani, Song, Kautz, Vahdat 2023 (arXiv:2305.04391), Algorithm 1",
    .options = options,
    .plan = red_diff_plan,
};
