#include "lib/memory.h"
#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/particles_impl.h"

#include <math.h>
#include <string.h>

/* Twisted diffusion sampler: sequential Monte Carlo over the ancestral chain of the prior, whose
 * moves are bent towards the measurement and whose weights pay for that. With the twist
 *   psi_s(x) = p(y | D(x; s))^c(s),
 *   c(s) = 1 / (1 + r^2 |A|^2 W),   r^2 = (s^2 - s_min^2) / (1 + s^2),   W the mean weight of the
 * data (for white noise: sy^2 grows to sy^2 + r^2 |A|^2, PiGDM's), each of K particles draws x'
 * from q = N(m + (s^2 - s'^2) grad log psi_s(x), t^2 I), has its weight multiplied by N(x'; m, t^2
 * I) psi_s'(x') / (q(x') psi_s(x)), m = D + (s'/s)^2 (x - D) and t^2 as in particles_impl.h. Wu,
 * Trippe, Naesseth, Blei, Cunningham 2023, Alg. 1. At the last level c = 1 and the estimate D is
 * the sample, so that the weights are those of the true likelihood, Gaussian or counted, whatever
 * the twist: it only decides how many particles that takes. One vector-Jacobian product a particle
 * and level. */

/* D, the gradient of log psi (in P->extra) and log psi (in P->score) of particle k at level s. */
static scry_status evaluate(struct scryi_particles *P, size_t k, double s, scry_error *err)
{
    struct scryi_guided *G = &P->base.base;
    struct scry_solver *base = &G->base.base;
    const scry_likelihood *L = base->problem.L;
    const double last = G->base.sigma[base->steps - 1];
    const double c = 1 / (1 + (s * s - last * last) / (1 + s * s) * P->base.typical);
    float *x = P->x + k * base->n, *D = P->D + k * base->n, *g = P->extra + k * base->n;
    double nll;
    scry_status st = scryi_sampler_denoise(&G->base, D, x, s, err);
    if (st != SCRY_OK) return st;
    base->counts.forward += 2;
    base->counts.adjoint++;
    base->counts.vjp++;
    if ((st = scry_likelihood_value(L, &nll, D, G->likelihood_work, err)) != SCRY_OK) return st;
    if ((st = scry_likelihood_score(L, G->v, D, G->likelihood_work, err)) != SCRY_OK) return st;
    st = scry_prior_vjp(base->problem.prior, g, NULL, x, G->v, (float)s, G->base.prior_work, err);
    scry_scale(g, c, base->n);
    P->score[k] = -c * nll;
    return st;
}

static scry_status start(struct scry_solver *base, scry_error *err)
{
    struct scryi_particles *P = (struct scryi_particles *)base;
    struct scryi_sampler *S = &P->base.base.base;
    scry_status st = scryi_particles_start(base, err);
    for (size_t k = 0; k < P->count && st == SCRY_OK; k++) {
        scryi_particles_draw(P, S->z, k, true);
        scry_axpby(P->x + k * base->n, 1, S->x, S->sigma[0], S->z, base->n);
        st = evaluate(P, k, S->sigma[0], err);
        P->logw[k] = P->score[k];
    }
    return st;
}

/* Particle k from s to s' > 0. */
static scry_status propose(struct scryi_particles *P, size_t k, double s, double next,
                           scry_error *err)
{
    struct scryi_sampler *S = &P->base.base.base;
    const size_t n = S->base.n;
    float *x = P->x + k * n;
    const float *D = P->D + k * n, *g = P->extra + k * n;
    const double ratio = next * next / (s * s), t = sqrt(scryi_particles_variance(s, next));
    const double bend = s * s - next * next, before = P->score[k];
    double balance = 0; /* log N(x'; m, t^2 I) - log q(x'), with x' - m = bend g + t z */
    scryi_particles_draw(P, S->z, k, false);
    for (size_t i = 0; i < n; i++) {
        const double turn = bend * g[i], z = S->z[i];
        balance -= turn * (turn + 2 * t * z) / (2 * t * t);
        x[i] = (float)(D[i] + ratio * ((double)x[i] - D[i]) + turn + t * z);
    }
    scry_status st = evaluate(P, k, next, err);
    P->logw[k] += balance + P->score[k] - before;
    return st;
}

static scry_status step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct scryi_particles *P = (struct scryi_particles *)base;
    struct scryi_sampler *S = &P->base.base.base;
    const double s = S->sigma[base->step], next = S->sigma[base->step + 1];
    scry_status st = next > 0 ? scryi_particles_resample(P, base->opts.zeta, err) : SCRY_OK;
    for (size_t k = 0; k < P->count && next > 0 && st == SCRY_OK; k++)
        st = propose(P, k, s, next, err);
    return st == SCRY_OK ? scryi_particles_move(P, p, err) : st;
}

static scry_status plan(scry_solver **out, const scry_problem *problem,
                        const scry_solver_opts *opts, scry_error *err)
{
    struct scryi_particles *P = scry_alloc(1, sizeof *P);
    if (!P) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", scry_method_tds.name);
    struct scry_solver *S = &P->base.base.base.base;
    S->start_fn = start;
    S->step_fn = step;
    S->destroy = scryi_particles_destroy;
    scry_status st = scryi_particles_init(P, &scry_method_tds, problem, opts, err);
    if (st == SCRY_OK)
        *out = S;
    else
        scryi_particles_destroy(S);
    return st;
}

static const scry_option options[] = {
    SCRYI_SCHEDULE_OPTIONS(100),
    {"particles", 16, 1, 100000, "states of a run, of which one is drawn at the end"},
    {"zeta", 0.5, 0, 1, "effective share of the particles below which they are resampled"},
    {0},
};

const struct scry_method scry_method_tds = {
    .name = "tds",
    .title = "twisted diffusion sampler",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_VJP,
    .exact = "exact for any prior as particles and steps grow; how many particles that takes grows "
             "with what the measurement says",
    .citation = "Wu, Trippe, Naesseth, Blei, Cunningham 2023, NeurIPS (arXiv:2306.17775)",
    .options = options,
    .plan = plan,
};
