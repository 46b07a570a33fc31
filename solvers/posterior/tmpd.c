#include "lib/memory.h"
#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/guided_impl.h"

#include <math.h>

/* Tweedie moment projected diffusion: the likelihood of the noisy state by matching two moments of
 * x0 | x, whose covariance is the denoiser's, V = s^2 dD/dx,
 *   x0 = D + s^2 (dD/dx)^T A^T (W^-1 + diag(v))^-1 (b - A D),   v = A s^2 (dD/dx)^T A^T 1,
 * then a DDIM step. Boys et al. 2023, Eq. 10 and Section 4.2, in the coordinate x = x0 + s n: the
 * sums v of the rows of A V A^T replace that matrix. They are its diagonal when it is diagonal, and
 * where none of its entries is negative diag(v) is not smaller than it, so that no step overshoots.
 *
 * Neither holds for entries of any sign, whose sums can be negative, as no variance is: the modulus
 * is used. A complex measurement has a 1 in both of its components, and both get the modulus of
 * their pair over sqrt 2: with a covariance that is diagonal in k-space this is the variance of
 * either component, and unlike the sums of real and imaginary parts it does not depend on the phase
 * of the receiver.
 *
 * Several coils see the same pixels, each with a small variance of its own: the step is then too
 * long by their number, and the chain diverges. So a step that is longer than the best one along
 * its direction is cut to that length (ours; the true step is not longer). */

struct tmpd_options {
    struct scryi_sampler_options sampler;
    double fresh_noise;
};

struct tmpd {
    struct scryi_guided G; /* first */
    float *v;              /* m */
};

/* out = s^2 (dD/dx)^T A^T in */
static scry_status tmpd_pull(struct scryi_guided *G, float *out, const float *in, scry_error *err)
{
    struct scryi_sampler *S = &G->base;
    const double s = S->sigma[S->base.step];
    scry_status st = scryi_guided_adjoint(G, G->v, in, err);
    if (st != SCRY_OK) return st;
    S->base.counts.vjp++;
    st = scry_prior_vjp(S->base.problem.prior, out, NULL, S->x, G->v, (float)s, S->prior_work, err);
    scry_scale(out, s * s, S->base.n);
    return st;
}

static scry_status tmpd_variances(struct tmpd *M, scry_error *err)
{
    struct scryi_guided *G = &M->G;
    for (size_t i = 0; i < G->m; i++)
        G->t[i] = 1;
    scry_status st = tmpd_pull(G, G->u, G->t, err);
    if (st == SCRY_OK) st = scryi_guided_forward(G, M->v, G->u, err);
    if (st != SCRY_OK) return st;
    const size_t per = scry_op_cod(G->A)->cplx ? 2 : 1;
    for (size_t i = 0; i < G->m; i += per) {
        const float v = per == 2 ? hypotf(M->v[i], M->v[i + 1]) / sqrtf(2) : fabsf(M->v[i]);
        for (size_t k = 0; k < per; k++)
            M->v[i + k] = v;
    }
    return SCRY_OK;
}

/* The factor, at most 1, that makes the step u = V A^T r (in G->u) no longer than the best one: the
 * minimum over c of
 *   1/2 |w (b - A (D + c u))|^2 + 1/2 c^2 u^T V^-1 u,   u^T V^-1 u = r^T A u. */
static scry_status tmpd_length(double *c, struct scryi_guided *G, scry_error *err)
{
    double along = 0, data = 0, image = 0;
    scry_status st = scryi_guided_forward(G, G->t, G->u, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < G->m; i++) {
        const double w2 = (double)G->w[i] * G->w[i], Au = G->t[i];
        along += w2 * Au * ((double)G->b[i] - G->Au[i]);
        data += w2 * Au * Au;
        image += G->r[i] * Au;
    }
    /* where the V of a network is not positive, the data alone decide */
    *c = data > 0 ? fmin(1, fmax(0, along / (data + fmax(image, 0)))) : 1;
    return SCRY_OK;
}

static scry_status tmpd_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    double c;
    struct tmpd *M = (struct tmpd *)base;
    struct scryi_guided *G = &M->G;
    struct scryi_sampler *S = &G->base;
    const struct tmpd_options *o = scry_options_block(&base->options);
    scry_status st = scryi_sampler_denoise(S, S->x0, S->x, S->sigma[base->step], err);
    if (st != SCRY_OK) return st;
    if ((st = scryi_guided_linearise(G, S->x0, err)) != SCRY_OK) return st;
    if ((st = tmpd_variances(M, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < G->m; i++) {
        const double w2 = (double)G->w[i] * G->w[i];
        G->r[i] = (float)(w2 / (1 + w2 * M->v[i]) * ((double)G->b[i] - G->Au[i]));
    }
    if ((st = tmpd_pull(G, G->u, G->r, err)) != SCRY_OK) return st;
    if ((st = tmpd_length(&c, G, err)) != SCRY_OK) return st;
    scry_axpy(S->x0, c, G->u, base->n);
    return scryi_guided_move(G, scryi_sampler_ddim_share(S, o->fresh_noise), p, err);
}

static void tmpd_destroy(struct scry_solver *base)
{
    if (base) scry_free(((struct tmpd *)base)->v);
    scryi_guided_destroy(base);
}

static scry_status tmpd_plan(scry_solver **out, const scry_problem *problem,
                             const scry_options *options, scry_error *err)
{
    const struct tmpd_options *o = scry_options_block(options);
    struct tmpd *M = scry_alloc(1, sizeof *M);
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", scry_method_tmpd.name);
    struct scry_solver *S = &M->G.base.base;
    S->start_fn = scryi_guided_start;
    S->step_fn = tmpd_step;
    S->destroy = tmpd_destroy;
    scry_status st = scryi_guided_init(&M->G, problem, options, &o->sampler, err);
    if (st == SCRY_OK) st = scryi_guided_scatter(&M->G, err);
    if (st == SCRY_OK && !(M->v = scry_alloc(M->G.m, sizeof *M->v)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "tmpd: %zu variances", M->G.m);
    if (st == SCRY_OK)
        *out = S;
    else
        tmpd_destroy(S);
    return st;
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(struct tmpd_options, 30),
    {"fresh-noise", "eta", SCRY_FIELD(struct tmpd_options, fresh_noise), 1, 0, 1, NULL,
     "share of fresh noise: 0 deterministic, 1 ancestral"},
    SCRYI_START_OPTIONS(struct tmpd_options),
    {0},
};

const struct scry_method scry_method_tmpd = {
    .name = "tmpd",
    .title = "Tweedie moment projected diffusion",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_VJP | SCRY_NEEDS_GAUSSIAN,
    .exact = "exact for Gaussian priors where A V A^T is diagonal, as steps grow; else "
             "approximate: mean off by up to 0.7 sd, spread 0.8 to 1.2 of the true one",
    .citation = "Boys et al. 2023 (arXiv:2310.06721), with the diagonal approximation",
    .options = options,
    .plan = tmpd_plan,
};
