#include "lib/rng.h"
#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/langevin_impl.h"

#include <math.h>
#include <string.h>

/* PnP-Flow: a gradient step of the data, then a step back to the straight path between noise and
 * image and along it to its end, at times t that run from 0 to 1,
 *   z = x + gamma (1 - t)^zeta A^T W (b - A x) / |A^T W A|
 *   x = average over `averages` draws of n of D_t(t z + (1 - t) n),   D_t(w) = w + (1 - t) v(w, t).
 * Martin, Gagneux, Hagemann, Steidl 2025, Alg. 3. The w = t x0 + (1 - t) n of a flow is x0 + s n of
 * this library with s = (1 - t) / t, w = t x, and its velocity is the denoiser's
 *   v = (D(w / t; s) - w) / (1 - t),
 * so that D_t(w) = D(w / t; s): the network is called for D at z + s n, whether it was trained as a
 * flow or not. Because of the averages and of steps that vanish, the result is nearly the same for
 * every seed. */

enum { MAX_INNER = 1000 };

struct pnp_flow_options {
    struct scryi_sampler_options sampler;
    size_t averages;
    double step_size, step_decay;
};

/* x0 = the average of D(z + s n), z in L->g. */
static scry_status pnp_flow_project(struct scryi_langevin *L, double s, scry_error *err)
{
    struct scryi_guided *G = L->G;
    struct scryi_sampler *S = &G->base;
    const struct scry_solver *base = &S->base;
    const struct pnp_flow_options *o = scry_options_block(&base->options);
    memset(S->x0, 0, base->n * sizeof *S->x0);
    for (size_t k = 0; k < o->averages; k++) {
        scry_rng_normal(S->z, 0, base->n, base->seed, base->chain,
                        scry_rng_step((base->step + 1) * MAX_INNER + k, SCRYI_DRAW_SPARE));
        scry_axpby(G->u, 1, L->g, s, S->z, base->n);
        scry_status st = scryi_sampler_denoise(S, G->v, G->u, s, err);
        if (st != SCRY_OK) return st;
        scry_axpy(S->x0, 1 / (double)o->averages, G->v, base->n);
    }
    return SCRY_OK;
}

static scry_status pnp_flow_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct scryi_langevin *L = &((struct scryi_langevin_solver *)base)->L;
    struct scryi_guided *G = L->G;
    struct scryi_sampler *S = &G->base;
    const struct pnp_flow_options *o = scry_options_block(&base->options);
    const double s = S->sigma[base->step], t = 1 / (1 + s);
    const double length = o->step_size * pow(1 - t, o->step_decay) / L->data;
    if (!G->gaussian) G->linearised = false; /* the noise is that of x */
    scry_status st = scryi_guided_linearise(G, S->x, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < G->m; i++)
        G->r[i] = G->w[i] * (G->b[i] - G->Au[i]);
    L->misfit = G->known ? scry_norm(G->r, G->m) / sqrt((double)G->known) : 0;
    for (size_t i = 0; i < G->m; i++)
        G->r[i] *= G->w[i];
    if ((st = scryi_guided_adjoint(G, L->g, G->r, err)) != SCRY_OK) return st;
    scry_axpby(L->g, 1, S->x, length, L->g, base->n);
    if ((st = pnp_flow_project(L, s, err)) != SCRY_OK) return st;
    memcpy(S->x, S->x0, base->n * sizeof *S->x);
    scryi_langevin_report(L, s, p);
    return SCRY_OK;
}

/* Times in equal steps, within the levels of the prior. */
static scry_status pnp_flow_plan(scry_solver **out, const scry_problem *problem,
                                 const scry_options *options, scry_error *err)
{
    scry_solver *S;
    const struct pnp_flow_options *o = scry_options_block(options);
    struct scryi_sampler_options ends = o->sampler;
    ends.schedule.power = 1; /* only the ends of that schedule are used */
    scry_status st = scryi_langevin_plan(&S, pnp_flow_step, problem, options, &ends, err);
    if (st != SCRY_OK) return st;
    double *sigma = ((struct scryi_sampler *)S)->sigma;
    const double high = sigma[0], low = sigma[S->steps - 1];
    for (size_t i = 0; i < S->steps; i++) {
        const double t = (double)(i + 1) / (double)(S->steps + 1);
        sigma[i] = fmin(high, fmax(low, (1 - t) / t));
    }
    *out = S;
    return SCRY_OK;
}

static const scry_option options[] = {
    SCRYI_STEPS_OPTION(struct pnp_flow_options, 100, 100000, "times of the flow, in equal steps"),
    SCRYI_LEVEL_OPTIONS(struct pnp_flow_options),
    {"averages", "inner", SCRY_FIELD(struct pnp_flow_options, averages), 5, 1, MAX_INNER - 1, NULL,
     "noises that a step averages over"},
    {"step-size", "gamma", SCRY_FIELD(struct pnp_flow_options, step_size), 1, 1e-6, 2, NULL,
     "first data step, in units of the longest that lowers the misfit"},
    {"step-decay", "zeta", SCRY_FIELD(struct pnp_flow_options, step_decay), 1, 0, 100, NULL,
     "power of 1 - t with which the data step vanishes"},
    {0},
};

const struct scry_method scry_method_pnp_flow = {
    .name = "pnp-flow",
    .title = "PnP-Flow",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER,
    .exact = "a point estimate: chains differ by far less than the posterior's spread, and the "
             "noise level only weighs measurements against each other",
    .citation = "Martin, Gagneux, Hagemann, Steidl 2025, ICLR (arXiv:2410.02423), Algorithm 3",
    .options = options,
    .plan = pnp_flow_plan,
};
