#include "solvers/posterior/langevin_impl.h"

#include "lib/memory.h"
#include "lib/vector.h"

#include <math.h>
#include <string.h>

/* Power iteration stops this close to the norm, from below. */
static const double NORM_TOL = 1e-3;

/* Bound on the eigenvalues of A^T W A. For counts W is taken at b, the mean that equals the count.
 */
static scry_status bound_data(struct scryi_langevin *L, scry_error *err)
{
    struct scryi_guided *G = L->G;
    const scry_likelihood *likelihood = G->base.base.problem.L;
    double norm2, max = 0, sum = 0;
    scry_status st = scry_op_norm2(G->A, &norm2, NORM_TOL, err);
    if (st != SCRY_OK) return st;
    memset(G->Au, 0, G->m * sizeof *G->Au);
    st = scry_likelihood_linearise(likelihood, G->w, G->b, G->Au, err);
    if (st == SCRY_OK && !G->gaussian)
        st = scry_likelihood_linearise(likelihood, G->w, G->t, G->b, err);
    for (size_t i = 0; i < G->m && st == SCRY_OK; i++) {
        max = fmax(max, G->w[i]);
        sum += G->w[i];
    }
    L->typical = sum / (double)G->m * norm2;
    L->data = (G->gaussian ? 1 : 4) * max * norm2 * (1 + 2 * NORM_TOL);
    return st;
}

scry_status scryi_langevin_init(struct scryi_langevin *L, struct scryi_guided *G, scry_error *err)
{
    const struct scry_solver *base = &G->base.base;
    L->G = G;
    L->g = scry_alloc(base->n, sizeof *L->g);
    if (!L->g)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: a gradient of %zu values", base->method->name,
                         base->n);
    return bound_data(L, err);
}

void scryi_langevin_clear(struct scryi_langevin *L)
{
    scry_free(L->g);
}

static void langevin_destroy(struct scry_solver *S)
{
    struct scryi_langevin_solver *M = (struct scryi_langevin_solver *)S;
    if (!M) return;
    scryi_langevin_clear(&M->L);
    scryi_guided_destroy(S);
}

void scryi_langevin_flatten(struct scryi_sampler_options *o)
{
    o->schedule.sigma_max = o->start.sigma = o->schedule.sigma_min;
    o->schedule.power = 1;
}

scry_status scryi_langevin_plan(scry_solver **out,
                                scry_status (*step)(struct scry_solver *, scry_progress *,
                                                    scry_error *),
                                const scry_problem *problem, const scry_options *options,
                                const struct scryi_sampler_options *o, scry_error *err)
{
    struct scryi_langevin_solver *M = scry_alloc(1, sizeof *M);
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", options->method->name);
    struct scry_solver *S = &M->G.base.base;
    S->start_fn = scryi_guided_start;
    S->step_fn = step;
    S->destroy = langevin_destroy;
    scry_status st = scryi_guided_init(&M->G, problem, options, o, err);
    if (st == SCRY_OK) st = scryi_langevin_init(&M->L, &M->G, err);
    if (st == SCRY_OK)
        *out = S;
    else
        langevin_destroy(S);
    return st;
}

scry_status scryi_langevin_pull(struct scryi_langevin *L, const float *x, scry_error *err)
{
    struct scryi_guided *G = L->G;
    if (!G->gaussian) G->linearised = false; /* the noise is that of x */
    scry_status st = scryi_guided_linearise(G, x, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < G->m; i++)
        G->r[i] = G->w[i] * (G->b[i] - G->Au[i]);
    L->misfit = G->known ? scry_norm(G->r, G->m) / sqrt((double)G->known) : 0;
    for (size_t i = 0; i < G->m; i++)
        G->r[i] *= G->w[i];
    return scryi_guided_adjoint(G, L->g, G->r, err);
}

scry_status scryi_langevin_push(struct scryi_langevin *L, const float *x, double sigma, double data,
                                double weight, scry_error *err)
{
    struct scryi_guided *G = L->G;
    scry_status st = scryi_sampler_denoise(&G->base, G->u, x, sigma, err);
    if (st != SCRY_OK) return st;
    const float a = (float)data, c = (float)(weight / (sigma * sigma));
    for (size_t i = 0; i < G->base.base.n; i++)
        L->g[i] = a * L->g[i] + c * (G->u[i] - x[i]);
    return SCRY_OK;
}

scry_status scryi_langevin_gradient(struct scryi_langevin *L, const float *x, double sigma,
                                    double data, double weight, scry_error *err)
{
    scry_status st = scryi_langevin_pull(L, x, err);
    return st != SCRY_OK ? st : scryi_langevin_push(L, x, sigma, data, weight, err);
}

void scryi_langevin_report(struct scryi_langevin *L, double sigma, scry_progress *p)
{
    struct scryi_sampler *S = &L->G->base;
    struct scry_solver *base = &S->base;
    base->step++;
    p->sigma = sigma;
    p->residual = L->misfit;
    p->x = S->x;
    p->x0 = S->x;
    p->reason = base->step == base->steps ? SCRY_DONE : SCRY_RUNNING;
}
